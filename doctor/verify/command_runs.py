"""Runs a user's command again, watched and for a bounded number of steps, with or without a repair."""

import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import msgspec
from msgspec import Struct

from doctor.errors import CannotOpen, UsageError
from doctor.model import Finding, Outcome, Report, Severity
from doctor.reading import read_report
from doctor.subjects.run import Run, open_run
from doctor.verify.cache import Store, content_of, key_of
from doctor.verify.measures import measured
from doctor.verify.workplace import CannotCopy, Insertion, Workplace
from doctor.watching.probe.treated_config import treated
from doctor.wording import printable

TREATMENT, MAX_STEPS, RECORD = "DOCTOR_TREATMENT", "DOCTOR_MAX_STEPS", "DOCTOR_RECORD"
CONFIG_OPTIONS = ("--deepspeed_config", "--deepspeed", "--config", "--ds_config", "--deepspeed-config")
SEED_VARIABLES = ("DOCTOR_SEED", "PYTHONHASHSEED")
POLL_SECONDS = 0.1
GRACE_SECONDS = 10.0
"""Given to a command that is asked to end, before it is made to."""
MAX_LOG_BYTES = 200_000
MAX_LOSSES = 500


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One run of the command.

    Attributes
    ----------
    changes : mapping
        Of the training, by the names of `doctor.repair.treatments.KNOWN`; empty for a run without a repair.
    sparing : bool
        Whether the probe may look at fewer steps to save time. It must where memory is judged, which its copies of the
        weights would fragment; else all runs are looked at alike.
    repetition : int
        Which of several alike runs it is, where the command takes no seed.
    """

    workplace: Workplace
    steps: int
    limit_seconds: float
    seed: int | None = None
    repetition: int = 0
    changes: Mapping[str, float | str | bool] = field(default_factory=dict)
    insertion: Insertion | None = None
    sparing: bool = False

    def key(self) -> str | None:
        """Name the result by all that decides it; None where the folder cannot be read or is too large."""
        place = self.workplace
        try:
            files = {str(name): _content(place.folder / name) for name in place.files()}
            content: dict[str, Any] = {"files": files, "words": place.words, "cwd": str(place.cwd)}
        except (OSError, CannotCopy):
            return None
        edit = self.insertion
        return key_of(
            {
                "kind": "command",
                **content,
                "steps": self.steps,
                "seed": self.seed,
                "repetition": self.repetition,
                "changes": dict(self.changes),
                "edit": [str(edit.path), edit.line, edit.code] if edit else None,
                "limit": self.limit_seconds,
                "sparing": self.sparing,
            }
        )


def _content(path: Path) -> str:
    return f"-> {path.readlink()}" if path.is_symlink() else content_of(path)


class Ended(Struct, frozen=True, kw_only=True):
    """What became of a run.

    Attributes
    ----------
    findings : tuple of (check, kind, severity)
    outcomes : dict of str to str
        By check.
    treated : tuple of str
        The changes that took effect.
    refused : dict of str to str
        Why others could not be made.
    measures : dict of str to float or None
        See `doctor.verify.measures`; None stands for a value that is not finite.
    trouble : str
        Why nothing can be said of this run; empty where something can.
    report : Report or None
        All that was said of it, with places in the original folder; without charts and manuals.
    """

    findings: tuple[tuple[str, str, str], ...] = ()
    outcomes: dict[str, str] = {}
    treated: tuple[str, ...] = ()
    refused: dict[str, str] = {}
    measures: dict[str, float | None] = {}
    losses: tuple[tuple[float, float | None], ...] = ()
    steps: int = 0
    status: int | None = None
    seconds: float = 0.0
    trouble: str = ""
    report: Report | None = None

    def shows(self, check: str, kind: str) -> bool:
        """Whether it shows a finding: the same one, or another grave one of the same check."""
        grave = (Severity.ERROR.value, Severity.WARNING.value)
        return any(one == check and (of == kind or severity in grave) for one, of, severity in self.findings)

    def clears(self, check: str) -> bool:
        """Whether the check looked and found nothing grave."""
        looked = self.outcomes.get(check) in (Outcome.HEALTHY.value, Outcome.FOUND.value)
        return looked and not self.shows(check, "\0")


def spares(check: str) -> bool:
    """Whether the probe must save time in runs that are to show a check's finding."""
    return check.startswith("memory/")


