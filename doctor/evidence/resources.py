"""What a run took from its machines, second by second."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doctor.errors import NotApplicable
from doctor.subjects.run import NOTHING, Process, Run, Series

WARM_UP_STEPS = 20
"""Allocators, caches and autotuning settle in the first steps."""
WARM_UP_SHARE = 0.2
"""Of the time since the first step; the rest of a run is long enough to show what lasts."""


ENDING_SECONDS = 5.0
"""A process that leaves so shortly before the last sample leaves because the run is over."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Timeline:
    """One quantity over time.

    Attributes
    ----------
    seconds : ndarray of float64, shape (n,)
        On the machine's monotonic clock, rising.
    values : ndarray of float64, shape (n,)
        Finite.
    """

    seconds: NDArray[np.float64]
    values: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.seconds)

    def since(self, second: float) -> "Timeline":
        """Return the part from `second` on."""
        chosen = self.seconds >= second
        return Timeline(seconds=self.seconds[chosen], values=self.values[chosen])

    def until(self, second: float) -> "Timeline":
        """Return the part up to `second`."""
        chosen = self.seconds <= second
        return Timeline(seconds=self.seconds[chosen], values=self.values[chosen])

    def longest(self, held: NDArray[np.bool_]) -> float:
        """Return for how many seconds on end something held.

        Parameters
        ----------
        held : ndarray of bool, shape (n,)
        """
        edges = np.flatnonzero(np.diff(np.concatenate(([False], held, [False])).astype(np.int8)))
        begins, ends = edges[::2], edges[1::2] - 1
        return float(np.max(self.seconds[ends] - self.seconds[begins], initial=0.0))

    @property
    def pace(self) -> float:
        """Seconds between two samples, the middle of all."""
        return float(np.median(np.diff(self.seconds))) if len(self) > 1 else 0.0

    @property
    def latest(self) -> float | None:
        """The last value."""
        return float(self.values[-1]) if len(self) else None

    @property
    def span_seconds(self) -> float:
        """From the first to the last sample."""
        return float(self.seconds[-1] - self.seconds[0]) if len(self) else 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Machine:
    """The samples of one machine.

    Attributes
    ----------
    quantities : mapping of str to Timeline
        Names: `doctor.watching.sampler.FIELDS` and, with the prefix `gpu<number>_`, `doctor.watching.devices.FIELDS`.
    first_step, last_step : float
        When the first and the last step of training were over; NaN where none was recorded on this machine.
    steady_from : float
        When warm-up was over: from then on a lasting rise means something.
    over : float
        When the last process that trained began to leave, which gives its memory back; infinite while one trains.
    steps_per_second : float
        Steps of one process on this machine since warm-up; NaN where unknown.
    """

    host: str
    quantities: Mapping[str, Timeline]
    first_step: float
    last_step: float
    steady_from: float
    over: float
    steps_per_second: float

    def timeline(self, name: str) -> Timeline:
        """Return one quantity; empty where it was never sampled."""
        return self.quantities.get(name, Timeline(seconds=np.empty(0), values=np.empty(0)))

    def steady(self, name: str) -> Timeline:
        """Return one quantity since warm-up, while the run lasted."""
        return self.timeline(name).since(self.steady_from).until(self.over)

    def crew(self, group: str, name: str) -> Timeline:
        """Return `<group>_<name>` since warm-up and since a process last joined or left the group.

        What leaves in the last seconds belongs to the end of the run: then the time before that counts.
        """
        members = self.timeline(f"{group}_processes")
        changes = members.seconds[1:][np.diff(members.values) != 0]
        ending = changes > members.seconds[-1] - ENDING_SECONDS if len(members) else changes > 0
        joined = float(changes[~ending][-1]) if (~ending).any() else -np.inf
        known = self.steady(f"{group}_{name}").since(joined)
        return known.until(float(np.nextafter(changes[ending][0], -np.inf))) if ending.any() else known

    def latest(self, name: str) -> float | None:
        """Return the last value of a quantity; None where it was never sampled."""
        return self.timeline(name).latest

    @property
    def devices(self) -> tuple[int, ...]:
        """Numbers of the accelerators that were sampled."""
        names = (name.partition("_")[0].removeprefix("gpu") for name in self.quantities if name.startswith("gpu"))
        return tuple(sorted({int(name) for name in names if name.isdigit()}))

    @property
    def memory_limit(self) -> tuple[float, str] | None:
        """The most memory the run can have, in bytes, and whose limit that is; None where neither is known."""
        total, limit = self.latest("host_total_bytes"), self.latest("cgroup_limit_bytes")
        if limit and (not total or limit < total):
            return limit, "the control group's limit"
        return (total, "the machine's memory") if total else None

    @property
    def free_memory(self) -> float | None:
        """Bytes that can still be had before that limit is met."""
        free = self.latest("host_available_bytes")
        limit, used = self.latest("cgroup_limit_bytes"), self.latest("cgroup_unreclaimable_bytes")
        if limit is not None and used is not None:
            free = min(limit - used, free if free is not None else limit)
        return free


