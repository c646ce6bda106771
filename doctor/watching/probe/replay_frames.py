"""Turns the live frames of a training loop into pieces of code that run the step in progress again.

Every piece is the end of a block: the statement at work, then that and the one before it, and so on up to the start of
the loop's body. A short piece uses the values that the variables have now, so that nothing is loaded or drawn again
unless it has to be.
"""

from __future__ import annotations

import ast
import linecache
import os
from collections.abc import Callable, Iterator
from typing import Any

import torch

from .origin_place import ENTRY

MAX_PIECES = 24
MAX_FRAMES = 14
_PASSED_OVER = ("torch", "deepspeed", "accelerate")
_HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "")
_STANDARD = os.path.dirname(os.path.abspath(os.__file__))
_BLOCKS = ("body", "orelse", "finalbody")
_CODE = (ast.FunctionDef, ast.AsyncFunctionDef)


class Piece:
    """Code that can be run in a copy of its frame's variables.

    Attributes
    ----------
    path, function : str
        Where the code stands.
    first : str or None
        The function's first parameter, which `super()` needs.
    values, outside : dict
        The variables of the frame, and those of its module.
    """

    def __init__(
        self,
        *,
        path: str,
        function: str,
        first: str | None,
        statements: list[ast.stmt],
        values: dict[str, Any],
        outside: dict[str, Any],
    ) -> None:
        self.path, self.function, self.first = path, function, first
        self.statements = statements
        self.values, self.outside = values, outside

    @classmethod
    def of(cls, frame: Any, statements: list[ast.stmt]) -> Piece:
        """Take statements of a live frame."""
        code = frame.f_code
        outermost = frame.f_locals is frame.f_globals
        return cls(
            path=str(code.co_filename),
            function=str(code.co_name),
            first=code.co_varnames[0] if code.co_argcount else None,
            statements=statements,
            values={} if outermost else dict(frame.f_locals),
            outside=dict(frame.f_globals) if outermost else frame.f_globals,
        )

    def names(self) -> set[str]:
        """Return the names that the code mentions."""
        found = {node.id for one in self.statements for node in ast.walk(one) if isinstance(node, ast.Name)}
        return found | {self.first or "", "__class__"}

    def build(self) -> Callable[[], Any]:
        """Return the code as a function without parameters, in variables of its own.

        Raises
        ------
        SyntaxError
            When it is no code that can stand alone, such as a generator's.
        """
        return assemble(self.statements, self.path, self.first, self.values, self.outside)


def assemble(
    statements: list[ast.stmt], path: str, first: str | None, values: dict[str, Any], outside: dict[str, Any]
) -> Callable[[], Any]:
    """Compile statements into a function whose variables begin with `values` and then `outside`."""
    declared = {
        name
        for statement in statements
        for node in ast.walk(statement)
        if isinstance(node, (ast.Global, ast.Nonlocal))
        for name in node.names
    }
    if any(isinstance(node, (ast.Yield, ast.YieldFrom, ast.Await)) for one in statements for node in ast.walk(one)):
        raise SyntaxError("a generator or coroutine")
    stored = {
        node.id
        for statement in statements
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
    }
    known = dict(values)
    for name in stored - set(known):
        if name in outside:
            known[name] = outside[name]
    names = [name for name in known if name.isidentifier() and name not in declared and name != "__class__"]
    if first in names:
        names.remove(str(first))
        names.insert(0, str(first))
    parameters = ast.arguments(
        posonlyargs=[], args=[ast.arg(arg=name) for name in names], kwonlyargs=[], kw_defaults=[], defaults=[]
    )
    inner = ast.FunctionDef(name=ENTRY, args=parameters, body=statements, decorator_list=[])
    cell = ast.arguments(posonlyargs=[], args=[ast.arg(arg="__class__")], kwonlyargs=[], kw_defaults=[], defaults=[])
    back = ast.Return(value=ast.Name(id=ENTRY, ctx=ast.Load()))
    outer = ast.FunctionDef(name="__doctor_outer__", args=cell, body=[inner, back], decorator_list=[])
    tree = ast.fix_missing_locations(ast.Module(body=[outer], type_ignores=[]))
    space = dict(outside)
    space.update({name: value for name, value in known.items() if name in declared})
    exec(compile(tree, path, "exec"), space)  # noqa: S102  # the user's own code, which has just run
    function = space["__doctor_outer__"](known.get("__class__"))
    return lambda: function(**{name: known[name] for name in names})


