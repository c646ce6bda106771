"""`doctor train` as its users run it: in one process, over ranks, interrupted, and asked wrongly."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import Doctor
from patients import write_table

from doctor.trainer.result import decoded
from doctor.trainer.trace_file import read_trace

ONE_THREAD = {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("table")
    write_table(folder / "train.csv", 300)
    write_table(folder / "test.csv", 100, seed=1)
    return folder


@pytest.mark.slow
def test_training_prints_metrics_and_leaves_all_that_was_seen(doctor: Doctor, table: Path, tmp_path: Path) -> None:
    config = tmp_path / "ds.json"
    config.write_text('{"train_batch_size": 32, "zero_optimization": {"stage": 1}, "bf16": {"enabled": true}}')
    out = tmp_path / "out"
    options = ("--config", config, "--steps", 25, "--learning-rate", 0.01, "--evaluate-every", 10, "--output", out)
    done = doctor("train", table, *options, **ONE_THREAD)
    assert done.returncode == 0, done.stderr
    header, train, test = (line.split() for line in done.stdout.splitlines())
    assert header[:4] == ["split", "rows", "loss", "accuracy"]
    assert (train[:2], test[:2]) == (["train", "300"], ["test", "100"])
    assert "doctor: update 25 of 25, loss" in done.stderr
    assert "no sign of trouble in 25 steps" in done.stderr
    result = decoded((out / "result.json").read_bytes())
    assert (len(result.losses), result.failure) == (25, None)
    assert [point["step"] for point in result.curve] == [10, 20]
    assert f"{result.evaluations['test']['accuracy']:.4f}" in test
    assert read_trace(out).losses == result.losses
    assert [path.name for path in (out / "checkpoints").glob("step-*")] == ["step-00000025"]
    assert list((out / "checkpoints" / "step-00000025").glob("*optim_states.pt"))
    assert list((out / "run").glob("*.steps.ring"))
    assert events(out / "tensorboard") == [pytest.approx(loss) for loss in result.losses]
    again = doctor("train", table, *options, **ONE_THREAD)
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)
    assert "--resume" in again.stderr
    other = doctor("train", table, *options, "--resume", "--dropout", 0.5, **ONE_THREAD)
    assert other.returncode == 2
    assert "trained with another dropout: 0.0, now 0.5" in other.stderr


def events(folder: Path) -> list[float]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(folder))
    accumulator.Reload()
    return [event.value for event in accumulator.Scalars("train/loss")]


@pytest.mark.slow
def test_a_killed_training_goes_on_as_if_nothing_had_been(doctor: Doctor, table: Path, tmp_path: Path) -> None:
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    options = (
        "--steps",
        300,
        "--checkpoint-every",
        20,
        "--schedule",
        "cosine",
        "--dropout",
        0.2,
        "--precision",
        "bf16",
    )
    options = (*options, "--zero-stage", 1, "--no-watch")
    assert doctor("train", table, "--output", whole, *options, **ONE_THREAD).returncode == 0
    command = [Path(sys.executable).parent / "doctor", "train", table, "--output", torn, *options]
    process = subprocess.Popen([*map(str, command)], env={**os.environ, **ONE_THREAD}, stderr=subprocess.DEVNULL)
    while len(read_trace(torn).losses) < 45 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (torn / "checkpoints" / ".partial-step-00000060").mkdir(exist_ok=True)
    done = doctor("train", table, "--output", torn, *options, "--resume", **ONE_THREAD)
    assert done.returncode == 0, done.stderr
    assert "goes on after update" in done.stderr
    assert (torn / "trace.jsonl").read_bytes() == (whole / "trace.jsonl").read_bytes()
    assert not (torn / "checkpoints" / ".partial-step-00000060").exists()


@pytest.mark.slow
def test_one_and_two_ranks_give_the_same_first_loss(doctor: Doctor, table: Path, tmp_path: Path) -> None:
    options = ("--steps", 3, "--zero-stage", 2, "--class-weights", "--label-smoothing", 0.1, "--no-watch")
    assert doctor("train", table, "--output", tmp_path / "one", *options, **ONE_THREAD).returncode == 0
    launched = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2)
    command = (*launched, "-m", "doctor", "train", table, "--output", tmp_path / "two", *options)
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        env={**os.environ, **ONE_THREAD},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("split  ") == 1
    one, two = (decoded((tmp_path / name / "result.json").read_bytes()) for name in ("one", "two"))
    assert two.losses[0] == pytest.approx(one.losses[0], rel=1e-6)
    assert two.losses == pytest.approx(one.losses, rel=1e-4)
    assert two.grad_norms == pytest.approx(one.grad_norms, rel=1e-4)
    assert two.evaluations["test"]["loss"] == pytest.approx(one.evaluations["test"]["loss"], rel=1e-4)


@pytest.mark.slow
def test_an_interrupted_training_leaves_a_checkpoint_of_its_last_update(table: Path, tmp_path: Path) -> None:
    command = [Path(sys.executable).parent / "doctor", "train", table, "--output", tmp_path / "out"]
    process = subprocess.Popen(
        [*map(str, command), "--steps", "1000000", "--checkpoint-every", "1000000", "--no-watch"],
        env={**os.environ, **ONE_THREAD},
        stderr=subprocess.PIPE,
        text=True,
    )
    while len(read_trace(tmp_path / "out").losses) < 5:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.splitlines()[-1] == "doctor: interrupted"
    (checkpoint,) = (tmp_path / "out" / "checkpoints").glob("step-*")
    assert int(checkpoint.name.removeprefix("step-")) == len(read_trace(tmp_path / "out").losses)


@pytest.mark.slow
def test_a_full_disk_costs_the_newest_checkpoint_only(table: Path, tmp_path: Path) -> None:
    # Files may not grow beyond this size, which is what a full disk does to those being written.
    limited = f"ulimit -f 60; exec '{Path(sys.executable).parent / 'doctor'}' \"$@\""
    options = ("--steps", 10, "--checkpoint-every", 5, "--no-watch", "--width", 256)
    done = subprocess.run(
        ["bash", "-c", limited, "doctor", *map(str, ("train", table, "--output", tmp_path / "out", *options))],
        env={**os.environ, **ONE_THREAD},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert done.stderr.splitlines()[-1].startswith("doctor: disk: ")
    assert list((tmp_path / "out" / "checkpoints").glob("step-*")) == []
    result = decoded((tmp_path / "out" / "result.json").read_bytes())
    assert len(result.losses) == 5
    assert result.failure is not None


WRONG = [
    (("nowhere.csv",), "nowhere.csv: there is no such file or folder"),
    (("{table}", "--config", "{broken}"), "line 1, column 10: Expecting value"),
    (("{table}", "--resume"), "--resume needs --output"),
    (("{table}", "--output", "{table}/out"), "lies inside the data"),
    (("{table}", "--split", "test"), "not of the form NAME=GLOB"),
]


@pytest.mark.parametrize(("arguments", "said"), WRONG)
def test_wrong_use_is_one_line(
    doctor: Doctor, table: Path, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text('{"fp16": }')
    done = doctor("train", *(text.format(table=table, broken=broken) for text in arguments), cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_missing_deepspeed_names_the_extra(table: Path, tmp_path: Path) -> None:
    code = "import sys; sys.modules['deepspeed'] = None; from doctor.cli import main; sys.argv[0] = 'doctor'; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "train", str(table), "--output", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == "doctor: training needs torch and DeepSpeed: pip install 'training-doctor[trainer]'\n"
