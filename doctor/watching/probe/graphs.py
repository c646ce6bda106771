"""Measures graphs of operations that are kept alive: `total += loss` keeps those of all steps."""

from __future__ import annotations

import time
from typing import Any

MAX_NODES = 300_000
MAX_SECONDS = 0.4
MAX_TENSORS = 2000
MIN_NODES = 50
LARGEST = 4


class Graphs:
    """How many operations hang behind each tensor.

    Attributes
    ----------
    tensors : list
        Those with a graph; emptied by `forget`.
    sizes : dict of int to int
        Operations by id of the tensor; what a larger graph contains is counted there.
    names : dict of str to int
        Operations by the variable that holds the tensor, as far as these were looked for.
    """

    def __init__(self, tensors: list[Any], sizes: dict[int, int]) -> None:
        self.tensors, self.sizes = tensors, sizes
        self.names: dict[str, int] = {}
        self.most = max(sizes.values(), default=0)

    def largest(self) -> list[tuple[Any, int]]:
        """Return the tensors with the largest graphs."""
        ranked = sorted(self.tensors, key=lambda tensor: -self.sizes[id(tensor)])
        return [(tensor, self.sizes[id(tensor)]) for tensor in ranked[:LARGEST]]

    def forget(self) -> None:
        """Let go of the tensors."""
        self.tensors.clear()


def graph_sizes(tensors: list[Any]) -> Graphs:
    """Measure the graphs behind all tensors that are results of operations.

    Views are left out: asking one for its graph may make a new one.
    """
    results = [one for one in tensors if one.requires_grad and not one.is_leaf and not one._is_view()][-MAX_TENSORS:]
    sizes: dict[int, int] = {}
    deadline = time.monotonic() + MAX_SECONDS
    for tensor in results:
        size = _operations(tensor.grad_fn, deadline)
        if size >= MIN_NODES:
            sizes[id(tensor)] = size
    return Graphs([one for one in results if id(one) in sizes], sizes)


def _operations(node: Any, deadline: float) -> int:
    """Count, until it takes too long: a graph of that size is kept over steps in any case."""
    seen = {node}
    waiting = [node]
    while waiting and len(seen) < MAX_NODES and (len(seen) % 1000 or time.monotonic() < deadline):
        for following, _ in waiting.pop().next_functions:
            if following is not None and following not in seen:
                seen.add(following)
                waiting.append(following)
    return len(seen)