def seeded(workplace: Workplace, seed: int) -> tuple[tuple[str, ...], dict[str, str]] | None:
    """Return the command and the variables that give a run its seed; None where the command takes none."""
    words = list(workplace.words)
    for place, word in enumerate(words):
        if word == "--seed" and place + 1 < len(words):
            return (*words[: place + 1], str(seed), *words[place + 2 :]), {}
        if word.startswith("--seed="):
            return (*words[:place], f"--seed={seed}", *words[place + 1 :]), {}
    if re.search(r"""["']--seed["']""", workplace.source):
        return (*words, "--seed", str(seed)), {}
    named = [name for name in SEED_VARIABLES if name in workplace.source]
    return (tuple(words), dict.fromkeys(named, str(seed))) if named else None


def perform(attempt: Attempt, stop: threading.Event, deadline: float | None, store: Store | None) -> Ended | None:
    """Run the command to its bound; None where the time was up before it came to an end.

    Parameters
    ----------
    stop : threading.Event
        Set by whoever wants to leave.
    deadline : float or None
        On `time.monotonic`.
    """
    key = attempt.key() if store else None
    if store and key and (known := store.get(key)):
        return msgspec.json.decode(known, type=Ended)
    if stop.is_set() or (deadline is not None and time.monotonic() >= deadline):
        return None
    with tempfile.TemporaryDirectory(prefix="doctor-verify-", ignore_cleanup_errors=True) as scratch:
        ended = _performed(attempt, Path(scratch), stop, deadline)
    if ended is not None and store and key and not ended.trouble:
        store.put(key, msgspec.json.encode(ended))
    return ended


def _performed(attempt: Attempt, scratch: Path, stop: threading.Event, deadline: float | None) -> Ended | None:
    place = attempt.workplace
    try:
        place = place.copy(scratch / "copy" / place.folder.name, attempt.insertion)
    except CannotCopy as error:
        if attempt.insertion is not None:
            return Ended(trouble=str(error))
        shutil.rmtree(scratch / "copy", ignore_errors=True)
    except OSError as error:
        return Ended(trouble=f"{error.filename or place.folder}: {error.strerror}; nothing could be copied")
    given = seeded(place, attempt.seed) if attempt.seed is not None else None
    words, variables = given or (place.words, {})
    words, by_config = _configured(words, place.cwd, attempt.changes, scratch)
    rest = {name: value for name, value in attempt.changes.items() if name not in by_config}
    variables |= {} if attempt.sparing else {RECORD: "full"}
    variables |= {MAX_STEPS: str(attempt.steps)} | ({TREATMENT: json.dumps(rest)} if rest else {})
    run_dir, log = scratch / "run", scratch / "log"
    begin = time.monotonic()
    until = begin + attempt.limit_seconds
    with log.open("wb") as output:
        in_time = watched(words, variables, place.cwd, run_dir, output, min(until, deadline or until), stop)
    if stop.is_set() or (not in_time and deadline is not None and time.monotonic() >= deadline):
        return None
    ended = _ended(run_dir, log, time.monotonic() - begin, by_config, in_time, attempt.limit_seconds)
    if ended.report is None or place is attempt.workplace:
        return ended
    home = _at_home(ended.report, place.folder, attempt.workplace.folder)
    return msgspec.structs.replace(ended, report=home)


def _at_home(report: Report, copied: Path, original: Path) -> Report:
    """Let findings name the files of the original folder instead of the copy's."""

    def moved(finding: Finding) -> Finding:
        path = Path(finding.at.path or "")
        if not path.is_relative_to(copied):
            return finding
        at = msgspec.structs.replace(finding.at, path=str(original / path.relative_to(copied)))
        return msgspec.structs.replace(finding, at=at)

    return msgspec.structs.replace(report, findings=[moved(finding) for finding in report.findings])


def _configured(
    words: Sequence[str], cwd: Path, changes: Mapping[str, Any], scratch: Path
) -> tuple[tuple[str, ...], set[str]]:
    """Let the command read a copy of its DeepSpeed configuration with the changes in it; which could be made there."""
    words = tuple(words)
    for place, word in enumerate(words):
        option, equals, value = word.partition("=")
        value = value if equals else words[place + 1] if place + 1 < len(words) else ""
        if not changes or option not in CONFIG_OPTIONS or not (cwd / value).is_file():
            continue
        try:
            config = json.loads((cwd / value).read_text("utf-8"))
        except (OSError, ValueError):
            continue
        if not isinstance(config, dict):
            continue
        after, made = treated(config, changes)
        copied = scratch / Path(value).name
        copied.write_text(json.dumps(after, indent=1), "utf-8")
        end = place + 1 if equals else place + 2
        return (*words[:place], *([f"{option}={copied}"] if equals else [option, str(copied)]), *words[end:]), made
    return words, set()


