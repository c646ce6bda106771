"""Which loss function was trained with, and what a model that knows nothing would reach by it."""

from dataclasses import dataclass

import numpy as np

from doctor.evidence.curves import Curve, curve
from doctor.evidence.history import History, Series, Trace
from doctor.evidence.incidents import Incidents

MIN_TARGETS = 100
"""Below it the share of each class is not known well enough."""


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """A recognised loss function.

    Attributes
    ----------
    name : str
        Of the function in `torch.nn.functional`.
    classes : int or None
        None for a regression.
    chance : float or None
        Loss of the best constant prediction, from the targets seen; None where it does not follow from them.
    targets : int
        How many were seen.
    """

    name: str
    classes: int | None
    chance: float | None
    targets: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Criteria:
    """The criterion of each process, by rank; empty where none was recognised, or in logs."""

    by_rank: dict[int, Criterion]

    @classmethod
    def measure(cls, incidents: Incidents, history: History) -> "Criteria":
        """Take each process's latest word on it; judged only beside a history."""
        return cls(by_rank={event.rank: _criterion(event.facts) for event in incidents.of("criterion")})

    def of(self, trace: Trace) -> Criterion | None:
        """Return the criterion of a trace whose backward losses are its values, up to a constant factor."""
        known = self.by_rank.get(trace.rank)
        loss, own = trace.series("loss").finite, trace.series("criterion_loss").finite
        steps = np.intersect1d(loss.steps, own.steps, assume_unique=True)
        if known is None or len(steps) < 3:
            return None
        ratios = loss.at(steps).values / np.where(own.at(steps).values == 0, np.nan, own.at(steps).values)
        ratios = ratios[np.isfinite(ratios)]
        if not len(ratios) or np.median(np.abs(ratios / np.median(ratios) - 1)) > 0.01:
            return None
        return known


def _criterion(facts: dict[str, object]) -> Criterion:
    name, targets = str(facts.get("name", "")), int(str(facts.get("targets") or 0))
    classes, prior = facts.get("classes"), facts.get("prior_loss")
    plain = not facts.get("weighted") and not facts.get("label_smoothing") and facts.get("reduction") == "mean"
    usable = plain and targets >= MIN_TARGETS and isinstance(prior, (int, float)) and prior > 0
    return Criterion(
        name=name,
        classes=int(str(classes)) if classes else None,
        chance=float(str(prior)) if usable else None,
        targets=targets,
    )


def training_loss(trace: Trace) -> Series:
    """Return the loss that compares with the evaluation's: the criterion's own values, else what backward was given."""
    own = trace.series("criterion_loss")
    return own if len(own) else trace.series("loss")


def training_curve(trace: Trace) -> Curve:
    """Return the course of `training_loss`."""
    return curve(training_loss(trace))