@dataclass(frozen=True, kw_only=True, eq=False)
class Resources:
    """All machines of a run, sorted by name."""

    machines: tuple[Machine, ...]

    @classmethod
    def measure(cls, run: Run) -> "Resources":
        """Turn the monitor's samples into timelines.

        Raises
        ------
        NotApplicable
            When no machine was sampled.
        """
        if not any("monotonic" in machine for machine in run.machines.values()):
            raise NotApplicable("no machine was sampled while this ran")
        return cls(machines=tuple(_machine(run, host) for host in sorted(run.machines)))


def _machine(run: Run, host: str) -> Machine:
    sampled = run.machines[host]
    clock = sampled.get("monotonic", NOTHING)
    quantities = {name: _timeline(clock, one) for name, one in sampled.items() if name not in ("time", "monotonic")}
    end = float(clock.values[-1]) if len(clock) else np.nan
    training = [
        process
        for process in run.processes
        if len(process.series.get("monotonic", NOTHING)) and (len(run.machines) == 1 or process.host == host)
    ]
    clocks = [process.series["monotonic"].values for process in training]
    if clocks:
        begin = min(float(times[0]) for times in clocks)
        warm = max(float(times[min(WARM_UP_STEPS, len(times) - 1)]) for times in clocks)
        last = max(float(times[-1]) for times in clocks)
    else:
        begin, last = np.nan, np.nan
        warm = float(clock.values[0]) if len(clock) else np.nan
    origin = begin if clocks else warm
    steady = max(warm, origin + WARM_UP_SHARE * (end - origin))
    return Machine(
        host=host,
        quantities=quantities,
        first_step=begin,
        last_step=last,
        steady_from=steady,
        over=max(map(_farewell, training), default=np.inf),
        steps_per_second=_pace(max(clocks, key=len), steady) if clocks else np.nan,
    )


def _farewell(process: Process) -> float:
    return max((event.monotonic for event in process.events if event.kind == "exit"), default=np.inf)


def _pace(times: NDArray[np.float64], steady: float) -> float:
    times = times[times >= steady]
    # The middle gap: thinned records and pauses make some gaps long.
    gaps = np.diff(times)
    return float(1 / np.median(gaps)) if len(gaps) and np.median(gaps) > 0 else np.nan


def _timeline(clock: Series, series: Series) -> Timeline:
    places = np.searchsorted(clock.steps, series.steps)
    known = (places < len(clock)) & np.isfinite(series.values)
    known[known] &= clock.steps[places[known]] == series.steps[known]
    seconds, values = clock.values[places[known]], series.values[known]
    # A machine that was restarted or restored begins its clock anew: only what came after counts.
    back = np.nonzero(np.diff(seconds) < 0)[0]
    begin = int(back[-1]) + 1 if len(back) else 0
    return Timeline(seconds=seconds[begin:], values=values[begin:])
