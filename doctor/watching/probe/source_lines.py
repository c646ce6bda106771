"""Finds in a source file where a variable is filled, made or emptied."""

from __future__ import annotations

import ast
import os

FILLS = ("append", "appendleft", "extend", "add", "insert", "update", "setdefault", "put")
EMPTIES = ("pop", "popleft", "popitem", "clear", "remove", "discard")
MAX_BYTES = 500_000


class SourceLines:
    """What a file does with one variable.

    Parameters
    ----------
    path : str
    name : str
        Of the variable or, with `attribute`, of an object's attribute.
    written : str
        All of it, such as `train.seen['labels']` for a list within a dictionary.

    Attributes
    ----------
    filled, made, emptied : int or None
        First line that does so; `emptied` also where its length is compared with something.
    expression : str
        What that first line fills, as it is written there; empty where it is not filled by a method.
    """

    def __init__(self, path: str, name: str, attribute: bool = False, written: str = "") -> None:
        self._name, self._attribute = name, attribute
        self._keys = "".join(written.partition("[")[1:])
        self.filled: int | None = None
        self.expression = ""
        self.made: int | None = None
        self.emptied: int | None = None
        try:
            if os.path.getsize(path) > MAX_BYTES:
                return
            with open(path, "rb") as file:
                tree = ast.parse(file.read())
        except (OSError, SyntaxError, ValueError, RecursionError):
            return
        for node in ast.walk(tree):
            self._look(node)

    def _look(self, node: ast.AST) -> None:
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute) and self._is(node.func.value):
                if node.func.attr in FILLS:
                    if self.filled is None or node.lineno < self.filled:
                        self.expression = ast.unparse(node.func.value)
                    self.filled = _first(self.filled, node.lineno)
                elif node.func.attr in EMPTIES:
                    self.emptied = _first(self.emptied, node.lineno)
        elif isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(isinstance(side, ast.Call) and _called(side) == "len" and self._any(side.args) for side in sides):
                self.emptied = _first(self.emptied, node.lineno)
        elif isinstance(node, ast.Delete):
            if self._any([target.value for target in node.targets if isinstance(target, ast.Subscript)]):
                self.emptied = _first(self.emptied, node.lineno)
        elif isinstance(node, ast.AugAssign):
            if self._is(node.target):
                self.filled = _first(self.filled, node.lineno)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            self._assigned(node.targets if isinstance(node, ast.Assign) else [node.target], node.value, node.lineno)

    def _assigned(self, targets: list[ast.expr], value: ast.expr, line: int) -> None:
        for target in targets:
            if (
                self._is(target) and isinstance(value, ast.Subscript) and self._is(value.value)
            ):  # keeps a part of itself
                self.emptied = _first(self.emptied, line)
            elif isinstance(target, ast.Subscript) and self._is(target.value):
                if isinstance(target.slice, ast.Slice):
                    self.emptied = _first(self.emptied, line)
                else:
                    self.filled = _first(self.filled, line)
            elif self._is(target):
                if isinstance(value, ast.BinOp) and (self._is(value.left) or self._is(value.right)):
                    self.filled = _first(self.filled, line)
                else:
                    self.made = _first(self.made, line)

    def _is(self, node: ast.AST) -> bool:
        """Whether this is the variable, or the container itself where that lies in another one."""
        if isinstance(node, ast.Subscript):
            owner: ast.expr = node
            while isinstance(owner, ast.Subscript):
                owner = owner.value
            keys = ast.unparse(node)[len(ast.unparse(owner)) :]
            return self._is(owner) and keys == self._keys
        if self._attribute:
            return isinstance(node, ast.Attribute) and node.attr == self._name
        return isinstance(node, ast.Name) and node.id == self._name

    def _any(self, nodes: list[ast.expr]) -> bool:
        return any(self._is(node) for node in nodes)


def _called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _first(known: int | None, line: int) -> int:
    return line if known is None else min(known, line)
