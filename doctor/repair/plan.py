"""The plan of a repair as data: every edit with the findings it cures, its safety, and whether it is applied."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from msgspec import Struct

from doctor.case import Case
from doctor.masking import without_secrets
from doctor.model import (
    Advise,
    AnyRepair,
    ChangeTraining,
    Consensus,
    DropAnnotators,
    DropColumns,
    DropFiles,
    DropRows,
    EditCode,
    EditConfig,
    FillMissing,
    Finding,
    Relabel,
    Report,
    Resplit,
    ReviewFiles,
    ReviewRows,
    Reweight,
    RewriteCells,
    Safety,
)
from doctor.registry import choose, load_checks
from doctor.repair.code_files import in_code, tried_on_code
from doctor.repair.state import Effect
from doctor.repair.treatment import treat
from doctor.settings import Settings
from doctor.subjects.config import Configs
from doctor.subjects.images import Images
from doctor.subjects.table import Table
from doctor.wording import printable

ORDER = (DropRows, DropAnnotators, Resplit, Reweight, Consensus, RewriteCells, Relabel, FillMissing, DropColumns)
"""Rows that go do not decide where the others are put; holes are filled from the rows of train as it will be."""
BY_HAND = (ReviewRows, ReviewFiles, EditCode, ChangeTraining, Advise)
BALANCED = "a plan of drawing and a module for torch that follows it are written beside"
GRADES = (Safety.SAFE, Safety.UNSAFE, Safety.MANUAL)


class Edit(Struct, frozen=True, kw_only=True):
    """One edit and what became of it.

    Attributes
    ----------
    table, images : str
        Where it applies, as it is shown; empty where it is no table, and no collection of images.
    checks, findings, because : tuple of str
        The findings that it cures: their checks, fingerprints and sentences.
    wanted : bool
        Whether it was to be applied: it is allowed, chosen and not a person's work.
    applied : bool
        Whether it is part of the copy.
    why_not : str
        What speaks against it where it is not.
    """

    repair: AnyRepair
    table: str = ""
    images: str = ""
    checks: tuple[str, ...]
    findings: tuple[str, ...]
    because: tuple[str, ...]
    safety: Safety
    wanted: bool
    applied: bool
    why_not: str = ""
    effect: Effect = Effect()

    @property
    def summary(self) -> str:
        """What it does, in words."""
        if isinstance(self.repair, Reweight) and self.repair.column:
            return f"draw the common classes of {self.repair.column} down to 1:{self.repair.ratio:g} in train"
        return self.repair.summary or str(self.repair.__struct_config__.tag)


class Plan(Struct, frozen=True, kw_only=True):
    """What is to be done to a copy, in this order."""

    path: str
    edits: tuple[Edit, ...] = ()

    def of(self, table: Table) -> tuple[Edit, ...]:
        """Return the edits that are applied to a table."""
        return tuple(edit for edit in self.edits if edit.applied and edit.table == table.shown)


@dataclass(kw_only=True)
class _Draft:
    """An edit being joined."""

    repair: AnyRepair
    table: Table | None
    images: Images | None
    findings: list[Finding]

    @property
    def safety(self) -> Safety:
        return max((finding.repair.safety for finding in self.findings if finding.repair), key=GRADES.index)


def make_plan(
    report: Report, case: Case, *, only: Sequence[str] = (), unsafe: bool = False, list_only: bool = False
) -> Plan:
    """Join the repairs of a report's findings and order them so that they compose.

    Parameters
    ----------
    report : Report
        Of this case, or of an earlier visit to the same data.
    case : Case
        What was opened; edits that cannot be made on it are marked so.
    only : sequence of str
        Checks (id, family or name) whose findings are to be repaired; all where it is empty.
    unsafe : bool
        Whether edits that want a look first are applied too.
    list_only : bool
        Whether only lists of images are to be written and no copy.

    Returns
    -------
    Plan
        Every repair of every finding, applied or not.

    Raises
    ------
    UsageError
        When `only` names no check.
    """
    chosen = {check.id for check in choose(load_checks(), Settings(select=tuple(only)))} if only else None
    from doctor.repair import config_edits, image_edits

    drafts = _joined([finding for finding in report.findings if finding.repair], report, case)
    edits = [_judged(draft, chosen, unsafe, case) for draft in drafts]
    if list_only:
        edits = [edit if edit.images else _unlisted(edit) for edit in edits]
    edits = image_edits.tried(config_edits.tried(tried_on_code(edits, case), case), case, copied=not list_only)
    for table in case.tables:
        table.engine.deadline = None  # a budget is for the scan
        edits = _tried(edits, table)
    return Plan(path=case.shown, edits=tuple(edits))


def _joined(findings: Sequence[Finding], report: Report, case: Case) -> list[_Draft]:
    """Join repairs that are one edit: the same columns, the same rows, splits along the same column."""
    drafts: dict[tuple[object, ...], _Draft] = {}
    for finding in findings:
        repair = finding.repair
        if repair is None:
            continue
        images = images_of(finding, report, case)
        table = table_of(finding, report, case) if images is None else None
        # Suppressed findings are lived with, so their repair must not be made in another's name.
        key = (id(table or images), bool(finding.suppressed), type(repair), _subject(repair, finding))
        draft = drafts.setdefault(key, _Draft(repair=repair, table=table, images=images, findings=[]))
        draft.findings.append(finding)
        if isinstance(repair, FillMissing) and not repair.keep_flag:
            draft.repair = repair  # where the hole itself tells the label, a flag would tell it too
    return sorted(drafts.values(), key=lambda draft: _rank(draft.repair))


def _subject(repair: AnyRepair, finding: Finding) -> object:
    if isinstance(repair, (DropColumns, FillMissing)):
        return repair.columns
    if isinstance(repair, BY_HAND):
        return finding.fingerprint
    return msgspec.json.encode(msgspec.structs.replace(repair, safety=Safety.UNSAFE, summary=""))


def _rank(repair: AnyRepair) -> tuple[int, bool]:
    place = ORDER.index(type(repair)) if type(repair) in ORDER else len(ORDER)
    return place, not (isinstance(repair, Resplit) and repair.by == "time")


def table_of(finding: Finding, report: Report, case: Case) -> Table | None:
    """Return the table that a finding is about; None where it is about code or a configuration."""
    path = finding.at.path
    if path is None or path.endswith((".py", ".ipynb")):
        return None
    if any(path == file.shown for other in case.others if isinstance(other, Configs) for file in other.files):
        return None
    for table in case.tables:
        if path == table.shown or any(path == str(part.path) for part in table.parts):
            return table
    if len(case.tables) == 1:
        return case.tables[0]
    seen = [subject.path for subject in report.case.subjects if subject.kind == "table"]
    return case.tables[seen.index(path)] if path in seen and len(seen) == len(case.tables) else None


def images_of(finding: Finding, report: Report, case: Case) -> Images | None:
    """Return the collection of images that a finding is about, by its repair where a table has the same name."""
    if not about_files(finding.repair):
        return None
    for one in case.images:
        if finding.at.path == one.shown:
            return one
    seen = [subject.path for subject in report.case.subjects if subject.kind == "images"]
    known = finding.at.path in seen and len(seen) == len(case.images)
    return case.images[seen.index(finding.at.path or "")] if known else None


def about_files(repair: AnyRepair | None) -> bool:
    """Whether a repair is one of a collection of images."""
    return isinstance(repair, DropFiles | ReviewFiles) or (isinstance(repair, Reweight) and not repair.column)


def _judged(draft: _Draft, chosen: set[str] | None, unsafe: bool, case: Case) -> Edit:
    repair, first = draft.repair, draft.findings[0]
    checks = tuple(dict.fromkeys(finding.check for finding in draft.findings))
    why_not, wanted = "", False
    if first.suppressed:
        why_not = f"suppressed: {first.suppressed}"
    elif chosen is not None and not chosen & set(checks):
        why_not = "not among --only"
    elif draft.safety is Safety.MANUAL or (isinstance(repair, BY_HAND) and not in_code(repair)):
        why_not = "by hand"
    elif isinstance(repair, EditConfig) and not _has_config(repair, case):
        why_not = "its file is not among those that were scanned"
    elif isinstance(repair, Reweight) and draft.images is not None:
        why_not = BALANCED
    elif draft.table is None and draft.images is None and not in_code(repair) and not isinstance(repair, EditConfig):
        why_not = "it is about no table here"
    elif draft.safety is Safety.UNSAFE and not unsafe:
        why_not = "unsafe without a look; --unsafe applies it"
    elif draft.table is None:
        wanted = True
    elif trouble := _of_use(draft.repair, draft.table, draft.findings):
        why_not = trouble
    else:
        wanted = True
    return Edit(
        repair=repair,
        table=draft.table.shown if draft.table else "",
        images=draft.images.shown if draft.images else "",
        checks=checks,
        findings=tuple(finding.fingerprint for finding in draft.findings),
        because=tuple(without_secrets(printable(finding.message)) for finding in draft.findings),
        safety=Safety.MANUAL if isinstance(repair, BY_HAND) and not in_code(repair) else draft.safety,
        wanted=wanted,
        applied=wanted,
        why_not=why_not,
    )


def _unlisted(edit: Edit) -> Edit:
    why_not = "--list-only lists images and changes nothing" if edit.applied else edit.why_not
    return msgspec.structs.replace(edit, wanted=False, applied=False, why_not=why_not)


def _has_config(repair: EditConfig, case: Case) -> bool:
    return any(
        file.shown == repair.path for subject in case.others if isinstance(subject, Configs) for file in subject.files
    )


def _of_use(repair: AnyRepair, table: Table, findings: Sequence[Finding]) -> str:
    """Say why a column that is wanted for something else cannot go."""
    if not isinstance(repair, DropColumns):
        return ""
    told = table.declared
    roles = {told.target: "the target", told.time: "the time", told.item: "the annotated item"}
    roles |= dict.fromkeys(told.group, "a group")
    for name in repair.columns:
        if name in roles:
            return f"{name} is declared as {roles[name]}"
    targets = {finding.evidence.get("target") for finding in findings}
    return next((f"{name} is the target" for name in repair.columns if name in targets), "")


def _tried(edits: list[Edit], table: Table) -> list[Edit]:
    """Make the edits of a table on what is known of its rows, and note what each changes or why it cannot be made."""
    own = [number for number, edit in enumerate(edits) if edit.applied and edit.table == table.shown]
    refused = True
    while refused:  # without one edit the others may come to something else
        refused = False
        own = [number for number in own if edits[number].applied]
        results = treat(table, [edits[number].repair for number in own]).results
        for number, result in zip(own, results, strict=True):
            if isinstance(result, str) or result.empty:
                why = result if isinstance(result, str) else result.note or "there is nothing left to change"
                edits[number] = msgspec.structs.replace(edits[number], applied=False, why_not=why)
                refused = True
            else:
                edits[number] = msgspec.structs.replace(edits[number], effect=result)
    return edits
