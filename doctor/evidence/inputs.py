"""The features of sampled rows as a matrix of numbers, for models that are no trees."""

from typing import Any

import numpy as np
from msgspec import Struct

from doctor.errors import Unavailable
from doctor.evidence.keys import Keys
from doctor.evidence.one_feature import FOLDS, MIN_COMMON_ROWS
from doctor.evidence.prose_features import prose_halves
from doctor.evidence.roles import Roles
from doctor.evidence.sample import Sample
from doctor.evidence.targets import Target, as_numbers
from doctor.subjects.table import Kind, Table

MAX_ROWS = 3_000
"""Neighbours are looked for among all pairs of rows, so their cost is the square of this."""
MIN_ROWS = 50
MAX_COLUMNS = 120
MAX_LEVELS = 20
MIN_LEVEL_ROWS = 5
"""A category held by fewer rows says nothing about others."""

Array = np.ndarray[Any, Any]


class Inputs(Struct, frozen=True, kw_only=True):
    """Rows with a label, and their features.

    Attributes
    ----------
    rows : ndarray of int64, shape (n,)
        Positions in the sample; in the order of the sample, that of a hash, so that the first are drawn at random.
    matrix : ndarray of float32, shape (n, d)
        Numbers by their distance from the mean in standard deviations, large ones by its logarithm; levels of text and
        holes as 0 and 1, likewise scaled.
    origin : ndarray of int64, shape (d,)
        The feature from which each column of `matrix` is made, counted from 0.
    values : ndarray, shape (n,)
        `Target.values` of these rows.
    fold : ndarray of int64, shape (n,)
        Rows of equal features share one, unless they are common: divided by features and label, a fold would lack
        just the label that is right for its rows.
    features : int
        Columns that were read.
    unread : tuple of str
        Features that were not: sentences, nested values, and those beyond `MAX_COLUMNS`. Sentences are among them also
        where there is nothing else and they were read as two features, each by the words that half of all words are.
    """

    rows: Array
    matrix: Array
    origin: Array
    values: Array
    fold: Array
    features: int
    unread: tuple[str, ...]

    @classmethod
    def measure(cls, table: Table, roles: Roles, keys: Keys, sample: Sample, target: Target) -> "Inputs":
        """Code the columns that are features: names of rows and entities, sentences and the target are none.

        Raises
        ------
        Unavailable
            Where there are too few rows, or no feature can be read as numbers or levels.
        """
        rows = target.rows[:MAX_ROWS]
        if len(rows) < MIN_ROWS:
            raise Unavailable(f"{len(rows):,} rows with a label are too few for a model")
        prose = {name for name, shape in keys.shapes.items() if shape.prose}
        out = {target.name, roles.item, roles.predictions, *roles.annotators, *keys.names}
        parts: list[Array] = []
        unread: list[str] = []
        origin: list[int] = []
        features = 0
        for column in table.columns:
            if column.name in out:
                continue
            if column.name in prose or column.kind is Kind.OTHER or len(parts) >= MAX_COLUMNS:
                unread.append(column.name)
                continue
            read = coded(sample.columns[column.name][rows])
            origin += [features] * len(read)
            features += bool(read)
            parts += read
        if not parts:
            # Beside numbers and levels sentences are left out; by themselves they are all that there is to learn from.
            for name in sorted(prose & set(unread)):
                said = ["" if value is None else value for value in sample.columns[name][rows]]
                for half in prose_halves(said):
                    origin += [features] * half.shape[1]
                    features += 1
                    parts += list(half.T)
        if not parts:
            raise Unavailable("no feature can be read as numbers or as levels that return")
        matrix = np.column_stack(parts).astype(np.float32)
        return cls(
            rows=rows,
            matrix=matrix,
            origin=np.array(origin),
            values=target.values[:MAX_ROWS],
            fold=_folds(matrix, sample.key[rows]),
            features=features,
            unread=tuple(unread),
        )


def _folds(matrix: Array, keys: Array) -> Array:
    _, first, place, counts = np.unique(matrix, axis=0, return_index=True, return_inverse=True, return_counts=True)
    place = place.reshape(-1)
    return np.where(
        counts[place] >= MIN_COMMON_ROWS,
        np.arange(len(matrix)) % FOLDS,
        (keys[first[place]] % np.uint64(FOLDS)).astype(np.int64),
    )


def coded(values: Array) -> list[Array]:
    """Turn one column into columns of mean 0 and spread 1; none where it says nothing."""
    if values.dtype == object:
        numbers = as_numbers(values)
        if numbers is None:
            return _levels(values)
        values = numbers
    known = np.isfinite(values)
    parts = [_scaled((~known).astype(np.float64))]
    if known.any():
        # Sums of squares of huge numbers overflow; their order is all that counts then.
        filled = np.where(known, np.clip(values, -1e100, 1e100), np.median(values[known]))
        parts.append(_scaled(filled))
    return [np.arcsinh(part) for part in parts if part is not None]


def _levels(values: Array) -> list[Array]:
    names, counts = np.unique(values.astype(str), return_counts=True)
    order = np.lexsort((names, -counts))[:MAX_LEVELS]
    frequent = [names[place] for place in order if counts[place] >= MIN_LEVEL_ROWS]
    texts = values.astype(str)
    # Two levels are one column; of several each is one, lighter by what they say together.
    chosen = frequent[:1] if len(frequent) == len(names) == 2 else frequent
    parts = [_scaled((texts == name).astype(np.float64)) for name in chosen]
    return [part / np.sqrt(2) if len(chosen) > 1 else part for part in parts if part is not None]


def _scaled(values: Array) -> Array | None:
    spread = values.std()
    return (values - values.mean()) / spread if np.isfinite(spread) and spread > 0 else None
