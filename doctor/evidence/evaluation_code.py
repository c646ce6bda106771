"""Loops that evaluate a model: whether it is in evaluation mode there, and whether gradients are off."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from msgspec import Struct

from doctor.evidence import training_names as known
from doctor.evidence.code_changes import change, torch_in
from doctor.evidence.row_lineage import Spot
from doctor.evidence.training_code import Happening, TrainingCode, spot_of
from doctor.evidence.training_events import Block, Event, Trail, within
from doctor.evidence.training_scopes import Scope, Scopes, written
from doctor.evidence.training_things import Candidates, Thing, last_name, same, surely_same
from doctor.model import CodeChange

_GRADIENTS = {"grad", "requires_grad_", "requires_grad", "enable_grad", "autograd", "attack", "perturb", "higher"}
_GRADIENTS |= {"saliency", "jacobian", "hessian"}
_ON_PURPOSE = re.compile(
    r"mc_|monte|uncertain|bayes|ensembl|dropout_sampl|bn_update|update_bn|calibrat|adapt|tent", re.I
)


class Evaluation(Struct, frozen=True, kw_only=True):
    """A loop that evaluates a model which the same program trains.

    Attributes
    ----------
    model : str
        As it is written where it is called.
    layers : str
        A layer in it that does another thing in training; empty where only `train()` says that there is one.
    in_training_mode, with_gradients : bool
        What is wrong, where it is known.
    after : str
        Where the model was put into training mode; empty where it has been so since it was made.
    """

    model: str
    layers: str
    in_training_mode: bool
    with_gradients: bool
    after: str
    spot: Spot
    forward_spot: Spot
    mode_changes: tuple[CodeChange, ...]
    gradient_changes: tuple[CodeChange, ...]


class EvaluationCode(Struct, frozen=True, kw_only=True):
    """All such loops, and how many loops train."""

    loops: int
    evaluations: tuple[Evaluation, ...]
    too_deep: tuple[str, ...] = ()

    @classmethod
    def measure(cls, code: TrainingCode) -> "EvaluationCode":
        """Go through each program that trains, and look at the loops in it that only go forward."""
        found: dict[Spot, Evaluation] = {}
        healthy: set[Spot] = set()
        for root in _roots(code):
            events = list(within(code.flows.of(root)))
            if not any(event.kind == "backward" for event, _ in events):
                continue
            for evaluation in _Program(code, events).evaluations():
                bad = evaluation.in_training_mode or evaluation.with_gradients
                (found.setdefault(evaluation.spot, evaluation) if bad else healthy.add(evaluation.spot))
        for spot in healthy:  # what one program does right may be called by another in a way that is not seen whole
            found.pop(spot, None)
        told = [evaluation for _, evaluation in found.items()]
        return cls(loops=len(code.all_loops), evaluations=tuple(told), too_deep=code.too_deep)


def _roots(code: TrainingCode) -> list[Scope]:
    """Return the programs and functions, called from nowhere in view, that come to a loop that trains."""
    waiting = [loop.scope for loop in code.all_loops if loop.of("backward")]
    seen = set(waiting)
    roots: dict[Scope, None] = {}
    while waiting:
        scope = waiting.pop()
        callers = [caller for caller, _ in code.things.callers(scope)]
        if not callers:
            roots[scope] = None
        waiting += [caller for caller in dict.fromkeys(callers) if caller not in seen]
        seen.update(callers)
    return list(roots)


@dataclass(eq=False)
class _Loop:
    """A loop that only goes forward, with the first pass in it."""

    block: Block
    around: Trail
    first: int
    forward: Event
    trail: Trail
    scopes: set[Scope] = field(default_factory=set)


class _Program:
    """What one program does, in order."""

    def __init__(self, code: TrainingCode, events: list[Happening]) -> None:
        self.code = code
        self.events = events
        self.training: set[Block] = set()
        for event, trail in events:
            if event.kind in ("backward", "step", "hidden") and event.detail != "closure":
                self.training |= {block for block in trail if event.kind != "hidden" or block.kind == "loop"}
        self.trained = {
            thing.key
            for event, trail in events
            if event.kind == "forward"
            and any(block in self.training and block.kind in ("loop", "call") for block in trail)
            for thing in event.things
        }

    def evaluations(self) -> Iterator[Evaluation]:
        """Yield each loop that evaluates."""
        if any(event.kind == "grad-off" for event, _ in self.events):
            return
        for loop in self._loops():
            models = loop.forward.things
            if not self.trained & {thing.key for thing in models} or not self._is_evaluation(loop):
                continue
            mode = self._mode(loop, models)
            layers = next(filter(None, (mode_layers(thing, self.code.scopes) for thing in models)), "")
            wrong_mode = mode is not None and bool(layers or mode)
            yield self._told(loop, layers, mode or "", wrong_mode, self._with_gradients(loop))

    def _loops(self) -> list[_Loop]:
        found: dict[Block, _Loop] = {}
        for number, (event, trail) in enumerate(self.events):
            if event.kind != "forward":
                continue
            place = self._place(trail)
            if place is not None:
                loop = _Loop(trail[place], trail[:place], number, event, trail)
                found.setdefault(loop.block, loop).scopes.add(event.scope)
        return list(found.values())

    def _place(self, trail: Trail) -> int | None:
        """Find the outermost loop that only goes forward, in the function that holds the innermost one."""
        found = None
        for place, block in reversed(list(enumerate(trail))):
            if block.kind == "call" and found is not None:
                break
            if block.kind in ("loop", "comprehension") and block not in self.training:
                found = place
        return found

    def _is_evaluation(self, loop: _Loop) -> bool:
        """Whether its function, what it goes over, or the call that leads to it speaks of evaluation."""
        node = loop.block.node
        over = " ".join(_words(node.iter)) if isinstance(node, ast.For | ast.AsyncFor) else ""
        if isinstance(node, ast.ListComp | ast.GeneratorExp | ast.SetComp | ast.DictComp):
            over = " ".join(_words(node.generators[0].iter))
        functions = [scope.name for scope in loop.block.scope.around if scope.name]
        functions += [last_name(block.node) for block in loop.around if block.kind == "call"]
        said = [*over.split(), *functions]
        if any(_ON_PURPOSE.search(word) for word in said) or any(_ON_PURPOSE.search(s.name) for s in loop.scopes):
            return False
        if any(known.EVALUATING.search(word) for word in over.split()):
            return True
        trains = any(known.TRAINING.search(word) for word in said)
        return not trains and any(known.EVALUATING.search(word) for word in functions)

    def _mode(self, loop: _Loop, models: Candidates) -> str | None:
        """Return where the model was surely put into training mode; empty where it was never put into any.

        None where it is in evaluation mode, or where that is not known.
        """
        last: Happening | None = None
        later = False
        for number, (event, trail) in enumerate(self.events):
            if event.kind != "mode" or not same(event.things, models):
                continue
            if number < loop.first:
                last = (event, trail)
            elif event.detail == "eval":
                later = True
        if last is None:
            fresh = all(isinstance(thing.key, ast.Call) and not known.READY.fullmatch(thing.name) for thing in models)
            return None if later or not fresh else ""
        event, trail = last
        uncertain = any(block.kind in ("arm", "handler") and block not in loop.trail for block in trail)
        if event.detail == "eval" or uncertain or not surely_same(event.things, models):
            return None
        return str(event.scope.module.program.place(getattr(event.node, "lineno", 1)))

    def _with_gradients(self, loop: _Loop) -> bool:
        if any(block.quiet for block in loop.trail):
            return False
        inside = [trail for _, trail in self.events if loop.block in trail]
        scopes = {event.scope for event, trail in self.events if loop.block in trail} | {loop.block.scope}
        words = {
            part.attr if isinstance(part, ast.Attribute) else part.id
            for part in ast.walk(loop.block.node)
            if isinstance(part, ast.Attribute | ast.Name)
        }
        if words & _GRADIENTS or any(scope.words & _GRADIENTS for scope in scopes if scope is not loop.block.scope):
            return False
        return not any(block.quiet for trail in inside for block in trail)

    def _told(self, loop: _Loop, layers: str, after: str, wrong_mode: bool, gradients: bool) -> Evaluation:
        call = loop.forward.node
        model = ast.unparse(call.func) if isinstance(call, ast.Call) else ""
        node, scope = loop.block.node, loop.block.scope
        plain = isinstance(node, ast.For | ast.AsyncFor | ast.While) and loop.forward.scope is scope
        returns = any(isinstance(part, ast.Return | ast.Raise) for part in ast.walk(node))
        mode: tuple[CodeChange, ...] = ()
        if plain and not returns and "(" not in model:
            mode = (change("before", node, scope, f"{model}.eval()"), change("after", node, scope, f"{model}.train()"))
        torch, imports = torch_in(scope)
        wrap = (change("wrap", node, scope, f"with {torch}.no_grad():"), *imports) if isinstance(node, ast.stmt) else ()
        return Evaluation(
            model=model,
            layers=layers,
            in_training_mode=wrong_mode,
            with_gradients=gradients,
            after=after,
            spot=spot_of(node, scope),
            forward_spot=spot_of(call, loop.forward.scope),
            mode_changes=mode,
            gradient_changes=wrap,
        )


def _words(node: ast.AST) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            yield part.id
        elif isinstance(part, ast.Attribute):
            yield part.attr
        elif isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value.isidentifier():
            yield part.value


def mode_layers(thing: Thing, scopes: Scopes, hops: int = 4) -> str:
    """Name a layer of a model that does one thing in training and another in evaluation; empty where none is seen."""
    if known.MODE_LAYERS.fullmatch(thing.name):
        return thing.name.rpartition(".")[2]
    if isinstance(thing.definition, ast.ClassDef):
        return _layers_of(thing.definition, scopes, hops)
    if isinstance(thing.key, ast.Call) and thing.scope is not None and thing.name.endswith(".Sequential"):
        return _layers_in(thing.key, thing.scope, scopes, hops)
    if known.PRETRAINED.fullmatch(thing.name) and not known.READY.fullmatch(thing.name):
        return thing.name.rpartition(".")[2]
    return ""


def _layers_of(cls: ast.ClassDef, scopes: Scopes, hops: int) -> str:
    for one in scopes.lineage(cls):
        for method in one.body:
            scope = scopes.of.get(method)
            if scope is not None and (found := _layers_in(method, scope, scopes, hops)):
                return found
    return ""


def _layers_in(node: ast.AST, scope: Scope, scopes: Scopes, hops: int) -> str:
    for part in ast.walk(node):
        if not isinstance(part, ast.Call):
            continue
        dotted = written(part.func, scope.module)
        if known.MODE_LAYERS.fullmatch(dotted):
            return dotted.rpartition(".")[2]
        found = scopes.project.definition(dotted, scope.module) if hops and dotted else None
        known_class = found[1] if found and isinstance(found[1], ast.ClassDef) and found[1] in scopes.homes else None
        if known_class is not None and (layer := _layers_of(known_class, scopes, hops - 1)):
            return layer
    return ""
