"""What names hold in one program, where that can be told without running it; what cannot stays unknown."""

import ast
import operator
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from msgspec import Struct

from doctor.evidence.project import Module, is_function
from doctor.subjects.config_nodes import Scalar

MAX_HOPS = 12
MAX_POWER = 64
_OPERATIONS: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


class Constant(Struct, frozen=True, kw_only=True):
    """A value that an expression has whenever it is reached.

    Attributes
    ----------
    node : ast.expr
        Where the value itself is written.
    option : str or None
        The option of the command line whose default it is; the command may say otherwise.
    """

    value: Scalar
    node: ast.expr
    option: str | None = None


class Constants:
    """The constants of one module."""

    def __init__(self, module: Module) -> None:
        self.module = module

    def of(self, node: ast.AST | None, hops: int = MAX_HOPS) -> Constant | None:
        """Return the value of an expression; None where it is not known."""
        if hops <= 0 or node is None:
            return None
        match node:
            case ast.Constant(value=str() | int() | float() | bool() | None as value):
                return Constant(value=value, node=node)
            case ast.Name(id=name):
                found = self.assigned(name, node)
                return self.of(found, hops - 1) if found is not None else None
            case ast.Attribute(value=ast.Name(id=owner), attr=name):
                return self._attribute(node, owner, name, hops)
            case ast.Subscript(value=ast.Name() as owner, slice=ast.Constant(value=str() as key)):
                held = self.literal(owner)
                return self.of(_item(held, key), hops - 1) if held is not None else None
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                inner = self.of(operand, hops - 1)
                if inner and isinstance(inner.value, int | float):
                    return Constant(
                        value=-inner.value, node=node, option=None if inner.option is None else inner.option
                    )
            case ast.BinOp():
                return self._arithmetic(node, hops)
            case ast.Call(func=ast.Name(id="int" | "float" as kind), args=[argument]):
                return self._converted(node, kind, argument, hops)
        return None

    def literal(self, node: ast.AST | None, hops: int = MAX_HOPS) -> ast.Dict | None:
        """Return the dict literal that an expression is, through names; a dict that is changed later is unknown."""
        if isinstance(node, ast.Dict):
            return node
        if isinstance(node, ast.Name) and hops and node.id not in self._changed:
            return self.literal(self.assigned(node.id, node), hops - 1)
        return None

    def assigned(self, name: str, near: ast.AST) -> ast.expr | None:
        """Return the one expression that a name is ever assigned in its scope."""
        for scope in self._scopes(near):
            if name in self._bound.get(scope, {}):
                values = self._bound[scope][name]
                return values[0] if len(values) == 1 else None
        return None

    def _attribute(self, node: ast.expr, owner: str, name: str, hops: int) -> Constant | None:
        """Read `args.name` and `config.name`, where nothing else is ever stored there."""
        if (owner, name) in self._stored:
            return None
        made = self.assigned(owner, node)
        if isinstance(made, ast.Call):
            callee = made.func.attr if isinstance(made.func, ast.Attribute) else getattr(made.func, "id", "")
            definition = self.module.definitions.get(callee)
            if isinstance(definition, ast.ClassDef):
                given = next((word.value for word in made.keywords if word.arg == name), None)
                spread = made.args or any(word.arg is None for word in made.keywords)
                if given is not None:
                    return self.of(given, hops - 1)
                return None if spread else self.of(self.fields(definition).get(name), hops - 1)
        if name in self.options and (made is None or self._parses(made)):
            found = self.of(self.options[name][1], hops - 1)
            return Constant(value=found.value, node=found.node, option=self.options[name][0]) if found else None
        return None

    @staticmethod
    def _parses(node: ast.expr) -> bool:
        return "parse" in ast.dump(node.func) if isinstance(node, ast.Call) else False

    @staticmethod
    def fields(definition: ast.ClassDef) -> dict[str, ast.expr]:
        """Return the defaults of a dataclass's fields."""
        found: dict[str, ast.expr] = {}
        for item in definition.body:
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) and item.value is not None:
                default = item.value
                if isinstance(default, ast.Call):
                    words = {word.arg: word.value for word in default.keywords}
                    if "default" not in words:
                        continue
                    default = words["default"]
                found[item.target.id] = default
        return found

    @cached_property
    def options(self) -> dict[str, tuple[str, ast.expr]]:
        """The options that argparse is told, by where they are stored: the option, and its default."""
        found: dict[str, tuple[str, ast.expr]] = {}
        twice: set[str] = set()
        for call in self.module.calls:
            if not (isinstance(call.func, ast.Attribute) and call.func.attr == "add_argument"):
                continue
            names = [word.value for word in call.args if isinstance(word, ast.Constant) and isinstance(word.value, str)]
            words = {word.arg: word.value for word in call.keywords if word.arg}
            long = next((name for name in names if name.startswith("--")), names[0] if names else "")
            told = words.get("dest")
            stored = told.value if isinstance(told, ast.Constant) else long.lstrip("-").replace("-", "_")
            action = words.get("action")
            default = words.get("default")
            if default is None and isinstance(action, ast.Constant) and action.value == "store_true":
                default = ast.copy_location(ast.Constant(value=False), call)
            if not isinstance(stored, str) or default is None:
                continue
            twice |= {stored} if stored in found else set()
            found[stored] = (long.lstrip("-").replace("-", "_"), default)
        return {name: option for name, option in found.items() if name not in twice}

    def _arithmetic(self, node: ast.BinOp, hops: int) -> Constant | None:
        left, right = self.of(node.left, hops - 1), self.of(node.right, hops - 1)
        if left is None or right is None:
            return None
        one, other = left.value, right.value
        if not isinstance(one, int | float) or not isinstance(other, int | float):
            return None
        # An option in a sum cannot be put in by the command without doing the sum again.
        if left.option or right.option:
            return None
        try:
            if isinstance(node.op, ast.Pow):
                value = one**other if abs(other) <= MAX_POWER and abs(one) <= 2**MAX_POWER else None
            else:
                work = _OPERATIONS.get(type(node.op))
                value = work(one, other) if work else None
        except (ArithmeticError, ValueError):
            return None
        return Constant(value=value, node=node) if isinstance(value, int | float) else None

    def _converted(self, node: ast.Call, kind: str, argument: ast.expr, hops: int) -> Constant | None:
        inner = self.of(argument, hops - 1)
        if inner is None or inner.value is None:
            return None
        try:
            value = int(inner.value) if kind == "int" else float(inner.value)
        except (ValueError, OverflowError):
            return None
        return Constant(value=value, node=node, option=inner.option)

    def _scopes(self, near: ast.AST) -> list[ast.AST]:
        inside = [node for node in self.module.enclosing(near) if is_function(node)]
        return [*inside, self.module.program.tree]

    @cached_property
    def _bound(self) -> dict[ast.AST, dict[str, list[ast.expr | None]]]:
        """By scope and name, all that is ever assigned; None for what no expression tells, such as a loop's."""
        found: dict[ast.AST, dict[str, list[ast.expr | None]]] = {}

        def bind(scope: ast.AST, target: ast.AST, value: ast.expr | None) -> None:
            if isinstance(target, ast.Name):
                found.setdefault(scope, {}).setdefault(target.id, []).append(value)
            elif isinstance(target, ast.Tuple | ast.List):
                values = value.elts if isinstance(value, ast.Tuple | ast.List) else []
                fits = len(values) == len(target.elts)
                for at, part in enumerate(target.elts):
                    bind(scope, part, values[at] if fits else None)
            elif isinstance(target, ast.Starred):
                bind(scope, target.value, None)

        def visit(node: ast.AST, scope: ast.AST) -> None:
            if is_function(node):
                arguments = node.args
                for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
                    bind(node, ast.Name(id=argument.arg), None)
                scope = node
            elif isinstance(node, ast.Assign):
                for target in node.targets:
                    bind(scope, target, node.value)
            elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
                bind(scope, node.target, node.value)
            elif isinstance(node, ast.AugAssign | ast.For | ast.AsyncFor | ast.comprehension):
                bind(scope, node.target, None)
            elif isinstance(node, ast.withitem) and node.optional_vars is not None:
                bind(scope, node.optional_vars, None)
            elif isinstance(node, ast.Global | ast.Nonlocal):
                for name in node.names:
                    bind(self.module.program.tree, ast.Name(id=name), None)
            elif isinstance(node, ast.ClassDef):
                scope = node
            for child in ast.iter_child_nodes(node):
                visit(child, scope)

        visit(self.module.program.tree, self.module.program.tree)
        return found

    @cached_property
    def _stored(self) -> set[tuple[str, str]]:
        """Attributes of names that are assigned somewhere, as (owner, name)."""
        return {
            (node.value.id, node.attr)
            for node in self.module.program.nodes
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and isinstance(node.value, ast.Name)
        }

    @cached_property
    def _changed(self) -> set[str]:
        """Names of dicts that are written to after they were made."""
        found = set()
        for node in self.module.program.nodes:
            if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
                root: ast.AST = node
                while isinstance(root, ast.Subscript | ast.Attribute):
                    root = root.value
                if isinstance(root, ast.Name):
                    found.add(root.id)
            elif (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ("update", "pop")
            ) and isinstance(node.func.value, ast.Name):
                found.add(node.func.value.id)
        return found


def _item(literal: ast.Dict | None, key: str) -> ast.expr | None:
    if literal is None:
        return None
    for name, value in zip(literal.keys, literal.values, strict=True):
        if isinstance(name, ast.Constant) and name.value == key:
            return value
    return None
