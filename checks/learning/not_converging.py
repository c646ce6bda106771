"""A loss that does no better than guessing, and does not get better either.

What it finds
    Training whose loss, after enough steps, is still that of the best constant guess (the entropy of the classes seen,
    the variance of the targets), with no trend downwards; or whose accuracy is significantly worse than guessing.
    From logs, where targets are not known, a loss that stays at ln k for a small number of classes k from the first
    step on.

Why it matters
    Nothing is being learned: labels may be shuffled against their inputs, gradients may not arrive, the learning rate
    may be out of range.

What to do
    Try to overfit one batch: if that fails, the fault is in model, loss or optimizer, else in the data. Check that
    features and labels are permuted together, and look at the other findings: they often say why.

Thresholds
    min_steps: recorded steps below which nothing is said (200).
    max_gain_share: share of the guessing loss by which the loss must have been beaten (0.02).
    max_p_value: for an accuracy below that of guessing (0.001).

Calibration
    `python bench/calibrate_runs.py`: 0 of 1,650 simulated healthy runs of eleven families (cyclic rates, curricula,
    rewards, GANs, logs …) alarmed. Planted faults, share of the guessing loss won 0: 100%, 0.01: 100%, 0.05: 0%
    found.

Limits
    A recognised loss function (cross entropy, binary cross entropy, mean squared error) must be what backward is called
    on, without class weights or label smoothing. Not asked with several optimizers (a GAN's discriminator that guesses
    is a good sign), nor while the learning rate still warms up.

Source
    The best constant prediction under cross entropy is the class shares, and its loss is their entropy.
"""

from collections.abc import Iterator
from statistics import NormalDist

import numpy as np

from doctor.evidence.criteria import Criteria, Criterion, training_curve, training_loss
from doctor.evidence.curves import Curve, curve, trend
from doctor.evidence.history import History, Trace
from doctor.model import Advise, Check, Finding, Location, Safety, Severity, Undecided

FEW_CLASSES = range(2, 21)
"""Between their logarithms a loss can be told apart."""
AT_LOGARITHM = 0.005
"""Relative distance from ln k that is none."""

CHECK = Check(
    "learning/not-converging",
    Severity.WARNING,
    {
        "guessing": "after {steps} steps the loss is {loss:.4g}, no better than guessing ({chance:.4g}), and does not "
        "fall",
        "worse": "the accuracy is {accuracy:.1%} after {steps} steps, worse than guessing among {classes} classes "
        "({chance:.1%})",
    },
)
ADVICE = Advise(
    summary="overfit a single batch to tell a fault of the model from one of the data", safety=Safety.MANUAL
)


def examine(
    history: History,
    criteria: Criteria,
    *,
    min_steps: int = 200,
    max_gain_share: float = 0.02,
    max_p_value: float = 0.001,
) -> Iterator[Finding | Undecided]:
    """Judge the loss and the accuracy of each process group's first optimizer."""
    traces = history.leading("loss") or history.leading("accuracy")
    if len(traces) != 1:
        yield CHECK.not_applicable("several optimizers play against each other" if traces else "no loss was recorded")
        return
    trace, known = traces[0], criteria.of(traces[0])
    course = training_curve(trace) if known else curve(trace.series("loss"))
    if len(course) < min_steps:
        yield CHECK.unavailable(f"{len(course)} recorded steps are not enough to tell (needed: {min_steps})")
    elif _warms_up(trace):
        yield CHECK.unavailable("the learning rate still warms up")
    elif (worse := _worse(trace, known, max_p_value)) is not None:
        yield worse
    elif (known is not None and known.chance is None) or (known is None and len(trace.series("criterion_loss"))):
        yield CHECK.unavailable("what guessing would yield is not known for this loss")
    elif (chance := _chance(course, known)) is None:
        if known is None:
            yield CHECK.unavailable("the loss function is not known, so neither is what guessing would yield")
    elif _stuck(course, chance, max_gain_share) and not _accuracy_grew(trace):
        yield CHECK.finding(
            "guessing",
            at=Location(step=int(course.series.steps[-1]), rank=trace.rank),
            steps=int(course.series.steps[-1]),
            loss=course.end,
            chance=chance,
            repair=ADVICE,
        )


def _warms_up(trace: Trace) -> bool:
    rates = trace.series("learning_rate").values
    if not len(rates) or rates[-1] < 0.99 * rates.max():  # it had been higher: a schedule that comes back up
        return False
    return bool(rates[-1] > 1.05 * rates[len(rates) * 2 // 3])


def _chance(course: Curve, known: Criterion | None) -> float | None:
    if known is not None:
        return known.chance
    for classes in FEW_CLASSES:
        flat = np.abs(course.levels / np.log(classes) - 1)
        if np.median(flat) < AT_LOGARITHM and flat.max() < 5 * AT_LOGARITHM and course.series.steps[0] <= 100:
            return float(np.log(classes))
    return None


def _stuck(course: Curve, chance: float, max_gain_share: float) -> bool:
    if course.end < (1 - max_gain_share) * chance or course.levels.min() < 0.9 * chance:
        return False
    late = trend(course.after(float(course.middles[len(course.middles) // 2])))
    return late is None or late.low > -2 * max_gain_share * chance or late.p_value > 0.05


def _accuracy_grew(trace: Trace) -> bool:
    accuracy = curve(trace.series("accuracy"))
    return len(accuracy) > 0 and accuracy.end - accuracy.start > 0.1


def _worse(trace: Trace, known: Criterion | None, max_p_value: float) -> Finding | None:
    if known is None or not known.classes:
        return None
    steps, values = trace.series("accuracy").finite.steps, trace.series("accuracy").finite.values
    late = values[len(values) // 2 :]
    chance = 1 / known.classes
    if len(late) < 30 or len(training_loss(trace)) == 0:
        return None
    error = float(late.std(ddof=1)) / np.sqrt(len(late))
    if late.mean() >= chance - 0.02 or NormalDist().cdf((late.mean() - chance) / max(error, 1e-9)) > max_p_value:
        return None
    return CHECK.finding(
        "worse",
        at=Location(step=int(steps[-1]), rank=trace.rank),
        steps=int(steps[-1]),
        accuracy=float(late.mean()),
        classes=known.classes,
        chance=chance,
        repair=ADVICE,
    )
