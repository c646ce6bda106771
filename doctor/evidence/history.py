"""What was recorded step by step: per process and per optimizer."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from doctor.errors import NotApplicable
from doctor.subjects.run import NOTHING, Layers, Run, Series

__all__ = ["History", "Layers", "Series", "Trace"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """The steps of one optimizer in one process.

    Attributes
    ----------
    track : int
        Which optimizer of the process, counted from 0; a GAN has two.
    tracks : int
        How many there are in this process.
    quantities : mapping of str to Series
        Names: `doctor.watching.probe.session.FIELDS`.
    layers : mapping of str to Layers
        Quantities per parameter tensor, such as "gradients".
    """

    rank: int
    track: int = 0
    tracks: int = 1
    quantities: Mapping[str, Series]
    layers: Mapping[str, Layers]

    def series(self, name: str) -> Series:
        """Return one quantity; empty where it was never recorded."""
        return self.quantities.get(name, NOTHING)


@dataclass(frozen=True, kw_only=True, eq=False)
class History:
    """All traces of a run, sorted by rank, then by optimizer.

    Attributes
    ----------
    running : bool
        True while the run has not ended, as far as anyone knows.
    origin : str
        "recorder", or the kind of log that it was read from.
    """

    traces: tuple[Trace, ...]
    running: bool
    origin: str

    def leading(self, *names: str) -> list[Trace]:
        """Return one trace per optimizer: of the lowest rank that recorded all of `names`, as it was started last.

        What is the same on every rank by construction, such as a loss averaged over them, is judged once.
        """
        chosen: dict[int, Trace] = {}
        for trace in self.traces:
            known = chosen.get(trace.track)
            if all(len(trace.series(name)) for name in names) and (known is None or known.rank == trace.rank):
                chosen[trace.track] = trace
        return [chosen[track] for track in sorted(chosen)]

    @classmethod
    def measure(cls, run: Run) -> "History":
        """Sort the records of every process by optimizer.

        Raises
        ------
        NotApplicable
            When no step was recorded.
        """
        traces = [trace for process in run.processes for trace in _traces(process.rank, process.series, process.layers)]
        if not traces:
            raise NotApplicable("no training step was recorded")
        return cls(traces=tuple(traces), running=run.origin == "recorder" and not run.end, origin=run.origin)


def _traces(rank: int, series: Mapping[str, Series], layers: Mapping[str, Layers]) -> list[Trace]:
    if not series:
        return []
    tracks = series.get("track", NOTHING)
    known = np.unique(tracks.values) if len(tracks) else np.zeros(1)
    if len(known) == 1:
        return [Trace(rank=rank, quantities=series, layers=layers)]
    traces = []
    for track in known:
        steps = tracks.steps[tracks.values == track]
        traces.append(
            Trace(
                rank=rank,
                track=int(track),
                tracks=len(known),
                quantities={name: one.at(steps) for name, one in series.items()},
                layers={name: _at(one, steps) for name, one in layers.items()},
            )
        )
    return traces


def _at(layers: Layers, steps: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Layers:
    chosen = np.isin(layers.steps, steps)
    return Layers(
        names=layers.names, steps=layers.steps[chosen], values=layers.values[chosen], given=layers.given[chosen]
    )
