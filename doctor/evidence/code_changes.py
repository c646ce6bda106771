"""Changes of code as data, made from the nodes that a measure looked at."""

import ast
from collections.abc import Sequence

from doctor.evidence.row_lineage import Spot
from doctor.evidence.training_scopes import Scope
from doctor.model import Advise, CodeChange, EditCode, Location, Safety

TORCH = "torch"


def change(action: str, node: ast.AST, scope: Scope, code: str = "", *, to: ast.AST | None = None) -> CodeChange:
    """Describe a change at a statement or an expression; `to` is where a statement is moved."""
    program = scope.module.program
    place = program.place(getattr(node, "lineno", 1))
    target = program.place(getattr(to, "lineno", 1)) if to is not None else None
    return CodeChange(
        action=action,
        path=place.path,
        line=place.line,
        character=getattr(node, "col_offset", 0) + 1,
        cell=place.cell,
        code=code,
        old=ast.unparse(node) if action == "replace" else "",
        to_line=target.line if target else 0,
        to_character=getattr(to, "col_offset", 0) + 1 if to is not None else 0,
    )


def torch_in(scope: Scope) -> tuple[str, tuple[CodeChange, ...]]:
    """Return the name of torch in a module, and the import that it takes to have it."""
    imports = scope.module.imports
    name = next((name for name, dotted in imports.items() if dotted == TORCH), "")
    if name:
        return name, ()
    path = scope.module.program.shown
    cells = scope.module.program.cells
    return TORCH, (
        CodeChange(action="import", path=path, line=1, cell=cells[0][0] if cells else None, code="import torch"),
    )


def repair_by(changes: Sequence[CodeChange], summary: str, safety: Safety = Safety.SAFE) -> EditCode | Advise:
    """Return the edit that makes the changes; where none is known, the same as advice."""
    if not changes:
        return Advise(summary=summary, safety=Safety.MANUAL)
    return EditCode(changes=tuple(changes), safety=safety, summary=summary)


def location(spot: Spot) -> Location:
    """Return where a finding is."""
    return Location(path=spot.at.path, line=spot.at.line, character=spot.character, cell=spot.at.cell)
