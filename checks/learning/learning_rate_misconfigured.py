"""A learning rate that cannot work.

What it finds
    A rate that is 0 all the time; a schedule that reached 0 long before the run ended; updates that are too small for
    the weights to notice, at every step. As information, updates that are larger than the weights themselves.

Why it matters
    Steps at a rate of 0 cost as much as others and change nothing. Updates below a millionth of the weights vanish in
    the rounding of float32 (6e-8 of a weight) and need millions of steps.

What to do
    Compare the schedule's length with the number of updates, not of epochs; step the scheduler; search for the rate
    over several orders of magnitude, on a short run.

Thresholds
    max_small_ratio: of the update's norm over the weights', which no update of the run but 1 in 20 exceeds (1e-06).
    min_large_ratio: the same as the median, above which it is information (1.0).
    min_ended_share: of all steps after the schedule's end (0.2).
    min_steps: steps without a rate, and in the whole run for the others (50).

Calibration
    `python bench/calibrate_runs.py`: 0 of 1,650 simulated healthy runs of eleven families (cyclic rates, curricula,
    rewards, GANs, logs …) alarmed. Planted faults, share of steps after the schedule 0.1: 0%, 0.3: 100%, 0.9: 100%
    found.

Limits
    The rate is the first parameter group's; where the updates show that other groups learn, nothing is said.

Source
    Update over weight about 1e-3 is the usual rule of thumb (A. Karpathy, CS231n notes, "ratio of weights to updates").
"""

import math
from collections.abc import Iterator, Mapping

import numpy as np

from doctor.evidence.history import History, Series, Trace
from doctor.model import Advise, AnyRepair, ChangeTraining, Check, Finding, Location, Safety, Severity, Undecided

ENDED = 1e-6
"""Of the largest rate; schedules that keep a floor stay above it."""
USUAL_RATIO = 1e-3
"""Of an update over the weights, by the rule of thumb below Source."""
MIN_UPDATES = 8
"""Recorded updates below which their size is not judged."""

CHECK = Check(
    "learning/learning-rate-misconfigured",
    Severity.ERROR,
    {
        "zero": "the learning rate is 0 in all {steps} steps",
        "ended": "the learning rate reached {rate:g} at step {step}; the {idle} steps since then change nothing",
        "small": "updates are {ratio:.2g} of the weights at a learning rate of {rate:g}: too small to matter",
        "large": "updates are {ratio:.2g} times as large as the weights at a learning rate of {rate:g}",
    },
    leads_to=("learning/not-converging",),
)


def examine(
    history: History,
    *,
    max_small_ratio: float = 1e-6,
    min_large_ratio: float = 1.0,
    min_ended_share: float = 0.2,
    min_steps: int = 50,
) -> Iterator[Finding | Undecided]:
    """Judge each optimizer's rate, then the size of its updates."""
    traces = history.leading("learning_rate")
    if not traces:
        yield CHECK.not_applicable("no learning rate was recorded")
    for trace in traces:
        rate = trace.series("learning_rate").finite
        if len(rate) < min_steps:
            yield CHECK.unavailable(f"{len(rate)} recorded steps are not enough to tell (needed: {min_steps})")
            continue
        largest = float(rate.values.max())
        live = np.flatnonzero(rate.values > ENDED * largest)
        idle = len(rate) - (int(live[-1]) + 1 if len(live) else 0)
        if idle >= max(min_steps, min_ended_share * len(rate)) and not _learns(trace, int(rate.steps[-idle])):
            kind = "ended" if len(live) else "zero"
            yield _finding(kind, trace, int(rate.steps[-idle]), rate, idle=idle, steps=len(rate))
        elif len(live):
            yield from _size(trace, rate, max_small_ratio, min_large_ratio)


def _learns(trace: Trace, since: int) -> bool:
    updates = trace.series("update_norm")
    return bool((updates.values[updates.steps >= since] > 0).any())


def _size(trace: Trace, rate: Series, max_small_ratio: float, min_large_ratio: float) -> Iterator[Finding]:
    updates, norms = trace.series("update_norm").finite, trace.series("grad_norm").finite
    weights = trace.series("weight_norm").at(updates.steps)
    if len(updates) < MIN_UPDATES or len(weights) != len(updates) or not (weights.values > 0).all():
        return
    ratios = updates.values / weights.values
    if np.quantile(ratios, 0.95) < max_small_ratio and len(norms) and np.median(norms.values) > 0:
        yield _finding("small", trace, int(updates.steps[0]), rate, ratio=float(np.median(ratios)))
    elif np.median(ratios) > min_large_ratio:
        yield _finding(
            "large", trace, int(updates.steps[0]), rate, severity=Severity.INFO, ratio=float(np.median(ratios))
        )


def _finding(
    kind: str, trace: Trace, step: int, rate: Series, *, severity: Severity = Severity.ERROR, **evidence: float
) -> Finding:
    at_step = rate.values[np.searchsorted(rate.steps, step, side="right") - 1]
    return CHECK.finding(
        kind,
        at=Location(step=step, rank=trace.rank),
        severity=severity,
        rate=float(at_step),
        repair=_repair(kind, evidence),
        **evidence,
    )


def _repair(kind: str, evidence: Mapping[str, float]) -> AnyRepair:
    """A rate of the wrong size can be scaled to usual updates; a schedule that ends early only its owner can mend."""
    if kind not in ("small", "large"):
        return Advise(summary="set the rate and the schedule's length anew, in updates", safety=Safety.MANUAL)
    ratio = 10.0 ** round(math.log10(USUAL_RATIO / evidence["ratio"]))
    return ChangeTraining(
        changes={"learning_rate_ratio": ratio},
        summary=f"multiply the learning rate by {ratio:g}, which makes updates about {USUAL_RATIO:g} of the weights",
        safety=Safety.UNSAFE,
    )
