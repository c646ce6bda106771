"""Files beside the code that say in which environment it runs: requirements, locks, images."""

import os
import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path

from msgspec import Struct

from doctor.subjects.source import Source

MAX_BYTES = 5_000_000
MAX_LEVELS = 3
"""Folders above the scanned one that are looked at where no repository ends the search."""
MAX_INCLUDED = 50
ROOT_MARKS = (".git", ".hg", "doctor.toml")
"""What stands at the root of a project."""
SUBFOLDERS = (
    *("requirements", "reqs", "deps", "docker", "env", "envs", "environment", "environments", "conda", "install"),
    *("setup", "scripts", ".devcontainer", "binder", ".binder", ".github/workflows", "ci", "build"),
)


class Sort(StrEnum):
    """What a record is."""

    REQUIREMENTS = "requirements"
    CONDA = "conda"
    PYPROJECT = "pyproject"
    PIPFILE = "Pipfile"
    LOCK = "lock"
    SETUP = "setup"
    OTHER = "other"
    """An image, a script that installs, and the like: a record, but none that can be read line by line."""


_NAMES = (
    (Sort.LOCK, r"(poetry|uv|pdm|pixi)\.lock|Pipfile\.lock|pylock(\.\w+)?\.toml|conda-lock.*\.ya?ml|.*\.conda\.lock"),
    (Sort.LOCK, r"(.*[-_.])?(lock|locked|frozen|freeze|hashes)([-_.].*)?\.txt|requirements.*\.lock|explicit.*\.txt"),
    (Sort.REQUIREMENTS, r"(.*[-_.])?(requirements?|reqs?|constraints?|deps|dependencies)([-_.\d].*)?\.txt"),
    (Sort.CONDA, r"(.*[-_.])?(environment|env|conda|mamba|micromamba)([-_.].*)?\.ya?ml"),
    (Sort.PYPROJECT, r"pyproject\.toml"),
    (Sort.PIPFILE, r"Pipfile"),
    (Sort.SETUP, r"setup\.(py|cfg)"),
    (
        Sort.OTHER,
        r"(.*[-_.])?(dockerfile|containerfile)([-_.].*)?|.*\.def|singularity.*|(flake|shell|default)\.nix"
        r"|requirements.*\.in|pixi\.toml|cog\.yaml|mlproject|python_env\.ya?ml|devcontainer\.json|tox\.ini|wandb-.*\.txt",
    ),
)
_PATTERNS = tuple((sort, re.compile(pattern, re.IGNORECASE)) for sort, pattern in _NAMES)
_SCRIPT = re.compile(r".*\.(sh|bash|ya?ml|slurm|sbatch)|makefile|justfile", re.IGNORECASE)
_INSTALLS = re.compile(
    r"\b(pip3?|conda|mamba|micromamba|uv pip|poetry)\s+(install|add|env create|create)\b|\buv (sync|add)\b"
)
_INLINE = re.compile(r"^# /// script\s*$", re.MULTILINE)
_INCLUDE = re.compile(r"^\s*(?:-r|-c|--requirement|--constraint)[ =]\s*([^\s#]+)", re.MULTILINE)
_ENTRY_BYTES = 20_000


class Record(Struct, frozen=True, kw_only=True):
    """One such file, with its text.

    Attributes
    ----------
    shown : str
        Its path as the user would write it.
    folder : Path
        The folder that it speaks for, absolute.
    missing : tuple of (int, str)
        Files that it includes by their line and name, and that are not there.
    """

    sort: Sort
    path: Path
    shown: str
    folder: Path
    text: str
    missing: tuple[tuple[int, str], ...] = ()


class Records(Struct, frozen=True, kw_only=True):
    """All of them around the scanned code.

    Attributes
    ----------
    inline : frozenset of Path
        Programs that name their requirements in themselves (PEP 723).
    """

    records: tuple[Record, ...]
    inline: frozenset[Path] = frozenset()

    def chain(self, program: Path) -> list[Record]:
        """Return the records that speak for a program, the nearest folder first."""
        folders = program.absolute().parents
        return sorted(
            (record for record in self.records if record.folder in folders),
            key=lambda record: -len(record.folder.parts),
        )


