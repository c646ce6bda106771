"""Reads off the names of files which of them form one table, which split each belongs to and which shard it is."""

import os
import re
import stat
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from doctor.subjects import formats
from doctor.subjects.saved import files_of_saved
from doctor.subjects.split_words import SPLIT_WORDS, split_rank

MAX_TEXT_FILES = 20
"""A folder with more .txt files than this is a collection of texts, not of tables."""
IGNORED_FOLDERS = {"__pycache__", "node_modules", "site-packages"}
IGNORED_STEMS = {
    "authors",
    "changelog",
    "changes",
    "cmakelists",
    "config",
    "constraints",
    "contributing",
    "copying",
    "dataset_dict",
    "dataset_info",
    "dataset_infos",
    "license",
    "licence",
    "manifest",
    "metadata",
    "notice",
    "package",
    "package-lock",
    "provenance",
    "readme",
    "requirements",
    "robots",
    "state",
    "todo",
    "tsconfig",
    "version",
}
NO_FILE = "neither a file nor a folder"
NEVER_SHARDS = {"fold", "cv", "run", "seed", "split", "version", "v", "year"}
"""Words before a number that tell variants of a data set, not pieces of it."""

_REQUIREMENTS = re.compile(r"(.*[-_.])?requirements([-_.].*)?")
_OF = re.compile(r"(?:^|.*?[-_. ])(?P<number>\d+)[-_. ]?of[-_. ]?\d+$")
_PART = re.compile(r"(?:^|.*?[-_. ])(?:part|shard|chunk)[-_. ]?(?P<number>\d+)(?:-[0-9a-f-]{36})?(?:[-.]c\d+)?$", re.I)
_NUMBER = re.compile(r"(?:^|.*?[-_. ])(?P<number>\d+)$")


@dataclass(frozen=True, kw_only=True)
class Named:
    """A file, and what its name says.

    Attributes
    ----------
    inner : Path
        Its path below what was scanned.
    folder, stem : str
        Its folders and its name without the words for the split and the number of the shard.
    split : str or None
        The split that a word of its name, or of a folder's, names.
    by_folder : bool
        Whether it was a folder's.
    shard : int or None
        Its number among pieces of one table.
    certain : bool
        Whether the number can be nothing else than a shard's.
    """

    path: Path
    inner: Path
    folder: str
    stem: str
    split: str | None = None
    by_folder: bool = False
    shard: int | None = None
    certain: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        """What files of one table have in common."""
        return self.folder, self.stem, formats.suffix_of(self.path)

    @property
    def alone(self) -> "Named":
        """The same file as a table of its own."""
        folder = self.inner.parent.as_posix().removeprefix(".")
        return replace(self, folder=folder, stem=formats.stem_of(self.path), split=None, shard=None)


def find_files(paths: Sequence[Path]) -> list[Named]:
    """Find the table files at paths, sorted."""
    found = []
    for path in paths:
        if path.is_dir():
            for file in _walk(path):
                inner = file.relative_to(path)
                found.append(read_name(file, Path(path.name) / inner if len(paths) > 1 else inner))
        else:
            found.append(read_name(path, Path(path.name)))
    found += [named for path in paths if path.is_dir() for named in _saved(path)]
    unique = {named.path.absolute(): named for named in found}
    return sorted(unique.values(), key=lambda named: str(named.inner))


def is_channel(path: Path) -> bool:
    """Whether something is a pipe, a socket or a device, of which reading may never come to an end.

    Raises
    ------
    OSError
        When it leads nowhere.
    """
    mode = path.stat().st_mode
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def pruned(root: Path) -> Iterator[tuple[Path, list[str]]]:
    """Walk through folders that may hold data; give each with the names of its files that are not hidden."""
    for folder, folders, files in os.walk(root):
        here = Path(folder)
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and name not in IGNORED_FOLDERS and not (here / name / "pyvenv.cfg").exists()
        )
        if "state.json" in files and files_of_saved(here):
            continue
        yield here, sorted(name for name in files if not name.startswith("."))


def _walk(root: Path) -> Iterator[Path]:
    for here, files in pruned(root):
        suffixes = {name: suffix for name in files if (suffix := formats.named_suffix(name)) in formats.READERS}
        texts = (name for name, suffix in suffixes.items() if suffix == ".txt")
        many = sum(not is_paper(formats.named_stem(name).lower()) for name in texts) > MAX_TEXT_FILES
        for name, suffix in suffixes.items():
            if not (many and suffix == ".txt") and not is_paper(formats.named_stem(name).lower()):
                yield here / name


