"""Losses that are added up, or put on a list, together with the graph that they were computed by."""

import ast
import re
from collections.abc import Iterator

from msgspec import Struct

from doctor.evidence.code_changes import change
from doctor.evidence.fitted_tools import names_in
from doctor.evidence.project import is_function
from doctor.evidence.reaching import reaching
from doctor.evidence.row_lineage import Spot
from doctor.evidence.training_code import StepLoop, TrainingCode, spot_of
from doctor.evidence.training_scopes import Scope, written
from doctor.model import CodeChange

_KEEPING = names_in("mean sum cpu cuda to float double squeeze view reshape clone abs")
_LOSSES = re.compile(r"torch\.nn\.functional\.(\w+_loss|\w*cross_entropy\w*|kl_div)")
_LISTING = frozenset(("append",))


class KeptLoss(Struct, frozen=True, kw_only=True):
    """A statement that keeps a loss with its graph.

    Attributes
    ----------
    kept_in : str
        What it is added to, as it is written.
    listed : bool
        Whether it goes on a list.
    """

    loss: str
    kept_in: str
    statement: str
    listed: bool
    spot: Spot
    plain: str
    changes: tuple[CodeChange, ...]


class KeptLosses(Struct, frozen=True, kw_only=True):
    """All of them in loops that train."""

    loops: int
    kept: tuple[KeptLoss, ...]
    too_deep: tuple[str, ...] = ()

    @classmethod
    def measure(cls, code: TrainingCode) -> "KeptLosses":
        """Look for sums and lists of what a loop goes backward from."""
        found: dict[Spot, KeptLoss] = {}
        loops = [loop for loop in code.loops if loop.of("backward")]
        for loop in loops:
            for kept in _Keeping(loop, code).look():
                found.setdefault(kept.spot, kept)
        return cls(loops=len(loops), kept=tuple(found.values()), too_deep=code.too_deep)


