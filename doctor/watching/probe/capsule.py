"""Packs the step that made a NaN into a folder, from which one command runs it again.

The folder holds the variables that the step's code uses, pickled by its own user for its own user: weights before the
update, the batch, the state of the generator. What cannot be pickled is left out and named.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import io
import linecache
import os
import pickle
import shutil
import sys
import types
from typing import Any

import torch

from .capsule_packing import MAX_BYTES, Absent, save, size_of
from .replay_frames import Piece
from .replay_hunt import Hunt

STATE = "state.pt"
_SIMPLE = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_README = """The step that made a NaN, packed to be run again:

    python %(folder)s/reproduce.py

prints the origin that the run's own replay found. %(state)s is a pickle: load it only where you trust its sender.
"""
_REPRODUCE = '''"""Runs the packed step again and prints where its NaN comes from."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from %(package)s import capsule  # the same code as in the run

sys.exit(capsule.reproduce(HERE))
'''


def write(folder: str, piece: Piece, hunt: Hunt, found: dict[str, Any], paths: list[str]) -> dict[str, Any]:
    """Write the capsule.

    Parameters
    ----------
    folder : str
        Is made; must not exist.
    found : dict
        The origin, to compare with.
    paths : list of str
        Where the run's Python looks for modules.

    Returns
    -------
    dict
        "folder", "bytes" and "left_out", a reason by name.
    """
    piece = _without_trainer(piece)
    os.mkdir(folder)
    left_out: dict[str, str] = {}
    outside = _needed(piece)
    kept: dict[str, dict[str, Any]] = {"values": {}, "outside": {}}
    left = MAX_BYTES
    for kind, values in (("values", piece.values), ("outside", piece.outside)):
        for name in sorted(values.keys() & (outside if kind == "outside" else piece.names())):
            value = values[name]
            if kind == "outside" and _is_defined(name, value):
                continue
            size = size_of(value, left)
            if isinstance(size, str):
                left_out[name] = size
                kept[kind][name] = Absent(name)
            else:
                left -= size
                kept[kind][name] = value
    main = sys.modules["__main__"]
    source = getattr(main, "__file__", None)
    state = {
        "piece": {"path": piece.path, "function": piece.function, "first": piece.first, "code": piece.statements},
        "kept": kept,
        "rng": hunt.rng,
        "where": hunt.where,
        "batch": hunt.batch,
        "parameters": hunt.parameters,
        "found": found,
        "left_out": left_out,
        "optimizers": sorted({type(one).__name__ for one in _optimizers(piece)}),
    }
    about = {
        "main": source,
        "source": "".join(linecache.getlines(source)) if source else "",
        "paths": paths,
        "in_main": piece.outside.get("__name__") == "__main__",
        "module": piece.outside.get("__name__"),
    }
    path = os.path.join(folder, STATE)
    with open(path, "wb") as file:
        pickle.dump(about, file)
        save(state, file)
    _copy_finder(folder)
    return {"folder": folder, "bytes": os.path.getsize(path), "left_out": left_out}


_LIGHTNING = """
result = module.training_step(*arguments)
loss = result["loss"] if isinstance(result, dict) else result
loss.backward()
"""


def _without_trainer(piece: Piece) -> Piece:
    """Return a piece that calls Lightning's module itself, where the piece is Lightning's closure around it."""
    step = getattr(piece.values.get("self"), "_step_fn", None)
    trainer = getattr(getattr(getattr(step, "func", None), "__self__", None), "trainer", None)
    module = getattr(trainer, "lightning_module", None)
    given: Any = getattr(step, "args", ())
    if module is None or len(given) != 1 or not isinstance(given[0], dict):
        return piece
    return Piece(
        path=piece.path,
        function="training_step",
        first=None,
        statements=ast.parse(_LIGHTNING).body,
        values={"module": module, "arguments": list(given[0].values())},
        outside={"__name__": "__main__"},
    )


def _copy_finder(folder: str) -> None:
    package = str(__package__)
    if "." not in package:
        here = os.path.dirname(os.path.abspath(__file__))
        home = os.path.join(folder, package)
        os.mkdir(home)
        for name in os.listdir(here):
            if name.startswith(("origin", "replay_", "capsule")) and name.endswith(".py"):
                shutil.copyfile(os.path.join(here, name), os.path.join(home, name))
        with open(os.path.join(home, "__init__.py"), "w", encoding="utf-8"):
            pass
    with open(os.path.join(folder, "reproduce.py"), "w", encoding="utf-8") as file:
        file.write(_REPRODUCE % {"package": package})
    with open(os.path.join(folder, "README.txt"), "w", encoding="utf-8") as file:
        file.write(_README % {"folder": folder, "state": STATE})


def _needed(piece: Piece) -> set[str]:
    """Return the global names that the code needs, also through the functions and classes of its own file."""
    try:
        tree = ast.parse("".join(linecache.getlines(piece.path, piece.outside)))
    except SyntaxError:
        return piece.names()
    defined = {node.name: node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    needed: set[str] = set()
    waiting = list(piece.names()) + list(defined)
    while waiting:
        name = waiting.pop()
        if name in needed:
            continue
        needed.add(name)
        if name in defined:
            waiting += [node.id for node in ast.walk(defined[name]) if isinstance(node, ast.Name)]
    return needed


def _is_defined(name: str, value: Any) -> bool:
    """Whether importing or defining gives a global again under its name."""
    return isinstance(value, (type, types.FunctionType)) and getattr(value, "__qualname__", "") == name


def _optimizers(piece: Piece) -> list[Any]:
    known = [*piece.values.values(), *piece.outside.values()]
    return [one for one in known if isinstance(one, torch.optim.Optimizer)]


def reproduce(folder: str) -> int:
    """Run the packed step again, print its origin, and return 0 where it is the one that the run found."""
    with open(os.path.join(folder, STATE), "rb") as file:
        about = pickle.load(file)  # noqa: S301  # the user's own file, on the user's own command
        sys.path[1:1] = [path for path in about["paths"] if path not in sys.path]
        main = sys.modules["__main__"]
        define(about["source"], about["main"] or "", vars(main))
        state = torch.load(io.BytesIO(file.read()), weights_only=False)
    outside = vars(main) if about["in_main"] else vars(__import__(about["module"], None, None, ["*"]))
    outside.update(state["kept"]["outside"])
    known = state["piece"]
    piece = Piece(
        path=known["path"],
        function=known["function"],
        first=known["first"],
        statements=known["code"],
        values=state["kept"]["values"],
        outside=outside,
    )
    hunt = Hunt(state["where"], state["rng"], state["batch"], state["parameters"])
    hunt.prepare()
    found = hunt.search(iter([piece]), 3600.0)
    same = all(found.get(key) == state["found"].get(key) for key in ("operation", "path", "line", "where", "fault"))
    builtins.print(told(found))
    if not same and state["left_out"]:
        builtins.print("what could not be packed: %s" % state["left_out"])
    builtins.print("the same origin as in the run" if same else "in the run it was: " + told(state["found"]))
    return 0 if same else 1


def told(found: dict[str, Any]) -> str:
    """Return an origin as one line."""
    if "failed" in found:
        return "the step could not be run again: %s" % found["failed"]
    if found["fault"] == "differs":
        return "the loss is finite"
    name = found.get("parameter") or found.get("variable")
    if name:
        return "%s was not finite before the step (%s)" % (name, found["fault"])
    sample = "" if found.get("sample") is None else ", sample %d of the batch" % found["sample"]
    return "%s (%s) at %s:%s, module %s, %s%s: %s" % (
        found["operation"],
        found["fault"],
        found["path"],
        found["line"],
        found.get("module") or "none",
        found["where"],
        sample,
        found["code"],
    )


def define(source: str, path: str, space: dict[str, Any]) -> None:
    """Run the imports and definitions of a script, and the assignments of plain values, nothing else of it."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return
    for statement in tree.body:
        plain = isinstance(statement, (ast.Assign, ast.AnnAssign)) and not any(
            isinstance(node, (ast.Call, ast.Await)) for node in ast.walk(statement)
        )
        if isinstance(statement, _SIMPLE) or plain:
            code = compile(ast.Module(body=[statement], type_ignores=[]), path, "exec")
            with contextlib.suppress(Exception):  # what it needs was packed, or is not needed
                exec(code, space)  # noqa: S102  # the user's own code
