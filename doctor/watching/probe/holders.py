"""Follows an object to the variable that keeps it: a global, a local of a running function, an attribute, a closure."""

from __future__ import annotations

import functools
import gc
import sys
import time
import types
from collections import deque
from collections.abc import Sequence
from typing import Any

from .source_lines import SourceLines

MAX_DEPTH = 4
MAX_REFERRERS = 60
"""Something to which more point is not held by a single variable."""
HEAP_TYPE = 1 << 9
"""Flag of classes that were written in Python."""
CACHE = type(functools.lru_cache(lambda: None))
CONTAINERS = (list, dict, set, deque, tuple)
OWN = __name__.rpartition(".")[0]


class Place:
    """Where an object was found.

    Attributes
    ----------
    name : str
        As it is written: `history`, `recorder.history`, `cache[...]`.
    kind : str
        "global", "local", "attribute", "closure", "cache".
    path : str or None
        Source file of what owns the name.
    variable : str
        The last part of the name, which the source file fills; `attribute` says whether behind a dot.
    line : int or None
        Where that is known without a search.
    """

    def __init__(self, name: str, kind: str, path: str | None, variable: str, attribute: bool = False) -> None:
        self.name, self.kind, self.path = name, kind, path
        self.variable, self.attribute = variable, attribute
        self.line: int | None = None

    def lines(self) -> SourceLines | None:
        """Return what the source does with it: looked for where it is owned, then in the program itself."""
        main = getattr(sys.modules.get("__main__"), "__file__", None)
        found = None
        for path in dict.fromkeys(filter(None, (self.path, main))):
            found = SourceLines(path, self.variable, self.attribute, self.name)
            if found.filled is not None or found.made is not None:
                self.path = path
                return found
        return found


class Locals:
    """The local variables of all functions that are running.

    Reading them leaves a copy in each frame (before Python 3.13), which would keep tensors alive: `close` removes it
    where the program did not ask for one itself.

    Parameters
    ----------
    own : sequence of containers
        Those in which the search itself keeps things.
    """

    def __init__(self, own: Sequence[object] = ()) -> None:
        self.own = own
        self.entries: list[tuple[types.FrameType, str, Any]] = []
        self._copies: list[dict[str, Any]] = []
        for frame in list(sys._current_frames().values()):
            at: types.FrameType | None = frame
            while at is not None:
                if not str(at.f_globals.get("__name__", "")).startswith(OWN) and at.f_code.co_flags & 1:  # CO_OPTIMIZED
                    copy = at.f_locals
                    self.entries += [(at, name, value) for name, value in copy.items()]
                    if isinstance(copy, dict):
                        self._copies.append(copy)
                    del copy
                at = at.f_back

    def close(self) -> None:
        """Forget them."""
        self.entries.clear()
        if sys.gettrace() is None:
            while self._copies:
                copy = self._copies.pop()
                if sys.getrefcount(copy) <= 3:  # the frame, this variable and the call: nobody called locals()
                    copy.clear()

    def find(self, thing: object) -> Place | None:
        """Return the variable that is this very object."""
        for frame, name, value in self.entries:
            if value is thing:
                return Place(name, "local", frame.f_code.co_filename, name)
        return None


def find_place(thing: object, variables: Locals, deadline: float, depth: int = 0) -> Place | None:
    """Return the variable that keeps `thing`, over up to `MAX_DEPTH` objects between; None where none is found in time.

    Parameters
    ----------
    thing : object
    variables : Locals
    deadline : float
        On `time.monotonic`.
    """
    if type(thing) is CACHE:
        return _cached(thing)
    place = variables.find(thing)
    if place is not None or depth >= MAX_DEPTH or time.monotonic() > deadline:
        return place
    referrers = gc.get_referrers(thing)
    referrers = [one for one in referrers if not any(one is mine for mine in variables.own)]
    if len(referrers) > MAX_REFERRERS:
        return None
    for referrer in referrers:
        if type(referrer) is dict:
            place = _in_module(thing, referrer)
            if place is not None:
                return place
    for referrer in referrers:
        place = _behind(thing, referrer, variables, deadline, depth)
        if place is not None:
            return place
    return None


def _in_module(thing: object, names: dict[Any, Any]) -> Place | None:
    module = sys.modules.get(str(names.get("__name__", ""))) if "__name__" in names else None
    if module is None or vars(module) is not names or str(names["__name__"]).startswith(OWN):
        return None
    for name, value in list(names.items()):
        if value is thing:
            return Place(str(name), "global", getattr(module, "__file__", None), str(name))
    return None


def _behind(thing: object, referrer: object, variables: Locals, deadline: float, depth: int) -> Place | None:
    kind = type(referrer)
    if kind is types.CellType:
        return _closed_over(referrer)
    if kind is dict:
        owners = [one for one in gc.get_referrers(referrer) if getattr(one, "__dict__", None) is referrer]
        if owners:
            return _attribute(thing, owners[0], variables, deadline, depth)
    if kind in CONTAINERS:
        place = find_place(referrer, variables, deadline, depth + 1)
        if place is not None:
            key = _key(thing, referrer) if kind is dict else "..."
            return Place("%s[%s]" % (place.name, key), place.kind, place.path, place.variable, place.attribute)
        return None
    if kind is CACHE:
        return _cached(referrer)
    if kind.__flags__ & HEAP_TYPE and not issubclass(kind, type):
        return _attribute(thing, referrer, variables, deadline, depth)
    return None


def _attribute(thing: object, owner: Any, variables: Locals, deadline: float, depth: int) -> Place | None:
    if isinstance(owner, types.ModuleType):
        return None
    attributes = getattr(owner, "__dict__", None) or {}
    name = next((str(name) for name, value in list(attributes.items()) if value is thing), None)
    if name is None or type(owner).__module__.startswith(OWN):
        return None
    module = sys.modules.get(type(owner).__module__)
    path = getattr(module, "__file__", None)
    above = find_place(owner, variables, deadline, depth + 1)
    first = above.name if above is not None else type(owner).__name__
    return Place("%s.%s" % (first, name), "attribute", path, name, attribute=True)


def _closed_over(cell: object) -> Place | None:
    for closure in gc.get_referrers(cell):
        if type(closure) is tuple:
            for function in gc.get_referrers(closure):
                if isinstance(function, types.FunctionType) and function.__closure__ is closure:
                    place = next(place for place, one in enumerate(closure) if one is cell)
                    name = function.__code__.co_freevars[place]
                    return Place(name, "closure", function.__code__.co_filename, name)
    return None


def _cached(cache: Any) -> Place:
    function = getattr(cache, "__wrapped__", None)
    code = getattr(function, "__code__", None)
    name = getattr(function, "__qualname__", "a cached function")
    place = Place(name, "cache", getattr(code, "co_filename", None), name)
    place.line = getattr(code, "co_firstlineno", None)
    return place


def _key(thing: object, entries: object) -> str:
    for key, value in list(entries.items()) if type(entries) is dict else ():
        if value is thing and type(key) in (str, int):
            return repr(key)[:40]
    return "..."
