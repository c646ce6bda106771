"""Which versions of which libraries the files beside the code ask for, line by line."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct

from doctor.subjects.records import Record, Sort
from doctor.subjects.source import Place


class Bound(StrEnum):
    """How closely a requirement names a version, loosest first."""

    NONE = "none"
    MOVING = "moving"
    """A branch of a repository."""
    OPEN = "open"
    """At least some version, but no end."""
    LIMITED = "limited"
    EXACT = "exact"

    @property
    def rank(self) -> int:
        """0 for the loosest."""
        return list(Bound).index(self)


class Requirement(Struct, frozen=True, kw_only=True):
    """One line that asks for a library.

    Attributes
    ----------
    name : str
        Of the distribution, in lower case and with hyphens.
    written : str
        The requirement as it stands there.
    """

    name: str
    written: str
    bound: Bound
    path: str
    line: int
    character: int

    @property
    def place(self) -> Place:
        """Where it stands."""
        return Place(path=self.path, line=self.line)


_REQUIREMENT = re.compile(r"^(?P<name>[A-Za-z0-9][\w.-]*?)\s*(?:\[[^\]]*\])?\s*(?P<rest>$|[(<>=!~@;].*)$", re.ASCII)
_COMMIT = re.compile(r"@(?P<ref>[^@#?]+?)(?:[#?].*)?$")
_BRANCH = re.compile(r"main|master|dev|develop|devel|head|trunk|nightly|latest|stable|release", re.IGNORECASE)
_CONDA = re.compile(
    r"^(?:[\w.-]+::)?(?P<name>[A-Za-z0-9][\w.-]*?)\s*(?:\[[^\]]*\])?\s*(?P<rest>[<>=!~ ].*)?$", re.ASCII
)


def plain_name(name: str) -> str:
    """Write a distribution's name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def bound_of(specifier: str) -> Bound:
    """Say how closely a version specifier, such as ">=1.2,<2", names a version."""
    parts = [part.strip() for part in specifier.strip("() ").split(",") if part.strip()]
    if any(re.match(r"={2,3}[^*]*$", part) for part in parts):
        return Bound.EXACT
    if any(part.startswith(("<", "~=", "==")) for part in parts):
        return Bound.LIMITED
    return Bound.OPEN if any(part.startswith((">", "!=")) for part in parts) else Bound.NONE


def requirements_of(record: Record) -> Iterator[Requirement]:
    """Yield what a record asks for; raises ValueError where it cannot be read."""
    match record.sort:
        case Sort.REQUIREMENTS:
            yield from _of_pip(record)
        case Sort.CONDA:
            yield from _of_conda(record)
        case Sort.PYPROJECT | Sort.PIPFILE:
            yield from _of_toml(record)


def _of_pip(record: Record) -> Iterator[Requirement]:
    lines = record.text.splitlines()
    at = 0
    while at < len(lines):
        first, whole = at, lines[at]
        while whole.endswith("\\") and at + 1 < len(lines):
            at += 1
            whole = whole[:-1] + " " + lines[at]
        at += 1
        yield from _of_line(record, whole, first + 1, lines[first])


def _of_line(record: Record, whole: str, line: int, first: str) -> Iterator[Requirement]:
    text = re.sub(r"(^|\s)#.*$", "", whole).strip()
    hashed = "--hash" in text
    text = re.sub(r"\s--[\w-]+([= ].*)?$", "", text).strip()
    if text.startswith(("-e ", "--editable ")):
        text = text.split(None, 1)[1].strip()
    if not text or text.startswith("-"):
        return
    found = _read(text)
    if found:
        name, bound = found
        yield Requirement(
            name=name,
            written=text,
            bound=Bound.EXACT if hashed else bound,
            path=record.shown,
            line=line,
            character=len(first) - len(first.lstrip()) + 1,
        )


def _read(text: str) -> tuple[str, Bound] | None:
    """Read one requirement as pip does: a name with versions, or an address."""
    if re.match(r"(git|hg|svn|bzr)\+", text):
        name = re.search(r"#(?:.*&)?egg=([\w.-]+)", text) or re.search(
            r"/([\w.-]+?)(?:\.git)?(?:@[^/]*)?(?:#.*)?$", text
        )
        return (plain_name(name[1]), _of_address(text)) if name else None
    match = _REQUIREMENT.match(text)
    if not match:
        return None
    rest = match["rest"].partition(";")[0].strip() if not match["rest"].startswith("@") else match["rest"]
    if rest.startswith("@"):
        return plain_name(match["name"]), _of_address(rest[1:].partition(" ;")[0].strip())
    return plain_name(match["name"]), bound_of(rest)


def _of_address(address: str) -> Bound:
    """Say how closely an address names a version: a commit or a tag does, a branch does not, a file does."""
    if not re.match(r"(git|hg|svn|bzr)\+", address):
        return Bound.EXACT
    found = _COMMIT.search(address.split("://", 1)[-1].partition("/")[2])
    if not found or _BRANCH.fullmatch(found["ref"]):
        return Bound.MOVING
    return Bound.EXACT


