"""Plans which evidence the checks need, measures each once, and records how every examination ended.

Checks are found through the entry-point group `doctor.checks`; nothing here knows one by name. A check's positional
parameters are evidence, asked for by type; evidence asks the same way for other evidence and, in the end, for
subjects, as `X | None` where it can do without.
An evidence class has a class method `measure` and may state its `COST`, by which dear ones come last.
"""

import importlib
import inspect
import pkgutil
import time
import traceback
import types
import typing
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any, Protocol

import msgspec

from doctor.case import Case
from doctor.errors import BudgetSpent, DoctorError, NotApplicable, Unavailable, UsageError
from doctor.model import (
    About,
    Check,
    Coverage,
    Examination,
    Finding,
    Location,
    Outcome,
    Report,
    Undecided,
    fingerprint,
    printable,
)
from doctor.settings import Settings, Suppression, as_options
from doctor.version import VERSION

MIN_COLUMNS_TO_COLLAPSE = 5


@dataclass(frozen=True, kw_only=True)
class LoadedCheck:
    """A check as found on disk: its declaration, its function and its manual page."""

    check: Check
    examine: Callable[..., Iterable[Finding | Undecided]]
    manual: str
    evidence: tuple[type, ...]
    thresholds: Mapping[str, inspect.Parameter]

    @property
    def id(self) -> str:
        """`family/name`."""
        return self.check.id

    @property
    def summary(self) -> str:
        """The first line of the manual page."""
        return self.manual.strip().partition("\n")[0]


class Observer(Protocol):
    """Who wants to know how far the visit has come."""

    def planned(self, measures: int) -> None:
        """Hear how many measures there will be at most."""

    def measuring(self, name: str, subject: str) -> None:
        """Hear that a measure begins."""

    def finished(self) -> None:
        """Hear that all is done."""


class Silent:
    """An observer that shows nothing."""

    def planned(self, measures: int) -> None:
        """Ignore it."""

    def measuring(self, name: str, subject: str) -> None:
        """Ignore it."""

    def finished(self) -> None:
        """Ignore it."""


@cache
def load_checks() -> tuple[LoadedCheck, ...]:
    """Find all installed checks, sorted by id.

    Raises
    ------
    DoctorError
        When there is none, when two bear the same id or when one does not load: silence is not health.
    """
    found: dict[str, LoadedCheck] = {}
    for point in sorted(entry_points(group="doctor.checks"), key=lambda point: (point.name, point.value)):
        for module in _modules(point):
            if isinstance(getattr(module, "CHECK", None), Check):
                loaded = read_check(module)
                rival = found.setdefault(loaded.id, loaded)
                if rival.examine is not loaded.examine:
                    both = f"{rival.examine.__module__} and {module.__name__}"
                    raise DoctorError(f"two checks are called {loaded.id}: {both}")
    if not found:
        raise DoctorError("no check is installed: the entry-point group 'doctor.checks' is empty")
    return tuple(found[id] for id in sorted(found))


def read_check(module: ModuleType) -> LoadedCheck:
    """Read a check's declaration out of its module.

    Raises
    ------
    DoctorError
        When it has no function `examine` whose every parameter has a type.
    """
    try:
        examine = module.examine
        signature = inspect.signature(examine)
        hints = typing.get_type_hints(examine)
        untyped = [name for name in signature.parameters if name not in hints]
    except (AttributeError, NameError, TypeError) as error:
        raise DoctorError(f"{module.__name__} is no check: {error}") from error
    if untyped:
        raise DoctorError(f"{module.__name__} is no check: examine gives no type for {', '.join(untyped)}")
    positional = [
        name for name, parameter in signature.parameters.items() if parameter.kind is not parameter.KEYWORD_ONLY
    ]
    keywords = {name: parameter for name, parameter in signature.parameters.items() if name not in positional}
    return LoadedCheck(
        check=module.CHECK,
        examine=examine,
        manual=inspect.cleandoc(module.__doc__ or ""),
        evidence=tuple(hints[name] for name in positional),
        thresholds={name: parameter.replace(annotation=hints[name]) for name, parameter in keywords.items()},
    )


def _modules(point: EntryPoint) -> Iterator[ModuleType]:
    name = point.module
    try:
        root = importlib.import_module(name)
        yield root
        if hasattr(root, "__path__"):
            for info in pkgutil.walk_packages(root.__path__, f"{root.__name__}."):
                name = info.name
                yield importlib.import_module(name)
    except Exception as error:
        owner = point.dist.name if point.dist else point.name
        raise DoctorError(f"checks of {owner}: {name} does not load: {type(error).__name__}: {error}") from error


