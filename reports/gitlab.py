"""The report as GitLab's Code Quality JSON, which it shows in merge requests.

The format asks for a line; where none is known it is the first. Ignored findings are left out; what could not be read
or examined is listed, so that an empty list is not taken for health.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from doctor.model import Outcome, Report, Severity
from doctor.wording import printable
from doctor_reports import verdict
from doctor_reports.masking import masked
from doctor_reports.places import Place, details, distinct, place, place_of, repair_of

SEVERITIES = {Severity.ERROR: "critical", Severity.WARNING: "major", Severity.INFO: "info"}
TROUBLE = "major"


def render(report: Report, *, color: bool = False) -> str:
    """Write the report as a JSON list."""
    shown = verdict.plainer(masked(report))
    findings = verdict.opened(shown)
    issues = [
        _issue(
            finding.check,
            ", ".join([finding.message, *details(finding.at)])
            + (f" → {repair_of(finding)}" if repair_of(finding) else ""),
            SEVERITIES[finding.severity],
            place_of(finding.at, shown.case.path),
            name,
        )
        for finding, name in zip(findings, distinct(findings), strict=True)
    ]
    for problem in shown.case.problems:
        where = place(problem.path, problem.line)
        issues.append(_trouble("doctor/unreadable", f"cannot read it: {problem.reason}", where))
    for item in shown.examinations:
        if item.outcome is Outcome.CRASHED:
            where = place(item.subject or shown.case.path)
            issues.append(_trouble(item.check, f"the check crashed: {item.reason}", where))
    issues += _entries(shown)
    issues = list({issue["fingerprint"]: issue for issue in issues}.values())
    return json.dumps(issues, indent=2, ensure_ascii=False) + "\n"


def _entries(report: Report) -> Iterator[dict[str, Any]]:
    """Point at the baseline for each entry whose finding is gone; the others are there as findings."""
    if report.baseline is None:
        return
    where = place(report.baseline.file)
    for entry in report.baseline.gone:
        text = f"{entry.message} is gone; run doctor baseline again"
        yield _issue(entry.check, text, SEVERITIES[Severity.INFO], where, _mark(entry.check, where, text))


def _trouble(check: str, text: str, where: Place) -> dict[str, Any]:
    return _issue(check, text, TROUBLE, where, _mark(check, where, text))


def _mark(check: str, where: Place, text: str) -> str:
    return hashlib.blake2b(f"{check}\0{where.path}\0{text}".encode(), digest_size=8).hexdigest()


def _issue(check: str, text: str, severity: str, where: Place, mark: str) -> dict[str, Any]:
    return {
        "description": printable(text) or check,
        "check_name": check,
        "fingerprint": mark,
        "severity": severity,
        "location": {"path": where.path, "lines": {"begin": where.line or 1}},
    }
