"""Follows a program through its calls in the order in which they would be made, without making them."""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from doctor.evidence.project import Definition, Function, Module, Project, is_function, is_main_block, words
from doctor.subjects.source import Place

MAX_DEPTH = 40
MAX_STEPS = 100_000
CALLED_BY_FRAMEWORKS = re.compile(
    r"__(getitem|iter|next|call|enter)__|forward|call|(training|validation|test|train|eval)_step|\w*_?dataloaders?"
    r"|setup|prepare_data|configure_\w+|on_\w+|collate\w*|build|compute_loss|init_weights|_init_weights"
)
"""Methods that nobody in the program calls by name, yet that run once their object exists."""
ENTRY_DECORATORS = ("command", "main", "task", "flow", "step", "pipeline", "remote", "record")
SPAWNING = ("torch.multiprocessing.spawn", "torch.multiprocessing.start_processes")
POOLS = (
    "multiprocessing.Pool",
    "multiprocessing.pool.Pool",
    "torch.multiprocessing.Pool",
    "concurrent.futures.ProcessPoolExecutor",
)
EPOCH = re.compile(r"(\w*_)?epochs?(_\w+)?|ep|step|iteration|batch(_idx|_id)?")
DEBUGGING = re.compile(r"(^|_)(debug|dry_?run|smoke|profile|sanity|verbose)")


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """Where in the program we are."""

    module: Module
    scope: ast.AST
    names: dict[str, str]
    cls: tuple[Module, ast.ClassDef] | None = None
    functions: tuple[str, ...] = ()
    local: dict[str, Function] = field(default_factory=dict)
    child: str = ""
    framework: str = ""
    branch: str = ""
    epoch: ast.For | None = None
    entry_line: int = 0
    depth: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """One call.

    Attributes
    ----------
    name : str
        Its full dotted name, aliases resolved; for a method of an object `library::method`, with the library empty
        where it is not known.
    at : Place
        The line of the started program from which it comes about.
    place : Place
        Where it stands; another file than `at` where the program calls into another module.
    child : str
        How the process is started in which it happens; empty for the main one.
    framework : str
        The method that a framework calls, such as `__getitem__`, in which it happens.
    """

    name: str
    call: ast.Call
    frame: Frame
    at: Place
    place: Place

    @property
    def shown(self) -> str:
        """The called name as it stands in the code."""
        return shown(self.call)

    def argument(self, *names: str, position: int | None = None) -> ast.expr | None:
        """Return an argument by one of its names or its position."""
        for keyword in self.call.keywords:
            if keyword.arg in names:
                return keyword.value
        if position is not None and len(self.call.args) > position:
            return self.call.args[position]
        return None

    @property
    def has_unknown_arguments(self) -> bool:
        """Whether arguments are unpacked into the call (`**options`)."""
        return any(keyword.arg is None for keyword in self.call.keywords)


