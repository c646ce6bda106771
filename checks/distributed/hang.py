"""A run in which nothing moves any more.

What it finds
    Processes none of which has begun or ended anything for far longer than the run's own pace explains. Of several
    ranks it names the one for which the others wait, with the user's line in which it is. Before the first steps, when
    there is no pace yet: processes that should train and for as long neither compute nor read nor write anything. And
    one rank that stands still while the others go on.

Why it matters
    A run that hangs looks like one that trains: the cards are held, the bill grows, and many a collective operation
    waits for half an hour, or for ever, before it fails.

What to do
    Look at the line that is named. A rank that is in no collective operation while the others are has taken another
    branch, waits for a file, a lock or its loader, or has fewer batches; in different ones they are out of order.

Thresholds
    min_seconds: 30.0 s without any change on any rank.
    min_paces: 20.0 times the median step.
    min_longest: 2.0 times the longest step so far, so that the pauses which a run has had before are no hang.
    patience_seconds: 600.0 s where the run may be busy with something that is not recorded: all ranks outside of
    collective operations, waiting at a barrier, or in a function that saves, evaluates, loads or writes. Before the
    first steps: where it waits for a network or for another machine's ranks, or a process alone has gone to sleep.

Calibration
    Silent in evaluation and at checkpoints, and where the run died for a reason of its own. Before the fourth step the
    use of processors, disks and files decides: 3 % of a processor or 64 KB/s of any process of the run is work, as is
    waiting for a disk. Programs that compile, read, or load for long were left in peace; a rank that never joins, and a
    loader that never gives its first batch, were told after 35 to 45 s (tests/watching/test_beginnings.py).

Limits
    Stacks are known where the monitor could ask for them. A rank on a machine whose run folder is not shared is only
    known to be missing. Before the first steps a process in an event loop is taken for a server, and one that polls or
    spins, as GPU libraries may while they wait, looks busy.

Source
    State of each rank as its probe recorded it; faulthandler's stacks; the kernel's account of each process.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from doctor.evidence.ranks import ON_PURPOSE, SETTLED_AFTER, Rank, Ranks
from doctor.evidence.stacks import grouped_stacks
from doctor.model import Check, Finding, Location, Severity

CHECK = Check(
    "distributed/hang",
    Severity.ERROR,
    {
        "one": "nothing has moved for {seconds:.0f} s: rank {rank} is in {phase} of step {step} at {place};"
        " waiting for it: rank {waiting}, in {operation}",
        "order": "nothing has moved for {seconds:.0f} s: rank {rank} waits in {phase} of step {step} at {place}, the"
        " others in {operation}",
        "all": "nothing has moved for {seconds:.0f} s: all {ranks} ranks wait in {phase} of step {step} at"
        " {place}{absent}",
        "alone": "nothing has moved for {seconds:.0f} s: the run is in {phase} of step {step} at {place}",
        "one before": "nothing has moved for {seconds:.0f} s, and no step was made: rank {rank} is at {place}; waiting"
        " for it: rank {waiting}, in {operation}",
        "order before": "nothing has moved for {seconds:.0f} s, and no step was made: rank {rank} waits in {phase} at"
        " {place}, the others in {operation}",
        "all before": "nothing has moved for {seconds:.0f} s, and no step was made: all {ranks} ranks wait in {phase}"
        " at {place}{absent}",
        "alone before": "nothing has moved for {seconds:.0f} s, and no step was made: the run waits at {place}",
        "behind": "rank {rank} has not moved for {seconds:.0f} s: it is in {phase} of step {step} at {place}, while"
        " others have ended {others_steps} steps",
    },
    leads_to=("crash/exit-cause", "crash/launcher-cascade"),
)
_BUSY = re.compile(
    r"sav|checkpoint|eval|valid|test|generat|upload|push|writ|load|export|predict|infer|compile|dump|copy"
)
_AT_LEISURE = ("barrier", "object")
_NETWORK = re.compile(
    r"/(ssl|socket|socketserver|ftplib|http/\w+|urllib/\w+|urllib3/.+|httpx/.+|httpcore/.+|anyio/.+)\.py$"
)
_SERVER = re.compile(r"/(asyncio/(base_events|runners)|socketserver|tornado/.+|zmq/.+|uvicorn/.+)\.py$")


def examine(
    ranks: Ranks,
    *,
    min_seconds: float = 30.0,
    min_paces: float = 20.0,
    min_longest: float = 2.0,
    patience_seconds: float = 600.0,
) -> Iterator[Finding]:
    """Judge how long nothing has moved."""
    known = ranks.ranks
    going = [one for one in known if one.phase != "finished"]
    if ranks.died or not going:
        return
    if not ranks.stalled:
        return (yield from _behind(ranks, min_seconds, patience_seconds))
    early = min(one.steps for one in going) <= SETTLED_AFTER
    if any(one.phase in ON_PURPOSE for one in going) or (early and not ranks.quiet):
        return
    kind, odd = _odd(known)
    if early and kind == "alone" and _is_in(odd, _SERVER):
        return  # it answers requests, as a notebook's kernel does, and waits for the next
    longest = max(one.longest_seconds for one in known)
    limit = max(min_seconds, min_paces * ranks.pace_seconds, min_longest * longest)
    if _waits_outside(ranks, odd) if early else _may_be_busy(known, odd):
        limit = max(limit, patience_seconds)
    seconds = min(one.idle_seconds for one in going)
    if ranks.running and odd.frame is None:
        limit += 10.0  # the stacks have been asked for and will be there at the next look
    if seconds >= limit:
        yield _finding(f"{kind} before" if not any(one.steps for one in known) else kind, odd, ranks, seconds)


def _behind(ranks: Ranks, min_seconds: float, patience_seconds: float) -> Iterator[Finding]:
    """Look for ranks that stand still while others go on."""
    for one in ranks.ranks:
        at_leisure = one.operation is not None and any(word in one.operation.operation for word in _AT_LEISURE)
        limit = patience_seconds if at_leisure or _has_busy_frame(one) else min_seconds
        if one.behind_seconds and one.idle_seconds >= limit:
            yield _finding("behind", one, ranks, one.idle_seconds, severity=Severity.WARNING)


def _odd(ranks: Sequence[Rank]) -> tuple[str, Rank]:
    """Return the rank for which the others wait."""
    if len(ranks) < 2:
        return "alone", ranks[0]
    at_work = [one for one in ranks if not one.waits]
    if at_work and len(at_work) < len(ranks):
        return "one", min(at_work, key=lambda one: (one.steps, one.collectives, one.rank))
    places = Counter((one.phase, one.steps, one.collectives) for one in ranks)
    behind = min(ranks, key=lambda one: (places[one.phase, one.steps, one.collectives], one.collectives, one.steps))
    return "order" if len(places) > 1 else "all", behind


def _may_be_busy(ranks: Sequence[Rank], odd: Rank) -> bool:
    """Whether the run may be doing something that is slow and not recorded."""
    waiting = [one for one in ranks if one.waits]
    if not waiting:
        return len(ranks) > 1 or odd.phase not in ("data", "optimizer")
    operations = [one.operation.operation for one in waiting if one.operation]
    leisure = bool(operations) and all(any(word in name for word in _AT_LEISURE) for name in operations)
    return leisure or _has_busy_frame(odd)


def _has_busy_frame(one: Rank) -> bool:
    return any(_BUSY.search(frame.function.lower()) for frame in one.stack if frame.own)


def _waits_outside(ranks: Ranks, odd: Rank) -> bool:
    """Whether what is waited for may be no part of the run: a machine, a network, or a time."""
    return bool(ranks.elsewhere) or _is_in(odd, _NETWORK) or (odd.asleep and len(ranks.ranks) == 1)


def _is_in(one: Rank, files: "re.Pattern[str]") -> bool:
    return any(files.search(frame.path.replace("\\", "/")) for frame in one.stack)


def _finding(kind: str, odd: Rank, ranks: Ranks, seconds: float, severity: Severity | None = None) -> Finding:
    others = [one for one in ranks.ranks if one is not odd and one.waits]
    frame = odd.frame
    absent = sorted(set(range(ranks.world)) - {one.rank for one in ranks.ranks})
    operations = dict.fromkeys(str(one.operation or one.doing) for one in others)
    return CHECK.finding(
        kind,
        severity=severity,
        at=Location(
            rank=odd.rank, step=odd.steps + 1, path=frame.path if frame else None, line=frame.line if frame else None
        ),
        seconds=seconds,
        phase=odd.doing,
        place=f"{frame.place} ({frame.function})" if frame else "a line that is not known",
        waiting=", ".join(str(one.rank) for one in others),
        operation=", ".join(operations),
        ranks=len(ranks.ranks),
        absent=f"; rank {', '.join(map(str, absent))} left no word here" if absent else "",
        pace_seconds=ranks.pace_seconds,
        others_steps=max((one.steps for one in ranks.ranks if one is not odd), default=0),
        stacks=grouped_stacks((one.rank, one.doing, one.stack) for one in ranks.ranks),
    )
