"""The classes of images, ready for measures that ask for a target."""

import numpy as np

from doctor.errors import NotApplicable
from doctor.evidence.image_facts import ImageFacts
from doctor.evidence.targets import Target, Task

CLASS = "class"


def image_target(facts: ImageFacts, split: str | None = None) -> Target:
    """Return the classes of the readable images that have one.

    Parameters
    ----------
    split : str, optional
        Of which split. [default: train, where there is such a split, else all]

    Returns
    -------
    Target
        `rows` are places in `facts.files`, in the order of a hash of what is in them.

    Raises
    ------
    NotApplicable
        Where the images have no classes, or one only.
    """
    labels = facts.labels
    present = facts.readable & np.array([label is not None for label in labels], dtype=bool)
    if not present.any():
        raise NotApplicable("nothing tells the classes of the images; say so with --image-labels")
    if split is None and "train" in set(facts.splits[present].tolist()):
        split = "train"
    if split is not None:
        present &= facts.splits == split
    rows = np.flatnonzero(present)
    rows = rows[np.lexsort((rows, facts.content[rows].astype(str)))]
    levels, codes, counts = np.unique(labels[rows].astype(str), return_inverse=True, return_counts=True)
    if len(levels) < 2:
        raise NotApplicable("the images have a single class")
    if len(levels) > len(rows) / 2:
        raise NotApplicable("there are nearly as many classes as images")
    order = np.lexsort((levels, -counts))
    place = np.empty(len(levels), dtype=np.int64)
    place[order] = np.arange(len(levels))
    return Target(
        name=CLASS,
        task=Task.CLASSIFICATION,
        rows=rows,
        values=place[codes],
        classes=tuple(str(levels[index]) for index in order),
        class_count=len(levels),
        split=split,
    )


def content_keys(facts: ImageFacts, rows: np.ndarray) -> np.ndarray:
    """Return the first half of the hash of what is in each image, as uint64[n]: copies share it."""
    return np.array([int(mark[:16], 16) for mark in facts.content[rows].tolist()], dtype=np.uint64)
