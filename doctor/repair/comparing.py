"""Compares the scan of a copy with that of the original: which findings are gone, which stayed, which came."""

import os
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from msgspec import Struct

from doctor.model import Finding, Outcome, Report, Severity
from doctor.repair.plan import Plan
from doctor.settings import Settings
from doctor.subjects.config import SUFFIXES

UNDECIDED = (Outcome.UNAVAILABLE, Outcome.CRASHED)

Place = tuple[object, ...]


class Comparison(Struct, frozen=True, kw_only=True):
    """What became of the findings.

    Attributes
    ----------
    gone, stayed, came : tuple of Finding
        Of before, of before and still there (as they are now), and of now only.
    unknown : dict of str to str
        Findings that are no longer made only because their check gives no verdict on the copy: fingerprint to reason.
    unsolved : tuple of Finding
        Findings that were to be repaired and were not, or of which nobody knows.
    """

    gone: tuple[Finding, ...] = ()
    stayed: tuple[Finding, ...] = ()
    came: tuple[Finding, ...] = ()
    unknown: dict[str, str] = {}
    unsolved: tuple[Finding, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether all that was to be repaired is, and nothing graver than a remark came."""
        return not self.unsolved and not any(finding.severity is not Severity.INFO for finding in self.came)


def compare(before: Report, after: Report, plan: Plan, paths: Sequence[Path], copies: Sequence[Path]) -> Comparison:
    """Compare findings by check and place, wherever the data lies.

    Parameters
    ----------
    before, after : Report
        Of the original and of the copy.
    plan : Plan
        What was to be done.
    paths, copies : sequence of Path
        What was scanned, before and after.
    """
    open_then = [finding for finding in before.findings if not finding.suppressed]
    open_now = [finding for finding in after.findings if not finding.suppressed]
    shared = {*_shared(open_then, paths), *_shared(open_now, copies)}
    then = {_told_apart(finding, paths, shared): finding for finding in open_then}
    now = {_told_apart(finding, copies, shared): finding for finding in open_now}
    gone = [finding for place, finding in then.items() if place not in now]
    silent = {
        examination.check: examination.reason for examination in after.examinations if examination.outcome in UNDECIDED
    }
    dropped = {name for edit in plan.edits if edit.applied for name in edit.effect.dropped}
    unknown = {
        finding.fingerprint: silent[finding.check]
        for finding in gone
        # Of a column that is not there any more nothing need be shown.
        if finding.check in silent and not (finding.at.columns and dropped.issuperset(finding.at.columns))
    }
    wanted = {mark for edit in plan.edits if edit.wanted for mark in edit.findings}
    # A check that tells faults of several kinds in one place may have one of them cured.
    left = {(_place(finding, copies), finding.evidence.get("kind")) for finding in open_now}
    unsolved = [
        finding
        for finding in before.findings
        if finding.fingerprint in wanted and not finding.suppressed
        if (_place(finding, paths), finding.evidence.get("kind")) in left or finding.fingerprint in unknown
    ]
    return Comparison(
        gone=tuple(finding for finding in gone if finding.fingerprint not in unknown),
        stayed=tuple(now[place] for place in then if place in now),
        came=tuple(finding for place, finding in now.items() if place not in then),
        unknown=unknown,
        unsolved=tuple(unsolved),
    )


def _shared(findings: Sequence[Finding], roots: Sequence[Path]) -> list[Place]:
    """Return the places of which a check says several things at once; elsewhere a finding may change its kind."""
    return [place for place, count in Counter(_place(finding, roots) for finding in findings).items() if count > 1]


def _told_apart(finding: Finding, roots: Sequence[Path], shared: Collection[Place]) -> Place:
    place = _place(finding, roots)
    return (*place, finding.evidence.get("kind")) if place in shared else place


def _place(finding: Finding, roots: Sequence[Path]) -> Place:
    at = finding.at
    path = at.path or ""
    if at.line is not None and path.endswith((".py", ".ipynb")):
        return finding.check, finding.fingerprint  # made of the statement: edits above it move its line
    for number, root in enumerate(roots):
        if path == str(root) or path.startswith(f"{root}{os.sep}"):
            path = f"{number}:{path[len(str(root)) :]}"
            break
    if at.character is not None and path.lower().endswith(SUFFIXES):
        # Lines of a configuration move when a key is taken out; its findings are named by their keys.
        return finding.check, finding.fingerprint
    # Of images a check may have findings of several kinds, and no column tells them apart.
    kind = finding.evidence.get("kind") if at.file and not at.columns and not at.rows else None
    return finding.check, path, at.split, at.columns, at.line, at.cell, kind


def without_dropped(settings: Settings, plan: Plan) -> Settings:
    """Return settings that do not speak of columns that the plan drops."""
    gone = {name for edit in plan.edits if edit.applied for name in edit.effect.dropped}
    added = {name for edit in plan.edits if edit.applied for name in edit.effect.added}
    told = {*settings.annotators, *settings.group, settings.item}
    told |= {_column(said) for said in (*settings.range, *settings.pattern, *settings.available_at)}
    if not gone & told:
        return settings
    annotators = tuple(name for name in settings.annotators if name not in gone)
    return replace(
        settings,
        annotators=annotators if len(annotators) > 1 and not added & {"consensus"} else (),
        group=tuple(name for name in settings.group if name not in gone),
        item=None if settings.item in gone else settings.item,
        range=tuple(said for said in settings.range if _column(said) not in gone),
        pattern=tuple(said for said in settings.pattern if _column(said) not in gone),
        available_at=tuple(said for said in settings.available_at if _column(said) not in gone),
    )


def _column(said: str) -> str:
    """Return the column of which a declaration of the form COLUMN=MEANING speaks."""
    return said.partition("=")[0]
