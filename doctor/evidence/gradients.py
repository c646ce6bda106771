"""Gradient norms that burst, and which layers they burst in."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doctor.evidence.curves import MAD_TO_SD, medians_before
from doctor.evidence.history import Layers, Series

WINDOW = 50
"""Recorded steps before each by which it is judged."""
NEAR = 5
"""Steps within which bursts belong together."""
MIN_LOG_SPREAD = 0.1
"""Norms that hardly vary do not make every change a burst."""
CHUNK = 2_000


@dataclass(frozen=True, kw_only=True)
class Burst:
    """A stretch in which gradient norms left their range.

    Attributes
    ----------
    place : int
        Of its first step in the series.
    step : int
    largest : float
        Largest finite norm in the stretch.
    usual : float
        Median before it.
    non_finite : bool
        Whether it ended in NaN or infinity within `NEAR` steps.
    """

    place: int
    step: int
    largest: float
    usual: float
    non_finite: bool


def bursts(norms: Series, *, min_ratio: float, min_z: float, min_before: int, min_bursts: int) -> list[Burst]:
    """Find where norms burst: `min_bursts` of `NEAR` consecutive ones are beyond both bounds, or stop being finite.

    A norm that is NaN without a finite burst before it is an accident of arithmetic, no burst.

    Parameters
    ----------
    norms : Series
    min_ratio : float
        Over the median of the `WINDOW` norms before.
    min_z : float
        Robust standard deviations of the logarithm above that median.
    min_before : int
        Norms that must have been seen before one is judged.
    min_bursts : int
        Of `NEAR`.
    """
    values = norms.values
    high = _high(values, min_ratio, min_z, min_before)
    if not high.any():
        return []
    bad = high | (~np.isfinite(values) & _within(high, NEAR))
    dense = np.convolve(bad, np.ones(NEAR, np.int64))[: len(bad)] >= min_bursts
    found: list[Burst] = []
    last = -WINDOW
    for end in np.flatnonzero(dense).tolist():
        if end - last >= WINDOW:
            begin = int(np.flatnonzero(bad[max(0, end - NEAR + 1) : end + 1])[0]) + max(0, end - NEAR + 1)
            stretch = values[begin : begin + NEAR]
            usual = float(medians_before(values, np.array([begin]), WINDOW)[0])
            finite = stretch[np.isfinite(stretch)]
            found.append(
                Burst(
                    place=begin,
                    step=int(norms.steps[begin]),
                    largest=float(finite.max()) if len(finite) else float("inf"),
                    usual=usual,
                    non_finite=len(finite) < len(stretch),
                )
            )
        last = end
    return found


def _high(values: NDArray[np.float64], min_ratio: float, min_z: float, min_before: int) -> NDArray[np.bool_]:
    high = np.zeros(len(values), bool)
    positive = np.where(np.isfinite(values) & (values > 0), values, np.nan)
    if np.isfinite(positive).sum() <= min_before:
        return high
    candidates = np.flatnonzero(positive > min_ratio * _floor(positive))
    logs = np.log(positive)
    for begin in range(0, len(candidates), CHUNK):
        places = candidates[begin : begin + CHUNK]
        centres = medians_before(logs, places, WINDOW)
        padded = np.concatenate([np.full(WINDOW, np.nan), logs])
        windows = padded[places[:, None] + np.arange(WINDOW)]
        counts = np.isfinite(windows).sum(axis=1)
        deviations = np.sort(np.abs(windows - centres[:, None]), axis=1)
        spreads = MAD_TO_SD * deviations[np.arange(len(places)), np.maximum(counts - 1, 0) // 2]
        rises = logs[places] - centres
        beyond = rises > np.maximum(np.log(min_ratio), min_z * np.maximum(spreads, MIN_LOG_SPREAD))
        high[places] = beyond & (counts >= min_before)
    return high


def _floor(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a cheap lower bound of the median of the window before each place: the least of block medians so far."""
    size = WINDOW // 2
    padded = np.concatenate([values, np.full(-len(values) % size, np.nan)]).reshape(-1, size)
    blocks = np.sort(padded, axis=1)
    counts = np.isfinite(blocks).sum(axis=1)
    lower = blocks[np.arange(len(blocks)), np.maximum(counts - 1, 0) // 4]  # the lower quartile, to be on the safe side
    least: NDArray[np.float64] = np.minimum.accumulate(np.where(np.isfinite(lower), lower, np.inf))
    return np.repeat(least, size)[: len(values)]


def _within(marks: NDArray[np.bool_], steps: int) -> NDArray[np.bool_]:
    """Whether a mark lies among the `steps` places before each."""
    counts = np.concatenate([[0], np.cumsum(marks)])
    places = np.arange(len(marks))
    return np.asarray(counts[places] - counts[np.maximum(places - steps, 0)] > 0)


@dataclass(frozen=True, kw_only=True)
class Blame:
    """The layer that stands out.

    Attributes
    ----------
    name : str
    share : float
        Of the squared norm over all layers, 0 to 1; 1 where it is not finite.
    growth : float
        Over its own median in the steps before; NaN where there were none.
    """

    name: str
    share: float
    growth: float


def blame(layers: Layers | None, step: int) -> Blame | None:
    """Name the layer with most of the gradient at a step, or None where layers were not recorded then."""
    if layers is None or not len(layers.steps) or step not in layers.steps:
        return None
    place = int(np.searchsorted(layers.steps, step))
    row = np.where(layers.given[place], layers.values[place], 0.0)
    broken = np.flatnonzero(~np.isfinite(row))
    worst = int(broken[0]) if len(broken) else int(np.argmax(row))
    if row[worst] == 0:
        return None
    before = layers.values[max(0, place - WINDOW) : place, worst]
    before = before[layers.given[max(0, place - WINDOW) : place, worst] & np.isfinite(before)]
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        share = 1.0 if len(broken) else float(row[worst] ** 2 / np.sum(row**2))
        growth = float(row[worst] / np.median(before)) if len(before) else float("nan")
    return Blame(name=layers.names[worst], share=share, growth=growth)
