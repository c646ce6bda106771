"""Steps of optimizers whose gradients nobody zeroes."""

import ast
from collections.abc import Iterator

from msgspec import Struct

from doctor.evidence.code_changes import change
from doctor.evidence.row_lineage import Spot
from doctor.evidence.training_code import StepLoop, TrainingCode, conditional, spot_of
from doctor.evidence.training_events import Event
from doctor.evidence.training_scopes import Scope
from doctor.evidence.training_things import Candidates, Things, surely_same
from doctor.model import CodeChange


class UnzeroedStep(Struct, frozen=True, kw_only=True):
    """An optimizer steps in a loop in which nothing zeroes its gradients.

    Attributes
    ----------
    optimizer : str
        As it is written where it steps.
    made : bool
        Whether it was seen to be made, so that it is known to be one of torch's kind.
    outside : bool
        Whether something zeroes them before the loop or in an outer one.
    accumulates : bool
        Whether it steps on a condition, as where gradients of several batches are added on purpose.
    spot : Spot
        The step.
    changes : tuple of CodeChange
        What would zero them; none where that is not plain.
    """

    optimizer: str
    made: bool
    outside: bool
    accumulates: bool
    spot: Spot
    changes: tuple[CodeChange, ...]


class Zeroing(Struct, frozen=True, kw_only=True):
    """All loops that step, and the steps among them without zeroing."""

    loops: int
    steps: tuple[UnzeroedStep, ...]
    too_deep: tuple[str, ...] = ()

    @classmethod
    def measure(cls, code: TrainingCode) -> "Zeroing":
        """Look into every loop that goes backward and steps."""
        found: dict[Spot, UnzeroedStep] = {}
        loops = [loop for loop in code.loops if loop.of("backward")]
        for loop in loops:
            for step in _unzeroed(loop, code):
                found.setdefault(step.spot, step)
        return cls(loops=len(loops), steps=tuple(found.values()), too_deep=code.too_deep)


def _unzeroed(loop: StepLoop, code: TrainingCode) -> Iterator[UnzeroedStep]:
    if loop.runs_once or loop.of("zero-any", "hidden", "yield") or _zeroes_by_reference(loop):
        return
    if any(event.detail == "closure" for event, _ in loop.steps):
        return
    zeroed = [event for event, _ in loop.of("zero")]
    seen: set[object] = set()
    for event, trail in loop.steps:
        marks = {thing.key for thing in event.things}
        if not marks or marks & seen or any(_may_zero(one, event.things, code.things) for one in zeroed):
            continue
        seen |= marks
        if _made_inside(event.things, loop):
            continue
        function = event.node.func if isinstance(event.node, ast.Call) else None
        if not isinstance(event.node, ast.Call) or not isinstance(function, ast.Attribute):
            continue
        holder = event.node.args[0] if event.detail == "scaler" else function.value
        around = {one for scope in loop.scope.around for one in scope.words}
        yield UnzeroedStep(
            optimizer=ast.unparse(holder),
            made=all(thing.kind == "optimizer" and thing.name for thing in event.things),
            outside="zero_grad" in around,
            accumulates=conditional(trail),
            spot=spot_of(event.node, event.scope),
            changes=_zeroed_after(event, ast.unparse(holder)),
        )


def _zeroed_after(step: Event, optimizer: str) -> tuple[CodeChange, ...]:
    # After the step and not before the pass: there it is right also where gradients of several batches are added.
    if not isinstance(step.statement, ast.Expr) or "(" in optimizer:
        return ()
    return (change("after", step.statement, step.scope, f"{optimizer}.zero_grad()"),)


def _zeroes_by_reference(loop: StepLoop) -> bool:
    """Whether zeroing is spoken of without being called, as where it is handed on."""
    called = {id(part.func) for part in ast.walk(loop.scope.node) if isinstance(part, ast.Call)}
    for part in ast.walk(loop.scope.node):
        if isinstance(part, ast.Attribute) and "zero_grad" in part.attr and id(part) not in called:
            return True
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value == "zero_grad":
            return True
        if isinstance(part, ast.Attribute) and part.attr in ("register_post_accumulate_grad_hook", "register_hook"):
            return True
    return False


def _may_zero(zero: Event, optimizer: Candidates, things: Things) -> bool:
    """Whether zeroing this may zero the gradients of an optimizer."""
    if any(thing.kind == "model" for thing in zero.things):
        owners = [owner for one in optimizer for owner in owners_of(one.key, one.scope, things)]
        return not owners or surely_same(zero.things, tuple(owners)) or any(not owner.kind for owner in owners)
    unknown = any(not thing.kind for thing in (*zero.things, *optimizer))
    return unknown or surely_same(zero.things, optimizer)


def owners_of(made: object, scope: object, things: Things) -> Candidates:
    """Return the models whose parameters an optimizer was given."""
    if not isinstance(made, ast.Call) or not isinstance(scope, Scope):
        return ()
    given = made.args[0] if made.args else next((k.value for k in made.keywords if k.arg == "params"), None)
    if given is None:
        return ()
    named = [
        part.func.value
        for part in ast.walk(given)
        if isinstance(part, ast.Call)
        and isinstance(part.func, ast.Attribute)
        and part.func.attr in ("parameters", "named_parameters")
    ]
    return tuple(thing for node in named for thing in things.of(node, scope))


def _made_inside(optimizer: Candidates, loop: StepLoop) -> bool:
    """Whether the optimizer is made anew in each turn."""
    node = loop.block.node
    inside = set(map(id, ast.walk(node)))
    called = {event.scope for event, _ in loop.events} - {loop.scope}
    names = {
        part.attr if isinstance(part, ast.Attribute) else part.id
        for part in ast.walk(node)
        if isinstance(part, ast.Attribute | ast.Name)
    }
    return any(
        id(thing.key) in inside or thing.scope in called or (thing.scope is not None and thing.scope.name in names)
        for thing in optimizer
    )
