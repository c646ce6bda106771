"""What can go wrong, one line of meaning each."""

from collections.abc import Sequence
from pathlib import Path

SAID_IN_FULL = 20


class DoctorError(Exception):
    """Something that `doctor` can name; its text is one line for the user."""


class UsageError(DoctorError):
    """The user asked wrongly: exit status 2."""


class CannotOpen(DoctorError):
    """One file cannot be read; the rest of the case is still examined."""

    def __init__(self, path: Path | str, reason: str, *, line: int | None = None) -> None:
        self.path = Path(path)
        self.reason = " ".join(reason.split())
        self.line = line
        place = f"{self.path}:{line}" if line is not None else f"{self.path}"
        super().__init__(f"{place}: {self.reason}")


class NotHealthy(DoctorError):
    """Something was found, or not all could be looked at, where a program asked for health.

    Attributes
    ----------
    said : list of str
        One line for each finding, file that cannot be read, and check that crashed.
    """

    def __init__(self, subject: str, said: Sequence[str]) -> None:
        self.said = list(said)
        shown = "".join(f"\n  {line}" for line in self.said[:SAID_IN_FULL])
        more = len(self.said) - SAID_IN_FULL
        super().__init__(f"{subject} is not healthy:{shown}" + (f"\n  and {more:,} more" if more > 0 else ""))


class NoVerdict(DoctorError):
    """A quantity cannot be had, so checks that need it give no verdict."""


class NotApplicable(NoVerdict):
    """The question does not arise for this subject (no target, no second split)."""


class NoSuchSubject(NotApplicable):
    """There is nothing of the kind that is asked about."""


class Unavailable(NoVerdict):
    """The question arises but cannot be answered (too few rows, budget spent)."""


class BudgetSpent(Unavailable):
    """The user's time budget ran out before the quantity was measured."""

    def __init__(self) -> None:
        super().__init__("the time budget was spent")
