"""The words in which a test fails: the sentence of each finding, its place, its repair, its manual page."""

from collections.abc import Sequence

from doctor.model import Finding, Location
from doctor.wording import printable

MAX_TOLD = 8
"""Findings of a test that are told in full."""
MAX_ROWS = 5


def told(findings: Sequence[Finding]) -> str:
    """Write findings as the text of a failing test: the sentence, the place, the repair, the manual page."""
    lines = []
    for finding in findings[:MAX_TOLD]:
        lines.append(f"{finding.severity.value}: {printable(finding.message)}")
        place = _place(finding.at)
        if place:
            lines.append(f"  at {place}")
        if finding.repair and finding.repair.summary:
            lines.append(f"  → {printable(finding.repair.summary)} ({finding.repair.safety.value})")
    if len(findings) > MAX_TOLD:
        lines.append(f"and {len(findings) - MAX_TOLD:,} more")
    checks = dict.fromkeys(finding.check for finding in findings)
    lines.append(f"What it means: {', '.join(f'doctor explain {check}' for check in checks)}")
    return "\n".join(lines)


def _place(at: Location) -> str:
    path = f"{at.path}:{at.line}" if at.path and at.line else at.path or ""
    rows = (
        f"rows {', '.join(map(str, at.rows[:MAX_ROWS]))}{', …' if len(at.rows) > MAX_ROWS else ''}" if at.rows else ""
    )
    split = f"split {at.split}" if at.split else ""
    return printable(", ".join(filter(None, (path, split, rows))))
