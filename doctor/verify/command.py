"""Verifies repairs on the user's own command: run again with and without each, watched, a little past the failure."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from doctor.errors import CannotOpen, UsageError
from doctor.measurements import Observer, Silent
from doctor.model import (
    About,
    CaseSummary,
    ChangeTraining,
    Chart,
    EditCode,
    Finding,
    Report,
    Verdict,
    Verification,
)
from doctor.reading import DIAGNOSIS, read_report
from doctor.settings import Settings, as_options
from doctor.verify.cache import Store
from doctor.verify.command_charts import charts_of
from doctor.verify.command_runs import Attempt, Ended, perform, seeded, spares
from doctor.verify.command_verdict import Pair, verdict
from doctor.verify.workplace import CannotCopy, Insertion, Workplace
from doctor.version import VERSION

SEEDS = (0, 1, 2)
MARGIN_STEPS = 200
"""Run past the failure, at least: checks want to see that it lasts."""
MIN_LIMIT_SECONDS = 120.0
LIMIT_RATIO = 4.0
"""A run may take so many times what the recorded one took."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How the repair of one finding is tried: one attempt after the other, until one helps.

    Attributes
    ----------
    tries : tuple of (changes, Insertion or None)
        Empty where the repair cannot be made by a program; `why` says so.
    """

    finding: Finding
    tries: tuple[tuple[Mapping[str, float | str | bool], Insertion | None], ...] = ()
    why: str = ""


@dataclass(kw_only=True)
class _Bench:
    """What all runs of one visit share."""

    workplace: Workplace
    seeds: tuple[int, ...]
    takes_seed: bool
    limit_seconds: float
    deadline: float | None
    store: Store | None
    pool: ThreadPoolExecutor
    observer: Observer
    stop: threading.Event = field(default_factory=threading.Event)
    known: dict[tuple[object, ...], Ended | None] = field(default_factory=dict)

    def attempt(
        self, plan: Plan, steps: int, place: int, changes: Mapping[str, float | str | bool], edit: Insertion | None
    ) -> Attempt:
        """Return a run of the command; `place` is that of its seed."""
        return Attempt(
            workplace=self.workplace,
            steps=steps,
            limit_seconds=self.limit_seconds,
            seed=self.seeds[place] if self.takes_seed else None,
            repetition=0 if self.takes_seed else place,
            changes=changes,
            insertion=edit,
            sparing=spares(plan.finding.check),
        )

    def run(self, attempts: Sequence[Attempt]) -> list[Ended | None]:
        """Run them, a few at a time, each once per visit."""
        marks = [
            (one.steps, one.seed, one.repetition, one.sparing, repr(sorted(one.changes.items())), one.insertion)
            for one in attempts
        ]
        waiting = {
            mark: self.pool.submit(self._one, one)
            for mark, one in zip(marks, attempts, strict=True)
            if mark not in self.known
        }
        for mark, future in waiting.items():
            self.known[mark] = future.result()
        return [self.known[mark] for mark in marks]

    def _one(self, attempt: Attempt) -> Ended | None:
        what = ", ".join(f"{name}={value}" for name, value in attempt.changes.items())
        what = what or ("the edited code" if attempt.insertion else "no repair")
        number = attempt.seed if attempt.seed is not None else attempt.repetition
        self.observer.measuring(f"run {number} with {what}", " ".join(attempt.workplace.words))
        return perform(attempt, self.stop, self.deadline, self.store)


def verify_command(
    run: Path,
    command: Sequence[str],
    settings: Settings,
    *,
    checks: Sequence[str] = (),
    seeds: Sequence[int] = SEEDS,
    steps: int | None = None,
    deadline: float | None = None,
    cache: Store | None = None,
    observer: Observer | None = None,
    workers: int = 1,
) -> Report:
    """Run a command again with and without the repair of each finding of a recorded run, and judge the repairs.

    Parameters
    ----------
    run : Path
        A folder that `doctor watch` kept, or its `diagnosis.json`.
    command : sequence of str
        What is run, in a copy of the working directory where that is small enough.
    checks : sequence of str
        Ids, families or names; empty for all findings that carry a repair and are no consequence of another.
    seeds : sequence of int
        One pair of runs each; where the command takes no seed, as many repetitions.
    steps : int, optional
        Bound on each run; else twice the step of the failure and a margin, at most what was recorded.
    deadline : float, optional
        On `time.monotonic`; what has not ended by then is not run.
    workers : int
        Runs at a time.

    Returns
    -------
    Report
        The findings with a verification for each that was tried, and the losses of its runs as charts.

    Raises
    ------
    UsageError
        When there is no such run, no command, or nothing that `checks` names.
    """
    recorded = recorded_report(run, settings)
    if not command:
        raise UsageError("verify: name the command to run again, as in: doctor verify RUN -- python train.py")
    total, seconds = _recorded_length(recorded)
    return verify_findings(
        recorded,
        list(_chosen(recorded, checks)),
        Workplace.of(command, Path.cwd()),
        settings,
        seeds=seeds,
        steps=lambda finding: steps or bounded_steps(finding, total),
        limit_seconds=max(MIN_LIMIT_SECONDS, LIMIT_RATIO * seconds),
        deadline=deadline,
        cache=cache,
        observer=observer,
        workers=workers,
    )


def verify_findings(
    recorded: Report,
    findings: Sequence[Finding],
    workplace: Workplace,
    settings: Settings,
    *,
    seeds: Sequence[int],
    steps: Callable[[Finding], int],
    limit_seconds: float,
    deadline: float | None = None,
    cache: Store | None = None,
    observer: Observer | None = None,
    workers: int = 1,
) -> Report:
    """Try the repairs of some findings of a report; see `verify_command`.

    Parameters
    ----------
    steps : callable
        The bound on each run, by finding.
    limit_seconds : float
        After which a run is stopped.
    """
    plans = [_plan(finding) for finding in findings]
    begin = time.monotonic()
    verifications, charts = [], []
    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        bench = _Bench(
            workplace=workplace,
            seeds=tuple(seeds),
            takes_seed=seeded(workplace, 0) is not None,
            limit_seconds=limit_seconds,
            deadline=deadline,
            store=cache,
            pool=pool,
            observer=observer or Silent(),
        )
        bench.observer.planned(2 * len(seeds) * len(plans))
        try:
            for plan in plans:
                verification, tried = _verified(plan, bench, steps(plan.finding))
                verifications.append(verification)
                charts += charts_of(plan.finding, tried)
        finally:
            bench.stop.set()
    bench.observer.finished()
    return _report(recorded, settings, verifications, charts, time.monotonic() - begin)


def recorded_report(run: Path, settings: Settings) -> Report:
    """Read the diagnosis of a recorded run, made anew where nobody has kept one.

    Raises
    ------
    UsageError
        When there is none.
    """
    if run.is_dir() and not (run / DIAGNOSIS).is_file():
        from doctor.case import case_of_run
        from doctor.engine import examine
        from doctor.subjects.run import open_run

        try:
            return examine(case_of_run(open_run(run)), settings)
        except CannotOpen as error:
            raise UsageError(str(error)) from error
    try:
        return read_report(run)
    except UsageError as error:
        raise UsageError(f"{run}: not a diagnosis that doctor wrote: {error}") from error


def bounded_steps(finding: Finding, total: int) -> int:
    """Return how many steps show a finding again: twice as many as it took, and a margin, or the whole run."""
    if finding.at.step is None:
        return total or MARGIN_STEPS
    wanted = 2 * finding.at.step + MARGIN_STEPS
    return min(wanted, total) if total else wanted


def _chosen(report: Report, checks: Sequence[str]) -> Iterator[Finding]:
    """Return the findings to try, causes before anything else, each check's kind once."""
    consequences = {mark for diagnosis in report.diagnoses for mark in diagnosis.consequences}
    causes = {mark for diagnosis in report.diagnoses for mark in diagnosis.because}
    names = {name for one in report.findings for name in (one.check, *one.check.split("/"))}
    if unknown := [check for check in checks if check not in names]:
        known = ", ".join(sorted({one.check for one in report.findings})) or "none"
        raise UsageError(f"verify: the run has no finding of {', '.join(unknown)}; its findings: {known}")
    seen = set()
    for finding in sorted(report.findings, key=lambda one: one.fingerprint not in causes):
        named = {finding.check, *finding.check.split("/")} & set(checks)
        tried = isinstance(finding.repair, (ChangeTraining, EditCode)) and finding.fingerprint not in consequences
        mark = (finding.check, finding.evidence.get("kind"))
        if finding.suppressed or mark in seen or not (named if checks else tried):
            continue
        seen.add(mark)
        yield finding


