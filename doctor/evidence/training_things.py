"""What a name in training code stands for: an optimizer, a model, a loader, a loss, with where it was made."""

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from doctor.evidence import training_names as known
from doctor.evidence.fitted_tools import names_in
from doctor.evidence.project import Module, is_function
from doctor.evidence.training_scopes import ELEMENT, Binding, Path, Scope, Scopes, written

MAX_DEPTH = 40
MAX_LOOKED_AT = 1_000
MAX_CANDIDATES = 6
_SELF_RETURNING = names_in(
    """
    to cuda cpu train eval half float double bfloat16 requires_grad_ apply share_memory module unwrap_model
    to_empty type xpu mps npu compile
    """
)
_SAME = names_in("tqdm trange list tuple iter enumerate_ track progress_bar prefetch")
_MODULES = frozenset(("torch.nn.Module", "nn.Module", "torch.nn.modules.module.Module"))


@dataclass(frozen=True)
class Thing:
    """One thing that an expression may stand for.

    Attributes
    ----------
    kind : str
        "optimizer", "model", "loss", …; empty where it is not known.
    key : object
        What tells it from others: the call that made it, or the parameter or attribute that holds it.
    name : str
        The full name of what made it, or of the library's thing that it is.
    definition : ast.AST or None
        The class in view of which it is an object, or the function or class that it is.
    named : str
        The last name under which it came, where nothing else is known.
    """

    kind: str = ""
    key: object = None
    name: str = ""
    definition: ast.AST | None = None
    named: str = ""
    scope: Scope | None = None
    receiver: ast.ClassDef | None = None

    @property
    def is_optimizer(self) -> bool:
        """Whether it is an optimizer, or unknown and called so."""
        return self.kind == "optimizer" or (not self.kind and bool(known.OPTIMIZER_NAME.fullmatch(self.named)))


Candidates = tuple[Thing, ...]


