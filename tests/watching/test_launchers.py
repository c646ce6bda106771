"""Launchers that are not torchrun: both ranks are told apart, the end is told, and no process stays behind."""

import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from watched_commands import diagnosis, finished, launch, until

from doctor.subjects.run import open_run
from doctor.watching.stalls import alive

pytest.importorskip("torch", reason="torch is not installed")

pytestmark = pytest.mark.slow

BIN = Path(sys.executable).parent
DEEPSPEED = """
import argparse, time
import deepspeed, deepspeed.ops, torch, torch.distributed as dist
from torch import nn
deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
parser = argparse.ArgumentParser()
parser.add_argument("--local_rank", type=int)
parser.add_argument("--steps", type=int)
arguments = parser.parse_args()
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(16, 32), nn.Tanh(), nn.Linear(32, 4))
config = {
    "train_micro_batch_size_per_gpu": 16,
    "zero_optimization": {"stage": 1},
    "optimizer": {"type": "AdamW", "params": {"lr": 1e-3, "torch_adam": True}},
}
engine, *_ = deepspeed.initialize(model=model, model_parameters=model.parameters(), config=config)
random = torch.Generator().manual_seed(dist.get_rank())
for step in range(1, arguments.steps):
    x = torch.randn(16, 16, generator=random)
    if step == 20 and dist.get_rank() == 1 and arguments.steps < 100:
        raise KeyError("label")  # the line
    engine.backward(nn.functional.cross_entropy(engine(x), (x[:, :4]).argmax(1)))
    engine.step()
    time.sleep(0.02)
"""
ACCELERATE = """
import argparse, time
import torch
from accelerate import Accelerator
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int)
arguments = parser.parse_args()
accelerator = Accelerator(cpu=True)
torch.manual_seed(0)
x = torch.randn(32 * arguments.steps, 16)
model = nn.Sequential(nn.Linear(16, 32), nn.Tanh(), nn.Linear(32, 4))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
loader = DataLoader(TensorDataset(x, x[:, :4].argmax(1)), batch_size=16, shuffle=True)
model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
for step, (rows, target) in enumerate(loader, 1):
    if step == 20 and accelerator.process_index == 1 and arguments.steps < 100:
        raise KeyError("label")  # the line
    accelerator.backward(nn.functional.cross_entropy(model(rows), target))
    optimizer.step()
    optimizer.zero_grad()
    time.sleep(0.02)
"""
COMMANDS = {
    "deepspeed": (DEEPSPEED, [BIN / "deepspeed", "--num_accelerators", "2", "--master_port"]),
    # With --cpu accelerate starts one process, or leaves more to MPI: without it, it starts ranks as torchrun does.
    "accelerate": (
        ACCELERATE,
        [
            *(BIN / "accelerate", "launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"),
            *("--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port"),
        ],
    ),
}


def started(folder: Path, launcher: str, steps: int, free_port: int) -> Any:
    folder.mkdir()
    source, command = COMMANDS[launcher]
    (folder / "train.py").write_text(source, "utf-8")
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"  # deepspeed looks there for its Python
    words = ["--run-dir", "run", "--no-live", "--", *command, free_port, "train.py", "--steps", steps]
    return launch(folder, *words, environment={"PATH": path, "ACCELERATE_USE_CPU": "true"}, start_new_session=True)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def trained(folder: Path) -> bool:
    rings = list((folder / "run").glob("*.steps.ring"))
    if len(rings) < 2:
        return False
    losses = [one.series.get("loss", ()) for one in open_run(folder / "run").processes if one.state]
    return len(losses) == 2 and all(len(loss) > 3 for loss in losses)


def nobody_left(folder: Path) -> bool:
    end = json.loads((folder / "run" / "end.json").read_text("utf-8"))
    return not any(map(alive, end["pids"]))


@pytest.mark.parametrize("launcher", COMMANDS)
def test_ranks_are_told_apart_and_nobody_stays_behind(tmp_path: Path, launcher: str) -> None:
    """Two real runs side by side: one in which a rank fails, one that the user ends."""
    pytest.importorskip(launcher)
    failing, ended = tmp_path / "failing", tmp_path / "ended"
    processes = {
        failing: started(failing, launcher, 30, free_port()),
        ended: started(ended, launcher, 10_000, free_port()),
    }
    try:
        until(lambda: trained(ended))
        # Not SIGINT: polars, where it is installed, is imported by deepspeed's launcher, which waits deaf to it then.
        processes[ended].send_signal(signal.SIGTERM)
        statuses = {folder: finished(process)[0] for folder, process in processes.items()}
    finally:
        for process in processes.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert statuses[failing] == 1
    assert statuses[ended] != 0
    for folder in processes:
        until(lambda folder=folder: nobody_left(folder), 30)
        assert {process.rank for process in open_run(folder / "run").processes if process.state} == {0, 1}
    cause, cascade = (
        next(one for one in diagnosis(failing)["findings"] if one["check"] == check)
        for check in ("crash/exit-cause", "crash/launcher-cascade")
    )
    line = next(number for number, text in enumerate(COMMANDS[launcher][0].splitlines(), 1) if "# the line" in text)
    assert (cause["at"]["rank"], cause["at"]["step"], cause["at"]["line"]) == (1, 20, line)
    assert "KeyError" in cause["message"]
    assert cascade["evidence"]["victims"] == "0"
    assert {one["severity"] for one in diagnosis(ended)["findings"]} <= {"info"}
