"""Real trainings with DeepSpeed, side by side in processes forked from one server."""

import math
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from conftest import write_csv
from patients import job, write_table
from PIL import Image

from doctor.errors import UsageError
from doctor.model import Report
from doctor.trainer.jobs import run_jobs
from doctor.trainer.recipe import Recipe, Result
from doctor.trainer.trace_file import read_trace

PRECISIONS: dict[str, dict[str, Any]] = {
    "fp32": {},
    "bf16": {"bf16": {"enabled": True}},
    "fp16": {"fp16": {"enabled": True}},
}
ZERO = (0, 1, 2, 3)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("table")
    write_table(folder / "train.csv", 400)
    write_table(folder / "test.csv", 100, seed=1)
    return folder


@pytest.fixture(scope="module")
def grid(table: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[int, str], Result]:
    """One training for each stage of ZeRO and each precision, alike otherwise."""
    folder = tmp_path_factory.mktemp("grid")
    keys = [(stage, precision) for stage in ZERO for precision in PRECISIONS]
    jobs = [
        job(
            table,
            folder / f"{stage}-{precision}",
            steps=12,
            config={"zero_optimization": {"stage": stage}, "gradient_clipping": 1.0, **PRECISIONS[precision]},
            learning_rate=0.01,
        )
        for stage, precision in keys
    ]
    return dict(zip(keys, run_jobs(jobs), strict=True))


@pytest.mark.parametrize("stage", ZERO)
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.slow
def test_all_stages_and_precisions_train_alike(grid: dict[tuple[int, str], Result], stage: int, precision: str) -> None:
    result, plain = grid[stage, precision], grid[0, "fp32"]
    assert result.failure is None
    assert len(result.losses) == len(result.grad_norms) == len(result.learning_rates) == 12
    assert result.losses[-1] < result.losses[0]
    tolerance = {"fp32": 1e-5, "bf16": 0.05, "fp16": 0.01}[precision]
    applied = [loss for step, loss in enumerate(result.losses, 1) if step not in result.skipped_steps]
    assert np.allclose(applied, plain.losses[: len(applied)], rtol=tolerance)
    assert result.grad_norms[0] == pytest.approx(plain.grad_norms[0], rel=0.05)
    assert result.loss_scales[0] == (65536 if precision == "fp16" else 1)
    assert {"train", "test"} == set(result.evaluations)
    assert result.evaluations["test"]["accuracy"] > 0.5


def finished(*jobs: Any, **options: Any) -> list[Result]:
    """Run jobs that must all come to their end."""
    results = run_jobs(jobs, **options)
    assert [result.failure for result in results] == [None] * len(jobs)
    return results


@pytest.mark.slow
def test_the_same_seed_gives_the_same_losses_bit_for_bit(table: Path, tmp_path: Path) -> None:
    random = {"dropout": 0.2, "schedule": "onecycle", "oversample": True, "class_weights": True, "norm": True}
    first, again, other, halves = finished(
        job(table, tmp_path / "first", seed=1, **random),
        job(table, tmp_path / "again", seed=1, **random),
        job(table, tmp_path / "other", seed=2, **random),
        job(
            table,
            tmp_path / "halves",
            config={"gradient_accumulation_steps": 4},
            norm_in_fp32=True,
            label_smoothing=0.1,
        ),
    )
    assert first.losses == again.losses
    assert first.evaluations == again.evaluations
    assert first.losses != other.losses
    assert len(halves.losses) == 10


@pytest.mark.slow
def test_what_a_result_states(table: Path, tmp_path: Path) -> None:
    heard: list[int] = []
    (result,) = finished(
        msgspec.structs.replace(job(table, tmp_path / "out", steps=40, learning_rate=0.02), predictions=True),
        on_done=lambda number, result: heard.append(number),
    )
    assert heard == [0]
    assert (result.task, result.model, result.classes) == ("classification", "mlp", ["no", "yes"])
    assert result.rows == {"train": 400, "test": 100}
    assert result.parameters == 5 * 3 + 6 * 64 + 64 + 64 * 64 + 64 + 64 * 2 + 2
    test = result.evaluations["test"]
    assert set(test) == {"loss", "accuracy", "balanced_accuracy", "auc", "recall of no", "recall of yes"}
    assert test["auc"] > 0.9
    assert result.predictions is not None
    with np.load(result.predictions) as kept:
        predicted, actual = kept["test.predicted"], kept["test.actual"]
        assert (predicted == actual).mean() == pytest.approx(test["accuracy"])
        assert ((kept["test.score"] > 0) == predicted).all()
        assert kept["test.row"].tolist() == list(range(400, 500))


