import json
from pathlib import Path

import pytest
import torch
from torch import nn

import doctor
from doctor.errors import UsageError
from doctor.subjects.run import open_run


def train(steps: int, run: object = None) -> tuple[nn.Module, list[float]]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(torch.randn(16, 4)), torch.randint(0, 2, (16,)))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return model, losses


def test_a_block_is_watched_and_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, without = train(6)
    with doctor.watch(run_dir=tmp_path / "run") as run:
        _, losses = train(6)
        run.log(evaluation_loss=0.25, bleu=31)
    assert losses == without
    assert run.run_dir == tmp_path / "run"
    assert run.report
    assert str(run.run_dir.name) in capsys.readouterr().err
    (process,) = open_run(run.run_dir).processes
    assert process.series["loss"].values.tolist() == losses
    assert process.series["evaluation_loss"].values.tolist() == [0.25]
    assert [event.facts["bleu"] for event in process.events if event.kind == "metrics"] == [31]
    assert json.loads((run.run_dir / "diagnosis.json").read_text())["format"] == 1
    assert (run.run_dir / "report.html").exists()


def test_two_blocks_are_two_runs(tmp_path: Path) -> None:
    for name in ("first", "second"):
        with doctor.watch(run_dir=tmp_path / name, quiet=True):
            train(4)
        (process,) = open_run(tmp_path / name).processes
        assert process.series["loss"].steps.tolist() == [1, 2, 3, 4]
        assert process.phase == "finished"
    train(2)  # nothing hears of this
    assert len(open_run(tmp_path / "second").processes[0].series["loss"]) == 4


def test_an_exception_is_recorded_and_goes_on(tmp_path: Path) -> None:
    watch = doctor.watch(run_dir=tmp_path, quiet=True)

    def fail() -> None:
        with watch:
            train(2)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (tmp_path / "report.html").exists()
    (exception,) = (event.facts for event in open_run(tmp_path).processes[0].events if event.kind == "exception")
    assert exception["type"] == "ZeroDivisionError"


def test_a_model_that_is_named_is_the_one_that_is_described(tmp_path: Path) -> None:
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with doctor.watch(model, optimizer, run_dir=tmp_path, quiet=True):
        model(torch.randn(3, 4)).sum().backward()
        optimizer.step()
    (described,) = (event.facts for event in open_run(tmp_path).processes[0].events if event.kind == "model")
    assert described["parameters"] == 10


def test_a_folder_that_holds_a_run_is_not_written_to(tmp_path: Path) -> None:
    with doctor.watch(run_dir=tmp_path, quiet=True):
        train(1)
    with pytest.raises(UsageError, match="holds a run already"), doctor.watch(run_dir=tmp_path):
        pass


def test_one_process_is_watched_once(tmp_path: Path) -> None:
    with (
        doctor.watch(run_dir=tmp_path / "outer", quiet=True),
        pytest.raises(UsageError, match="watched already"),
        doctor.watch(run_dir=tmp_path / "inner"),
    ):
        pass
