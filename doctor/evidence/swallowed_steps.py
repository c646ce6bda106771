"""Training steps whose errors are swallowed, so that the loop goes on as if nothing had been."""

import ast
import re

from msgspec import Struct

from doctor.evidence.code_changes import change
from doctor.evidence.row_lineage import Spot
from doctor.evidence.training_code import StepLoop, TrainingCode, in_loop, spot_of
from doctor.evidence.training_scopes import Scope
from doctor.evidence.training_things import last_name
from doctor.model import CodeChange

_BROAD = frozenset(("Exception", "BaseException"))
_ENDING = re.compile(
    r"^(_?exit|quit|fail|abort|kill|terminate|stop\w*|raise\w*|destroy_process_group|reraise|set_exception)$"
)
_KNOWN_CAUSE = re.compile(r"memory|\boom\b|cuda|keyboard|stopiteration", re.IGNORECASE)


class SwallowedStep(Struct, frozen=True, kw_only=True):
    """A handler around a step that catches everything and goes on.

    Attributes
    ----------
    caught : str
        What it catches, as it is written; "everything" for a bare except.
    silent : bool
        Whether it says nothing.
    """

    caught: str
    silent: bool
    does: str
    spot: Spot
    step_spot: Spot
    changes: tuple[CodeChange, ...]


class SwallowedSteps(Struct, frozen=True, kw_only=True):
    """All of them."""

    loops: int
    steps: tuple[SwallowedStep, ...]
    too_deep: tuple[str, ...] = ()

    @classmethod
    def measure(cls, code: TrainingCode) -> "SwallowedSteps":
        """Look at each try that is entered in every turn of a loop and holds a pass backward or a step."""
        found: dict[Spot, SwallowedStep] = {}
        for loop in code.loops:
            for step in _swallowed(loop):
                found.setdefault(step.spot, step)
        return cls(loops=len(code.loops), steps=tuple(found.values()), too_deep=code.too_deep)


def _swallowed(loop: StepLoop) -> list[SwallowedStep]:
    found = []
    for event, trail in loop.of("backward", "step"):
        if event.kind == "backward" and in_loop(trail):
            continue
        for block in trail:
            if block.kind != "try" or not isinstance(block.node, ast.Try | ast.TryStar):
                continue
            for handler in block.node.handlers:
                if _is_broad(handler) and not _is_careful(handler):
                    spot = spot_of(handler, block.scope)
                    found.append(_told(handler, block.scope, spot, spot_of(event.node, event.scope)))
    return found


def _is_broad(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or (isinstance(kind, ast.Name) and kind.id in _BROAD) for kind in kinds)


def _is_careful(handler: ast.ExceptHandler) -> bool:
    """Whether it raises, ends the loop, or looks at what happened."""
    for node in handler.body:
        for part in ast.walk(node):
            if isinstance(part, ast.Raise | ast.Return | ast.Break | ast.If | ast.Match | ast.Assert):
                return True
            if isinstance(part, ast.Call) and _ENDING.match(last_name(part.func)):
                return True
            if isinstance(part, ast.Constant) and isinstance(part.value, str) and _KNOWN_CAUSE.search(part.value):
                return True
    return False


def _told(handler: ast.ExceptHandler, scope: Scope, spot: Spot, step: Spot) -> SwallowedStep:
    last = handler.body[-1]
    silent = all(
        isinstance(node, ast.Pass | ast.Continue)
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for node in handler.body
    )
    action = "instead" if isinstance(last, ast.Pass | ast.Continue) else "after"
    return SwallowedStep(
        caught=ast.unparse(handler.type) if handler.type else "everything",
        silent=silent,
        does=ast.unparse(handler.body[0]).partition("\n")[0][:60],
        spot=spot,
        step_spot=step,
        changes=(change(action, last, scope, "raise"),),
    )
