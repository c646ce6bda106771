"""Starts real commands under `doctor watch`; what trains without torch records through the probe's own session."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from doctor.watching.tail import Tail

DOCTOR = Path(sys.executable).parent / "doctor"
TIMEOUT = 240.0

STEPS = """
import math, os, signal, sys, time
probe = sys.modules["doctor_probe"].session.current
def step(loss=1.0, seconds=0.02, **values):
    probe.enter("backward")
    time.sleep(seconds)
    probe.finish_step(0, {"loss": loss, "step_seconds": seconds, "grad_norm": 1.0, **values})
"""
"""The beginning of a program that records steps as a training does, in a tenth of a second."""

TORCH = """
import torch
torch.manual_seed(0)
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
def step(factor=1.0):
    x = torch.randn(8, 4)
    loss = ((model(x) - x.sum(1, keepdim=True)) ** 2).mean() * factor
    optimizer.zero_grad(); loss.backward(); optimizer.step()
    return loss.item()
"""


def start(folder: Path, *options: object, program: str, run: str = "run", **arguments: Any) -> "subprocess.Popen[str]":
    """Start a Python program under watch, in a folder of its own."""
    script = folder / "train.py"
    script.write_text(program, "utf-8")
    return launch(folder, "--run-dir", run, *options, "--", sys.executable, script, **arguments)


def launch(folder: Path, *words: object, **arguments: Any) -> "subprocess.Popen[str]":
    """Start `doctor watch` with these words."""
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": folder} | arguments
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "300"} | given.pop("environment", {})
    return subprocess.Popen([DOCTOR, "watch", *map(str, words)], env=environment, **given)


def finished(process: "subprocess.Popen[str]", seconds: float = TIMEOUT) -> tuple[int, str, str]:
    """Wait for the end; status, output, and what was told, as one line of words."""
    out, err = process.communicate(timeout=seconds)
    return process.returncode, out or "", " ".join((err or "").split())


def diagnosis(folder: Path, run: str = "run") -> dict[str, Any]:
    """Return the report that was kept."""
    known: dict[str, Any] = json.loads((folder / run / "diagnosis.json").read_text("utf-8"))
    return known


def run_facts(report: dict[str, Any]) -> dict[str, Any]:
    """Return what a report says of its run as a whole."""
    (subject,) = report["case"]["subjects"]
    facts: dict[str, Any] = subject["facts"]
    return facts


def found(report: dict[str, Any]) -> set[str]:
    """Return the checks that found something."""
    return {finding["check"] for finding in report["findings"]}


def until(condition: Callable[[], Any], seconds: float = TIMEOUT) -> Any:
    """Wait until something holds, and return it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError("it did not come to pass")


def recorder(folder: Path, run: str = "run") -> int | None:
    """Return the process id of the first process that records steps, as soon as there is one."""
    rings = sorted((folder / run).glob("*.steps.ring"))
    return int(rings[0].name.split(".")[0].rpartition("-")[2]) if rings else None


def tail_of(folder: Path, run: str = "run") -> Tail:
    """Wait for the first recording and open it."""

    def opened() -> Tail | None:
        for path in (folder / run).glob("*.steps.ring"):
            with contextlib.suppress(ValueError):
                return Tail(path)
        return None

    tail: Tail = until(opened)
    return tail
