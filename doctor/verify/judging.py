"""The verdict on a repair from pairs of runs that are alike but for it."""

from collections.abc import Sequence
from itertools import product

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from doctor.model import Verdict

MAX_EXACT_PAIRS = 5
"""Up to this many pairs all resamples are gone through; of more, `RESAMPLES` are drawn."""
RESAMPLES = 4000


class Judgement(Struct, frozen=True, kw_only=True):
    """A verdict with the effect it rests on; see `doctor.model.Verification`."""

    verdict: Verdict
    reason: str
    effect: float | None = None
    interval: tuple[float, float] | None = None


def judge(
    before: Sequence[float], after: Sequence[float], *, higher_is_better: bool, min_effect: float, seed: int = 0
) -> Judgement:
    """Judge whether a measure is better after a repair than before it.

    The symptom must have been established by the caller; what is judged here is the repair alone.

    Parameters
    ----------
    before, after : sequence of float, shape (pairs,)
        The measure without and with the repair, pair by pair. A pair with a value that is not finite does not count.
    higher_is_better : bool
        Which way is better.
    min_effect : float
        The least improvement that is worth a repair, in the unit of the measure.
    seed : int
        Of the resamples.

    Returns
    -------
    Judgement
        Verified where the whole interval lies above zero and the median reaches `min_effect`; refuted where the whole
        interval lies below `min_effect`; else not testable.

    Notes
    -----
    The interval is the percentile bootstrap of the median of the paired differences (Efron, 1979).
    """
    differences = np.asarray(after, float) - np.asarray(before, float)
    differences = differences[np.isfinite(differences)] * (1 if higher_is_better else -1)
    if len(differences) < 2:
        return Judgement(
            verdict=Verdict.NOT_TESTABLE, reason=f"{len(differences)} of {len(before)} pairs of runs gave numbers"
        )
    low, high = _interval(differences, seed)
    effect = float(np.median(differences))
    if low > 0 and effect >= min_effect:
        verdict, reason = Verdict.VERIFIED, f"better in {len(differences)} pairs of runs"
    elif high < min_effect:
        verdict, reason = Verdict.REFUTED, f"no improvement by {min_effect:g} in {len(differences)} pairs of runs"
    else:
        verdict, reason = Verdict.NOT_TESTABLE, "the runs differ too much to tell"
    return Judgement(verdict=verdict, reason=reason, effect=effect, interval=(low, high))


def _interval(differences: NDArray[np.float64], seed: int) -> tuple[float, float]:
    count = len(differences)
    if count <= MAX_EXACT_PAIRS:
        chosen = np.array(list(product(range(count), repeat=count)))
    else:
        chosen = np.random.default_rng(seed).integers(count, size=(RESAMPLES, count))
    low, high = np.quantile(np.median(differences[chosen], axis=1), (0.025, 0.975))
    return float(low), float(high)