def choose(checks: Sequence[LoadedCheck], settings: Settings) -> tuple[LoadedCheck, ...]:
    """Return those that `--select` and `--ignore` leave; a pattern is an id, a family or a name.

    Raises
    ------
    UsageError
        When a pattern fits no check.
    """

    def matching(patterns: Sequence[str]) -> set[str]:
        chosen: set[str] = set()
        for pattern in patterns:
            hits = {check.id for check in checks if pattern in (check.id, *check.id.split("/"))}
            if not hits:
                raise UsageError(
                    f"no check is called {pattern!r}; 'doctor list' shows them all{_nearest(pattern, checks)}"
                )
            chosen |= hits
        return chosen

    selected = matching(settings.select) if settings.select else {check.id for check in checks}
    ignored = matching(settings.ignore)
    return tuple(check for check in checks if check.id in selected - ignored)


def _nearest(word: str, checks: Iterable[LoadedCheck]) -> str:
    import difflib

    names = [name for check in checks for name in (check.id, check.id.split("/")[1])]
    close = difflib.get_close_matches(word, names, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def thresholds_for(loaded: LoadedCheck, settings: Settings) -> dict[str, Any]:
    """Return the thresholds the user set for a check, converted to their type.

    Raises
    ------
    UsageError
        For an unknown name, naming the known ones, and for a value of the wrong type.
    """
    values = {}
    for name, given in settings.thresholds.get(loaded.id, {}).items():
        if name not in loaded.thresholds:
            known = ", ".join(loaded.thresholds) or "none"
            raise UsageError(f"{loaded.id} has no threshold {name!r}; it has: {known}")
        wanted = loaded.thresholds[name].annotation
        try:
            values[name] = msgspec.convert(given, wanted, strict=False)
        except msgspec.ValidationError as error:
            raise UsageError(
                f"{loaded.id}.{name}: {given!r} is not of type {getattr(wanted, '__name__', wanted)}"
            ) from error
    return values


def check_settings(checks: Sequence[LoadedCheck], settings: Settings) -> None:
    """Refuse settings that speak of checks or thresholds that do not exist."""
    known = {check.id: check for check in checks}
    for id in settings.thresholds:
        if id not in known:
            raise UsageError(f"no check is called {id!r}; 'doctor list' shows them all{_nearest(id, checks)}")
        thresholds_for(known[id], settings)
    for suppression in settings.suppressions:
        if suppression.check not in known:
            raise UsageError(
                f"suppression of {suppression.check!r}: no such check{_nearest(suppression.check, checks)}"
            )


@dataclass(frozen=True)
class Scope:
    """The subjects in view while one check is run, by their type."""

    subjects: Mapping[type, Any]
    label: str
    path: str


class Measurements:
    """Evidence, measured when first asked for and kept for the whole visit."""

    def __init__(self, observer: Observer, deadline: float | None) -> None:
        self._observer = observer
        self._deadline = deadline
        self._kept: dict[tuple[object, ...], Any] = {}
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.skipped: dict[str, str] = {}

    def get(self, wanted: type, scope: Scope) -> Any:
        """Return evidence or a subject of the wanted type.

        Raises
        ------
        NoVerdict
            When it cannot be had, with the reason; asked again, the same error is raised.
        """
        if (needed := required(wanted)) is not wanted:
            try:
                return self.get(needed, scope)
            except NotApplicable:
                return None
        if wanted in scope.subjects:
            return scope.subjects[wanted]
        if not hasattr(wanted, "measure"):
            raise NotApplicable(f"there is no {wanted.__name__.lower()} here")
        key = (
            wanted,
            *(id(scope.subjects.get(root)) for root in sorted(roots(wanted), key=lambda root: root.__name__)),
        )
        if key not in self._kept:
            self._kept[key] = self._measure(wanted, scope)
        kept = self._kept[key]
        if isinstance(kept, Exception):
            raise kept
        return kept

    def had(self, wanted: type, scope: Scope) -> Any:
        """Return evidence, or None where it cannot be had; a misuse is still an error."""
        try:
            return self.get(wanted, scope)
        except UsageError:
            raise
        except Exception:
            return None

    def _measure(self, wanted: type, scope: Scope) -> Any:
        try:
            parts = [self.get(part, scope) for part in ingredients(wanted)]
        except Exception as error:
            return error
        if self._deadline is not None and time.monotonic() >= self._deadline:
            return self._skip(wanted)
        self._observer.measuring(wanted.__name__, scope.path)
        begin = time.monotonic()
        try:
            return wanted.measure(*parts)  # type: ignore[attr-defined]  # guarded by hasattr above
        except BudgetSpent:
            return self._skip(wanted)
        except Exception as error:
            return error.with_traceback(error.__traceback__)
        finally:
            self.seconds[wanted.__name__] += time.monotonic() - begin

    def _skip(self, wanted: type) -> Unavailable:
        self.skipped[wanted.__name__] = str(BudgetSpent())
        return Unavailable(f"{wanted.__name__} was not measured: {BudgetSpent()}")


def required(wanted: Any) -> type:
    """Return the type behind `X | None`, by which evidence is asked for that may not apply."""
    parts = [part for part in typing.get_args(wanted) if part is not type(None)]
    needed: type = parts[0] if isinstance(wanted, types.UnionType) else wanted
    return needed


@cache
def ingredients(evidence: type) -> tuple[type, ...]:
    """Return what an evidence class is measured from, by the types in its signature."""
    measure = evidence.measure  # type: ignore[attr-defined]  # callers pass evidence classes
    hints = typing.get_type_hints(measure)
    return tuple(hints[name] for name in inspect.signature(measure).parameters)


@cache
def roots(wanted: type) -> frozenset[type]:
    """Return the subject types on which something rests in the end."""
    wanted = required(wanted)
    if not hasattr(wanted, "measure"):
        return frozenset({wanted})
    return frozenset().union(*(roots(part) for part in ingredients(wanted)))


@cache
def cost(wanted: type) -> int:
    """Return how dear something is, its ingredients included; no unit, larger is dearer."""
    wanted = required(wanted)
    if not hasattr(wanted, "measure"):
        return 0
    return int(getattr(wanted, "COST", 1)) + sum(cost(part) for part in ingredients(wanted))


def examine(case: Case, settings: Settings, observer: Observer | None = None) -> Report:
    """Run the chosen checks on a case.

    Parameters
    ----------
    case : Case
        What was opened.
    settings : Settings
        Which checks, with which thresholds, for how long.
    observer : Observer, optional
        Told of progress.

    Returns
    -------
    Report
        Findings sorted gravest first, one examination per check and subject.
    """
    observer = observer or Silent()
    begin = time.monotonic()
    every = load_checks()
    check_settings(every, settings)
    chosen = sorted(choose(every, settings), key=lambda check: (sum(map(cost, check.evidence)), check.id))
    deadline = begin + settings.budget if settings.budget is not None else None
    for table in case.tables:
        table.engine.deadline = deadline
    measurements = Measurements(observer, deadline)
    observer.planned(sum(1 for part in _all_evidence(chosen)) * max(1, len(case.tables)))

    findings: list[Finding] = []
    examinations: list[Examination] = []
    for check in chosen:
        for scope in _scopes(check, case, settings):
            found, examination = _examine(check, scope, measurements, settings, len(case.tables) > 1)
            findings += found
            examinations.append(examination)
    observer.finished()
    outcomes = Counter(examination.outcome.value for examination in examinations)
    return Report(
        doctor=About(
            version=VERSION,
            sample_seed=settings.sample_seed,
            sample_rows=settings.sample_rows,
            repeat=as_options(settings),
        ),
        case=case.summary(lambda wanted, table: measurements.had(wanted, _table_scope(case, table, settings))),
        findings=sorted(findings, key=_order),
        examinations=sorted(examinations, key=lambda examination: (examination.check, examination.subject)),
        coverage=Coverage(
            outcomes={outcome.value: outcomes.get(outcome.value, 0) for outcome in Outcome},
            skipped=measurements.skipped,
            measured_seconds={name: round(seconds, 3) for name, seconds in measurements.seconds.items()},
            seconds=round(time.monotonic() - begin, 3),
        ),
        manuals={check.id: check.manual for check in every if check.id in {finding.check for finding in findings}},
    )


def _all_evidence(checks: Iterable[LoadedCheck]) -> set[type]:
    wanted: set[type] = set()
    queue = [part for check in checks for part in check.evidence]
    while queue:
        part = required(queue.pop())
        if hasattr(part, "measure") and part not in wanted:
            wanted.add(part)
            queue += ingredients(part)
    return wanted


def _table_scope(case: Case, table: Any, settings: Settings) -> Scope:
    return Scope({**case.singles(settings), type(table): table}, table.label, table.shown)


def _scopes(check: LoadedCheck, case: Case, settings: Settings) -> Iterator[Scope]:
    """One scope per table for a check that reads tables, else one for the whole case."""
    wanted = frozenset().union(*(roots(part) for part in check.evidence))
    tables = [table for table in case.tables if type(table) in wanted]
    if tables:
        yield from (_table_scope(case, table, settings) for table in tables)
    else:
        yield Scope(case.singles(settings), "", case.shown)


def _examine(
    loaded: LoadedCheck, scope: Scope, measurements: Measurements, settings: Settings, several: bool
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
    judged = [_suppress(finding, settings.suppressions) for finding in located]
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
    """Fill in the path; only where several tables are examined does it belong to the fingerprint."""
    if finding.at.path is not None:
        return finding
    at = msgspec.structs.replace(finding.at, path=scope.path)
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
        finding.message,
    )
