import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from doctor.subjects.run import Process, open_run
from doctor.watching.probe.control import Control
from tests.watching.conftest import environment

ENDLESS = """
import torch
from torch import nn
torch.manual_seed(0)
model = nn.Linear(4, 2)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
step = 0
try:
    while step < 3000:
        optimizer.zero_grad()
        loss = model(torch.randn(8, 4)).pow(2).mean()
        if step == 5:
            loss = loss * {factor}
        loss.backward()
        optimizer.step()
        step += 1
        print(step, flush=True)
        import time; time.sleep(0.01)
except KeyboardInterrupt:
    print("cleaned up", step, bool(torch.isfinite(model.weight).all()), flush=True)
"""


class Training:
    """A training that can be asked for something."""

    def __init__(self, folder: Path, factor: str, **environment_: str) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-c", ENDLESS.format(factor=factor)],
            env=environment(folder, **environment_),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def state(self) -> Process | None:
        processes = open_run(self.folder).processes if list(self.folder.glob("*.ring")) else ()
        return processes[0] if processes else None

    def wait_until(self, what: Callable[[Process], bool]) -> Process:
        for _ in range(1200):
            state = self.state
            if state is not None and what(state):
                return state
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.05)
        raise AssertionError(f"did not happen: {self.state}")

    def ask(self, request: str) -> None:
        Control((self.folder / "control").as_posix()).ask(request)


@pytest.fixture
def training(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Training]:
    factor, options = request.param
    started = Training(tmp_path, factor, **options)
    yield started
    started.process.kill()
    started.process.communicate()


def reached(step: int) -> Callable[[Process], bool]:
    return lambda process: process.state.get("step", 0) > step


def happened(kind: str) -> Callable[[Process], bool]:
    return lambda process: any(event.kind == kind for event in process.events)


@pytest.mark.parametrize("training", [("1", {})], indirect=True)
def test_a_run_is_paused_saved_resumed_and_stopped_on_request(training: Training) -> None:
    training.wait_until(reached(3))
    training.ask("pause")
    held = training.wait_until(lambda process: process.phase == "paused")
    time.sleep(0.5)
    assert training.state is not None
    assert training.state.state["step"] == held.state["step"]
    training.ask("checkpoint")
    saved = training.wait_until(happened("checkpoint"))
    name = next(event.facts["path"] for event in saved.events if event.kind == "checkpoint")
    content = torch.load(training.folder / name, weights_only=False)
    assert content["step"] == int(held.state["step"]) - 1
    assert set(content["models"][0]["state"]) == {"weight", "bias"}
    assert content["optimizers"][0]["state"]["state"][0]["step"] == content["step"]
    training.ask("resume")
    training.wait_until(reached(int(held.state["step"]) + 3))
    training.ask("stop")
    output, _ = training.process.communicate(timeout=120)
    assert output.splitlines()[-1].startswith("cleaned up")
    assert training.process.returncode == 0


@pytest.mark.parametrize("training", [("float('nan')", {"DOCTOR_ON_CRITICAL": "pause"})], indirect=True)
def test_a_loss_that_is_no_number_is_held_before_it_does_harm(training: Training) -> None:
    held = training.wait_until(lambda process: process.phase == "paused")
    assert held.state["step"] == 6
    (event,) = (event.facts for event in held.events if event.kind == "paused")
    assert event["reason"] == "the loss is nan"
    training.ask("stop")
    output, _ = training.process.communicate(timeout=120)
    assert output.splitlines()[-1] == "cleaned up 5 True"


@pytest.mark.parametrize(
    "training", [("1e4", {"DOCTOR_ON_CRITICAL": "stop", "DOCTOR_MAX_GRAD_NORM": "50"})], indirect=True
)
def test_a_gradient_above_the_bound_stops_the_run_where_that_was_asked_for(training: Training) -> None:
    output, _ = training.process.communicate(timeout=120)
    assert output.splitlines()[-1] == "cleaned up 5 True"
    assert "the gradient norm is" in next(
        event.facts["reason"] for event in open_run(training.folder).processes[0].events if event.kind == "stopped"
    )


@pytest.mark.parametrize("training", [("float('nan')", {})], indirect=True)
def test_nothing_is_held_unless_that_was_asked_for(training: Training) -> None:
    training.wait_until(reached(10))
