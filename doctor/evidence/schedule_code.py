"""Schedulers that step before their optimizer does."""

import ast

from msgspec import Struct

from doctor.evidence import training_names as known
from doctor.evidence.code_changes import change
from doctor.evidence.row_lineage import Spot
from doctor.evidence.training_code import StepLoop, TrainingCode, conditional, in_loop, spot_of
from doctor.evidence.training_events import Event, within
from doctor.evidence.training_things import Candidates, Things, surely_same
from doctor.model import CodeChange


class EarlySchedule(Struct, frozen=True, kw_only=True):
    """A scheduler that steps before the first step of its optimizer in a loop."""

    scheduler: str
    optimizer: str
    spot: Spot
    step_spot: Spot
    changes: tuple[CodeChange, ...]


class ScheduleCode(Struct, frozen=True, kw_only=True):
    """All of them, and the loops with a scheduler."""

    loops: int
    early: tuple[EarlySchedule, ...]
    too_deep: tuple[str, ...] = ()

    @classmethod
    def measure(cls, code: TrainingCode) -> "ScheduleCode":
        """Look into the loops in which both step."""
        loops = [loop for loop in code.all_loops if loop.of("schedule")]
        found: dict[Spot, EarlySchedule] = {}
        for loop in loops:
            early = _early(loop, code)
            if early is not None:
                found.setdefault(early.spot, early)
        return cls(loops=len(loops), early=tuple(found.values()), too_deep=code.too_deep)


def _early(loop: StepLoop, code: TrainingCode) -> EarlySchedule | None:
    first, trail = next((event, trail) for event, trail in loop.events if event.kind in ("schedule", "step"))
    if first.kind != "schedule" or in_loop(trail) or conditional(trail) or not isinstance(first.node, ast.Call):
        return None
    if first.node.args or first.node.keywords or loop.of("hidden"):
        return None
    if not first.things or not all(
        one.kind == "scheduler" and one.name and not known.PLATEAU.fullmatch(one.name) for one in first.things
    ):
        return None
    own = _optimizers(first.things, code.things)
    steps = [event for event, _ in loop.of("step") if surely_same(event.things, own)]
    elsewhere = {id(event) for event, _ in loop.events}
    outside = [
        event
        for event, _ in within(code.flows.of(loop.scope))
        if event.kind == "step" and id(event) not in elsewhere and surely_same(event.things, own)
    ]
    if not steps or any(getattr(one.node, "lineno", 0) < loop.block.node.lineno for one in outside):  # type: ignore[attr-defined]  # a loop is a statement
        return None
    return EarlySchedule(
        scheduler=ast.unparse(first.node.func)[: -len(".step")],
        optimizer=_receiver(steps[0]),
        spot=spot_of(first.node, first.scope),
        step_spot=spot_of(steps[0].node, steps[0].scope),
        changes=_moved(loop, first, steps[-1]),
    )


def _optimizers(schedulers: Candidates, things: Things) -> Candidates:
    found: list[object] = []
    for one in schedulers:
        if isinstance(one.key, ast.Call) and one.scope is not None:
            given = one.key.args[0] if one.key.args else None
            given = given or next((k.value for k in one.key.keywords if k.arg == "optimizer"), None)
            found += things.of(given, one.scope) if given is not None else ()
    return tuple(found)  # type: ignore[arg-type]  # things alone were put in


def _receiver(step: Event) -> str:
    call = step.node
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
        return "the optimizer"
    return ast.unparse(call.args[0] if step.detail == "scaler" else call.func.value)


def _moved(loop: StepLoop, schedule: Event, step: Event) -> tuple[CodeChange, ...]:
    """Move the scheduler's statement behind that in which the optimizer steps, where both stand in one block."""
    body = loop.block.node.body if isinstance(loop.block.node, ast.For | ast.AsyncFor | ast.While) else []
    statement = schedule.statement
    if schedule.scope is not loop.scope or statement not in body or not isinstance(statement, ast.Expr):
        return ()
    holding = [one for one in body if any(part is step.node for part in ast.walk(one))]
    if not holding:
        called = {id(block.node) for event, trail in loop.events if event is step for block in trail}
        holding = [one for one in body if any(id(part) in called for part in ast.walk(one))]
    if not holding or body.index(holding[-1]) <= body.index(statement):
        return ()
    target = holding[-1]
    following = body[body.index(target) + 1 :]
    while following and isinstance(following[0], ast.Expr) and ast.unparse(following[0]).endswith(".update()"):
        target = following.pop(0)
    return (change("move", statement, loop.scope, to=target),)
