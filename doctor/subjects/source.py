"""Python programs and notebooks: parsed, never executed."""

import ast
import gc
import json
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from doctor.errors import CannotOpen
from doctor.model import Location, Problem, SubjectSummary

SUFFIXES = (".py", ".ipynb")
MAX_BYTES = 20_000_000
"""Notebooks carry their pictures, so they may be large; a larger file was not written by a person."""
FOREIGN_FOLDERS = {"__pycache__", "node_modules", "site-packages", "dist-packages", "venv", "env", "build", "dist"}
"""Folders whose code is not the user's own; hidden ones are left out too."""
MAX_LENGTH = 70
"""Letters of a place in a sentence."""
TRANSPARENT_MAGICS = ("%%time", "%%timeit", "%%capture", "%%prun", "%%memit")
"""Cell magics under which the cell is still Python."""

_MAGIC_LINE = re.compile(r"^(\s*)(?:%{1,2}[a-zA-Z]|!|\?{1,2}\w|[\w.]+\?{1,2}\s*$)")
_MAGIC_VALUE = re.compile(r"^(\s*[\w.,\s\[\]'\"]+=\s*)[%!].*$")


_LEAVES = (ast.Name, ast.Constant, ast.alias)
_MARKS = (ast.expr_context, ast.operator, ast.unaryop, ast.boolop)


def parts_of(node: ast.AST) -> list[ast.AST]:
    """Return the nodes directly within a node in their order, operators and contexts left out.

    Three times as fast as `ast.iter_child_nodes`, on which most of the time to read code would go: half of all nodes
    hold nothing.
    """
    if isinstance(node, _LEAVES):
        return []
    found: list[ast.AST] = []
    for name in node._fields:
        value = getattr(node, name, None)
        if value.__class__ is list:
            found += [part for part in value if isinstance(part, ast.AST) and not isinstance(part, ast.cmpop)]
        elif isinstance(value, ast.AST) and not isinstance(value, _MARKS):
            found.append(value)
    return found


class Place(Struct, frozen=True, kw_only=True):
    """A line of a file; in a notebook the line of a cell, both counted from 1, as the column is."""

    path: str
    line: int
    cell: int | None = None
    column: int | None = None

    @property
    def location(self) -> Location:
        """The same as a finding says it."""
        return Location(path=self.path, line=self.line, cell=self.cell, character=self.column)

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" if self.cell is None else f"{self.path}, cell {self.cell}, line {self.line}"

    @property
    def short(self) -> str:
        """Where it is, with file and line, and the end of a path that is long."""
        text = str(self)
        return text if len(text) <= MAX_LENGTH else f"…{text[-MAX_LENGTH:]}"


class Program(Struct, frozen=True, kw_only=True, dict=True):
    """One file of code.

    Attributes
    ----------
    shown : str
        Its path as the user would write it.
    inner : tuple of str
        The parts of its path below the scanned folder.
    tree : ast.Module
        All cells of a notebook stand one after the other, with lines counted through.
    cells : tuple of (int, int)
        For each cell that holds code, its number and the lines before it; empty for a plain file.
    """

    path: Path
    shown: str
    inner: tuple[str, ...]
    tree: ast.Module
    cells: tuple[tuple[int, int], ...] = ()

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """All nodes of the tree, outer before inner, without those of operators and contexts."""
        found: list[ast.AST] = [self.tree]
        for node in found:
            found += parts_of(node)
        return tuple(found)

    def place(self, line: int) -> Place:
        """Say where a line of the tree is."""
        before = [(number, first) for number, first in self.cells if first < line]
        if not before:
            return Place(path=self.shown, line=line)
        number, first = before[-1]
        return Place(path=self.shown, line=line - first, cell=number)

    def statement(self, line: int, cell: int | None = None) -> str:
        """Return what stands in a line that `place` told, with the count of its likes above it: `x = f(), 2`."""
        line += dict(self.cells).get(cell, 0) if cell is not None else 0
        found = [node for node in self.nodes if isinstance(node, ast.stmt)]
        found.sort(key=lambda node: (node.lineno, node.col_offset))
        holders = [node for node in found if node.lineno <= line <= (node.end_lineno or node.lineno)]
        if not holders:
            return ""
        before = found[: found.index(holders[-1]) + 1]
        words = [_beginning(node) for node in before if type(node) is type(holders[-1])]
        return f"{words[-1]}, {words.count(words[-1])}"


