"""What to change so that a training fits a device, cheapest first."""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

from msgspec import Struct

from doctor.estimate.peak import Peak, Subject, predicted
from doctor.estimate.tracking import Tracked
from doctor.estimate.training import Training

MARGIN_SHARE = 0.05
"""Left free: allocators round up and leave gaps."""
CONTEXT_BYTES = 500_000_000
"""What a GPU's driver and libraries take before the first tensor."""
MAX_CHANGES = 3


class Step(NamedTuple):
    """One thing to change, and what it costs in time at least and at most, as a share and in seconds of an update."""

    words: str
    low: float
    high: float
    seconds: float
    changes: dict[str, object]
    level: int


class Change(Struct, frozen=True, kw_only=True):
    """One or several things to change together.

    Attributes
    ----------
    time : tuple of float
        By which share training takes longer, at least and at most.
    seconds : float
        What comes on top for each update, however large the batch.
    """

    summary: str
    peak: Peak
    total: int
    time: tuple[float, float]
    seconds: float = 0.0
    training: Training

    @property
    def cost(self) -> str:
        """What it costs, in words."""
        low, high = (round(100 * part) for part in self.time)
        words = (
            "no more time" if high <= 0 else f"up to {high} % more time" if low <= 0 else f"{low} to {high} % more time"
        )
        if low < 0 and high <= 0:
            words = f"{-high} to {-low} % less time" if high else f"up to {-low} % less time"
        return f"{words}, and {self.seconds:.1f} s for each update" if self.seconds >= 0.05 else words


def room_of(device: int, training: Training) -> int:
    """Return how much of a device tensors can have."""
    taken = CONTEXT_BYTES if training.device == "gpu" else 0
    return max(0, int(device * (1 - MARGIN_SHARE)) - taken)


def cheapest(subject: Subject | Tracked, training: Training, device: int) -> list[Change]:
    """Return up to three changes with which a training fits, the cheapest in time first.

    What needs a change and would fit without it is left out.
    """
    room = room_of(device, training)
    fitting: list[tuple[tuple[int, ...], Change]] = []
    for levels, chosen in _combinations(subject, training):
        if any(all(one <= other for one, other in zip(known, levels, strict=True)) for known, _ in fitting):
            continue
        changed = training.replaced(**{name: value for step in chosen for name, value in step.changes.items()})
        peak = predicted(subject, changed)
        if peak is not None and peak.total <= room:
            fitting.append((levels, _joined(chosen, peak, changed)))
            if len(fitting) == MAX_CHANGES:
                break
    return [change for _, change in fitting]


def _joined(chosen: tuple[Step, ...], peak: Peak, training: Training) -> Change:
    low = high = 1.0
    for step in chosen:
        low, high = low * (1 + step.low), high * (1 + step.high)
    return Change(
        summary=", ".join(step.words for step in chosen),
        peak=peak,
        total=peak.total,
        time=(round(low - 1, 3), round(high - 1, 3)),
        seconds=round(sum(step.seconds for step in chosen), 2),
        training=training,
    )


def _combinations(subject: Subject | Tracked, training: Training) -> Iterator[tuple[tuple[int, ...], tuple[Step, ...]]]:
    """Yield combinations of changes, the cheapest first."""
    kinds = [
        _optimizers(training),
        _precisions(training),
        _batches(training),
        _recomputing(training),
        _sharding(subject.model.parameters, training),
    ]
    combined = []
    for picked in itertools.product(*([None, *kind] for kind in kinds)):
        chosen = tuple(step for step in picked if step is not None)
        levels = tuple(step.level if step else 0 for step in picked)
        if chosen:
            combined.append((sum(_price(step) for step in chosen), len(chosen), levels, chosen))
    combined.sort(key=lambda one: one[:3])
    yield from ((levels, chosen) for _, _, levels, chosen in combined)


def _price(step: Step) -> float:
    """Set seconds against shares: an update is taken for one of a few seconds; every change is a nuisance."""
    return max(0.0, (step.low + step.high) / 2) + step.seconds / 4 + 0.01


