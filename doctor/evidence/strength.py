"""How strongly one feature tells the target of rows that it was not fitted on: classes by AUC, quantities by ranks."""

import math
from typing import Any

import numpy as np
from msgspec import Struct

from doctor.evidence.chronology import auc_deviation, auc_of
from doctor.evidence.one_feature import Feature, predict_quantity
from doctor.evidence.significance import ONE_SIDED_95
from doctor.evidence.targets import Target, Task

PERMUTATIONS = 99
MIN_MEMBERS = 20
"""Rows of a class, and of all others, below which its ranks say little."""

Array = np.ndarray[Any, Any]


class Strength(Struct, frozen=True, kw_only=True):
    """What a feature tells.

    Attributes
    ----------
    view : str or None
        The class that it tells best from all others; None for a quantity.
    strength : float
        Between classes 2 AUC - 1, for a quantity the correlation of its ranks with those predicted.
    lower : float
        Lower one-sided 95 % bound of `strength`.
    p : float
        That chance gives so much, times the classes looked at.
    """

    view: str | None = None
    strength: float = 0.0
    lower: float = 0.0
    p: float = 1.0


def strongest(feature: Feature, target: Target, fold: Array) -> Strength:
    """Return what a feature tells of the class that it tells best, or of the quantity."""
    if target.task is Task.REGRESSION:
        return _correlation(predict_quantity(feature, target.values, fold), target.values)
    views = range(len(target.classes) if len(target.classes) > 2 else 1)
    found = []
    for view in views:
        member = target.values == view
        ones, zeros = int(member.sum()), int((~member).sum())
        if min(ones, zeros) < MIN_MEMBERS:
            continue
        auc = auc_of(predict_quantity(feature, member.astype(np.float64), fold), member)
        z = (auc - 0.5) / math.sqrt((ones + zeros + 1) / (12 * ones * zeros))
        lower = auc - ONE_SIDED_95 * auc_deviation(min(max(auc, 0.5), 1 - 1e-9), zeros, ones)
        p = min(1.0, len(views) * 0.5 * math.erfc(z / math.sqrt(2)))
        found.append(Strength(view=target.classes[view], strength=2 * auc - 1, lower=2 * lower - 1, p=p))
    return max(found, key=lambda item: item.lower, default=Strength())


def permuted(feature: Feature, target: Target, fold: Array, found: Strength, max_rows: int) -> float:
    """Return the share of permuted targets that a feature tells at least as strongly, one added to both counts.

    Parameters
    ----------
    max_rows : int
        Rows that are permuted at most; with fewer rows chance gives more, so this is on the safe side.
    """
    rows = len(target.values)
    kept = np.arange(rows) < max_rows
    truth = target.values if found.view is None else (target.values == target.classes.index(found.view)).astype(float)
    # The places of a feature are those of all rows, so the fewer rows need a feature of their own.
    small, part, parted = feature.of_rows(kept), truth[kept].astype(np.float64), fold[kept]
    draw = np.random.default_rng(0)
    as_strong = sum(
        _told(predict_quantity(small, shuffled, parted), shuffled, found.view) >= found.strength
        for shuffled in (draw.permutation(part) for _ in range(PERMUTATIONS))
    )
    return (1 + as_strong) / (1 + PERMUTATIONS)


def _told(predicted: Array, truth: Array, view: str | None) -> float:
    if view is None:
        return float(np.corrcoef(predicted, truth)[0, 1]) if np.ptp(predicted) > 0 else 0.0
    return 2 * auc_of(predicted, truth > 0) - 1


def _correlation(predicted: Array, truth: Array) -> Strength:
    if np.ptp(predicted) == 0 or len(truth) < 10:
        return Strength()
    correlation = float(np.corrcoef(truth, predicted)[0, 1])
    z, deviation = math.atanh(min(correlation, 1 - 1e-12)), 1 / math.sqrt(len(truth) - 3)
    lower = math.tanh(z - ONE_SIDED_95 * deviation)
    return Strength(strength=correlation, lower=lower, p=0.5 * math.erfc(z / deviation / math.sqrt(2)))
