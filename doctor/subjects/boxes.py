"""Boxes that people drew on images, in columns, whatever file they stand in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

Array = np.ndarray[Any, Any]

NO_CLASS = -1


@dataclass(frozen=True, kw_only=True)
class BadEntry:
    """An entry that is no box; `line` counts from 1, and is the number of the entry where a file has no lines."""

    path: Path
    line: int
    reason: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Boxes:
    """All boxes of a collection, one entry each.

    Attributes
    ----------
    image : ndarray of int64, shape (boxes,)
        The number of the image in its collection.
    number : ndarray of int64, shape (boxes,)
        The number of the class, `NO_CLASS` where none is given.
    corners : ndarray of float64, shape (boxes, 4)
        Left, top, right and bottom; in pixels, or where `relative` in shares of width and height.
    sizes : ndarray of int64, shape (images, 2)
        Width and height as the annotations tell them; 0 where they do not.
    file, line : ndarray of int64, shape (boxes,)
        Where each stands: the number of the file in `files`, and its line there or its id.
    bad : tuple of BadEntry
        What cannot be read as a box.
    """

    image: Array
    number: Array
    corners: Array
    relative: bool
    sizes: Array
    files: tuple[Path, ...]
    file: Array
    line: Array
    bad: tuple[BadEntry, ...] = ()


class Annotations(Protocol):
    """Boxes that are there and not read yet."""

    @property
    def form(self) -> str:
        """Return "COCO" or "YOLO"."""

    @property
    def classes(self) -> Mapping[int, str]:
        """Return the classes that are declared; empty where none are."""

    @property
    def files(self) -> tuple[Path, ...]:
        """Return the files that hold them."""

    @property
    def missing(self) -> tuple[str, ...]:
        """Return names of what has annotations and is not there."""

    def read(self) -> Boxes:
        """Read them all."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ReadAnnotations:
    """Boxes that came with the file that names the images."""

    form: str
    classes: Mapping[int, str]
    files: tuple[Path, ...]
    boxes: Boxes
    missing: tuple[str, ...] = field(default=())

    def read(self) -> Boxes:
        """Return them."""
        return self.boxes