class _Keeping:
    def __init__(self, loop: StepLoop, code: TrainingCode) -> None:
        self.loop = loop
        self.code = code
        self.scope = loop.scope
        self.backward = [event for event, _ in loop.of("backward") if event.value is not None]

    def look(self) -> Iterator[KeptLoss]:
        """Yield the statements of the loop itself that keep a loss."""
        for node in ast.walk(self.loop.block.node):
            target, value = self._kept(node)
            if target is None or value is None or not isinstance(node, ast.stmt):
                continue
            carried = self._carried(value)
            if carried is None or self._is_excused(target, node):
                continue
            spot = spot_of(node, self.scope)
            plain = f"{ast.unparse(carried)}.{'detach' if self._wants_tensor(target) else 'item'}()"
            yield KeptLoss(
                loss=ast.unparse(carried),
                kept_in=ast.unparse(target),
                statement=ast.unparse(node)[:80],
                listed=not isinstance(node, ast.AugAssign | ast.Assign),
                spot=spot,
                plain=plain,
                changes=(change("replace", carried, self.scope, plain),),
            )

    def _kept(self, node: ast.AST) -> tuple[ast.expr | None, ast.expr | None]:
        match node:
            case ast.AugAssign(target=target, op=ast.Add(), value=value):
                return target, value
            case ast.Assign(targets=[target], value=ast.BinOp(left=left, op=ast.Add(), right=right)):
                if ast.unparse(left) == ast.unparse(target):
                    return target, right
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=target, attr=name), args=[value])):
                if name in _LISTING:
                    return target, value
        return None, None

    def _carried(self, value: ast.expr) -> ast.expr | None:
        """Return the loss in an expression that gives on its graph."""
        if isinstance(value, ast.Call) and self._is_loss(value):
            return value
        match value:
            case ast.Name():
                return value if self._has_graph(value) else None
            case ast.BinOp(left=left, right=right):
                return self._carried(left) or self._carried(right)
            case ast.Call(func=ast.Attribute(value=inner, attr=name)) if name in _KEEPING:
                return self._carried(inner)
        return None

    def _is_loss(self, call: ast.Call) -> bool:
        """Whether a call computes a loss of what a model gives, with its graph."""
        dotted = written(call.func, self.scope.module)
        if not _LOSSES.fullmatch(dotted):
            callees = self.code.things.of(call.func, self.scope) if not dotted.startswith("torch.") else ()
            if not callees or any(thing.kind != "loss" for thing in callees):
                return False
        given = next(iter(call.args), None)
        return isinstance(given, ast.Call) and any(
            thing.kind == "model" for thing in self.code.things.of(given.func, self.scope)
        )

    def _has_graph(self, name: ast.Name) -> bool:
        """Whether the name holds what the loop goes backward from, here or in a helper."""
        binding = reaching(name.id, name, self.scope)
        if binding is None or not isinstance(binding.value, ast.expr):
            return False
        if binding.node not in set(ast.walk(self.loop.block.node)):
            return False
        for event in self.backward:
            if event.scope is self.scope and isinstance(event.value, ast.expr):
                for part in ast.walk(event.value):
                    if isinstance(part, ast.Name) and part.id == name.id:
                        return reaching(part.id, part, self.scope) is binding
        if not isinstance(binding.value, ast.Call):
            return False
        fresh = not binding.path and self._is_loss(binding.value) and not self._is_quiet(binding.value)
        return fresh or self._comes_from_helper(binding.value, binding.path)

    def _comes_from_helper(self, call: ast.Call, path: tuple[int, ...]) -> bool:
        entered = list(self.code.things.entered(call, self.scope))
        if len(entered) != 1 or not is_function(entered[0]):
            return False
        helper = self.code.scopes.of[entered[0]]
        return bool(helper.returns) and all(self._returns_loss(value, path, helper) for value in helper.returns)

    def _returns_loss(self, value: ast.expr, path: tuple[int, ...], helper: Scope) -> bool:
        if path and isinstance(value, ast.Tuple) and 0 <= path[0] < len(value.elts):
            return self._returns_loss(value.elts[path[0]], path[1:], helper)
        if path or not isinstance(value, ast.Name):
            return False
        binding = reaching(value.id, value, helper)
        return binding is not None and any(
            event.scope is helper
            and isinstance(event.value, ast.Name)
            and event.value.id == value.id
            and reaching(value.id, event.value, helper) is binding
            for event in self.backward
        )

    def _is_excused(self, target: ast.expr, node: ast.stmt) -> bool:
        """Whether what it is added to begins anew in the loop, goes backward itself, or has no graph."""
        if isinstance(target, ast.Subscript) and not isinstance(target.slice, ast.Constant):
            return True
        parts = [part for part in ast.walk(self.loop.block.node) if part is not node]
        anew = any(self._begins_anew(target, part) for part in parts)
        return anew or self._goes_backward(target) or self._is_quiet(node) or self._is_bounded(target)

    def _goes_backward(self, target: ast.expr) -> bool:
        written, root = ast.unparse(target), _root(target)
        losses: list[ast.expr] = [event.value for event in self.backward if event.value is not None]
        calls = [call.func for call in self.scope.calls if isinstance(call.func, ast.Attribute)]
        losses += [function.value for function in calls if function.attr == "backward"]
        held = {name for loss in losses for name in _names(loss)}
        bindings = [binding for name in held for binding in self.scope.bindings.get(name, ())]
        losses += [binding.value for binding in bindings if isinstance(binding.value, ast.expr)]
        return any(root in _names(loss) and (root != "self" or written in ast.unparse(loss)) for loss in losses)

    def _begins_anew(self, target: ast.expr, part: ast.AST) -> bool:
        """Whether a part of the loop empties what is added to, or makes it."""
        written, root = ast.unparse(target), _root(target)
        match part:
            case ast.Assign(targets=targets):
                return any(ast.unparse(one) in (written, root) for one in targets)
            case ast.AnnAssign(target=one) | ast.For(target=one) | ast.comprehension(target=one):
                return ast.unparse(one) in (written, root)
            case ast.Call(func=ast.Attribute(value=value, attr="clear" | "pop" | "popleft")):
                return ast.unparse(value) == written
        return False

    def _is_quiet(self, node: ast.AST) -> bool:
        return any(
            isinstance(outer, ast.With) and "grad" in ast.unparse(outer.items[0].context_expr)
            for outer in self.scope.module.enclosing(node)
        )

    def _is_bounded(self, target: ast.expr) -> bool:
        """Whether it is appended to something that was not seen to be a list, such as a deque or a meter."""
        root = _root(target)
        bindings = self.scope.bindings.get(root, ())
        return any(
            "deque" in ast.unparse(binding.value) or "Meter" in ast.unparse(binding.value) for binding in bindings
        )

    def _wants_tensor(self, target: ast.expr) -> bool:
        """Whether the sum or list is used later as only tensors can be."""
        if not isinstance(target, ast.Name):
            return True
        for part in ast.walk(self.scope.node):
            match part:
                case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name == target.id:
                    wanted = attribute not in ("append", "extend")
                case ast.Call(func=function) if ast.unparse(function).startswith(("torch.", "dist.")):
                    wanted = target.id in _names(part)
                case ast.Return(value=ast.expr() as value):
                    wanted = target.id in _names(value)
                case _:
                    continue
            if wanted:
                return True
        return False


def _names(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""
