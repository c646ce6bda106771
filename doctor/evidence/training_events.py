"""The events of training code and the blocks that they stand in."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from doctor.evidence.training_scopes import Scope
from doctor.evidence.training_things import Candidates

MAX_EVENTS = 4_000
"""Events looked at in one loop or program, helpers counted wherever they are called."""
MAX_NESTED_CALLS = 8


@dataclass(frozen=True, eq=False)
class Event:
    """Something that matters to training.

    Attributes
    ----------
    kind : str
        "backward", "step", "zero", "zero-any", "scale", "unscale", "clip", "schedule", "mode", "forward",
        "grad-off", "grad-on", "set-epoch", "hidden", "leave" or "yield".
    things : tuple of Thing
        What it is done to.
    value : ast.expr or None
        The loss of a backward pass.
    detail : str
        Of a mode "train" or "eval"; of a step "closure" or "scaler"; of leaving the word.
    """

    kind: str
    node: ast.AST
    scope: Scope
    things: Candidates = ()
    value: ast.expr | None = None
    detail: str = ""
    statement: ast.stmt | None = None


@dataclass(eq=False)
class Block:
    """A loop, a branch, a context, a try, a handler, or a call that is followed; `quiet` where gradients are off."""

    kind: str
    node: ast.AST
    scope: Scope
    body: "list[Event | Block]" = field(default_factory=list)
    arm: int = 0
    quiet: bool = False


Node = Event | Block
Trail = tuple[Block, ...]


def within(body: Iterable[Node], trail: Trail = (), left: list[int] | None = None) -> Iterator[tuple[Event, Trail]]:
    """Yield the events of a body in order, each with the blocks around it, outermost first."""
    left = left if left is not None else [MAX_EVENTS]
    calls = sum(block.kind == "call" for block in trail)
    for node in body:
        if left[0] <= 0:
            return
        if isinstance(node, Event):
            left[0] -= 1
            yield node, trail
        elif calls < MAX_NESTED_CALLS and node not in trail:
            yield from within(node.body, (*trail, node), left)


def loops_of(body: Iterable[Node], trail: Trail = ()) -> Iterator[tuple[Block, Trail]]:
    """Yield the loops that stand in a body itself, not in what it calls."""
    for node in body:
        if isinstance(node, Block) and node.kind != "call":
            if node.kind in ("loop", "comprehension"):
                yield node, trail
            yield from loops_of(node.body, (*trail, node))


def exclusive(first: Trail, second: Trail) -> bool:
    """Whether two events are on different arms of one branch."""
    arms = {block.node: block.arm for block in first if block.kind == "arm"}
    return any(block.kind == "arm" and arms.get(block.node, block.arm) != block.arm for block in second)