@pytest.mark.slow
def test_other_tasks_are_learnt(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    values = draw.normal(size=(300, 2))
    write_csv(tmp_path / "q" / "q.csv", ["a", "b", "y"], [[a, b, 100 + 10 * a - 5 * b] for a, b in values])
    films = [[f"film {n} was {'good' if n % 2 else 'bad'} indeed", "np"[n % 2]] for n in range(120)]
    write_csv(tmp_path / "t" / "t.csv", ["text", "label"], films)
    (tmp_path / "lm").mkdir()
    (tmp_path / "lm" / "lm.jsonl").write_text("".join('{"text": "all work and no play"}\n' for _ in range(60)))
    for name, bright in (("dark", 60), ("light", 190)):
        for number in range(20):
            path = tmp_path / "i" / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(draw.integers(bright - 40, bright + 40, (16, 16, 3), dtype=np.uint8)).save(path)
    small = {"width": 32, "config": {"train_batch_size": 16}, "learning_rate": 0.01}
    bf16 = {"config": {"train_batch_size": 16, "bf16": {"enabled": True}, "zero_optimization": {"stage": 3}}}
    quantity, text, language, cnn, vit = finished(
        job(tmp_path / "q", tmp_path / "o1", steps=120, options={"target": "y"}, learning_rate=0.02),
        job(tmp_path / "t", tmp_path / "o2", steps=60, length=32, **small),
        job(tmp_path / "lm", tmp_path / "o3", steps=40, length=16, **small),
        job(tmp_path / "i", tmp_path / "o4", steps=10, image_size=16, cutmix=True, **small),
        job(
            tmp_path / "i",
            tmp_path / "o5",
            steps=10,
            image_size=16,
            model="vit",
            activation_checkpointing=True,
            norm_in_fp32=True,
            **{**small, **bf16},
        ),
    )
    assert quantity.evaluations["validation"]["r2"] > 0.9
    assert quantity.evaluations["validation"]["mae"] < 4
    assert (text.model, text.evaluations["validation"]["accuracy"]) == ("transformer", 1.0)
    perplexity = language.evaluations["validation"]["perplexity"]
    assert perplexity == pytest.approx(math.exp(language.evaluations["validation"]["loss"]))
    assert perplexity < 10
    assert (cnn.model, cnn.evaluations["validation"]["accuracy"]) == ("cnn", 1.0)
    assert (vit.model, vit.evaluations["validation"]["accuracy"]) == ("vit", 1.0)


@pytest.mark.slow
def test_deaths_are_results(table: Path, tmp_path: Path) -> None:
    wide = {"width": 512, "layers": 6}
    collapsing = {"fp16": {"enabled": True}, "zero_optimization": {"stage": 2}}
    memory, enough, scale, refused, optimizer, data, bits = run_jobs(
        [
            job(table, tmp_path / "o1", options={"device_bytes": 12_000_000}, **wide),
            job(table, tmp_path / "o2", options={"device_bytes": 60_000_000}, steps=3, **wide),
            job(table, tmp_path / "o3", steps=60, config=collapsing, learning_rate=100.0),
            job(table, tmp_path / "o4", config={"zero_optimization": {"stage": 7}}),
            job(table, tmp_path / "o5", config={"optimizer": {"type": "Adamant", "params": {}}}),
            job(table, tmp_path / "o6", options={"target": "nowhere"}),
            job(table, tmp_path / "o7", config={"optimizer": {"type": "AdamW8bit", "params": {}}}),
        ]
    )
    kinds = [result.failure and result.failure.kind for result in (memory, enough, scale, refused, optimizer, data)]
    assert kinds == ["out of memory", None, "loss scale", "config", "config", "data"]
    assert enough.peak_bytes > 5 * 512 * 512 * 4 * 4  # weights, gradients and the two moments of Adam
    assert scale.skipped_steps
    assert not math.isfinite(scale.losses[-1])
    assert scale.loss_scales[0] == 65536 > scale.loss_scales[-1]
    assert any("fp16 on a CPU" in note for note in scale.notes)
    assert bits.failure is not None
    if not torch.cuda.is_available():
        assert "8-bit states need a GPU" in bits.failure.message
    for result in (memory, scale, refused, optimizer, data, bits):
        assert result.failure is not None
        assert "\n" not in result.failure.message


@pytest.mark.slow
def test_a_killed_job_and_one_out_of_time_keep_their_losses(table: Path, tmp_path: Path) -> None:
    killed = tmp_path / "killed"
    begun = threading.Event()

    def kill() -> None:
        while len(read_trace(killed).losses) < 5:
            time.sleep(0.01)
        os.kill(int(pid_of(killed)), signal.SIGKILL)
        begun.set()

    threading.Thread(target=kill, daemon=True).start()
    (result,) = run_jobs([job(table, killed, steps=1_000_000)])
    assert begun.wait(10)
    assert result.failure is not None
    assert (result.failure.kind, "SIGKILL" in result.failure.message) == ("killed", True)
    assert len(result.losses) >= 5
    late = tmp_path / "late"
    results = run_jobs(
        [job(table, late, steps=1_000_000), job(table, tmp_path / "never")],
        workers=1,
        deadline=time.monotonic() + 8,
    )
    assert [result.failure and result.failure.kind for result in results] == ["out of time"] * 2
    assert (tmp_path / "never").exists() is False


def pid_of(folder: Path) -> str:
    """Return the process that has the folder's trace open."""
    trace = str(folder / "trace.jsonl")
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                if any(str(opened.readlink()) == trace for opened in (process / "fd").iterdir()):
                    return process.name
            except OSError:
                continue
    raise AssertionError(f"nobody writes {trace}")


@pytest.mark.slow
def test_a_job_can_be_watched_and_stopped_early(table: Path, tmp_path: Path) -> None:
    over = {"steps": 400, "evaluate_every": 10, "early_stopping": 2, "learning_rate": 0.05, "width": 128}
    exploding = {"optimizer": {"type": "SGD", "params": {"lr": 1e30}}}
    early, watched = run_jobs(
        [job(table, tmp_path / "o1", **over), job(table, tmp_path / "o2", options={"watched": True}, config=exploding)]
    )
    assert early.failure is None
    assert len(early.losses) < 400
    best = min(point["loss"] for point in early.curve)
    assert early.evaluations["validation"]["loss"] == pytest.approx(best)
    assert watched.failure is None
    assert watched.run_dir is not None
    report = msgspec.json.decode(Path(watched.run_dir, "diagnosis.json").read_bytes(), type=Report)
    assert "numerics/non-finite-loss" in {finding.check for finding in report.findings}
    assert any(path.name.endswith(".steps.ring") for path in Path(watched.run_dir).iterdir())


def test_two_jobs_do_not_share_a_folder(table: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the same folder"):
        run_jobs([job(table, tmp_path / "out"), job(table, tmp_path / "out")])


def test_running_no_jobs_takes_no_server() -> None:
    assert run_jobs([]) == []


gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@gpu
@pytest.mark.slow
def test_a_gpu_trains_in_half_precision_and_runs_out_of_memory(table: Path, tmp_path: Path) -> None:
    half: Callable[[int], Recipe] = lambda stage: Recipe(  # noqa: E731  # short
        steps=20, config={"fp16": {"enabled": True}, "zero_optimization": {"stage": stage}}
    )
    jobs = [msgspec.structs.replace(job(table, tmp_path / f"o{stage}"), recipe=half(stage)) for stage in ZERO]
    small = job(table, tmp_path / "small", options={"device_bytes": 200_000_000}, width=4096, layers=8)
    *trained, memory = run_jobs([*jobs, small], workers=1)
    for result in trained:
        assert result.failure is None
        assert not any("CPU" in note for note in result.notes)
        assert result.losses[-1] < result.losses[0]
    assert memory.failure is not None
    assert memory.failure.kind == "out of memory"
