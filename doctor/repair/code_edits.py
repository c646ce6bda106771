"""Edits of programs and notebooks that keep how they are written: by LibCST, at the places that findings name."""

import ast
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from doctor.model import CodeChange
from doctor.repair.code_transform import Impossible, transformed
from doctor.repair.state import Refused
from doctor.subjects.source import plain_python

_HIDDEN = "pass  # doctor: line {}"


def edited(path: Path, changes: Sequence[CodeChange]) -> str:
    """Return the text of a file with changes made.

    Parameters
    ----------
    path : Path
        A program or a notebook; only read.
    changes : sequence of CodeChange
        Places are those of the file as it is, however many changes there are.

    Raises
    ------
    Refused
        When one of them cannot be made, or what comes out is no Python.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{path.name} cannot be read as UTF-8: {error}") from error
    if path.suffix.lower() == ".ipynb":
        return _edited_notebook(path, text, changes)
    return edited_code(text, changes, path.name)


def edited_code(text: str, changes: Sequence[CodeChange], name: str) -> str:
    """Return a program with changes made.

    Raises
    ------
    Refused
        As in `edited`.
    """
    try:
        result = transformed(text, changes)
    except Impossible as error:
        raise Refused(f"{name}: {error}") from error
    except RecursionError as error:
        raise Refused(f"{name}: nested too deeply to be edited") from error
    try:
        ast.parse(result)
    except SyntaxError as error:
        raise Refused(f"{name}: it would be no Python any more ({error.msg})") from error
    return result


def _edited_notebook(path: Path, text: str, changes: Sequence[CodeChange]) -> str:
    """Edit cells; all else of the notebook stays as it is, its indentation too."""
    try:
        notebook = json.loads(text)
        cells = notebook["cells"]
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(f"{path.name}: only notebooks of format 4 can be edited") from error
    for number in sorted({change.cell for change in changes if change.cell is not None}):
        cell = cells[number - 1]
        code = cell["source"]
        whole = "".join(code) if isinstance(code, list) else code
        own = [change for change in changes if change.cell == number]
        new = _edited_cell(whole, own, f"{path.name}, cell {number}")
        cell["source"] = new.splitlines(keepends=True) if isinstance(code, list) else new
    found = re.match(r"\{\r?\n([ \t]+)", text)
    indent = found[1] if found else None
    ascii_only = text.isascii()
    written = json.dumps(notebook, indent=indent, ensure_ascii=ascii_only)
    return written + text[len(text.rstrip()) :]


def _edited_cell(code: str, changes: Sequence[CodeChange], name: str) -> str:
    """Edit a cell whose magics are put aside meanwhile."""
    lines = code.split("\n")
    plain = plain_python(code).split("\n") if _has_magics(code) else lines
    aside = {number for number, (one, other) in enumerate(zip(lines, plain, strict=True)) if one != other}
    hidden = [
        f"{line[: len(line) - len(line.lstrip())]}{_HIDDEN.format(number)}" if number in aside else line
        for number, line in enumerate(lines)
    ]
    result = edited_code("\n".join(hidden), changes, name)
    return "\n".join(_brought_back(result, lines))


def _has_magics(code: str) -> bool:
    try:
        ast.parse(code)
    except SyntaxError:
        return True
    return False


def _brought_back(code: str, lines: Sequence[str]) -> Iterator[str]:
    for line in code.split("\n"):
        found = re.match(r"(\s*)pass  # doctor: line (\d+)$", line)
        yield f"{found[1]}{lines[int(found[2])].lstrip()}" if found else line
