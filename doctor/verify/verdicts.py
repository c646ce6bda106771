"""Says of a change of training whether it removed a symptom, from watched trainings without and with it."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from doctor.model import Finding, Verdict, Verification
from doctor.verify.judging import judge
from doctor.verify.trials import MAX_LOST_SHARE, Trial

GENERALISING = frozenset({"early_stopping", "weight_decay", "dropout", "label_smoothing"})
"""Changes whose worth shows on rows that were not trained on."""
MIN_USEFUL_GAIN = 0.1
"""Of the updates asked for."""
MIN_LOSS_GAIN = 0.1
"""Of the loss of guessing, or of the loss at the start where nobody knows that."""
MIN_HELD_OUT_GAIN = 0.05
"""Of the loss on held-out rows without the change."""

Changes = Mapping[str, float | str | bool]


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What is compared between two trainings.

    Attributes
    ----------
    least : float
        The smallest gain that counts.
    """

    words: str
    higher_is_better: bool
    least: float
    before: tuple[float, ...]
    after: tuple[float, ...]


def verdict_on(finding: Finding, changes: Changes, before: Sequence[Trial], after: Sequence[Trial]) -> Verification:
    """Judge a change of training by a symptom that all trainings without it have.

    Parameters
    ----------
    finding : Finding
        The symptom, as one of the trainings without the change has it.
    changes : mapping
        By the names of `doctor.repair.treatments`.
    before, after : sequence of Trial, shape (seeds,)
        Without and with the change, seed by seed.

    Returns
    -------
    Verification
        Verified where the check is silent in all trainings with the change, they go as trainings should, and what is
        measured is better by more than chance. Refuted where the symptom, or another illness, is in all of them.
    """
    measure = _measured(changes, before, after)
    judgement = judge(
        measure.before, measure.after, higher_is_better=measure.higher_is_better, min_effect=measure.least
    )
    verdict, reason = judgement.verdict, judgement.reason
    told = _remaining(finding, changes, after)
    if told is not None:
        verdict, reason = told
    return Verification(
        fingerprint=finding.fingerprint,
        check=finding.check,
        repair=in_words(changes),
        verdict=verdict,
        reason=reason,
        measure=measure.words,
        before=measure.before,
        after=measure.after,
        effect=judgement.effect,
        interval=judgement.interval,
        seeds=tuple(trial.recipe.seed for trial in before),
        steps=before[0].recipe.steps,
        seconds=round(sum(trial.result.seconds for trial in (*before, *after)), 2),
        details={"changes": dict(changes), "illness_after": [trial.illness() for trial in after]},
    )


def _remaining(finding: Finding, changes: Changes, after: Sequence[Trial]) -> tuple[Verdict, str] | None:
    """Say what is still wrong with the change; None where nothing is."""
    if any(trial.out_of_time for trial in after):
        return Verdict.NOT_RUN, "the time ran out before the trainings with the change were over"
    runs = len(after)
    # Early stopping leaves the course up to the stop as it was; what counts is the loss of the weights that are kept.
    stopped = "early_stopping" in changes
    back = 0 if stopped else sum(1 for trial in after if trial.findings(finding.check))
    if back:
        verdict = Verdict.REFUTED if back == runs else Verdict.NOT_TESTABLE
        return verdict, f"{finding.check} was found again in {back} of {runs} trainings with the change"
    ill = [illness for trial in after if (illness := trial.illness())]
    if ill:
        verdict = Verdict.REFUTED if len(ill) == runs else Verdict.NOT_TESTABLE
        return verdict, f"{len(ill)} of {runs} trainings with the change are not healthy: {ill[0]}"
    blind = [trial for trial in after if not trial.looked(finding.check)]
    if blind:
        return Verdict.NOT_TESTABLE, f"whether it is gone cannot be told: {blind[0].reason(finding.check)}"
    return None


def _measured(changes: Changes, before: Sequence[Trial], after: Sequence[Trial]) -> Measure:
    """Choose what shows the symptom best: updates that were lost, else held-out rows, else the training loss."""
    useful = tuple(trial.useful_share for trial in before)
    if statistics.median(useful) < 1 - MAX_LOST_SHARE:
        return Measure(
            words="share of the updates that were made, from a finite loss",
            higher_is_better=True,
            least=MIN_USEFUL_GAIN,
            before=useful,
            after=tuple(trial.useful_share for trial in after),
        )
    if GENERALISING & changes.keys() and not any(math.isnan(trial.held_out_loss) for trial in before):
        losses = tuple(trial.held_out_loss for trial in before)
        return Measure(
            words="loss on rows that were not trained on",
            higher_is_better=False,
            least=MIN_HELD_OUT_GAIN * statistics.median(losses),
            before=losses,
            after=tuple(trial.held_out_loss for trial in after),
        )
    scale = before[0].guessing_loss
    scale = scale if math.isfinite(scale) else statistics.median(trial.first_loss for trial in before)
    return Measure(
        words="training loss at the end (median of the last tenth)",
        higher_is_better=False,
        least=MIN_LOSS_GAIN * scale,
        before=tuple(trial.final_loss for trial in before),
        after=tuple(trial.final_loss for trial in after),
    )


def not_judged(finding: Finding, verdict: Verdict, reason: str, before: Sequence[Trial] = ()) -> Verification:
    """State that nothing was judged, and why."""
    return Verification(
        fingerprint=finding.fingerprint,
        check=finding.check,
        repair=finding.repair.summary if finding.repair else "",
        verdict=verdict,
        reason=reason,
        seeds=tuple(trial.recipe.seed for trial in before),
        steps=before[0].recipe.steps if before else None,
        seconds=round(sum(trial.result.seconds for trial in before), 2),
    )


def in_words(changes: Changes) -> str:
    """Write changes as a reader would, such as `max_grad_norm = 1`."""
    return ", ".join(f"{name} = {_shown(value)}" for name, value in changes.items())


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)