def _of_conda(record: Record) -> Iterator[Requirement]:
    """Read the list under `dependencies:` line by line, the one under `- pip:` as pip does."""
    listed, pip_indent = False, -1
    for number, raw in enumerate(record.text.splitlines(), start=1):
        text = re.sub(r"(^|\s)#.*$", "", raw).rstrip()
        if not text:
            continue
        indent = len(text) - len(text.lstrip())
        if not text.lstrip().startswith("-"):
            listed = re.match(r"dependencies\s*:\s*$", text) is not None if indent == 0 else listed
            continue
        if not listed:
            continue
        item = text.lstrip()[1:].strip().strip("'\"")
        if re.match(r"pip\s*:$", item):
            pip_indent = indent
        elif pip_indent >= 0 and indent > pip_indent:
            yield from _of_line(record, item, number, raw.replace("-", " ", 1))
        elif match := _CONDA.match(item):
            pip_indent = -1
            yield Requirement(
                name=plain_name(match["name"]),
                written=item,
                bound=_of_conda_version((match["rest"] or "").strip()),
                path=record.shown,
                line=number,
                character=indent + 1,
            )


def _of_conda_version(rest: str) -> Bound:
    if rest[:1].isdigit():
        return Bound.LIMITED if "*" in rest else Bound.EXACT
    if re.match(r"=(?!=)", rest):  # one sign stands for the version and all that begins so
        return Bound.LIMITED if rest[1:].strip(" *") else Bound.NONE
    return bound_of(rest)


def _of_toml(record: Record) -> Iterator[Requirement]:
    try:
        content = tomllib.loads(record.text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    finder = _Finder(record)
    project = _table(content, "project")
    groups = [*_lists(project, "dependencies"), *_table(project, "optional-dependencies").values()]
    groups += _table(content, "dependency-groups").values()
    for group in groups:
        for text in group if isinstance(group, list) else ():
            if isinstance(text, str) and (found := _read(text)):
                yield finder.requirement(found[0], text, found[1], f"[\"']{re.escape(text)}[\"']")
    poetry = _table(_table(content, "tool"), "poetry")
    tables = [_table(poetry, "dependencies"), _table(content, "packages")]
    tables += [_table(group, "dependencies") for group in _table(poetry, "group").values() if isinstance(group, dict)]
    for table in tables:
        for name, wanted in table.items():
            written, bound = _of_value(wanted)
            place = rf'^\s*["\']?{re.escape(name)}["\']?\s*='
            yield finder.requirement(plain_name(name), f"{name} = {written}", bound, place)


def _table(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = content.get(name)
    return found if isinstance(found, dict) else {}


def _lists(content: Mapping[str, Any], name: str) -> list[Any]:
    return [content[name]] if isinstance(content.get(name), list) else []


def _of_value(wanted: object) -> tuple[str, Bound]:
    """Read a version as poetry and pipenv write it."""
    if isinstance(wanted, dict):
        if "git" in wanted:
            fixed = "rev" in wanted or "tag" in wanted or "ref" in wanted
            return str(wanted["git"]), Bound.EXACT if fixed else Bound.MOVING
        return _of_value(wanted["version"]) if "version" in wanted else ("{…}", Bound.EXACT)
    text = str(wanted).strip()
    if text.startswith(("^", "~")) or (text[:1].isdigit() and "*" in text):
        return text, Bound.LIMITED
    return text, Bound.EXACT if text[:1].isdigit() else bound_of(text)


class _Finder:
    """Finds the lines of a TOML file, each once and in its order, since its reader gives none."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.lines = record.text.splitlines()
        self.taken: set[tuple[int, int]] = set()

    def requirement(self, name: str, written: str, bound: Bound, pattern: str) -> Requirement:
        """Return the requirement with its place."""
        line, character = 1, 1
        for number, text in enumerate(self.lines, start=1):
            match = re.search(pattern, text)
            if match and not text.lstrip().startswith("#") and (number, match.start()) not in self.taken:
                self.taken.add((number, match.start()))
                line, character = number, match.start() + len(match[0]) - len(match[0].lstrip()) + 1
                break
        return Requirement(
            name=name, written=written, bound=bound, path=self.record.shown, line=line, character=character
        )


def is_library(record: Record) -> bool:
    """Whether a record says that the code beside it is built into a package for others to install."""
    if record.sort is Sort.SETUP:
        return True
    if record.sort is not Sort.PYPROJECT:
        return False
    try:
        content = tomllib.loads(record.text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return False
    alone = _table(_table(content, "tool"), "poetry").get("package-mode") is False
    return "build-system" in content and not alone


def declares(record: Record) -> bool:
    """Whether a record says anything of the environment; a pyproject.toml may hold the settings of tools alone."""
    if record.sort is not Sort.PYPROJECT:
        return bool(record.text.strip())
    try:
        content = tomllib.loads(record.text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return True
    tool = _table(content, "tool")
    managed = {"poetry", "pdm", "pixi", "hatch", "rye", "uv", "flit"} & set(tool)
    return "project" in content or "dependency-groups" in content or bool(managed)
