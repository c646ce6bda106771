"""Ranks that are fed the same batches.

What it finds
    Ranks of one data-parallel group whose batches are the same, step for step.

Why it matters
    Averaging equal gradients changes nothing: the run costs as many cards as it has ranks and trains like one. An epoch
    shows each sample to every rank, and the effective batch is that of one.

What to do
    Give the loader a DistributedSampler (and call its set_epoch each epoch), or let each rank read its own shards; in
    an IterableDataset choose by rank and worker.

Thresholds
    min_steps: 8 steps at which both ranks' batches are known, with different batches among them.
    min_same_share: 0.9 of these steps with the same batch on both.

Calibration
    Hashes of 48 bits of the content: two different batches are taken for equal less than once in 10^14.

Limits
    Batches that come from no DataLoader, or lie on a device before the probe sees them, are not known. Ranks that share
    data by design (tensor or pipeline parallel) are no copies and are not compared.

Source
    torch.utils.data.distributed.DistributedSampler.
"""

from collections.abc import Iterator

import numpy as np

from doctor.evidence.ranks import Rank, Ranks
from doctor.model import Advise, Check, Finding, Location, Safety, Severity, Undecided

CHECK = Check(
    "distributed/same-data-on-ranks",
    Severity.WARNING,
    "rank {same} and rank {rank} are fed the same batches: {same_steps} of {steps} are equal",
)


def examine(ranks: Ranks, *, min_steps: int = 8, min_same_share: float = 0.9) -> Iterator[Finding | Undecided]:
    """Compare the batches of copies."""
    if len(ranks.ranks) < 2:
        yield CHECK.not_applicable("there was one rank")
        return
    groups = ranks.copies() or [group for group in [ranks.strangers()] if group]
    if not groups:
        yield CHECK.not_applicable("no two ranks are known to train copies of one model")
    judged = False
    for group in groups:
        first, *others = group
        counts = {other.rank: _same(first, other) for other in others}
        known = {rank: (same, steps) for rank, (same, steps, kinds) in counts.items() if min(steps, kinds) >= min_steps}
        judged |= bool(known)
        alike = {rank: each for rank, each in known.items() if each[0] >= min_same_share * each[1]}
        if alike:
            yield CHECK.finding(
                at=Location(rank=first.rank),
                same=", ".join(map(str, alike)),
                same_steps=min(same for same, _ in alike.values()),
                steps=min(steps for _, steps in alike.values()),
                repair=Advise(
                    summary="give the DataLoader a torch.utils.data.distributed.DistributedSampler",
                    safety=Safety.MANUAL,
                ),
            )
    if groups and not judged:
        yield CHECK.unavailable(f"fewer than {min_steps} different batches of two ranks are known")


def _same(one: Rank, other: Rank) -> tuple[int, int, int]:
    """Return at how many steps both had the same batch, of how many known, and how many different ones there were."""
    here, there = one.batches(), other.batches()
    steps, at_here, at_there = np.intersect1d(here.steps, there.steps, return_indices=True)
    values = here.values[at_here]
    return int((values == there.values[at_there]).sum()), len(steps), len(np.unique(values))
