"""Bounds and tests that several measures share."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

ONE_SIDED_95 = 1.645
"""Standard normal quantile of a one-sided bound of 95 %."""

Array = np.ndarray[Any, Any]


def wilson_upper(hits: int, rows: int, z: float = ONE_SIDED_95) -> float:
    """Return Wilson's upper bound of a share.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927).
    """
    share = hits / rows
    middle = share + z * z / (2 * rows)
    half = z * math.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    return min(1.0, (middle + half) / (1 + z * z / rows))


def wilson_lower(hits: int, rows: int, z: float = ONE_SIDED_95) -> float:
    """Return Wilson's lower bound of a share."""
    return 1 - wilson_upper(rows - hits, rows, z)


def poisson_binomial_upper_tail(hits: int, shares: Array) -> float:
    """Return the probability of at least so many hits where each row is one with a probability of its own.

    Exact, by adding row after row.
    """
    chances = np.zeros(len(shares) + 1)
    chances[0] = 1.0
    for rows, share in enumerate(shares, start=1):
        chances[1 : rows + 1] = chances[1 : rows + 1] * (1 - share) + chances[:rows] * share
        chances[0] *= 1 - share
    return float(min(1.0, chances[max(0, hits) :].sum()))


def binomial_upper_tail(hits: int, rows: int, share: float) -> float:
    """Return the probability of at least so many hits where each row is one with the probability `share`.

    Below one standard deviation above the mean it is no evidence of anything, and 1 is returned.
    """
    deviation = math.sqrt(share * (1 - share) * rows)
    if hits <= share * rows + deviation or hits <= 0:
        return 1.0
    if share <= 0:
        return 0.0
    further = np.arange(hits, min(rows, hits + _reach(deviation)), dtype=float)
    ways = math.lgamma(rows + 1) - math.lgamma(hits + 1) - math.lgamma(rows - hits + 1)
    first = ways + hits * math.log(share) + (rows - hits) * math.log1p(-share)
    return _summed(first, np.log((rows - further) / (further + 1)) + math.log(share / (1 - share)))


def poisson_lower_tail(hits: int, expected: float) -> float:
    """Return the probability of at most so many hits where `expected` are expected."""
    reach = _reach(math.sqrt(max(0.0, expected)))
    if expected <= 0 or hits >= expected + reach:
        return 1.0
    fewer = np.arange(hits, max(0, min(hits, math.floor(expected)) - reach), -1, dtype=float)
    first = hits * math.log(expected) - expected - math.lgamma(hits + 1)
    return _summed(first, np.log(fewer / expected))


def _reach(deviation: float) -> int:
    """Return how far from the first the terms of a tail count; those beyond are less than 1e-16 of the sum."""
    return 100 + math.ceil(40 * deviation)


def _summed(first: float, steps: Array) -> float:
    """Sum terms of which the logarithm of the first is known and those of the ratios of neighbours.

    The tails are summed here, since to import `scipy.special` takes longer than most scans of small tables.
    """
    logarithms = first + np.concatenate([[0.0], np.cumsum(steps)])
    return min(1.0, float(np.exp(logarithms).sum()))


def false_discovery(p: Sequence[float] | Array) -> list[float]:
    """Turn p-values into q-values.

    Source: Y. Benjamini and Y. Hochberg, Controlling the false discovery rate, JRSS B 57 (1995).
    """
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values)
    scaled = values[order] * len(values) / np.arange(1, len(values) + 1)
    q = np.empty(len(values))
    q[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return [float(value) for value in q]