class Source(Struct, frozen=True, kw_only=True):
    """All programs under the scanned paths."""

    programs: tuple[Program, ...]

    def lasting(self, at: Location) -> Location | None:
        """Name a place so that it stays the same when lines move and when the folder is called by another path.

        Returns
        -------
        Location or None
            For fingerprints only: the path below the scanned folder, and the statement in place of line and cell; of
            another file, such as one of requirements, the path alone. None for what does not lie beside programs.
        """
        if at.path is None or at.line is None:
            return None
        program = next((program for program in self.programs if program.shown == at.path), None)
        if program is None:
            file = Path(at.path)
            roots = (program.path.parents[len(program.inner) - 1] for program in self.programs)
            root = next((root for root in roots if file.is_relative_to(root)), None)
            if root is None:
                return None
            return structs.replace(at, path=file.relative_to(root).as_posix(), line=None, cell=None)
        inner = "/".join(program.inner)
        return structs.replace(at, path=inner, line=None, cell=None, operation=program.statement(at.line, at.cell))

    def summary(self) -> SubjectSummary:
        """Describe it for the report."""
        shown = [program.shown for program in self.programs]
        return SubjectSummary(
            kind="source", path=shown[0] if len(shown) == 1 else os.path.commonpath(shown), files=len(shown)
        )


def _beginning(node: ast.stmt) -> str:
    """Write a statement in one way, however it is laid out; of a compound one its head."""
    text = ast.unparse(node)
    return text.partition("\n")[0] if hasattr(node, "body") else text


def is_source(path: Path) -> bool:
    """Whether a file's name says that it holds Python."""
    return path.suffix.lower() in SUFFIXES


def open_source(paths: Sequence[Path]) -> tuple[Source | None, list[Problem]]:
    """Parse every program and notebook at the paths.

    Returns
    -------
    Source or None
        None where there is no program.
    list of Problem
        One for each file, or cell of a notebook, that cannot be parsed.
    """
    with uncollected():
        return _opened(paths)


@contextmanager
def uncollected() -> Iterator[None]:
    """Let the collector of cycles rest: syntax trees have none, and it would go over all of them again and again.

    It makes 1,000 files take 2.5 s in place of 11.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _opened(paths: Sequence[Path]) -> tuple[Source | None, list[Problem]]:
    programs: dict[Path, Program] = {}
    problems: list[Problem] = []
    for root in paths:
        for file in files_below(root, SUFFIXES):
            inside = file.relative_to(root).parts if file != root else (file.name,)
            try:
                program = _open(file, inside, problems)
            except CannotOpen as error:
                problems.append(Problem(path=str(error.path), reason=error.reason, line=error.line))
                continue
            if program is not None:
                programs.setdefault(file.resolve(), program)
    return (Source(programs=tuple(programs.values())) if programs else None), problems


def files_below(root: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    """Yield the user's own files with one of these suffixes at a path, sorted by folder."""
    if root.is_file():
        if root.suffix.lower() in suffixes:
            yield root
        return
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and name not in FOREIGN_FOLDERS and not (here / name / "pyvenv.cfg").exists()
        )
        for name in sorted(names):
            if not name.startswith(".") and name.lower().endswith(suffixes):
                yield here / name


