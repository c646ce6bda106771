"""Main memory that grows for as long as the run lasts.

What it finds
    A lasting rise of the memory of the training process, of the other ranks, of their worker processes or of shared
    memory, with its rate and interval, the time until memory is used up, and who holds what grows: a variable with its
    line, a graph of operations that is kept, memory outside Python's objects, an allocator that does not give back, or
    worker processes that copy what they share.

Why it matters
    A process that gains 3 MB a second eats 64 GB in six hours. The kernel then kills it, or a neighbour, without a
    word to the program.

What to do
    Take what is named out of reach: detach or `.item()` what is logged, bound the list or cache, keep samples of a
    dataset in one numpy array or tensor instead of Python objects (copy-on-write), set `MALLOC_ARENA_MAX=2` or preload
    jemalloc against fragmentation.

Thresholds
    min_rise_bytes: what the rise must come to (32000000.0); start-up costs and allocators' habits stay below.
    min_named_seconds: how long it must last where a holder is named that nothing bounds (40.0).
    min_seconds: how long it must last otherwise (900.0); caches and replay buffers fill up in that time.
    max_hours: a run that has at most so many hours of memory left makes it an error, not a warning (72.0).

Calibration
    `python bench/leaks.py` prints recall by rate and false alarms on caches, sawtooth, bursts and noise.

Limits
    A cache that fills in a straight line for longer than `min_seconds` looks like a leak until it is full. What grows
    by less than the machine's noise in the time watched is not seen. Growth in the first fifth of a run is warm-up.

Source
    Theil (1950), Sen (1968): slope and interval. The Linux kernel's proc(5): resident, proportional, private memory.
"""

from collections.abc import Iterator
from typing import Any

from doctor.evidence.censuses import Censuses, Holder, explanation
from doctor.evidence.growth import Growth, rise_of
from doctor.evidence.resources import Machine, Resources
from doctor.model import Advise, AnyRepair, Check, EditCode, Finding, Location, Safety, Severity, Undecided

_RATE = "{who} grew by {megabytes_per_second:.2f} MB/s ({low:.2f} to {high:.2f}) over {seconds:.0f} s"
_LEFT = "{left}"
CHECK = Check(
    "memory/host-leak",
    Severity.WARNING,
    {
        "held": f"{_RATE}: {{name}} holds {{length}} items of type {{held_type}}, {{grown}} more than before{_LEFT}",
        "graph": f"{_RATE}: {{name}} keeps a graph of {{length}} operations, {{grown}} more than before{_LEFT}",
        "python": f"{_RATE}, in Python objects that no growing container holds{_LEFT}",
        "native": f"{_RATE}, outside Python's objects: an extension, a library or tensors that are kept alive{_LEFT}",
        "fragmentation": f"{_RATE} although the program uses no more of it: the allocator does not give back{_LEFT}",
        "copy-on-write": f"{_RATE} of private memory, their whole memory did not: each copies what it shared{_LEFT}",
        "unnamed": f"{_RATE}{_LEFT}",
    },
    leads_to=("memory/oom-ahead", "memory/host-oom-kill", "hardware/memory-pressure"),
)
GROUPS = {
    "main": "the training process",
    "ranks": "the other ranks",
    "workers": "the worker processes",
    "others": "the other processes of the run",
    "shared memory": "shared memory (/dev/shm)",
}
REPAIRS = {
    "held": "bound {name}, or keep numbers instead of tensors in it",
    "graph": "add .item() or .detach() to what is added to {name}",
    "fragmentation": "set MALLOC_ARENA_MAX=2, or preload jemalloc or tcmalloc",
    "copy-on-write": "keep the dataset's samples in one array or tensor instead of many Python objects",
}
KEPT_ITEMS = 100
"""Of a list that is to be bounded: enough for a running mean or a plot of late; whoever needs more says so."""


