"""Gradients that burst out of their range and take the training with them.

What it finds
    Gradient norms, before clipping, that leave the range of the steps before by a large factor, in two of five
    consecutive steps, and after which the loss is no longer a number, lies far above anything it was before, or is not
    known; with the layer that carries most of it where layers were recorded. On request any norm above a bound
    (`max_norm`, for instance 10).

Why it matters
    The update is as large as the gradient: one such step undoes what hundreds have learned, or writes NaN into all
    weights.

What to do
    Clip the norm (`torch.nn.utils.clip_grad_norm_(parameters, 1.0)`), lower the learning rate, warm it up, and look at
    the layer named: a missing normalisation, an unscaled residual branch or a recurrence that amplifies.

Thresholds
    min_ratio: times the median of the 50 recorded norms before (10.0).
    min_z: robust standard deviations of the logarithm above that median (6.0).
    min_steps: of five consecutive ones, that must be beyond both (2).
    min_loss_ratio: by which the loss must exceed its first level and the one before, where it stays finite (5.0).
    max_norm: absolute bound; 0 is none (0.0).

Calibration
    `python bench/calibrate_runs.py`: 1 of 1,650 simulated healthy runs of eleven families (cyclic rates, curricula,
    rewards, GANs, logs …) alarmed. Planted faults, gradients times 10: 31%, 100: 100%, 10000: 100% found.

Limits
    A burst that clipping catches, so that the loss stays where it was, is no finding. A norm that is NaN at once, with
    no burst before it, is an accident of arithmetic and belongs to `numerics/nan-source`. Steps that a loss scaler
    skipped do not count. With several optimizers (GAN) only a burst that ends in NaN or grows a thousandfold counts.

Source
    Pascanu, Mikolov, Bengio: On the difficulty of training recurrent neural networks, ICML 2013.
"""

from collections.abc import Iterator

import numpy as np

from doctor.evidence.gradients import Burst, blame, bursts
from doctor.evidence.history import History, Series, Trace
from doctor.model import ChangeTraining, Check, Finding, Location, Severity, Undecided

MIN_BEFORE = 4
"""Norms before a burst without which nothing is known of their range."""
AFTER = 20
"""Recorded steps after a burst in which its consequence must show."""
FATAL_RATIO = 1e3
"""Beyond it the burst itself is the consequence, unless the loss is known to have stayed."""

CHECK = Check(
    "numerics/exploding-gradients",
    Severity.ERROR,
    {
        "burst": "gradient norms burst at step {step}: {largest:.3g}, {ratio:.3g} times what was usual ({usual:.3g}); "
        "afterwards the loss {consequence}{culprit}",
        "bound": "the gradient norm was {norm:.3g} at step {step}, above the bound of {max_norm:g}; {steps_above} of "
        "{steps} steps were{culprit}",
    },
    leads_to=("numerics/nan-source", "numerics/non-finite-loss", "learning/loss-spike", "learning/not-converging"),
)

REPAIR = ChangeTraining(
    summary="clip the gradient norm, or lower the learning rate",
    changes={"max_grad_norm": 1.0},  # the bound that nearly all published recipes use
    otherwise=({"learning_rate_ratio": 0.1},),
)
EARLY_STEPS = 20
"""A burst up to here, at a rate that began at its height, is what a warm-up prevents."""
WARM_UP_SHARE, MIN_WARM_UP, MAX_WARM_UP = 0.2, 10, 500
"""Of the recorded steps; at most the 500 that training guides name."""


