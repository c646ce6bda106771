"""Reads off folders which images form one collection, which split each belongs to and which class it is of."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from doctor.subjects.boxes import Annotations
from doctor.subjects.file_names import read_name
from doctor.subjects.image_tree import Folder, made
from doctor.subjects.images import WHOLE, ImageFile
from doctor.subjects.split_words import split_rank

_CONTAINERS = """
    images image imgs img jpegimages jpeg jpegs jpg png pngs photos photo pictures pics data dataset datasets raw
    processed original originals samples set frames
"""
CONTAINERS = frozenset(_CONTAINERS.split())
"""What a folder is called that holds pictures and says nothing of them."""
_MASKS = """
    masks mask annotations segmentation segmentations segmentationclass segmentationobject groundtruth ground_truth
    gt seg depth labels label
"""
MASKS = frozenset(_MASKS.split())
"""Folders of pictures that are answers, not questions."""
MAX_STRAY_SHARE = 0.05
"""Of images beside the folders of classes."""
MIN_SHARED = 0.5
"""Folders in folders that have this share of their names in common are classes, and those above them are not."""
MIN_HASHED = 16

_DATE = re.compile(r"(?:19|20)\d\d(?:[-_. ]?\d\d){0,2}")
_PIECE = re.compile(r"(?i)(?:part|batch|shard|chunk|folder|dir|archive|set|disk|fold|split|page|group|run|v)[-_. ]?\d+")
_HASH = re.compile(r"[0-9a-f]{1,3}")


@dataclass(kw_only=True)
class Found:
    """Images that belong together.

    Attributes
    ----------
    folder : Folder
        The one that holds them all.
    files : list of ImageFile
        Sorted by name.
    classes_in : str
        What tells the classes; as `by_place` of `Images`.
    tables : dict of Path to str
        Those that name the images, with the folder of each below what was scanned.
    table : str
        The one among them that tells the classes and says more than that.
    column : str
        The column that told them.
    taken : set of Path
        Files, absolute, that only say something of these images.
    archived : bool
        Whether they lie inside other files.
    empty : tuple of str
        Folders of classes, below what was scanned, without an image.
    shown : str
        Where it is, where that is not its folder.
    """

    folder: Folder
    files: list[ImageFile]
    classes_in: str = ""
    tables: dict[Path, str] = field(default_factory=dict)
    table: str = ""
    column: str = ""
    annotations: Annotations | None = None
    taken: set[Path] = field(default_factory=set)
    archived: bool = False
    empty: tuple[str, ...] = ()
    shown: str = ""

    @property
    def told(self) -> bool:
        """Whether other files tell that these images are a data set."""
        return bool(self.tables) or self.annotations is not None or self.archived

    @property
    def splits(self) -> dict[str, int]:
        """Images of each split."""
        counts: dict[str, int] = {}
        for file in self.files:
            counts[file.split] = counts.get(file.split, 0) + 1
        return {split: counts[split] for split in sorted(counts, key=split_rank)}


def split_of(folder: Folder) -> str | None:
    """Return the split that a folder's name means, unless it says more than that."""
    named = read_name(Path(folder.name), Path(folder.name))
    rest = named.stem.lower().strip("-_. ")
    return named.split if rest in CONTAINERS or not rest.strip("0123456789-_. ") else None


def settle(top: Folder) -> list[Found]:
    """Divide what lies in a folder into collections.

    A folder with folders named for splits is one collection, whatever lies below it. Folders beside each other are
    classes where their names may be names of classes and hardly an image lies beside them.
    """
    here = unwrapped(top)
    splits = _splits(here)
    if splits:
        found = [_divided(here, splits)]
        others = [folder for folder in here.filled if folder not in splits]
        return [*found, *_alone(here), *(one for folder in others for one in settle(folder))]
    inside = here.filled
    held = len(inside) > 1 and any(folder.name.lower() in CONTAINERS for folder in inside)
    if (held and _depth_of_classes([here]) < 2) or any(_has_splits(folder) for folder in inside):
        return [*_alone(here), *(one for folder in inside for one in settle(folder))]
    return [_collected(here, [(WHOLE, here)])] if here.total else []


def unwrapped(folder: Folder) -> Folder:
    """Go down while a folder holds one folder with images and nothing else of them."""
    while not folder.images and len(folder.filled) == 1:
        folder = folder.filled[0]
    return folder


