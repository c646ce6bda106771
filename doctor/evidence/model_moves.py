"""Models that are moved, or whose parameters are replaced, after an optimizer was made of them."""

import ast

from msgspec import Struct

from doctor.evidence import training_names as known
from doctor.evidence.code_changes import change
from doctor.evidence.row_lineage import Spot
from doctor.evidence.training_code import TrainingCode, spot_of
from doctor.evidence.training_scopes import Scope, written
from doctor.evidence.training_things import surely_same
from doctor.evidence.zeroing import owners_of
from doctor.model import CodeChange

_STATE_AT_ONCE = ("Adagrad",)
"""Optimizers that make their state when they are made, on the device where the parameters are then."""


class LateMove(Struct, frozen=True, kw_only=True):
    """A model that goes elsewhere when its optimizer is there already.

    Attributes
    ----------
    kind : str
        "state" where the optimizer's state stays behind, "sharded" where parameters are replaced, else "moved".
    """

    kind: str
    model: str
    move: str
    optimizer: str
    spot: Spot
    optimizer_spot: Spot
    changes: tuple[CodeChange, ...]


class ModelMoves(Struct, frozen=True, kw_only=True):
    """All of them, and how many optimizers were seen to be made."""

    optimizers: int
    late: tuple[LateMove, ...]
    too_deep: tuple[str, ...] = ()

    @classmethod
    def measure(cls, code: TrainingCode) -> "ModelMoves":
        """Compare, function by function, the order of optimizers and moves."""
        optimizers = 0
        late = []
        for scope in code.judged:
            made = [call for call in scope.calls if known.kind_of(written(call.func, scope.module)) == "optimizer"]
            optimizers += len(made)
            for call in made:
                late += _after(call, scope, code)
        return cls(optimizers=optimizers, late=tuple(late), too_deep=code.too_deep)


def _after(optimizer: ast.Call, scope: Scope, code: TrainingCode) -> list[LateMove]:
    models = owners_of(optimizer, scope, code.things)
    if not models or any(thing.kind != "model" for thing in models):
        return []
    moves = [
        call for call in scope.calls if _moves(call, scope) and surely_same(code.things.of(_moved(call), scope), models)
    ]
    moves.sort(key=lambda call: (call.lineno, call.col_offset))
    end = optimizer.end_lineno or optimizer.lineno
    home = _block_of(optimizer, scope)
    if any(call.lineno <= end for call in moves):
        return []  # it was somewhere before: what comes later may be the way back
    later = [call for call in moves if _block_of(call, scope) == home and not _stepped_between(end, call, scope)]
    if not later:
        return []
    call = later[0]
    dotted = written(optimizer.func, scope.module)
    kind = "sharded" if known.SHARDED.fullmatch(written(call.func, scope.module)) else "moved"
    if kind == "moved" and dotted.rpartition(".")[2] in _STATE_AT_ONCE:
        kind = "state"
    first, second = _statement(optimizer, scope), _statement(call, scope)
    names = {part.id for part in ast.walk(second) if isinstance(part, ast.Name)} if second else set()
    bound = {
        name
        for name in names
        for one in scope.bindings.get(name, ())
        if end < getattr(one.node, "lineno", 0) < call.lineno
    }
    plain = first is not None and second is not None and not bound
    return [
        LateMove(
            kind=kind,
            model=ast.unparse(_moved(call)),
            move=ast.unparse(call)[:60],
            optimizer=dotted.rpartition(".")[2],
            spot=spot_of(call, scope),
            optimizer_spot=spot_of(optimizer, scope),
            changes=(change("move-before", second, scope, to=first),) if plain and first and second else (),
        )
    ]


def _moves(call: ast.Call, scope: Scope) -> bool:
    if known.SHARDED.fullmatch(written(call.func, scope.module)):
        return bool(call.args)
    if not isinstance(call.func, ast.Attribute):
        return False
    if call.func.attr == "cuda":
        return True
    said = ast.unparse(call)
    return (
        call.func.attr == "to"
        and bool(call.args)
        and not any(word in said for word in ("float", "half", "dtype", "int", "'cpu'"))
    )


def _moved(call: ast.Call) -> ast.expr:
    own = isinstance(call.func, ast.Attribute) and call.func.attr in ("to", "cuda")
    return call.func.value if own and isinstance(call.func, ast.Attribute) else call.args[0]


def _statement(node: ast.AST, scope: Scope) -> ast.stmt | None:
    return next((outer for outer in scope.module.enclosing(node) if isinstance(outer, ast.stmt)), None)


def _block_of(node: ast.AST, scope: Scope) -> tuple[int, str]:
    """Tell the list of statements that a node stands in from all others."""
    statement = _statement(node, scope)
    parent = scope.module.parents.get(statement) if statement is not None else None
    if parent is None:
        return 0, ""
    field = next(
        (name for name, value in ast.iter_fields(parent) if isinstance(value, list) and statement in value), ""
    )
    return id(parent), field


def _stepped_between(line: int, call: ast.Call, scope: Scope) -> bool:
    """Whether training may lie between: then the move is the way to a file, or to another machine."""
    loops = [loop for loop in scope.loops if line < loop.lineno < call.lineno]
    said = [
        one for one in scope.calls if line < one.lineno < call.lineno and isinstance(one.func, ast.Name | ast.Attribute)
    ]
    return bool(loops) or any("train" in ast.unparse(one.func) or "fit" in ast.unparse(one.func) for one in said)
