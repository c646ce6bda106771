"""A model that learns its training data by heart.

What it finds
    Evaluation losses that rise from their minimum while the training loss goes on falling, or an accuracy on the
    training data that lies far above the one on the evaluation data.

Why it matters
    What is learned after the minimum does not hold for new data: 99 % in training and 62 % in the test is a model for
    the training set alone.

What to do
    Take the checkpoint of the minimum; stop early; regularise (weight decay, dropout, augmentation), use a smaller
    model or more data; check that both splits come from the same source.

Thresholds
    min_rise_share: by which the evaluation loss must lie above its minimum, of that (0.2).
    min_gap: training accuracy minus evaluation accuracy (0.15).
    min_evaluations: below which nothing is said (4).
    max_p_value: that the rise, or the gap, is chance (0.01).

Calibration
    `python bench/calibrate_runs.py`: 0 of 1,650 simulated healthy runs of eleven families (cyclic rates, curricula,
    rewards, GANs, logs …) alarmed. Planted faults, rise of the evaluation loss 0.15: 0%, 0.4: 89%, 1: 100% found.
    Planted faults, accuracy lost in evaluation 0.1: 0%, 0.2: 74%, 0.37: 100% found.

Limits
    Losses are compared with themselves over time, never with each other: dropout and augmentation make the training
    loss the larger one in health. Evaluations on several data sets between two steps are one mean.

Source
    Prechelt: Early stopping — but when? (1998); significance from the scatter of the evaluations about their course.
"""

from collections.abc import Iterator

import numpy as np

from doctor.evidence.criteria import training_loss
from doctor.evidence.curves import spread
from doctor.evidence.history import History, Series, Trace
from doctor.model import ChangeTraining, Check, Finding, Location, Severity, Undecided

MIN_FALL_SHARE = 0.1
"""Of the training loss at the evaluation's minimum, that it must have fallen since."""
MIN_TRAINING_ACCURACY = 0.8
"""Below it the model has not learned its training data by heart."""

CHECK = Check(
    "learning/overfitting",
    Severity.WARNING,
    {
        "rise": "the evaluation loss rose from {lowest:.4g} at step {step} to {latest:.4g} ({rise:+.0%}) while the "
        "training loss fell from {train_then:.4g} to {train_now:.4g}",
        "gap": "{train:.1%} of the training data is right, {evaluation:.1%} of the evaluation data",
    },
)
REPAIR = ChangeTraining(
    changes={"early_stopping": True},
    otherwise=({"weight_decay": 0.1}, {"dropout": 0.5}),
    summary="keep the checkpoint of the evaluation's best step, stop there, regularise",
)


def examine(
    history: History,
    *,
    min_rise_share: float = 0.2,
    min_gap: float = 0.15,
    min_evaluations: int = 4,
    max_p_value: float = 0.01,
) -> Iterator[Finding | Undecided]:
    """Judge every optimizer whose model was evaluated."""
    traces = history.leading("evaluation_loss") + [
        trace for trace in history.leading("evaluation_accuracy") if not len(trace.series("evaluation_loss"))
    ]
    if not traces:
        yield CHECK.not_applicable("no evaluation was recorded")
    for trace in traces:
        losses, accuracies = trace.series("evaluation_loss").finite, trace.series("evaluation_accuracy").finite
        if max(len(losses), len(accuracies)) < min_evaluations:
            yield CHECK.unavailable(
                f"{max(len(losses), len(accuracies))} evaluations are not enough to tell (needed: {min_evaluations})"
            )
            continue
        found = _gap(trace, accuracies, min_gap, min_evaluations, max_p_value)
        yield from found or _rise(trace, losses, min_rise_share, min_evaluations, max_p_value)


def _gap(trace: Trace, accuracies: Series, min_gap: float, min_evaluations: int, max_p_value: float) -> list[Finding]:
    training = trace.series("accuracy").finite
    if len(accuracies) < min_evaluations or not len(training):
        return []
    pairs = [(_before(training, int(step)), value) for step, value in zip(*_parts(accuracies), strict=True)]
    late = np.array([pair for pair in pairs if np.isfinite(pair[0])])[-min_evaluations:]
    if len(late) < 3:
        return []
    gaps = late[:, 0] - late[:, 1]
    sure = _t_quantile(1 - max_p_value, len(gaps) - 1) * gaps.std(ddof=1) / np.sqrt(len(gaps))
    if gaps.mean() - sure < min_gap or late[:, 0].mean() < MIN_TRAINING_ACCURACY:
        return []
    return [
        CHECK.finding(
            "gap",
            at=Location(step=int(accuracies.steps[np.argmax(accuracies.values)]), rank=trace.rank),
            train=float(late[:, 0].mean()),
            evaluation=float(late[:, 1].mean()),
            best=float(accuracies.values.max()),
            repair=REPAIR,
        )
    ]


def _rise(
    trace: Trace, losses: Series, min_rise_share: float, min_evaluations: int, max_p_value: float
) -> Iterator[Finding]:
    training = training_loss(trace).finite
    if len(losses) < min_evaluations or not len(training):
        return
    place = int(np.argmin(losses.values))
    after = losses.values[place + 1 :]
    lowest, latest = float(losses.values[place]), float(np.median(losses.values[-2:]))
    if len(after) < 2 or lowest <= 0 or latest - lowest < min_rise_share * lowest:
        return
    noise = spread(np.diff(losses.values, 2)) / np.sqrt(6)
    if latest - lowest < _t_quantile(1 - max_p_value, len(losses) - 2) * 2 * noise or np.mean(after > lowest) < 1:
        return
    then, now = _before(training, int(losses.steps[place])), _before(training, int(losses.steps[-1]))
    if not now < (1 - MIN_FALL_SHARE) * then:
        return
    yield CHECK.finding(
        "rise",
        at=Location(step=int(losses.steps[place]), rank=trace.rank),
        lowest=lowest,
        latest=latest,
        rise=latest / lowest - 1,
        train_then=then,
        train_now=now,
        repair=REPAIR,
    )


def _t_quantile(share: float, freedom: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, share))


def _parts(series: Series) -> tuple[list[int], list[float]]:
    return series.steps.tolist(), series.values.tolist()


def _before(series: Series, step: int) -> float:
    """Return the median of the last tenth of the values up to a step, of 20 at most."""
    end = int(np.searchsorted(series.steps, step, side="right"))
    return float(np.median(series.values[max(0, end - max(3, min(20, end // 10 + 1))) : end])) if end else float("nan")
