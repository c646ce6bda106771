"""A loss scale that falls and falls.

What it finds
    A dynamic loss scale that has fallen to 1 or below, or a run most of whose latest steps are skipped.

Why it matters
    A scaler halves its scale whenever gradients overflow, and skips the update. A few halvings at the start are how it
    finds its range; one that goes on means that the gradients themselves are beyond float16, and that nothing is
    learned any more. DeepSpeed ends the run at its least scale, or skips for ever.

What to do
    Bring losses and targets to a scale about 1, lower the learning rate, clip, or use bfloat16, which needs no scale.

Thresholds
    max_scale: a scale at or below it has collapsed (1.0).
    min_fall_ratio: of the largest scale over the present one (256.0).
    min_skipped_share: of the latest 40 steps (0.5).
    min_steps: steps on record, for the share of skips (20).

Calibration
    `python bench/calibrate_runs.py`: 0 of 1,650 simulated healthy runs of eleven families (cyclic rates, curricula,
    rewards, GANs, logs …) alarmed. Planted faults, share of updates skipped 0.02: 53%, 0.1: 99%, 0.6: 100% found.

Limits
    A scale that the user fixed at 1 has not fallen and is no finding.

Source
    Micikevicius et al.: Mixed precision training, ICLR 2018; torch.amp.GradScaler; DeepSpeed's DynamicLossScaler.
"""

import math
from collections.abc import Iterator

import numpy as np

from doctor.evidence.history import History, Trace
from doctor.model import ChangeTraining, Check, Finding, Location, Severity, Undecided

LATEST = 40
"""Steps within which skips are counted."""

CHECK = Check(
    "numerics/loss-scale-collapse",
    Severity.ERROR,
    {
        "fell": "the loss scale fell from {largest:g} to {scale:g} since step {step}; {skipped} of "
        "{steps} updates were skipped",
        "skips": "{skipped} of {steps} updates were skipped, {latest_share:.0%} of the latest; the run of skips begins "
        "at step {step}",
    },
    leads_to=("numerics/masked-non-finite", "crash/exit-cause", "learning/not-converging", "numerics/fp16-underflow"),
)


def examine(
    history: History,
    *,
    max_scale: float = 1.0,
    min_fall_ratio: float = 256.0,
    min_skipped_share: float = 0.5,
    min_steps: int = 20,
) -> Iterator[Finding | Undecided]:
    """Judge each optimizer's scale and skipped updates."""
    traces = history.leading("loss_scale") or [
        trace for trace in history.leading("skipped") if trace.series("skipped").values.any()
    ]
    if not traces:
        yield CHECK.not_applicable("no loss is scaled and no update was skipped")
    for trace in traces:
        scale, skipped = trace.series("loss_scale").finite, trace.series("skipped")
        latest = float((skipped.values[-LATEST:] > 0).mean()) if len(skipped) >= min_steps else 0.0
        largest = float(scale.values.max()) if len(scale) else 0.0
        last = float(scale.values[-1]) if len(scale) else math.inf
        if last <= max_scale and largest > last and largest >= min_fall_ratio * last:
            falls = np.flatnonzero(np.diff(scale.values) < 0)
            began = np.concatenate([scale.steps[falls[:1]], skipped.steps[skipped.values > 0][:1]])
            yield _finding("fell", trace, int(began.min()), largest, last, latest)
        elif max(len(scale), len(skipped)) < min_steps:
            yield CHECK.unavailable(f"fewer than {min_steps} steps were recorded")
        elif latest >= min_skipped_share:
            done = np.flatnonzero(skipped.values == 0)
            first = int(done[-1]) + 1 if len(done) and done[-1] + 1 < len(skipped) else 0
            last = float(scale.values[-1]) if len(scale) else float("nan")
            yield _finding("skips", trace, int(skipped.steps[first]), largest, last, latest)


def _finding(kind: str, trace: Trace, step: int, largest: float, scale: float, latest: float) -> Finding:
    skipped = trace.series("skipped")
    return CHECK.finding(
        kind,
        at=Location(step=step, rank=trace.rank),
        largest=largest,
        scale=scale,
        skipped=int((skipped.values > 0).sum()),
        steps=max(len(skipped), len(trace.series("loss_scale"))),
        latest_share=latest,
        repair=ChangeTraining(
            summary="use bfloat16, or bring the loss to a scale about 1, or lower the rate",
            changes={"precision": "bf16"},
            otherwise=({"learning_rate_ratio": 0.1},),
        ),
    )
