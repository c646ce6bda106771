"""A loss that rises for good instead of falling.

What it finds
    Training losses whose level at the end lies far above where the training began, without coming back: by a large
    factor for a loss of unknown kind, or above both the start and what guessing yields for a recognised classification
    loss.

Why it matters
    Every further step makes the model worse; compute is spent on destroying it.

What to do
    Lower the learning rate (by ten, then search upwards), warm it up, clip gradients; go back to a checkpoint from
    before the step named.

Thresholds
    min_ratio: end level over start level from which a loss of unknown kind has diverged; half of it where the mean
        squared error of a constant guess is known, which must be exceeded as far (10.0).
    min_ratio_known: the same for a classification loss, which has no reason to rise (1.5).
    min_steps: recorded steps below which nothing is said (30).

Calibration
    `python bench/calibrate_runs.py`: 0 of 1,650 simulated healthy runs of eleven families (cyclic rates, curricula,
    rewards, GANs, logs …) alarmed. Planted faults, end over start of the loss 5: 0%, 15: 100%, 100: 100% found.

Limits
    Losses that were negative at some step (rewards, likelihoods) and those of several optimizers (GAN) may rise in
    health: there only growth by the square of `min_ratio` counts. A curriculum whose tasks get harder may look the same
    for as long as the loss does not fall again.

Source
    Levels are medians of up to 40 blocks of steps; the last tenth of them must lie above the start, each, and not fall;
    a classification loss that is above the guess when the run has ended may.
"""

from collections.abc import Iterator

import numpy as np

from doctor.evidence.criteria import Criteria
from doctor.evidence.curves import Curve, curve, trend
from doctor.evidence.ending import Ending
from doctor.evidence.history import History, Trace
from doctor.model import ChangeTraining, Check, Finding, Location, Safety, Severity, Undecided

START_VALUES = 5
"""First values whose median is the start, with the first block the other candidate; the smaller one counts."""
BACK = 0.25
"""Of the rise, by which a loss must have fallen in the second half of the run to be on its way back."""
MIN_NOISES = 6.0
"""Standard deviations of the levels by which the end must exceed the start."""

CHECK = Check(
    "learning/divergence",
    Severity.ERROR,
    "the loss rose from {start:.4g} to {end:.4g} and did not come back; it left its range at step {step}",
    leads_to=(
        "numerics/exploding-gradients",
        "numerics/nan-source",
        "numerics/non-finite-loss",
        "numerics/fp16-overflow",
        "numerics/loss-scale-collapse",
        "numerics/dead-units",
        "numerics/saturated-activations",
        "numerics/activation-drift",
        "learning/not-converging",
        "learning/loss-spike",
        "learning/clipping-always-active",
        "learning/overfitting",
    ),
)

REPAIR = ChangeTraining(
    changes={"learning_rate_ratio": 0.1},  # the next step of a search over orders of magnitude
    otherwise=({"max_grad_norm": 1.0}, {"learning_rate_ratio": 0.01}),
    summary="lower the learning rate or clip gradients, and restart from before",
    safety=Safety.UNSAFE,
)


def examine(
    history: History,
    criteria: Criteria,
    ending: Ending | None,
    *,
    min_ratio: float = 10.0,
    min_ratio_known: float = 1.5,
    min_steps: int = 30,
) -> Iterator[Finding | Undecided]:
    """Judge each optimizer's loss."""
    traces = history.leading("loss")
    if not traces:
        yield CHECK.not_applicable("no loss was recorded")
    for trace in traces:
        course = curve(trace.series("loss"))
        if len(course) < min_steps:
            yield CHECK.unavailable(f"{len(course)} finite losses are not enough to tell (needed: {min_steps})")
            continue
        known = criteria.of(trace)
        classified = known is not None and known.classes is not None and trace.tracks == 1
        regressed = known is not None and known.chance is not None and trace.tracks == 1 and not classified
        ratio = min_ratio_known if classified else min_ratio / 2 if regressed else min_ratio
        if trace.tracks > 1 or (course.series.values < 0).any():
            ratio = min_ratio**2
        guessing = known.chance or 0.0 if known and trace.tracks == 1 else 0.0
        yield from _judge(trace, course, ratio, guessing, over=ending is not None and classified)


def _judge(trace: Trace, course: Curve, min_ratio: float, guessing: float, over: bool) -> Iterator[Finding]:
    values = course.series.values
    start = min(float(np.median(values[:START_VALUES])), course.start) if (values > 0).all() else course.start
    scale = max(abs(start), float(np.median(np.abs(values[: max(START_VALUES, len(values) // 20)]))), 1e-30)
    if guessing:  # then the very first loss is start enough: the rise may be over in a few steps
        start, scale = float(values[0]), max(float(values[0]), guessing)
    bound = max(start, guessing) + (min_ratio - 1) * scale
    tail = course.levels[-max(3, len(course.levels) // 10) :]
    if course.end <= bound or (tail <= bound).any() or len(tail) < 3:
        return
    if course.end - start < MIN_NOISES * course.level_noise and course.end < start + 100 * scale:
        return
    late = trend(course.after(float(course.middles[len(course.middles) // 2])))
    if late is not None and late.high < -BACK * (course.end - start) and not over:
        return  # on its way back, where it may still get to; after its end, worse than a guess is what it came to
    within = np.flatnonzero(values <= start + scale)
    left = int(within[-1]) + 1 if len(within) else 0
    yield CHECK.finding(
        at=Location(step=int(course.series.steps[min(left, len(values) - 1)]), rank=trace.rank),
        start=start,
        end=course.end,
        lowest=float(course.levels.min()),
        learning_rate=_last(trace, "learning_rate"),
        repair=REPAIR,
    )


def _last(trace: Trace, name: str) -> float | None:
    series = trace.series(name)
    return float(series.values[-1]) if len(series) else None
