"""Memory that will be used up before long.

What it finds
    The free memory of the machine, or of the run's control group, falls steadily and will be gone within hours.

Why it matters
    The kernel then kills a process, most likely the training, and everything since the last checkpoint is lost.

What to do
    Write a checkpoint now; look for what grows (memory/host-leak).

Thresholds
    max_hours: memory that lasts longer is not reported (12.0).
    min_seconds: how long it must have fallen (600.0); caches and replay buffers fill in that time.
    min_fall_share: of the limit, what must have been lost in that time (0.02).
    max_free_share: of the limit, above which free memory is ample (0.5).

Calibration
    Shares its rule with memory/host-leak, whose calibration is printed by `python bench/leaks.py`.

Limits
    Where the machine is shared, another's job may be what takes the memory.

Source
    Theil (1950), Sen (1968).
"""

from collections.abc import Iterator

from doctor.evidence.growth import rise_of
from doctor.evidence.resources import Resources, Timeline
from doctor.model import Advise, Check, Finding, Safety, Severity, Undecided

CHECK = Check(
    "memory/oom-ahead",
    Severity.WARNING,
    "{free_gb:.1f} GB of {limit_gb:.1f} GB ({whose}) are free and shrink by {megabytes_per_second:.2f} MB/s: used up in"
    " {hours_left:.1f} h",
    leads_to=("memory/host-oom-kill",),
)
ADVICE = Advise(summary="write a checkpoint, and find what grows", safety=Safety.MANUAL)


def examine(
    resources: Resources,
    *,
    max_hours: float = 12.0,  # a night
    min_seconds: float = 600.0,
    min_fall_share: float = 0.02,
    max_free_share: float = 0.5,
) -> Iterator[Finding | Undecided]:
    """Judge every machine."""
    for machine in resources.machines:
        limit, free = machine.memory_limit, machine.free_memory
        if limit is None or free is None:
            yield CHECK.unavailable(f"{machine.host}: its memory was not sampled")
            continue
        bytes_limit, whose = limit
        if "group" in whose:
            taken = machine.steady("cgroup_unreclaimable_bytes")
        else:
            available = machine.steady("host_available_bytes")
            taken = Timeline(seconds=available.seconds, values=bytes_limit - available.values)
        growth = rise_of(taken, min_seconds=min_seconds, min_rise=min_fall_share * bytes_limit)
        if growth is None or free > max_free_share * bytes_limit:
            continue
        hours = growth.seconds_until(free) / 3600
        if hours <= max_hours:
            yield CHECK.finding(
                free_gb=free / 1e9,
                limit_gb=bytes_limit / 1e9,
                whose=whose,
                megabytes_per_second=growth.slope / 1e6,
                hours_left=hours,
                host=machine.host,
                repair=ADVICE,
            )
