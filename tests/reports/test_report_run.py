"""The report of a run leads with the cause, is one line where all is well, and draws how it went."""

import re
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from doctor.case import case_of_run
from doctor.engine import examine
from doctor.evidence.drawings import line
from doctor.model import Chart, Line, Report
from doctor.registry import load_renderer
from doctor.settings import Settings
from doctor.subjects.run import open_run
from doctor_reports.charts import plot, plots
from doctor_reports.steps import next_steps
from doctor_reports.verdict import duration, repeat, verdict
from fixtures.recording import record_machine, record_process, record_run

SETTINGS = Settings(select=("non-finite-loss", "exit-cause"))


def report_of(folder: Path, losses: list[float], status: int | None = 0, **step: float) -> Report:
    record_run(folder, end=None if status is None else {"status": status})
    record_process(folder, [{"loss": loss, "grad_norm": 1.0, "learning_rate": 0.1, **step} for loss in losses])
    return examine(case_of_run(open_run(folder)), SETTINGS)


def text_of(report: Report) -> str:
    return load_renderer("text")(report, color=False)


def page_of(report: Report) -> str:
    return load_renderer("html")(report, color=False)


def test_a_healthy_run_is_one_line(tmp_path: Path) -> None:
    report = report_of(tmp_path, list(np.linspace(2, 1, 100)), probe_seconds=0.0005)
    assert text_of(report) == "No sign of trouble in 100 steps, loss 1.955 → 1.045; probe overhead 0.50%.\n"


def test_the_cause_comes_first_with_what_follows_and_what_to_do(tmp_path: Path) -> None:
    report = report_of(tmp_path, [1.0] * 50 + [float("nan")] * 5, status=1)
    lines = text_of(report).splitlines()
    begin = lines.index("") + 1
    assert " ".join(" ".join(lines[:begin]).split()) == f"{tmp_path}: 55 steps, 60 min, exit status 1"
    assert lines[begin].startswith("error    the loss became nan at step 51")
    assert any(line.startswith("  hence  the run ended") for line in lines)
    assert lines[-2:] == ["This run is ill: 2 errors.", "What it means:  doctor explain numerics/non-finite-loss"]
    assert "train on this" not in text_of(report)


def test_a_rank_is_named_only_where_there_are_several(tmp_path: Path) -> None:
    losses = [1.0, float("nan")]
    assert "rank 0" not in text_of(report_of(tmp_path / "one", losses))
    record_run(tmp_path / "two", end={})
    for rank in range(2):
        record_process(tmp_path / "two", [{"loss": loss} for loss in losses], rank=rank)
    assert "rank 1" in text_of(examine(case_of_run(open_run(tmp_path / "two")), SETTINGS))


def test_a_run_without_steps_is_not_healthy(tmp_path: Path) -> None:
    record_run(tmp_path, end={})
    report = examine(case_of_run(open_run(tmp_path)), SETTINGS)
    assert verdict(report) == "Cannot tell: no training step was recorded."


def test_a_run_that_goes_on_is_judged_so_far(tmp_path: Path) -> None:
    assert verdict(report_of(tmp_path, [1.0] * 10, status=None)).startswith("No sign of trouble so far in 10 steps")


def test_next_steps_cure_the_cause_alone(tmp_path: Path) -> None:
    steps = next_steps(report_of(tmp_path, [1.0] * 50 + [float("nan")] * 5, status=1))
    assert [step.command for step in steps] == ["doctor explain numerics/non-finite-loss"]
    assert next_steps(report_of(tmp_path / "healthy", [1.0] * 50)) == []


def test_the_command_that_repeats_it_has_no_sampling_options(tmp_path: Path) -> None:
    assert repeat(report_of(tmp_path, [1.0] * 9)) == f"doctor scan {tmp_path}"


