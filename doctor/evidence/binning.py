"""Values of two sides in bins that both share, none so small that chance would speak from it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from doctor.evidence.sample import numbered

Array = np.ndarray[Any, Any]

MAX_BINS = 10
MAX_LEVELS = 30
MIN_EXPECTED = 8
"""Rows of a bin that are expected on the smaller side; with fewer, an empty bin is no news."""
HALF_A_ROW = 0.5
"""Added to every count (Jeffreys), so that an empty bin has a finite logarithm."""
OTHER = "other"
MISSING = "missing"
NEW_CHANCE = 1e-4
"""A category is new, and not merely rare, where so many rows of it would all fall on the later side this seldom."""


class Bins(Struct, frozen=True, kw_only=True):
    """One column in bins.

    Attributes
    ----------
    codes : ndarray of int64, shape (n,)
        The bin of each row; -1 for rows whose category is new: these are told by themselves.
    names : tuple of str
        Of the bins.
    new_levels : tuple of str
        Categories that only the later side has, in too many rows for chance.
    """

    codes: Array
    names: tuple[str, ...]
    new_levels: tuple[str, ...] = ()

    def counts(self, late: Array, weights: Array | None = None) -> tuple[Array, Array]:
        """Count the rows of each side per bin; the earlier side's may be weighted."""
        size = len(self.names)
        known = self.codes >= 0
        early = known & ~late
        before = np.bincount(self.codes[early], None if weights is None else weights[early], minlength=size)
        return before.astype(float), np.bincount(self.codes[known & late], minlength=size).astype(float)


def binned(values: Array, late: Array, unit: float = 1.0) -> Bins:
    """Put a column into bins.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Numbers as float64 with NaN for missing, text as object with None.
    late : ndarray of bool, shape (n,)
        Whether a row is of the later side.
    unit : float
        Rows of one entity, which may all be alike.
    """
    share = min(late.mean(), 1 - late.mean())
    least = unit * MIN_EXPECTED / share if share > 0 else np.inf
    found = _levels(values, late, least, unit) if values.dtype == object else _numbers(values, least)
    return _merged(found, least)


def _numbers(values: Array, least: float) -> Bins:
    """Cut at quantiles of all rows; a value as frequent as a whole bin has one of its own."""
    known = ~np.isnan(values)
    codes = np.zeros(len(values), dtype=np.int64)
    size = int(known.sum())
    slots = int(min(MAX_BINS, size // least))
    names = ["all"]
    if slots > 1:
        levels, place, counts = np.unique(values[known], return_inverse=True, return_counts=True)
        spike = counts >= size / slots
        rest = np.where(spike, 0, counts)
        left = int(rest.sum())
        cuts = int(max(1, min(slots - spike.sum(), left // least)))
        middle = np.cumsum(rest) - rest / 2
        bins = np.minimum(cuts - 1, (middle * cuts / max(1, left)).astype(np.int64))
        bins[spike] = cuts + np.arange(int(spike.sum()))
        used, bins = np.unique(bins, return_inverse=True)
        codes[known] = bins[place]
        names = [_range(levels[bins == number]) for number in range(len(used))]
    if size < len(values):
        codes[~known] = len(names)
        names.append(MISSING)
    return Bins(codes=codes, names=tuple(names))


def _range(levels: Array) -> str:
    low, high = float(levels[0]), float(levels[-1])
    return f"{low:.6g}" if low == high else f"{low:.6g} to {high:.6g}"


def _levels(values: Array, late: Array, least: float, unit: float) -> Bins:
    """Give each frequent category a bin, and the others one together."""
    raw, levels = numbered(values)
    total = np.bincount(raw + 1, minlength=len(levels) + 1)
    early = np.bincount(raw[~late] + 1, minlength=len(levels) + 1)[1:]
    chance = float(late.mean()) ** (total[1:] / unit)
    new = (early == 0) & (chance < NEW_CHANCE / max(1, len(levels)))
    order = sorted((i for i in range(len(levels)) if not new[i]), key=lambda i: (-total[i + 1], str(levels[i])))
    kept = [i for i in order[:MAX_LEVELS] if total[i + 1] >= least]
    names = [str(levels[i]) for i in kept] + [OTHER] + ([MISSING] if total[0] else [])
    bin_of = np.full(len(levels) + 1, len(kept), dtype=np.int64)
    bin_of[0] = len(kept) + 1
    bin_of[np.array(kept, dtype=np.int64) + 1] = np.arange(len(kept))
    bin_of[1:][new] = -1
    fresh = sorted(np.flatnonzero(new), key=lambda i: (-total[i + 1], str(levels[i])))
    return Bins(codes=bin_of[raw + 1], names=tuple(names), new_levels=tuple(str(levels[i]) for i in fresh))


def _merged(found: Bins, least: float) -> Bins:
    """Join bins that are too small, and what they come to with the smallest of the others if it is still too small."""
    total = np.bincount(found.codes[found.codes >= 0], minlength=len(found.names))
    order = np.argsort(-total, kind="stable")
    kept = [int(i) for i in order if total[i] >= least]
    small = [int(i) for i in order if 0 < total[i] < least]
    groups: list[list[int]] = [[i] for i in sorted(kept)]
    if small and (total[small].sum() >= least or not groups):
        groups.append(small)
    elif small:
        groups[[group[0] for group in groups].index(kept[-1])] += small
    bin_of = np.full(len(found.names) + 1, -1, dtype=np.int64)
    for number, group in enumerate(groups):
        bin_of[group] = number
    names = tuple(found.names[group[0]] if len(group) == 1 else _joined(found.names, group) for group in groups)
    return Bins(codes=bin_of[found.codes], names=names, new_levels=found.new_levels)


def _joined(names: Sequence[str], group: Sequence[int]) -> str:
    shown = " or ".join(names[i] for i in group[:3])
    return shown if len(group) <= 3 else f"{shown} or {len(group) - 3} more"
