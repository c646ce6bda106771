"""The scanned programs as one project: what each imports, defines and starts."""

import ast
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TypeGuard

from doctor.subjects.source import Program, Source, parts_of

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef


def is_function(node: object) -> TypeGuard[Function]:
    """Whether a node defines a function."""
    return isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))


_HAPPENING = (
    ast.Call,
    ast.Import,
    ast.ImportFrom,
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.Assign,
    ast.AnnAssign,
    ast.For,
    ast.AsyncFor,
    ast.withitem,
    ast.If,
)


class Module:
    """A program with its names: what they import, what they define, who encloses whom."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.dotted = (*program.inner[:-1], program.path.stem)
        self.imports: dict[str, str] = {}
        self.stars: list[str] = []
        self.roots: set[str] = set()
        self.definitions: dict[str, Definition] = {}
        for node in program.nodes:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                self._note_import(node)
        for node in program.tree.body:
            self._note_definitions(node)

    def _note_import(self, node: ast.Import | ast.ImportFrom) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                self.imports[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
                self.roots.add(alias.name.partition(".")[0])
        else:
            package = list(self.dotted[: -node.level]) if node.level else []
            source = ".".join([*package, *filter(None, [node.module])])
            self.roots.add(source.partition(".")[0])
            for alias in node.names:
                if alias.name == "*":
                    self.stars.append(source)
                else:
                    self.imports[alias.asname or alias.name] = f"{source}.{alias.name}" if source else alias.name

    def _note_definitions(self, node: ast.stmt) -> None:
        if is_function(node) or isinstance(node, ast.ClassDef):
            self.definitions[node.name] = node
        elif isinstance(node, (ast.If, ast.Try, ast.With)):
            for part in parts_of(node):
                if isinstance(part, ast.stmt):
                    self._note_definitions(part)

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """For each node the one that encloses it."""
        return {part: node for node in self.program.nodes for part in parts_of(node)}

    @cached_property
    def calls(self) -> tuple[ast.Call, ...]:
        """All calls in it, reached or not."""
        return tuple(node for node in self.program.nodes if isinstance(node, ast.Call))

    def onward(self, node: ast.AST) -> Sequence[ast.AST]:
        """Return the nearest nodes within a node that call, import, define, name or decide something."""
        return self._onward.get(node, ())

    @cached_property
    def _onward(self) -> dict[ast.AST, list[ast.AST]]:
        onward: dict[ast.AST, list[ast.AST]] = {}
        for node in reversed(self.program.nodes):  # inner before outer
            held: list[ast.AST] = []
            for part in parts_of(node):
                if isinstance(part, _HAPPENING):
                    held.append(part)
                elif part in onward:
                    held += onward[part]
            if held:
                onward[node] = held
        return onward

    def enclosing(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield the nodes around a node, innermost first."""
        while node in self.parents:
            node = self.parents[node]
            yield node

    @property
    def does_something(self) -> bool:
        """Whether it is a program: running it does more than define names."""
        doing = (ast.For, ast.While, ast.With, ast.If, ast.AugAssign, ast.Delete)
        return (
            self.program.path.suffix != ".py"
            or any(
                isinstance(node, doing) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call))
                for node in self.program.tree.body
            )
            or any(
                is_function(node) and (name == "main" or node.decorator_list) for name, node in self.definitions.items()
            )
        )

    @property
    def is_test(self) -> bool:
        """Whether it is a test or a benchmark, which need no seed to be right."""
        name = self.program.path.stem
        folders = set(self.program.inner[:-1])
        named = name.startswith(("test_", "bench")) or name.endswith("_test") or name == "conftest"
        return named or bool(folders & {"test", "tests", "testing", "benchmark", "benchmarks", "bench"})


class Project:
    """All modules that were scanned, so that a call can be followed from one into another."""

    def __init__(self, programs: Sequence[Program]) -> None:
        self.modules = [Module(program) for program in programs]
        self._by_tail: dict[str, list[Module]] = {}
        self._known: dict[tuple[str, Module], Module | None] = {}
        for module in self.modules:
            parts = module.dotted[:-1] if module.dotted[-1] == "__init__" else module.dotted
            if parts and module.program.path.suffix == ".py":
                self._by_tail.setdefault(parts[-1], []).append(module)

    @classmethod
    def measure(cls, source: Source) -> "Project":
        """Gather the names of all programs."""
        return cls(source.programs)

    def module(self, dotted: str, near: Module) -> Module | None:
        """Find a scanned module by the name under which another imports it; the nearest one where there are several."""
        if (dotted, near) not in self._known:
            self._known[dotted, near] = self._nearest(tuple(dotted.split(".")), near)
        return self._known[dotted, near]

    def _nearest(self, parts: tuple[str, ...], near: Module) -> Module | None:
        def fits(module: Module) -> bool:
            own = module.dotted[:-1] if module.dotted[-1] == "__init__" else module.dotted
            return own[-len(parts) :] == parts or parts[-len(own) :] == own

        found = [module for module in self._by_tail.get(parts[-1], ()) if module is not near and fits(module)]
        home = near.program.path.parent
        return min(found, key=lambda module: module.program.path.parent != home, default=None)

    def definition(self, dotted: str, near: Module, hops: int = 5) -> tuple[Module, Definition] | None:
        """Find the function or class that a dotted name stands for, through re-exports."""
        first, _, rest = dotted.partition(".")
        if not rest and first in near.definitions:
            return near, near.definitions[first]
        owner, _, name = dotted.rpartition(".")
        if owner and owner.rpartition(".")[2] in near.definitions:
            return None
        module = self.module(owner, near) if owner else None
        if module is None or not hops:
            return None
        if name in module.definitions:
            return module, module.definitions[name]
        onward = module.imports.get(name)
        candidates = [onward] if onward else [f"{star}.{name}" for star in module.stars]
        hits = (self.definition(candidate, module, hops - 1) for candidate in candidates)
        return next((hit for hit in hits if hit), None)

    def entries(self) -> list[Module]:
        """Return those modules that are started, not imported."""
        imported = {
            found
            for module in self.modules
            for dotted in (*module.imports.values(), *module.stars)
            for found in (self.module(dotted, module), self.module(dotted.rpartition(".")[0], module))
            if found is not None
        }
        return [
            module
            for module in self.modules
            if not module.is_test
            and (module not in imported or any(map(is_main_block, module.program.tree.body)))
            and module.does_something
        ]


def first_line_after_imports(tree: ast.Module) -> int:
    """Return the line before which a seed would stand: that of the first statement after the leading imports."""
    body = tree.body
    for index, node in enumerate(body):
        is_manual = index == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not (is_manual or isinstance(node, (ast.Import, ast.ImportFrom, ast.Try))):
            return node.lineno
    return body[-1].end_lineno or 1 if body else 1


def is_main_block(node: ast.AST) -> bool:
    """Whether a statement is `if __name__ == "__main__":`."""
    return isinstance(node, ast.If) and any(
        isinstance(part, ast.Name) and part.id == "__name__" for part in ast.walk(node.test)
    )


def words(node: ast.AST) -> Iterator[str]:
    """Yield the names, attributes and strings in an expression."""
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            yield part.id
        elif isinstance(part, ast.Attribute):
            yield part.attr
        elif isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value