def pieces(innermost: Any) -> Iterator[Piece]:
    """Yield pieces of the step in progress, the most promising first: inner frames first, short ones first.

    Parameters
    ----------
    innermost : frame
        Where to begin; frames of torch, deepspeed, accelerate and the probe are passed over. The frame with the
        innermost loop around the call is the last one.
    """
    frame = innermost
    seen = 0
    while frame is not None and seen < MAX_FRAMES:
        if not _passed_over(frame):
            found = _blocks(frame)
            if found is not None:
                seen += 1
                chains, in_loop = found
                for statements in chains[:MAX_PIECES]:
                    yield Piece.of(frame, statements)
                if in_loop:
                    return
        frame = frame.f_back


def _passed_over(frame: Any) -> bool:
    path = os.path.abspath(frame.f_code.co_filename)
    if frame.f_code.co_name.startswith("<") and frame.f_code.co_name != "<module>":
        return True
    package = str(frame.f_globals.get("__name__", "")).split(".")[0]
    standard = path.startswith(_STANDARD) and "site-packages" not in path
    return package in _PASSED_OVER or path.startswith(_HERE) or standard or path.startswith("<frozen")


def _blocks(frame: Any) -> tuple[list[list[ast.stmt]], bool] | None:
    """Return the pieces of one frame, shortest first, and whether a loop encloses them."""
    source = "".join(linecache.getlines(frame.f_code.co_filename, frame.f_globals))
    if not source:
        return None
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return None
    body = _body_of(tree, frame.f_code)
    if body is None:
        return None
    chain = _chain(body, frame.f_lineno)
    if not chain:
        return None
    result: list[list[ast.stmt]] = []
    contexts: list[ast.With] = []
    in_loop = False
    levels: list[tuple[list[ast.stmt], int, list[ast.With]]] = []
    for block, index in chain:
        levels.append((block, index, list(contexts)))
        statement = block[index]
        if isinstance(statement, (ast.For, ast.While)) and (block, index) != chain[-1]:
            levels, contexts, in_loop = [], [], True
        elif isinstance(statement, ast.With):
            contexts.append(statement)
    for block, index, around in reversed(levels):
        own = len(block[index:]) and (block, index) != chain[-1]
        for start in range(index - (1 if own else 0), -1, -1):
            result.append(_within(around, block[start : index + 1]))
    return result, in_loop


def _within(contexts: list[ast.With], statements: list[ast.stmt]) -> list[ast.stmt]:
    for context in reversed(contexts):
        wrapped = ast.With(items=context.items, body=statements, type_comment=None)
        statements = [ast.copy_location(wrapped, context)]
    return statements


def _body_of(tree: ast.Module, code: Any) -> list[ast.stmt] | None:
    if code.co_name == "<module>":
        return tree.body
    for node in ast.walk(tree):
        if isinstance(node, _CODE) and node.name == code.co_name:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if first == code.co_firstlineno:
                return node.body
    return None


def _chain(body: list[ast.stmt], line: int) -> list[tuple[list[ast.stmt], int]]:
    """Return the blocks around a line, outermost first, each with the place of the statement that holds it."""
    for index, statement in reversed(list(enumerate(body))):  # the last of several on one line
        if statement.lineno <= line <= (statement.end_lineno or statement.lineno):
            rest: list[tuple[list[ast.stmt], int]] = []
            blocks = [getattr(statement, name, []) for name in _BLOCKS]
            blocks += [handler.body for handler in getattr(statement, "handlers", [])]
            blocks += [case.body for case in getattr(statement, "cases", [])]
            if not isinstance(statement, (*_CODE, ast.ClassDef)):
                for block in blocks:
                    rest = rest or _chain(block, line)
            return [(body, index), *rest]
    return []


def modules_of(piece: Piece) -> list[tuple[str, Any]]:
    """Return the models among a piece's variables, with the names that they have there."""
    found = [(name, value) for name, value in piece.values.items() if isinstance(value, torch.nn.Module)]
    found += [(name, value) for name, value in piece.outside.items() if isinstance(value, torch.nn.Module)]
    return found
