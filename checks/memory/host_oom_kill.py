"""A process that the kernel killed because memory ran out.

What it finds
    The kernel's own word that it killed a process of this run: its counter of the control group, or a line of its log
    that names a process of the run.

Why it matters
    The program cannot say anything at that moment; all that remains is an exit status of 137, which can mean much else.

What to do
    Cure the leak, if there is one (memory/host-leak); else use fewer workers or smaller prefetching, or ask for more
    memory from the scheduler.

Thresholds
    None: the kernel counted it.

Calibration
    Exact. An exit status of 137, or SIGKILL alone, is never enough.

Limits
    Where the log of the kernel cannot be read and the run has no control group of its own, nobody knows.

Source
    Linux kernel, cgroup-v2: memory.events; mm/oom_kill.c.
"""

import re
from collections.abc import Iterator

from doctor.evidence.ending import Ending
from doctor.model import Advise, Check, Finding, Safety, Severity, Undecided

CHECK = Check(
    "memory/host-oom-kill",
    Severity.ERROR,
    {
        "counted": "the kernel killed {kills} processes of the run's control group because its memory ran out",
        "logged": "the kernel killed a process of this run because memory ran out: {line}",
    },
    leads_to=("crash/exit-cause", "crash/launcher-cascade"),
)
ADVICE = Advise(summary="give the run more memory, or let it hold less at once", safety=Safety.MANUAL)
_KILLED = re.compile(r"\b(Out of memory|Memory cgroup out of memory)\b.*\bKilled process\b|\boom-kill:", re.IGNORECASE)


def examine(ending: Ending) -> Iterator[Finding | Undecided]:
    """Judge the end of the run."""
    lines = [line for line in ending.kernel or () if _KILLED.search(line)]
    if lines:
        yield CHECK.finding("logged", line=lines[-1], kills=ending.oom_kills, repair=ADVICE)
    elif ending.oom_kills:
        yield CHECK.finding("counted", kills=ending.oom_kills, repair=ADVICE)
    elif not ending.good and ending.oom_kills is None and ending.kernel is None:
        yield CHECK.unavailable("neither the kernel's log nor its counters could be read")
