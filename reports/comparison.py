"""What changed from one visit to the next, by the findings' fingerprints.

A finding that is not there any more is gone only if its check looked again: not looking is not healthy. Nor is one new
if nobody looked before.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from doctor.model import Examination, Finding, Outcome, Report
from doctor_reports import verdict
from doctor_reports.masking import mask, masked

LOOKED = (Outcome.HEALTHY, Outcome.FOUND, Outcome.IGNORED)


class Kind(StrEnum):
    """How a finding of the last visit, or of an earlier one, stands to the first."""

    NEW = "new"
    """Found in the last, and not in the first although its check looked."""
    FIRST_LOOK = "first looked for"
    """Found in the last; in the first nobody could tell."""
    STAYED = "stayed"
    RELAPSED = "came back"
    """In the first and the last, and gone in between."""
    IGNORED = "ignored now"
    """Open in the first, ignored in the last with a reason."""
    UNKNOWN = "not looked for again"
    """In the first; in the last its check could not tell or was not run."""
    GONE = "gone"
    """In the first or in between, and the check of the last looked and did not find it."""


HEADINGS = {
    Kind.NEW: "New",
    Kind.FIRST_LOOK: "Found at the first look",
    Kind.RELAPSED: "Came back",
    Kind.UNKNOWN: "Not looked for again",
    Kind.IGNORED: "Ignored now",
    Kind.GONE: "Gone",
    Kind.STAYED: "Stayed",
}
"""In the order in which they are shown: what changed comes first."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """What became of one finding.

    Attributes
    ----------
    finding : Finding
        As the last visit that has it states it.
    before : str
        What the first visit that has it said, where that was something else.
    present : tuple of bool
        For each visit, whether the finding was open in it.
    why : str
        Why nobody could tell, where that is so.
    """

    kind: Kind
    finding: Finding
    before: str
    present: tuple[bool, ...]
    why: str = ""

    def presence(self, names: Sequence[str]) -> list[tuple[str, bool]]:
        """Pair the visits' names with whether the finding was open there."""
        return list(zip(names, self.present, strict=True))


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Several visits, the first one first, and what became of every finding.

    Attributes
    ----------
    names : tuple of str
        What the visits are called, such as the files that hold their reports.
    reports : tuple of Report
        Masked.
    """

    names: tuple[str, ...]
    reports: tuple[Report, ...]
    changes: tuple[Change, ...]

    @property
    def visits(self) -> list[tuple[str, Report]]:
        """Names with their reports."""
        return list(zip(self.names, self.reports, strict=True))

    def of(self, kind: Kind) -> list[Change]:
        """Return the changes of a kind, gravest first."""
        return [change for change in self.changes if change.kind is kind]

    @property
    def groups(self) -> list[tuple[str, list[Change]]]:
        """Headings with their changes, empty ones left out."""
        return [(heading, found) for kind, heading in HEADINGS.items() if (found := self.of(kind))]

    @property
    def sentence(self) -> str:
        """What changed, such as `2 new, 1 gone`, as one sentence."""
        counts = [f"{len(found):,} {kind.value}" for kind in HEADINGS if (found := self.of(kind))]
        return f"{', '.join(counts)}." if counts else "No finding in any of them."

    @property
    def aside(self) -> str:
        """What stands in the way of a comparison, or nothing."""
        paths = {report.case.path for report in self.reports}
        versions = {report.doctor.version for report in self.reports}
        parts = [f"they speak of different places ({', '.join(sorted(paths))})"] if len(paths) > 1 else []
        parts += [f"they come from different versions ({', '.join(sorted(versions))})"] if len(versions) > 1 else []
        return f"Note: {' and '.join(parts)}." if parts else ""


def compare(named: Sequence[tuple[str, Report]]) -> Comparison:
    """Compare visits, the oldest first; two at least.

    Parameters
    ----------
    named : sequence of (str, Report)
        What each is called, and what it found; not masked.
    """
    reports = tuple(verdict.plainer(masked(report)) for _, report in named)
    marks = dict.fromkeys(mark for report in reversed(reports) for mark in _by_mark(report))
    changes = [_change(mark, reports) for mark in marks]
    ordered = sorted(
        (change for change in changes if change is not None),
        key=lambda change: (change.finding.severity.rank, change.finding.check, change.finding.message),
    )
    return Comparison(names=tuple(mask(name) for name, _ in named), reports=reports, changes=tuple(ordered))


def _by_mark(report: Report) -> dict[str, Finding]:
    found: dict[str, Finding] = {}
    for finding in report.findings:
        known = found.setdefault(finding.fingerprint, finding)
        if known.suppressed and not finding.suppressed:
            found[finding.fingerprint] = finding
    return found


def _change(mark: str, reports: Sequence[Report]) -> Change | None:
    """Say what became of a finding; None where it was ignored throughout."""
    seen = [_by_mark(report).get(mark) for report in reports]
    present = tuple(finding is not None and not finding.suppressed for finding in seen)
    if not any(present):
        return None
    holders = [finding for finding in seen if finding is not None]
    finding, earliest = holders[-1], holders[0]
    kind, why = _kind(seen, present, finding, reports)
    before = earliest.message if earliest.message != finding.message else ""
    return Change(kind=kind, finding=finding, before=before, present=present, why=why)


def _kind(
    seen: Sequence[Finding | None], present: Sequence[bool], finding: Finding, reports: Sequence[Report]
) -> tuple[Kind, str]:
    if present[-1]:
        if seen[0] is None:
            why = _blindness(finding, reports[0])
            return (Kind.FIRST_LOOK, why) if why else (Kind.NEW, "")
        return (Kind.STAYED if all(one is not None for one in seen) else Kind.RELAPSED), ""
    if seen[-1] is not None:
        return Kind.IGNORED, seen[-1].suppressed or ""
    why = _blindness(finding, reports[-1])
    return (Kind.UNKNOWN, why) if why else (Kind.GONE, "")


def _blindness(finding: Finding, report: Report) -> str:
    """Return why a visit cannot tell whether a finding is there, or nothing where it can."""
    items = [item for item in report.examinations if item.check == finding.check]
    items = [item for item in items if item.subject == finding.at.path] or items
    if not items:
        return "the check was not run"
    return next(iter(_doubts(items)), "")


def _doubts(items: Sequence[Examination]) -> Iterator[str]:
    for item in items:
        if item.outcome not in LOOKED:
            yield f"{item.outcome.value}: {item.reason}" if item.reason else item.outcome.value
        elif item.outcome is Outcome.FOUND and item.reason:
            yield f"in part: {item.reason}"
