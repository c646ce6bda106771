"""How far the visit has come, on standard error only: a bar on a terminal, a few plain lines elsewhere."""

import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from doctor.measurements import Observer
from doctor.wording import printable

if TYPE_CHECKING:
    from rich.progress import Progress

PATIENCE_SECONDS = 5.0
"""A visit shorter than this leaves no line in a log."""
MAX_SUBJECT_CHARACTERS = 40


@contextmanager
def progress(unit: str = "") -> Iterator[Observer]:
    """Show progress on standard error while the block runs.

    Parameters
    ----------
    unit : str
        Where what is counted takes about equally long, such as runs: the time that is left is told too.
    """
    if not sys.stderr.isatty():
        yield _Lines(unit)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if console.is_dumb_terminal:
        yield _Lines(unit)
        return
    columns: list[ProgressColumn] = [BarColumn(bar_width=20), TimeElapsedColumn()]
    if unit:
        columns += [TextColumn("left"), TimeRemainingColumn()]
    columns.append(TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as bar:
        yield _Bar(bar, unit)


def measure_name(name: str, subject: str) -> str:
    """Say what is being measured: `row hashes of train.csv`."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
    shown = printable(subject)
    cut = shown if len(shown) <= MAX_SUBJECT_CHARACTERS else f"…{shown[1 - MAX_SUBJECT_CHARACTERS :]}"
    return f"{words} of {cut}"


def time_left(seconds: float, done: int, planned: int) -> str:
    """Return how much longer it takes if it goes on as until now; empty where nothing tells."""
    if not 0 < done < planned:
        return ""
    left = seconds / done * (planned - done)
    return f"about {left:.0f} s left" if left < 100 else f"about {left / 60:.0f} min left"


class _Lines:
    """One line for each measure that begins after the first seconds; of many short runs, one in a while."""

    def __init__(self, unit: str) -> None:
        self._begin = self._told = time.monotonic()
        self._unit = unit
        self._planned = self._done = 0

    def planned(self, measures: int) -> None:
        self._planned, self._done = measures, -1
        self._begin = time.monotonic() if self._unit else self._begin

    def measuring(self, name: str, subject: str) -> None:
        now = time.monotonic()
        self._done += 1
        if now - self._told < PATIENCE_SECONDS:
            return
        seconds = now - self._begin
        what = f"measuring {measure_name(name, subject)}"
        if self._unit:
            self._told = now
            counted = f"{self._done} of {self._planned} {self._unit}s"
            what = ", ".join(filter(None, (counted, time_left(seconds, self._done, self._planned), subject)))
        print(f"doctor: {seconds:.0f} s, {what}", file=sys.stderr, flush=True)

    def finished(self) -> None:
        """Ignore it."""


class _Bar:
    def __init__(self, bar: "Progress", unit: str) -> None:
        self._bar = bar
        self._unit = unit
        self._task = bar.add_task("opening", total=None)
        self._begun = False

    def planned(self, measures: int) -> None:
        self._begun = False
        self._bar.reset(self._task, total=measures)

    def measuring(self, name: str, subject: str) -> None:
        done = 1 if self._begun else 0
        what = "measuring " if not self._unit else ""
        self._bar.update(self._task, description=f"{what}{measure_name(name, subject)}", advance=done)
        self._begun = True

    def finished(self) -> None:
        self._bar.update(self._task, description="done")