class Things:
    """Tells what expressions stand for, wherever in the program they stand; what was told once is kept."""

    def __init__(self, scopes: Scopes) -> None:
        self.scopes = scopes
        self._kept: dict[ast.AST, Candidates] = {}
        self._parameters: dict[ast.arg, Candidates] = {}
        self._attributes: dict[tuple[ast.ClassDef, str], Candidates] = {}
        self._kinds: dict[ast.ClassDef, str] = {}
        self._open: set[object] = set()
        self._callers: dict[Scope, list[tuple[Scope, ast.Call]]] = {}
        self._cuts = 0
        self._looked_at = 0

    def of(self, node: ast.AST, scope: Scope) -> Candidates:
        """Return what an expression may stand for; one unknown thing where that is not known."""
        if node in self._kept:
            return self._kept[node]
        found = self._once(node, lambda: _few(self._told(node, scope)))
        if found is None:
            return ()
        told, whole = found
        if not told and not whole:
            return ()
        told = told or (Thing(key=node, named=last_name(node)),)
        if whole:
            self._kept[node] = told
        return told

    def _once(self, key: object, tell: Callable[[], Candidates]) -> tuple[Candidates, bool] | None:
        """Work something out unless that is under way; say whether no circle had to be cut for it."""
        if not self._open:
            self._looked_at = 0
        self._looked_at += 1
        if key in self._open or len(self._open) > MAX_DEPTH or self._looked_at > MAX_LOOKED_AT:
            self._cuts += 1
            return None
        before = self._cuts
        self._open.add(key)
        try:
            told = tell()
        finally:
            self._open.discard(key)
        return told, self._cuts == before or not self._open

    def _told(self, node: ast.AST, scope: Scope) -> Iterable[Thing]:
        match node:
            case ast.Name(id=name):
                return self._name(name, node, scope)
            case ast.Attribute():
                return self._attribute(node, scope)
            case ast.Call():
                return self._call(node, scope)
            case ast.IfExp(body=first, orelse=second):
                return (*self.of(first, scope), *self.of(second, scope))
            case ast.BoolOp(values=values):
                return [thing for value in values for thing in self.of(value, scope)]
            case ast.Await(value=value) | ast.NamedExpr(value=value) | ast.Starred(value=value):
                return self.of(value, scope)
            case ast.Tuple() | ast.List():
                return (Thing(kind="items", key=node, scope=scope),)
            case ast.Subscript(value=value, slice=ast.Constant(value=int() as place)):
                return self._chosen(self.of(value, scope), (place,), node)
            case ast.Subscript(value=value):
                return self._chosen(self.of(value, scope), (ELEMENT,), node)
            case ast.Constant(value=None):
                return (Thing(kind="none", key=None),)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                return (Thing(kind="function", key=node, definition=node, name=node.name),)
            case ast.ClassDef():
                return (Thing(kind="class", key=node, definition=node, name=node.name),)
        return ()

    def _name(self, name: str, node: ast.AST, scope: Scope) -> Iterable[Thing]:
        for place in scope.around:
            if place.owner and name == next(iter(place.parameters), "") and name not in place.bindings:
                return (Thing(kind="self", key=place.owner, definition=place.owner),)
            if name in place.bindings:
                held = [thing for binding in place.bindings[name][:8] for thing in self.bound(binding)]
                if name in place.parameters:
                    held += self._parameter(place, name)
                return [thing if thing.named else replace(thing, named=name) for thing in held]
            if name in place.parameters:
                return self._parameter(place, name)
        module = scope.module
        found = self.scopes.project.definition(module.imports.get(name, name), module)
        if found is None and module.stars:
            hits = (self.scopes.project.definition(f"{star}.{name}", module) for star in module.stars)
            found = next((hit for hit in hits if hit), None)
        if found:
            return self._told(found[1], scope)
        if name in module.imports:
            imported = self._imported(module, name)
            return imported or (Thing(kind="library", key=module.imports[name], name=module.imports[name]),)
        return (Thing(key=(module, name), named=name),)

    def _imported(self, module: Module, name: str) -> Candidates:
        """Follow a variable that another module in view holds."""
        owner, _, last = module.imports[name].rpartition(".")
        other = self.scopes.project.module(owner, module) if owner else None
        top = self.scopes.tops.get(other) if other else None
        if top is None or last not in top.bindings:
            return ()
        return tuple(thing for binding in top.bindings[last][:8] for thing in self.bound(binding))

    def bound(self, binding: Binding) -> Candidates:
        """Return what a binding gives to its name."""
        if isinstance(binding.value, ast.AugAssign):
            return ()
        return self._chosen(self.of(binding.value, binding.scope), binding.path, binding.node, binding)

    def _chosen(self, values: Iterable[Thing], path: Path, node: ast.AST, binding: Binding | None = None) -> Candidates:
        if not path:
            return tuple(values)
        place, rest = path[0], path[1:]
        chosen: list[Thing] = []
        for value in values:
            if value.kind == "items" and isinstance(value.key, ast.Tuple | ast.List) and value.scope:
                parts = value.key.elts if place == ELEMENT else value.key.elts[place : place + 1] if place >= 0 else []
                for part in parts:
                    chosen += self._chosen(self.of(part, value.scope), rest, node)
            elif value.kind == "engine" and place >= 0:
                chosen.append(replace(value, kind="engine" if place == 0 else "engine's", key=(value.key, place)))
            elif value.kind == "parts":
                chosen.append(Thing(kind="part", key=(value.key, place), name=value.name))
            else:
                chosen.append(Thing(key=(node, path), named=""))
        return tuple(chosen)

    def _parameter(self, scope: Scope, name: str) -> Candidates:
        argument = scope.parameters[name]
        if argument in self._parameters:
            return self._parameters[argument]
        found = self._once(argument, lambda: _few(self._handed(scope, argument)))
        if found is None:
            return ()
        told = found[0] or (Thing(key=argument, named=name),)
        if found[1]:
            self._parameters[argument] = told
        return told

    def _handed(self, scope: Scope, argument: ast.arg) -> list[Thing]:
        found: list[Thing] = []
        for caller, call in self.callers(scope)[:MAX_CANDIDATES]:
            given = _given(call, scope, argument, bound=_is_bound(scope, call))
            if given is not None:
                found += self.of(given, caller)
        annotated = self._annotated(argument, scope)
        if annotated and not any(thing.kind for thing in found):
            found = [Thing(kind=annotated, key=argument, named=argument.arg, scope=scope)]
        return found

    def _annotated(self, argument: ast.arg, scope: Scope) -> str:
        if argument.annotation is None:
            return ""
        said = written(argument.annotation, scope.module)
        if said.rpartition(".")[2] in ("Optimizer",) and "optim" in said:
            return "optimizer"
        return "model" if said in _MODULES else ""

    def callers(self, scope: Scope) -> list[tuple[Scope, ast.Call]]:
        """Return the calls in view that enter a function."""
        node = scope.node
        if isinstance(node, ast.Module):
            return []
        if scope in self._callers:
            return self._callers[scope]
        cuts = self._cuts
        name = scope.owner.name if scope.owner and node.name == "__init__" else node.name
        found = []
        for caller, call in self.scopes.calls.get(name, ())[:40]:
            if any(target is node for target in self.entered(call, caller)):
                found.append((caller, call))
        if self._cuts == cuts:
            self._callers[scope] = found
        return found

    def entered(self, call: ast.Call, scope: Scope) -> Iterator[ast.AST]:
        """Yield the functions in view that a call enters; the construction of an object enters its `__init__`."""
        for thing in self.of(call.func, scope):
            if thing.kind in ("function", "method") and thing.definition is not None:
                yield thing.definition
            elif thing.kind == "class" and isinstance(thing.definition, ast.ClassDef):
                made = self.scopes.method(thing.definition, "__init__")
                if made is not None:
                    yield made

    def _attribute(self, node: ast.Attribute, scope: Scope) -> Iterable[Thing]:
        found: list[Thing] = []
        for base in self.of(node.value, scope):
            if base.kind == "library":
                dotted = f"{base.name}.{node.attr}"
                hit = self.scopes.project.definition(dotted, scope.module)
                found += self._told(hit[1], scope) if hit else (Thing(kind="library", key=dotted, name=dotted),)
            elif isinstance(base.definition, ast.ClassDef) and base.kind in ("self", "object", "model", "class"):
                found += self._of_class(base, node.attr)
            elif base.kind == "model" and node.attr == "module":
                found.append(base)
            else:
                found.append(Thing(key=(base.key, node.attr), named=node.attr))
        return found

    def _of_class(self, base: Thing, name: str) -> Candidates:
        cls = base.definition
        if not isinstance(cls, ast.ClassDef):
            return ()
        method = self.scopes.method(cls, name)
        if method is not None:
            if any("property" in ast.unparse(decorator) for decorator in method.decorator_list):
                return self._returned(method)
            return (Thing(kind="method", key=method, definition=method, name=name, receiver=cls),)
        return self.attribute(cls, name)

    def attribute(self, cls: ast.ClassDef, name: str) -> Candidates:
        """Return what an attribute of a class's objects may hold."""
        key = (cls, name)
        if key in self._attributes:
            return self._attributes[key]
        found = self._once(key, lambda: _few(self._held(cls, name)))
        if found is None:
            return ()
        home = next((one for one in self.scopes.lineage(cls) if name in self.scopes.attributes[one]), cls)
        told = tuple(thing if thing.named else replace(thing, named=name) for thing in found[0]) or (
            Thing(key=(home, name), named=name),
        )
        if found[1]:
            self._attributes[key] = told
        return told

    def _held(self, cls: ast.ClassDef, name: str) -> Iterator[Thing]:
        for one in self.scopes.lineage(cls):
            for binding in self.scopes.attributes[one].get(name, ())[:8]:
                yield from (thing for thing in self.bound(binding) if thing.kind != "none")

    def kind_of_class(self, cls: ast.ClassDef) -> str:
        """Say what the objects of a class in view are."""
        if cls not in self._kinds:
            self._kinds[cls] = "object"
            bases = self.scopes.bases(cls)
            if any(base in _MODULES or known.TORCH_LAYER.fullmatch(base) for base in bases):
                self._kinds[cls] = "loss" if any(map(known.LOSS.fullmatch, bases)) else "model"
            elif any(base.rpartition(".")[2].endswith(("PreTrainedModel", "LightningModule")) for base in bases):
                self._kinds[cls] = "model"
            elif any(base.endswith("optim.Optimizer") or known.kind_of(base) == "optimizer" for base in bases):
                self._kinds[cls] = "optimizer"
        return self._kinds[cls]

    def _call(self, node: ast.Call, scope: Scope) -> Iterable[Thing]:
        found: list[Thing] = []
        for callee in self.of(node.func, scope):
            if callee.kind == "library":
                found += self._made_by_library(node, callee.name, scope)
            elif callee.kind == "class" and isinstance(callee.definition, ast.ClassDef):
                kind = self.kind_of_class(callee.definition)
                found.append(Thing(kind=kind, key=node, name=callee.name, definition=callee.definition, scope=scope))
            elif callee.kind in ("function", "method") and is_function(callee.definition):
                found += self._returned(callee.definition) or (Thing(key=node),)
            elif isinstance(node.func, ast.Attribute):
                found += self._made_by_method(node, node.func, scope)
        return found

    def _returned(self, function: ast.AST) -> Candidates:
        scope = self.scopes.of.get(function)
        if scope is None or scope.yields:
            return ()
        return tuple(thing for value in scope.returns[:4] for thing in self.of(value, scope))

    def _made_by_library(self, node: ast.Call, name: str, scope: Scope) -> Iterable[Thing]:
        last = name.rpartition(".")[2]
        if last in _SAME and node.args:
            return self.of(node.args[0], scope)
        if last in ("deepcopy", "copy") and node.args:
            return [replace(thing, key=node) for thing in self.of(node.args[0], scope)]
        if last in ("random_split", "train_test_split"):
            return (Thing(kind="parts", key=node, name=name, scope=scope),)
        kind = known.kind_of(name)
        if kind == "wrapper":
            inner = node.args[0] if node.args else next((k.value for k in node.keywords if k.arg in _INNER), None)
            return self.of(inner, scope) if inner is not None else ()
        return (Thing(kind=kind, key=node, name=name, scope=scope),)

    def _made_by_method(self, node: ast.Call, function: ast.Attribute, scope: Scope) -> Iterable[Thing]:
        receivers = self.of(function.value, scope)
        prepares = function.attr in _PREPARING and any(one.kind in ("accelerator", "") for one in receivers)
        if prepares and len(node.args) == 1:
            return self.of(node.args[0], scope)
        if prepares and node.args:
            return (Thing(kind="items", key=ast.Tuple(elts=node.args, ctx=ast.Load()), scope=scope),)
        if function.attr in _SELF_RETURNING:
            return receivers
        return (Thing(key=node, named=""),)


