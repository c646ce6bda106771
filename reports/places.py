"""Where findings are, as programs that show code beside messages want it: a path below the root, and a line."""

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from msgspec.structs import replace

from doctor.model import Finding, Location
from doctor.wording import printable
from doctor_reports import verdict


@dataclass(frozen=True, kw_only=True)
class Place:
    """A file or folder and a line of it.

    Attributes
    ----------
    path : str
        From the working folder on where it lies below that, else as it is.
    line : int or None
        From 1; None where none is known, as in binary files and in the cells of notebooks.
    character : int or None
        The first one in that line, from 1.
    """

    path: str
    line: int | None = None
    character: int | None = None

    @property
    def inside(self) -> bool:
        """Whether it lies below the working folder."""
        return "://" not in self.path and self.path != ".." and not self.path.startswith(("/", "../"))

    @property
    def uri(self) -> str:
        """The path as a URI: relative to the working folder where it lies below that, else absolute."""
        if "://" in self.path:
            return quote(self.path, safe="/:@?=&%[]")
        if self.inside:
            return quote(self.path, safe="/")
        return "file://" + quote(os.path.normpath(Path.cwd() / self.path), safe="/")

    def __str__(self) -> str:
        return printable(self.path, limit=300) + (f":{self.line}" if self.line is not None else "")


def place_of(at: Location, default: str = "") -> Place:
    """Return where a finding is; `default` stands for the path of one that names none."""
    if at.file is not None:
        return _place(at.file, at.file_line)
    path = at.path if at.path is not None else default
    return _place(path, at.line, at.character) if at.cell is None else _place(path, None)


def place(path: str, line: int | None = None) -> Place:
    """Return the place of a path as it was given to `doctor`."""
    return _place(path, line)


def _place(path: str, line: int | None, character: int | None = None) -> Place:
    if "://" in path:
        return Place(path=path)
    folder = str(Path.cwd())
    whole = os.path.normpath(path.replace("\0", "\\x00") or ".")
    if whole == folder or whole.startswith(folder.rstrip("/") + "/"):
        whole = os.path.relpath(whole, folder)
    if line is None or line <= 0:
        return Place(path=whole)
    return Place(path=whole, line=line, character=character)


def details(at: Location) -> list[str]:
    """Say what of a place is no file and no line: the split, the rows, the step."""
    rest = replace(at, path=None, line=at.line if at.cell is not None else None)
    group = [f"row group {at.row_group}"] if at.row_group is not None else []
    return [*verdict.where(rest), *group]


def repair_of(finding: Finding) -> str:
    """Return the repair as a sentence says it, or nothing."""
    return finding.repair.summary if finding.repair else ""


def distinct(findings: list[Finding]) -> list[str]:
    """Name findings by their fingerprints; should several share one, the later ones get a number."""
    taken: dict[str, int] = {}
    names = []
    for finding in findings:
        number = taken[finding.fingerprint] = taken.get(finding.fingerprint, 0) + 1
        names.append(finding.fingerprint if number == 1 else f"{finding.fingerprint}-{number}")
    return names