def _plan(finding: Finding) -> Plan:
    repair = finding.repair
    if isinstance(repair, ChangeTraining):
        return Plan(finding=finding, tries=tuple((changes, None) for changes in (repair.changes, *repair.otherwise)))
    if isinstance(repair, EditCode):
        line = repair.line or finding.at.line
        if not (repair.code and line and finding.at.path and finding.at.path.endswith(".py")):
            return Plan(finding=finding, why="the repair names no line of a file in which it could be made")
        return Plan(finding=finding, tries=(({}, Insertion(path=Path(finding.at.path), line=line, code=repair.code)),))
    return Plan(
        finding=finding, why="only a person can make this repair" if repair else "the finding carries no repair"
    )


def _verified(plan: Plan, bench: _Bench, steps: int) -> tuple[Verification, list[Pair]]:
    """Try a repair, and what else it proposes, until something helps."""
    finding = plan.finding
    if not plan.tries:
        return _without_runs(finding, Verdict.NOT_TESTABLE, plan.why), []
    begin = time.monotonic()
    best: tuple[Verification, list[Pair]] | None = None
    said = []
    for changes, edit in plan.tries:
        if (why := _impossible(bench, edit)) is not None:
            return _without_runs(finding, Verdict.NOT_RUN, why), []
        pairs = _pairs(plan, bench, steps, changes, edit)
        verification = verdict(finding, pairs, changes, bench.seeds, bench.takes_seed, steps, time.monotonic() - begin)
        said.append(f"{_words(changes) or finding.repair.summary if finding.repair else ''}: {verification.verdict}")
        best = best or (verification, pairs)
        if verification.verdict is Verdict.VERIFIED:
            best = verification, pairs
        if verification.verdict is not Verdict.REFUTED:
            break
    if best is None:
        return _without_runs(finding, Verdict.NOT_RUN, "nothing was tried"), []
    verification, pairs = best
    if len(said) > 1:
        details = verification.details | {"tried": said}
        verification = msgspec.structs.replace(verification, details=details, seconds=time.monotonic() - begin)
    return verification, pairs