def _saved(root: Path) -> Iterator[Named]:
    """Find what the Hugging Face library saved."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        saved = files_of_saved(Path(folder)) if "state.json" in files else None
        if saved:
            paths, home, split = saved
            label = home.relative_to(root).as_posix().removeprefix(".") if home.is_relative_to(root) else ""
            for number, path in enumerate(paths):
                inner = path.relative_to(root)
                yield Named(path=path, inner=inner, folder=label, stem="", split=split, shard=number, certain=True)


def read_name(path: Path, inner: Path) -> Named:
    """Read off a name what it says; `inner` is the path below what was scanned."""
    split, stem = _without_split(formats.stem_of(path))
    by_folder = False
    folders = []
    for part in reversed(inner.parent.parts):
        own, rest = _without_split(part)
        if own and split is None:
            split, by_folder = own, True
        if "=" not in part and (rest or not own):
            folders.append(rest)
    number, rest, certain = _shard(stem)
    return Named(
        path=path,
        inner=inner,
        folder="/".join(reversed(folders)),
        stem=rest,
        split=split,
        by_folder=by_folder,
        shard=number,
        certain=certain,
    )


def _without_split(name: str) -> tuple[str | None, str]:
    """Take the word for a split out of a name; a name with words for several splits names none."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    words = [word for word in re.findall(r"[A-Za-z]+", spaced) if word.lower() in SPLIT_WORDS]
    splits = {SPLIT_WORDS[word.lower()] for word in words}
    if len(splits) != 1:
        return None, name
    rest = re.sub(rf"(?<![A-Za-z])({'|'.join(set(words))})(?![A-Za-z])", "", spaced)
    return splits.pop(), re.sub(r"([-_. ])[-_. ]+", r"\1", rest).strip("-_. ")


def is_paper(stem: str) -> bool:
    """Whether a file's name says that it lies beside the data and holds none."""
    return stem in IGNORED_STEMS or _REQUIREMENTS.fullmatch(stem) is not None


def _shard(stem: str) -> tuple[int | None, str, bool]:
    for pattern, certain in ((_OF, True), (_PART, True), (_NUMBER, False)):
        found = pattern.match(stem)
        if found:
            rest = re.split(r"(?i)(?:^|[-_. ])(?:part|shard|chunk)?[-_. ]?$", stem[: found.start("number")])[0]
            words = re.findall(r"[a-z]+", rest.lower())
            if not certain and words and words[-1] in NEVER_SHARDS:
                continue
            return int(found["number"]), rest.strip("-_. "), certain
    return None, stem, False


def group(files: Sequence[Named]) -> list[list[Named]]:
    """Put together the files of one table; whether their columns agree is seen later.

    A lone file is never a split, and a file without a split is no part of what its siblings divide.
    """
    groups = _by_key(files)
    lone = [
        member
        for members in groups
        for member in members
        if member.by_folder and len({other.split for other in members}) == 1
    ]
    for members in _by_key([replace(member, stem="") for member in lone]):
        if len({member.split for member in members}) > 1:
            paths = {member.path for member in members}
            groups = [g for g in groups if not {member.path for member in g} & paths] + [members]
    return sorted((part for members in groups for part in _settled(members)), key=lambda part: str(part[0].inner))


def _by_key(files: Sequence[Named]) -> list[list[Named]]:
    groups: dict[tuple[str, str, str], list[Named]] = defaultdict(list)
    for file in files:
        groups[file.key].append(file)
    return list(groups.values())


def _settled(members: list[Named]) -> list[list[Named]]:
    """Divide a group whose numbers are no shards' into tables of their own."""
    by_split: dict[str | None, list[Named]] = defaultdict(list)
    for member in members:
        by_split[member.split].append(member)
    if any(not _are_shards(part) for part in by_split.values()):
        numbered: dict[str, list[Named]] = defaultdict(list)
        for member in members:
            _, stem = _without_split(formats.stem_of(member.path))
            numbered[stem].append(replace(member, stem=stem, shard=None))
        if len(numbered) == 1:
            return [[member.alone] for member in members]
        return [part for some in numbered.values() for part in _settled(some)]
    named = {split for split in by_split if split}
    if len(named) >= 2:
        whole = [[member.alone] for member in by_split.get(None, [])]
        return [[member for split in sorted(named, key=split_rank) for member in by_split[split]], *whole]
    if named and None in by_split:
        return [
            [replace(member, split=None) for member in part] if len(part) > 1 else [part[0].alone]
            for part in by_split.values()
        ]
    if len(members) == 1 and not members[0].certain:
        return [[members[0].alone]]
    return [[replace(member, split=None) for member in members]]


def _are_shards(part: Sequence[Named]) -> bool:
    if len(part) == 1 or all(member.certain for member in part):
        return True
    if len({member.inner.parent for member in part}) > 1 and part[0].stem == "":
        return True
    numbers = sorted(member.shard if member.shard is not None else -1 for member in part)
    return numbers in (list(range(len(part))), list(range(1, len(part) + 1)))