def test_the_page_draws_the_course_and_where_it_broke(tmp_path: Path) -> None:
    record_machine(tmp_path, [{"main_rss": 1e9 + 1e6 * second} for second in range(60)])
    page = page_of(report_of(tmp_path, [1.0 + step % 7 for step in range(50)] + [float("nan")] * 5))
    headings = re.findall(r"<h2[^>]*>(.*?)</h2>", page)
    assert headings[:3] == ["Root cause", "What to do next", "How it went"]
    course, _, findings = page.partition('<section id="error"')
    titles = re.findall(r"<figcaption>([^<\n]*)", course)
    assert titles == ["Loss", "Gradient norm before clipping, logarithmic", "Learning rate", "Time per step", "Memory"]
    assert course.count("<polyline") == 5
    assert course.count('class="broken"') == 5
    assert course.count('<line class="begin error"') == 5  # four charts over steps, and the word for it above them
    assert "step 51, non finite loss" in course
    assert re.findall(r"<figcaption>([^<\n]*)", findings) == ["Loss"]  # what the finding speaks of
    assert re.search(r'class="event [a-z]+">step 51<', findings)


def test_a_loss_scale_is_drawn_where_it_moves(tmp_path: Path) -> None:
    still = report_of(tmp_path / "still", [1.0] * 9, loss_scale=1.0)
    assert "Loss scale" not in [chart.title for chart in still.charts]
    record_run(tmp_path / "moving", end={})
    record_process(tmp_path / "moving", [{"loss": 1.0, "loss_scale": 2.0**power} for power in range(16, 8, -1)])
    moving = examine(case_of_run(open_run(tmp_path / "moving")), SETTINGS)
    assert [chart.title for chart in moving.charts if chart.log] == ["Loss scale"]


def test_charts_hold_no_more_points_than_can_be_drawn_and_lose_no_peak(tmp_path: Path) -> None:
    losses = [1.0] * 5000
    losses[1234] = 99.0
    report = report_of(tmp_path, losses)
    loss = report.charts[0].lines[0]
    assert len(loss.points) <= 400
    assert (1235.0, 99.0) in loss.points
    assert loss.points[0] == (1.0, 1.0)
    assert loss.points[-1] == (5000.0, 1.0)


def test_thinned_lines_keep_the_first_break(tmp_path: Path) -> None:
    values = np.ones(1000)
    values[700:] = np.nan
    drawn = line("loss", np.arange(1000.0), values)
    assert drawn.broken[0] == 700.0
    assert drawn.points[-1] == (699.0, 1.0)


def test_the_report_survives_its_json(tmp_path: Path) -> None:
    report = report_of(tmp_path, [1.0, 2.0, float("inf")])
    assert msgspec.json.decode(load_renderer("json")(report), type=Report).charts == report.charts


def chart(*points: tuple[float, float], log: bool = False, x_label: str = "step") -> Chart:
    return Chart(title="Loss", x_label=x_label, lines=[Line(name="", points=list(points))], log=log)


@pytest.mark.parametrize(
    ("points", "log", "ticks"),
    [
        ([(1, 0.0), (2, 10.0)], False, ["0", "5", "10"]),
        ([(1, 0.3), (2, 0.3)], False, None),
        ([(1, 1e-4), (2, 1e4)], True, ["0.0001", "0.1", "100"]),
        ([(1, 2.0), (2, 3.0)], True, ["2", "2.5", "3"]),
    ],
)
def test_axes_have_a_few_round_numbers(points: Any, log: bool, ticks: list[str] | None) -> None:
    shown = [tick.text for tick in plot(chart(*points, log=log), []).y_ticks]
    assert 1 <= len(shown) <= 6
    if ticks is not None:
        assert shown == ticks


def test_charts_over_the_same_axis_have_the_same_length() -> None:
    long, short = chart((1, 1.0), (1000, 2.0)), chart((1, 1.0), (500, 2.0))
    assert [[tick.text for tick in drawn.x_ticks] for drawn in plots([long, short], [])] == [["step 1", "1,000"]] * 2


@pytest.mark.parametrize(
    ("seconds", "shown"), [(8.12, "8.1 s"), (720, "12 min"), (12_000, "3 h 20 min"), (400_000, "111 h 7 min")]
)
def test_durations_read_as_people_say_them(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown
