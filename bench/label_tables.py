"""Tables of features and labels in which no label is wrong, for the calibration of labels/label-noise.

`HONEST`: classes that overlap, near or far, with light and heavy tails, by planes, curves, trees, levels and latent
quantities, balanced and rare, or with no signal. `CHANCE`: the label is decided by chance alike in groups that are far
apart or that one column tells, which by the features alone is the same as labels that are wrong.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Random = np.random.Generator
Design = Callable[[Random, int], tuple[Array, Array]]


def flipped(random: Random, labels: Array, share: float) -> Array:
    """Give a share of the labels another class, any of the others alike."""
    classes = int(labels.max()) + 1
    wrong = random.choice(len(labels), round(share * len(labels)), replace=False)
    given = labels.copy()
    given[wrong] = (labels[wrong] + random.integers(1, classes, len(wrong))) % classes
    return given


def clouds(random: Random, rows: int, *, apart: float, classes: int = 2, width: int = 5) -> tuple[Array, Array]:
    """Normal clouds, one per class."""
    kind = random.integers(0, classes, rows)
    return random.normal(size=(rows, width)) + apart * np.eye(classes, width)[kind], kind


def heavy(random: Random, rows: int, *, apart: float, freedom: float) -> tuple[Array, Array]:
    """Two clouds whose tails are those of Student's t."""
    kind = random.integers(0, 2, rows)
    features = random.standard_t(freedom, size=(rows, 4))
    features[:, :2] += apart * kind[:, None]
    return features, kind


def skewed(random: Random, rows: int, *, apart: float) -> tuple[Array, Array]:
    """Three clouds, exponentiated."""
    features, kind = clouds(random, rows, apart=apart, classes=3, width=4)
    return np.exp(features), kind


def odds(random: Random, rows: int, *, slope: float) -> tuple[Array, Array]:
    """A label whose odds rise along a plane."""
    features = random.normal(size=(rows, 5))
    way = random.normal(size=5)
    told = features @ (slope * way / np.linalg.norm(way))
    return features, (random.random(rows) < 1 / (1 + np.exp(-told))).astype(int)


def exclusive(random: Random, rows: int, *, apart: float) -> tuple[Array, Array]:
    """Four clouds, those across from each other alike."""
    corner = random.integers(0, 2, (rows, 2))
    features = np.hstack([apart * (2 * corner - 1) + random.normal(size=(rows, 2)), random.normal(size=(rows, 2))])
    return features, corner[:, 0] ^ corner[:, 1]


def rare(random: Random, rows: int, *, apart: float, share: float) -> tuple[Array, Array]:
    """A rare class within a common one's tail."""
    kind = (random.random(rows) < share).astype(int)
    features = random.normal(size=(rows, 5))
    features[:, :2] += apart * kind[:, None]
    return features, kind


def steps(random: Random, rows: int, *, slope: float) -> tuple[Array, Array]:
    """Categories that move the odds, beside a number that says nothing."""
    columns = [random.integers(0, levels, rows) for levels in (2, 2, 3, 4, 5)]
    told = sum(
        slope * random.normal(size=levels)[column] for levels, column in zip((2, 2, 3, 4, 5), columns, strict=True)
    )
    known = [column == level for column in columns for level in range(column.max() + 1)]
    features = np.column_stack([*known, random.normal(size=rows)]).astype(float)
    return features, (random.random(rows) < 1 / (1 + np.exp(-told))).astype(int)


def latent(random: Random, rows: int, *, slope: float, blur: float) -> tuple[Array, Array]:
    """Six readings of one quantity that moves the odds."""
    told = random.normal(size=rows)
    features = told[:, None] + blur * random.normal(size=(rows, 6))
    return features, (random.random(rows) < 1 / (1 + np.exp(-slope * told))).astype(int)


def heaps(random: Random, rows: int, *, count: int, apart: float) -> tuple[Array, Array]:
    """Clouds at random places, dealt out to two classes."""
    middle = apart * random.normal(size=(count, 4))
    heap = random.integers(0, count, rows)
    return middle[heap] + random.normal(size=(rows, 4)), heap % 2


def graded(random: Random, rows: int, *, sharp: float, classes: int) -> tuple[Array, Array]:
    """Grades of a quantity that the features tell but in part."""
    features = random.normal(size=(rows, 5))
    quantity = features[:, :3].sum(axis=1) / 3**0.5 + random.normal(size=rows) / sharp
    return features, np.searchsorted(np.quantile(quantity, np.linspace(0, 1, classes + 1)[1:-1]), quantity)


