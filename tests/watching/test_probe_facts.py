import json
import math
from pathlib import Path

import numpy as np
import pytest

from doctor.subjects.run import Process
from tests.watching.conftest import Watched, only_process

SERIES = ("loss", "criterion_loss", "backwards", "grad_norm", "max_norm", "non_finite_gradients", "learning_rate")
ALSO = ("weight_norm", "update_norm", "skipped", "samples", "accuracy", "training_mode", "stale_gradients")
EVALUATED = ("evaluation_loss", "evaluation_accuracy", "evaluation_training_mode")


def ran(watched: Watched, folder: Path, program: str, *arguments: str) -> Process:
    folder.mkdir(exist_ok=True)
    done = watched(program, *arguments, folder=folder)
    assert done.returncode == 0, done.stderr
    return only_process(folder)


@pytest.fixture(scope="module")
def plain(watched: Watched, tmp_path_factory: pytest.TempPathFactory) -> tuple[Process, list[dict[str, float]]]:
    folder = tmp_path_factory.mktemp("run")
    done = watched("plain.py", folder=folder)
    assert done.returncode == 0, done.stderr
    return only_process(folder), json.loads(done.stdout)


@pytest.mark.parametrize("name", SERIES + ALSO + EVALUATED)
def test_every_fact_is_what_the_program_computed_itself(
    plain: tuple[Process, list[dict[str, float]]], name: str
) -> None:
    process, steps = plain
    series = process.series[name]
    assert len(series) > 2
    for step, value in zip(series.steps, series.values, strict=True):
        assert value == pytest.approx(steps[step - 1][name], rel=1e-5, abs=1e-9), (name, step)


@pytest.mark.parametrize("name", SERIES)
def test_what_is_cheap_is_recorded_at_every_step(plain: tuple[Process, list[dict[str, float]]], name: str) -> None:
    process, steps = plain
    assert process.series[name].steps.tolist() == list(range(1, len(steps) + 1))


def test_evaluations_belong_to_the_step_before_them(plain: tuple[Process, list[dict[str, float]]]) -> None:
    process, steps = plain
    evaluated = [number for number, step in enumerate(steps, 1) if "evaluation_loss" in step]
    assert process.series["evaluation_loss"].steps.tolist() == evaluated


def test_norms_of_layers_are_from_before_clipping(plain: tuple[Process, list[dict[str, float]]]) -> None:
    process, steps = plain
    layers = process.layers["gradients"]
    assert layers.names == ("0.weight", "0.bias", "2.weight", "2.bias")
    np.testing.assert_allclose(layers.values, [step["layers"] for step in steps], rtol=1e-5)


def test_times_add_up(plain: tuple[Process, list[dict[str, float]]]) -> None:
    process, _ = plain
    parts = sum(process.series[name].values for name in ("data_seconds", "backward_seconds", "optimizer_seconds"))
    assert (process.series["step_seconds"].values >= parts).all()
    assert (process.series["probe_seconds"].values > 0).all()


def test_batches_of_one_epoch_differ(plain: tuple[Process, list[dict[str, float]]]) -> None:
    process, _ = plain
    hashes = process.series["batch_hash"].values
    assert len(set(hashes)) == len(hashes)
    assert hashes.max() < 2**48


def test_the_model_its_optimizer_its_criterion_and_its_schedule_are_described(
    plain: tuple[Process, list[dict[str, float]]],
) -> None:
    process, steps = plain
    events = {event.kind: event for event in process.events}
    model = events["model"].facts
    assert (model["parameters"], model["trainable"], model["not_in_optimizer"]) == (387, 387, [])
    assert model["tensors"][0]["name"] == "0.weight"
    assert model["tensors"][0]["shape"] == [32, 8]
    assert events["optimizer"].facts["class"] == "AdamW"
    criterion = events["criterion"].facts
    assert (criterion["name"], criterion["classes"]) == ("cross_entropy", 3)
    assert criterion["uniform_loss"] == pytest.approx(math.log(3))
    assert criterion["prior_loss"] < math.log(3)
    schedule = events["scheduler"].facts
    assert (schedule["class"], schedule["steps"]) == ("StepLR", len(steps))
    assert events["gradients_missing"].facts["count"] == 0
    rectifier = events["activations"].facts["modules"][1]
    assert rectifier["type"] == "ReLU"
    assert 0 < rectifier["zero"] < 1
    assert rectifier["dead"] <= rectifier["zero"]
    assert events["exit"].facts["steps"] == len(steps)
    assert process.phase == "finished"


