"""What authors of checks test with: one check run on data of their own, and held against what every check must keep.

Neither needs the check to be installed.
"""

import ast
import inspect
import re
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from msgspec import Struct

from doctor.case import asked_of
from doctor.engine import examine
from doctor.errors import NotApplicable, UsageError
from doctor.measurements import Measurements, Scope, Silent
from doctor.model import Examination, Finding, Outcome
from doctor.registry import LoadedCheck, read_check
from doctor.scanning import opened, settings_from

HEADINGS = ("What it finds", "Why it matters", "What to do", "Thresholds", "Calibration", "Limits", "Source")
"""Of a manual page, in this order."""
FORBIDDEN_CALLS = frozenset({"open", "print", "exec", "eval", "input"})
MAX_LINES = 180

Evidence = TypeVar("Evidence")

__all__ = ["HEADINGS", "Judgement", "faults", "judge", "measure"]


class Judgement(Struct, frozen=True, kw_only=True):
    """What one check said of some data.

    Attributes
    ----------
    findings : list of Finding
        Gravest first.
    outcome : Outcome
        How the examination ended; the gravest where there were several tables.
    reason : str
        Why, where it gave no verdict or crashed.
    examinations : list of Examination
        One for each table.
    """

    findings: list[Finding]
    outcome: Outcome
    reason: str
    examinations: list[Examination]


GRAVEST = (
    Outcome.CRASHED,
    Outcome.FOUND,
    Outcome.IGNORED,
    Outcome.HEALTHY,
    Outcome.UNAVAILABLE,
    Outcome.NOT_APPLICABLE,
)


def judge(check: ModuleType, data: Any, *, thresholds: Mapping[str, Any] | None = None, **options: Any) -> Judgement:
    """Run one check on data.

    Parameters
    ----------
    check : module
        With `CHECK` and `examine`.
    data : path, frame or mapping of split names to frames
        Whatever `doctor.scan` takes.
    thresholds : dict, optional
        Of this check, by name.
    **options
        As of `doctor.scan`, such as `target="y"`.

    Returns
    -------
    Judgement

    Raises
    ------
    UsageError
        For an option, a threshold, a column or a path that does not exist.
    DoctorError
        When the module is no check.
    """
    loaded = read_check(check)
    settings = settings_from(data, {loaded.id: thresholds} if thresholds else None, (), options)
    with opened(data, (), settings) as case:
        report = examine(case, settings, every=[loaded])
    if not report.examinations:
        raise UsageError(f"{loaded.id} reads nothing that is here")
    ended = sorted(report.examinations, key=lambda examination: GRAVEST.index(examination.outcome))
    return Judgement(
        findings=report.findings, outcome=ended[0].outcome, reason=ended[0].reason, examinations=report.examinations
    )


def measure(evidence: type[Evidence], data: Any, **options: Any) -> Evidence:
    """Return evidence as it is measured from data with one table or none.

    Parameters
    ----------
    evidence : type
        A class of `doctor.evidence`, or one of your own with a class method `measure`.
    data, **options
        As of `judge`.

    Raises
    ------
    NoVerdict
        When it cannot be had, with the reason.
    """
    settings = settings_from(data, None, (), options)
    with opened(data, (), settings) as opened_case, asked_of(opened_case, settings) as case:
        if len(case.tables) > 1:
            raise UsageError(f"{len(case.tables)} tables are here; evidence is measured from one")
        subjects = {**case.singles(settings), **{type(table): table for table in case.tables}}
        found: Evidence = Measurements(Silent(), None).get(evidence, Scope(subjects, "", case.shown))
    if found is None:
        raise NotApplicable(f"{evidence.__name__} does not apply here")
    return found


def faults(check: ModuleType | LoadedCheck) -> list[str]:
    """Say what a check lacks of what every check must keep.

    Parameters
    ----------
    check : module or LoadedCheck

    Returns
    -------
    list of str
        One line for each fault; none for a check that keeps to the contract.

    Raises
    ------
    DoctorError
        When the module is no check at all.
    """
    loaded = check if isinstance(check, LoadedCheck) else read_check(check)
    source = Path(inspect.getfile(loaded.examine)).read_text("utf-8")
    return [*_of_the_name(loaded), *_of_the_manual(loaded), *_of_the_thresholds(loaded), *_of_the_source(source)]


def _of_the_name(check: LoadedCheck) -> list[str]:
    said = []
    if not re.fullmatch(r"[a-z][a-z0-9-]*/[a-z][a-z0-9-]*", check.id):
        said.append(f"the id {check.id!r} is not family/name, lower-case words joined by hyphens")
    name, file = check.id.rpartition("/")[2].replace("-", "_"), Path(inspect.getfile(check.examine))
    if file.stem != name:
        said.append(f"the file {file.name} is not called {name}.py, as the check is")
    return said


def _of_the_manual(check: LoadedCheck) -> list[str]:
    said = []
    found = tuple(line for line in check.manual.splitlines() if line in HEADINGS)
    if found != HEADINGS:
        lacking = [heading for heading in HEADINGS if heading not in found]
        said.append(f"the manual page lacks {', '.join(lacking)}" if lacking else "the headings are out of order")
    if not check.summary.endswith("."):
        said.append("the first line of the manual page is not a sentence")
    return said


def _of_the_thresholds(check: LoadedCheck) -> list[str]:
    said = []
    page = check.manual.partition("Thresholds\n")[2].partition("\nCalibration")[0]
    for name, parameter in check.thresholds.items():
        if parameter.default is parameter.empty:
            said.append(f"the threshold {name} has no default")
        elif not re.search(rf"^    {name}: ", page, re.MULTILINE):
            said.append(f"the manual page does not describe the threshold {name}")
        elif str(parameter.default) not in page:
            said.append(f"the manual page does not give the default {parameter.default} of {name}")
    return said


def _of_the_source(source: str) -> list[str]:
    calls = (node.func for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    called = {call.id for call in calls if isinstance(call, ast.Name)} & FORBIDDEN_CALLS
    said = [f"it calls {name}(), but a check only judges" for name in sorted(called)]
    lines = len(source.splitlines())
    if lines > MAX_LINES:
        said.append(f"it has {lines} lines; more than {MAX_LINES} are hard to read")
    if "TODO" in source:
        said.append("something is left to be done: TODO")
    return said
