"""Finds out what a path holds of a run, and opens it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from doctor.errors import CannotOpen
from doctor.model import Problem
from doctor.subjects.logs.event_files import event_files, read_event_files
from doctor.subjects.logs.metrics_csv import read_metrics_csv
from doctor.subjects.logs.text_log import read_text_log
from doctor.subjects.logs.trainer_state import read_trainer_state
from doctor.subjects.run import Process, Run, Series, is_run_folder, open_run

TEXT_SUFFIXES = (".log", ".out", ".err", ".txt")


def open_anything(path: Path, shown: str | None = None) -> Run:
    """Open a run folder, a log, a trainer's state, a table of metrics, event files, or a folder of these.

    Of a folder with several kinds each quantity is taken from the best source that has it: the trainer's state, then
    TensorBoard, then tables, then text; how the run ended is read from the text.

    Raises
    ------
    CannotOpen
        When there is nothing of a run.
    """
    if not path.exists():
        raise CannotOpen(path, "there is no such file or folder")
    if is_run_folder(path):
        return open_run(path, shown)
    run = _reader(path)(path) if path.is_file() else _open_folder(path)
    return replace(run, shown=shown or run.shown)


def _reader(path: Path) -> Callable[[Path], Run]:
    if "tfevents" in path.name:
        return lambda found: read_event_files([found], found)
    return {".json": read_trainer_state, ".csv": read_metrics_csv}.get(path.suffix.lower(), read_text_log)


def _open_folder(folder: Path) -> Run:
    states = sorted(folder.rglob("trainer_state.json"), key=lambda path: (path.stat().st_mtime, len(path.parts)))
    sources: list[Callable[[], Run]] = [lambda: read_trainer_state(states[-1])] if states else []
    if events := event_files(folder):
        sources.append(lambda: read_event_files(events, folder))
    sources += [lambda path=path: read_metrics_csv(path) for path in sorted(folder.rglob("metrics.csv"))]  # type: ignore[misc]  # mypy infers no type for a default
    texts = sorted(path for path in folder.iterdir() if path.suffix.lower() in TEXT_SUFFIXES and path.is_file())
    sources += [lambda path=path: read_text_log(path) for path in texts]  # type: ignore[misc]
    runs: list[Run] = []
    problems: list[Problem] = []
    for source in sources:
        try:
            runs.append(source())
        except CannotOpen as error:
            problems.append(Problem(path=str(error.path), reason=error.reason))
    runs = [run for run in runs if run.end or any(process.series or process.events for process in run.processes)]
    if not runs:
        reason = (
            problems[0].reason
            if problems
            else "looked for run folders, trainer_state.json, *tfevents*, metrics.csv, *.log, *.out, *.err, *.txt"
        )
        raise CannotOpen(folder, f"nothing of a run in it ({reason})")
    return _merged(folder, runs, problems)


def _merged(folder: Path, runs: list[Run], problems: list[Problem]) -> Run:
    series: dict[str, Series] = {}
    ranks: dict[int, Process] = {}
    for run in runs:
        for process in run.processes:
            if process.rank == 0:
                series = dict(process.series) | series
            known = ranks.get(process.rank, Process(rank=process.rank))
            ranks[process.rank] = Process(rank=process.rank, events=known.events + process.events)
    ranks[0] = Process(rank=0, series=series, events=ranks[0].events if 0 in ranks else ())
    return Run(
        path=folder,
        shown=str(folder),
        origin=" + ".join(dict.fromkeys(run.origin for run in runs)),
        processes=tuple(ranks[rank] for rank in sorted(ranks)),
        end=next((run.end for run in runs if run.end), {}),
        problems=tuple(problems),
    )