_PREPARING = ("prepare", "setup", "setup_dataloaders", "unwrap_model", "prepare_model", "initialize")
_INNER = ("model", "module")


def _is_bound(scope: Scope, call: ast.Call) -> bool:
    """Whether the first parameter is not among the arguments, as it is the object."""
    if scope.owner is None:
        return False
    static = any("staticmethod" in ast.unparse(one) for one in getattr(scope.node, "decorator_list", ()))
    through_class = isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name)
    through_class = through_class and call.func.value.id == scope.owner.name  # type: ignore[attr-defined]  # seen above
    return not static and not through_class


def _given(call: ast.Call, scope: Scope, argument: ast.arg, *, bound: bool) -> ast.expr | None:
    """Return the expression that a call hands to a parameter, its default where there is none."""
    for keyword in call.keywords:
        if keyword.arg == argument.arg:
            return keyword.value
    if any(isinstance(value, ast.Starred) for value in call.args) or isinstance(scope.node, ast.Module):
        return None
    told = scope.node.args
    positional = [*told.posonlyargs, *told.args]
    place = next((number for number, one in enumerate(positional) if one is argument), None)
    if place is None:
        return None
    place -= bound
    return call.args[place] if 0 <= place < len(call.args) else None


def _few(things: Iterable[Thing]) -> Candidates:
    return tuple(dict.fromkeys(things))[:MAX_CANDIDATES]


def last_name(node: ast.AST) -> str:
    """Return the last name in an expression that is one."""
    match node:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case ast.Subscript(value=value) | ast.Call(func=value):
            return last_name(value)
    return ""


def same(first: Candidates, second: Candidates) -> bool:
    """Whether two expressions may stand for one thing: what is unknown may be any that is not known to be another."""
    keys = {thing.key for thing in first} & {thing.key for thing in second}
    return bool(keys) or any(not thing.kind for thing in (*first, *second))


def surely_same(first: Candidates, second: Candidates) -> bool:
    """Whether two expressions share a thing."""
    return bool({thing.key for thing in first} & {thing.key for thing in second})
