"""Walks folders once, and tells images from what lies beside them."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from doctor.model import Problem
from doctor.subjects.file_names import NO_FILE
from doctor.subjects.images import SUFFIXES
from doctor.subjects.source import FOREIGN_FOLDERS
from doctor.subjects.source import SUFFIXES as PROGRAMS

MAX_DEPTH = 64
"""No person nests folders deeper."""
IGNORED_FOLDERS = {*FOREIGN_FOLDERS, "__MACOSX"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Folder:
    """A folder, or what several paths have in common.

    Attributes
    ----------
    inner : str
        Its path below what was scanned, with `/`; empty for that itself.
    images, others : tuple of str
        The names of the files that lie directly in it, sorted.
    folders : tuple of Folder
        Sorted by name.
    total : int
        Images in it and below.
    """

    path: Path
    inner: str
    images: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    folders: tuple["Folder", ...] = ()
    total: int = 0

    @property
    def name(self) -> str:
        """Its own name."""
        return self.inner.rpartition("/")[2] or self.path.name

    @property
    def filled(self) -> tuple["Folder", ...]:
        """The folders in it that have images."""
        return tuple(folder for folder in self.folders if folder.total)

    @property
    def has_code(self) -> bool:
        """Whether a program lies directly in it."""
        return any(name.lower().endswith(PROGRAMS) for name in self.others)

    def below(self) -> Iterator["Folder"]:
        """Yield this folder and all in it."""
        yield self
        for folder in self.folders:
            yield from folder.below()

    def without(self, dropped: Sequence["Folder"]) -> "Folder":
        """Return it as if some of the folders directly in it were not there."""
        kept = tuple(folder for folder in self.folders if folder not in dropped)
        return made(self.path, self.inner, self.images, self.others, kept)


def made(
    path: Path, inner: str, images: Sequence[str], others: Sequence[str], folders: Sequence[Folder] = ()
) -> Folder:
    """Put a folder together."""
    total = len(images) + sum(folder.total for folder in folders)
    return Folder(
        path=path, inner=inner, images=tuple(images), others=tuple(others), folders=tuple(folders), total=total
    )


def is_image(name: str) -> bool:
    """Whether a file's name says that it is an image."""
    return name[name.rfind(".") :].lower() in SUFFIXES


@dataclass
class Walk:
    """A walk over one folder; a linked folder is entered once, and only where it lies elsewhere.

    Attributes
    ----------
    apart : frozenset of str
        Real paths of folders that are something else.
    problems : list of Problem
        What cannot be looked into.
    """

    top: str
    apart: frozenset[str] = frozenset()
    problems: list[Problem] = field(default_factory=list)
    entered: set[tuple[int, int]] = field(default_factory=set)

    def folder(self, path: Path, inner: str = "", depth: int = 0) -> Folder:
        """Look at a folder and all below it."""
        if depth > MAX_DEPTH:
            self.problems.append(Problem(path=str(path), reason=f"folders nested more than {MAX_DEPTH} deep"))
            return made(path, inner, (), ())
        images: list[str] = []
        others: list[str] = []
        inside: list[Folder] = []
        for entry in self._entries(path):
            if entry.name.startswith("."):
                continue
            if self.apart and os.path.realpath(entry.path) in self.apart:
                continue
            if self._is_folder(entry):
                if entry.name not in IGNORED_FOLDERS and not (path / entry.name / "pyvenv.cfg").exists():
                    below = f"{inner}/{entry.name}" if inner else entry.name
                    inside.append(self.folder(path / entry.name, below, depth + 1))
            elif is_image(entry.name):
                # A link that leads nowhere stays in, for whoever reads it to say so.
                if entry.is_symlink() or entry.is_file():
                    images.append(entry.name)
                else:
                    self.problems.append(Problem(path=entry.path, reason=NO_FILE))
            elif entry.is_symlink() or entry.is_file():
                others.append(entry.name)
        return made(path, inner, images, others, inside)

    def _entries(self, path: Path) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(path) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            self.problems.append(Problem(path=str(path), reason=error.strerror or str(error)))
            return []

    def _is_folder(self, entry: os.DirEntry[str]) -> bool:
        try:
            if not entry.is_dir():
                return False
            if not entry.is_symlink():
                return True
            real = os.path.realpath(entry.path)
            seen = entry.stat()
        except OSError:
            return False
        if real == self.top or real.startswith(self.top + os.sep) or (self.top + os.sep).startswith(real + os.sep):
            return False
        known = (seen.st_dev, seen.st_ino) in self.entered
        self.entered.add((seen.st_dev, seen.st_ino))
        return not known


def walk(paths: Sequence[Path], apart: Sequence[Path] = ()) -> tuple[Folder, list[Problem]]:
    """Look at what lies at paths.

    Parameters
    ----------
    paths : sequence of Path
        A folder alone is the top; several paths lie in one that is made up, under their own names.
    apart : sequence of Path
        Folders that are something else.

    Returns
    -------
    Folder
        All of it.
    list of Problem
        Folders that cannot be looked into.
    """
    problems: list[Problem] = []
    elsewhere = frozenset(map(os.path.realpath, apart))
    if len(paths) == 1 and paths[0].is_dir():
        own = Walk(os.path.realpath(paths[0]), elsewhere)
        return own.folder(paths[0]), own.problems
    inside = []
    for path in paths:
        if path.is_dir():
            one = Walk(os.path.realpath(path), elsewhere)
            inside.append(one.folder(path, path.name or path.resolve().name))
            problems += one.problems
    return made(Path(), "", (), (), inside), problems
