"""Counts what lives in the process when the monitor asks, compares with the last count, and says who holds what grew.

Costs a tenth of a second per 300 000 objects, so it is asked for only when memory grows.
"""

from __future__ import annotations

import gc
import sys
import time
from collections import Counter, deque
from typing import TYPE_CHECKING, Any

from .allocation import in_use, resident
from .graphs import graph_sizes
from .holders import CACHE, HEAP_TYPE, Locals, Place, find_place
from .session import Listener
from .sizes import TENSORS, size_of_new_items

if TYPE_CHECKING:
    from .session import Session

MIN_SECONDS_BETWEEN = 14.0
MAX_SECONDS = 1.5
"""For the search of holders; the count itself takes what it takes."""
MIN_LENGTH = 8
"""Of dictionaries, of which there are many small ones."""
MIN_GROWN = 8
NAMED = 3
MIN_SHARE = 0.05
"""Of the memory gained, what a container's gain must come to before its holder is searched."""
CONTAINERS = (list, dict, set, deque)
BLOCK_BYTES = 64
"""Mean of Python's small blocks (at most 512 bytes)."""


class Census(Listener):
    """Answers the request "census".

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self._before: _Count | None = None

    def install(self) -> None:
        """Listen."""
        self.session.listeners.append(self)

    def asked(self, request: str) -> None:
        """Count, at most every `MIN_SECONDS_BETWEEN`."""
        now = time.monotonic()
        if request != "census" or (self._before and now - self._before.at < MIN_SECONDS_BETWEEN):
            return
        count = _Count(now, self.session.step)
        facts = count.facts()
        before, self._before = self._before, count
        if before is not None:
            facts.update(count.since(before))
        count.forget()
        self.session.event("census", seconds=time.monotonic() - now, **facts)


class _Count:
    """One count."""

    def __init__(self, at: float, step: int) -> None:
        self.at, self.step = at, step
        self.resident = resident()
        self.in_use = in_use()
        self.blocks = sys.getallocatedblocks()
        objects = gc.get_objects()
        self.types = Counter(map(type, objects))
        self._found = [one for one in objects if type(one) in CONTAINERS and len(one) >= _least(one)]
        self._found += _untracked(objects)
        caches = [one for one in objects if type(one) is CACHE]
        self.lengths = {id(one): len(one) for one in self._found}
        self.lengths.update((id(one), one.cache_info().currsize) for one in caches)
        self._found += caches
        tensors = [one for one in objects if type(one) in TENSORS]
        self.tensors = len(tensors)
        self.graphs = graph_sizes(tensors)
        self.loaders = [one for one in objects if type(one).__name__ == "DataLoader"]
        del objects, tensors, caches

    def forget(self) -> None:
        """Let go of all objects; only numbers are kept for the next comparison."""
        self._found.clear()
        self.loaders.clear()
        self.graphs.forget()

    def facts(self) -> dict[str, Any]:
        """Return the totals."""
        return {
            "objects": sum(self.types.values()),
            "blocks": self.blocks,
            "resident": self.resident,
            "in_use": self.in_use,
            "tensors": self.tensors,
            "graph_nodes": max(self.graphs.sizes.values(), default=0),
        }

    def since(self, before: _Count) -> dict[str, Any]:
        """Return what grew since an earlier count."""
        deadline = time.monotonic() + MAX_SECONDS
        in_use_grown = None if self.in_use is None or before.in_use is None else self.in_use - before.in_use
        return {
            "interval": self.at - before.at,
            "steps": self.step - before.step,
            "resident_grown": self.resident - before.resident,
            "in_use_grown": in_use_grown,
            "blocks_grown": (self.blocks - before.blocks) * BLOCK_BYTES,
            "types": _grown_types(self.types, before.types),
            "growing": self._growing(before, deadline),
        }

    def _growing(self, before: _Count, deadline: float) -> list[dict[str, Any]]:
        grown: list[tuple[float, str, int, Any]] = []
        for thing in self._found:
            gain = self.lengths[id(thing)] - before.lengths.get(id(thing), self.lengths[id(thing)])
            if gain >= MIN_GROWN:
                each, kind = size_of_new_items(_results(thing) if type(thing) is CACHE else thing, gain)
                grown.append((gain * max(each, 8.0), kind, gain, thing))
        least = MIN_SHARE * max(0, self.resident - before.resident)
        grown = sorted((one for one in grown if one[0] >= least), key=lambda one: -one[0])[:NAMED]
        variables = Locals(own=(self._found, self.graphs.tensors, *grown))
        try:
            entries = [
                self._entry(size, kind, gain, thing, find_place(thing, variables, deadline))
                for size, kind, gain, thing in grown
            ]
            entries += self._graphs(before, variables, deadline)
        finally:
            variables.close()
        return entries

    def _entry(self, size: float, kind: str, gain: int, thing: Any, place: Place | None) -> dict[str, Any]:
        length = self.lengths[id(thing)]
        holder = described(place) | {"length": length, "grown": gain, "limit": self._limit(thing, length)}
        holder["container"] = type(thing).__name__
        return {"type": kind, "count": length, "grown": gain, "bytes": size, "holder": holder}

    def _limit(self, thing: Any, length: int) -> int | None:
        if type(thing) is deque:
            return thing.maxlen
        if type(thing) is CACHE:
            limit: int | None = thing.cache_info().maxsize
            return limit
        if type(thing) is dict and all(type(key) is int for key in list(thing)[-20:]):
            # Keyed by the place in a dataset, it is full after one epoch.
            sizes = [size for size in map(_dataset_size, self.loaders) if size > length]
            return min(sizes, default=None) if max(list(thing)[-20:]) < max(sizes, default=0) else None
        return None

    def _graphs(self, before: _Count, variables: Locals, deadline: float) -> list[dict[str, Any]]:
        entries = []
        for tensor, size in self.graphs.largest():
            place = find_place(tensor, variables, deadline)
            if place is None:
                continue
            self.graphs.names[place.name] = size
            gain = size - before.graphs.names.get(place.name, before.graphs.most)
            if gain >= max(MIN_GROWN, self.step - before.step):
                holder = described(place) | {"length": size, "grown": gain, "limit": None}
                entries.append({"type": "graph", "count": size, "grown": gain, "bytes": 0.0, "holder": holder})
        return entries


def described(place: Place | None) -> dict[str, Any]:
    """Return a place as plain data: name, kind, path, line where it is filled, line where it is emptied.

    `expression` is what a method call in that line fills, as it is written there.
    """
    if place is None:
        return {"name": "", "kind": "unknown", "path": None, "line": None, "evicts": "", "expression": ""}
    lines = place.lines() if place.kind != "cache" else None
    line = (lines.filled or lines.made) if lines is not None else place.line
    evicts = "line %d" % lines.emptied if lines is not None and lines.emptied is not None else ""
    expression = lines.expression if lines is not None else ""
    where = {"path": place.path, "line": line, "evicts": evicts, "expression": expression}
    return {"name": place.name, "kind": place.kind, **where}


def _least(container: Any) -> int:
    return MIN_LENGTH if type(container) is dict else 1


def _results(cache: Any) -> dict[Any, Any]:
    """Return what an unbounded `functools.cache` keeps."""
    inside = [one for one in gc.get_referents(cache) if type(one) is dict]
    return max(inside, key=len, default={})


def _untracked(objects: list[Any]) -> list[Any]:
    """Return long dictionaries of plain values, which the collector does not know, in attributes and dictionaries."""
    owners = [
        one
        for one in objects
        if type(one) is dict or (type(one).__flags__ & HEAP_TYPE and not issubclass(type(one), type))
    ]
    found = {}
    for begin in range(0, len(owners), 2000):
        for one in gc.get_referents(*owners[begin : begin + 2000]):
            if type(one) is dict and len(one) >= MIN_LENGTH and not gc.is_tracked(one):
                found[id(one)] = one
    return list(found.values())


def _dataset_size(loader: Any) -> int:
    try:
        return len(loader.dataset)
    except Exception:
        return 0


def _grown_types(now: Counter[type], before: Counter[type]) -> list[dict[str, Any]]:
    grown = [(count - before.get(kind, 0), kind, count) for kind, count in now.items()]
    grown.sort(key=lambda one: -one[0])
    return [
        {"type": "%s.%s" % (kind.__module__, kind.__qualname__), "count": count, "grown": gain}
        for gain, kind, count in grown[:10]
        if gain > MIN_GROWN
    ]
