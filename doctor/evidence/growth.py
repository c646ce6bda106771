"""Tells a lasting rise from everything else that makes a series rise for a while."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doctor.evidence.resources import Timeline

MAX_BLOCKS = 120
MIN_BLOCKS = 8
BLOCK_SECONDS = 4.0
"""At least four samples a block, so that its least value lies below short bursts."""
COARSE_BLOCKS = (24, 12)
"""Tried where the fine blocks show no rise: their floors lie below long bursts too."""
PARTS = 8
TRAILING_SHARES = (1.0, 0.5)
"""Parts of the series that are looked at, each up to its end: growth may begin late."""


@dataclass(frozen=True, kw_only=True)
class Growth:
    """A lasting rise.

    Attributes
    ----------
    slope : float
        Per second: Theil–Sen estimate over the floors of blocks, so that bursts and sawtooth do not count.
    low, high : float
        Its 95 % interval.
    rise : float
        By how much the fitted line rises over the time that was looked at.
    seconds : float
        How long that was.
    since : float
        Where it begins, on the clock of the series.
    """

    slope: float
    low: float
    high: float
    rise: float
    seconds: float
    since: float

    def seconds_until(self, room: float) -> float:
        """Return when `room` is used up at this rate."""
        return max(0.0, room) / self.slope


def rise_of(timeline: Timeline, *, min_seconds: float, min_rise: float) -> Growth | None:
    """Return the lasting rise of a timeline, if it shows one; see `lasting_growth`."""
    return lasting_growth(timeline.seconds, timeline.values, min_seconds=min_seconds, min_rise=min_rise)


def lasting_growth(
    seconds: NDArray[np.float64],
    values: NDArray[np.float64],
    *,
    min_seconds: float,
    min_rise: float,
    noise_ratio: float = 6.0,
    max_setback_share: float = 0.35,
    min_late_share: float = 0.7,
) -> Growth | None:
    """Return the rise that a series shows up to its end; None where it does not.

    Parameters
    ----------
    seconds, values : ndarray of float64, shape (n,)
    min_seconds : float
        How long it must have lasted.
    min_rise : float
        How much it must come to.
    noise_ratio : float
        The rise must be so many times the deviation of the floors from the line.
    max_setback_share : float
        The deepest fall of the floors may be this share of the rise: garbage that is collected now and then falls back.
    min_late_share : float
        The second half must rise at this share of the whole slope, the last quarter at half of it: what fills up slows
        down.

    Notes
    -----
    Theil, H. (1950), "A rank-invariant method of linear and polynomial regression analysis"; interval by Sen (1968).
    """
    if not len(seconds):
        return None
    length = float(seconds[-1] - seconds[0])
    for share in TRAILING_SHARES:
        if share * length < min_seconds:
            break
        chosen = seconds >= seconds[-1] - share * length
        for blocks in (int(np.clip(share * length / BLOCK_SECONDS, MIN_BLOCKS, MAX_BLOCKS)), *COARSE_BLOCKS):
            at, floors = block_floors(seconds[chosen], values[chosen], blocks)
            growth = _fit(at, floors, share * length, seconds[chosen][0])
            if growth is None or growth.rise < min_rise:
                continue
            if _lasts(growth, at, floors, noise_ratio, max_setback_share, min_late_share) and not _rose_faster(
                seconds[~chosen], values[~chosen], growth.slope / min_late_share
            ):
                return growth
    return None


def _fit(at: NDArray[np.float64], floors: NDArray[np.float64], length: float, since: float) -> Growth | None:
    if len(at) < MIN_BLOCKS:
        return None
    fit = theil_sen(floors, at)
    if fit.low_slope <= 0:
        return None
    return Growth(
        slope=float(fit.slope),
        low=float(fit.low_slope),
        high=float(fit.high_slope),
        rise=float(fit.slope) * length,
        seconds=length,
        since=float(since),
    )


def _lasts(
    growth: Growth,
    at: NDArray[np.float64],
    floors: NDArray[np.float64],
    noise_ratio: float,
    max_setback_share: float,
    min_late_share: float,
) -> bool:
    residuals = floors - growth.slope * at
    noise = 1.4826 * float(np.median(np.abs(residuals - np.median(residuals))))
    setback = float(np.max(np.maximum.accumulate(floors) - floors))
    if growth.rise < noise_ratio * noise or setback > max_setback_share * growth.rise:
        return False
    parts_at, parts = block_floors(at, floors, PARTS)
    rising = np.diff(parts) > 0.2 * growth.slope * np.diff(parts_at)
    if rising.sum() < len(parts) - 2 or not rising[-1]:
        return False
    for share, least in ((0.5, min_late_share), (0.25, 0.5 * min_late_share)):
        late = at >= at[-1] - share * (at[-1] - at[0])
        if theil_sen(floors[late], at[late]).slope < least * growth.slope:
            return False
    return True


def _rose_faster(seconds: NDArray[np.float64], values: NDArray[np.float64], slope: float) -> bool:
    """Whether what came before rose more steeply: then the rise is slowing down."""
    if len(seconds) < MIN_BLOCKS:
        return False
    at, floors = block_floors(seconds, values, COARSE_BLOCKS[0])
    return bool(theil_sen(floors, at).slope > slope)


def theil_sen(values: NDArray[np.float64], seconds: NDArray[np.float64]) -> Any:
    """Return scipy's `theilslopes`, which takes longer to import than most scans."""
    from scipy.stats import theilslopes

    return theilslopes(values, seconds)


def block_floors(
    seconds: NDArray[np.float64], values: NDArray[np.float64], blocks: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cut the time into equal blocks and return the middle and the least value of each that holds samples."""
    edges = np.linspace(seconds[0], seconds[-1], blocks + 1)
    block = np.clip(np.searchsorted(edges, seconds, side="right") - 1, 0, blocks - 1)
    floors = np.full(blocks, np.inf)
    np.minimum.at(floors, block, values)
    known = np.isfinite(floors)
    return ((edges[:-1] + edges[1:]) / 2)[known], floors[known]
