"""Reads a function of training code into what it does, event by event."""

import ast
import re
from collections.abc import Callable, Sequence

from doctor.evidence import training_names as known
from doctor.evidence.fitted_tools import names_in
from doctor.evidence.training_events import Block, Event, Node
from doctor.evidence.training_scopes import Scope, written
from doctor.evidence.training_things import Candidates, Things, last_name

_HIDING = re.compile(r"zero|(clear|reset)_?grad|callback|hook|(^|_)on_|optim", re.IGNORECASE)
_MAYBE_HIDING = re.compile(r"clear|reset|update|step|before|after|begin|start|end|train|backward", re.IGNORECASE)
_EMPTYING = frozenset(("zero_", "fill_", "detach_", "copy_", "set_"))
_PASSIVE = names_in(
    """
    print len range isinstance str int float repr type id zip enumerate list dict set tuple sorted min max sum
    abs round getattr setattr hasattr any all next iter super open format state_dict load_state_dict save append
    extend add_param_group keys values items get log info debug warning error write add_scalar set_postfix
    set_description view reshape size dim mean detach item numpy tolist clone contiguous unsqueeze squeeze
    """
)


def turns_off(node: ast.expr, scope: Scope) -> bool:
    """Whether a context or decorator turns gradients off."""
    call = node if isinstance(node, ast.Call) else None
    function = call.func if call else node
    name = written(function, scope.module)
    if known.NO_GRAD.fullmatch(name):
        return True
    if known.SET_GRAD.fullmatch(name) and call:
        return not (call.args and isinstance(call.args[0], ast.Constant) and call.args[0].value is True)
    # A name of another library or a variable that says so is taken at its word.
    return bool(re.search(r"no_grad|inference_mode|grad_enabled|nograd|eval_mode|evaluat", ast.unparse(function)))


