"""How far two distributions lie apart, from counts in bins, with what chance alone would make of it."""

import math
from typing import Any

import numpy as np
from msgspec import Struct

from doctor.evidence.binning import HALF_A_ROW

Array = np.ndarray[Any, Any]

ONE_SIDED_99 = 0.01
HALVINGS = 60
FEW_CLUSTERS = 10
"""By how much a design effect is raised, over the number of clusters: from few it is itself known badly."""


class Divergence(Struct, frozen=True, kw_only=True):
    """Two distributions over the same bins.

    Attributes
    ----------
    psi : float
        Population stability index, sum of (q - p) ln(q / p), without what chance adds: (bins - 1)(1/n + 1/m).
    psi_lower : float
        Lower 99 % bound of it; 0 where chance explains all.
    kl : float
        Kullback-Leibler divergence of the later distribution from the earlier one, smoothed, in nats.
    js : float
        Jensen-Shannon divergence, smoothed, 0 to 1.
    p : float
        Of Pearson's test of homogeneity.
    """

    psi: float
    psi_lower: float
    kl: float
    js: float
    p: float

    @classmethod
    def of(cls, before: Array, after: Array, *, effect: float = 1.0) -> "Divergence":
        """Compare counts.

        Parameters
        ----------
        before, after : ndarray of float, shape (bins,)
            Rows per bin.
        effect : float
            Rows that tell as much as one independent row (Rao and Scott's design effect), at least 1.
        """
        n, m, bins = float(before.sum()), float(after.sum()), len(before)
        if bins < 2 or not n or not m:
            return cls(psi=0.0, psi_lower=0.0, kl=0.0, js=0.0, p=1.0)
        p, q = ((side + HALF_A_ROW) / (side.sum() + HALF_A_ROW * bins) for side in (before, after))
        noise = effect * (1 / n + 1 / m)
        index = float(((q - p) * np.log(q / p)).sum())
        middle = (p + q) / 2
        js = float((p * np.log2(p / middle)).sum() + (q * np.log2(q / middle)).sum()) / 2
        return cls(
            psi=max(0.0, index - (bins - 1) * noise),
            psi_lower=noise * least_noncentrality(index / noise, bins - 1),
            kl=float((q * np.log(q / p)).sum()),
            js=max(0.0, js),
            p=chi_square_tail(_pearson(before, after) / effect, bins - 1),
        )


def _pearson(before: Array, after: Array) -> float:
    """Return the statistic of homogeneity of two rows of counts."""
    n, m = before.sum(), after.sum()
    together = (before + after) / (n + m)
    known = together > 0
    difference = (before / n - after / m)[known]
    return float((difference**2 / together[known]).sum() * n * m / (n + m))


def chi_square_tail(value: float, freedom: float, noncentrality: float = 0.0) -> float:
    """Return the probability that a (noncentral) chi-square variable exceeds a value.

    Source: M. Sankaran, Approximations to the non-central chi-square distribution, Biometrika 50 (1963); without
    noncentrality it is that of Wilson and Hilferty (1931). To import scipy for it takes longer than most scans.
    """
    mean = freedom + noncentrality
    spread = freedom + 2 * noncentrality
    h = 1 - 2 / 3 * mean * (freedom + 3 * noncentrality) / spread**2
    p = spread / mean**2
    m = (h - 1) * (1 - 3 * h)
    centre = 1 + h * p * (h - 1 - (2 - h) * m * p / 2)
    z = ((max(value, 0.0) / mean) ** h - centre) / (h * math.sqrt(2 * p) * (1 + m * p / 2))
    return 0.5 * math.erfc(z / math.sqrt(2))


def least_noncentrality(value: float, freedom: int, level: float = ONE_SIDED_99) -> float:
    """Return the least noncentrality under which a value so large is no rarer than `level`; 0 where none is needed."""
    if chi_square_tail(value, freedom) >= level:
        return 0.0
    low, high = 0.0, value
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if chi_square_tail(value, freedom, middle) < level:
            low = middle
        else:
            high = middle
    return low


def needed_index(bound: float, noise: float, freedom: int, level: float = ONE_SIDED_99) -> float:
    """Return the index, chance taken off, from which its lower bound passes `bound`: what is smaller stays unseen."""
    low, high = 0.0, 1e6
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if chi_square_tail(middle, freedom, bound / noise) > level:
            low = middle
        else:
            high = middle
    return max(0.0, noise * (high - freedom))


def distances(before: Array, after: Array) -> tuple[float, float]:
    """Return the distance of Kolmogorov and Smirnov, and that of Wasserstein in standard deviations of `before`.

    Parameters
    ----------
    before, after : ndarray of float, shapes (n,) and (m,)
        Numbers without missing ones.
    """
    if not len(before) or not len(after):
        return 0.0, 0.0
    first, second = np.sort(before), np.sort(after)
    places = np.unique(np.concatenate([first, second]))
    gaps = np.abs(
        np.searchsorted(first, places, side="right") / len(first)
        - np.searchsorted(second, places, side="right") / len(second)
    )
    finite = np.isfinite(places)
    steps = np.diff(places[finite])
    deviation = float(first[np.isfinite(first)].std()) if np.isfinite(first).any() else 0.0
    with np.errstate(over="ignore"):
        moved = float((gaps[finite][:-1] * steps).sum())
    return float(gaps.max()), moved / deviation if deviation > 0 and math.isfinite(moved / deviation) else 0.0


def design_effect(codes: Array, clusters: Array, side: Array, bins: int) -> float:
    """Return by how much rows of one cluster are more alike than independent ones, as a factor of variance.

    The variance between clusters, taken within each side, over that of independent rows: of the shares of all bins
    together, and of the combination of bins in which the sides differ; the larger counts. Neighbours in time agree more
    in the level than in single bins, and it is there that a slow series differs.
    Source: J. Rao and A. Scott, The analysis of categorical data from complex sample surveys, JASA 76 (1981).

    Parameters
    ----------
    codes, clusters, side : ndarray of int, shape (n,)
        Bin, cluster and side (0, 1) of each row; no cluster is on both sides.
    """
    count = int(clusters.max()) + 1
    table = np.bincount(clusters * bins + codes, minlength=count * bins).reshape(count, bins).astype(float)
    home = np.zeros(count, dtype=int)
    home[clusters] = side
    size = table.sum(axis=1)
    totals = np.stack([table[home == number].sum(axis=0) for number in (0, 1)])
    shares = totals / np.maximum(1.0, totals.sum(axis=1, keepdims=True))
    scores = (shares[1] - shares[0]) / np.maximum(shares.mean(axis=0), 1e-12)
    between, independent = np.zeros(2), np.zeros(2)
    for number in (0, 1):
        mine = (home == number) & (size > 0)
        groups = int(mine.sum())
        if groups < 2:
            continue
        rows, share = size[mine].sum(), shares[number]
        residual = table[mine] - size[mine][:, None] * share
        spread = float(share @ scores**2 - (share @ scores) ** 2)
        between += np.array([(residual**2).sum(), ((residual @ scores) ** 2).sum()]) * groups / (groups - 1)
        independent += np.array([(share * (1 - share)).sum(), spread]) * rows
    ratios = between[independent > 0] / independent[independent > 0]
    return float(max(1.0, *ratios) * (1 + FEW_CLUSTERS / count)) if len(ratios) else 1.0
