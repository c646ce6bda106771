"""The root causes in the order in which to see to them, each with what it costs: the first screen of a report.

What a cause costs is what training with and without its repair measured, where that was done; else what a small model
makes of it, or the manual page's first sentence on why it matters.
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
    cost_word : str
        How the cost is known: "measured" by training, "estimated" by a small model, "why it matters" in general.
    """

    text: str
    mark: str
    check: str
    severity: Severity
    others: Sequence[Finding] = ()
    follows: Sequence[Finding] = ()
    cost: str = ""
    cost_word: str = ""
    repair: str = ""
    grade: str = ""


def causes(report: Report) -> tuple[list[Cause], int]:
    """Return the first few causes, the gravest first, and how many findings besides are no remark.

    What follows from a cause is told with it; findings of one check that stand alone are one cause.
    """
    stories = [story for story in verdict.stories(report) if _severity(story) is not Severity.INFO]
    errors = sum(1 for story in stories if _severity(story) is Severity.ERROR)
    shown = min(MAX_CAUSES, max(ENOUGH_CAUSES, errors))
    rest = [finding for story in stories[shown:] for finding in (*story.stated, *story.consequences)]
    left = sum(1 for finding in rest if finding.severity is not Severity.INFO)
    return [_cause(story, report) for story in stories[:shown]], left


def _severity(story: verdict.Story) -> Severity:
    return min((finding.severity for finding in story.stated), key=lambda severity: severity.rank)


def _cause(story: verdict.Story, report: Report) -> Cause:
    first, diagnosis = story.stated[0], story.diagnosis
    tried = [item for item in report.verifications if item.fingerprint == first.fingerprint]
    measured = next((proofs.change(item) for item in tried if item.verdict is Verdict.VERIFIED), "")
    estimated = proofs.estimate(diagnosis.cost) if diagnosis and diagnosis.cost else ""
    known = {"measured": measured, "estimated": estimated, "why it matters": _why(first, report)}
    word = next((word for word, text in known.items() if text), "")
    return Cause(
        text=diagnosis.cause if diagnosis else first.message,
        mark=first.fingerprint,
        check=first.check,
        severity=first.severity,
        others=story.stated[1:],
        follows=story.consequences,
        cost=known.get(word, ""),
        cost_word=word,
        repair=(diagnosis.prescription if diagnosis else "") or (first.repair.summary if first.repair else ""),
        grade=GRADES[first.repair.safety] if first.repair else "",
    )


def _why(finding: Finding, report: Report) -> str:
    return why_it_matters(report.manuals.get(finding.check, ""))
