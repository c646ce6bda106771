"""Verifies the repair of a program in which a disease was planted: seen first, then treated, with controls."""

import sys
import threading
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from doctor.errors import UsageError
from doctor.measurements import Observer
from doctor.model import AnyRepair, ChangeTraining, Report
from doctor.settings import Settings
from doctor.verify.cache import Store
from doctor.verify.command import SEEDS, verify_findings
from doctor.verify.command_runs import Attempt, perform, seeded, spares
from doctor.verify.workplace import Workplace

PATIENT = "clinic.toml"
LIMIT_SECONDS = 240.0


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What a patient of the kind "command" says of itself.

    Attributes
    ----------
    command : tuple of str
        `python` stands for this interpreter, a `.py` file for the one in the patient's folder.
    steps : int
        Bound on each run.
    seeds : tuple of int
    workers : int
        Runs at a time.
    """

    check: str
    command: tuple[str, ...] = ("python", "sick.py")
    steps: int
    seeds: tuple[int, ...] = SEEDS
    workers: int = 2


class _Memory:
    """Keeps what was run during a visit, over what is kept for longer."""

    def __init__(self, below: Store | None) -> None:
        self._below = below
        self._known: dict[str, bytes] = {}

    def get(self, key: str) -> bytes | None:
        return self._known.get(key) or (self._below.get(key) if self._below else None)

    def put(self, key: str, content: bytes) -> None:
        self._known[key] = content
        if self._below:
            self._below.put(key, content)


def read_options(folder: Path) -> Options:
    """Read a patient's `clinic.toml`; what other readers need there is left alone.

    Raises
    ------
    UsageError
        Naming the file and what is wrong with it.
    """
    path = folder / PATIENT
    try:
        return msgspec.convert(tomllib.loads(path.read_text("utf-8")), Options)
    except (OSError, ValueError, msgspec.ValidationError) as error:
        raise UsageError(f"{path}: {error}") from error


def verify_program(
    folder: Path,
    settings: Settings,
    *,
    twin: str = "sick",
    repair: Mapping[str, float | str | bool] | None = None,
    seeds: Sequence[int] | None = None,
    deadline: float | None = None,
    cache: Store | None = None,
    observer: Observer | None = None,
) -> Report:
    """Watch the sick program, then try the repair of the finding that it must show.

    Parameters
    ----------
    folder : Path
        With `sick.py`, `healthy.py` and `clinic.toml`.
    twin : str
        On which the repair is tried: on "healthy" there is nothing to cure.
    repair : mapping, optional
        Changes of training to try instead of what the finding proposes.

    Returns
    -------
    Report
        Of the first look, with one verification; with none where the finding did not show.

    Raises
    ------
    UsageError
        When the patient cannot be read, or its program left no record.
    """
    options = read_options(folder)
    store = _Memory(cache)
    first = _first_look(folder, options, deadline, store)
    found = [finding for finding in first.findings if finding.check == options.check][:1]
    if repair is not None:
        found = [msgspec.structs.replace(finding, repair=_instead(repair)) for finding in found]
    return verify_findings(
        first,
        found,
        workplace(folder, options, twin),
        settings,
        seeds=seeds or options.seeds,
        steps=lambda finding: options.steps,
        limit_seconds=LIMIT_SECONDS,
        deadline=deadline,
        cache=store,
        observer=observer,
        workers=options.workers,
    )


def workplace(folder: Path, options: Options, twin: str = "sick") -> Workplace:
    """Return where and how a patient's program is run."""
    named = {"python": sys.executable, "sick.py": str(folder.absolute() / f"{twin}.py")}
    return Workplace.of([named.get(word, word) for word in options.command], Path.cwd())


def _first_look(folder: Path, options: Options, deadline: float | None, store: Store) -> Report:
    """Watch the program with one seed after the other until it shows the finding."""
    place = workplace(folder, options)
    report: Report | None = None
    for seed in options.seeds if seeded(place, 0) else (None,):
        attempt = Attempt(
            workplace=place,
            steps=options.steps,
            limit_seconds=LIMIT_SECONDS,
            seed=seed,
            sparing=spares(options.check),
        )
        ended = perform(attempt, threading.Event(), deadline, store)
        if ended is None:
            raise UsageError(f"{folder}: the time was up before a first run had ended")
        if ended.report is None:
            raise UsageError(f"{folder}: {ended.trouble}")
        report = report or ended.report
        if any(finding.check == options.check for finding in ended.report.findings):
            return ended.report
    if report is None:
        raise UsageError(f"{folder / PATIENT}: seeds is empty")
    return report


def _instead(changes: Mapping[str, float | str | bool]) -> AnyRepair:
    summary = ", ".join(f"{name} = {value}" for name, value in changes.items())
    return ChangeTraining(changes=dict(changes), summary=summary)