def open_records(source: Source) -> Records:
    """Look in the folder of each program and in those above it, up to the root of the repository."""
    folders: dict[Path, Path] = {}
    for program in source.programs:
        for folder, shown in _upwards(program.path.parent):
            folders.setdefault(folder, shown)
    found: dict[Path, Record] = {}
    for folder, shown in folders.items():
        for path, name in _candidates(folder, shown):
            if path not in found and (record := _record(path, name, folder)):
                _include(record, found)
    inline = frozenset(program.path for program in source.programs if _is_inline(program.path))
    return Records(records=tuple(found.values()), inline=inline)


def _upwards(start: Path) -> Iterator[tuple[Path, Path]]:
    """Yield a folder and those above it, up to the root of its project, with how they are shown."""
    whole = start.absolute()
    levels = [(whole, start)]
    levels += [(above, start / Path(*[".."] * (at + 1))) for at, above in enumerate(whole.parents)]
    marked = next((at for at, (folder, _) in enumerate(levels) if _is_root(folder)), None)
    home = Path(os.path.expanduser("~"))  # noqa: PTH111  # Path.home() fails where the user is not known
    for at, (folder, shown) in enumerate(levels[: marked + 1 if marked is not None else MAX_LEVELS + 1]):
        if at and folder in (home, *home.parents):
            return
        yield folder, Path(os.path.normpath(shown)) if start.is_absolute() else shown


def _is_root(folder: Path) -> bool:
    return any((folder / mark).exists() for mark in ROOT_MARKS)


def _candidates(folder: Path, shown: Path) -> Iterator[tuple[Path, Path]]:
    for inner in ("", *SUBFOLDERS):
        try:
            names = sorted(entry.name for entry in os.scandir(folder / inner) if entry.is_file())
        except OSError:
            continue
        yield from ((folder / inner / name, shown / inner / name) for name in names)


def _record(path: Path, shown: Path, folder: Path) -> Record | None:
    sort = next((sort for sort, pattern in _PATTERNS if pattern.fullmatch(path.name)), None)
    if sort is None and path.parent.name in ("requirements", "reqs") and path.suffix == ".txt":
        sort = Sort.REQUIREMENTS
    script = sort is None and _SCRIPT.fullmatch(path.name) is not None
    if sort is None and not script:
        return None
    text = _text(path)
    if text is None or (script and not _INSTALLS.search(text)):
        return None
    return Record(sort=sort or Sort.OTHER, path=path, shown=os.path.normpath(shown), folder=folder, text=text)


def _include(record: Record, found: dict[Path, Record]) -> None:
    """Take a record, and what it includes by `-r` and `-c`."""
    missing = []
    names: Iterable[re.Match[str]] = _INCLUDE.finditer(record.text) if record.sort is Sort.REQUIREMENTS else ()
    found[record.path] = record
    for match in names:
        name = match[1]
        path = Path(os.path.normpath(record.path.parent / name))
        if path in found or len(found) > MAX_INCLUDED or "://" in name:
            continue
        text = _text(path)
        if text is None:
            missing.append((record.text.count("\n", 0, match.start(1)) + 1, name))
            continue
        shown = os.path.normpath(Path(record.shown).parent / name)
        _include(Record(sort=record.sort, path=path, shown=shown, folder=record.folder, text=text), found)
    if missing:
        found[record.path] = Record(
            sort=record.sort,
            path=record.path,
            shown=record.shown,
            folder=record.folder,
            text=record.text,
            missing=tuple(missing),
        )


def _text(path: Path) -> str | None:
    """Read a small text file, in whatever encoding; None where there is none."""
    try:
        if not path.is_file() or path.stat().st_size > MAX_BYTES:
            return None
        content = path.read_bytes()
    except OSError:
        return None
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):  # as PowerShell writes what pip freeze says
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _is_inline(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            return _INLINE.search(stream.read(_ENTRY_BYTES)) is not None
    except OSError:
        return False
