"""A rank that joined the run and does nothing in it.

What it finds
    A rank of the process group that has ended no step, and takes part in no collective operation, while others train.

Why it matters
    Its card is paid for and idle; and if it was meant to train, a part of the data is never seen.

What to do
    Look at what that rank does instead: a branch on the rank, an empty shard of the data, a sampler made for fewer
    ranks. Where it shall not train, do not start it.

Thresholds
    min_steps: 20 steps that another rank must have ended.
    max_collectives: 8 operations by which a rank may have taken part in setting up; one that does more has a part to
    play, such as an evaluator's or a server's. Of a rank that shares the others' DDP model that is not believed.

Calibration
    Exact on what was recorded.

Limits
    Ranks on machines whose run folder is not shared are not known. A rank that talks by other means than
    torch.distributed looks idle.

Source
    The probe's records of each rank that joined the process group.
"""

from collections.abc import Iterator

from doctor.evidence.ranks import PAIRWISE, Ranks
from doctor.model import Check, Finding, Location, Severity, Undecided

CHECK = Check(
    "distributed/unused-rank",
    Severity.WARNING,
    "rank {rank} joined the run and has ended no step, while rank {other} has ended {steps}",
)


def examine(ranks: Ranks, *, min_steps: int = 20, max_collectives: int = 8) -> Iterator[Finding | Undecided]:
    """Look for ranks that joined and did not train."""
    if ranks.world < 2:
        yield CHECK.not_applicable("there was one rank")
        return
    busiest = max(ranks.ranks, key=lambda one: one.steps)
    if busiest.steps < min_steps:
        yield CHECK.unavailable(f"no rank has ended {min_steps} steps")
        return
    shared = {rank for replica in busiest.replicas if replica.mode == "ddp" for rank in replica.ranks}
    for one in ranks.ranks:
        talks = one.collectives > max_collectives or any(site.operation in PAIRWISE for site in one.sites)
        if one.joined and not one.steps and (one.rank in shared or not talks):
            yield CHECK.finding(at=Location(rank=one.rank), other=busiest.rank, steps=busiest.steps)