def _open(path: Path, inner: tuple[str, ...], problems: list[Problem]) -> Program | None:
    try:
        if not path.is_file():
            return None
        if path.stat().st_size > MAX_BYTES:
            raise CannotOpen(path, f"larger than {MAX_BYTES // 1_000_000} MB, too large for a program")
        content = path.read_bytes()
    except OSError as error:
        raise CannotOpen(path, error.strerror or str(error)) from error
    if path.suffix.lower() == ".ipynb":
        return _open_notebook(path, inner, content, problems)
    return Program(path=path, shown=str(path), inner=inner, tree=_parse(path, content))


def _open_notebook(path: Path, inner: tuple[str, ...], content: bytes, problems: list[Problem]) -> Program | None:
    try:
        notebook = json.loads(content.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise CannotOpen(path, f"not a notebook: {error.msg}", line=error.lineno) from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise CannotOpen(path, f"not a notebook: {error}") from error
    if _language(notebook) != "python":
        return None
    body: list[ast.stmt] = []
    cells = []
    lines = 0
    for number, code in _code_cells(path, notebook):
        try:
            tree = _parse_cell(path, code)
        except CannotOpen as error:
            problems.append(Problem(path=f"{path}, cell {number}", reason=error.reason, line=error.line))
            continue
        cells.append((number, lines))
        body += ast.increment_lineno(tree, lines).body
        lines += code.count("\n") + 1
    return Program(
        path=path, shown=str(path), inner=inner, tree=ast.Module(body=body, type_ignores=[]), cells=tuple(cells)
    )


def _language(notebook: Any) -> str:
    metadata = notebook.get("metadata") if isinstance(notebook, dict) else None
    for section, key in (("language_info", "name"), ("kernelspec", "language")):
        part = metadata.get(section) if isinstance(metadata, dict) else None
        if isinstance(part, dict) and isinstance(part.get(key), str):
            return "python" if "python" in part[key].lower() else part[key].lower()
    return "python"


def _code_cells(path: Path, notebook: Any) -> Iterator[tuple[int, str]]:
    """Number all cells from 1, as a reader counts them, and yield those with code (formats 3 and 4)."""
    if not isinstance(notebook, dict):
        raise CannotOpen(path, "not a notebook: no object at the top")
    sheets = notebook.get("worksheets")
    cells = notebook.get("cells")
    if not isinstance(cells, list) and isinstance(sheets, list):
        cells = [cell for sheet in sheets if isinstance(sheet, dict) for cell in sheet.get("cells") or ()]
    if not isinstance(cells, list):
        raise CannotOpen(path, "not a notebook: it has no list of cells")
    for number, cell in enumerate(cells, start=1):
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            code = cell.get("source", cell.get("input", ""))
            yield number, "".join(map(str, code)) if isinstance(code, list) else str(code)


def plain_python(code: str) -> str:
    """Blank out what only a notebook understands, keeping every line where it is."""
    first = code.lstrip().partition("\n")[0]
    if first.startswith("%%"):
        if not first.startswith(TRANSPARENT_MAGICS):
            return ""
        code = code.replace(first, "", 1)
    lines = []
    continued = False
    for line in code.split("\n"):
        value = _MAGIC_VALUE.match(line)
        magic = _MAGIC_LINE.match(line)
        if continued:
            lines.append("")
        elif value:
            lines.append(f"{value[1]}None")
        elif magic:
            lines.append(f"{magic[1]}pass")
        else:
            lines.append(line)
        continued = (continued or bool(value) or bool(magic)) and line.rstrip().endswith("\\")
    return "\n".join(lines)


def _parse_cell(path: Path, code: str) -> ast.Module:
    try:
        return _parse(path, code)
    except CannotOpen:
        # Only now look for magics: a line of plain Python may begin with "%" too, inside brackets or a string.
        return _parse(path, plain_python(code))


def _parse(path: Path, content: bytes | str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            return ast.parse(content)
    except SyntaxError as error:
        raise CannotOpen(path, f"not valid Python: {error.msg}", line=error.lineno) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise CannotOpen(path, f"not valid Python: {error or 'nested too deeply'}") from error
