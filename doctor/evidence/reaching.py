"""Which assignment a name has its value from, where it is used."""

import ast
from collections.abc import Iterator

from doctor.evidence.training_scopes import Binding, Scope


def reaching(name: str, use: ast.AST, scope: Scope) -> Binding | None:
    """Return the one assignment from which a name has its value at a place; None where it may be another."""
    parents = scope.module.parents
    around = {id(use), *(id(node) for node in scope.module.enclosing(use))}
    statement = _statement(use, scope)
    before = [
        binding
        for binding in scope.bindings.get(name, ())
        if (_line(binding.node), _column(binding.node)) < (_line(statement), _column(statement))
        and binding.node is not statement
    ]
    if not before:
        return None
    last = max(before, key=lambda binding: (_line(binding.node), _column(binding.node)))
    node = last.node
    if isinstance(node, ast.For | ast.AsyncFor | ast.comprehension | ast.withitem):
        return last if id(node) in around or id(parents.get(node)) in around else None
    loops = [outer for outer in scope.module.enclosing(use) if isinstance(outer, ast.For | ast.AsyncFor | ast.While)]
    for binding in scope.bindings[name]:
        if binding not in before and any(_holds(loop, binding.node) and not _holds(loop, node) for loop in loops):
            return None  # in the next turn it is another
    # What is assigned on a branch, or in a loop, that the use is not in may not have happened.
    return last if all(id(outer) in around for outer in _compound(node, scope)) else None


def _compound(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    for outer in scope.module.enclosing(node):
        if outer is scope.node:
            return
        if isinstance(outer, ast.If | ast.For | ast.AsyncFor | ast.While | ast.Try | ast.Match | ast.ExceptHandler):
            yield outer


def _holds(outer: ast.AST, node: ast.AST) -> bool:
    return _line(outer) <= _line(node) <= (getattr(outer, "end_lineno", 0) or 0)


def _statement(node: ast.AST, scope: Scope) -> ast.AST:
    if isinstance(node, ast.stmt):
        return node
    return next((outer for outer in scope.module.enclosing(node) if isinstance(outer, ast.stmt)), node)


def _line(node: ast.AST) -> int:
    return getattr(node, "lineno", 0)


def _column(node: ast.AST) -> int:
    return getattr(node, "col_offset", 0)
