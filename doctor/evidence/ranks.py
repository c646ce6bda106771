"""The ranks of a run side by side: what each does, what it holds and which collective operations it has begun."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doctor.errors import NotApplicable
from doctor.evidence.ending import Ending
from doctor.evidence.stacks import current_stack
from doctor.evidence.tracebacks import Frame, innermost
from doctor.subjects.run import NOTHING, Event, Process, Run, Series

WAITING = frozenset({"collective", "backward", "joining"})
"""Phases in which a rank may wait for the others: DDP sums gradients during backward."""
ON_PURPOSE = frozenset({"evaluation", "checkpoint", "paused", "finished"})
"""Phases in which a rank may for long do nothing that is recorded."""
PAIRWISE = frozenset({"send", "recv", "isend", "irecv", "batch_isend_irecv"})
TO_ALL = frozenset({"barrier", "monitored_barrier", "broadcast"})
"""Operations that give no rank anything of what another has learned."""
MIN_SENT_SHARE = 0.01
"""Of a model's size: fewer values are metrics, not weights."""
SETTLED_AFTER = 3
"""Steps after which first-time costs, such as compilation, are over."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """A call of a collective operation in the training's code."""

    operation: str
    shape: str = ""
    dtype: str = ""
    path: str = ""
    line: int = 0
    function: str = ""
    ranks: tuple[int, ...] = ()

    @property
    def elements(self) -> int:
        """How many values it carries; 0 where that is not known."""
        if self.shape == "scalar":
            return 1
        return int(np.prod([int(size) for size in self.shape.split("x")])) if self.shape else 0

    @property
    def frame(self) -> Frame:
        """The line of the call."""
        return Frame(path=self.path, line=self.line, function=self.function)

    def __str__(self) -> str:
        what = f"{self.operation} of {self.shape} {self.dtype}" if self.shape else self.operation
        return f"{what} at {self.frame.place}"


@dataclass(frozen=True, kw_only=True)
class Call:
    """One collective operation that a rank began."""

    group: int
    sequence: int
    mark: int
    site: Site | None


@dataclass(frozen=True, kw_only=True)
class Replica:
    """What one optimizer of a rank updates.

    Attributes
    ----------
    mode : str
        "ddp", "averaged" (the training sums gradients itself), "sharded" (each rank has a part) or "none".
    ranks : tuple of int
        Those that should hold the same; empty for all.
    """

    mode: str
    shapes: int
    elements: int
    ranks: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Rank:
    """One rank, in its latest process.

    Attributes
    ----------
    joined : bool
        Whether it has joined a process group.
    steps : int
        How many it has ended.
    phase : str
        What it did last; where it stood still before it ended, what it did then.
    idle_seconds : float
        Since the last change of its state, until now or the end of the run.
    calls : tuple of Call
        The last collective operations, oldest first.
    collectives : int
        How many it has begun.
    stack : tuple of Frame
        Of its main thread, innermost last; empty where nobody asked for it.
    asleep : bool
        Whether it stood still in a sleep of its own choice.
    behind_seconds : float
        How long it alone had stood still, and done nothing, while others went on; 0 where it did not, or moved since.
    """

    rank: int
    world: int
    host: str = ""
    joined: bool = False
    steps: int = 0
    phase: str = ""
    idle_seconds: float = 0.0
    calls: tuple[Call, ...] = ()
    sites: tuple[Site, ...] = ()
    collectives: int = 0
    replicas: tuple[Replica, ...] = ()
    series: Mapping[str, Series] = field(default_factory=dict)
    stack: tuple[Frame, ...] = ()
    asleep: bool = False
    behind_seconds: float = 0.0

    @property
    def doing(self) -> str:
        """Its phase, in a sentence."""
        return {"finished": "its end", "joining": "init_process_group"}.get(self.phase, self.phase)

    @property
    def frame(self) -> Frame | None:
        """The user's line in which it is, where that is known."""
        operation = self.operation
        return innermost(self.stack) or (operation.frame if operation else None)

    @property
    def operation(self) -> Site | None:
        """The collective operation in which it is; None where it is in none, or in one that is not described."""
        return self.calls[-1].site if self.phase == "collective" and self.calls else None

    @property
    def pace_seconds(self) -> float:
        """Median length of its steps; 0 where it has ended none."""
        seconds = self._settled("step_seconds")
        return float(np.median(seconds)) if len(seconds) else 0.0

    @property
    def longest_seconds(self) -> float:
        """Length of its longest step without the first ones."""
        return float(max(self._settled("step_seconds"), default=0.0))

    def _settled(self, name: str) -> NDArray[np.float64]:
        known = self.series.get(name, NOTHING)
        return known.values[known.steps > SETTLED_AFTER]

    @property
    def waits(self) -> bool:
        """Whether it may be waiting for others."""
        return self.phase in WAITING

    def checksums(self, track: int = 0) -> Series:
        """Return the checksums of one optimizer's weights, before its updates."""
        known, tracks = self.series.get("replica_norm", NOTHING), self.series.get("track", NOTHING)
        return known.at(tracks.steps[tracks.values == track]) if len(tracks) else known

    def batches(self) -> Series:
        """Return the hashes of its batches, where they are known."""
        return self.series.get("batch_hash", NOTHING).finite

    def own_seconds(self) -> Series:
        """Return the time of each step that it spent by itself: neither in backward nor in a collective operation."""
        whole = self.series.get("step_seconds", NOTHING)
        rest = whole.values.copy()
        for name in ("backward_seconds", "collective_seconds"):
            part = self.series.get(name, NOTHING)
            _, here, there = np.intersect1d(whole.steps, part.steps, return_indices=True)
            rest[here] -= part.values[there]
        return Series(whole.steps, np.maximum(rest, 0.0))


