"""Measures evidence when it is asked for, once for the whole visit.

Evidence asks by type, in the signature of its class method `measure`, for other evidence and, in the end, for
subjects, as `X | None` where it can do without, and as `X | Y` where either will do that is about a subject in view. A
class may state its `COST`, by which dear ones come last.
"""

import inspect
import time
import types
import typing
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol, TypeVar

from doctor.errors import BudgetSpent, NoSuchSubject, NotApplicable, Unavailable, UsageError

Known = TypeVar("Known")


class Observer(Protocol):
    """Who wants to know how far the visit has come."""

    def planned(self, measures: int) -> None:
        """Hear how many measures there will be at most."""

    def measuring(self, name: str, subject: str) -> None:
        """Hear that a measure begins."""

    def finished(self) -> None:
        """Hear that all is done."""


class Silent:
    """An observer that shows nothing."""

    def planned(self, measures: int) -> None:
        """Ignore it."""

    def measuring(self, name: str, subject: str) -> None:
        """Ignore it."""

    def finished(self) -> None:
        """Ignore it."""


@dataclass(frozen=True)
class Scope:
    """The subjects in view while one check is run, by their type."""

    subjects: Mapping[type, Any]
    label: str
    path: str


class Measurements:
    """Evidence, measured when first asked for and kept for the whole visit."""

    def __init__(self, observer: Observer, deadline: float | None) -> None:
        self._observer = observer
        self._deadline = deadline
        self._kept: dict[tuple[object, ...], Any] = {}
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.skipped: dict[str, str] = {}

    def get(self, wanted: type, scope: Scope) -> Any:
        """Return evidence or a subject of the wanted type.

        Raises
        ------
        NoVerdict
            When it cannot be had, with the reason; asked again, the same error is raised.
        """
        if wanted not in (needed := required(wanted)):
            try:
                return self._either(needed, scope)
            except NotApplicable:
                if type(None) in typing.get_args(wanted):
                    return None
                raise
        if wanted in scope.subjects:
            return scope.subjects[wanted]
        if not hasattr(wanted, "measure"):
            raise NoSuchSubject(f"there is no {wanted.__name__.lower()} here")
        key = (
            wanted,
            *(scope.subjects.get(root) for root in sorted(roots(wanted), key=lambda root: root.__name__)),
        )
        if key not in self._kept:
            self._kept[key] = self._measure(wanted, scope)
        kept = self._kept[key]
        if isinstance(kept, Exception):
            raise kept
        return kept

    def _either(self, wanted: Sequence[type], scope: Scope) -> Any:
        """Return the first evidence of which the subject is there."""
        for part in wanted[:-1]:
            with suppress(NoSuchSubject):
                return self.get(part, scope)
        return self.get(wanted[-1], scope)

    def had(self, wanted: type, scope: Scope) -> Any:
        """Return evidence, or None where it cannot be had; a misuse is still an error."""
        try:
            return self.get(wanted, scope)
        except UsageError:
            raise
        except Exception:
            return None

    def attempt(self, name: str, subject: str, work: Callable[[], Known], otherwise: Known) -> Known:
        """Do what the findings do not rest on, if there is time; where it fails, the report says why it is not there.

        Parameters
        ----------
        name : str
            By which its time, or why it is missing, is known.
        otherwise : Known
            What is returned where it fails.
        """
        if self._deadline is not None and time.monotonic() >= self._deadline:
            self.skipped[name] = str(BudgetSpent())
            return otherwise
        self._observer.measuring(name, subject)
        begin = time.monotonic()
        try:
            return work()
        except Exception as error:
            self.skipped[name] = f"{type(error).__name__}: {error}"
            return otherwise
        finally:
            self.seconds[name] += time.monotonic() - begin

    def _measure(self, wanted: type, scope: Scope) -> Any:
        try:
            parts = [self.get(part, scope) for part in ingredients(wanted)]
        except Exception as error:
            return error
        if self._deadline is not None and time.monotonic() >= self._deadline:
            return self._skip(wanted)
        self._observer.measuring(wanted.__name__, scope.path)
        begin = time.monotonic()
        try:
            return wanted.measure(*parts)  # type: ignore[attr-defined]  # guarded by hasattr above
        except BudgetSpent:
            return self._skip(wanted)
        except Exception as error:
            return error.with_traceback(error.__traceback__)
        finally:
            self.seconds[wanted.__name__] += time.monotonic() - begin

    def _skip(self, wanted: type) -> Unavailable:
        self.skipped[wanted.__name__] = str(BudgetSpent())
        return Unavailable(f"{wanted.__name__} was not measured: {BudgetSpent()}")


def required(wanted: Any) -> tuple[type, ...]:
    """Return the types behind `X | None`, by which evidence is asked for that may not apply, and behind `X | Y`."""
    if not isinstance(wanted, types.UnionType):
        return (wanted,)
    return tuple(part for part in typing.get_args(wanted) if part is not type(None))


@cache
def ingredients(evidence: type) -> tuple[type, ...]:
    """Return what an evidence class is measured from, by the types in its signature."""
    measure = evidence.measure  # type: ignore[attr-defined]  # callers pass evidence classes
    hints = typing.get_type_hints(measure)
    return tuple(hints[name] for name in inspect.signature(measure).parameters)


@cache
def roots(wanted: type) -> frozenset[type]:
    """Return the subject types on which something rests in the end."""
    if wanted not in (needed := required(wanted)):
        return frozenset().union(*(roots(part) for part in needed))
    if not hasattr(wanted, "measure"):
        return frozenset({wanted})
    return frozenset().union(*(roots(part) for part in ingredients(wanted)))


@cache
def cost(wanted: type) -> int:
    """Return how dear something is, its ingredients included; no unit, larger is dearer."""
    if wanted not in (needed := required(wanted)):
        return max(cost(part) for part in needed)
    if not hasattr(wanted, "measure"):
        return 0
    return int(getattr(wanted, "COST", 1)) + sum(cost(part) for part in ingredients(wanted))
