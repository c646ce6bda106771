"""Where a user's command is run again: in a copy of its folder, so that what it writes there overwrites nothing."""

import ast
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from doctor.errors import DoctorError

MAX_FILES = 5000
MAX_BYTES = 256_000_000
LEFT_OUT = frozenset((".git", ".hg", ".doctor", "__pycache__", ".venv", "venv", "node_modules", ".pytest_cache"))
"""Folders that no training reads, or only through its interpreter."""


class CannotCopy(DoctorError):
    """A folder is too large to be copied for each run, or its code cannot be edited."""


@dataclass(frozen=True, kw_only=True)
class Insertion:
    """A line of code put before another one.

    Attributes
    ----------
    path : Path
        The file.
    line : int
        From 1; the new line comes before it, as deep as it.
    code : str
    """

    path: Path
    line: int
    code: str


@dataclass(frozen=True, kw_only=True)
class Workplace:
    """The folder that a command lives in.

    Attributes
    ----------
    words : tuple of str
        The command.
    script : Path or None
        The Python file that it names; None for `-m module` and for other programs.
    folder : Path
        What is copied: the working directory where that holds the script, else the script's own folder.
    cwd : Path
        Where the command is run.
    """

    words: tuple[str, ...]
    script: Path | None
    folder: Path
    cwd: Path

    @classmethod
    def of(cls, words: Sequence[str], cwd: Path) -> "Workplace":
        """Find the script of a command."""
        found = next((cwd / word for word in words if word.endswith(".py") and (cwd / word).is_file()), None)
        script = found.absolute() if found else None
        folder = script.parent if script and not script.is_relative_to(cwd) else cwd
        return cls(words=tuple(words), script=script, folder=folder, cwd=cwd)

    @property
    def source(self) -> str:
        """The script's text; empty where there is none that can be read."""
        try:
            return self.script.read_text("utf-8") if self.script else ""
        except (OSError, ValueError):
            return ""

    def files(self) -> list[Path]:
        """Return what has to be copied, links and files, relative to the folder.

        Raises
        ------
        CannotCopy
            Where that is too much.
        """
        found, size = [], 0
        for path, status in _walk(self.folder):
            size += status.st_size if stat.S_ISREG(status.st_mode) else 0
            found.append(path.relative_to(self.folder))
            if len(found) > MAX_FILES or size > MAX_BYTES:
                raise CannotCopy(
                    f"{self.folder}: more than {MAX_FILES} files or {MAX_BYTES // 10**6} MB, too much to copy for a run"
                )
        return sorted(found)

    def copy(self, target: Path, insertion: Insertion | None = None) -> "Workplace":
        """Copy the folder, links as links, and put a line of code in; nothing of the original is executed.

        Raises
        ------
        CannotCopy
            Where the folder is too large, or the edited file is not Python any more.
        """
        files = self.files()
        target.mkdir(parents=True)
        for name in files:
            place = target / name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(self.folder / name, place, follow_symlinks=False)
        if insertion is not None:
            self._insert(target, insertion)
        return Workplace(
            words=tuple(self._moved(word, target) for word in self.words),
            script=target / self.script.relative_to(self.folder) if self.script else None,
            folder=target,
            cwd=target / self.cwd.relative_to(self.folder) if self.cwd.is_relative_to(self.folder) else self.cwd,
        )

    def _moved(self, word: str, target: Path) -> str:
        """Let a word that names a file of the folder name its copy; an interpreter stays where it is."""
        option, equals, value = word.partition("=") if word.startswith("-") else ("", "", word)
        path = Path(os.path.normpath(self.cwd / value)) if value else self.cwd
        named = Path(value).is_absolute() or not self.cwd.is_relative_to(self.folder)
        if (
            not value
            or not named
            or not path.is_relative_to(self.folder)
            or not (target / path.relative_to(self.folder)).exists()
        ):
            return word
        return f"{option}{equals}{target / path.relative_to(self.folder)}"

    def _insert(self, target: Path, insertion: Insertion) -> None:
        path = insertion.path if insertion.path.is_absolute() else self.cwd / insertion.path
        if not path.is_relative_to(self.folder) or not (target / path.relative_to(self.folder)).is_file():
            raise CannotCopy(f"{path}: not in the folder that is copied, {self.folder}")
        place = target / path.relative_to(self.folder)
        edited = inserted(place.read_text("utf-8"), insertion.line, insertion.code, path)
        if place.is_symlink():
            place.unlink()
        place.write_text(edited, "utf-8")


def inserted(source: str, line: int, code: str, path: Path) -> str:
    """Return a Python source with code put before a line, as deep as that line.

    Raises
    ------
    CannotCopy
        Where there is no such line, or what comes out is not Python.
    """
    lines = source.splitlines(keepends=True)
    if not 1 <= line <= len(lines):
        raise CannotCopy(f"{path}:{line}: the file has {len(lines)} lines; it has changed since the run")
    statement = _statement_at(source, line, path)
    old = lines[statement - 1]
    indent = old[: len(old) - len(old.lstrip())]
    ending = "\r\n" if old.endswith("\r\n") else "\n"
    new = [f"{indent}{part}{ending}" for part in code.splitlines()]
    edited = "".join([*lines[: statement - 1], *new, *lines[statement - 1 :]])
    _parsed(edited, path)
    return edited


def _statement_at(source: str, line: int, path: Path) -> int:
    """Return the first line of the innermost statement that covers a line."""
    spans = [
        (node.lineno, node.end_lineno or node.lineno)
        for node in ast.walk(_parsed(source, path))
        if isinstance(node, ast.stmt)
    ]
    covering = [begin for begin, end in spans if begin <= line <= end]
    return max(covering, default=line)


def _parsed(source: str, path: Path) -> ast.Module:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise CannotCopy(f"{path}: with the edit it is not Python: {error}") from error


def _walk(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for parent, folders, names in os.walk(folder):
        links = [name for name in folders if (Path(parent) / name).is_symlink()]
        folders[:] = [name for name in folders if name not in LEFT_OUT and name not in links]
        for name in (*names, *links):
            path = Path(parent) / name
            status = path.lstat()
            if stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode):
                yield path, status