def examine(
    history: History,
    *,
    min_ratio: float = 10.0,
    min_z: float = 6.0,
    min_steps: int = 2,
    min_loss_ratio: float = 5.0,
    max_norm: float = 0.0,
) -> Iterator[Finding | Undecided]:
    """Judge each optimizer's norms."""
    traces = history.leading("grad_norm")
    if not traces:
        yield CHECK.not_applicable("no gradient norm was recorded")
    for trace in traces:
        norms = _counted(trace)
        if max_norm > 0:
            yield from _bound(trace, norms, max_norm)
        found = bursts(norms, min_ratio=min_ratio, min_z=min_z, min_before=MIN_BEFORE, min_bursts=min_steps)
        for burst in found:
            consequence = _consequence(trace, burst, min_loss_ratio)
            if consequence:
                yield CHECK.finding(
                    "burst",
                    at=_location(trace, burst.step),
                    largest=burst.largest,
                    usual=burst.usual,
                    ratio=burst.largest / burst.usual,
                    consequence=consequence,
                    culprit=_culprit(trace, burst.step),
                    bursts=len(found),
                    repair=_repair(trace, burst.step),
                )
                break


def _repair(trace: Trace, step: int) -> ChangeTraining:
    rates = trace.series("learning_rate").finite.values
    if step > EARLY_STEPS or not len(rates) or rates[0] < rates.max():
        return REPAIR
    steps = int(min(MAX_WARM_UP, max(MIN_WARM_UP, WARM_UP_SHARE * len(rates))))
    return ChangeTraining(
        summary=f"warm the learning rate up over {steps} updates, clip the gradient norm, or lower the rate",
        changes={"warmup_steps": steps},
        otherwise=(REPAIR.changes, *REPAIR.otherwise),
    )


def _counted(trace: Trace) -> Series:
    """Leave out the steps whose update was skipped: their gradients reached nothing."""
    norms, skipped = trace.series("grad_norm"), trace.series("skipped")
    left_out = np.isin(norms.steps, skipped.steps[skipped.values > 0]) | (norms.values < 0)
    return Series(norms.steps[~left_out], norms.values[~left_out])


def _consequence(trace: Trace, burst: Burst, min_loss_ratio: float) -> str:
    """Say what became of the loss, or return nothing where it was spared."""
    loss = trace.series("loss")
    later = loss.values[loss.steps >= burst.step]
    after = later[: AFTER + 1]
    before = loss.finite.values[loss.finite.steps < burst.step]
    if len(after) and not np.isfinite(after).all():
        return "was not finite"
    if burst.non_finite and not len(after):
        return "is not known"
    if len(after) < AFTER or len(before) < MIN_BEFORE:
        return "is not known" if not len(loss) and burst.largest > FATAL_RATIO * burst.usual else ""
    level, recent, first = (float(np.median(part)) for part in (after, before[-AFTER:], before[:AFTER]))
    scale = max(abs(recent), abs(first), float(np.ptp(np.quantile(before, [0.05, 0.95]))))
    if trace.tracks > 1 and burst.largest < FATAL_RATIO * burst.usual:
        return ""
    rise = level - max(recent, first)
    still = float(np.median(later[-AFTER:] if len(later) < 5 * AFTER else later[4 * AFTER : 5 * AFTER]))
    if rise > (min_loss_ratio - 1) * scale and still - max(recent, first) > rise / 2:
        return f"lay at {level:.3g} instead of {recent:.3g}"
    return ""


def _bound(trace: Trace, norms: Series, max_norm: float) -> Iterator[Finding]:
    above = np.flatnonzero(norms.values > max_norm)
    if len(above):
        step = int(norms.steps[above[0]])
        yield CHECK.finding(
            "bound",
            at=_location(trace, step),
            norm=float(norms.values[above[0]]),
            max_norm=max_norm,
            steps_above=len(above),
            steps=len(norms),
            culprit=_culprit(trace, step),
            repair=REPAIR,
        )


def _location(trace: Trace, step: int) -> Location:
    known = blame(trace.layers.get("gradients"), step)
    return Location(step=step, rank=trace.rank, module=known.name if known else None)


def _culprit(trace: Trace, step: int) -> str:
    known = blame(trace.layers.get("gradients"), step)
    return f"; {known.share:.0%} of its square lies in {known.name}" if known else ""
