"""Gradients that are clipped while they still carry the factor of mixed precision."""

import ast
import re

from msgspec import Struct

from doctor.evidence.code_changes import change
from doctor.evidence.row_lineage import Spot
from doctor.evidence.training_code import StepLoop, TrainingCode, in_loop, spot_of
from doctor.evidence.training_events import Event, Trail, exclusive
from doctor.model import CodeChange

_PRECISION = re.compile(r"amp|scale|fp16|half|mixed|precision|unscale", re.IGNORECASE)


class ScaledClip(Struct, frozen=True, kw_only=True):
    """A clip between a scaled backward pass and the scaler's step, without unscaling before it.

    Attributes
    ----------
    late : bool
        Whether they are unscaled after it.
    """

    clip: str
    scaler: str
    optimizer: str
    late: bool
    spot: Spot
    changes: tuple[CodeChange, ...]


class ScaledClips(Struct, frozen=True, kw_only=True):
    """All of them, and the loops that scale."""

    loops: int
    clips: tuple[ScaledClip, ...]
    too_deep: tuple[str, ...] = ()

    @classmethod
    def measure(cls, code: TrainingCode) -> "ScaledClips":
        """Look into the loops that scale their loss."""
        loops = [loop for loop in code.loops if loop.of("scale") and loop.of("backward")]
        found: dict[Spot, ScaledClip] = {}
        for loop in loops:
            for clip in _scaled(loop):
                found.setdefault(clip.spot, clip)
        return cls(loops=len(loops), clips=tuple(found.values()), too_deep=code.too_deep)


def _scaled(loop: StepLoop) -> list[ScaledClip]:
    found = []
    order = {id(event): number for number, (event, _) in enumerate(loop.events)}
    for clip, trail in loop.of("clip"):
        if in_loop(trail) or _is_about_precision(trail):
            continue
        scales = [one for one, other in loop.of("scale") if not exclusive(trail, other)]
        steps = [
            one
            for one, other in loop.of("step")
            if one.detail == "scaler" and not exclusive(trail, other) and order[id(one)] > order[id(clip)]
        ]
        if not steps or not any(order[id(one)] < order[id(clip)] for one in scales) or _is_disabled(scales):
            continue
        undone = [(one, order[id(one)]) for one, _ in loop.of("unscale")]
        if any(number < order[id(clip)] for _, number in undone) or _divided_by_hand(loop):
            continue
        found.append(_told(clip, steps[0], bool(undone)))
    return found


def _is_about_precision(trail: Trail) -> bool:
    """Whether the clip depends on the precision, so that it may be left out where gradients are scaled."""
    return any(
        block.kind == "arm"
        and isinstance(block.node, ast.If | ast.IfExp)
        and _PRECISION.search(ast.unparse(block.node.test))
        for block in trail
    )


def _is_disabled(scales: list[Event]) -> bool:
    return any(
        isinstance(thing.key, ast.Call)
        and any(
            keyword.arg == "enabled" and isinstance(keyword.value, ast.Constant) and keyword.value.value is False
            for keyword in thing.key.keywords
        )
        for one in scales
        for thing in one.things
    )


def _divided_by_hand(loop: StepLoop) -> bool:
    return any(isinstance(event.node, ast.AugAssign | ast.Assign) for event, _ in loop.of("zero-any"))


def _told(clip: Event, step: Event, late: bool) -> ScaledClip:
    call = step.node
    scaler = optimizer = ""
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
        scaler, optimizer = ast.unparse(call.func.value), ast.unparse(call.args[0])
    plain = clip.scope is step.scope and clip.statement is not None and "(" not in scaler + optimizer and not late
    code = f"{scaler}.unscale_({optimizer})"
    return ScaledClip(
        clip=ast.unparse(clip.node.func) if isinstance(clip.node, ast.Call) else "",
        scaler=scaler,
        optimizer=optimizer,
        late=late,
        spot=spot_of(clip.node, clip.scope),
        changes=(change("before", clip.statement, clip.scope, code),) if plain and clip.statement else (),
    )
