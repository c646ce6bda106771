"""A loss that jumps up for a moment.

What it finds
    Single losses, or short stretches, that lie many times above the losses around them and stand apart from all other
    deviations of the run: not the tail of its noise, but events. Where clipping held the update, or neither gradients
    nor later losses show anything, it is information only.

Why it matters
    Behind a spike is a broken or mislabelled batch, a bug in preprocessing, or an update that was far too large. The
    optimizer's averages remember it for hundreds of steps.

What to do
    Look at the batch of that step; clip gradients; skip batches whose loss is an outlier.

Thresholds
    min_ratio: of the loss over the median of the 50 recorded before (5.0).
    min_z: robust standard deviations of those above their median (12.0).
    min_gap_ratio: of a spike's height over that of the largest deviation that is none (8.0).
    max_spikes_share: of the steps; what happens more often is the run's nature (0.01).
    min_steps: recorded steps below which nothing is said (100).

Calibration
    `python bench/calibrate_runs.py`: 1 of 1,650 simulated healthy runs of eleven families (cyclic rates, curricula,
    rewards, GANs, logs …) alarmed. Planted faults, spike over the level 5: 0%, 15: 63%, 50: 85% found.

Limits
    The first 20 recorded steps are left out, and jumps to a level that stays (another task, a divergence). Losses that
    are negative at some step, and those of several optimizers, are not judged: they jump in health.

Source
    The gap between order statistics of a heavy tail with index a exceeds a factor r with probability r^-a (Rényi).
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from doctor.evidence.curves import MAD_TO_SD, medians_before
from doctor.evidence.history import History, Series, Trace
from doctor.model import Advise, Check, Finding, Location, Safety, Severity, Undecided

WINDOW = 50
FIRST = 20
"""Recorded steps in which a loss may do anything."""
NEAR = 20
"""Steps within which high losses are one event."""
RETURN = 0.1
"""Of its height, within which a quarter of the losses after a spike must lie: it came back."""
MIN_GRADIENT_RATIO = 10.0
"""Of the gradient over its median, from which the spike has moved the weights."""
MIN_AFTERMATH = 1.3
"""Of the losses after it over those before, where gradients are not known."""
CANDIDATES = 200
"""Highest losses, relative to their surroundings, that are looked at."""

CHECK = Check(
    "learning/loss-spike",
    Severity.WARNING,
    "the loss jumped to {height:.4g} at step {step}, {ratio:.3g} times what it was before ({before:.4g}){others}",
)


def examine(
    history: History,
    *,
    min_ratio: float = 5.0,
    min_z: float = 12.0,
    min_gap_ratio: float = 8.0,
    max_spikes_share: float = 0.01,
    min_steps: int = 100,
) -> Iterator[Finding | Undecided]:
    """Judge a single optimizer's positive losses."""
    traces = history.leading("loss")
    if len(traces) != 1 or (traces[0].series("loss").values < 0).any():
        yield CHECK.not_applicable("there is no loss of one optimizer that is always positive")
        return
    trace = traces[0]
    loss = trace.series("loss").finite
    if len(loss) < min_steps:
        yield CHECK.unavailable(f"{len(loss)} recorded losses are not enough to tell (needed: {min_steps})")
        return
    yield from _judge(trace, loss, min_ratio, min_z, min_gap_ratio, max(1, int(max_spikes_share * len(loss))))


def _judge(
    trace: Trace, loss: Series, min_ratio: float, min_z: float, min_gap_ratio: float, max_spikes: int
) -> Iterator[Finding]:
    places, heights, before, spreads = _events(loss.values)
    if len(places) < 2:
        return
    gaps = heights[:-1] / np.maximum(heights[1:], 1e-300)
    count = int(np.argmax(gaps[:max_spikes])) + 1
    spikes = places[:count]
    base = np.maximum(before[:count], 1e-300)
    clear = (loss.values[spikes] > min_ratio * base) & (heights[:count] > min_z * spreads[:count])
    back = np.array([_came_back(loss.values, place, base[number]) for number, place in enumerate(spikes.tolist())])
    if gaps[count - 1] < min_gap_ratio or not (clear & back).all():
        return
    first = int(np.argmin(spikes))
    harmless = all(_held(trace, loss, place, base[number]) for number, place in enumerate(spikes.tolist()))
    yield CHECK.finding(
        at=Location(step=int(loss.steps[spikes[first]]), rank=trace.rank),
        severity=Severity.INFO if harmless else Severity.WARNING,
        height=float(loss.values[spikes[first]]),
        before=float(before[first]),
        ratio=float(loss.values[spikes[first]] / base[first]),
        spikes=sorted(loss.steps[spikes].tolist()),
        others=f"; {count - 1} more such steps" if count > 1 else "",
        repair=Advise(summary="look at the batch of that step; clip gradients", safety=Safety.MANUAL),
    )


def _came_back(values: NDArray[np.float64], place: int, before: float) -> bool:
    """Whether the loss fell again soon; where it did not, the task has changed, or the run diverges."""
    after = values[place + 1 : place + 1 + NEAR]
    return not len(after) or float(np.quantile(after, 0.25)) < before + RETURN * (values[place] - before)


def _held(trace: Trace, loss: Series, place: int, before: float) -> bool:
    """Whether the weights were spared: the update was clipped, or neither gradients nor later losses show anything."""
    step = loss.steps[place]
    norms, bounds = trace.series("grad_norm").finite, trace.series("max_norm")
    if (bounds.values[bounds.steps == step] < np.inf).any():
        return True
    own, usual = norms.values[norms.steps == step], norms.values[norms.steps < step][-WINDOW:]
    if len(own) and len(usual):
        return bool(own[0] < MIN_GRADIENT_RATIO * np.median(usual))
    after = loss.values[place + 2 : place + 2 + NEAR]
    return not len(after) or float(np.median(after)) < MIN_AFTERMATH * before


def _events(
    values: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the highest losses, one per event, highest first: place, height over the median before, that, spread."""
    size = max(FIRST, len(values) // 400)
    padded = np.concatenate([values, np.full(-len(values) % size, np.nan)]).reshape(-1, size)
    coarse = np.repeat(np.nanmedian(padded, axis=1), size)[: len(values)]
    order = np.argsort(values - coarse)[::-1][:CANDIDATES]
    order = order[order >= FIRST].astype(np.int64)
    before = medians_before(values, order, WINDOW)
    heights = values[order] - before
    windows = np.concatenate([np.full(WINDOW, np.nan), values])[order[:, None] + np.arange(WINDOW)]
    spreads = MAD_TO_SD * np.nanmedian(np.abs(windows - before[:, None]), axis=1)
    ranking = np.argsort(heights)[::-1]
    kept: list[int] = []
    for place in ranking.tolist():
        if heights[place] > 0 and all(abs(int(order[place]) - int(order[other])) > NEAR for other in kept):
            kept.append(place)
    return order[kept], heights[kept], before[kept], spreads[kept]
