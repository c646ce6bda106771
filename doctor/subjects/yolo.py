"""Finds the label files of YOLO beside images, and reads the boxes in them."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from doctor.errors import CannotOpen
from doctor.subjects.boxes import BadEntry, Boxes
from doctor.subjects.image_tree import Folder
from doctor.subjects.images import ImageFile
from doctor.subjects.yaml_nodes import read_yaml_nodes

LABELS = "labels"
IMAGES = "images"
PROBED = 20
MIN_READABLE_SHARE = 0.5
"""Of the first label files: others beside images are captions."""
MAX_YAML_BYTES = 1_000_000
CLASS_FILES = ("classes.txt", "obj.names", "labels.txt", "_darknet.labels")

_LINE = re.compile(r"\s*\d+(?:\s+[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?){4,}\s*")


@dataclass(frozen=True, kw_only=True, eq=False)
class YoloLabels:
    """Label files, read when the boxes are wanted.

    Attributes
    ----------
    labels : tuple of Path or None
        That of each image, None where it has none: then nothing is to be seen on it.
    poses : bool
        Whether points follow the boxes.
    """

    form: str
    classes: Mapping[int, str]
    files: tuple[Path, ...]
    labels: tuple[Path | None, ...]
    missing: tuple[str, ...] = ()
    poses: bool = False

    def read(self) -> Boxes:
        """Read all label files, line by line."""
        told: list[tuple[int, int, tuple[float, ...], int, int]] = []
        bad: list[BadEntry] = []
        number_of = {path: number for number, path in enumerate(self.files)}
        for image, path in enumerate(self.labels):
            if path is None:
                continue
            try:
                lines = path.read_text("utf-8-sig", errors="replace").splitlines()
            except OSError as error:
                bad.append(BadEntry(path=path, line=1, reason=error.strerror or str(error)))
                continue
            for line, text in enumerate(lines, start=1):
                if not text.strip():
                    continue
                found = box_in(text, poses=self.poses)
                if isinstance(found, str):
                    bad.append(BadEntry(path=path, line=line, reason=found))
                else:
                    told.append((image, found[0], found[1], number_of[path], line))
        return Boxes(
            image=np.array([one[0] for one in told], dtype=np.int64),
            number=np.array([one[1] for one in told], dtype=np.int64),
            corners=np.array([one[2] for one in told], dtype=np.float64).reshape(-1, 4),
            relative=True,
            sizes=np.zeros((len(self.labels), 2), dtype=np.int64),
            files=self.files,
            file=np.array([one[3] for one in told], dtype=np.int64),
            line=np.array([one[4] for one in told], dtype=np.int64),
            bad=tuple(bad),
        )


def box_in(text: str, *, poses: bool = False) -> tuple[int, tuple[float, float, float, float]] | str:
    """Read a line: the class, then centre, width and height, or the corners of a polygon.

    Returns
    -------
    (int, tuple of float)
        The class, and left, top, right and bottom in shares of width and height.
    str
        What is wrong with it.
    """
    words = text.split()
    try:
        values = [float(word) for word in words]
    except ValueError:
        return "a value is no number"
    if len(values) < 5:
        return f"{len(values)} values, and a box has 5"
    if not all(map(math.isfinite, values)):
        return "a value is not finite"
    if values[0] != int(values[0]) or values[0] < 0:
        return f"the class {words[0]} is no number of a class"
    if len(values) >= 7 and len(values) % 2 and not poses:
        across, down = values[1::2], values[2::2]
        return int(values[0]), (min(across), min(down), max(across), max(down))
    x, y, width, height = values[1:5]
    return int(values[0]), (x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def find_labels(top: Folder, files: Sequence[ImageFile]) -> YoloLabels | None:
    """Look for the label file of each image: beside it, or in `labels` where it lies in `images`.

    Returns
    -------
    YoloLabels or None
        None where there are none.
    """
    texts = {folder.inner: (folder.path, set(folder.others)) for folder in top.below() if folder.others}
    if not any(name.endswith(".txt") for _, names in texts.values() for name in names):
        return None
    labels: list[Path | None] = []
    used: dict[str, set[str]] = {}
    for file in files:
        inner, _, name = file.name.rpartition("/")
        wanted = f"{name[: name.rfind('.')]}.txt"
        place = next((one for one in _places(inner) if one in texts and wanted in texts[one][1]), None)
        labels.append(texts[place][0] / wanted if place is not None else None)
        if place is not None:
            used.setdefault(place, set()).add(wanted)
    there = [path for path in labels if path is not None]
    if not there or not _are_boxes(there):
        return None
    classes, poses = _declared(top)
    orphans = [
        f"{place}/{name}" if place else name
        for place, names in used.items()
        if LABELS in place.split("/")
        for name in sorted(texts[place][1] - names)
        if name.endswith(".txt") and name.lower() not in CLASS_FILES
    ]
    return YoloLabels(
        form="YOLO",
        classes=classes,
        files=tuple(there),
        labels=tuple(labels),
        missing=tuple(orphans),
        poses=poses,
    )


def _places(inner: str) -> list[str]:
    """Return the folders in which the label file of an image may lie, by the folder of the image."""
    parts = inner.split("/")
    places = [
        "/".join([*parts[:number], LABELS, *parts[number + 1 :]])
        for number in range(len(parts) - 1, -1, -1)
        if parts[number].lower() == IMAGES
    ]
    return [*places, inner, f"{inner}/{LABELS}" if inner else LABELS]


def _are_boxes(paths: Sequence[Path]) -> bool:
    """Whether the first of the files hold lines of numbers and not captions; an empty one says nothing."""
    readable = seen = 0
    for path in islice(paths, PROBED):
        try:
            with path.open(encoding="utf-8-sig", errors="replace") as file:
                lines = [line for line in islice(file, PROBED) if line.strip()]
        except OSError:
            continue
        seen += bool(lines)
        readable += bool(lines) and any(map(_LINE.fullmatch, lines))
    return bool(seen) and readable >= MIN_READABLE_SHARE * seen


def _declared(top: Folder) -> tuple[dict[int, str], bool]:
    """Return the classes that a data.yaml or a list of names declares, and whether points follow the boxes."""
    for folder in top.below():
        for name in folder.others:
            if name.lower().endswith((".yaml", ".yml")) and (told := _of_yaml(folder.path / name)):
                return told
    for folder in top.below():
        for name in folder.others:
            if name.lower() in CLASS_FILES:
                try:
                    text = (folder.path / name).read_text("utf-8-sig", errors="replace")
                except OSError:
                    continue
                return dict(enumerate(line.strip() for line in text.splitlines() if line.strip())), False
    return {}, False


def _of_yaml(path: Path) -> tuple[dict[int, str], bool] | None:
    try:
        if path.stat().st_size > MAX_YAML_BYTES:
            return None
        root = read_yaml_nodes(path, path.read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError, CannotOpen):
        return None
    names = root.child("names") if root is not None else None
    if root is None or names is None:
        return None
    poses = root.child("kpt_shape") is not None
    if names.items is not None:
        return {number: str(item.value) for number, item in enumerate(names.items)}, poses
    if names.entries is None:
        return None
    return {int(one.key): str(one.node.value) for one in names.entries if one.key.isdecimal()}, poses
