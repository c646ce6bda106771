"""Losses or gradients that are not finite, behind numbers that look as if they were.

What it finds
    A reported loss of exactly 0, or one that ignores the bad steps, while the loss itself is NaN (Hugging Face's filter
    `logging_nan_inf_filter`); a gradient norm of exactly −1 (older DeepSpeed's word for overflow); in logs, losses that
    become exactly 0 and stay so; updates that are all skipped because no gradient is finite, while the loss looks
    healthy.

Why it matters
    The curve on the screen says that all is well while nothing is learned.

What to do
    Look for the origin of the NaN (`numerics/nan-source`); set `logging_nan_inf_filter=False` in TrainingArguments.

Thresholds
    min_steps: steps in a row that must be masked (3).
    min_skipped: updates in a row, up to the latest, that must have been skipped (20).

Calibration
    `python bench/calibrate_runs.py`: 0 of 1,650 simulated healthy runs alarmed. `python bench/watch_corpus.py` runs
    it on real programs.

Limits
    A loss that is 0 from its first value on, or that reached 0 gradually, is taken at its word.

Source
    transformers.TrainingArguments.logging_nan_inf_filter; deepspeed.runtime.zero (norm −1 on overflow).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doctor.evidence.history import History, Series, Trace
from doctor.model import Advise, Check, Finding, Location, Safety, Severity, Undecided

MASKED_NORM = -1.0
SUDDEN = 0.05
"""A level that falls from above this share of its median to exactly 0 did not get there by learning."""

CHECK = Check(
    "numerics/masked-non-finite",
    Severity.ERROR,
    {
        "reported": "the loss is not finite since step {step}, yet {reported:g} is reported",
        "zero": "the logged loss became exactly 0 at step {step} and stayed so for {masked} records; before it was "
        "{before:.4g}",
        "norm": "the gradient norm is reported as −1 since step {step}, which stands for overflow ({masked} times)",
        "skipped": "no gradient was finite since step {step}: all {masked} updates were skipped, while the loss shows "
        "nothing",
    },
    leads_to=("numerics/non-finite-loss",),
)
ADVICE = Advise(
    summary="switch the filter off (logging_nan_inf_filter=False) and look for where the NaN is made",
    safety=Safety.MANUAL,
)


def examine(history: History, *, min_steps: int = 3, min_skipped: int = 20) -> Iterator[Finding | Undecided]:
    """Compare what is shown with what is."""
    judged = False
    for trace in history.leading("reported_loss") or history.leading("loss"):
        judged = True
        yield from _reported(trace, min_steps)
    for trace in history.leading("grad_norm"):
        judged = True
        norms = trace.series("grad_norm")
        masked = norms.values == MASKED_NORM
        if masked.sum() >= min_steps:
            step = int(norms.steps[np.argmax(masked)])
            yield _finding("norm", trace, step, masked=int(masked.sum()))
        yield from _skipped(trace, norms, min_skipped)
    if not judged:
        yield CHECK.not_applicable("neither losses nor gradient norms were recorded")


def _reported(trace: Trace, min_steps: int) -> Iterator[Finding]:
    loss, shown = trace.series("loss"), trace.series("reported_loss")
    bad = ~np.isfinite(loss.values)
    if len(shown) and bad.sum() >= min_steps:
        first = int(loss.steps[np.argmax(bad)])
        later = shown.steps >= first
        calm = later & np.isfinite(shown.values)
        if calm.any() and calm.sum() == later.sum():
            yield _finding("reported", trace, first, reported=float(shown.values[calm][-1]), masked=int(calm.sum()))
        return
    logged = shown if len(shown) else loss
    zeros = _trailing(logged.values == 0)
    before = logged.values[: len(logged) - zeros]
    before = before[np.isfinite(before)]
    if zeros >= min_steps and len(before) and not _faded(before):
        step = int(logged.steps[len(logged) - zeros])
        yield _finding("zero", trace, step, masked=zeros, before=float(before[-1]))


def _faded(before: NDArray[np.float64]) -> bool:
    """Whether the values were on their way to 0, or had been there before."""
    return bool(abs(before[-1]) < SUDDEN * np.median(np.abs(before)) or (before == 0).mean() > SUDDEN)


def _skipped(trace: Trace, norms: Series, min_skipped: int) -> Iterator[Finding]:
    skipped = trace.series("skipped")
    count = _trailing(skipped.values > 0)
    if count < min_skipped:
        return
    step = int(skipped.steps[len(skipped) - count])
    since = norms.values[norms.steps >= step]
    losses = trace.series("loss")
    if len(since) and not np.isfinite(since).any() and np.isfinite(losses.values[losses.steps >= step]).all():
        yield _finding("skipped", trace, step, masked=count)


def _trailing(marks: NDArray[np.bool_]) -> int:
    """Count the marks at the end."""
    clear = np.flatnonzero(~marks)
    return len(marks) - (int(clear[-1]) + 1 if len(clear) else 0)


def _finding(kind: str, trace: Trace, step: int, **evidence: Any) -> Finding:
    return CHECK.finding(kind, at=Location(step=step, rank=trace.rank), repair=ADVICE, **evidence)
