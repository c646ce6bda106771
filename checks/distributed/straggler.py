"""One rank that makes all others wait at every step.

What it finds
    A rank that spends persistently more time by itself (loading, forward, update; not waiting for others) than the
    others do.

Why it matters
    Ranks that average gradients go at the pace of the slowest: its delay is paid on every card.

What to do
    Look at what only that rank does (logging, saving, decoding larger samples), at its loader and disk, and at the
    clock and neighbours of its card.

Thresholds
    max_ratio: 1.5 times the median of the other ranks' own time.
    min_excess_share: 0.2 of a step that the delay must make up; below that it is not worth a look.
    min_slow_share: 0.8 of the steps at which it must be so; less is chance.
    min_steps: 50 steps that all ranks have ended, without the first three.
    window_steps: 500 steps, the latest, are looked at.

Calibration
    Not measured beyond the recorded twins and one pair of real runs of two ranks: the slow rank was found, its healthy
    twin was silent. The thresholds are starting values.

Limits
    A rank that is slow within backward cannot be told from one that waits there. One-sided delays in a pipeline are
    no fault.

Source
    Measured per step by the probe: step time without backward and collective operations.
"""

from collections.abc import Iterator
from functools import reduce

import numpy as np

from doctor.evidence.ranks import SETTLED_AFTER, Rank, Ranks
from doctor.model import Check, Finding, Location, Severity, Undecided

CHECK = Check(
    "distributed/straggler",
    Severity.WARNING,
    "rank {rank} holds up the others: by itself it takes {own_seconds:.3g} s per step, they take {others_seconds:.3g} s"
    " (step: {step_seconds:.3g} s), in {slow_share:.0%} of {steps} steps",
)


def examine(
    ranks: Ranks,
    *,
    max_ratio: float = 1.5,
    min_excess_share: float = 0.2,
    min_slow_share: float = 0.8,
    min_steps: int = 50,
    window_steps: int = 500,
) -> Iterator[Finding | Undecided]:
    """Compare the ranks' own time, step by step."""
    groups = ranks.copies()
    if not groups:
        yield CHECK.not_applicable("no ranks are known to wait for each other at every step")
    for group in groups:
        own = [one.own_seconds() for one in group]
        common = reduce(np.intersect1d, (series.steps for series in own))
        common = common[common > SETTLED_AFTER][-window_steps:]
        if len(common) < min_steps:
            yield CHECK.unavailable(f"{len(common)} steps are too few to tell (needed: {min_steps})")
            continue
        table = np.array([series.at(common).values for series in own])
        whole = np.median([one.series["step_seconds"].at(common).values for one in group], axis=0)
        for place, one in enumerate(group):
            others = np.median(np.delete(table, place, axis=0), axis=0)
            slow = (table[place] > max_ratio * others) & (table[place] - others > min_excess_share * whole)
            if slow.mean() >= min_slow_share:
                yield _finding(one, table[place], others, whole, float(slow.mean()))


def _finding(
    rank: Rank,
    own: np.ndarray[tuple[int], np.dtype[np.float64]],
    others: np.ndarray[tuple[int], np.dtype[np.float64]],
    whole: np.ndarray[tuple[int], np.dtype[np.float64]],
    share: float,
) -> Finding:
    waited = rank.series.get("data_seconds")
    return CHECK.finding(
        at=Location(rank=rank.rank),
        own_seconds=float(np.median(own)),
        others_seconds=float(np.median(others)),
        step_seconds=float(np.median(whole)),
        data_seconds=float(np.median(waited.values)) if waited is not None and len(waited) else None,
        slow_share=share,
        steps=len(own),
    )
