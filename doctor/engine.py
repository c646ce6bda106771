"""Plans which evidence the checks need, has each measured once, and records how every examination ended.

A check's positional parameters are evidence, asked for by type. Nothing here knows a check by name.
"""

import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set
from typing import Any

import msgspec

from doctor import baseline
from doctor.case import Case, asked_of
from doctor.costs import with_costs
from doctor.diagnosis import join
from doctor.errors import NotApplicable, Unavailable, UsageError
from doctor.evidence.drawings import Drawings
from doctor.evidence.surrogate import Surrogate
from doctor.libraries import versions
from doctor.measurements import Measurements, Observer, Scope, Silent, cost, ingredients, required, roots
from doctor.model import (
    About,
    Chart,
    Coverage,
    Diagnosis,
    Examination,
    Finding,
    Location,
    Outcome,
    Report,
    Undecided,
    fingerprint,
)
from doctor.registry import LoadedCheck, check_settings, choose, load_checks, thresholds_for
from doctor.settings import Settings, Suppression, as_options
from doctor.subjects.anchors import anchored
from doctor.subjects.config import Configs
from doctor.subjects.images import Images
from doctor.subjects.run import Run
from doctor.subjects.source import Source
from doctor.subjects.table import Table
from doctor.version import VERSION
from doctor.wording import printable

MIN_COLUMNS_TO_COLLAPSE = 5


def examine(
    case: Case,
    settings: Settings,
    observer: Observer | None = None,
    *,
    every: Sequence[LoadedCheck] | None = None,
) -> Report:
    """Run the chosen checks on a case.

    Parameters
    ----------
    case : Case
        What was opened.
    settings : Settings
        Which checks, with which thresholds, for how long.
    observer : Observer, optional
        Told of progress.
    every : sequence of LoadedCheck, optional
        The checks there are. [default: all that are installed]

    Returns
    -------
    Report
        Findings sorted gravest first, one examination per check and subject.
    """
    with asked_of(case, settings) as asked:
        return _examined(asked, settings, observer or Silent(), load_checks() if every is None else every)


def _examined(case: Case, settings: Settings, observer: Observer, every: Sequence[LoadedCheck]) -> Report:
    begin = time.monotonic()
    chosen = checks_for(case.matters, settings, every)
    chosen.sort(key=lambda check: (sum(map(cost, check.evidence)), check.id))
    deadline = begin + settings.budget if settings.budget is not None else None
    for table in case.tables:
        table.engine.deadline = deadline
    case.workers.deadline = deadline
    measurements = Measurements(observer, deadline)
    observer.planned(sum(1 for part in _all_evidence(chosen)) * max(1, len(case.collections)))

    findings: list[Finding] = []
    examinations: list[Examination] = []
    for check in chosen:
        told: set[str] = set()
        for scope in _scopes(check, case, settings):
            found, examination = _examine(check, scope, measurements, settings, len(case.collections) > 1, told)
            findings += found
            told |= {finding.fingerprint for finding in found}
            examinations.append(examination)
    findings.sort(key=_order)
    diagnoses = _with_costs(join(findings, every), findings, case, settings, measurements)
    observer.finished()
    outcomes = Counter(examination.outcome.value for examination in examinations)
    return Report(
        doctor=About(
            version=VERSION,
            sample_seed=settings.sample_seed,
            sample_rows=settings.sample_rows,
            repeat=as_options(settings),
            fail_on=settings.fail_on,
            versions=versions(),
        ),
        case=case.summary(lambda wanted, table: measurements.had(wanted, _scope_of(case, table, settings))),
        findings=findings,
        baseline=baseline.told(settings, case, findings, examinations),
        diagnoses=diagnoses,
        examinations=sorted(examinations, key=lambda examination: (examination.check, examination.subject)),
        coverage=Coverage(
            outcomes={outcome.value: outcomes.get(outcome.value, 0) for outcome in Outcome},
            skipped=measurements.skipped,
            measured_seconds={name: round(seconds, 3) for name, seconds in measurements.seconds.items()},
            seconds=round(time.monotonic() - begin, 3),
        ),
        charts=_charts(case, settings, measurements),
        manuals={check.id: check.manual for check in every if check.id in {finding.check for finding in findings}},
    )


def _with_costs(
    diagnoses: list[Diagnosis], findings: list[Finding], case: Case, settings: Settings, measurements: Measurements
) -> list[Diagnosis]:
    """Let a small model say what the causes of tables cost."""
    tables = {table.shown: table for table in case.tables}
    if not tables or not diagnoses:
        return diagnoses

    def ask(finding: Finding) -> Surrogate | None:
        table = tables.get(finding.at.path or "")
        model: Surrogate | None = measurements.had(Surrogate, _scope_of(case, table, settings)) if table else None
        return model

    return measurements.attempt(Surrogate.__name__, case.shown, lambda: with_costs(diagnoses, findings, ask), diagnoses)


def checks_for(
    matters: frozenset[type], settings: Settings, every: Sequence[LoadedCheck] | None = None
) -> list[LoadedCheck]:
    """Return the chosen checks that read one of these kinds of subject, sorted by id.

    Raises
    ------
    UsageError
        When the settings speak of a check or a threshold that does not exist.
    """
    every = load_checks() if every is None else every
    check_settings(every, settings)
    return [check for check in choose(every, settings) if matters & _roots(check)]


def _charts(case: Case, settings: Settings, measurements: Measurements) -> list[Chart]:
    if Run not in case.matters:
        return []
    known: Drawings | None = measurements.had(Drawings, Scope(case.singles(settings), "", case.shown))
    return list(known.charts) if known else []