@dataclass(frozen=True, kw_only=True, eq=False)
class Ranks:
    """All ranks that left a word, in their order.

    Attributes
    ----------
    world : int
        How many there should be.
    running : bool
    stalled : bool
        Whether the monitor saw that nothing had changed on any rank for long, and nothing did since.
    died : bool
        Whether one of them died for a reason of its own.
    quiet : bool
        Whether the monitor saw as well that none of the run's processes computed, read or wrote meanwhile.
    elsewhere : int
        How many ranks are meant to run on other machines than those that left a word.
    """

    ranks: tuple[Rank, ...]
    world: int
    running: bool
    stalled: bool
    died: bool
    quiet: bool = False
    elsewhere: int = 0

    @classmethod
    def measure(cls, run: Run, ending: Ending | None) -> "Ranks":
        """Put the ranks side by side.

        Raises
        ------
        NotApplicable
            When no step was recorded, or by a log only.
        """
        if run.origin != "recorder":
            raise NotApplicable("a log does not tell its ranks apart")
        latest = {process.rank: process for process in run.processes if process.state}
        still = _stall(run, latest.values())
        nows = _nows(run)
        known = {rank: _rank(process, run, nows, still) for rank, process in latest.items()}
        known = {one.rank: one for one in _novices(run, still)} | known
        if not known:
            raise NotApplicable("no training process was recorded")
        ranks = tuple(one for _, one in sorted(known.items()))
        first = ending.first if ending else None
        world = max(rank.world for rank in ranks)
        seen = still.facts.get("processes", ()) if still else ()
        local = max((int(one["local_world"]) for one in seen if "local_world" in one), default=len(ranks))
        return cls(
            ranks=ranks,
            world=world,
            running=not run.end,
            stalled=still is not None,
            died=bool(first and first.certain and not (ending and ending.asked)),
            quiet=bool(still and still.facts.get("quiet")),
            elsewhere=max(0, world - max(local, len(ranks))),
        )

    def copies(self) -> list[tuple[Rank, ...]]:
        """Return the sets of ranks that hold copies of the same weights, and have them updated alike.

        DDP says so itself; where the training sums its gradients by hand, that was seen.
        """
        sets: dict[tuple[object, ...], list[Rank]] = {}
        for one in self.ranks:
            first = one.replicas[0] if one.replicas else None
            if first and first.mode in ("ddp", "averaged"):
                sets.setdefault((first.mode, first.shapes, first.elements, first.ranks), []).append(one)
        return [tuple(ranks) for ranks in sets.values() if len(ranks) > 1]

    def strangers(self) -> tuple[Rank, ...]:
        """Return all ranks where each trains weights of one shape, and none ever sends weights or gradients to another.

        Empty where they do, or where that cannot be told.
        """
        first = [one.replicas[0] for one in self.ranks if one.replicas]
        alike = len({(replica.mode, replica.shapes, replica.elements) for replica in first}) == 1
        if len(first) < 2 or len(first) != self.world or not alike or first[0].mode != "none":
            return ()
        enough = MIN_SENT_SHARE * first[0].elements
        sends = any(
            site.operation in PAIRWISE or (site.operation not in TO_ALL and site.elements >= enough)
            for one in self.ranks
            for site in one.sites
        )
        return () if sends else self.ranks

    @property
    def pace_seconds(self) -> float:
        """Median length of the slowest rank's steps."""
        return max((one.pace_seconds for one in self.ranks), default=0.0)


