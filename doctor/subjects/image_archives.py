"""Opens the images that lie inside other files: tar shards, Arrow and Parquet files."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from doctor.errors import CannotOpen
from doctor.model import Guess, Problem
from doctor.subjects.arrow_images import ARROW, PARQUET, Stored, may_hold_images, read_stored
from doctor.subjects.file_names import read_name
from doctor.subjects.image_layout import Found
from doctor.subjects.image_tree import Folder, made
from doctor.subjects.saved import files_of_saved
from doctor.subjects.tar_shards import SUFFIX, Shard, is_packed, is_shard, read_shard, splits_of

HOLDING = (SUFFIX, *ARROW, *PARQUET)
"""What the names of files end with that may hold images."""


@dataclass(kw_only=True)
class Archives:
    """What was found inside files.

    Attributes
    ----------
    guesses : list of Guess
        Of columns beside images that are not looked at.
    """

    found: list[Found] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    guesses: list[Guess] = field(default_factory=list)


def open_archives(top: Folder | None, named: Sequence[Path], taken: Collection[Path]) -> Archives:
    """Open the images inside the files of a folder, and of those that the user named."""
    archives = Archives()
    for path in named:
        if is_packed(path):
            archives.problems.append(Problem(path=str(path), reason="a packed archive is not looked into; unpack it"))
    files = [*((path, made(path.parent, "", (), ())) for path in named), *_below(top)]
    files = [(path, folder) for path, folder in files if path.absolute() not in taken]
    _tars([(path, folder) for path, folder in files if is_shard(path)], archives)
    _stored([(path, folder) for path, folder in files if may_hold_images(path)], archives)
    for found in archives.found:
        holders = {file.path for file in found.files}
        if len(holders) == 1 and holders <= set(named):
            found.shown = str(holders.pop())
    return archives


def _below(top: Folder | None) -> Iterator[tuple[Path, Folder]]:
    for folder in top.below() if top is not None else ():
        yield from ((folder.path / name, folder) for name in folder.others if name.lower().endswith(HOLDING))


def _inner(path: Path, folder: Folder) -> str:
    return f"{folder.inner}/{path.name}" if folder.inner else path.name


def _tars(files: Sequence[tuple[Path, Folder]], archives: Archives) -> None:
    """Join the shards of each folder."""
    by_folder: dict[Path, list[Shard]] = defaultdict(list)
    homes = {folder.path: folder for _, folder in files}
    for path, folder in files:
        shard = read_shard(path, _inner(path, folder))
        if shard.files:
            by_folder[folder.path].append(shard)
        if shard.problem is not None:
            archives.problems.append(shard.problem)
    for home, shards in by_folder.items():
        own = sorted(splits_of(shards), key=lambda file: file.name)
        found = Found(folder=made(home, homes[home].inner, (), ()), files=own, archived=True)
        found.classes_in = "archive" if any(file.label is not None for file in own) else ""
        archives.found.append(found)


def _stored(files: Sequence[tuple[Path, Folder]], archives: Archives) -> None:
    """Join the files of one data set that the Hugging Face library saved, or of one folder."""
    by_home: dict[Path, list[Stored]] = defaultdict(list)
    inner_of: dict[Path, str] = {}
    for path, folder in files:
        saved = files_of_saved(folder.path)
        if saved is not None and path not in saved[0]:
            continue  # a cache
        home = saved[1] if saved is not None else folder.path
        split = saved[2] if saved is not None else read_name(path, Path(path.name)).split
        inner_of[home] = folder.inner if home == folder.path else folder.inner.rpartition("/")[0]
        try:
            stored = read_stored(path, _inner(path, folder), split)
        except CannotOpen as error:
            archives.problems.append(Problem(path=str(error.path), reason=error.reason))
            continue
        if stored is not None and stored.files:
            by_home[home].append(stored)
    for home, parts in by_home.items():
        own = sorted((file for part in parts for file in part.files), key=lambda file: file.name)
        found = Found(folder=made(home, inner_of[home], (), ()), files=own, archived=True)
        found.taken = {part.path.absolute() for part in parts}
        found.classes_in, found.column = ("archive", parts[0].label) if parts[0].label else ("", "")
        archives.found.append(found)
        if others := list(dict.fromkeys(name for part in parts for name in part.others)):
            archives.guesses.append(
                Guess(
                    subject=str(home),
                    what="columns left out",
                    value=", ".join(others),
                    because="they stand in one file with the bytes of images",
                    override="scan a file with these columns alone",
                )
            )
