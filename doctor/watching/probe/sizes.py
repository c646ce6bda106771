"""Estimates what objects take, from a few of them, without running any code of theirs."""

from __future__ import annotations

import gc
import itertools
import sys
from collections import deque
from collections.abc import Iterable
from typing import Any

import torch

SAMPLED_ITEMS = 24
MAX_DEPTH = 3
TENSORS = (torch.Tensor, torch.nn.Parameter)


def size_of_new_items(container: Any, count: int) -> tuple[float, str]:
    """Return the mean size in bytes of the last `count` items of a container (at most a few), and their usual type."""
    items = list(itertools.islice(_newest(container), min(count, SAMPLED_ITEMS)))
    if not items:
        return 0.0, "object"
    seen: set[int] = set()
    sizes = [float(size_of(item, seen)) for item in items]
    kinds = [_shown(item[1] if type(container) is dict else item) for item in items]
    del items
    return sum(sizes) / len(sizes), max(set(kinds), key=kinds.count)


def size_of(thing: Any, seen: set[int], depth: int = 0) -> float:
    """Return bytes that go when `thing` goes, as far as `MAX_DEPTH` objects away; what is in `seen` counts nothing."""
    kind = type(thing)
    if id(thing) in seen or isinstance(thing, type):
        return 0.0
    seen.add(id(thing))
    if kind in TENSORS:
        return _tensor_bytes(thing, seen)
    if kind.__module__ == "numpy" and hasattr(kind, "nbytes"):
        base = thing
        while getattr(base, "base", None) is not None and type(base.base) is kind:
            base = base.base
        fresh = base is thing or id(base) not in seen
        seen.add(id(base))
        return float(base.nbytes) if fresh else 100.0
    size = float(object.__sizeof__(thing)) if kind.__flags__ & 1 << 9 else float(sys.getsizeof(thing, 64))
    if depth >= MAX_DEPTH:
        return size
    if kind in (list, tuple, set, frozenset, deque):
        return size + _scaled(thing, len(thing), seen, depth)
    if kind is dict:
        return size + _scaled(itertools.chain.from_iterable(thing.items()), 2 * len(thing), seen, depth)
    if kind.__flags__ & 1 << 9:  # written in Python: what its attributes refer to
        inner = [one for one in gc.get_referents(thing) if not isinstance(one, type)]
        return size + _scaled(inner, len(inner), seen, depth)
    return size


def _scaled(items: Iterable[Any], count: int, seen: set[int], depth: int) -> float:
    chosen = list(itertools.islice(items, SAMPLED_ITEMS))
    return sum(size_of(item, seen, depth + 1) for item in chosen) * count / max(1, len(chosen))


def _tensor_bytes(tensor: Any, seen: set[int]) -> float:
    storage = tensor.untyped_storage()
    if storage._cdata in seen:
        return 200.0
    seen.add(storage._cdata)
    return float(storage.nbytes()) + 200.0


def _newest(container: Any) -> Iterable[Any]:
    if type(container) is dict:
        return reversed(container.items())
    items: Iterable[Any] = reversed(container) if type(container) in (list, deque) else iter(container)
    return items


def _shown(item: Any) -> str:
    kind = type(item)
    if kind in TENSORS:
        kept = " with its graph" if item.grad_fn is not None and not item._is_view() else ""
        return "%s%s%s" % (kind.__name__, list(item.shape), kept)
    return str(kind.__name__)