def _stall(run: Run, processes: Collection[Process]) -> Event | None:
    """Return what the monitor last saw of a standstill after which no step was ended any more."""
    over = max((event.time for event in run.events if event.kind == "moved"), default=0.0)
    for event in reversed([event for event in run.events if event.kind == "stalled" and event.time > over]):
        seen = {int(one["pid"]): int(one["step"]) for one in event.facts.get("processes", ())}
        moved = max((one.state.get("time", 0.0) for one in processes if one.phase != "finished"), default=0.0)
        if event.time > moved or (seen and all(seen.get(one.pid) == one.state.get("step") for one in processes)):
            return event
    return None


def _nows(run: Run) -> dict[str, float]:
    """Return until when each host's processes were watched, in its monotonic seconds."""
    nows: dict[str, float] = {}
    for host, fields in run.machines.items():
        clock = fields.get("monotonic", NOTHING)
        if len(clock):
            nows[host] = float(clock.values[-1])
    host = str(run.about.get("host", ""))
    if run.end.get("monotonic"):
        nows[host] = float(run.end["monotonic"])
    for process in run.processes:
        nows[process.host] = max(nows.get(process.host, 0.0), process.state.get("monotonic", 0.0))
    return nows


def _novices(run: Run, still: Event | None) -> list[Rank]:
    """Return the ranks that stood still before they had recorded anything."""
    recorded = {process.pid for process in run.processes if process.state}
    return [
        Rank(
            rank=int(one["rank"]),
            world=int(one.get("world", 1)),
            phase="starting",
            idle_seconds=float(still.facts.get("seconds", 0.0)),
            stack=current_stack(run.unrecorded.get(int(one["pid"]), "")),
            asleep=bool(one.get("asleep")),
        )
        for one in (still.facts.get("processes", ()) if still else ())
        if still and int(one["pid"]) not in recorded
    ]


def _rank(process: Process, run: Run, nows: Mapping[str, float], still: Event | None) -> Rank:
    standing = still.facts.get("processes", ()) if still else ()
    seen: Mapping[str, Any] = next((one for one in standing if one["pid"] == process.pid), {})
    idle = nows.get(process.host, 0.0) - process.state.get("monotonic", 0.0)
    said = {event.kind: event.facts for event in process.events if event.kind in ("process", "joined")}
    sites = {
        int(event.facts.get("site", 0)): Site(
            operation=str(event.facts.get("operation", "")),
            shape=str(event.facts.get("shape", "")),
            dtype=str(event.facts.get("dtype", "")),
            path=str(event.facts.get("path", "")),
            line=int(event.facts.get("line", 0)),
            function=str(event.facts.get("function", "")),
            ranks=tuple(event.facts.get("ranks", ())),
        )
        for event in process.events
        if event.kind == "collective"
    }
    joined = said.get("joined", {})
    return Rank(
        rank=process.rank,
        world=int(joined.get("world", said.get("process", {}).get("world", 1))),
        host=process.host,
        joined=bool(joined),
        steps=max((int(one.steps[-1]) for one in process.series.values() if len(one)), default=0),
        phase=str(seen.get("phase", process.phase)),
        idle_seconds=max(0.0, idle, float(still.facts.get("seconds", 0.0)) if still else 0.0),
        calls=_calls(process, sites),
        sites=tuple(sites.values()),
        collectives=int(seen.get("collectives", process.state.get("collectives", 0))),
        replicas=tuple(
            Replica(
                mode=str(event.facts.get("mode", "")),
                shapes=int(event.facts.get("shapes", 0)),
                elements=int(event.facts.get("elements", 0)),
                ranks=tuple(event.facts.get("ranks", ())),
            )
            for event in process.events
            if event.kind == "replica"
        ),
        series=process.series,
        stack=current_stack(process.stacks),
        asleep=bool(seen.get("asleep")),
        behind_seconds=_behind(process, run),
    )


def _behind(process: Process, run: Run) -> float:
    events = [event for event in run.events if event.kind == "left_behind" and event.facts.get("pid") == process.pid]
    if not events or process.phase in ON_PURPOSE or events[-1].facts.get("at_step") != process.state.get("step"):
        return 0.0
    return float(events[-1].facts.get("seconds", 0.0))


def _calls(process: Process, sites: Mapping[int, Site]) -> tuple[Call, ...]:
    layers = process.layers.get("collectives")
    if layers is None:
        return ()
    place = {name: number for number, name in enumerate(layers.names)}
    return tuple(
        Call(
            group=int(row[place["group"]]),
            sequence=int(row[place["sequence"]]),
            mark=int(row[place["hash"]]),
            site=sites.get(int(row[place["site"]])),
        )
        for row in layers.values
    )