def test_a_skipped_step_is_a_step(watched: Watched, tmp_path: Path) -> None:
    process = ran(watched, tmp_path, "kinds.py", "scaler")
    assert np.flatnonzero(process.series["skipped"].values).tolist() == [3, 7]
    assert not np.isfinite(process.series["grad_norm"].values[[3, 7]]).any()
    assert process.series["loss_scale"].values[[0, 3, 4, 8]].tolist() == [65536, 65536, 32768, 16384]
    assert process.series["loss"].values[0] < 2  # as the program has it, not as it is scaled


def test_accumulated_passes_make_one_step(watched: Watched, tmp_path: Path) -> None:
    process = ran(watched, tmp_path, "kinds.py", "accumulation")
    assert process.series["backwards"].values.tolist() == [4.0] * 8
    np.testing.assert_allclose(process.series["loss"].values * 4, process.series["criterion_loss"].values, rtol=1e-6)
    assert not process.series["stale_gradients"].values.any()


@pytest.mark.parametrize(("kind", "share"), [("not_cleared", 1.0), ("cleared_in_place", 0.0), ("two_optimizers", 0.0)])
def test_gradients_that_were_not_cleared_are_told_apart(
    watched: Watched, tmp_path: Path, kind: str, share: float
) -> None:
    process = ran(watched, tmp_path, "kinds.py", kind)
    stale = process.series["stale_gradients"]
    assert len(stale) >= 5
    assert set(stale.values) == {share}


@pytest.mark.parametrize(
    ("kind", "steps", "backwards"),
    [("by_hand", 6, 1), ("closures", 5, 4), ("two_optimizers", 12, 1), ("retained", 6, 2)],
)
def test_steps_are_counted_however_they_are_made(
    watched: Watched, tmp_path: Path, kind: str, steps: int, backwards: int
) -> None:
    process = ran(watched, tmp_path, "kinds.py", kind)
    assert process.series["loss"].steps.tolist() == list(range(1, steps + 1))
    assert process.series["backwards"].values.tolist() == [backwards] * steps
    assert (process.series["grad_norm"].values > 0).all()


def test_two_optimizers_have_a_track_each(watched: Watched, tmp_path: Path) -> None:
    process = ran(watched, tmp_path, "kinds.py", "two_optimizers")
    assert process.series["track"].values.tolist() == [0.0, 1.0] * 6
    assert process.series["learning_rate"].values.tolist() == [1e-3, 2e-3] * 6


def test_what_the_optimizer_lacks_and_what_gets_no_gradient_is_named(watched: Watched, tmp_path: Path) -> None:
    process = ran(watched, tmp_path, "kinds.py", "left_out")
    events = {event.kind: event.facts for event in process.events}
    assert events["model"]["not_in_optimizer"] == ["3.weight", "3.bias"]
    assert events["model"]["frozen_in_optimizer"] == ["0.bias"]
    assert events["gradients_missing"]["names"] == ["unused.inner.weight", "unused.inner.bias"]


def test_an_optimizer_that_no_gradient_reaches_is_named(watched: Watched, tmp_path: Path) -> None:
    process = ran(watched, tmp_path, "kinds.py", "unreached")
    (event,) = [event for event in process.events if event.kind == "optimizer_without_gradients"]
    assert (event.facts["track"], event.facts["steps"], len(event.facts["names"])) == (1, 20, 2)


def test_a_fork_writes_nothing(watched: Watched, tmp_path: Path) -> None:
    process = ran(watched, tmp_path, "kinds.py", "forked")
    assert process.series["loss"].steps.tolist() == [1, 2, 3, 4]
    assert [event.kind for event in process.events].count("exit") == 1
