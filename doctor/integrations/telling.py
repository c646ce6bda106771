"""What a tracker of experiments is told of a report: counts that can be plotted, and the findings as a table."""

from typing import TYPE_CHECKING

from doctor.model import Severity
from doctor.wording import printable

if TYPE_CHECKING:
    from doctor.model import Report

COLUMNS = ("severity", "check", "finding", "repair")
NAMES = {Severity.ERROR: "errors", Severity.WARNING: "warnings", Severity.INFO: "remarks"}


def counts(report: "Report") -> dict[str, int]:
    """Count the open findings by severity."""
    return {name: report.count(severity) for severity, name in NAMES.items()}


def rows(report: "Report") -> list[tuple[str, str, str, str]]:
    """Return the open findings, masked, in the columns of `COLUMNS`."""
    return [
        (
            finding.severity.value,
            finding.check,
            printable(finding.message, limit=400),
            printable(finding.repair.summary, limit=400) if finding.repair else "",
        )
        for finding in report.masked().at_least(Severity.INFO)
    ]


def markdown(report: "Report") -> str:
    """Write the open findings as a table in Markdown, in which their own signs mean nothing."""
    table = rows(report)
    if not table:
        return "No finding."
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    lines += ["| " + " | ".join(map(_plain, row)) + " |" for row in table]
    return "\n".join(lines)


def _plain(text: str) -> str:
    for sign in "\\`*_[]<>|#":
        text = text.replace(sign, f"\\{sign}")
    return text
