"""The root causes in the order in which to see to them, each with what it costs: the first screen of a report.

What a cause costs is what training with and without its repair measured, where that was done; else the manual page's
first sentence on why it matters.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from doctor.model import Finding, Report, Safety, Severity, Verdict
from doctor_reports import proofs, verdict
from doctor_reports.manuals import why_it_matters

MAX_CAUSES = 5
ENOUGH_CAUSES = 3
"""Where there are as many errors, warnings are not shown among them: the first screen has room for no more."""
GRADES = {Safety.SAFE: "safe", Safety.UNSAFE: "look first", Safety.MANUAL: "by hand"}


@dataclass(frozen=True, kw_only=True)
class Cause:
    """One thing that is wrong, and what hangs on it.

    Attributes
    ----------
    mark : str
        Fingerprint of the finding that states it.
    others : sequence of Finding
        Further findings that state the same.
    follows : sequence of Finding
        What goes away with it.
    cost : str
        In words, or nothing.
    measured : bool
        Whether the cost was measured here, by training.
    """

    text: str
    mark: str
    check: str
    severity: Severity
    others: Sequence[Finding] = ()
    follows: Sequence[Finding] = ()
    cost: str = ""
    measured: bool = False
    repair: str = ""
    grade: str = ""


def causes(report: Report) -> tuple[list[Cause], int]:
    """Return the first few causes, the gravest first, and how many findings besides are no remark.

    Diagnoses come first, then errors that belong to none, then warnings; findings of one check are one cause.
    """
    by_mark = {finding.fingerprint: finding for finding in report.findings}
    found = []
    for diagnosis in report.diagnoses:
        stated = [by_mark[mark] for mark in diagnosis.because if mark in by_mark]
        if stated:
            follows = [by_mark[mark] for mark in diagnosis.consequences if mark in by_mark]
            found.append(_cause(stated, report, diagnosis.cause, follows, diagnosis.prescription))
    rest = [finding for finding in verdict.unexplained(report) if finding.severity is not Severity.INFO]
    groups = verdict.grouped(rest)
    errors = sum(1 for group in groups if group.severity is Severity.ERROR)
    wanted = min(MAX_CAUSES, max(ENOUGH_CAUSES, len(found) + errors))
    room = max(0, wanted - len(found))
    found += [_cause(group.findings, report) for group in groups[:room]]
    return found, sum(len(group.findings) for group in groups[room:])


def _cause(
    stated: Sequence[Finding], report: Report, text: str = "", follows: Sequence[Finding] = (), prescription: str = ""
) -> Cause:
    first = stated[0]
    tried = [item for item in report.verifications if item.fingerprint == first.fingerprint]
    measured = next((proofs.change(item) for item in tried if item.verdict is Verdict.VERIFIED), "")
    return Cause(
        text=text or first.message,
        mark=first.fingerprint,
        check=first.check,
        severity=first.severity,
        others=stated[1:],
        follows=follows,
        cost=measured or why_it_matters(report.manuals.get(first.check, "")),
        measured=bool(measured),
        repair=prescription or (first.repair.summary if first.repair else ""),
        grade=GRADES[first.repair.safety] if first.repair else "",
    )
