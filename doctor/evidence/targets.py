"""What is to be predicted, ready for measures on the sample: which rows have it, its classes or its ranks."""

from enum import StrEnum
from typing import Any

import numpy as np
from msgspec import Struct

from doctor.errors import NotApplicable
from doctor.evidence.roles import Roles
from doctor.evidence.sample import Sample
from doctor.subjects.table import Kind, Table

MAX_CLASSES = 20
"""Classes looked at one by one, the most frequent first; the others are looked at as one."""
MAX_NUMBER_CLASSES = 20
"""A numeric target with more distinct values is a quantity, not a class."""
MIN_NUMBER_SHARE = 0.9
"""A text column whose values are numbers to this share (the rest "ERROR", "unknown") is a quantity."""

Array = np.ndarray[Any, Any]


class Task(StrEnum):
    """What kind of prediction the target asks for."""

    CLASSIFICATION = "classification"
    REGRESSION = "regression"


class Target(Struct, frozen=True, kw_only=True):
    """The target on the rows of the sample that have it.

    Where there is a train split only its rows count: other splits may spell the classes differently.

    Attributes
    ----------
    rows : ndarray of int64, shape (n,)
        Positions in the sample.
    values : ndarray, shape (n,)
        Class numbers (int64, into `classes`), or mid-ranks scaled to 0–1 (float64) for a quantity.
    classes : tuple of str
        Most frequent first. When there are more than can be looked at, the last one stands for all others.
    class_count : int
        Distinct classes before any were joined; 0 for a quantity.
    cuts : tuple of float
        Quartiles of a quantity; empty for classes.
    split : str or None
        The split to which the rows belong; None for all.
    """

    name: str
    task: Task
    rows: Array
    values: Array
    classes: tuple[str, ...] = ()
    class_count: int = 0
    cuts: tuple[float, ...] = ()
    split: str | None = None

    @property
    def lumped(self) -> bool:
        """Whether the last class stands for several."""
        return self.class_count > len(self.classes)

    @classmethod
    def measure(cls, table: Table, roles: Roles, sample: Sample) -> "Target":
        """Read the target off the sample.

        Raises
        ------
        NotApplicable
            When there is no target, or nothing to be predicted about it.
        """
        if roles.target is None:
            raise NotApplicable("no target is known; name it with --target COLUMN")
        column = table.column(roles.target)
        split = "train" if "train" in column.splits else None
        raw = sample.columns[column.name]
        present = np.array([value is not None for value in raw]) if raw.dtype == object else ~np.isnan(raw)
        rows = np.flatnonzero(present if split is None else present & (sample.split == split))
        values = raw[rows]
        numbers = as_numbers(values) if raw.dtype == object else values
        if numbers is not None and is_quantity(numbers, column.kind):
            kept = ~np.isnan(numbers)
            return cls._quantity(column.name, rows[kept], numbers[kept], split)
        return cls._classes(column.name, rows, values, split)

    @classmethod
    def _quantity(cls, name: str, rows: Array, numbers: Array, split: str | None) -> "Target":
        if len(rows) == 0 or numbers.min() == numbers.max():
            raise NotApplicable(f"{name}, the target, has a single value")
        cuts = tuple(float(cut) for cut in np.quantile(numbers, (0.25, 0.5, 0.75), method="inverted_cdf"))
        return cls(name=name, task=Task.REGRESSION, rows=rows, values=mid_ranks(numbers), cuts=cuts, split=split)

    @classmethod
    def _classes(cls, name: str, rows: Array, values: Array, split: str | None) -> "Target":
        levels, codes, counts = np.unique(values.astype(str), return_inverse=True, return_counts=True)
        if len(levels) < 2:
            raise NotApplicable(f"{name}, the target, has a single value")
        if len(levels) > len(rows) / 2:
            raise NotApplicable(f"{name}, the target, has nearly as many values as rows, so it is no class")
        order = np.lexsort((levels, -counts))
        place = np.empty(len(levels), dtype=np.int64)
        place[order] = np.arange(len(levels))
        names = [_shown(str(levels[index])) for index in order]
        if len(names) > MAX_CLASSES:
            names = [*names[: MAX_CLASSES - 1], f"any of {len(names) - MAX_CLASSES + 1} other classes"]
        return cls(
            name=name,
            task=Task.CLASSIFICATION,
            rows=rows,
            values=np.minimum(place[codes], MAX_CLASSES - 1),
            classes=tuple(names),
            class_count=len(levels),
            split=split,
        )


def is_quantity(numbers: Array, kind: Kind) -> bool:
    """Whether the numbers of a target are a quantity rather than the names of classes."""
    if kind is Kind.BOOLEAN:
        return False
    known = numbers[~np.isnan(numbers)]
    distinct = np.unique(known)
    several = len(distinct) > min(MAX_NUMBER_CLASSES, len(known) / 2)
    return several or bool(np.any(distinct != np.round(distinct)))


def as_numbers(values: Array) -> Array | None:
    """Read texts as numbers, thousands separators allowed; None where most are not numbers.

    Parameters
    ----------
    values : ndarray of object
        Texts, None for missing.

    Returns
    -------
    ndarray of float64 or None
        NaN where a text is not a number.
    """
    levels = dict.fromkeys(values)
    levels.pop(None, None)
    texts = list(levels)
    for probe in (texts[:200], texts):
        numbers = [number_in(text) for text in probe]
        if not numbers or sum(number == number for number in numbers) < MIN_NUMBER_SHARE * len(numbers):
            return None
    table = dict(zip(texts, numbers, strict=True))
    return np.fromiter((table.get(value, np.nan) for value in values), dtype=np.float64, count=len(values))


def mid_ranks(numbers: Array) -> Array:
    """Rank numbers, ties at their mean, scaled to lie between 0 and 1; missing numbers stay missing."""
    ranks = np.full(len(numbers), np.nan)
    known = ~np.isnan(numbers)
    _, codes, counts = np.unique(numbers[known], return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks[known] = ((ends - counts + ends) / 2)[codes] / max(1, ends[-1] if len(ends) else 1)
    return ranks


def number_in(text: str) -> float:
    """Read a number, NaN where there is none."""
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return float("nan")


def _shown(level: str) -> str:
    return level.removesuffix(".0") if level.removesuffix(".0").lstrip("-").isdigit() else level
