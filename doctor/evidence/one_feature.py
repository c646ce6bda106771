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
"""A value held by fewer rows is not a level but may be the name of an entity."""
MAX_LEVELS = 50
"""With no more distinct values than this all of them are levels; 1 / MIN_LEVEL_SHARE."""

Array = np.ndarray[Any, Any]


class Feature(Struct, frozen=True, kw_only=True):
    """One feature's rows brought into the order of its values.

    Attributes
    ----------
    order : ndarray of int64, shape (n,)
        Row positions, ascending by value, missing values last.
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
            rare = counts[codes] < MIN_LEVEL_SHARE * len(codes)
            values[rare & (codes >= 0)] = len(counts)
        return cls._ordered(values, ordered=False)

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
            order=order, start=edges[run], stop=edges[run + 1], present=present, ordered=ordered, levels=len(edges) - 1
        )

    def folds(self, fold: Array, class_count: int) -> Array:
        """Return each place's fold: the row's own, or that of the run's first row where the run is no level."""
        own = fold[self.order]
        if self.levels <= max(MAX_LEVELS, 2 * class_count):
            return own
        level = self.stop - self.start >= MIN_LEVEL_SHARE * len(own)
        level[self.present :] = True
        return np.where(level, own, own[self.start])


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
        for number in range(class_count):
            running = np.concatenate(([0], np.cumsum(known == number)))
            # One vote is spread over the classes as they are distributed, for windows with no row or a tie.
            votes[number] = running[high] - running[low] + running[-1] / max(1, len(known))
        predicted[test] = np.argmax(votes, axis=0)
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
    has_value = np.arange(len(places)) < feature.present
    for number in range(FOLDS):
        test = np.flatnonzero(places == number)
        train = places != number
        before = np.concatenate(([0], np.cumsum(train)))
        low, high = before[feature.start[test]], before[feature.stop[test]]
        if feature.ordered:
            few = (high - low < 2 * half) & has_value[test]
            low = np.where(few, np.maximum(low - half, 0), low)
            high = np.where(few, np.minimum(high + half, before[feature.present]), high)
        yield test, train, low, high
