"""A disk that will be full before long.

What it finds
    The free space of the disk with the run folder, with the working folder, or of /dev/shm falls steadily and will be
    gone within hours; or it is gone.

Why it matters
    A checkpoint that is cut off by a full disk is lost, and often the one before it too.

What to do
    Keep fewer checkpoints (`save_total_limit`), log less, or write elsewhere.

Thresholds
    max_hours: space that lasts longer is not reported (12.0).
    min_seconds: how long it must have fallen (600.0).
    min_fall_bytes: and by how much (500000000.0).
    min_free_bytes: what must be free in any case (50000000.0).

Calibration
    Shares its rule for steady change with memory/host-leak, whose calibration is printed by `python bench/leaks.py`.

Limits
    Where others write to the same disk, they may be the cause. Quotas are not seen.

Source
    Theil (1950), Sen (1968).
"""

from collections.abc import Iterator

from doctor.evidence.growth import rise_of
from doctor.evidence.resources import Resources, Timeline
from doctor.model import Advise, Check, Finding, Safety, Severity, Undecided

CHECK = Check(
    "hardware/disk-filling",
    Severity.WARNING,
    {
        "filling": "{free_gb:.1f} GB are free on the disk of {what} and shrink by {megabytes_per_second:.1f} MB/s: full"
        " in {hours_left:.1f} h",
        "full": "{free_mb:.0f} MB are free on the disk of {what}",
    },
    leads_to=("crash/exit-cause",),
)
DISKS = {
    "run_folder_free_bytes": "the run folder",
    "working_folder_free_bytes": "the working folder",
    "shm_free_bytes": "/dev/shm",  # noqa: S108  # its name, nothing is written there
}
ADVICE = Advise(summary="keep fewer checkpoints, or write to another disk", safety=Safety.MANUAL)


def examine(
    resources: Resources,
    *,
    max_hours: float = 12.0,  # a night
    min_seconds: float = 600.0,
    min_fall_bytes: float = 5e8,
    min_free_bytes: float = 5e7,
) -> Iterator[Finding | Undecided]:
    """Judge every disk of every machine."""
    for machine in resources.machines:
        told: set[float] = set()
        for series, what in DISKS.items():
            space = machine.timeline(series)
            if not len(space) or space.latest in told:
                continue
            free = float(space.values[-1])
            told.add(free)
            falling = Timeline(seconds=space.seconds, values=-space.values)
            growth = rise_of(falling, min_seconds=min_seconds, min_rise=min_fall_bytes)
            if free < min_free_bytes:
                yield CHECK.finding(
                    "full", severity=Severity.ERROR, what=what, free_mb=free / 1e6, host=machine.host, repair=ADVICE
                )
            elif growth and growth.seconds_until(free) <= 3600 * max_hours:
                yield CHECK.finding(
                    "filling",
                    what=what,
                    free_gb=free / 1e9,
                    megabytes_per_second=growth.slope / 1e6,
                    hours_left=growth.seconds_until(free) / 3600,
                    host=machine.host,
                    repair=ADVICE,
                )
