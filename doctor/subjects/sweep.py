"""A sweep of learning rates: many short trainings that differ in their rate, as `doctor verify --stress` records it."""

from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from doctor.errors import CannotOpen
from doctor.model import SubjectSummary

SWEEP_FILE = "sweep.json"


class Trial(Struct, frozen=True, kw_only=True):
    """One training of a sweep.

    Attributes
    ----------
    stage : str
        "coarse", "fine" (both search for a rate), "stress" (raises it until the loss breaks), or "without": as
        "stress", but without the suspected rows.
    rate : float
        The highest learning rate, or its ratio to the program's own: see `Sweep.unit`.
    losses : tuple of (float or None)
        One per update, before it; None where the loss was not finite.
    evaluation : float or None
        The loss after the last update on rows that were held out.
    failure : str
        Why it did not come to its end; empty where it did.
    """

    stage: str
    rate: float
    seed: int
    losses: tuple[float | None, ...]
    evaluation: float | None = None
    failure: str = ""


class Suspect(Struct, frozen=True, kw_only=True):
    """A row that stands out.

    Attributes
    ----------
    row : int
        Counted from 1 in its split, without the header.
    score : float
        How far the gradient norms of its batches lie above the usual, on average over `batches` of them in trainings
        that held, in deviations of all rows.
    breaks : int
        Breaking updates whose batch, or the next, has the row in it.
    """

    row: int
    score: float
    batches: int
    breaks: int


class Sweep(Struct, frozen=True, kw_only=True):
    """All trials, and what is known of the rows.

    Attributes
    ----------
    shown : str
        The data set or the command.
    unit : str
        "rate", or "ratio" where the program's own rate is multiplied.
    own : float or None
        The rate that the user trains at; 1 where the unit is a ratio; None where nobody said.
    split : str or None
        In which the suspects are.
    suspects : tuple of Suspect
        The worst first; empty where batches were not known.
    breaks, breaks_with_suspects : int
        Breaking updates whose batches were known, and those with one of the suspects in them.
    chance_share : float or None
        The share of such batches that would hold a suspect if they were drawn at random.
    """

    shown: str
    unit: str = "rate"
    own: float | None = None
    split: str | None = None
    optimizer: str = ""
    trials: tuple[Trial, ...] = ()
    suspects: tuple[Suspect, ...] = ()
    breaks: int = 0
    breaks_with_suspects: int = 0
    chance_share: float | None = None

    def summary(self) -> SubjectSummary:
        """Say what was opened."""
        facts: dict[str, Any] = {"trials": len(self.trials), "unit": self.unit}
        return SubjectSummary(kind="sweep", path=self.shown, facts=facts)


def is_sweep(path: Path) -> bool:
    """Whether a sweep was recorded there."""
    return (path / SWEEP_FILE).is_file() or (path.name == SWEEP_FILE and path.is_file())


def open_sweep(path: Path) -> Sweep:
    """Read a recorded sweep.

    Raises
    ------
    CannotOpen
        When it is not one.
    """
    file = path / SWEEP_FILE if path.is_dir() else path
    try:
        return msgspec.json.decode(file.read_bytes(), type=Sweep)
    except OSError as error:
        raise CannotOpen(file, error.strerror or str(error)) from error
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise CannotOpen(file, f"not a recorded sweep: {error}") from error


def write_sweep(sweep: Sweep, file: Path) -> None:
    """Write a sweep so that `open_sweep` reads it."""
    file.write_bytes(msgspec.json.format(msgspec.json.encode(sweep), indent=1) + b"\n")
