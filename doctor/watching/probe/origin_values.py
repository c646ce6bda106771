"""What a replay says of a tensor: shape, kind, range, and whether it is finite."""

from __future__ import annotations

import math
from typing import Any

import torch


def tensors(value: Any) -> list[Any]:
    """Return the tensors in nested arguments or results, each once."""
    found: list[Any] = []
    waiting = [value]
    while waiting:
        item = waiting.pop(0)
        if isinstance(item, torch.Tensor):
            if item.layout == torch.strided and all(item is not other for other in found):
                found.append(item)
        elif isinstance(item, (tuple, list)):
            waiting.extend(item)
        elif isinstance(item, dict):
            waiting.extend(item.values())
    return found


def scalars(value: Any) -> list[float]:
    """Return the plain numbers in nested arguments."""
    if isinstance(value, float):
        return [value]
    if isinstance(value, (tuple, list)):
        return [number for item in value for number in scalars(item)]
    if isinstance(value, dict):
        return [number for item in value.values() for number in scalars(item)]
    return []


def spread(tensor: Any) -> tuple[float, float] | None:
    """Return the least and the greatest value, NaN where there is one; None where there is nothing to compare."""
    if not (tensor.is_floating_point() or tensor.is_complex()) or tensor.numel() == 0 or tensor.is_meta:
        return None
    values = tensor.detach()
    if values.is_complex():
        values = torch.view_as_real(values.resolve_conj())
    if values.element_size() < 2:
        values = values.float()
    low, high = torch.aminmax(values)
    return float(low), float(high)


def is_finite(tensor: Any) -> bool:
    """Return whether no value is NaN or infinite."""
    span = spread(tensor)
    return span is None or (math.isfinite(span[0]) and math.isfinite(span[1]))


def has_nan(tensor: Any) -> bool:
    """Return whether a value is NaN."""
    span = spread(tensor)
    return span is not None and math.isnan(span[0])


def only_negative_infinity(tensor: Any) -> bool:
    """Return whether all that is not finite is minus infinity, as in a mask."""
    span = spread(tensor)
    return span is not None and span[0] == -math.inf and math.isfinite(span[1]) | (span[1] == -math.inf)


def facts(tensor: Any) -> dict[str, Any]:
    """Return a tensor as plain data.

    Returns
    -------
    dict
        `shape`, `dtype`; `min` and `max` of the finite values (None where there are none), `absmin` of them (0 where
        one is zero), and how many are `nan`, `inf` and `-inf`.
    """
    known: dict[str, Any] = {"shape": list(tensor.shape), "dtype": str(tensor.dtype).replace("torch.", "")}
    if tensor.numel() == 0 or tensor.is_meta:
        return known
    values = tensor.detach()
    if values.is_complex():
        values = torch.view_as_real(values.resolve_conj())
    finite = values[torch.isfinite(values)] if values.is_floating_point() else values.reshape(-1)
    if finite.numel():
        wide = finite.double()
        known |= {"min": float(wide.min()), "max": float(wide.max()), "absmin": float(wide.abs().min())}
    if values.is_floating_point():
        known["nan"] = int(torch.isnan(values).sum())
        known["inf"] = int((values == math.inf).sum())
        known["-inf"] = int((values == -math.inf).sum())
    return known


def first_bad_row(tensor: Any, rows: int | None) -> int | None:
    """Return which sample of a batch of `rows` is not finite; None where the tensor has no rows or all are bad.

    A first dimension that is a multiple of the batch is taken for samples whose positions were laid end to end.
    """
    if not rows or tensor.dim() == 0 or tensor.shape[0] % rows or tensor.numel() == 0:
        return None
    bad = ~torch.isfinite(tensor.detach()).reshape(rows, -1).all(1)
    if not bad.any() or (bad.all() and rows > 1):
        return None
    return int(bad.nonzero()[0])