def neighbours(random: Random, rows: int, *, apart: float, freedom: float = 0) -> tuple[Array, Array]:
    """Eight clouds far from each other, but for two; with the tails of Student's t where `freedom` is given."""
    kind = random.integers(0, 8, rows)
    middle = 6 * np.eye(8)
    middle[1] = middle[0]
    middle[1, 0] -= apart
    grain = random.standard_t(freedom, size=(rows, 8)) if freedom else random.normal(size=(rows, 8))
    return middle[kind] + grain, kind


def stray(random: Random, rows: int) -> tuple[Array, Array]:
    """Three clouds, and one row in twenty whose features are noise."""
    features, kind = clouds(random, rows, apart=5, classes=3)
    lost = random.random(rows) < 0.05
    features[lost] = 3 * random.normal(size=(int(lost.sum()), features.shape[1]))
    return features, kind


def blind(random: Random, rows: int, *, share: float) -> tuple[Array, Array]:
    """A label that has nothing to do with the features."""
    return random.normal(size=(rows, 5)), (random.random(rows) < share).astype(int)


def boxes(random: Random, rows: int, *, least: float) -> tuple[Array, Array]:
    """Eight boxes, each with odds of its own."""
    features = random.random((rows, 4))
    box = (features[:, :3] > 0.5) @ np.array([1, 2, 4])
    right, side = least + (1 - least) * random.random(8), random.integers(0, 2, 8)
    return features, np.where(random.random(rows) < right[box], side[box], 1 - side[box])


def one_column(random: Random, rows: int, *, right: float) -> tuple[Array, Array]:
    """One column of two values that agrees with the label in a share of the rows."""
    told = random.integers(0, 2, rows)
    features = np.column_stack([told, random.normal(size=(rows, 4))])
    return features, np.where(random.random(rows) < right, told, 1 - told)


def two_groups(random: Random, rows: int, *, right: float) -> tuple[Array, Array]:
    """Two clouds far apart whose labels chance decides alike."""
    features, kind = clouds(random, rows, apart=5)
    return features, np.where(random.random(rows) < right, kind, 1 - kind)


HONEST: dict[str, Design] = {
    "clouds, 1 apart": partial(clouds, apart=1),
    "clouds, 2 apart": partial(clouds, apart=2),
    "clouds, 3 apart": partial(clouds, apart=3),
    "clouds, 4 apart": partial(clouds, apart=4),
    "clouds, 20 wide": partial(clouds, apart=2.5, width=20),
    "three clouds": partial(clouds, apart=3, classes=3),
    "five clouds": partial(clouds, apart=3.5, classes=5, width=8),
    "t, 2 degrees": partial(heavy, apart=3, freedom=2),
    "t, 3 degrees": partial(heavy, apart=4, freedom=3),
    "skewed, near": partial(skewed, apart=2),
    "skewed, far": partial(skewed, apart=3.5),
    "odds, weak": partial(odds, slope=2),
    "odds, strong": partial(odds, slope=5),
    "odds, sharp": partial(odds, slope=10),
    "exclusive, near": partial(exclusive, apart=1.5),
    "exclusive, far": partial(exclusive, apart=2.5),
    "rare, near": partial(rare, apart=1.5, share=0.05),
    "rare, far": partial(rare, apart=3, share=0.05),
    "categories, weak": partial(steps, slope=1.5),
    "categories, strong": partial(steps, slope=3),
    "latent, weak": partial(latent, slope=3, blur=0.5),
    "latent, strong": partial(latent, slope=8, blur=0.3),
    "heaps, near": partial(heaps, count=6, apart=2),
    "heaps, far": partial(heaps, count=9, apart=3),
    "five grades": partial(graded, sharp=3, classes=5),
    "three grades": partial(graded, sharp=8, classes=3),
    "two of eight, near": partial(neighbours, apart=2),
    "two of eight, far": partial(neighbours, apart=3),
    "two of eight, t": partial(neighbours, apart=3, freedom=5),
    "stray rows": stray,
    "blind": partial(blind, share=0.3),
    "blind, rare": partial(blind, share=0.05),
    "boxes": partial(boxes, least=0.6),
    "boxes, surer": partial(boxes, least=0.9),
    "one column, 90 %": partial(one_column, right=0.9),
    "one column, 97 %": partial(one_column, right=0.97),
}
CHANCE: dict[str, Design] = {"two groups, 95 %": partial(two_groups, right=0.95)}
