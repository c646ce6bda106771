"""A machine that waits for memory.

What it finds
    Processes that stand still because the kernel must find free memory first, by its own account, or memory that is
    swapped in again and again.

Why it matters
    Steps become slow for no reason that the program could see; the kernel's killer is often the next to come.

What to do
    Use fewer workers or smaller prefetching; find what grows (memory/host-leak); ask for more memory.

Thresholds
    min_stalled_share: share of the time in which all were stalled (0.1).
    min_swapped_bytes_per_second: memory swapped in while training (5000000.0).
    min_seconds: how long either must last (60.0).

Calibration
    A machine with free memory shows 0.0 in both.

Limits
    Linux 4.20 or later with pressure accounting; swapping is known on older ones too. Another's job on a shared machine
    may be the cause.

Source
    Linux kernel, accounting/psi: `full` of memory.
"""

from collections.abc import Iterator

import numpy as np

from doctor.evidence.resources import Resources
from doctor.model import Advise, Check, Finding, Safety, Severity, Undecided

CHECK = Check(
    "hardware/memory-pressure",
    Severity.WARNING,
    {
        "stalled": "all processes of {host} stood still for want of memory in {share:.0%} of {seconds:.0f} s",
        "swapping": "{host} swapped in {megabytes_per_second:.0f} MB/s over {seconds:.0f} s",
    },
    leads_to=("memory/host-oom-kill",),
)
ADVICE = Advise(summary="use fewer DataLoader workers, or give the run more memory", safety=Safety.MANUAL)


def examine(
    resources: Resources,
    *,
    min_stalled_share: float = 0.1,  # a step in ten: what a user begins to notice
    min_swapped_bytes_per_second: float = 5e6,
    min_seconds: float = 60.0,
) -> Iterator[Finding | Undecided]:
    """Judge every machine."""
    for machine in resources.machines:
        stalls, swapped = machine.timeline("memory_full_ratio"), machine.timeline("swapped_in_bytes")
        if not len(stalls) and not len(swapped):
            yield CHECK.unavailable(f"{machine.host}: neither pressure nor swapping was sampled")
        seconds = stalls.longest(stalls.values >= min_stalled_share)
        if seconds >= min_seconds:
            share = float(stalls.values[stalls.values >= min_stalled_share].mean())
            yield CHECK.finding("stalled", host=machine.host, share=share, seconds=seconds, repair=ADVICE)
        if len(swapped) < 2:
            continue
        rates = np.diff(swapped.values) / np.maximum(np.diff(swapped.seconds), 1e-3)
        seconds = swapped.longest(np.append(rates >= min_swapped_bytes_per_second, False))
        if seconds >= min_seconds:
            yield CHECK.finding(
                "swapping",
                host=machine.host,
                megabytes_per_second=float(np.median(rates[rates >= min_swapped_bytes_per_second])) / 1e6,
                seconds=seconds,
                repair=ADVICE,
            )
