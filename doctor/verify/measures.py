"""What two runs of one command are compared by, besides the finding itself: numbers read from their records."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from doctor.errors import NoVerdict
from doctor.evidence.growth import block_floors, theil_sen
from doctor.evidence.history import History, Trace
from doctor.evidence.resources import Resources
from doctor.model import Finding
from doctor.subjects.run import Run, Series

LAST_SHARE = 0.1
"""Of a run's losses, those whose median is its final loss; likewise at its beginning."""
MAX_SOUND_RATIO = 10.0
"""A loss above so many times the first level is one of a training that has come to harm."""
GROWTH_BLOCKS = 12
MIN_SAMPLES = 12


class Measure(NamedTuple):
    """A quantity, in words, and which way is better.

    Attributes
    ----------
    min_effect_share : float
        The least improvement worth a repair, of the value without it.
    min_effect : float
        The same in its own unit, where that is more.
    """

    name: str
    words: str
    higher_is_better: bool
    min_effect_share: float = 0.0
    min_effect: float = 0.0


FINAL_LOSS = Measure("final_loss", "final training loss", False, min_effect_share=0.02)
FINAL_EVALUATION = Measure("evaluation_loss", "final evaluation loss", False, min_effect_share=0.01)
SOUND_SHARE = Measure("sound_share", "share of steps whose loss is sound", True, min_effect=0.05)
TRAINING_MODE = Measure("training_mode", "share of modules in training mode at the last updates", True, min_effect=0.1)
MEMORY_GROWTH = Measure("memory_growth", "growth of memory, MB/s", False, min_effect_share=0.5)
RANK_DIFFERENCE = Measure("rank_difference", "difference of the ranks' weights, relative", False, min_effect_share=0.5)
BY_FAMILY = {"memory": MEMORY_GROWTH, "distributed": RANK_DIFFERENCE}
"""Families of checks whose symptom has a quantity of its own."""
OTHER_LOSS = frozenset(("evaluation_mode", "dropout"))
"""Changes that make the training loss another quantity, so that it cannot be compared."""


def measured(run: Run) -> dict[str, float | None]:
    """Return all quantities that a run gives, None for one that is not finite."""
    known: dict[str, float] = {}
    try:
        trace = next(iter(History.measure(run).leading("loss")), None)
    except NoVerdict:
        trace = None
    if trace is not None:
        known |= _of_losses(trace)
    growth = _memory_growth(run)
    if growth is not None:
        known["memory_growth"] = growth
    difference = _rank_difference(run)
    if difference is not None:
        known["rank_difference"] = difference
    return {name: value if np.isfinite(value) else None for name, value in known.items()}


def choose(finding: Finding, changes: Iterable[str], before: Sequence[dict[str, float | None]]) -> Measure:
    """Return what tells best whether a finding's harm is gone, of what the runs without a repair recorded."""

    def given(measure: Measure) -> bool:
        return all(one.get(measure.name) is not None for one in before)

    own = BY_FAMILY.get(finding.check.partition("/")[0])
    if own is not None and given(own):
        return own
    if given(FINAL_EVALUATION):
        return FINAL_EVALUATION
    if OTHER_LOSS.intersection(changes) and given(TRAINING_MODE):
        return TRAINING_MODE
    sound = all((one.get(SOUND_SHARE.name) or 0.0) >= 1 - SOUND_SHARE.min_effect for one in before)
    return FINAL_LOSS if sound and given(FINAL_LOSS) else SOUND_SHARE


def _of_losses(trace: Trace) -> dict[str, float]:
    loss = trace.series("loss").values
    some = max(1, round(LAST_SHARE * len(loss)))
    first, last = float(np.median(loss[:some])), float(np.median(loss[-some:]))
    bound = first + (MAX_SOUND_RATIO - 1) * abs(first)
    known = {
        "first_loss": float(np.median(loss[: min(some, 5)])),
        "final_loss": last,
        "sound_share": float(np.mean(np.isfinite(loss) & (loss <= bound))) if np.isfinite(first) else 0.0,
    }
    modes = trace.series("training_mode").values
    if len(modes):
        known["training_mode"] = float(np.mean(modes[-(len(modes) // 2 + 1) :]))
    evaluations = trace.series("evaluation_loss").values
    if len(evaluations):
        known["evaluation_loss"] = float(np.median(evaluations[-2:]))
    return known


def _memory_growth(run: Run) -> float | None:
    """Return by how many megabytes per second the training processes grew after warm-up; shrinking counts as 0."""
    try:
        machines = Resources.measure(run).machines
    except NoVerdict:
        return None
    slopes = []
    for machine in machines:
        memory = machine.crew("main", "anonymous")
        if len(memory) >= MIN_SAMPLES:
            at, floors = block_floors(memory.seconds, memory.values, GROWTH_BLOCKS)
            slopes.append(float(theil_sen(floors, at).slope) / 1e6)
    return max(0.0, *slopes) if slopes else None


def _rank_difference(run: Run) -> float | None:
    """Return the largest relative difference between ranks' weight norms, at the last step that all recorded."""
    norms = [process.series["replica_norm"] for process in run.processes if "replica_norm" in process.series]
    if len(norms) < 2:
        return None
    common = set.intersection(*(set(one.steps.tolist()) for one in norms))
    if not common:
        return None
    values = np.array([_at(one, max(common)) for one in norms])
    return float(np.ptp(values) / max(float(np.abs(values).max()), 1e-30))


def _at(series: Series, step: int) -> float:
    return float(series.values[series.steps == step][0])
