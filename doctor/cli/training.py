"""What `doctor train` shows: how far it has come on standard error, how well the model does on standard output."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from doctor.trainer.progress import Observer, Silent
from doctor.trainer.recipe import Job, Result
from doctor.wording import printable

if TYPE_CHECKING:
    from rich.progress import Progress

SECONDS_BETWEEN_LINES = 10.0
MAX_RECALLS = 5
"""More classes than this are not shown one by one; `result.json` has them all."""


@contextmanager
def telling(job: Job, *, quiet: bool) -> Iterator[Observer]:
    """Show how far the training has come while the block runs: a bar on a terminal, a line now and then elsewhere."""
    if quiet:
        yield Silent()
        return
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as bar:
        yield _Bar(bar)


class _Lines:
    """Says where the training is, at first and then every few seconds."""

    def begun(self, steps: int, done: int) -> None:
        self._steps, self._last = steps, time.monotonic()
        self._first, self._done = self._last, done
        if done:
            click.echo(f"doctor: goes on after update {done}", err=True)

    def stepped(self, step: int, loss: float) -> None:
        now = time.monotonic()
        if now - self._last < SECONDS_BETWEEN_LINES and step < self._steps:
            return
        self._last = now
        left = (now - self._first) / (step - self._done) * (self._steps - step)
        click.echo(f"doctor: update {step} of {self._steps}, loss {loss:.4g}, {left:.0f} s left", err=True)


class _Bar:
    def __init__(self, bar: "Progress") -> None:
        self._bar = bar
        self._task = bar.add_task("reading the data", total=None)

    def begun(self, steps: int, done: int) -> None:
        self._bar.reset(self._task, total=steps, completed=done, description="training")

    def stepped(self, step: int, loss: float) -> None:
        self._bar.update(self._task, completed=step, description=f"loss {loss:.4g}")


def shown(job: Job, result: Result, format: str) -> None:
    """Print the metrics of each split, and say where the rest lies."""
    for note in result.notes:
        click.echo(f"doctor: {printable(note)}", err=True)
    _tell_diagnosis(result)
    if format == "json":
        from doctor.trainer.result import encoded

        sys.stdout.write(encoded(result).decode() + "\n")
    elif result.evaluations:
        sys.stdout.write(table(result))
    if result.failure is None:
        size = f"{result.parameters:,} weights, {len(result.losses)} updates in {result.seconds:.1f} s"
        click.echo(f"doctor: {result.model} of {size}; {job.output}", err=True)


def table(result: Result) -> str:
    """Return the metrics as text, a row for each split."""
    names = list(dict.fromkeys(name for metrics in result.evaluations.values() for name in metrics))
    if sum(name.startswith("recall of ") for name in names) > MAX_RECALLS:
        names = [name for name in names if not name.startswith("recall of ")]
    rows = [["split", "rows", *(printable(name.replace("_", " "), limit=24) for name in names)]]
    for split, metrics in result.evaluations.items():
        values = (f"{metrics[name]:.4f}" if name in metrics else "" for name in names)
        rows.append([printable(split), str(result.rows[split]), *values])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) if place == 0 else cell.rjust(width) for place, (cell, width) in enumerate(cells))
        for cells in (zip(row, widths, strict=True) for row in rows)
    )
    return "\n".join(lines) + "\n"


def _tell_diagnosis(result: Result) -> None:
    if result.run_dir is None:
        return
    from doctor.errors import UsageError
    from doctor.reading import read_report
    from doctor.watching.closing import tell_report

    try:
        report = read_report(Path(result.run_dir))
    except UsageError:
        return
    tell_report(report, Path(result.run_dir))