def examine(
    resources: Resources,
    censuses: Censuses,
    *,
    min_rise_bytes: float = 32e6,  # twice what malloc's arenas and torch's caches add after warm-up
    min_named_seconds: float = 40.0,  # two censuses lie 30 s apart
    min_seconds: float = 900.0,
    max_hours: float = 72.0,  # a long weekend without anybody who looks
) -> Iterator[Finding | Undecided]:
    """Judge every group of processes on every machine."""
    for machine in resources.machines:
        for group, who in GROUPS.items():
            kind, holder, rank = "unnamed", None, None
            growth = _growth(machine, group, min_named_seconds, min_rise_bytes)
            if growth is None and group == "workers":
                growth = rise_of(machine.crew(group, "uss"), min_seconds=min_named_seconds, min_rise=min_rise_bytes)
                kind = "copy-on-write"
            if growth is None:
                continue
            counted = censuses.of(machine.host, group, growth.since)
            if counted:
                rank, census = counted
                kind, holder = explanation(census, growth.slope)
            if holder is not None and holder.limit is not None:
                yield CHECK.unavailable(f"{who} grows by {holder.name}, which holds at most {holder.limit} items")
                continue
            if (holder is None or holder.evicts) and growth.seconds < min_seconds:
                yield CHECK.unavailable(
                    f"{who} rose by {growth.rise / 1e6:.0f} MB in {growth.seconds:.0f} s: too early to tell a leak from"
                    " a cache that fills"
                )
                continue
            yield _finding(machine, who, growth, max_hours, kind, holder, rank)


def _growth(machine: Machine, group: str, min_seconds: float, min_rise: float) -> Growth | None:
    memory = machine.steady("shm_used_bytes") if group == "shared memory" else machine.crew(group, "anonymous")
    return rise_of(memory, min_seconds=min_seconds, min_rise=min_rise)


def _finding(
    machine: Machine, who: str, growth: Growth, max_hours: float, kind: str, holder: Holder | None, rank: int | None
) -> Finding:
    room = machine.free_memory
    ends = kind == "copy-on-write" and _copies_fit(machine)
    hours = growth.seconds_until(room) / 3600 if room is not None and not ends else None
    held: dict[str, Any] = (
        {"name": holder.name, "length": holder.length, "held_type": holder.of, "grown": holder.grown} if holder else {}
    )
    return CHECK.finding(
        kind,
        at=Location(path=holder.path if holder else None, line=holder.line if holder else None, rank=rank),
        severity=Severity.INFO if ends else Severity.ERROR if hours and hours <= max_hours else Severity.WARNING,
        who=who,
        megabytes_per_second=growth.slope / 1e6,
        low=growth.low / 1e6,
        high=growth.high / 1e6,
        seconds=growth.seconds,
        rise_bytes=growth.rise,
        left="" if hours is None else f"; the {(room or 0) / 1e9:.1f} GB that are left last {hours:.1f} h",
        hours_left=hours,
        host=machine.host,
        **held,
        repair=_repair(kind, holder),
    )


def _repair(kind: str, holder: Holder | None) -> AnyRepair | None:
    """Where a list grows by a line that is known, that line can be preceded by one that bounds it."""
    advice = REPAIRS.get(kind, "").format(name=holder.name if holder else "")
    if kind == "held" and holder and holder.container == "list" and holder.expression and holder.line and holder.path:
        code = f"del {holder.expression}[:-{KEPT_ITEMS}]"
        return EditCode(
            line=holder.line,
            code=code,
            summary=f"{advice}: {code} before line {holder.line} keeps the last {KEPT_ITEMS}",
            safety=Safety.UNSAFE,
        )
    return Advise(summary=advice, safety=Safety.MANUAL) if advice else None


def _copies_fit(machine: Machine) -> bool:
    """Whether every worker can have its copy of all that the training process holds: there it ends."""
    copies = (machine.latest("workers_processes") or 0) * (machine.latest("main_anonymous") or 0)
    return copies - (machine.latest("workers_uss") or 0) < (machine.free_memory or 0)
