"""The report as JUnit XML, which most servers that run tests can show: a suite per family, a case per check.

A case fails through findings at or above `--fail-on`; those below, and those ignored, stand in its output. What could
not be examined is skipped with the reason; a crashed check and a file that could not be read are errors.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from doctor.model import Examination, Finding, Outcome, Report
from doctor.wording import printable
from doctor_reports import verdict
from doctor_reports.masking import masked
from doctor_reports.places import details, place_of, repair_of

_NOT_XML = re.compile("[\ud800-\udfff\ufffe\uffff\x00-\x08\x0b\x0c\x0e-\x1f]")
UNREADABLE = "reading"
"""The suite of the files that could not be read."""

BASELINE = "baseline"
"""The suite of one case that says what was accepted before."""


def render(report: Report, *, color: bool = False) -> str:
    """Write the report as XML."""
    shown = verdict.plainer(masked(report))
    root = Element("testsuites", {"name": "doctor"})
    cases = sorted(_examinations(shown), key=lambda item: (item.check.partition("/")[0], item.check, item.subject))
    for family, members in groupby(cases, key=lambda item: item.check.partition("/")[0]):
        _suite(root, family, list(members), shown)
    if shown.case.problems:
        suite = SubElement(root, "testsuite", {"name": UNREADABLE})
        for problem in shown.case.problems:
            case = SubElement(suite, "testcase", _attributes(classname=UNREADABLE, name=problem.path))
            SubElement(case, "error", _attributes(message=problem.reason, type="unreadable")).text = _xml(str(problem))
    if shown.baseline is not None:
        suite = SubElement(root, "testsuite", {"name": BASELINE})
        case = SubElement(suite, "testcase", _attributes(classname=BASELINE, name=shown.baseline.file))
        notes = [f"{entry.check}: {entry.message}: {note}" for entry, note in verdict.baseline_notes(shown)]
        lines = map(printable, [verdict.baseline_sentence(shown), *notes])
        SubElement(case, "system-out").text = _xml("\n".join(lines))
    _count(root)
    indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _examinations(report: Report) -> Iterator[Examination]:
    """Give all examinations, and one for each finding that has none."""
    yield from report.examinations
    examined = {item.check for item in report.examinations}
    for check in dict.fromkeys(finding.check for finding in report.findings):
        if check not in examined:
            yield Examination(check=check, outcome=Outcome.FOUND)


def _suite(root: Element, family: str, members: Sequence[Examination], report: Report) -> None:
    suite = SubElement(root, "testsuite", _attributes(name=family))
    for _, group in groupby(members, key=lambda item: item.check):
        items = list(group)
        for number, item in enumerate(items):
            _case(suite, item, _own(report.findings, item, items, first=number == 0), report, several=len(items) > 1)


def _own(findings: Iterable[Finding], item: Examination, items: Sequence[Examination], *, first: bool) -> list[Finding]:
    """Return the findings of an examination; those whose subject is not told go to the first of their check."""
    subjects = {other.subject for other in items}
    return [
        finding
        for finding in findings
        if finding.check == item.check
        and (finding.at.path == item.subject or (first and finding.at.path not in subjects))
    ]


def _case(suite: Element, item: Examination, own: Sequence[Finding], report: Report, *, several: bool) -> None:
    name = item.check + (f" [{item.subject}]" if several and item.subject else "")
    case = SubElement(suite, "testcase", _attributes(classname=f"doctor.{item.check.partition('/')[0]}", name=name))
    case.set("time", f"{max(0.0, item.seconds):.3f}")
    failing = [finding for finding in own if report.fails(finding)]
    if failing:
        first = failing[0].message if len(failing) == 1 else f"{len(failing)} findings, first: {failing[0].message}"
        failure = SubElement(case, "failure", _attributes(message=first, type=failing[0].severity.value))
        failure.text = _lines(failing)
    elif item.outcome is Outcome.CRASHED:
        SubElement(case, "error", _attributes(message=item.reason, type="crashed"))
    elif item.outcome in (Outcome.NOT_APPLICABLE, Outcome.UNAVAILABLE, Outcome.IGNORED):
        SubElement(case, "skipped", _attributes(message=f"{item.outcome.value}: {item.reason}"))
    others = [finding for finding in own if finding not in failing]
    partly = [f"could not tell: {item.reason}"] if item.outcome is Outcome.FOUND and item.reason else []
    if others or partly:
        SubElement(case, "system-out").text = _xml("\n".join([*map(_line, others), *map(printable, partly)]))


def _lines(findings: Iterable[Finding]) -> str:
    return _xml("\n".join(map(_line, findings)))


def _line(finding: Finding) -> str:
    places = [str(place_of(finding.at)), *details(finding.at)] if finding.at.path else details(finding.at)
    where = f" (at {', '.join(places)})" if places else ""
    repair = f" -> {printable(repair_of(finding))}" if repair_of(finding) else ""
    ignored = f" [ignored: {printable(finding.suppressed)}]" if finding.suppressed else ""
    return f"{finding.severity.value}: {printable(finding.message)}{where}{repair}{ignored}"


def _count(root: Element) -> None:
    """Write the sums that parsers expect on every suite and on the whole."""
    kinds = {"failures": "failure", "errors": "error", "skipped": "skipped"}
    for holder in (*root.findall("testsuite"), root):
        cases = list(holder.iter("testcase"))
        holder.set("tests", str(len(cases)))
        for name, kind in kinds.items():
            holder.set(name, str(sum(case.find(kind) is not None for case in cases)))
        holder.set("time", f"{sum(float(case.get('time', 0)) for case in cases):.3f}")


def _attributes(**values: str) -> dict[str, str]:
    return {name: _xml(printable(value)) for name, value in values.items()}


def _xml(text: str) -> str:
    """Write out what XML cannot hold."""
    return _NOT_XML.sub(lambda match: f"\\u{ord(match.group()):04x}", text)