def _impossible(bench: _Bench, edit: Insertion | None) -> str | None:
    """Say why an edit cannot be made in a copy, before anything is run."""
    if edit is None:
        return None
    from doctor.verify.workplace import inserted

    path = bench.workplace.cwd / edit.path
    try:
        bench.workplace.files()
        inserted(path.read_text("utf-8"), edit.line, edit.code, path)
    except (OSError, ValueError) as error:
        return f"{path}: {error}"
    except CannotCopy as error:
        return str(error)
    if not path.is_relative_to(bench.workplace.folder):
        return f"{path}: not in the folder that is copied, {bench.workplace.folder}"
    return None


def _pairs(
    plan: Plan,
    bench: _Bench,
    steps: int,
    changes: Mapping[str, float | str | bool],
    edit: Insertion | None,
) -> list[Pair]:
    """Run the first pair, and the others only where it leaves something to find out."""
    finding, pairs = plan.finding, list[Pair]()
    for places in (range(1), range(1, len(bench.seeds))):
        wanted = [bench.attempt(plan, steps, place, *arm) for place in places for arm in (({}, None), (changes, edit))]
        ended = bench.run(wanted)
        pairs += [Pair(before=ended[i], after=ended[i + 1]) for i in range(0, len(ended), 2)]
        first = pairs[0] if pairs else None
        if first is None or first.before is None or first.after is None:
            break
        if not first.before.shows(finding.check, str(finding.evidence.get("kind", ""))):
            break
    return pairs


def _words(changes: Mapping[str, float | str | bool]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in changes.items())


def _without_runs(finding: Finding, word: Verdict, reason: str) -> Verification:
    summary = finding.repair.summary if finding.repair else ""
    return Verification(
        fingerprint=finding.fingerprint, check=finding.check, repair=summary, verdict=word, reason=reason
    )


def _recorded_length(report: Report) -> tuple[int, float]:
    facts = next((subject.facts for subject in report.case.subjects if subject.kind == "run"), {})
    return int(facts.get("steps") or 0), float(facts.get("seconds") or 0.0)


def _report(
    recorded: Report, settings: Settings, verifications: list[Verification], charts: list[Chart], seconds: float
) -> Report:
    tried = {one.fingerprint for one in verifications}
    about = About(
        version=VERSION,
        sample_seed=settings.sample_seed,
        sample_rows=settings.sample_rows,
        repeat=as_options(settings),
    )
    case = CaseSummary(path=recorded.case.path, subjects=recorded.case.subjects, problems=recorded.case.problems)
    return msgspec.structs.replace(
        recorded,
        doctor=about,
        case=case,
        coverage=msgspec.structs.replace(recorded.coverage, seconds=round(seconds, 3)),
        verifications=[one for one in verifications if one.fingerprint in tried],
        charts=[*charts, *recorded.charts],
    )
