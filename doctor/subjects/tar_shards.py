"""Finds the images inside tar archives, as WebDataset lays them out, by their offsets: nothing is unpacked."""

import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from msgspec import structs

from doctor.model import Problem
from doctor.subjects.file_names import read_name
from doctor.subjects.image_tree import is_image
from doctor.subjects.images import WHOLE, ImageFile

SUFFIX = ".tar"
PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
MAX_LABEL_BYTES = 1_000_000
CLASS_SUFFIXES = ("cls", "cls.txt", "label", "label.txt")
CLASS_KEYS = ("label", "class", "cls", "category", "target", "class_name", "label_name")
MAX_CLASS_LETTERS = 100
TOO_LARGE = 1 << 50
"""No archive holds a larger file; a header that says so is broken."""


@dataclass(kw_only=True)
class Shard:
    """The images of one archive, and what is wrong with it."""

    path: Path
    files: list[ImageFile] = field(default_factory=list)
    problem: Problem | None = None


def is_shard(path: Path) -> bool:
    """Whether a file's name says that it is an archive whose members can be read in place."""
    return path.name.lower().endswith(SUFFIX)


def is_packed(path: Path) -> bool:
    """Whether a file's name says that it is an archive that would have to be unpacked."""
    return path.name.lower().endswith(PACKED)


def read_shard(path: Path, inner: str) -> Shard:
    """List the images of an archive.

    Parameters
    ----------
    path : Path
        The archive.
    inner : str
        What it is called below what was scanned.

    Returns
    -------
    Shard
        What could be listed before anything was found broken.
    """
    shard = Shard(path=path)
    split = read_name(path, Path(path.name)).split or WHOLE
    labels: dict[str, str] = {}
    keys: list[str] = []
    try:
        with path.open("rb") as raw, tarfile.open(fileobj=raw, mode="r:") as archive:
            size = path.stat().st_size
            for member in archive:
                archive.members = []  # type: ignore[attr-defined]  # else it keeps them all; the stubs do not know it
                if not member.isreg():
                    continue
                if member.offset_data + member.size > size or member.size > TOO_LARGE:
                    shard.problem = Problem(path=str(path), reason=f"it is cut off within {member.name}")
                    break
                key, ending = sample_of(member.name), _ending(member.name)
                if is_image(member.name):
                    keys.append(key)
                    shard.files.append(
                        ImageFile(
                            path=path,
                            name=f"{inner}/{member.name}",
                            split=split,
                            offset=member.offset_data,
                            length=member.size,
                        )
                    )
                elif member.size <= MAX_LABEL_BYTES and (ending in CLASS_SUFFIXES or ending == "json"):
                    raw.seek(member.offset_data)
                    if (label := _label(raw.read(member.size), ending)) is not None:
                        labels.setdefault(key, label)
    except (tarfile.TarError, OSError, EOFError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        shard.problem = Problem(path=str(path), reason=f"not a sound tar archive: {reason}")
    shard.files = [structs.replace(file, label=labels.get(key)) for key, file in zip(keys, shard.files, strict=True)]
    return shard


def sample_of(name: str) -> str:
    """Return what the members of one sample have in common: all before the first dot, as WebDataset has it."""
    folder, _, own = name.rpartition("/")
    return f"{folder}/{own.partition('.')[0]}"


def _ending(name: str) -> str:
    return name.rpartition("/")[2].partition(".")[2].lower()


def _label(content: bytes, ending: str) -> str | None:
    """Return the class that a member tells."""
    text = content.decode("utf-8", "replace").strip()
    if ending != "json":
        return text if text and len(text) <= MAX_CLASS_LETTERS and "\n" not in text else None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(found, int | str):
        return str(found)
    if not isinstance(found, dict):
        return None
    told = next((found[key] for key in CLASS_KEYS if isinstance(found.get(key), int | str)), None)
    return str(told) if told is not None and len(str(told)) <= MAX_CLASS_LETTERS else None


def splits_of(shards: Sequence[Shard]) -> list[ImageFile]:
    """Join the images of shards; a split that has no other beside it is none."""
    files = [file for shard in shards for file in shard.files]
    if len({file.split for file in files}) == 1:
        return [structs.replace(file, split=WHOLE) for file in files]
    return files
