"""Collects numbers by name and step into series, whatever order a log gives them in."""

from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from doctor.subjects.run import Series

_MILLISECONDS_PER_SECOND = 1000


class Curves:
    """Numbers as they come.

    A step that falls back (a counter that starts anew with every epoch) is continued from where it was; of two numbers
    for one step the later counts.
    """

    def __init__(self) -> None:
        self._values: defaultdict[str, dict[int, float]] = defaultdict(dict)
        self._offset = 0
        self._raw = 0

    def advance(self, step: int) -> int:
        """Hear of a counter's value; return the step, counted through from 1."""
        if step < self._raw:
            self._offset += self._raw + (step == 0)
        self._raw = step
        return self.step

    @property
    def step(self) -> int:
        """The step that is being logged, at least 1."""
        return max(1, self._offset + self._raw)

    def last(self, name: str) -> int:
        """Return the last step at which a quantity was given, 0 if never."""
        known = self._values.get(name)
        return next(reversed(known)) if known else 0

    def add(self, name: str, value: float, step: int | None = None) -> None:
        """Take a number for a step, by default the current one."""
        self._values[name][self.step if step is None else max(1, step)] = value

    def series(self) -> dict[str, Series]:
        """Return all, by the names that checks know."""
        found = {name: _series(values) for name, values in self._values.items() if values}
        if "step_milliseconds" in found:
            given = found.pop("step_milliseconds")
            found.setdefault("step_seconds", Series(given.steps, given.values / _MILLISECONDS_PER_SECOND))
        if "skipped_total" in found:
            total = found.pop("skipped_total")
            found.setdefault("skipped", Series(total.steps, np.diff(total.values, prepend=0.0).clip(0)))
        return found


def _series(values: Mapping[int, float]) -> Series:
    ordered = sorted(values)
    return Series(np.array(ordered, np.int64), np.array([values[step] for step in ordered], float))
