"""Whether a repair makes the promise of validation true, and whether the model gets better where it is used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from doctor.model import Verdict
from doctor.verify.deployment import MIN_LOSS
from doctor.verify.judging import Judgement, judge

MIN_CLOSED_SHARE = 0.5
"""A repair must close at least this share of the gap that was there."""
MIN_RECALL_LACK = 0.10
"""By how much the recall of the rarest class must fall behind the other classes' to be a symptom."""
MIN_BETTER = 0.02
"""The least gain of balanced accuracy that is worth a repair."""
MIN_WRONG_SHARE = 0.05
"""The least share of wrong labels that counts as a symptom."""
LEAST_R2 = -1.0
"""R² has no lower end; below this a model is useless, and how useless says nothing."""


@dataclass(frozen=True, kw_only=True)
class Arm:
    """The scores of the runs of one arm, in validation and in deployment, one per seed."""

    promises: tuple[float, ...]
    realities: tuple[float, ...]

    @property
    def optimism(self) -> tuple[float, ...]:
        """By how much validation promises more than deployment brings."""
        return tuple(p - r for p, r in zip(self.promises, self.realities, strict=True))

    @property
    def error(self) -> tuple[float, ...]:
        """By how much validation is off deployment, to either side."""
        return tuple(abs(gap) for gap in self.optimism)


def kindest(realities: Mapping[str, Sequence[float]]) -> str:
    """Return the deployment set in which a model does best, so that no symptom is made larger than it is."""
    return max(realities, key=lambda name: (_median(realities[name]), name))


def score_of(metrics: Mapping[str, float], task: str) -> float:
    """Return the score of an evaluation: 1 is perfect, and NaN is none."""
    if task == "regression":
        return max(metrics.get("r2", float("nan")), LEAST_R2)
    return metrics.get("balanced_accuracy", float("nan"))


def judge_gap(before: Arm, after: Arm, *, deployed_worse: float) -> Judgement:
    """Judge whether promise and reality come together.

    Parameters
    ----------
    before, after : Arm
        Without and with the repair.
    deployed_worse : float
        By how much the score in deployment may fall at the same time.
    """
    gap = _median(before.optimism)
    if not np.isfinite(gap) or gap < MIN_LOSS or min(before.optimism) <= 0:
        said = f"{_pair(before)}: no more than chance, so there is nothing to repair"
        return Judgement(verdict=Verdict.NOT_TESTABLE, reason=f"the symptom does not show: {said}")
    least = max(MIN_LOSS / 2, MIN_CLOSED_SHARE * gap)
    judged = judge(before.optimism, after.error, higher_is_better=False, min_effect=least)
    told = f"without the repair {_pair(before)}; with it {_pair(after)}"
    if judged.verdict is not Verdict.VERIFIED:
        reason = f"{told}; {judged.reason}"
        return Judgement(verdict=judged.verdict, reason=reason, effect=judged.effect, interval=judged.interval)
    deployed = judge(before.realities, after.realities, higher_is_better=True, min_effect=-deployed_worse)
    worse = deployed.verdict is Verdict.REFUTED
    reason = f"{told}: the promise is true now, but the model is worse where it is used" if worse else told
    verdict = Verdict.REFUTED if worse else Verdict.VERIFIED
    return Judgement(verdict=verdict, reason=reason, effect=judged.effect, interval=judged.interval)


def judge_rarest(
    before: Sequence[float],
    after: Sequence[float],
    *,
    recalls_before: Sequence[Mapping[str, float]],
    recalls_after: Sequence[Mapping[str, float]],
    rarest: str,
) -> Judgement:
    """Judge whether all classes together are recognised better once the rarest counts more.

    Parameters
    ----------
    before, after : sequence of float
        Balanced accuracy in deployment, one per seed.
    recalls_before, recalls_after : sequence of mappings
        Recall by class, one mapping per seed.
    rarest : str
        The class that the finding names.
    """
    lacks = [_lack(recalls, rarest) for recalls in recalls_before]
    seen = [recalls.get(rarest, float("nan")) for recalls in recalls_before]
    if not np.isfinite(_median(lacks)) or _median(lacks) < MIN_RECALL_LACK:
        return Judgement(
            verdict=Verdict.NOT_TESTABLE,
            reason=f"the symptom does not show: {_median(seen):.0%} of class {rarest} are recognised as it is",
        )
    judged = judge(before, after, higher_is_better=True, min_effect=MIN_BETTER)
    then = [recalls.get(rarest, float("nan")) for recalls in recalls_after]
    told = f"of class {rarest} {_median(seen):.0%} are recognised without the repair, {_median(then):.0%} with it"
    reason = told if judged.verdict is Verdict.VERIFIED else f"{told}; {judged.reason}"
    return Judgement(verdict=judged.verdict, reason=reason, effect=judged.effect, interval=judged.interval)


def judge_labels(before: Sequence[float], after: Sequence[float], *, wrong_share: float) -> Judgement:
    """Judge whether true labels are predicted better once those that are learnt are better.

    Parameters
    ----------
    before, after : sequence of float
        Score against checked labels, one per seed.
    wrong_share : float
        Of the labels that are learnt without the repair, those that a check refutes.
    """
    if wrong_share < MIN_WRONG_SHARE:
        said = f"single labels differ from the checked ones in {wrong_share:.0%} of the rows"
        return Judgement(verdict=Verdict.NOT_TESTABLE, reason=f"the symptom does not show: {said}")
    judged = judge(before, after, higher_is_better=True, min_effect=MIN_BETTER)
    told = (
        f"a model of single labels, {wrong_share:.0%} of them wrong, scores {_median(before):.2f} on checked labels; "
    )
    told += f"one of the repaired labels {_median(after):.2f}"
    reason = told if judged.verdict is Verdict.VERIFIED else f"{told}; {judged.reason}"
    return Judgement(verdict=judged.verdict, reason=reason, effect=judged.effect, interval=judged.interval)


def _lack(recalls: Mapping[str, float], rarest: str) -> float:
    others = [value for name, value in recalls.items() if name != rarest and np.isfinite(value)]
    return float(np.mean(others)) - recalls.get(rarest, float("nan")) if others else float("nan")


def _pair(arm: Arm) -> str:
    return f"validation promises {_median(arm.promises):.2f} and deployment brings {_median(arm.realities):.2f}"


def _median(values: Sequence[float]) -> float:
    finite = [value for value in values if np.isfinite(value)]
    return float(np.median(finite)) if finite else float("nan")
