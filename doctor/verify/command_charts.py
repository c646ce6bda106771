"""The losses of runs with and without a repair, as charts."""

from collections.abc import Sequence

from doctor.model import Chart, Finding, Line
from doctor.verify.command_runs import Ended
from doctor.verify.command_verdict import Pair


def charts_of(finding: Finding, pairs: Sequence[Pair]) -> list[Chart]:
    """Draw all runs that were made for one finding."""
    lines = [
        _line(f"{word}, run {number}", ended)
        for number, pair in enumerate(pairs, 1)
        for word, ended in (("without", pair.before), ("with", pair.after))
        if ended is not None and ended.losses
    ]
    lines = [line for line in lines if line.points]
    title = f"Loss with and without the repair of {finding.check}"
    positive = all(value > 0 for line in lines for _, value in line.points)
    return [Chart(title=title, x_label="step", lines=lines, log=positive)] if lines else []


def _line(name: str, ended: Ended) -> Line:
    points = [(step, value) for step, value in ended.losses if value is not None]
    return Line(name=name, points=points, broken=[step for step, value in ended.losses if value is None][:20])
