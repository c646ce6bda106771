"""The course of a recorded quantity: its levels, its noise, where it ended and whether it moved."""

import math
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from doctor.evidence.history import Series

MAX_BLOCKS = 40
MIN_VALUES_PER_BLOCK = 5
MAD_TO_SD = 1.4826
"""Of a normal distribution."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """A quantity over steps, in blocks of equal numbers of steps.

    Attributes
    ----------
    series : Series
        Its finite values.
    middles : ndarray of float64, shape (blocks,)
        Middle step of each block.
    levels : ndarray of float64, shape (blocks,)
        Median of each block.
    noise : float
        Standard deviation of single values about their neighbours, robust; NaN below three values.
    level_noise : float
        Standard deviation of the levels about a smooth course, robust, so what is correlated within a block counts;
        NaN below four blocks.
    """

    series: Series
    middles: NDArray[np.float64]
    levels: NDArray[np.float64]
    noise: float
    level_noise: float

    def __len__(self) -> int:
        return len(self.series)

    @property
    def start(self) -> float:
        """The first level."""
        return float(self.levels[0]) if len(self.levels) else float("nan")

    @property
    def end(self) -> float:
        """The level at the end: the median of the last tenth of the blocks, two at least."""
        return float(np.median(self.levels[-max(2, len(self.levels) // 10) :])) if len(self.levels) else float("nan")

    def after(self, step: float) -> "Curve":
        """Return the course from a step on."""
        chosen = self.series.steps >= step
        return curve(Series(self.series.steps[chosen], self.series.values[chosen]))


@dataclass(frozen=True, kw_only=True)
class Trend:
    """Which way a curve went.

    Attributes
    ----------
    per_step : float
        Theil–Sen slope.
    change : float
        That slope over the whole course, in the quantity's own unit.
    low, high : float
        Interval of `change` at the confidence asked for.
    p_value : float
        Two-sided, of Kendall's test that there is no trend.
    """

    per_step: float
    change: float
    low: float
    high: float
    p_value: float


def curve(series: Series, min_values: int = MIN_VALUES_PER_BLOCK) -> Curve:
    """Cut a series into blocks; the empty one has none.

    Parameters
    ----------
    series : Series
        NaN and infinities are left out.
    min_values : int
        Values per block, on average; 1 for what is recorded rarely, such as evaluations.
    """
    finite = series.finite
    steps, values = finite.steps, finite.values
    if not len(values):
        return Curve(series=finite, middles=np.empty(0), levels=np.empty(0), noise=np.nan, level_noise=np.nan)
    count = int(np.clip(len(values) // min_values, 1, MAX_BLOCKS))
    edges = np.linspace(steps[0], steps[-1] + 1, count + 1)
    bounds = np.searchsorted(steps, edges)
    filled = [(begin, end) for begin, end in pairwise(bounds) if end > begin]
    levels = np.array([np.median(values[begin:end]) for begin, end in filled])
    middles = np.array([(steps[begin] + steps[end - 1]) / 2 for begin, end in filled])
    return Curve(
        series=finite,
        middles=middles,
        levels=levels,
        noise=spread(np.diff(values)) / np.sqrt(2) if len(values) > 2 else np.nan,
        level_noise=spread(np.diff(levels, 2)) / np.sqrt(6) if len(levels) > 3 else np.nan,
    )


def spread(values: NDArray[np.float64]) -> float:
    """Return a standard deviation that outliers do not move: the median absolute value, for values about 0."""
    return float(MAD_TO_SD * np.median(np.abs(values))) if len(values) else float("nan")


def trend(course: Curve, confidence: float = 0.99) -> Trend | None:
    """Fit a Theil–Sen line through the levels; None below five of them.

    Source
    ------
    P. K. Sen, Estimates of the regression coefficient based on Kendall's tau, JASA 63 (1968).
    """
    x, y = course.middles, course.levels
    n = len(x)
    if n < 5:
        return None
    first, second = np.triu_indices(n, 1)
    slopes = np.sort((y[second] - y[first]) / (x[second] - x[first]))
    score = float(np.sign(slopes).sum())
    deviation = np.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    margin = NormalDist().inv_cdf((1 + confidence) / 2) * deviation
    places = np.clip([(len(slopes) - margin) / 2, (len(slopes) + margin) / 2], 0, len(slopes) - 1).astype(int)
    length = float(course.series.steps[-1] - course.series.steps[0])
    slope = float(np.median(slopes))
    return Trend(
        per_step=slope,
        change=slope * length,
        low=float(slopes[places[0]]) * length,
        high=float(slopes[places[1]]) * length,
        p_value=math.erfc(max(abs(score) - 1, 0) / deviation / math.sqrt(2)),
    )


def medians_before(values: NDArray[np.float64], places: NDArray[np.int64], window: int) -> NDArray[np.float64]:
    """Return for some places the median of the up to `window` values before each.

    Parameters
    ----------
    values : ndarray of float64, shape (n,)
        NaN and infinities are passed over.
    places : ndarray of int64, shape (k,)

    Returns
    -------
    ndarray of float64, shape (k,)
        NaN where nothing came before.
    """
    known = np.where(np.isfinite(values), values, np.nan)
    padded = np.concatenate([np.full(window, np.nan), known])
    windows = np.sort(padded[places[:, None] + np.arange(window)], axis=1)  # NaN last
    counts = np.isfinite(windows).sum(axis=1)
    rows = np.arange(len(places))
    middle = windows[rows, np.maximum(counts - 1, 0) // 2] + windows[rows, np.minimum(counts // 2, window - 1)]
    return np.where(counts > 0, middle / 2, np.nan)
