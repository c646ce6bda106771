"""Reads from the graph of a bad loss whether what went into the model was finite; nothing is run again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from .origin_values import facts, first_bad_row, is_finite

MAX_NODES = 20_000


def bad_input(loss: Any) -> dict[str, Any] | None:
    """Return the input that was not finite, as an answer of the replay; None where the graph shows none.

    What operations keep for their backward pass is looked at, the earliest operation first. A tensor that no recorded
    operation made and that is no weight is the data, or was made of it before the first weight.

    Parameters
    ----------
    loss : Tensor
        On which backward is about to be called.
    """
    for node in _earliest_first(loss.grad_fn):
        bad = [one for one in _kept(node) if not is_finite(one)]
        for tensor in bad:
            if tensor.grad_fn is None and not tensor.requires_grad:
                return {
                    "where": "input",
                    "fault": "early",
                    "operation": "",
                    "inputs": [],
                    "output": facts(tensor),
                    "path_ranges": [],
                    "sample": first_bad_row(tensor, tensor.shape[0] if tensor.dim() else None),
                    "method": "read from the graph of the loss",
                }
        if bad:
            return None
    return None


def _earliest_first(last: Any) -> Iterator[Any]:
    """Return the operations, those with the longest way to the loss first."""
    depth = {last: 0} if last is not None else {}
    layer = list(depth)
    while layer and len(depth) < MAX_NODES:
        following = [node for known in layer for node, _ in known.next_functions if node is not None]
        layer = list(dict.fromkeys(node for node in following if node not in depth))
        depth.update((node, len(depth)) for node in layer)
    return iter(sorted(depth, key=lambda node: -depth[node]))


def _kept(node: Any) -> list[Any]:
    kept: list[Any] = []
    for name in dir(node):
        if name != "saved_tensors" and not name.startswith("_saved_"):
            continue
        try:
            value = getattr(node, name)
        except RuntimeError:  # freed, or changed in place since
            continue
        kept += [one for one in (value if isinstance(value, (tuple, list)) else [value]) if type(one) is torch.Tensor]
    return kept