def watched(
    words: Sequence[str],
    variables: Mapping[str, str],
    cwd: Path,
    run_dir: Path,
    output: IO[bytes],
    until: float,
    stop: threading.Event,
) -> bool:
    """Run a command under `doctor watch`, in a process group of its own; whether it ended by itself.

    A process of its own, because a watch lowers its priority for good and takes the signals of the whole process.
    """
    dropped = (TREATMENT, MAX_STEPS, RECORD, "DOCTOR_RUN_DIR", "DOCTOR_ON_CRITICAL", "DOCTOR_MAX_GRAD_NORM")
    environment = {name: value for name, value in os.environ.items() if name not in dropped} | dict(variables)
    process = subprocess.Popen(  # noqa: S603  # the user's own command
        [sys.executable, "-m", "doctor", "watch", "--no-live", "--run-dir", str(run_dir), "--", *words],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        while time.monotonic() < until and not stop.is_set():
            try:
                process.wait(POLL_SECONDS)
                return True
            except subprocess.TimeoutExpired:
                continue
        return False
    finally:
        _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a watch and all that it started, launchers' ranks in sessions of their own included."""
    import psutil

    try:
        family = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        family = []
    for ask in ("terminate", "kill"):
        for one in family:
            try:
                getattr(one, ask)()
            except psutil.NoSuchProcess:
                continue
        _, family = psutil.wait_procs(family, timeout=GRACE_SECONDS)
    if process.poll() is None:
        try:
            process.wait(GRACE_SECONDS)  # it writes down how its command ended
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ended(run_dir: Path, log: Path, seconds: float, by_config: set[str], in_time: bool, limit: float) -> Ended:
    try:
        run = open_run(run_dir)
        report = read_report(run_dir)
    except (CannotOpen, OSError, UsageError):
        return Ended(seconds=seconds, trouble=f"the command left no record: {_last_line(log, run_dir)}")
    steps = max((int(one.steps[-1]) for p in run.processes for one in p.series.values() if len(one)), default=0)
    trouble = ""
    if not in_time:
        trouble = f"it was stopped after {limit:.0f} s, at step {steps}"
    elif not steps:
        trouble = f"no training step was recorded: {_last_line(log, run_dir)}"
    events = [event for process in run.processes for event in process.events]
    faults = [str(event.facts) for event in events if event.kind == "probe_fault" and "treat" in str(event.facts)]
    return Ended(
        findings=tuple((one.check, str(one.evidence.get("kind", "")), one.severity.value) for one in report.findings),
        outcomes={one.check: one.outcome.value for one in report.examinations},
        treated=tuple(sorted(by_config | {str(one.facts["change"]) for one in events if one.kind == "treated"})),
        refused={str(one.facts["change"]): str(one.facts["why"]) for one in events if one.kind == "treatment_refused"},
        measures=measured(run),
        losses=_course(run),
        steps=steps,
        status=run.end.get("status"),
        seconds=seconds,
        trouble=trouble or (f"the treatment failed: {faults[0]}" if faults else ""),
        report=msgspec.structs.replace(report, charts=[], manuals={}),
    )


def _course(run: Run) -> tuple[tuple[float, float | None], ...]:
    """Return the first process's losses by step, None where one was not finite; of many steps every few."""
    for process in run.processes:
        losses = process.series.get("loss")
        if losses is not None:
            every = -(-len(losses) // MAX_LOSSES)
            known = zip(losses.steps[::every].tolist(), losses.values[::every].tolist(), strict=True)
            return tuple((float(step), value if math.isfinite(value) else None) for step, value in known)
    return ()


def _last_line(log: Path, run_dir: Path) -> str:
    """Return the command's own last words: those before the report of the watch, without what the watch told."""
    text = log.read_bytes()[-MAX_LOG_BYTES:].decode("utf-8", "replace") if log.is_file() else ""
    lines = [line.strip() for line in text.partition(f"\n{run_dir}:")[0].splitlines()]
    lines = [line for line in lines if line and not line.startswith("doctor:")]
    return printable(lines[-1], limit=200) if lines else "it wrote nothing"