class Reader:
    """Reads one function; `follow` gives what a called one does, where that matters."""

    def __init__(self, things: Things, scope: Scope, follow: Callable[[Scope], list[Node] | None]) -> None:
        self.follow = follow
        self.things = things
        self.scope = scope
        self.statement: ast.stmt | None = None

    def block(self, body: Sequence[ast.stmt], out: list[Node]) -> None:
        """Read statements in order."""
        for node in body:
            self._read(node, out)

    def _nested(self, kind: str, node: ast.AST, body: Sequence[ast.stmt], out: list[Node], arm: int = 0) -> Block:
        block = Block(kind, node, self.scope, arm=arm)
        out.append(block)
        self.block(body, block.body)
        return block

    def _read(self, node: ast.stmt, out: list[Node]) -> None:
        self.statement = node
        match node:
            case ast.For() | ast.AsyncFor():
                self._value(node.iter, out)
                self._nested("loop", node, node.body, out)
                self.block(node.orelse, out)
            case ast.While():
                loop = Block("loop", node, self.scope)
                out.append(loop)
                self._value(node.test, loop.body)
                self.block(node.body, loop.body)
                self.block(node.orelse, out)
            case ast.If():
                self._value(node.test, out)
                self._nested("arm", node, node.body, out, 0)
                self._nested("arm", node, node.orelse, out, 1)
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    self._value(item.context_expr, out)
                block = Block("with", node, self.scope)
                block.quiet = any(turns_off(item.context_expr, self.scope) for item in node.items)
                out.append(block)
                self.block(node.body, block.body)
            case ast.Try() | ast.TryStar():
                self._nested("try", node, node.body, out)
                for number, handler in enumerate(node.handlers):
                    self._nested("handler", node, handler.body, out, number)
                self.block(node.orelse, out)
                self.block(node.finalbody, out)
            case ast.Match():
                self._value(node.subject, out)
                for number, case in enumerate(node.cases):
                    self._nested("arm", node, case.body, out, number)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                pass
            case _:
                self._simple(node, out)

    def _simple(self, node: ast.stmt, out: list[Node]) -> None:
        for child in ast.iter_child_nodes(node):
            self._value(child, out)
        if isinstance(node, ast.Assign | ast.AugAssign | ast.Delete | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign | ast.Delete) else [node.target]
            if any(
                isinstance(part, ast.Attribute) and part.attr == "grad" for one in targets for part in ast.walk(one)
            ):
                self._event(out, "zero-any", node)
        elif isinstance(node, ast.Return | ast.Break | ast.Continue | ast.Raise):
            self._event(out, "leave", node, detail=type(node).__name__.lower())

    def _event(self, out: list[Node], kind: str, node: ast.AST, things: Candidates = (), **more: object) -> None:
        out.append(Event(kind, node, self.scope, things, statement=self.statement, **more))  # type: ignore[arg-type]  # named fields

    def _value(self, node: ast.AST, out: list[Node]) -> None:
        """Read an expression, its parts first."""
        match node:
            case ast.Call():
                if isinstance(node.func, ast.Attribute):
                    self._value(node.func.value, out)
                elif not isinstance(node.func, ast.Name):
                    self._value(node.func, out)
                for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
                    self._value(argument, out)
                self._call(node, out)
            case ast.Lambda() | ast.Name() | ast.Constant():
                pass
            case ast.IfExp():
                self._value(node.test, out)
                for arm, part in enumerate((node.body, node.orelse)):
                    block = Block("arm", node, self.scope, arm=arm)
                    out.append(block)
                    self._value(part, block.body)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                block = Block("comprehension", node, self.scope)
                out.append(block)
                for child in ast.iter_child_nodes(node):
                    self._value(child, block.body)
            case ast.Yield() | ast.YieldFrom():
                self._event(out, "yield", node)
            case _:
                for child in ast.iter_child_nodes(node):
                    self._value(child, out)

    def _call(self, node: ast.Call, out: list[Node]) -> None:
        name = last_name(node.func)
        read = getattr(self, f"_read_{name.strip('_')}", None) if name in _READERS else None
        if read is not None and read(node, out):
            return
        if name in _PASSIVE and not isinstance(node.func, ast.Attribute):
            return
        dotted = written(node.func, self.scope.module)
        if known.CLIP.fullmatch(dotted):
            self._event(out, "clip", node)
            return
        if known.SET_GRAD.fullmatch(dotted):
            on = bool(node.args) and isinstance(node.args[0], ast.Constant) and node.args[0].value is True
            self._event(out, "grad-on" if on else "grad-off", node)
            return
        if ("zero" in name and "grad" in name) or name in ("clear_grad", "clear_gradients") or _empties(node, name):
            self._event(out, "zero-any", node)
            return
        self._enter(node, name, out)

    def _enter(self, node: ast.Call, name: str, out: list[Node]) -> None:
        """Follow a call into a function in view, or note what may hide behind it."""
        callees = self.things.of(node.func, self.scope) if name not in _PASSIVE else ()
        models = tuple(thing for thing in callees if thing.kind == "model" and thing.key is not None)
        if models and not any(thing.kind == "class" for thing in callees):
            self._event(out, "forward", node, models)
            return
        followed = False
        for definition in self.things.entered(node, self.scope) if callees else ():
            scope = self.things.scopes.of.get(definition)
            followed = True
            inner = self.follow(scope) if scope is not None else None
            if inner is not None:
                out.append(Block("call", node, self.scope, inner))
        if followed or name in _PASSIVE or any(thing.kind in _HARMLESS for thing in callees):
            return
        if any(thing.kind == "library" and thing.name.partition(".")[0] in _OPEN_BOOKS for thing in callees):
            return
        given = (*node.args, *(keyword.value for keyword in node.keywords))
        takes = any(thing.is_optimizer for value in given for thing in self.things.of(value, self.scope))
        own = not isinstance(node.func, ast.Attribute) or last_name(node.func.value) in ("self", "super", "trainer")
        maybe = bool(own and _MAYBE_HIDING.search(name))
        if (
            _HIDING.search(name)
            or maybe
            or (takes and not re.search(r"lr|rate|log|save|print|state|checkpoint|sched", name))
        ):
            self._event(out, "hidden", node, detail=name)

    def _receiver(self, node: ast.Call) -> Candidates:
        return self.things.of(node.func.value, self.scope) if isinstance(node.func, ast.Attribute) else ()

    def _read_backward(self, node: ast.Call, out: list[Node]) -> bool:
        if not isinstance(node.func, ast.Attribute):
            return False
        if written(node.func, self.scope.module) == "torch.autograd.backward":
            self._event(out, "backward", node, value=node.args[0] if node.args else None)
            return True
        receivers = self._receiver(node)
        if any(thing.kind == "engine" for thing in receivers):
            self._event(out, "hidden", node, detail="backward")
            return True
        in_view = any(isinstance(thing.definition, ast.ClassDef) for thing in receivers)
        if in_view and any(True for _ in self.things.entered(node, self.scope)):
            return False
        value: ast.expr = node.func.value
        if isinstance(value, ast.Call) and last_name(value.func) == "scale" and value.args:
            value = value.args[0]
        elif node.args and any(thing.kind == "accelerator" or not thing.kind for thing in receivers):
            told = any(thing.kind == "accelerator" for thing in receivers) or re.search(
                "accel|fabric|self|engine|strategy|booster", ast.unparse(node.func.value)
            )
            value = node.args[0] if told else value
        self._event(out, "backward", node, value=value)
        return True

    _read_manual_backward = _read_backward

    def _read_step(self, node: ast.Call, out: list[Node]) -> bool:
        if not isinstance(node.func, ast.Attribute):
            return False
        receivers = self._receiver(node)
        named = last_name(node.func.value).lower()
        kinds = {thing.kind for thing in receivers}
        if "scaler" in kinds or ("scaler" in named and kinds <= {"", "none"}):
            if node.args:
                self._event(out, "step", node, self.things.of(node.args[0], self.scope), detail="scaler")
            return True
        if "scheduler" in kinds or "sched" in named:
            self._event(out, "schedule", node, receivers)
            return True
        if receivers and all(thing.is_optimizer or thing.kind == "none" for thing in receivers):
            closure = bool(node.args or node.keywords) or any(
                known.CLOSURE_OPTIMIZERS.fullmatch(thing.name) for thing in receivers
            )
            self._event(out, "step", node, receivers, detail="closure" if closure else "")
            return True
        return False

    def _read_optimizer_step(self, node: ast.Call, out: list[Node]) -> bool:
        if not node.args or any(True for _ in self.things.entered(node, self.scope)):
            return False
        self._event(out, "step", node, self.things.of(node.args[0], self.scope))
        return True

    def _read_zero_grad(self, node: ast.Call, out: list[Node]) -> bool:
        receivers = self._receiver(node)
        known_things = bool(receivers) and all(thing.kind in ("optimizer", "model") for thing in receivers)
        self._event(out, "zero" if known_things else "zero-any", node, receivers)
        return True

    def _read_unscale(self, node: ast.Call, out: list[Node]) -> bool:
        self._event(out, "unscale", node)
        return True

    def _read_unscale_gradients(self, node: ast.Call, out: list[Node]) -> bool:
        self._event(out, "unscale", node)
        return True

    def _read_scale(self, node: ast.Call, out: list[Node]) -> bool:
        receivers = self._receiver(node)
        if not any(thing.kind == "scaler" or "scaler" in thing.named.lower() for thing in receivers):
            return False
        self._event(out, "scale", node, receivers)
        return True

    def _read_set_epoch(self, node: ast.Call, out: list[Node]) -> bool:
        self._event(out, "set-epoch", node, self._receiver(node))
        return True

    def _mode(self, node: ast.Call, out: list[Node], word: str) -> bool:
        if not isinstance(node.func, ast.Attribute):
            return False
        receivers = self._receiver(node)
        if any(thing.kind == "library" for thing in receivers) or any(
            True for _ in self.things.entered(node, self.scope)
        ):
            return False
        off = any(isinstance(part, ast.Constant) and part.value is True for part in node.args)
        detail = word if not (node.args or node.keywords) or (word == "train" and off) else "eval"
        self._event(out, "mode", node, receivers, detail=detail)
        return True

    def _read_eval(self, node: ast.Call, out: list[Node]) -> bool:
        return self._mode(node, out, "eval")

    def _read_train(self, node: ast.Call, out: list[Node]) -> bool:
        return self._mode(node, out, "train")


_READERS = {"backward", "manual_backward", "step", "optimizer_step", "zero_grad", "unscale_", "unscale_gradients"}
_READERS |= {"scale", "set_epoch", "eval", "train"}
_HARMLESS = names_in("loss loader sampler scheduler scaler class optimizer items")
_OPEN_BOOKS = names_in(
    """
    torch numpy math random time os sys json tqdm copy itertools functools logging wandb matplotlib sklearn
    torchvision pandas re pathlib collections warnings gc scipy contextlib
    """
)
"""Libraries whose functions zero no gradients in secret."""


def _empties(node: ast.Call, name: str) -> bool:
    """Whether a call overwrites a gradient in place."""
    return name in _EMPTYING and any(
        isinstance(part, ast.Attribute) and part.attr == "grad" for part in ast.walk(node.func)
    )
