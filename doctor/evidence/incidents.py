"""What happened once in a run: exceptions, origins of NaN, what the probe was told and what went wrong in it."""

from dataclasses import dataclass
from typing import Any

from doctor.subjects.run import Run

MONITOR = -1
"""Stands for the rank of what the monitor saw."""


@dataclass(frozen=True, kw_only=True)
class Incident:
    """One event of one process.

    Attributes
    ----------
    kind : str
        "process", "exception", "probe_fault", "paused", "resumed" and what other parts of the probe write; of the
        monitor "stalled", "census_asked", "inner_watch", "unwatched", "monitor_fault".
    rank : int
        -1 for what the monitor saw.
    step : int or None
        The step in progress.
    monotonic : float
        Seconds on the machine's monotonic clock.
    facts : dict
        What that kind of event says.
    """

    kind: str
    rank: int
    step: int | None
    time: float
    monotonic: float
    facts: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Incidents:
    """All events of all processes in the order of their time."""

    events: tuple[Incident, ...]

    @classmethod
    def measure(cls, run: Run) -> "Incidents":
        """Collect them."""
        sources = [(MONITOR, run.events), *((process.rank, process.events) for process in run.processes)]
        events = [
            Incident(
                kind=event.kind,
                rank=rank,
                step=event.step,
                time=event.time,
                monotonic=event.monotonic,
                facts=event.facts,
            )
            for rank, events_there in sources
            for event in events_there
        ]
        return cls(events=tuple(sorted(events, key=lambda event: event.time)))

    def of(self, kind: str) -> list[Incident]:
        """Return the events of one kind."""
        return [event for event in self.events if event.kind == kind]
