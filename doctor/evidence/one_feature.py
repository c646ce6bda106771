"""Predicts the target of each row from one feature of other rows.

A row's prediction comes from the training rows that share its value; where these are few and the values are ordered,
from its nearest neighbours in value as well: a bin that is centred on the value and fitted in the fold. Missing values
are a bin of their own. Values that only a few rows share lie in one fold with all their rows, so that the name of an
entity predicts nothing about other entities.
"""

from typing import Any

import numpy as np
from msgspec import Struct

FOLDS = 5
HALF_WINDOW = 10
"""Neighbours on each side; a threshold in a feature blurs at most so many rows."""
MIN_LEVEL_SHARE = 0.02
"""A value held by so many rows is a level; one held by fewer may be the name of an entity."""
MIN_LEVEL_ROWS = 20
"""So many rows make a value a level too, where it is one of the most frequent."""
MAX_LEVELS = 50
"""With no more distinct values than this all of them are levels; 1 / MIN_LEVEL_SHARE."""
MIN_COMMON_ROWS = 30
"""A row that occurs fewer times than this is a copy."""

Array = np.ndarray[Any, Any]


class Feature(Struct, frozen=True, kw_only=True):
    """One feature's rows brought into the order of its values.

    Attributes
    ----------
    order : ndarray of int64, shape (n,)
        Row positions, ascending by value, missing values last.
    values : ndarray of float64, shape (n,)
        The values in that order.
    start, stop : ndarray of int64, shape (n,)
        For each place in that order, where the run of its value begins and ends (exclusive).
    present : int
        Rows with a value; they come first.
    ordered : bool
        Whether neighbouring values are alike.
    levels : int
        Runs, the missing one included.
    """

    order: Array
    values: Array
    start: Array
    stop: Array
    present: int
    ordered: bool
    levels: int

    @classmethod
    def of_numbers(cls, values: Array) -> "Feature":
        """Order numbers, NaN for missing. Rows of equal value keep their order."""
        return cls._ordered(values, ordered=True)

    @classmethod
    def of_levels(cls, codes: Array, class_count: int) -> "Feature":
        """Take codes, -1 for missing, as names without an order; rare names become one."""
        values = codes.astype(np.float64)
        values[codes < 0] = np.nan
        counts = np.bincount(codes[codes >= 0])
        if len(counts) > max(MAX_LEVELS, 2 * class_count):
            rare = counts[codes] < _min_level_rows(counts, len(codes))
            values[rare & (codes >= 0)] = len(counts)
        return cls._ordered(values, ordered=False)

    def of_rows(self, kept: Array) -> "Feature":
        """Return the feature of some of its rows.

        Parameters
        ----------
        kept : ndarray of bool, shape (n,)
            By the rows' own positions.
        """
        if kept.all():
            return self
        values = np.empty(len(self.values))
        values[self.order] = self.values
        return self._ordered(values[kept], ordered=self.ordered)

    @classmethod
    def _ordered(cls, values: Array, *, ordered: bool) -> "Feature":
        order = np.argsort(values, kind="stable")
        ascending = values[order]
        present = len(values) - int(np.count_nonzero(np.isnan(ascending)))
        begins = np.ones(len(values), dtype=bool)
        begins[1:present] = ascending[1:present] != ascending[: max(0, present - 1)]
        begins[present + 1 :] = False
        edges = np.append(np.flatnonzero(begins), len(values))
        run = np.cumsum(begins) - 1
        return cls(
            order=order,
            values=ascending,
            start=edges[run],
            stop=edges[run + 1],
            present=present,
            ordered=ordered,
            levels=len(edges) - 1,
        )

    def folds(self, fold: Array, class_count: int) -> Array:
        """Return each place's fold: the row's own, or that of the run's first row where the run is no level."""
        own = fold[self.order]
        if self.levels <= max(MAX_LEVELS, 2 * class_count):
            return own
        return np.where(self.frequent, own, own[self.start])

    @property
    def frequent(self) -> Array:
        """Whether each place's value is held by so many rows that it is a level; a missing value always is."""
        sizes = self.stop - self.start
        begins = np.flatnonzero(self.start == np.arange(len(sizes)))
        frequent = sizes >= _min_level_rows(sizes[begins], len(sizes))
        frequent[self.present :] = True
        return frequent


def _min_level_rows(sizes: Array, rows: int) -> float:
    """Return how many rows a value needs to be a level: enough of them, and more than the many others have."""
    share = MIN_LEVEL_SHARE * rows
    if len(sizes) <= MAX_LEVELS:
        return min(share, MIN_LEVEL_ROWS)
    others = int(np.partition(sizes, -MAX_LEVELS - 1)[-MAX_LEVELS - 1])
    return min(share, max(MIN_LEVEL_ROWS, others + 1))


def folds_of(keys: Array) -> Array:
    """Divide rows into folds by their keys, so that copies share one.

    A row that occurs very often is no copy but a common combination of few values: its occurrences are spread.

    Parameters
    ----------
    keys : ndarray of uint64, shape (n,)
        Ascending.
    """
    _, place, counts = np.unique(keys, return_inverse=True, return_counts=True)
    common = counts[place] >= max(MIN_COMMON_ROWS, MIN_LEVEL_SHARE * len(keys))
    return np.where(common, np.arange(len(keys)) % FOLDS, (keys % np.uint64(FOLDS)).astype(np.int64))


def predict_class(feature: Feature, classes: Array, fold: Array, class_count: int, lumped_from: int) -> Array:
    """Predict the class of every row from the other folds.

    Parameters
    ----------
    classes, fold : ndarray of int64, shape (n,)
        Class and fold of each row.
    class_count : int
        Distinct class numbers.
    lumped_from : int
        Distinct classes before rare ones were joined.

    Returns
    -------
    ndarray of int64, shape (n,)
    """
    truth = classes[feature.order]
    predicted = np.empty(len(truth), dtype=np.int64)
    for test, train, low, high in _windows(feature, fold, lumped_from):
        known = truth[train]
        votes = np.empty((class_count, len(low)))
        votes[0] = high - low
        # One vote is spread over the classes as they are distributed, for windows with no row or a tie.
        shares = np.bincount(known, minlength=class_count) / max(1, len(known))
        for number in range(1, class_count):
            running = np.concatenate(([0], np.cumsum(known == number)))
            votes[number] = running[high] - running[low]
            votes[0] -= votes[number]
        predicted[test] = np.argmax(votes + shares[:, None], axis=0)
    answer = np.empty_like(predicted)
    answer[feature.order] = predicted
    return answer


def predict_quantity(feature: Feature, ranks: Array, fold: Array) -> Array:
    """Predict the rank of every row's quantity from the other folds; see `predict_class`."""
    truth = ranks[feature.order]
    predicted = np.empty(len(truth))
    for test, train, low, high in _windows(feature, fold, 0):
        known = truth[train]
        running = np.concatenate(([0.0], np.cumsum(known)))
        mean = running[-1] / max(1, len(known))
        rows = high - low
        predicted[test] = np.where(rows > 0, (running[high] - running[low]) / np.maximum(1, rows), mean)
    answer = np.empty_like(predicted)
    answer[feature.order] = predicted
    return answer


def predict_monotone(values: Array, ranks: Array, fold: Array) -> Array:
    """Predict ranks of the target by a straight line in the ranks of a feature, from the other folds."""
    predicted = np.empty(len(ranks))
    for number in range(FOLDS):
        test = fold == number
        centre, mean = values[~test].mean(), ranks[~test].mean()
        inputs = values[~test] - centre
        slope = inputs @ (ranks[~test] - mean) / max(float(inputs @ inputs), 1e-300)
        predicted[test] = mean + slope * (values[test] - centre)
    return predicted


def _windows(feature: Feature, fold: Array, class_count: int) -> Any:
    """Yield per fold: places to predict, mask of training places, window in the order of the training rows."""
    places = feature.folds(fold, class_count)
    half = int(np.clip(len(places) // 50, 3, HALF_WINDOW))
    # A window ends where a frequent value begins, else a spike would speak for the values beside it.
    spike = feature.frequent
    floor = np.maximum.accumulate(np.where(spike, feature.stop, 0))
    ceiling = np.minimum.accumulate(np.where(spike, feature.start, len(places))[::-1])[::-1]
    for number in range(FOLDS):
        test = np.flatnonzero(places == number)
        train = places != number
        before = np.concatenate(([0], np.cumsum(train)))
        low, high = before[feature.start[test]], before[feature.stop[test]]
        if feature.ordered:
            few = (high - low < 2 * half) & ~spike[test]
            left = np.where(few, np.maximum(low - half, before[floor[test]]), low)
            right = np.where(few, np.minimum(high + half, before[ceiling[test]]), high)
            low, high = _without_far_side(feature.values[test], feature.values[train], (left, low, high, right))
        yield test, train, low, high


def _without_far_side(values: Array, known: Array, bounds: tuple[Array, Array, Array, Array]) -> tuple[Array, Array]:
    """Drop the side of a window that begins beyond the reach of the other one: it lies across a gap.

    `bounds` are places in `known`: where the window begins, where the value's own run begins and ends, where it ends.
    """
    left, low, high, right = bounds
    if not len(known):
        return left, right
    last = len(known) - 1
    # The distance of an infinite value from its like is no number, and then both sides are kept.
    with np.errstate(invalid="ignore", over="ignore"):
        reach_left = np.where(left < low, values - known[np.minimum(left, last)], np.inf)
        reach_right = np.where(high < right, known[np.maximum(right - 1, 0)] - values, np.inf)
        near_left = np.where(left < low, values - known[np.maximum(low - 1, 0)], np.inf)
        near_right = np.where(high < right, known[np.minimum(high, last)] - values, np.inf)
    return np.where(near_left > reach_right, low, left), np.where(near_right > reach_left, high, right)
