"""Keeps every fault of the probe inside the probe."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

MAX_FAULTS = 20
_faults: dict[str, int] = {}
_report: list[Callable[[str, Exception], object]] = []


def on_fault(report: Callable[[str, Exception], object]) -> None:
    """Have `report(where, error)` called once for every place that fails."""
    _report[:] = [report]


def failed(where: str, error: Exception) -> bool:
    """Note a fault; true where this place has failed so often that it should be left alone."""
    _faults[where] = _faults.get(where, 0) + 1
    if _faults[where] == 1 and _report:
        with contextlib.suppress(Exception):  # nowhere left to tell
            _report[0](where, error)
    return _faults[where] > MAX_FAULTS


def given_up(where: str) -> bool:
    """Whether a place has failed so often that it is left alone."""
    return _faults.get(where, 0) > MAX_FAULTS


def guarded(function: Callable[P, R]) -> Callable[P, R | None]:
    """Make `function` return None instead of raising; after `MAX_FAULTS` it is not called any more."""
    where = "%s.%s" % (function.__module__, function.__qualname__)

    @functools.wraps(function)
    def safe(*args: P.args, **kwargs: P.kwargs) -> R | None:
        if given_up(where):
            return None
        try:
            return function(*args, **kwargs)
        except Exception as error:
            failed(where, error)
            return None

    return safe
