"""How far the visit has come: a bar on a terminal, silence elsewhere."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from doctor.engine import Observer, Silent


@contextmanager
def progress() -> Iterator[Observer]:
    """Show progress on standard error while the block runs."""
    if not sys.stderr.isatty():
        yield Silent()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield _Bar(bar)


class _Bar:
    def __init__(self, bar: "Progress") -> None:  # type: ignore[name-defined]  # noqa: F821 - rich is imported lazily
        self._bar = bar
        self._task = bar.add_task("opening", total=None)
        self._begun = False

    def planned(self, measures: int) -> None:
        self._bar.update(self._task, total=measures, completed=0)

    def measuring(self, name: str, subject: str) -> None:
        self._bar.update(
            self._task, description=f"measuring {name} of {subject[-40:]}", advance=1 if self._begun else 0
        )
        self._begun = True

    def finished(self) -> None:
        self._bar.update(self._task, description="done")