def _optimizers(training: Training) -> list[Step]:
    if training.device == "cpu" or not training.optimizer.startswith("adamw") or training.optimizer == "adamw-8bit":
        return []
    steps = []
    if training.optimizer == "adamw" and training.zero_stage is None:
        steps.append(Step("fused AdamW", 0.0, 0.0, 0.0, {"optimizer": "adamw-fused"}, 1))
    if training.offload == "none":
        # Dettmers et al. (2022) measured it to be as fast as a fused 32-bit Adam, or faster.
        steps.append(Step("8-bit AdamW", 0.0, 0.02, 0.0, {"optimizer": "adamw-8bit"}, 2))
    return steps


def _precisions(training: Training) -> list[Step]:
    if training.device == "cpu" or training.precision != "fp32" or training.zero_stage is not None:
        return []
    return [Step("bf16 autocast", -0.5, 0.0, 0.0, {"precision": "autocast"}, 1)]


def _batches(training: Training) -> list[Step]:
    """Halve the micro-batch, again and again; smaller kernels use a device worse, roughly by a few per cent each."""
    steps = []
    rows, level = training.micro_batch // 2, 1
    while rows >= 1:
        accumulated = training.accumulation * -(-training.micro_batch // rows)
        steps.append(
            Step(
                f"micro-batches of {rows} instead of {training.micro_batch}, {accumulated} accumulated",
                0.0,
                0.04 * level,
                0.0,
                {"micro_batch": rows, "accumulation": accumulated},
                level,
            )
        )
        rows, level = rows // 2, level + 1
    return steps


def _recomputing(training: Training) -> list[Step]:
    if training.checkpointing:
        return []
    # A forward pass more, which is a third of forward and backward; Chen et al. (2016), Korthikanti et al. (2022).
    return [Step("activation checkpointing", 0.20, 0.33, 0.0, {"checkpointing": True}, 1)]


def _sharding(parameters: int, training: Training) -> list[Step]:
    """Spread states over the ranks, or move them to the host."""
    stage = -1 if training.zero_stage is None else training.zero_stage
    if training.device == "cpu":
        return []
    steps = []
    # Stages 1 and 2 send as much as data parallelism does, stage 3 half as much again; Rajbhandari et al. (2020).
    for number, low, high in ((1, 0.0, 0.05), (2, 0.0, 0.08), (3, 0.1, 0.5)):
        if stage < number and training.ranks > 1 and training.precision != "bf16-only":
            steps.append(Step(f"ZeRO stage {number}", low, high, 0.0, _zero(training, number), number))
    if training.optimizer == "adamw-8bit" or training.precision == "bf16-only":
        return steps
    moved = _host_seconds(parameters / training.ranks, training)
    for number, offload in ((2, "optimizer"), (3, "optimizer+parameters")):
        further = training.offload == "optimizer" and number == 3
        if further or (training.offload == "none" and stage <= number):
            words = f"ZeRO stage {number} with {offload.replace('+', ' and ')} in host memory"
            high = 0.1 if number == 2 else 1.0
            step = Step(
                words,
                0.0 if number == 2 else 0.3,
                high,
                moved,
                {**_zero(training, number), "offload": offload},
                number + 2,
            )
            steps.append(step)
    return steps


def _zero(training: Training, stage: int) -> dict[str, object]:
    precision = {"autocast": "bf16"}.get(training.precision, training.precision)
    return {"zero_stage": stage, "precision": precision}


def _host_seconds(shard: float, training: Training) -> float:
    """Return what an update takes on the host: DeepSpeed's CPU Adam, and gradients and weights over PCIe.

    Ren et al. (2021), "ZeRO-Offload", table 4: 10 billion weights in 2.5 s; 12 GB/s each way on PCIe 3.0 with 16 lanes.
    """
    return shard * (0.25e-9 + 2 * training.weight_bytes / 12e9)
