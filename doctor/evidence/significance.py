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


def binomial_upper_tail(hits: int, rows: int, share: float) -> float:
    """Return the probability of at least so many hits where each row is one with the probability `share`.

    Below one standard deviation above the mean it is no evidence of anything, and 1 is returned.
    """
    if hits <= share * rows + math.sqrt(share * (1 - share) * rows):
        return 1.0
    from scipy.special import bdtrc

    return 1.0 if hits <= 0 else float(bdtrc(hits - 1, rows, share)) if hits < rows else share**rows


def poisson_lower_tail(hits: int, expected: float) -> float:
    """Return the probability of at most so many hits where `expected` are expected."""
    from scipy.special import pdtr

    return float(pdtr(hits, expected)) if expected > 0 else 1.0


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
