"""Gradients that are not cleared between updates.

What it finds
    Updates whose gradients still held what an earlier update had used already: the same gradient, unchanged since that
    update, was there when the next backward call added to it. Gradient accumulation within one update is something
    else and no finding.

Why it matters
    Each update repeats all earlier ones. The effective step grows with every iteration, old batches weigh as much as
    new ones, and the training diverges or settles on nothing.

What to do
    Call `optimizer.zero_grad()` once per update, before the first backward call of the next.

Thresholds
    min_stale_share: share of an update's gradients that were stale (0.5).
    min_updates: such updates in the run (3).
    min_updates_share: of all updates on which it was recorded (0.2).

Calibration
    Exact. `python bench/watch_corpus.py` runs it on real programs, sick and healthy.

Limits
    Known only where the probe saw the gradients: not from logs, and not under ZeRO, which clears them by itself.

Source
    Identity and version counter of each gradient tensor, compared at the update and at the next backward call; exact.
"""

from collections.abc import Iterator

import numpy as np

from doctor.evidence.history import History
from doctor.model import ChangeTraining, Check, Finding, Location, Safety, Severity, Undecided

CHECK = Check(
    "learning/gradients-accumulate",
    Severity.ERROR,
    "gradients are not cleared between updates: {stale_updates} of {updates} updates, first at step {step}, used "
    "gradients that an earlier one had used already",
    leads_to=(
        "learning/divergence",
        "numerics/exploding-gradients",
        "learning/not-converging",
        "learning/loss-spike",
        "learning/clipping-always-active",
        "learning/overfitting",
        "learning/learning-rate-misconfigured",
        "numerics/dead-units",
        "numerics/saturated-activations",
        "numerics/activation-drift",
        "numerics/vanishing-gradients",
    ),
)


def examine(
    history: History, *, min_stale_share: float = 0.5, min_updates: int = 3, min_updates_share: float = 0.2
) -> Iterator[Finding | Undecided]:
    """Judge each optimizer's updates."""
    traces = history.leading("stale_gradients")
    if not traces:
        yield CHECK.not_applicable("whether gradients were cleared was not recorded")
    for trace in traces:
        stale = trace.series("stale_gradients")
        bad = stale.values >= min_stale_share
        if bad.sum() >= min_updates and bad.mean() >= min_updates_share:
            yield CHECK.finding(
                at=Location(step=int(stale.steps[np.argmax(bad)]), rank=trace.rank),
                stale_updates=int(bad.sum()),
                updates=len(stale),
                median_share=float(np.median(stale.values[bad])),
                repair=ChangeTraining(
                    changes={"zero_grad": True},
                    summary="call optimizer.zero_grad() once per update, before the first backward call",
                    safety=Safety.UNSAFE,
                ),
            )
