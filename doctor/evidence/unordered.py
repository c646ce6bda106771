"""Where the order of rows comes from something that has no order: a set, a folder's listing, a string's hash."""

import ast
import re

from doctor.evidence.project import Module, is_function, words
from doctor.evidence.walkthrough import Step

_LISTINGS = ("os.listdir", "os.scandir", "glob.glob", "glob.iglob")
_PATH_LISTINGS = ("glob", "rglob", "iterdir")
_KEEPS_ORDER = {"list", "tuple", "zip", "map", "filter", "tqdm", "array", "asarray", "Index", "Series"}
_ORDERED_USE = {
    "shuffle",
    "sample",
    "choice",
    "choices",
    "permutation",
    "train_test_split",
    "random_split",
    "concat",
    "concatenate",
    "stack",
    "vstack",
    "array_split",
    "from_tensor_slices",
    "from_list",
    "from_dict",
    "enumerate",
}


def source_of_disorder(step: Step) -> str | None:
    """Say why the order that a call's result has will be another one elsewhere or tomorrow, where rows follow it.

    Returns
    -------
    str or None
        "set", "listing" or "hash"; None where the order is fixed, restored by sorting, or of no consequence.
    """
    module = step.frame.module
    call = step.call
    if step.name == "hash" and "hash" not in module.definitions:
        return "hash" if _divides_rows(step) else None
    if step.name in ("list", "tuple", "enumerate") and call.args and _is_set(call.args[0], step):
        if step.name == "enumerate":
            return "set" if _numbers_rows(call, module) else None
        return _if_matters("set", step)
    listed = step.name in _LISTINGS or (
        "::" in step.name
        and step.name.rpartition("::")[2] in _PATH_LISTINGS
        and (step.name.startswith("pathlib") or "pathlib" in module.roots)
    )
    return _if_matters("listing", step) if listed else None


def _if_matters(kind: str, step: Step) -> str | None:
    return kind if _matters(step.call, step.frame.module, 3) else None


def _divides_rows(step: Step) -> bool:
    if any(name in ("__hash__", "__eq__") for name in step.frame.functions) or not step.call.args:
        return False
    if isinstance(step.call.args[0], (ast.Tuple, ast.Constant)) and not any(words(step.call.args[0])):
        return False
    for outer in step.frame.module.enclosing(step.call):
        if isinstance(outer, ast.BinOp) and isinstance(outer.op, (ast.Mod, ast.BitAnd)):
            return True
        if isinstance(outer, ast.stmt):
            return False
    return False


def _is_set(node: ast.expr, step: Step, hops: int = 3) -> bool:
    """Whether it is a set whose elements may be strings, the ones whose order changes from run to run."""
    if isinstance(node, ast.Set):
        return not all(isinstance(item, ast.Constant) and isinstance(item.value, (int, float)) for item in node.elts)
    if isinstance(node, ast.SetComp):
        return not _is_number(node.elt)
    if isinstance(node, ast.BinOp):
        return _is_set(node.left, step, hops) or _is_set(node.right, step, hops)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("set", "frozenset"):
        return bool(node.args) and not _is_number(node.args[0])
    if isinstance(node, ast.Name) and hops:
        scope = step.frame.scope
        given = [
            part.value
            for part in ast.walk(scope)
            if isinstance(part, ast.Assign)
            and any(isinstance(target, ast.Name) and target.id == node.id for target in part.targets)
        ]
        return bool(given) and all(_is_set(value, step, hops - 1) for value in given)
    return False


_NUMBER = re.compile(r"range|int|float|len|round|arange|randint|tolist|indices|idx|ids?|index|\w+_(ids?|idx|indices)")


def _is_number(node: ast.expr) -> bool:
    """Whether a value, or what it holds, is surely or by its name a number: numbers keep their place in a set."""
    return any(_NUMBER.fullmatch(word) for word in words(node))


