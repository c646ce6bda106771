"""The training in scanned code: its loops with all that happens in them, helpers included."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from doctor.errors import NotApplicable
from doctor.evidence.project import Module, Project
from doctor.evidence.row_lineage import Spot
from doctor.evidence.training_events import Block, Event, Trail, loops_of, within
from doctor.evidence.training_flow import Flows
from doctor.evidence.training_names import FOREIGN
from doctor.evidence.training_scopes import Scope, Scopes, nested_too_deeply
from doctor.evidence.training_things import Things
from doctor.subjects.source import uncollected

LIBRARIES = frozenset(("torch", "sklearn", "xgboost", "lightgbm", "yaml"))
Happening = tuple[Event, Trail]


@dataclass(frozen=True, eq=False)
class StepLoop:
    """A loop in which an optimizer steps, in its own turn or in a loop inside it.

    Attributes
    ----------
    events : list of (Event, tuple of Block)
        What happens in it in order, each with the blocks around it inside the loop.
    around : tuple of Block
        The blocks around the loop in its function.
    """

    block: Block
    scope: Scope
    events: list[Happening]
    around: Trail

    def of(self, *kinds: str) -> list[Happening]:
        """Return the events of some kinds."""
        return [(event, trail) for event, trail in self.events if event.kind in kinds]

    @cached_property
    def steps(self) -> list[Happening]:
        """The steps once per turn: those in no inner loop."""
        return [(event, trail) for event, trail in self.of("step") if not in_loop(trail)]

    @property
    def runs_once(self) -> bool:
        """Whether it always ends in its first turn."""
        node = self.block.node
        values = node.iter if isinstance(node, ast.For) else None
        once = isinstance(values, ast.Call) and ast.unparse(values) in ("range(1)", "range(0, 1)")
        return once or any(
            event.detail in ("return", "break", "raise") and not trail for event, trail in self.of("leave")
        )


@dataclass(frozen=True, eq=False)
class TrainingCode:
    """What training code there is, for other evidence to look into."""

    scopes: Scopes
    things: Things
    flows: Flows
    modules: tuple[Module, ...]
    too_deep: tuple[str, ...] = ()

    @classmethod
    def measure(cls, project: Project) -> "TrainingCode":
        """Gather the scopes of all programs.

        Raises
        ------
        NotApplicable
            When no code in view uses torch.
        """
        with uncollected():
            return cls._gathered(project)

    @classmethod
    def _gathered(cls, project: Project) -> "TrainingCode":
        deep = [module.program for module in project.modules if nested_too_deeply(module)]
        if deep:
            project = Project([module.program for module in project.modules if module.program not in deep])
        if not any(module.roots & LIBRARIES for module in project.modules):
            raise NotApplicable("no code here uses torch or another library that is judged")
        scopes = Scopes(project)
        things = Things(scopes)
        judged = tuple(module for module in project.modules if not (module.is_test or module.roots & FOREIGN))
        return cls(scopes, things, Flows(things), judged, tuple(program.shown for program in deep))

    @cached_property
    def judged(self) -> list[Scope]:
        """The scopes of code that is no test and follows the rules of torch."""
        modules = set(self.modules)
        return [scope for scope in self.scopes.all if scope.module in modules]

    @cached_property
    def all_loops(self) -> list[StepLoop]:
        """All loops in which an optimizer steps, those over epochs too."""
        with uncollected():
            return list(self._loops())

    @cached_property
    def loops(self) -> list[StepLoop]:
        """The loops that take one step of an optimizer, or several, in each turn."""
        return [loop for loop in self.all_loops if loop.steps]

    def _loops(self) -> Iterator[StepLoop]:
        for scope in self.judged:
            if not self.flows.may_train(scope):
                continue
            for block, around in loops_of(self.flows.of(scope)):
                events = list(within(block.body, (), None))
                if any(event.kind == "step" for event, _ in events):
                    yield StepLoop(block, scope, events, around)


def in_loop(trail: Trail) -> bool:
    """Whether there is a loop among blocks."""
    return any(block.kind in ("loop", "comprehension") for block in trail)


def spot_of(node: ast.AST, scope: Scope) -> Spot:
    """Return where a node stands."""
    line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
    return Spot(at=scope.module.program.place(line), character=column + 1)


def conditional(trail: Trail) -> bool:
    """Whether something happens on one arm of a branch or in a handler alone."""
    return any(block.kind in ("arm", "handler") for block in trail)
