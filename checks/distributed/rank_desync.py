"""Ranks that should hold the same weights and do not.

What it finds
    The first step at which the ranks' copies of one model differ: from the beginning, because nobody made them equal,
    or later, because one rank updated something that the others did not. And ranks that joined one process group but
    never exchange gradients, so that each trains a model of its own.

Why it matters
    Averaged gradients fit none of the models that they are applied to. The loss still falls for a while, the checkpoint
    of rank 0 is one of several different models, and a run on one card gives another first step than one on two.

What to do
    Wrap the model in DistributedDataParallel, which broadcasts the weights of rank 0, or broadcast them before the
    first step; seed alike; let no branch on the rank touch weights, and give all ranks one learning rate.

Thresholds
    max_relative_difference: 1e-06 between two ranks' L2 norms of all weights, taken in float64: room for hardware that
    rounds differently, which was not measured.
    min_steps: 32 steps without any exchange before ranks are said to train apart.

Calibration
    Not measured beyond the recorded twins and a few real runs of two ranks on one machine, where copies were silent and
    two seeds differed by about one in a hundred.

Limits
    Only weights that are known to be copies are compared: under DDP, or where the training sums every gradient itself.
    Sharded weights (FSDP, ZeRO, tensor and pipeline parallel) are not. Buffers are not compared.

Source
    Li et al. 2020, PyTorch Distributed, section 3: replicas begin equal and apply equal gradients.
"""

from collections.abc import Iterator
from statistics import median_low

import numpy as np

from doctor.evidence.ranks import Rank, Ranks
from doctor.model import Advise, ChangeTraining, Check, Finding, Location, Safety, Severity, Undecided

CHECK = Check(
    "distributed/rank-desync",
    Severity.ERROR,
    {
        "initial": "the ranks do not begin with the same weights: at step {step} the norm is {norm:.6g} on rank {rank}"
        " and {other_norm:.6g} on rank {other}",
        "later": "the ranks' weights are no longer the same: equal at step {equal}, at step {step} the norm is"
        " {norm:.6g} on rank {rank} and {other_norm:.6g} on rank {other}",
        "apart": "each of {ranks} ranks trains a model of its own: in {steps} steps no gradients and no weights were"
        " exchanged",
    },
)

BROADCAST = ChangeTraining(
    changes={"broadcast_parameters": True},
    summary="broadcast rank 0's weights before the first step, as DistributedDataParallel does",
    safety=Safety.UNSAFE,
)
LOOK = Advise(
    summary="look for what only one rank does between these steps: a branch on the rank, its own rate",
    safety=Safety.MANUAL,
)


def examine(
    ranks: Ranks, *, max_relative_difference: float = 1e-6, min_steps: int = 32
) -> Iterator[Finding | Undecided]:
    """Compare the checksums of copies."""
    if len(ranks.ranks) < 2:
        yield CHECK.not_applicable("there was one rank")
        return
    copies, apart = ranks.copies(), ranks.strangers()
    for group in copies:
        tracks = min(len(one.replicas) for one in group)
        found = (_differing(group, track, max_relative_difference) for track in range(tracks))
        yield from [finding for finding in found if finding][:1]
    if apart and min(one.steps for one in apart) >= min_steps:
        yield CHECK.finding(
            "apart",
            at=Location(rank=0),
            severity=Severity.WARNING,
            ranks=len(apart),
            steps=min(one.steps for one in apart),
            repair=Advise(
                summary="wrap the model in torch.nn.parallel.DistributedDataParallel before the optimizer is made",
                safety=Safety.MANUAL,
            ),
        )
    if not copies and not apart:
        yield CHECK.not_applicable("no two ranks are known to hold copies of the same weights")


def _differing(group: tuple[Rank, ...], track: int, allowed: float) -> Finding | None:
    sums = {one.rank: one.checksums(track) for one in group}
    common = sorted(set.intersection(*(set(one.steps.tolist()) for one in sums.values())))
    equal: int | None = None
    for step in common:
        values = {rank: float(one.values[one.steps == step][0]) for rank, one in sums.items()}
        if not np.isfinite(list(values.values())).all():
            return None
        usual = values[min(values)] if len(values) == 2 else median_low(values.values())
        odd = max(values, key=lambda rank: (abs(values[rank] - usual), rank))
        if abs(values[odd] - usual) > allowed * max(abs(usual), abs(values[odd])):
            other = min(values, key=lambda rank: (abs(values[rank] - usual), rank))
            return CHECK.finding(
                "initial" if equal is None else "later",
                at=Location(step=step, rank=odd),
                norm=values[odd],
                other=other,
                other_norm=values[other],
                equal=equal,
                norms=values,
                repair=BROADCAST if equal is None else LOOK,
            )
        equal = step
    return None
