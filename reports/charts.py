"""Turns lines of numbers into positions on a page: what a chart's drawing needs, without the drawing."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from doctor.model import Chart, Finding, Severity
from doctor_reports.quantities import shown

WIDTH, HEIGHT = 1000.0, 300.0
"""Of the box in which lines are drawn; it is stretched to the page."""
MARGIN_SHARE = 0.04
MAX_MARKS = 6
MIN_TICK_GAP = 30.0
"""Per cent of the width, on a phone, that two labels of an axis need."""
MAX_EXCERPTS = 12
"""Findings that get a chart of their own; all are marked in those of the whole run."""
SPOKEN_OF = {
    "Loss scale": r"loss scale",
    "Loss": r"\bloss(?! scale)",
    "Gradient norm": r"gradient|\bnorms?\b",
    "Learning rate": r"learning rate",
    "Time per step": r"\bs per step|ms a step|holds up",
    "GPU memory": r"device memory|gpu memory|allocator|gb of the device",
    "Memory": r"(?<!device )(?<!gpu )\bmemory\b|mb/s",
}
"""How a sentence mentions what a chart shows, by the beginning of the chart's title."""


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A label on an axis; `at` in per cent from the left or the top; `event` where something happened."""

    at: float
    text: str
    event: bool = False


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """One line: its points as SVG wants them, and where it was broken, in per cent of the width."""

    name: str
    points: str
    broken: Sequence[float]


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A chart ready to be drawn.

    Attributes
    ----------
    marks : sequence of (Tick, str)
        Where findings began, with their severity.
    sentence : str
        The same in words, for who cannot see it.
    """

    title: str
    lines: Sequence[Drawn]
    y_ticks: Sequence[Tick]
    x_ticks: Sequence[Tick]
    marks: Sequence[tuple[Tick, str]]
    sentence: str
    log: bool


def plots(charts: Sequence[Chart], findings: Sequence[Finding]) -> list[Plot]:
    """Make the charts of a report ready, those over the same axis to the same length."""
    ends: dict[str, float] = {}
    for chart in charts:
        ends[chart.x_label] = max([ends.get(chart.x_label, -math.inf), *(line.points[-1][0] for line in chart.lines)])
    return [plot(chart, findings, ends[chart.x_label]) for chart in charts]


def excerpts(charts: Sequence[Chart], findings: Sequence[Finding]) -> dict[str, Plot]:
    """Choose for each of the first few findings the one chart that its sentence speaks of first, by fingerprint."""
    chosen: dict[str, Plot] = {}
    for finding in findings[:MAX_EXCERPTS]:
        said = f"{finding.message} {finding.check.replace('-', ' ')}".lower()
        places = {chart.title: _mentioned(chart, said) for chart in charts}
        known = [chart for chart in charts if places[chart.title] is not None]
        if known:
            first = min(known, key=lambda chart: places[chart.title] or 0)
            chosen.setdefault(finding.fingerprint, _with_event(plot(first, [finding])))
    return chosen


def _with_event(drawn: Plot) -> Plot:
    """Name the step of the event on the axis, in place of an end that is too near."""
    events = [Tick(at=tick.at, text=tick.text.partition(",")[0], event=True) for tick, _ in drawn.marks]
    kept = [tick for tick in drawn.x_ticks if all(abs(tick.at - event.at) >= MIN_TICK_GAP for event in events)]
    return replace(drawn, x_ticks=[*kept, *events])


def _mentioned(chart: Chart, said: str) -> int | None:
    pattern = next((pattern for title, pattern in SPOKEN_OF.items() if chart.title.startswith(title)), None)
    found = re.search(pattern, said) if pattern else None
    return found.start() if found else None


def plot(chart: Chart, findings: Sequence[Finding], end: float = -math.inf) -> Plot:
    """Place a chart's lines in their box, and the first steps of grave findings on its axis."""
    xs = [x for line in chart.lines for x, _ in line.points] + [x for line in chart.lines for x in line.broken]
    ys = [_scaled(y, chart.log) for line in chart.lines for _, y in line.points]
    left, right = min(xs), max(*xs, end)
    low, high = _reach(ys)
    right = right if right > left else left + 1

    def across(x: float) -> float:
        return round(100 * (x - left) / (right - left), 2)

    def down(y: float) -> float:
        return round(100 * (1 - (_scaled(y, chart.log) - low) / (high - low)), 2)

    lines = [
        Drawn(
            name=line.name,
            points=" ".join(f"{across(x) * WIDTH / 100:.1f},{down(y) * HEIGHT / 100:.1f}" for x, y in line.points),
            broken=[across(x) for x in line.broken[:MAX_MARKS]],
        )
        for line in chart.lines
    ]
    unit = f" {chart.unit}" if chart.unit else ""
    y_ticks = [Tick(at=down(y), text=f"{shown(y)}{unit}") for y in _round_values(low, high, chart.log)]
    label = "minute" if chart.x_label == "minutes" else chart.x_label
    x_ticks = [Tick(at=0, text=f"{label} {_count(left)}"), Tick(at=100, text=_count(right))]
    first, last = chart.lines[0].points[0][1], chart.lines[0].points[-1][1]
    sentence = (
        f"{chart.title}: from {shown(first)}{unit} to {shown(last)}{unit}, {label} {_count(left)} to {_count(right)}"
    )
    marks = _marks(findings, left, right) if chart.x_label == "step" else []
    return Plot(
        title=chart.title,
        lines=lines,
        y_ticks=y_ticks,
        x_ticks=x_ticks,
        marks=marks,
        sentence="; ".join([sentence, *(f"marked: {tick.text}" for tick, _ in marks)]),
        log=chart.log,
    )


def _marks(findings: Sequence[Finding], left: float, right: float) -> list[tuple[Tick, str]]:
    first: dict[int, Finding] = {}
    for finding in findings:
        step = finding.at.step
        if step is not None and left <= step <= right and finding.severity is not Severity.INFO:
            first.setdefault(step, finding)
    return [
        (
            Tick(
                at=round(100 * (step - left) / (right - left), 2),
                text=f"step {step:,}, {finding.check.partition('/')[2].replace('-', ' ')}",
            ),
            finding.severity.value,
        )
        for step, finding in sorted(list(first.items())[:MAX_MARKS], key=lambda item: item[0])
    ]


def _scaled(value: float, log: bool) -> float:
    return math.log10(value) if log else value


def _reach(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = (high - low) * MARGIN_SHARE or abs(high) * MARGIN_SHARE or 1.0
    return low - room, high + room


def _round_values(low: float, high: float, log: bool) -> list[float]:
    """Return two to five round numbers between the ends of the axis, which are exponents on a logarithmic one."""
    if log and math.floor(high) - math.ceil(low) >= 1:
        exponents = range(math.ceil(low), math.floor(high) + 1)
        return [10.0**exponent for exponent in exponents[:: -(-len(exponents) // 4)]]
    if log:
        low, high = 10**low, 10**high
    step = 10 ** math.floor(math.log10((high - low) / 2))
    step = next(step * factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= 5)
    first = math.ceil(low / step)
    return [round(number * step, 12) for number in range(first, math.floor(high / step) + 1)]


def _count(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"
