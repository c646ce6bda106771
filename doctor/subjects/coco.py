"""Reads the JSON files by which COCO, and many after it, tell which boxes lie on which image."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from doctor.errors import CannotOpen
from doctor.subjects.boxes import NO_CLASS, Array, BadEntry, Boxes, ReadAnnotations

HEAD_BYTES = 1 << 16
MAX_PLAIN_BYTES = 200_000_000
"""A larger file is not read a second time by a slower parser that knows NaN."""

_MARKS = re.compile(rb'"images"\s*:\s*\[|"annotations"\s*:\s*\[')
_NAMES = re.compile(rb'"file_name"\s*:|"image_id"\s*:')

Number = int | str


class CocoImage(msgspec.Struct, gc=False):
    """An image as it is named there."""

    id: Number
    file_name: str
    width: float | None = None
    height: float | None = None


class CocoEntry(msgspec.Struct, gc=False):
    """One annotation."""

    image_id: Number
    category_id: Number | None = None
    bbox: Any = None
    id: Number | None = None


class CocoCategory(msgspec.Struct, gc=False):
    """A class."""

    id: Number
    name: str = ""


class CocoFile(msgspec.Struct):
    """What of such a file is read."""

    images: list[CocoImage]
    annotations: list[CocoEntry] = []
    categories: list[CocoCategory] = []


@dataclass(frozen=True, kw_only=True)
class Coco:
    """A file that was read."""

    path: Path
    content: CocoFile


def read_coco(path: Path) -> Coco | None:
    """Read a file if it is such a one.

    Raises
    ------
    CannotOpen
        Where it is, and is broken.
    """
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
            if not (head.lstrip()[:1] == b"{" and _MARKS.search(head) and _NAMES.search(head)):
                return None
            content = head + file.read()
    except OSError as error:
        raise CannotOpen(path, error.strerror or str(error)) from error
    try:
        return Coco(path=path, content=msgspec.json.decode(content, type=CocoFile, strict=False))
    except msgspec.ValidationError as error:
        raise CannotOpen(path, f"no annotations in the form of COCO: {error}") from error
    except UnicodeDecodeError as error:
        raise CannotOpen(path, f"not valid UTF-8: {error.reason}") from error
    except msgspec.DecodeError as error:
        return Coco(path=path, content=_with_nan(path, content, error))
    except RecursionError as error:
        raise CannotOpen(path, "its values are nested too deeply") from error


def _with_nan(path: Path, content: bytes, error: Exception) -> CocoFile:
    """Read what Python wrote that is not quite JSON: NaN and Infinity."""
    if len(content) > MAX_PLAIN_BYTES or not re.search(rb"NaN|Infinity", content):
        raise CannotOpen(path, f"not valid JSON: {error}") from error
    try:
        return msgspec.convert(json.loads(content), CocoFile, strict=False)
    except (ValueError, RecursionError, msgspec.ValidationError) as second:
        raise CannotOpen(path, f"not valid JSON: {second}") from second


def annotations_of(
    files: Sequence[Coco], place_of: Callable[[Coco, str], int | None], images: int
) -> tuple[ReadAnnotations, dict[int, str]]:
    """Bring the boxes of files into columns.

    Parameters
    ----------
    files : sequence of Coco
        All that name images of one collection.
    place_of : callable
        Gives the number of an image in the collection by its name in a file, or None.
    images : int
        How many there are.

    Returns
    -------
    ReadAnnotations
        The boxes.
    dict of int to str
        The class of each image, where there are no boxes and each image has one class.
    """
    columns = _Columns(sizes=np.zeros((images, 2), dtype=np.int64))
    for which, coco in enumerate(files):
        columns.take(which, coco, place_of)
    boxes = columns.boxes(tuple(one.path for one in files))
    told = ReadAnnotations(
        form="COCO",
        classes=columns.classes,
        files=boxes.files,
        boxes=boxes,
        missing=tuple(dict.fromkeys(columns.missing)),
    )
    single = {place: name for place, name in columns.single.items() if name is not None}
    return told, {} if len(boxes.image) or boxes.bad else single


@dataclass(kw_only=True)
class _Columns:
    """What the files read so far hold."""

    sizes: Array
    classes: dict[int, str] = field(default_factory=dict)
    told: list[tuple[int, int, list[float], int, int]] = field(default_factory=list)
    bad: list[BadEntry] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    single: dict[int, str | None] = field(default_factory=dict)

    def take(self, which: int, coco: Coco, place_of: Callable[[Coco, str], int | None]) -> None:
        """Add a file, the one of number `which`."""
        numbers = _numbers(coco.content.categories)
        self.classes |= {numbers[one.id]: one.name or str(one.id) for one in coco.content.categories}
        places: dict[Number, int | None] = {}
        for image in coco.content.images:
            place = places[image.id] = place_of(coco, image.file_name)
            if place is None:
                self.missing.append(image.file_name)
            else:
                self.sizes[place] = _whole(image.width), _whole(image.height)
        for order, entry in enumerate(coco.content.annotations, start=1):
            line = entry.id if isinstance(entry.id, int) else order
            if entry.image_id not in places:
                self.bad.append(BadEntry(path=coco.path, line=line, reason=f"there is no image {entry.image_id!r}"))
            elif (place := places[entry.image_id]) is not None:
                self._entry(which, coco, entry, place, _class_number(entry.category_id, numbers), line)

    def _entry(self, which: int, coco: Coco, entry: CocoEntry, place: int, number: int, line: int) -> None:
        if entry.bbox is None:
            self.single[place] = self.classes.get(number) if place not in self.single else None
        elif (corners := _corners(entry.bbox)) is None:
            self.bad.append(BadEntry(path=coco.path, line=line, reason=f"bbox {str(entry.bbox)[:40]} is no box"))
        else:
            self.told.append((place, number, corners, which, line))

    def boxes(self, files: tuple[Path, ...]) -> Boxes:
        """Bring them into columns."""
        return Boxes(
            image=np.array([one[0] for one in self.told], dtype=np.int64),
            number=np.array([one[1] for one in self.told], dtype=np.int64),
            corners=np.array([one[2] for one in self.told], dtype=np.float64).reshape(-1, 4),
            relative=False,
            sizes=self.sizes,
            files=files,
            file=np.array([one[3] for one in self.told], dtype=np.int64),
            line=np.array([one[4] for one in self.told], dtype=np.int64),
            bad=tuple(self.bad),
        )


def _numbers(categories: Sequence[CocoCategory]) -> dict[Number, int]:
    return {one.id: one.id if isinstance(one.id, int) else order for order, one in enumerate(categories)}


def _class_number(given: Number | None, numbers: dict[Number, int]) -> int:
    if given is None:
        return NO_CLASS
    return numbers.get(given, given if isinstance(given, int) else NO_CLASS)


def _whole(value: float | None) -> int:
    return int(value) if value is not None and 0 < value < 1e9 else 0


def _corners(bbox: Any) -> list[float] | None:
    try:
        left, top, width, height = map(float, bbox)
    except (TypeError, ValueError, OverflowError):
        return None
    return [left, top, left + width, top + height]
