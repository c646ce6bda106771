"""Runs small training programs as `doctor watch` starts them, without a monitor beside them."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import doctor.watching
from doctor.subjects.run import Process, Run, open_run

PROGRAMS = Path(__file__).with_name("programs")
SITE = Path(doctor.watching.__file__).with_name("site")

Watched = Callable[..., subprocess.CompletedProcess[str]]


def environment(folder: Path | None, **more: str) -> dict[str, str]:
    """The environment of a training, watched where a run folder is given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DOCTOR_", "PYTHON"))}
    watch = {"PYTHONPATH": str(SITE), "DOCTOR_RUN_DIR": str(folder)} if folder is not None else {}
    return {**kept, "OMP_NUM_THREADS": "1", **watch, **more}


@pytest.fixture(scope="session")
def watched() -> Watched:
    """Run a program (its file's name, or source text) with the probe in it, or without where `folder` is None."""

    def run(
        program: str, *arguments: object, folder: Path | None, options: tuple[str, ...] = (), **more: str
    ) -> subprocess.CompletedProcess[str]:
        what = [str(PROGRAMS / program)] if program.endswith(".py") else ["-c", program]
        return subprocess.run(
            [sys.executable, *options, *what, *map(str, arguments)],
            capture_output=True,
            text=True,
            env=environment(folder, **more),
            timeout=300,
            check=False,
        )

    return run


def opened(folder: Path) -> Run:
    """The run that was recorded there."""
    return open_run(folder)


def only_process(folder: Path) -> Process:
    """The one process that trained there, of which every event must be sound."""
    run = open_run(folder)
    assert not run.problems
    (process,) = run.processes
    faults = [event.facts for event in process.events if event.kind == "probe_fault"]
    assert faults == []
    return process