class Walk:
    """One program, followed from its first line to its last."""

    def __init__(self, project: Project, entry: Module) -> None:
        self.project = project
        self.entry = entry
        self.steps: list[Step] = []
        self.entered: set[tuple[object, ...]] = set()
        self.modules: dict[Module, dict[str, str]] = {}
        self.classes: dict[ast.ClassDef, tuple[Module, int]] = {}
        self.followed: set[ast.Call] = set()
        self.attributes: dict[tuple[ast.ClassDef, str], str] = {}
        self._import(entry, Frame(module=entry, scope=entry.program.tree, names={}))
        self._start_main()
        self._run_frameworks()

    def _start_main(self) -> None:
        """Call what another tool would call: `main`, or a function that a command-line library wraps."""
        for name, node in self.entry.definitions.items():
            if is_function(node):
                required = len(node.args.args) - len(node.args.defaults)
                wrapped = any(list(words(decorator))[-1:] and _wraps(decorator) for decorator in node.decorator_list)
                if wrapped or (name == "main" and required == 0):
                    frame = self.top(self.entry, node.lineno)
                    self._enter(self.entry, node, frame)

    def top(self, module: Module, line: int) -> Frame:
        """Stand at the top of a module."""
        return Frame(module=module, scope=module.program.tree, names=self.modules.get(module, {}), entry_line=line)

    def _run_frameworks(self) -> None:
        done: set[ast.ClassDef] = set()
        while waiting := [item for item in self.classes.items() if item[0] not in done]:
            for cls, (module, line) in waiting:
                done.add(cls)
                for owner, node in self._lineage(module, cls):
                    for method in node.body:
                        if is_function(method) and CALLED_BY_FRAMEWORKS.fullmatch(method.name):
                            frame = replace(self.top(owner, line), cls=(module, cls), framework=method.name)
                            self._enter(owner, method, frame)

    def _lineage(self, module: Module, cls: ast.ClassDef, hops: int = 5) -> Iterator[tuple[Module, ast.ClassDef]]:
        yield module, cls
        for base in cls.bases if hops else ():
            found = self.project.definition(full_name(base, module, {}) or "", module)
            if found and isinstance(found[1], ast.ClassDef) and found[1] is not cls:
                yield from self._lineage(found[0], found[1], hops - 1)

    def _import(self, module: Module, frame: Frame) -> None:
        if module in self.modules:
            return
        names: dict[str, str] = {}
        self.modules[module] = names
        line = frame.entry_line
        here = Frame(module=module, scope=module.program.tree, names=names, entry_line=line, depth=frame.depth + 1)
        self._block(module.program.tree.body, here)

    def _block(self, body: Sequence[ast.AST], frame: Frame) -> None:
        for node in body:
            self._visit(node, frame)

    def _visit(self, node: ast.AST, frame: Frame) -> None:
        if len(self.steps) > MAX_STEPS:
            return
        if isinstance(node, ast.Call):
            self._call(node, frame)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            self._block(frame.module.onward(node), frame)
            if node.value is not None:
                self._assign(node.targets if isinstance(node, ast.Assign) else [node.target], node.value, frame)
        elif isinstance(node, ast.If):
            self._branch(node, frame)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            self._follow_import(node, frame)
        elif is_function(node):
            frame.local[node.name] = node
            self._block(node.decorator_list, frame)
        elif isinstance(node, ast.ClassDef):
            self._block([part for part in node.body if not is_function(part)], frame)
        elif isinstance(node, (ast.For, ast.AsyncFor)):
            self._loop(node, frame)
        elif isinstance(node, ast.withitem):
            self._visit(node.context_expr, frame)
            if node.optional_vars is not None:
                self._assign([node.optional_vars], node.context_expr, frame)
        else:
            self._block(frame.module.onward(node), frame)

    def _follow_import(self, node: ast.Import | ast.ImportFrom, frame: Frame) -> None:
        here = frame if frame.module is not self.entry else replace(frame, entry_line=node.lineno)
        for alias in node.names:
            for name in (alias.asname or alias.name, alias.name):
                dotted = frame.module.imports.get(name, alias.name)
                for candidate in (dotted, dotted.rpartition(".")[0]):
                    module = self.project.module(candidate, frame.module) if candidate else None
                    if module is not None and frame.depth < MAX_DEPTH:
                        self._import(module, here)
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            module = self.project.module(node.module or "", frame.module)
            if module is not None:
                self._import(module, here)

    def _branch(self, node: ast.If, frame: Frame) -> None:
        if is_main_block(node) and frame.module is not self.entry:
            self._block(node.orelse, frame)
            return
        self._visit(node.test, frame)
        if not (isinstance(node.test, ast.Constant) and not node.test.value):
            positive = not isinstance(node.test, ast.UnaryOp)
            debugging = positive and any(DEBUGGING.search(word.lower()) for word in words(node.test))
            inner = replace(frame, branch=ast.unparse(node.test)[:60]) if debugging else frame
            self._block(node.body, inner)
        self._block(node.orelse, frame)

    def _loop(self, node: ast.For | ast.AsyncFor, frame: Frame) -> None:
        self._visit(node.iter, frame)
        named = any(EPOCH.fullmatch(word) for word in words(node.target))
        inner = replace(frame, epoch=node) if named and isinstance(node, ast.For) else frame
        self._assign([node.target], node.iter, frame)
        self._block([*node.body, *node.orelse], inner)

    def _assign(self, targets: Sequence[ast.expr], value: ast.expr, frame: Frame) -> None:
        kind = self.kind(value, frame)
        for target in targets:
            if isinstance(target, ast.Name):
                frame.names[target.id] = kind
            elif isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and frame.cls:
                if target.value.id == "self":
                    self.attributes[frame.cls[1], target.attr] = kind
            elif isinstance(target, (ast.Tuple, ast.List)):
                for part in target.elts:
                    if isinstance(part, ast.Name):
                        frame.names[part.id] = kind

    def kind(self, value: ast.expr, frame: Frame) -> str:
        """Say what an expression gives: the dotted name of what made it, or of what it is."""
        if isinstance(value, ast.Call):
            name = self._name(value, frame)
            if name in POOLS and any(keyword.arg == "initializer" for keyword in value.keywords):
                return ""
            return name if "::" not in name else name.partition("::")[0]
        if isinstance(value, (ast.Subscript, ast.Await, ast.Starred)):
            return self.kind(value.value, frame)
        if isinstance(value, ast.BinOp):
            return self.kind(value.left, frame)
        if isinstance(value, (ast.Set, ast.SetComp)):
            return "set"
        if isinstance(value, (ast.Name, ast.Attribute)):
            return self._of(value, frame) or full_name(value, frame.module, frame.names) or ""
        return ""

    def class_of(self, value: ast.expr, frame: Frame) -> tuple[Module, ast.ClassDef] | None:
        """Return the scanned class that a value is an object of, where that is known."""
        found = self._find(self.kind(value, frame), frame)
        return (found[0], found[1]) if found and isinstance(found[1], ast.ClassDef) else None

    def _of(self, value: ast.expr, frame: Frame) -> str:
        if isinstance(value, ast.Name):
            return frame.names.get(value.id, "")
        if isinstance(value, ast.Attribute) and isinstance(value.value, ast.Name) and frame.cls:
            return self.attributes.get((frame.cls[1], value.attr), "") if value.value.id == "self" else ""
        return ""

    def _name(self, call: ast.Call, frame: Frame) -> str:
        full = full_name(call.func, frame.module, frame.names)
        if full is not None:
            return full
        if isinstance(call.func, ast.Attribute):
            return f"{self.kind(call.func.value, frame).partition('.')[0]}::{call.func.attr}"
        return ""

    def _call(self, node: ast.Call, frame: Frame) -> None:
        self._block(frame.module.onward(node), frame)
        name = self._name(node, frame)
        if frame.module is self.entry:
            frame = replace(frame, entry_line=node.lineno)
        at = self.entry.program.place(frame.entry_line) if frame.entry_line else frame.module.program.place(node.lineno)
        self.steps.append(Step(name=name, call=node, frame=frame, at=at, place=frame.module.program.place(node.lineno)))
        self._follow(node, name, frame)

    def _follow(self, node: ast.Call, name: str, frame: Frame) -> None:
        if frame.depth > MAX_DEPTH:
            return
        here = self._bound(node, frame)
        for module, definition, cls in self._targets(node, name, frame):
            self.followed.add(node)
            if isinstance(definition, ast.ClassDef):
                self._instantiate(module, definition, here)
            else:
                self._enter(module, definition, replace(here, cls=cls))
        handed = [*node.args, *(keyword.value for keyword in node.keywords)]
        started = replace(here, child="spawn") if name in SPAWNING else here
        if isinstance(node.func, ast.Attribute) and self.kind(node.func.value, frame) in POOLS:
            started = replace(here, child="a pool of processes")
        for argument in handed:
            if isinstance(argument, (ast.Name, ast.Attribute)):
                full = full_name(argument, frame.module, {})
                found = self._find(full, frame) if full else None
                if found and is_function(found[1]):
                    self._enter(found[0], found[1], started)

    def _bound(self, node: ast.Call, frame: Frame) -> Frame:
        """Forget the loop over epochs where the call is told which epoch it is."""
        if frame.epoch is None:
            return frame
        changing = {
            part.id for part in ast.walk(frame.epoch) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
        }
        said = {word for argument in (*node.args, *(key.value for key in node.keywords)) for word in words(argument)}
        return replace(frame, epoch=None) if said & changing else frame

    def _find(self, dotted: str, frame: Frame) -> tuple[Module, Definition] | None:
        if dotted in frame.local:
            return frame.module, frame.local[dotted]
        found = self.project.definition(dotted, frame.module)
        if found is None and "." not in dotted:
            hits = (self.project.definition(f"{star}.{dotted}", frame.module) for star in frame.module.stars)
            found = next((hit for hit in hits if hit), None)
        return found

    def _targets(
        self, node: ast.Call, name: str, frame: Frame
    ) -> Iterator[tuple[Module, Definition, tuple[Module, ast.ClassDef] | None]]:
        found = self._find(name, frame) if name and "::" not in name else None
        if found:
            yield (*found, None)
            return
        if not isinstance(node.func, ast.Attribute):
            return
        method, receiver = node.func.attr, node.func.value
        own = isinstance(receiver, ast.Name) and receiver.id in ("self", "cls") and frame.cls
        parent = isinstance(receiver, ast.Call) and isinstance(receiver.func, ast.Name) and receiver.func.id == "super"
        if (own or parent) and frame.cls:
            lineage = list(self._lineage(*frame.cls))
            candidates = [lineage[1:] if parent else lineage]
            holders = [frame.cls]
        else:
            dotted = self.kind(receiver, frame)
            held = self._find(dotted, frame) if dotted else None
            holders = [(held[0], held[1])] if held and isinstance(held[1], ast.ClassDef) else []
            if not holders and name.startswith("::"):
                holders = [(module, cls) for cls, (module, _) in self.classes.items()]
            candidates = [list(self._lineage(*holder)) for holder in holders]
        for holder, lineage in zip(holders, candidates, strict=True):
            hit = next(((m, f) for m, c in lineage for f in c.body if is_function(f) and f.name == method), None)
            if hit:
                yield (*hit, holder)

    def _instantiate(self, module: Module, cls: ast.ClassDef, frame: Frame) -> None:
        self.classes.setdefault(cls, (module, frame.entry_line))
        for owner, node in self._lineage(module, cls):
            made = [part for part in node.body if is_function(part) and part.name in ("__init__", "__post_init__")]
            for method in made:
                self._enter(owner, method, replace(frame, cls=(module, cls)))
            if made:
                return

    def _enter(self, module: Module, function: Function, frame: Frame) -> None:
        key = (function, frame.child, frame.cls and frame.cls[1])
        if key in self.entered or len(frame.functions) > MAX_DEPTH:
            return
        self.entered.add(key)
        inner = replace(
            frame,
            module=module,
            scope=function,
            names=dict(self.modules.get(module, {})),
            local=dict(frame.local) if module is frame.module else {},
            functions=(*frame.functions, function.name),
            depth=frame.depth + 1,
        )
        self._block(function.body, inner)


def _wraps(decorator: ast.expr) -> bool:
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    name = target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")
    return name in ENTRY_DECORATORS


def full_name(node: ast.expr, module: Module, names: Mapping[str, str]) -> str | None:
    """Return the full name of an imported or defined thing, aliases resolved; None for a method of an object."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or (parts and node.id in ("self", "cls")):
        return None
    root = module.imports.get(node.id)
    if root is None:
        held = names.get(node.id)
        if parts and node.id not in module.definitions:
            return None
        root = held if held and not parts and held in module.imports.values() else node.id
    return ".".join([root, *reversed(parts)])


def shown(call: ast.Call) -> str:
    """Return a called name as it stands in the code."""
    return ast.unparse(call.func)[:60]