def _name_of(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _matters(node: ast.expr, module: Module, hops: int) -> bool:
    inner: ast.AST = node
    for outer in module.enclosing(node):
        if isinstance(outer, ast.Call) and inner is not outer.func:
            name = _name_of(outer)
            if name in _ORDERED_USE:
                return name != "enumerate" or _numbers_rows(outer, module)
            if name not in _KEEPS_ORDER:
                return False
        elif isinstance(outer, ast.Attribute):
            return outer.attr == "index"
        elif isinstance(outer, ast.Subscript):
            return inner is outer.value and not isinstance(outer.slice, (ast.Constant, ast.UnaryOp))
        elif isinstance(outer, (ast.Compare, ast.DictComp, ast.SetComp, ast.BoolOp, ast.IfExp)):
            return False
        elif isinstance(outer, (ast.For, ast.AsyncFor)):
            return inner is outer.iter and _collects(outer, module)
        elif isinstance(outer, ast.Assign):
            return bool(hops) and any(_used_in_order(target, outer, module, hops - 1) for target in outer.targets)
        elif isinstance(outer, ast.stmt):
            return False
        inner = outer
    return False


def _numbers_rows(enumerate_call: ast.Call, module: Module) -> bool:
    """Whether numbers are given out in this order: `{word: i for i, word in enumerate(set(words))}`."""
    outer = next(iter(module.enclosing(enumerate_call)), None)
    if isinstance(outer, ast.comprehension):
        return True
    return isinstance(outer, ast.For) and any(
        isinstance(part, ast.Assign) and any(isinstance(target, ast.Subscript) for target in part.targets)
        for part in ast.walk(outer)
    )


def _collects(loop: ast.For | ast.AsyncFor, module: Module) -> bool:
    lists = set()
    for part in ast.walk(loop):
        if (
            isinstance(part, ast.Call)
            and isinstance(part.func, ast.Attribute)
            and part.func.attr in ("append", "extend")
        ):
            lists.add(ast.unparse(part.func.value))
        elif isinstance(part, ast.AugAssign) and isinstance(part.value, ast.List):
            lists.add(ast.unparse(part.target))
    scope = _scope(loop, module)
    return any(not _sorted_in(name, scope) and _indexed_in(name, scope, module) for name in lists)


def _scope(node: ast.AST, module: Module, *, whole_class: bool = False) -> ast.AST:
    for outer in module.enclosing(node):
        if (is_function(outer) and not whole_class) or isinstance(outer, (ast.ClassDef, ast.Module)):
            return outer
    return module.program.tree


def _sorted_in(name: str, scope: ast.AST) -> bool:
    for part in ast.walk(scope):
        if isinstance(part, ast.Call):
            if (
                isinstance(part.func, ast.Attribute)
                and part.func.attr == "sort"
                and ast.unparse(part.func.value) == name
            ):
                return True
            if _name_of(part) in ("sorted", "natsorted", "argsort") and any(
                name in (ast.unparse(inner) for inner in ast.walk(argument) if isinstance(inner, ast.expr))
                for argument in part.args
            ):
                return True
    return False


def _indexed_in(name: str, scope: ast.AST, module: Module) -> bool:
    """Whether rows are later taken from a list by position, or it is cut or shuffled."""
    uses = [
        part
        for part in ast.walk(scope)
        if isinstance(part, (ast.Name, ast.Attribute)) and isinstance(part.ctx, ast.Load)
    ]
    return any(ast.unparse(use) == name and _matters(use, module, 0) for use in uses)


def _used_in_order(target: ast.expr, at: ast.AST, module: Module, hops: int) -> bool:
    if not isinstance(target, (ast.Name, ast.Attribute)):
        return False
    name = ast.unparse(target)
    scope = _scope(at, module, whole_class=isinstance(target, ast.Attribute))
    if _sorted_in(name, scope):
        return False
    uses = [
        part
        for part in ast.walk(scope)
        if isinstance(part, type(target)) and isinstance(part.ctx, ast.Load) and ast.unparse(part) == name
    ]
    return any(_matters(use, module, hops) for use in uses)
