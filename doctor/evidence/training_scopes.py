"""The scopes of scanned code: which names, attributes and calls stand in each, gathered in one pass."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from doctor.evidence.project import Function, Module, Project, is_function
from doctor.subjects.source import parts_of

ELEMENT = -1
"""Stands in a path for "one of its elements"."""
Path = tuple[int, ...]
Loop = ast.For | ast.AsyncFor | ast.While | ast.ListComp | ast.GeneratorExp | ast.SetComp | ast.DictComp
_NOTED = (
    *(ast.Call, ast.Attribute, ast.Name, ast.Assign, ast.AnnAssign, ast.NamedExpr, ast.AugAssign, ast.comprehension),
    *(ast.For, ast.AsyncFor, ast.While, ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp),
    *(ast.withitem, ast.Return, ast.Yield, ast.YieldFrom),
)
MAX_NESTING = 120
"""Levels of syntax within each other, from which code is not followed; a person writes up to 40."""


@dataclass(frozen=True, eq=False)
class Binding:
    """A name or attribute takes a value, or a part of it, by a statement; `scope` is where the value stands."""

    value: ast.AST
    path: Path
    node: ast.AST
    scope: "Scope"


@dataclass(eq=False)
class Scope:
    """A module's top level or a function's body.

    Attributes
    ----------
    owner : ast.ClassDef or None
        The class whose method it is.
    returns : list
        The values of its return statements.
    """

    module: Module
    node: ast.Module | Function
    owner: ast.ClassDef | None
    parent: "Scope | None"
    bindings: dict[str, list[Binding]] = field(default_factory=dict)
    returns: list[ast.expr] = field(default_factory=list)
    yields: bool = False
    loops: list[Loop] = field(default_factory=list)
    calls: list[ast.Call] = field(default_factory=list)
    words: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        """The function's name; empty for a module."""
        return "" if isinstance(self.node, ast.Module) else self.node.name

    @cached_property
    def parameters(self) -> dict[str, ast.arg]:
        """Its parameters by name."""
        if isinstance(self.node, ast.Module):
            return {}
        told = self.node.args
        return {arg.arg: arg for arg in (*told.posonlyargs, *told.args, *told.kwonlyargs)}

    @property
    def around(self) -> Iterator["Scope"]:
        """Yield it and the scopes whose names it sees, innermost first."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.parent

    @property
    def names(self) -> str:
        """The names of the functions and the class that it stands in, and of its file."""
        inner = [scope.name for scope in self.around if scope.name]
        return " ".join([*inner, self.owner.name if self.owner else ""])


class Scopes:
    """All scopes of a project, with the attributes of its classes and an index of its calls."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.all: list[Scope] = []
        self.of: dict[ast.AST, Scope] = {}
        self.attributes: dict[ast.ClassDef, dict[str, list[Binding]]] = {}
        self.homes: dict[ast.ClassDef, Module] = {}
        self.calls: dict[str, list[tuple[Scope, ast.Call]]] = {}
        self.tops: dict[Module, Scope] = {}
        self._methods: dict[ast.ClassDef, dict[str, Function]] = {}
        for module in project.modules:
            self._gather(module)

    def _gather(self, module: Module) -> None:
        top = self._add(module, module.program.tree, None, None)
        self.tops[module] = top
        # A stack in place of recursion: scanned code may be nested deeply.
        waiting: list[tuple[ast.AST, Scope, ast.ClassDef | None]] = [
            (node, top, None) for node in reversed(module.program.tree.body)
        ]
        while waiting:
            node, scope, owner = waiting.pop()
            if is_function(node):
                self._bind(ast.Name(id=node.name, ctx=ast.Store()), node, (), node, scope, owner)
                inner = self._add(module, node, owner, scope)
                waiting += [(part, inner, None) for part in reversed(node.body)]
                waiting += [(part, scope, None) for part in node.decorator_list]
                continue
            if isinstance(node, ast.ClassDef):
                self.homes[node] = module
                self.attributes.setdefault(node, {})
                self._bind(ast.Name(id=node.name, ctx=ast.Store()), node, (), node, scope, owner)
                waiting += [(part, scope, node) for part in reversed(node.body)]
                continue
            if isinstance(node, ast.Name):
                scope.words.add(node.id)
                continue
            if isinstance(node, _NOTED):
                self._note(node, scope, owner)
            waiting += [
                (part, scope, owner if isinstance(node, ast.stmt) else None) for part in reversed(parts_of(node))
            ]

    def _add(
        self, module: Module, node: ast.Module | Function, owner: ast.ClassDef | None, parent: Scope | None
    ) -> Scope:
        scope = Scope(module, node, owner, parent)
        self.all.append(scope)
        self.of[node] = scope
        return scope

    def _note(self, node: ast.AST, scope: Scope, owner: ast.ClassDef | None) -> None:
        match node:
            case ast.Call(func=function):
                scope.calls.append(node)
                name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
                self.calls.setdefault(name, []).append((scope, node))
            case ast.Attribute(attr=name):
                scope.words.add(name)
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    self._bind(target, value, (), node, scope, owner)
            case ast.AnnAssign(target=target, value=ast.expr() as value) | ast.NamedExpr(target=target, value=value):
                self._bind(target, value, (), node, scope, owner)
            case ast.AugAssign(target=target):
                self._bind(target, node, (), node, scope, owner)
            case ast.For(target=target, iter=values) | ast.AsyncFor(target=target, iter=values):
                scope.loops.append(node)
                self._bind(target, values, (ELEMENT,), node, scope, owner)
            case ast.While() | ast.ListComp() | ast.GeneratorExp() | ast.SetComp() | ast.DictComp():
                scope.loops.append(node)
            case ast.comprehension(target=target, iter=values):
                self._bind(target, values, (ELEMENT,), node, scope, owner)
            case ast.withitem(context_expr=value, optional_vars=ast.expr() as target):
                self._bind(target, value, (), node, scope, owner)
            case ast.Return(value=ast.expr() as value):
                scope.returns.append(value)
            case ast.Yield() | ast.YieldFrom():
                scope.yields = True

    def _bind(
        self, target: ast.AST, value: ast.AST, path: Path, node: ast.AST, scope: Scope, owner: ast.ClassDef | None
    ) -> None:
        binding = Binding(value, path, node, scope)
        match target:
            case ast.Name(id=name) if owner is not None:
                self.attributes[owner].setdefault(name, []).append(binding)
            case ast.Name(id=name):
                scope.bindings.setdefault(name, []).append(binding)
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if scope.owner and name == _self(scope):
                self.attributes[scope.owner].setdefault(attribute, []).append(binding)
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                starred = False
                for place, part in enumerate(parts):
                    starred = starred or isinstance(part, ast.Starred)
                    self._bind(part, value, (*path, -2 if starred else place), node, scope, owner)
            case ast.Starred(value=part):
                self._bind(part, value, path, node, scope, owner)

    def lineage(self, cls: ast.ClassDef, hops: int = 5) -> Iterator[ast.ClassDef]:
        """Yield a class and those in view from which it descends, nearest first."""
        yield cls
        module = self.homes[cls]
        for base in cls.bases if hops else ():
            found = self.project.definition(written(base, module), module)
            if found and isinstance(found[1], ast.ClassDef) and found[1] is not cls and found[1] in self.homes:
                yield from self.lineage(found[1], hops - 1)

    def bases(self, cls: ast.ClassDef) -> set[str]:
        """Return the full names of all bases of a class, in view or not."""
        return {written(base, self.homes[one]) for one in self.lineage(cls) for base in one.bases}

    def method(self, cls: ast.ClassDef, name: str) -> Function | None:
        """Return the method that a class has or inherits in view."""
        if cls not in self._methods:
            found: dict[str, Function] = {}
            for one in self.lineage(cls):
                for part in one.body:
                    if is_function(part):
                        found.setdefault(part.name, part)
            self._methods[cls] = found
        return self._methods[cls].get(name)


def nested_too_deeply(module: Module) -> bool:
    """Whether a module has more levels of syntax than can be followed."""
    level: list[ast.AST] = [module.program.tree]
    for _ in range(MAX_NESTING):
        level = [part for node in level for part in parts_of(node)]
        if not level:
            return False
    return True


def _self(scope: Scope) -> str:
    """Return the name by which a method calls its object."""
    names = list(scope.parameters)
    return names[0] if names else ""


def written(node: ast.expr, module: Module) -> str:
    """Return the full name that an expression spells, aliases of imports resolved; empty where it is no name."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Subscript):
        return written(node.value, module)
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([module.imports.get(node.id, node.id), *reversed(parts)])