def _all_evidence(checks: Iterable[LoadedCheck]) -> set[type]:
    wanted: set[type] = set()
    queue = [part for check in checks for part in check.evidence]
    while queue:
        for part in required(queue.pop()):
            if hasattr(part, "measure") and part not in wanted:
                wanted.add(part)
                queue += ingredients(part)
    return wanted


def _scope_of(case: Case, collection: Table | Images, settings: Settings) -> Scope:
    return Scope({**case.singles(settings), type(collection): collection}, collection.label, collection.shown)


def _roots(check: LoadedCheck) -> frozenset[type]:
    return frozenset().union(*(roots(part) for part in check.evidence))


def _scopes(check: LoadedCheck, case: Case, settings: Settings) -> Iterator[Scope]:
    """One scope per table or collection of images for a check that reads such, else one for the whole case."""
    read = [one for one in case.collections if type(one) in _roots(check)]
    if read:
        yield from (_scope_of(case, one, settings) for one in read)
    else:
        yield Scope(case.singles(settings), "", case.shown)


def _examine(
    loaded: LoadedCheck,
    scope: Scope,
    measurements: Measurements,
    settings: Settings,
    several: bool,
    told: Set[str] = frozenset(),
) -> tuple[list[Finding], Examination]:
    begin = time.monotonic()

    def ended(outcome: Outcome, reason: str = "") -> Examination:
        seconds = round(time.monotonic() - begin, 3)
        return Examination(
            check=loaded.id, outcome=outcome, subject=scope.path, reason=printable(reason), seconds=seconds
        )

    try:
        parts = [measurements.get(part, scope) for part in loaded.evidence]
        results = list(loaded.examine(*parts, **thresholds_for(loaded, settings)))
    except NotApplicable as silence:
        return [], ended(Outcome.NOT_APPLICABLE, str(silence))
    except Unavailable as silence:
        return [], ended(Outcome.UNAVAILABLE, str(silence))
    except UsageError:
        raise
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        return [], ended(
            Outcome.CRASHED, f"{type(error).__name__}: {error} (at {frame.name}, {frame.filename}:{frame.lineno})"
        )
    findings = [result for result in results if isinstance(result, Finding)]
    undecided = [result for result in results if isinstance(result, Undecided)]
    width = len(getattr(next(iter(_tables(scope)), None), "columns", ()))
    located = [_locate(finding, scope, several) for finding in collapse(findings, width)]
    # What a check says of the code, it says with each table.
    fresh = [finding for finding in located if finding.at.path == scope.path or finding.fingerprint not in told]
    judged = [_suppress(finding, settings.suppressions) for finding in fresh]
    reasons = "; ".join(dict.fromkeys(word.reason for word in undecided))
    if judged and all(finding.suppressed for finding in judged):
        return judged, ended(Outcome.IGNORED, "; ".join(dict.fromkeys(finding.suppressed or "" for finding in judged)))
    if judged:
        return judged, ended(Outcome.FOUND, reasons)
    if undecided:
        return [], ended(undecided[0].outcome, reasons)
    return [], ended(Outcome.HEALTHY)


def _tables(scope: Scope) -> list[Any]:
    return [subject for subject in scope.subjects.values() if hasattr(subject, "columns")]


def collapse(findings: Sequence[Finding], width: int) -> list[Finding]:
    """Join findings of one kind that cover more than half of a table's columns into one."""
    kinds: dict[tuple[object, ...], list[Finding]] = {}
    for finding in findings:
        single = len(finding.at.columns) == 1
        key = (finding.evidence.get("kind"), finding.severity, finding.at.split) if single else (id(finding),)
        kinds.setdefault(key, []).append(finding)
    joined = []
    for group in kinds.values():
        if len(group) < MIN_COLUMNS_TO_COLLAPSE or 2 * len(group) <= width:
            joined += group
            continue
        first = group[0]
        columns = tuple(column for finding in group for column in finding.at.columns)
        at = Location(path=first.at.path, split=first.at.split, columns=columns)
        joined.append(
            msgspec.structs.replace(
                first,
                at=at,
                message=f"{len(group)} of {width} columns, for example {first.message}",
                evidence={"columns": len(group), "each": {f.at.column: f.evidence for f in group}},
                repair=None,
                fingerprint=fingerprint(first.check, str(first.evidence.get("kind") or ""), Location(split=at.split)),
            )
        )
    return joined


def _locate(finding: Finding, scope: Scope, several: bool) -> Finding:
    """Fill in path and place; only where several tables are examined does the path belong to the fingerprint."""
    if finding.at.path is not None:
        named = (subject.lasting(finding.at) for kind in (Configs, Source) if (subject := scope.subjects.get(kind)))
        place = next((place for place in named if place), None)
        kind = str(finding.evidence.get("kind") or "")
        mark = fingerprint(finding.check, kind, place) if place else finding.fingerprint
        return msgspec.structs.replace(finding, fingerprint=mark)
    at = msgspec.structs.replace(finding.at, path=scope.path)
    for table in scope.subjects.values():
        if isinstance(table, Table):
            at = anchored(at, table)
    if not several:
        return msgspec.structs.replace(finding, at=at)
    mark = fingerprint(finding.fingerprint, scope.label, Location())
    return msgspec.structs.replace(finding, at=at, fingerprint=mark)


def _suppress(finding: Finding, suppressions: Iterable[Suppression]) -> Finding:
    for suppression in suppressions:
        if suppression.covers(finding):
            return msgspec.structs.replace(finding, suppressed=suppression.reason)
    return finding


def _order(finding: Finding) -> tuple[object, ...]:
    place = finding.at
    return (
        finding.severity.rank,
        finding.check,
        place.path or "",
        place.split or "",
        place.columns,
        place.line or 0,
        place.rank or 0,
        place.step or 0,
        finding.message,
    )
