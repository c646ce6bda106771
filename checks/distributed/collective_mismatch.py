"""Ranks that call different collective operations at the same place in the order.

What it finds
    The first operation, counted within one group of ranks, at which a rank called another one than the rest, or gave it
    another number of values or another type.

Why it matters
    Collective operations are paired by their order alone. A mismatch hangs the run, or mixes up values that have
    nothing to do with each other, without any message.

What to do
    Look at the two lines that are named: most often a branch on the rank, on the data or on an exception makes one rank
    call what the others do not, or a last batch of another size.

Thresholds
    None: the operations are the same or they are not.

Calibration
    Exact on what the ranks recorded; operations whose sizes may differ by rank (gather, scatter, all-to-all, lists) are
    compared by name alone.

Limits
    Each rank keeps its last 64 operations. Those that DDP and FSDP issue in C++, and those between two ranks, are not
    seen.

Source
    torch.distributed: "collectives must be called in the same order on all ranks"; TORCH_DISTRIBUTED_DEBUG=DETAIL.
"""

from collections import Counter
from collections.abc import Iterator

from doctor.evidence.ranks import Call, Ranks
from doctor.model import Check, Finding, Location, Severity, Undecided

CHECK = Check(
    "distributed/collective-mismatch",
    Severity.ERROR,
    "the ranks' collective operations do not match: at number {sequence} of their group rank {rank} called {called},"
    " rank {other} called {other_called}",
    leads_to=("distributed/hang", "crash/exit-cause", "crash/launcher-cascade"),
)


def examine(ranks: Ranks) -> Iterator[Finding | Undecided]:
    """Lay the ranks' operations side by side."""
    if sum(bool(one.calls) for one in ranks.ranks) < 2:
        yield CHECK.not_applicable("fewer than two ranks called collective operations from Python")
        return
    table: dict[tuple[int, int], dict[int, Call]] = {}
    for one in ranks.ranks:
        for call in one.calls:
            table.setdefault((call.group, call.sequence), {})[one.rank] = call
    told: set[int] = set()
    for (group, sequence), calls in sorted(table.items(), key=lambda item: item[0][1]):
        marks = Counter(call.mark for _, call in sorted(calls.items()))
        if len(marks) < 2 or group in told:
            continue
        told.add(group)
        usual = marks.most_common(1)[0][0]
        rank = next(rank for rank, call in sorted(calls.items()) if call.mark != usual)
        other = next(rank for rank, call in sorted(calls.items()) if call.mark == usual)
        odd = calls[rank].site
        yield CHECK.finding(
            at=Location(rank=rank, path=odd.path if odd else None, line=odd.line if odd else None),
            sequence=sequence,
            called=str(odd or "an operation that is not described"),
            other=other,
            other_called=str(calls[other].site or "another one"),
        )
