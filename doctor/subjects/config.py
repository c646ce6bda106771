"""Configurations of trainings: found by their contents, read with the place of every key, and never executed."""

import os
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct, structs

from doctor.errors import CannotOpen
from doctor.model import Location, Problem, SubjectSummary
from doctor.subjects.config_kinds import CERTAIN, MARKS, MIN_CERTAIN, Sort, sort_of
from doctor.subjects.config_nodes import KeyPath, Node
from doctor.subjects.json_nodes import read_json_nodes
from doctor.subjects.shell import Command, is_launch, read_shell
from doctor.subjects.source import Place, files_below
from doctor.subjects.yaml_nodes import read_yaml_nodes

JSON_SUFFIXES = (".json",)
YAML_SUFFIXES = (".yaml", ".yml")
SHELL_SUFFIXES = (".sh", ".bash", ".slurm", ".sbatch")
SUFFIXES = (*JSON_SUFFIXES, *YAML_SUFFIXES, *SHELL_SUFFIXES)
MAX_BYTES = 300_000
"""No person writes a longer configuration; what is longer is data."""


class ConfigFile(Struct, frozen=True, kw_only=True):
    """One file.

    Attributes
    ----------
    shown : str
        Its path as the user would write it.
    inner : tuple of str
        The parts of its path below the scanned folder.
    root : Node
        Its values; of a script nothing.
    commands : tuple of Command
        Of a script those that start a training.
    """

    path: Path
    shown: str
    inner: tuple[str, ...]
    sort: Sort
    text: str
    root: Node
    commands: tuple[Command, ...] = ()

    def place(self, node: Node) -> Place:
        """Say where a value is."""
        return Place(path=self.shown, line=node.line, column=node.column)

    def key_at(self, line: int, character: int | None = None) -> KeyPath | None:
        """Return the path of the key, or of its value, at a place; where no character is told, of the first there."""
        for path, entry in self.root.walk():
            if entry.merged:
                continue
            if entry.line == line and character in (None, entry.column):
                return path
            if entry.node.line == line and character == entry.node.column:
                return path
        return None


class Configs(Struct, frozen=True, kw_only=True, eq=False):
    """All configurations under the scanned paths."""

    files: tuple[ConfigFile, ...]

    def lasting(self, at: Location) -> Location | None:
        """Name a place so that it stays the same when lines move: the path below the scanned folder, and the key.

        Returns
        -------
        Location or None
            For fingerprints only; None for what is no configuration.
        """
        file = next((file for file in self.files if file.shown == at.path), None)
        if file is None or at.line is None:
            return None
        key = file.key_at(at.line, at.character)
        words = ".".join(map(str, key)) if key else file.text.splitlines()[at.line - 1].strip()
        # What stands on one line of a script several times is told apart by what else is said of it.
        inner = "/".join(file.inner)
        return structs.replace(at, path=inner, line=None, character=None, operation=at.operation or words)

    def summary(self) -> SubjectSummary:
        """Describe it for the report."""
        shown = [file.shown for file in self.files]
        path = shown[0] if len(shown) == 1 else os.path.commonpath(shown)
        sorts = dict.fromkeys(str(file.sort) for file in self.files)
        return SubjectSummary(kind="configuration", path=path, files=len(shown), facts={"of": list(sorts)})


def may_be_config(path: Path) -> bool:
    """Whether a file's name allows that it is a configuration that no other subject would read."""
    return path.suffix.lower() in (*YAML_SUFFIXES, *SHELL_SUFFIXES)


def open_configs(paths: Sequence[Path]) -> tuple[Configs | None, tuple[Path, ...], list[Problem]]:
    """Read every configuration at the paths.

    Returns
    -------
    Configs or None
        None where there is none.
    tuple of Path
        Files, absolute, that are configurations and so no tables, sound or not.
    list of Problem
        One for each that is broken.
    """
    files: dict[Path, ConfigFile] = {}
    taken: list[Path] = []
    problems: list[Problem] = []
    for root in paths:
        for path in files_below(root, SUFFIXES):
            inner = path.relative_to(root).parts if path != root else (path.name,)
            try:
                file = read_config(path, inner)
            except CannotOpen as error:
                taken.append(path.absolute())
                problems.append(Problem(path=str(error.path), reason=error.reason, line=error.line))
                continue
            if file is not None:
                taken.append(path.absolute())
                files.setdefault(path.resolve(), file)
    return (Configs(files=tuple(files.values())) if files else None), tuple(taken), problems


def read_config(path: Path, inner: tuple[str, ...]) -> ConfigFile | None:
    """Read a file if it is a configuration.

    Raises
    ------
    CannotOpen
        With the line, where it certainly is one and cannot be read.
    """
    text = _text(path)
    if text is None:
        return None
    suffix = path.suffix.lower()
    if suffix in SHELL_SUFFIXES:
        return _script(path, inner, text)
    if not MARKS.search(text) or (suffix in JSON_SUFFIXES and not _may_be_object(text)):
        return None
    read = read_json_nodes if suffix in JSON_SUFFIXES else read_yaml_nodes
    try:
        root = read(path, text)
    except CannotOpen:
        if suffix in JSON_SUFFIXES and _is_lined(path, text):
            return None
        if len({match[1] for match in CERTAIN.finditer(text)}) >= MIN_CERTAIN:
            raise
        return None
    found = sort_of(root) if root is not None else None
    if found is None or root is None:
        return None
    return ConfigFile(path=path, shown=str(path), inner=inner, sort=found[0], text=text, root=root)


def _script(path: Path, inner: tuple[str, ...], text: str) -> ConfigFile | None:
    commands = tuple(command for command in read_shell(text) if is_launch(command))
    if not commands:
        return None
    nothing = Node(line=1, column=1, start=0, end=0)
    return ConfigFile(
        path=path, shown=str(path), inner=inner, sort=Sort.LAUNCHER, text=text, root=nothing, commands=commands
    )


def _may_be_object(text: str) -> bool:
    return text.lstrip("\ufeff \t\r\n")[:1] in ("{", "/", "#")


def _is_lined(path: Path, text: str) -> bool:
    """Whether the first line is a JSON object by itself, as in a file with one record per line."""
    first = text.lstrip().partition("\n")[0]
    try:
        return read_json_nodes(path, first).entries is not None
    except CannotOpen:
        return False


def _text(path: Path) -> str | None:
    """Read a small text file in UTF-8; None where there is none, for others will say what is wrong with it."""
    try:
        if not path.is_file() or path.stat().st_size > MAX_BYTES:
            return None
        with path.open(encoding="utf-8-sig", newline="") as stream:
            return stream.read()
    except (OSError, UnicodeDecodeError):
        return None
