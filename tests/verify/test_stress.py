"""Where the loss breaks as the rate rises: by planted rows, gradually, or at once because of the targets' scale."""

import math
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from doctor.errors import CannotOpen, UsageError
from doctor.evidence.rate_sweep import RateSweep, break_of
from doctor.model import Report, ReviewRows
from doctor.registry import load_renderer
from doctor.settings import Settings
from doctor.subjects.sweep import Sweep, Trial, open_sweep
from doctor.verify.stress import judged, raised, stress

CHECK = "learning/learning-rate-stress"
ROWS, BAD = 480, (41, 130, 207, 311, 388)


def write_table(path: Path, bad: Sequence[int] = ()) -> Path:
    """A quantity that follows from six others; in the bad rows it is given in another unit."""
    random = np.random.default_rng(0)
    inputs = random.normal(size=(ROWS, 6))
    values = inputs @ random.normal(size=6) + 0.1 * random.normal(size=ROWS)
    values[list(bad)] = 500 * random.choice([-1, 1], len(bad))
    lines = [",".join([*(f"x{i}" for i in range(6)), "value"])]
    lines += [",".join(f"{one:.5g}" for one in (*row, value)) for row, value in zip(inputs, values, strict=True)]
    path.write_text("\n".join(lines) + "\n")
    return path


def facts(report: Report) -> dict[str, object]:
    (subject,) = report.case.subjects
    return subject.facts


SETTINGS = Settings(target="value")


@pytest.mark.slow
def test_planted_rows_are_named_and_shown_to_be_the_cause(tmp_path: Path) -> None:
    table = write_table(tmp_path / "table.csv", BAD)
    report = stress(table, SETTINGS, rates=(0.1,), seeds=(0, 1), steps=80)
    (finding,) = report.findings
    assert finding.evidence["kind"] == "rows"
    assert finding.at.rows
    assert {row - 1 for row in finding.at.rows} <= set(BAD)
    assert isinstance(finding.repair, ReviewRows)
    assert finding.evidence["held"] == finding.evidence["tried"] == 4
    assert load_renderer("text")(report, color=False)
    assert "without the rows" in load_renderer("html")(report, color=False)


@pytest.mark.slow
def test_a_clean_table_breaks_gradually_and_far_above_the_best_rate(tmp_path: Path) -> None:
    report = stress(write_table(tmp_path / "table.csv"), SETTINGS, rates=(0.1,), seeds=(0,), steps=60)
    assert not report.findings
    told = facts(report)
    assert told["shape"] == "gradual"
    assert told["usable_to"] < told["breaks_at"]  # type: ignore[operator]
    assert told["best"] <= told["usable_to"]  # type: ignore[operator]


UNSCALED = """
import torch
torch.manual_seed(0)
inputs = torch.randn(128, 8)
targets = 3000 + 500 * inputs.sum(1, keepdim=True)
model = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
for step in range(1000):
    loss = torch.nn.functional.mse_loss(model(inputs), targets)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


@pytest.mark.slow
def test_unscaled_targets_break_a_program_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(UNSCALED)
    report = stress(None, Settings(), command=[sys.executable, "train.py"], seeds=(0,), steps=20)
    (finding,) = report.findings
    assert finding.evidence["kind"] == "at-once"
    assert finding.evidence["first_loss"] > 1e6
    assert facts(report)["usable_to"] < 1  # type: ignore[operator]


def trials(*courses: tuple[float, list[float]]) -> tuple[Trial, ...]:
    return tuple(
        Trial(stage="stress", rate=rate, seed=0, losses=tuple(one if math.isfinite(one) else None for one in losses))
        for rate, losses in courses
    )


FALLING = [1.0 - place / 100 for place in range(60)]
JUMP = [*FALLING[:30], *[50.0] * 30]
CLIMB = [1.1**place for place in range(60)]
BURST = [1.0, 1e9, *[math.nan] * 58]


@pytest.mark.parametrize(
    ("losses", "update", "began"), [(JUMP, 31, 30), (BURST, 2, 1), ([math.nan] * 5, 1, 1), ([1.0, 2.0, math.inf], 3, 2)]
)
def test_a_break_is_dated(losses: list[float], update: int, began: int) -> None:
    found = break_of([one if math.isfinite(one) else None for one in losses])
    assert found is not None
    assert (found.update, found.began) == (update, began)


def test_losses_that_hold_do_not_break() -> None:
    assert break_of(FALLING) is None
    assert break_of([*FALLING[:20], 80.0, *FALLING[20:30], 90.0, *FALLING[30:]]) is None
    assert break_of([80.0, *FALLING]) is None
    assert break_of([]) is None


@pytest.mark.parametrize(("broken", "shape"), [(JUMP, "sudden"), (CLIMB, "gradual"), (BURST, "gradual")])
def test_the_shape_is_read_at_the_lowest_rate_that_breaks(broken: list[float], shape: str) -> None:
    sweep = RateSweep.measure(Sweep(shown="", trials=trials((0.1, FALLING), (1.0, broken), (10.0, BURST))))
    assert sweep.breaks_at == 1.0
    assert sweep.holds_to == sweep.best == 0.1
    assert sweep.shape == shape


def test_what_breaks_at_every_rate_breaks_at_once() -> None:
    report = judged(Sweep(shown="", trials=trials((0.1, BURST), (1.0, BURST))), Settings())
    assert [finding.evidence["kind"] for finding in report.findings] == ["at-once"]


def test_a_sweep_that_breaks_nothing_is_no_clean_bill() -> None:
    report = judged(Sweep(shown="", trials=trials((0.1, FALLING), (1.0, FALLING))), Settings())
    assert [(one.check, one.outcome.value) for one in report.examinations] == [(CHECK, "unavailable")]


def test_the_rate_rises_until_it_breaks_and_the_gap_is_halved() -> None:
    def attempt(stage: str, asked: Sequence[tuple[float, int, int]]) -> list[Trial]:
        return [
            Trial(stage=stage, rate=rate, seed=seed, losses=tuple(FALLING if rate < 5 else CLIMB))
            for rate, seed, _ in asked
        ]

    for begin in (0.1, 40.0):
        sweep = RateSweep.measure(Sweep(shown="", trials=tuple(raised(attempt, begin, (0, 1), 60, lambda: False))))
        assert sweep.breaks_at is not None
        assert sweep.holds_to is not None
        assert sweep.holds_to < 5 <= sweep.breaks_at < 1.35 * sweep.holds_to


def test_wrong_use_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name a data set, or a command"):
        stress(None, Settings())
    (tmp_path / "sweep.json").write_text("{")
    with pytest.raises(CannotOpen, match="not a recorded sweep"):
        open_sweep(tmp_path)
