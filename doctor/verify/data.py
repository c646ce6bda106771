"""Proves the repairs of a data set: trains with and without each, and holds validation's promise against deployment.

Both arms of a pair have the same seed, the same steps and the same rows held out; the repair is made by the code of
`doctor fix`. What cannot be judged honestly is not testable, and says why.
"""

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from msgspec import structs

from doctor.case import Case, open_case
from doctor.engine import examine
from doctor.errors import DoctorError, NoVerdict, UsageError
from doctor.measurements import Observer, Silent
from doctor.model import (
    Advise,
    AnyRepair,
    ChangeTraining,
    DropColumns,
    EditCode,
    Finding,
    Report,
    ReviewRows,
    Reweight,
    Severity,
    Verdict,
    Verification,
)
from doctor.repair.copying import refuse_databases
from doctor.settings import Settings
from doctor.subjects.pipeline import Pipeline
from doctor.subjects.table import Table
from doctor.trainer.recipe import Job, Recipe, Result
from doctor.verify.arms import PROMISE, Layout, RepairRefused, lay_out, repaired, stage
from doctor.verify.builds import verify_builds
from doctor.verify.cache import Cache
from doctor.verify.deployment import Cut, Untestable, cut
from doctor.verify.judging import Judgement
from doctor.verify.labels import checked_labels, concerns_labels
from doctor.verify.promise import Arm, judge_gap, judge_labels, judge_rarest, kindest, score_of
from doctor.verify.running import run_anew

DEFAULT_SEEDS = (0, 1, 2)
DEFAULT_STEPS = 300
MIN_SEEDS = 3
GAP = "validation minus deployment, {score}"
SCORES = {"classification": "balanced accuracy", "regression": "R²"}
ARMS = ("without the repair", "with it")


class OutOfTime(Exception):
    """The time is spent; what is left is not run."""


def verify_data(
    paths: Sequence[Path],
    settings: Settings,
    *,
    checks: Sequence[str] = (),
    seeds: Sequence[int] = DEFAULT_SEEDS,
    steps: int = DEFAULT_STEPS,
    deadline: float | None = None,
    cache: Cache | None = None,
    observer: Observer | None = None,
    recipe: Mapping[str, Any] | None = None,
    instead: AnyRepair | None = None,
    suppose: Sequence[Finding] = (),
    workers: int | None = None,
) -> Report:
    """Examine a data set and try the repair of each finding.

    Parameters
    ----------
    paths : sequence of Path
        As in `doctor scan`.
    settings : Settings
        Roles of the columns, and thresholds of the checks.
    checks : sequence of str
        Whose findings are tried, by id, family or name; all where it is empty.
    seeds : sequence of int
        Of the pairs: for each a run without and a run with the repair, at least three.
    steps : int
        Updates of each run.
    deadline : float, optional
        Reading of `time.monotonic` after which no run is begun.
    cache : Cache, optional
        Where results are kept, so that an interrupted verification goes on.
    observer : Observer, optional
        Told of each run.
    recipe : mapping, optional
        Fields of `doctor.trainer.recipe.Recipe` other than steps and seed.
    instead : Repair, optional
        Tried in place of what is prescribed: so a wrong repair is tried on a real disease.
    suppose : sequence of Finding
        Tried as if they had been found: so a repair is tried on healthy data.
    workers : int, optional
        Runs at a time.

    Returns
    -------
    Report
        The findings, and a verification for each that carries a repair.

    Raises
    ------
    UsageError
        When a path, a role, a check or the recipe is wrong, or there are too few seeds.
    """
    if len(set(seeds)) < MIN_SEEDS:
        raise UsageError(
            f"{len(set(seeds))} different seeds are too few to tell chance from effect: {MIN_SEEDS} at least"
        )
    refuse_databases(paths)
    watcher = observer or Silent()
    own = replace(settings, select=tuple(checks) or settings.select, budget=None)
    with open_case(paths, own) as case:
        watcher.measuring("findings", case.shown)
        report = examine(case, own)
        findings = [one for one in (*report.findings, *suppose) if one.repair and not one.suppressed]
        watcher.planned(2 * len(seeds) * sum(1 for one in findings if _why_not(one, instead) is None))
        bench = _Bench(
            case=case,
            report=report,
            settings=own,
            seeds=tuple(seeds),
            recipe=_recipe(recipe or {}, steps),
            deadline=deadline,
            cache=cache or Cache(None),
            observer=watcher,
            workers=workers,
        )
        watcher.measuring("training", "both arms")
        verifications = [bench.verify(finding, instead or finding.repair) for finding in findings]
        watcher.finished()
    shown = [*report.findings, *suppose]
    return structs.replace(report, findings=shown, verifications=verifications)


def _recipe(fields: Mapping[str, Any], steps: int) -> Recipe:
    import msgspec

    try:
        return msgspec.convert({**fields, "steps": steps}, Recipe)
    except msgspec.ValidationError as error:
        raise UsageError(f"recipe: {error}") from error


def _why_not(finding: Finding, instead: AnyRepair | None) -> str | None:
    """Return why a repair is not one that runs can try; None where it is."""
    repair = instead or finding.repair
    if isinstance(repair, Advise):
        return "only a person can make this repair"
    if isinstance(repair, ReviewRows):
        return "its rows must be looked at by a person first"
    if isinstance(repair, ChangeTraining):
        return "it changes the training and not the data: doctor verify --config tries it"
    return None


@dataclass(kw_only=True)
class _Bench:
    """Where the repairs of one case are tried."""

    case: Case
    report: Report
    settings: Settings
    seeds: tuple[int, ...]
    recipe: Recipe
    deadline: float | None
    cache: Cache
    observer: Observer
    workers: int | None = None
    _begun: float = field(default_factory=time.monotonic)

    def verify(self, finding: Finding, repair: AnyRepair | None) -> Verification:
        """Try one repair; whatever stands in the way becomes the reason."""
        begin = time.monotonic()
        assert repair is not None  # noqa: S101 - only findings with a repair come here
        plain = Verification(
            fingerprint=finding.fingerprint,
            check=finding.check,
            repair=repair.summary or str(repair.__struct_config__.tag),
            verdict=Verdict.NOT_RUN,
        )
        if (reason := _why_not(finding, repair)) is not None:
            return structs.replace(plain, reason=reason)
        try:
            if isinstance(repair, EditCode):
                told = verify_builds(finding, repair, self._pipeline(), plain)
            else:
                told = self._tried(finding, repair, plain)
        except OutOfTime:
            return structs.replace(plain, reason="the time budget was spent")
        except NoVerdict as why:
            told = structs.replace(plain, verdict=Verdict.NOT_TESTABLE, reason=str(why))
        return structs.replace(told, seconds=round(time.monotonic() - begin, 2))

    def _pipeline(self) -> Pipeline | None:
        return next((subject for subject in self.case.others if isinstance(subject, Pipeline)), None)

    def _tried(self, finding: Finding, repair: AnyRepair, plain: Verification) -> Verification:
        if self.deadline is not None and time.monotonic() >= self.deadline:
            raise OutOfTime
        table = self._table(finding)
        roles = self._roles(table)
        target = roles.get("target")
        if not target:
            raise Untestable("it is not known what is to be predicted: name it with --target COLUMN")
        with tempfile.TemporaryDirectory(prefix="doctor-verify-") as scratch:
            pairs = [
                self._prepared(table, finding, repair, roles, seed, Path(scratch) / f"seed{seed}")
                for seed in self.seeds
            ]
            jobs = [job for pair in pairs for job in pair.jobs]
            results = self._run(jobs, finding)
            return self._judged(plain, pairs, results)

    def _prepared(
        self, table: Table, finding: Finding, repair: AnyRepair, roles: Mapping[str, Any], seed: int, folder: Path
    ) -> "_Pair":
        """Write the two data sets of one seed."""
        target = str(roles["target"])
        others = self._apart(finding, roles, target)
        if concerns_labels(finding):
            made = checked_labels(table, finding, target, tuple(roles.get("annotators", ())), seed)
        else:
            made = cut(table, finding, target, seed)
        own = replace(self.settings, target=target)
        before = lay_out(table, made, folder / "before")
        recipe = self.recipe.replaced(seed=seed)
        after, changed = self._treated(before, finding, repair, own, recipe, folder / "after")
        arms: list[Job] = []
        for name, layout, chosen in (("without", before, recipe), ("with", after, changed)):
            data = folder / "staged" / name
            splits = stage(table.engine, layout, made, seed, data)
            kept = tuple(name for name in others if made.labels is None and _has(table, name, layout, before, repair))
            arms.append(
                Job(
                    data=str(data),
                    target=target,
                    splits=splits,
                    recipe=chosen.replaced(without=(*chosen.without, *kept)),
                    output=str(folder / "runs" / name),
                )
            )
        return _Pair(made=made, seed=seed, jobs=tuple(arms))

    def _apart(self, finding: Finding, roles: Mapping[str, Any], target: str) -> tuple[str, ...]:
        """Name the columns that neither arm learns: others' answers, and leaks that would hide what is tried here."""
        leaks = [
            name
            for one in self.report.findings
            if one.severity is Severity.ERROR and one.check.startswith("leakage/") and not one.suppressed
            if isinstance(one.repair, DropColumns)
            for name in one.repair.columns
        ]
        answers = [*roles.get("annotators", ()), roles.get("item")]
        own = {target, *finding.at.columns}
        return tuple(dict.fromkeys(name for name in (*answers, *leaks) if name and name not in own))

    def _treated(
        self, before: Layout, finding: Finding, repair: AnyRepair, settings: Settings, recipe: Recipe, output: Path
    ) -> tuple[Layout, Recipe]:
        try:
            return repaired(before, finding, repair, self.report, settings, output), recipe
        except RepairRefused:
            if not isinstance(repair, Reweight):
                raise
            # Drawing the common classes down would leave too few rows; the other half of the advice is weights.
            return before, recipe.replaced(class_weights=True)

    def _run(self, jobs: Sequence[Job], finding: Finding) -> list[Result]:
        def done(number: int) -> None:
            self.observer.measuring("training", finding.check)

        results = run_anew(jobs, self.cache, workers=self.workers, deadline=self.deadline, done=done)
        kinds = {result.failure.kind: result.failure.message for result in results if result.failure}
        if "not installed" in kinds:
            raise UsageError(kinds["not installed"])
        if "disk" in kinds:
            raise DoctorError(kinds["disk"])
        if "out of time" in kinds:
            raise OutOfTime
        return results

    def _judged(self, plain: Verification, pairs: Sequence["_Pair"], results: Sequence[Result]) -> Verification:
        failed = [(place, result.failure) for place, result in enumerate(results) if result.failure]
        told = structs.replace(plain, seeds=self.seeds, steps=self.recipe.steps)
        if failed:
            place, failure = failed[0]
            reason = f"{len(failed)} of {len(results)} runs failed, the first {ARMS[place % 2]}: {failure.message}"
            return structs.replace(told, verdict=Verdict.NOT_TESTABLE, reason=reason)
        before, after = results[::2], results[1::2]
        made = pairs[0].made
        if made.measure == "gap":
            return _by_gap(told, made, before, after)
        return _by_score(told, made, before, after)

    def _table(self, finding: Finding) -> Table:
        tables = self.case.tables
        if not tables:
            raise Untestable("it is about no table, and only tables can be trained on here")
        found = [table for table in tables if finding.at.path == table.shown]
        if not found and len(tables) > 1:
            raise Untestable("it is not known which of the tables it is about")
        return found[0] if found else tables[0]

    def _roles(self, table: Table) -> dict[str, Any]:
        return next((one.roles for one in self.report.case.subjects if one.path == table.shown), {})


@dataclass(frozen=True, kw_only=True)
class _Pair:
    made: Cut
    seed: int
    jobs: tuple[Job, ...]


def _has(table: Table, name: str, layout: Layout, before: Layout, repair: AnyRepair) -> bool:
    """Whether a column of the table is still there in an arm."""
    gone = layout is not before and name in getattr(repair, "columns", ())
    return not gone and any(column.name == name for column in table.columns)


def _by_gap(told: Verification, made: Cut, before: Sequence[Result], after: Sequence[Result]) -> Verification:
    task = before[0].task
    scored = [
        {name: [score_of(one.evaluations.get(name, {}), task) for one in arm] for name in (PROMISE, *made.deployments)}
        for arm in (before, after)
    ]
    chosen = kindest({name: scored[0][name] for name in made.deployments})
    arms = [Arm(promises=tuple(one[PROMISE]), realities=tuple(one[chosen])) for one in scored]
    judged = judge_gap(arms[0], arms[1], deployed_worse=made.deployed_worse)
    return _with(
        told,
        judged,
        measure=GAP.format(score=SCORES.get(task, "score")),
        before=arms[0].optimism,
        after=arms[1].error,
        details={
            "deployment": made.story,
            "judged_in": chosen,
            "without_the_repair": scored[0],
            "with_it": scored[1],
            **made.details,
        },
    )


def _by_score(told: Verification, made: Cut, before: Sequence[Result], after: Sequence[Result]) -> Verification:
    (name,) = made.deployments
    scores = [[score_of(one.evaluations.get(name, {}), one.task) for one in arm] for arm in (before, after)]
    recalls = [[_recalls(one.evaluations.get(name, {})) for one in arm] for arm in (before, after)]
    details = {"deployment": made.story, **made.details}
    if made.measure == "labels":
        judged = judge_labels(scores[0], scores[1], wrong_share=float(str(made.details["wrong_share"])))
    else:
        rarest = str(made.details["rarest"])
        details |= {"recalls_without_the_repair": recalls[0], "recalls_with_it": recalls[1]}
        judged = judge_rarest(scores[0], scores[1], recalls_before=recalls[0], recalls_after=recalls[1], rarest=rarest)
    measure = f"{SCORES.get(before[0].task, 'score')} in deployment"
    return _with(told, judged, measure=measure, before=scores[0], after=scores[1], details=details)


def _recalls(metrics: Mapping[str, float]) -> dict[str, float]:
    lead = "recall of "
    return {name.removeprefix(lead): value for name, value in metrics.items() if name.startswith(lead)}


def _with(
    told: Verification,
    judged: Judgement,
    *,
    measure: str,
    before: Sequence[float],
    after: Sequence[float],
    details: dict[str, Any],
) -> Verification:
    return structs.replace(
        told,
        verdict=judged.verdict,
        reason=judged.reason,
        measure=measure,
        before=tuple(round(value, 6) for value in before),
        after=tuple(round(value, 6) for value in after),
        effect=judged.effect,
        interval=judged.interval,
        details=details,
    )
