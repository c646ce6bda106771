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
def progress() -> Iterator[Observer]:
    """Show progress on standard error while the block runs."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if console.is_dumb_terminal:
        yield _Lines()
        return
    columns = (
        BarColumn(bar_width=20),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as bar:
        yield _Bar(bar)


def measure_name(name: str, subject: str) -> str:
    """Say what is being measured: `row hashes of train.csv`."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
    shown = printable(subject)
    cut = shown if len(shown) <= MAX_SUBJECT_CHARACTERS else f"…{shown[1 - MAX_SUBJECT_CHARACTERS :]}"
    return f"{words} of {cut}"


class _Lines:
    """One line for each measure that begins after the first seconds."""

    def __init__(self) -> None:
        self._begin = time.monotonic()

    def planned(self, measures: int) -> None:
        """Ignore it."""

    def measuring(self, name: str, subject: str) -> None:
        seconds = time.monotonic() - self._begin
        if seconds >= PATIENCE_SECONDS:
            print(f"doctor: {seconds:.0f} s, measuring {measure_name(name, subject)}", file=sys.stderr, flush=True)

    def finished(self) -> None:
        """Ignore it."""


class _Bar:
    def __init__(self, bar: "Progress") -> None:
        self._bar = bar
        self._task = bar.add_task("opening", total=None)
        self._begun = False

    def planned(self, measures: int) -> None:
        self._bar.update(self._task, total=measures, completed=0)

    def measuring(self, name: str, subject: str) -> None:
        done = 1 if self._begun else 0
        self._bar.update(self._task, description=f"measuring {measure_name(name, subject)}", advance=done)
        self._begun = True

    def finished(self) -> None:
        self._bar.update(self._task, description="done")
