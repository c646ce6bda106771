"""Ranks that died only because another one had died.

What it finds
    In a run of several processes: those that were ended by the launcher, or by the loss of their connection, after
    another rank had died for a reason of its own. `crash/exit-cause` tells that reason.

Why it matters
    Every victim prints a traceback, and the launcher one more. The rank that matters is one of many, and most often
    neither the first nor the last in the log.

What to do
    Read the log of the rank that is named; the messages of the others say nothing.

Thresholds
    None: the order of the ends is recorded.

Calibration
    Exact on the machine that was watched, whose processes share one clock. Silent where every rank had a reason of its
    own, as where all meet the same bug.

Limits
    Ends on several machines are ordered by those machines' clocks.

Source
    The messages of gloo and NCCL at a lost connection; torchrun ends the other ranks with SIGTERM, deepspeed with
    SIGKILL.
"""

from collections.abc import Iterator

from doctor.evidence.ending import Ending, How
from doctor.model import Check, Finding, Location, Severity, Undecided

CHECK = Check(
    "crash/launcher-cascade",
    Severity.INFO,
    "rank {rank} died first ({reason}); the rest (rank {victims}) did not fail by themselves, and what they printed"
    " ({printed}) is a consequence",
)


def examine(ending: Ending) -> Iterator[Finding | Undecided]:
    """Tell the victims from the first."""
    if len(ending.processes) < 2:
        yield CHECK.not_applicable("there was one training process")
        return
    first = ending.first
    if ending.good or ending.asked or first is None:
        return
    others = [one for one in ending.processes if one is not first and one.how is not How.FINISHED]
    victims = [one for one in others if not one.certain]
    if not victims or (first.failure and first.failure.lost_peer):
        return
    yield CHECK.finding(
        at=Location(rank=first.rank, step=first.step or None),
        reason=first.reason,
        victims=", ".join(str(one.rank) for one in sorted(victims, key=lambda one: one.rank)),
        printed="; ".join(dict.fromkeys(one.reason for one in victims)),
        seconds=round(max(one.when for one in victims) - first.when, 3),
    )
