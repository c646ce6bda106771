"""The edits of a plan that are made in programs: tried on each file, and written into a copy."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

import msgspec

from doctor.case import Case
from doctor.model import AnyRepair, CodeChange, EditCode
from doctor.repair.state import Effect, Refused
from doctor.subjects.source import Source

if TYPE_CHECKING:
    from doctor.repair.plan import Edit, Plan


def in_code(repair: AnyRepair | None) -> TypeGuard[EditCode]:
    """Whether a repair says in full what is to be changed in programs."""
    return isinstance(repair, EditCode) and bool(repair.changes)


def tried_on_code(edits: "Sequence[Edit]", case: Case) -> "list[Edit]":
    """Make the edits of programs in memory, one on top of the other, and note why one cannot be made."""
    made: dict[str, list[CodeChange]] = {}
    tried = []
    for edit in edits:
        if edit.applied and in_code(edit.repair):
            try:
                edit = msgspec.structs.replace(edit, effect=_effect(edit.repair, made, case))
            except Refused as refused:
                edit = msgspec.structs.replace(edit, applied=False, why_not=str(refused))
        tried.append(edit)
    return tried


def _effect(repair: EditCode, made: dict[str, list[CodeChange]], case: Case) -> Effect:
    from doctor.repair.code_edits import edited

    files = _files(case)
    own: dict[str, list[CodeChange]] = {}
    for change in repair.changes:
        own.setdefault(change.path, []).append(change)
    for path, changes in own.items():
        if path not in files:
            raise Refused(f"{path} is no program here")
        if all(change in made.get(path, ()) for change in changes):
            raise Refused("another edit does the same")
        edited(files[path], [*made.get(path, ()), *changes])
    for path, changes in own.items():
        made.setdefault(path, []).extend(changes)
    lines = [f"{Path(change.path).name}:{change.line}" for change in repair.changes if change.action != "import"]
    return Effect(note=f"written at {', '.join(dict.fromkeys(lines))}")


def _files(case: Case) -> dict[str, Path]:
    source = next((one for one in case.others if isinstance(one, Source)), None)
    return {program.shown: program.path for program in source.programs} if source else {}


def edited_files(plan: "Plan", case: Case) -> dict[Path, str]:
    """Return the new text of each program that a plan changes."""
    changes: dict[str, list[CodeChange]] = {}
    for edit in plan.edits:
        if edit.applied and in_code(edit.repair):
            for change in edit.repair.changes:
                changes.setdefault(change.path, []).append(change)
    if not changes:
        return {}
    from doctor.repair.code_edits import edited

    files = _files(case)
    return {files[path]: edited(files[path], own) for path, own in changes.items()}