def without_masks(folder: Folder) -> tuple[Folder, int]:
    """Leave out pictures that are answers to others, and count them."""
    dropped = 0
    inside = []
    names = {one.name.lower() for one in folder.filled}
    for one in folder.folders:
        if one.total and one.name.lower() in MASKS and names - MASKS:
            dropped += one.total
            inside.append(made(one.path, one.inner, (), one.others))
            continue
        kept, below = without_masks(one)
        dropped += below
        inside.append(kept)
    stems = {_stem(name) for name in folder.images}
    images = [name for name in folder.images if not _answers(_stem(name), stems)]
    dropped += len(folder.images) - len(images)
    return (made(folder.path, folder.inner, images, folder.others, inside) if dropped else folder), dropped


def _stem(name: str) -> str:
    return name[: name.rfind(".")]


def _answers(stem: str, stems: set[str]) -> bool:
    start, line, end = stem.rpartition("_")
    return bool(line) and end.lower() in MASKS and start in stems


def _splits(folder: Folder) -> list[Folder]:
    """Return the folders in it that are splits; a lone word for one among other names may be a class."""
    named = [(one, split_of(one)) for one in folder.filled]
    splits = [one for one, split in named if split]
    if len({split for _, split in named if split}) >= 2:
        return splits
    others = [one for one, split in named if not split]
    deep = bool(splits) and all(one.filled for one in splits) and not any(one.filled for one in others)
    return splits if deep else []


def _has_splits(folder: Folder) -> bool:
    return bool(_splits(folder)) or any(map(_has_splits, folder.filled))


def _alone(folder: Folder) -> list[Found]:
    """Make a collection of the images that lie directly in a folder."""
    alone = made(folder.path, folder.inner, folder.images, folder.others)
    return [_collected(alone, [(WHOLE, alone)])] if folder.images else []


def _divided(here: Folder, splits: Sequence[Folder]) -> Found:
    bases = [(split_of(one) or WHOLE, _contained(one)) for one in splits]
    alone = len({split for split, _ in bases}) == 1
    return _collected(here, [(WHOLE if alone else split, base) for split, base in bases])


def _contained(folder: Folder) -> Folder:
    """Go down into folders that only say that there are images in them."""
    while not folder.images and len(folder.filled) == 1 and folder.filled[0].name.lower() in CONTAINERS:
        folder = folder.filled[0]
    return folder


def _collected(here: Folder, bases: Sequence[tuple[str, Folder]]) -> Found:
    depth = _depth_of_classes([base for _, base in bases])
    files = [file for split, base in bases for file in _files(base, split, depth)]
    own = replace(here, total=len(files))
    hollow = [folder.inner for _, base in bases for folder in base.folders if not _holds_anything(folder)]
    return Found(
        folder=own,
        files=sorted(files, key=lambda file: file.name),
        classes_in="folders" if depth else "",
        empty=tuple(hollow) if depth == 1 else (),
    )


def _holds_anything(folder: Folder) -> bool:
    return bool(folder.total or folder.others) or any(map(_holds_anything, folder.folders))


def _files(base: Folder, split: str, depth: int) -> Iterator[ImageFile]:
    """Yield the images below a folder; the class is the folder `depth` below it."""
    start = len(base.inner) + 1 if base.inner else 0
    for folder in base.below():
        parts = folder.inner[start:].split("/") if folder is not base else []
        label = parts[depth - 1] if depth and len(parts) >= depth else None
        lead = f"{folder.inner}/" if folder.inner else ""
        for name in folder.images:
            yield ImageFile(path=folder.path / name, name=lead + name, split=split, label=label)


def _depth_of_classes(bases: Sequence[Folder]) -> int:
    """Return how far below the bases the folders are that name classes; 0 where there are none."""
    parted = [base for base in bases if base.filled]
    names = {folder.name for base in parted for folder in base.filled}
    strays = sum(len(base.images) for base in parted)
    if len(names) < 2 or strays > MAX_STRAY_SHARE * sum(base.total for base in parted) or not may_be_classes(names):
        return 0
    inner = [
        frozenset() if folder.images else frozenset(one.name for one in folder.filled)
        for base in parted
        for folder in base.filled
    ]
    shared, every = frozenset.intersection(*inner), frozenset.union(*inner)
    alike = len(shared) >= 2 and len(shared) >= MIN_SHARED * len(every)
    return 2 if alike and may_be_classes(every) else 1


def may_be_classes(names: "set[str] | frozenset[str]") -> bool:
    """Whether folders may be named for classes: not all for dates, numbered pieces or beginnings of hashes."""
    if all(map(_DATE.fullmatch, names)) or all(map(_PIECE.fullmatch, names)):
        return False
    lowered = {name.lower() for name in names}
    if lowered <= CONTAINERS:
        return False
    hashed = all(map(_HASH.fullmatch, lowered)) and len({len(name) for name in names}) == 1
    return not (hashed and len(names) >= MIN_HASHED and any(re.search("[a-f]", name) for name in lowered))
