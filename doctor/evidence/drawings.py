"""The main quantities of a run as lines that can be drawn: few points, which keep every peak."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doctor.evidence.history import History, Trace
from doctor.evidence.resources import Machine, Resources
from doctor.model import Chart, Line

MAX_POINTS = 400
MAX_LINES = 6
MAX_BROKEN = 20
MIN_RATIO_FOR_LOG = 50.0
"""Where the largest value is that many times the smallest, a linear scale shows nothing but the largest."""
GROUPS = {"main": "training", "ranks": "other ranks", "workers": "workers", "others": "launcher"}


@dataclass(frozen=True, kw_only=True)
class Drawings:
    """What to draw of a run, in the order of interest."""

    charts: tuple[Chart, ...]

    @classmethod
    def measure(cls, history: History | None, resources: Resources | None) -> "Drawings":
        """Thin out what was recorded."""
        charts: list[Chart] = []
        if history is not None:
            traces = history.traces[:MAX_LINES]
            charts += _chart("Loss", "", [*_losses(traces), *_by_trace(traces[:1], "evaluation_loss", "evaluation")])
            charts += _chart("Gradient norm before clipping", "", _by_trace(traces, "grad_norm"), log=True)
            charts += _chart("Loss scale", "", _that_moves(_by_trace(traces[:1], "loss_scale")), log=True)
            charts += _chart("Learning rate", "", _by_trace(traces, "learning_rate"), log=False)
            charts += _chart("Time per step", "s", _by_trace(traces, "step_seconds"))
        for machine in resources.machines if resources is not None else ():
            several = f" of {machine.host}" if resources and len(resources.machines) > 1 else ""
            charts += _chart(f"Memory{several}", "GB", _memory(machine), x_label="minutes")
            charts += _chart(f"GPU memory{several}", "GB", _devices(machine), x_label="minutes")
        return cls(charts=tuple(charts))


def _chart(
    title: str, unit: str, lines: Sequence[Line], *, log: bool | None = None, x_label: str = "step"
) -> list[Chart]:
    drawn = [line for line in lines if len(line.points) > 1]
    if not drawn:
        return []
    values = np.array([y for line in drawn for _, y in line.points])
    wide = bool((values > 0).all() and values.max() > MIN_RATIO_FOR_LOG * values.min())
    positive = bool((values > 0).all())
    return [
        Chart(title=title, unit=unit, x_label=x_label, lines=drawn, log=positive and (wide if log is None else log))
    ]


def _that_moves(lines: Sequence[Line]) -> list[Line]:
    """Leave out what stays the same throughout: a run without a scaler has a scale of 1."""
    return [line for line in lines if len({y for _, y in line.points}) > 1]


def _losses(traces: Sequence[Trace]) -> list[Line]:
    return _by_trace(traces, "loss", "training" if len(traces) == 1 else "")


def _by_trace(traces: Sequence[Trace], quantity: str, name: str = "") -> list[Line]:
    lines = []
    for trace in traces:
        series = trace.series(quantity)
        named = name or _name(trace, len({other.rank for other in traces}) > 1)
        lines.append(line(named, series.steps.astype(np.float64), series.values))
    return lines


def _name(trace: Trace, several_ranks: bool) -> str:
    parts = [f"rank {trace.rank}"] if several_ranks else []
    return ", ".join(parts + ([f"optimizer {trace.track + 1}"] if trace.tracks > 1 else []))


def _memory(machine: Machine) -> list[Line]:
    lines = []
    for group, name in GROUPS.items():
        sampled = machine.timeline(f"{group}_rss")
        if len(sampled) and sampled.values.max() > 0:
            lines.append(line(name, (sampled.seconds - sampled.seconds[0]) / 60, sampled.values / 1e9))
    return lines


def _devices(machine: Machine) -> list[Line]:
    lines = []
    for number in machine.devices[:MAX_LINES]:
        used = machine.timeline(f"gpu{number}_used_bytes")
        if len(used):
            lines.append(line(f"GPU {number}", (used.seconds - used.seconds[0]) / 60, used.values / 1e9))
    return lines


def line(name: str, x: NDArray[np.float64], y: NDArray[np.float64], max_points: int = MAX_POINTS) -> Line:
    """Thin a series out to at most `max_points`: of every stretch the lowest and the highest value stay.

    Parameters
    ----------
    x, y : ndarray of float64, shape (n,)
        x rising; y may hold NaN and infinities.
    """
    finite = np.isfinite(y)
    broken = x[~finite][:MAX_BROKEN]
    x, y = x[finite], y[finite]
    if len(x) > max_points:
        edges = np.linspace(0, len(x), max_points // 2 + 1).astype(int)
        kept = {0, len(x) - 1}
        for begin, end in itertools.pairwise(edges.tolist()):
            kept |= {begin + int(np.argmin(y[begin:end])), begin + int(np.argmax(y[begin:end]))}
        chosen = np.array(sorted(kept))[:max_points]
        chosen[-1] = len(x) - 1
        x, y = x[chosen], y[chosen]
    rounded = [(_short(a), _short(b)) for a, b in zip(x.tolist(), y.tolist(), strict=True)]
    return Line(name=name, points=rounded, broken=[_short(place) for place in broken.tolist()])


def _short(number: float) -> float:
    """Keep six digits: more cannot be drawn."""
    return float(f"{number:.6g}")
