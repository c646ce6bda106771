"""Repairs until the copy shows what was asked for: writes it, scans it, and repairs what only then can be seen."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
from msgspec import Struct

from doctor.case import Case, open_case
from doctor.engine import examine
from doctor.measurements import Observer
from doctor.model import Finding, Report
from doctor.repair.comparing import Comparison, compare, without_dropped
from doctor.repair.copying import Written, write_copy
from doctor.repair.plan import Plan, make_plan, table_of
from doctor.settings import Settings
from doctor.subjects.embeddings import carried

MAX_ROUNDS = 3


class Proof(Struct, frozen=True, kw_only=True):
    """A copy and what a scan of it says."""

    plan: Plan
    written: Written
    after: Report
    comparison: Comparison


def repair(
    report: Report,
    case: Case,
    settings: Settings,
    output: Path,
    *,
    only: Sequence[str] = (),
    unsafe: bool = False,
    force: bool = False,
    observer: Observer | None = None,
) -> Proof:
    """Write a repaired copy and scan it.

    A fault may hide another: copies of rows hide that a column numbers them. What only shows in the copy, and would
    have been repaired, is repaired in a copy written anew.

    Parameters
    ----------
    report : Report
        Of the original.
    case : Case
        The original, still open.
    settings : Settings
        With which it was examined.
    output, force : Path, bool
        As in `write_copy`.
    only, unsafe : sequence of str, bool
        As in `make_plan`.
    observer : Observer, optional
        Told of progress.
    """
    known = report
    for turn in range(MAX_ROUNDS):
        plan = make_plan(known, case, only=only, unsafe=unsafe)
        written = write_copy(plan, case, output, force=force or turn > 0)
        copies = [Path(path) for path in written.paths]
        left = without_dropped(settings, plan)
        # A copy may have fewer images than there are vectors.
        with open_case(copies, replace(left, embeddings=None)) as opened:
            copy = replace(opened, images=carried(opened.images, case.images))
            after = examine(copy, left, observer)
            comparison = compare(report, after, plan, case.paths, copies)
            more = [_of_original(finding, after, copy, case) for finding in comparison.came if finding.repair]
        merged = msgspec.structs.replace(known, findings=[*known.findings, *more])
        if not more or not _gains(plan, make_plan(merged, case, only=only, unsafe=unsafe)):
            break
        known = merged
    return Proof(plan=plan, written=written, after=after, comparison=comparison)


def _of_original(finding: Finding, after: Report, copy: Case, case: Case) -> Finding:
    """Say of the original what was found in its copy; its rows have other numbers there."""
    table = table_of(finding, after, copy)
    if table is None or len(copy.tables) != len(case.tables):
        return finding
    shown = case.tables[copy.tables.index(table)].shown
    return msgspec.structs.replace(finding, at=msgspec.structs.replace(finding.at, path=shown, rows=()))


def _gains(plan: Plan, larger: Plan) -> bool:
    """Whether more edits are made."""
    return sum(edit.applied for edit in larger.edits) > sum(edit.applied for edit in plan.edits)
