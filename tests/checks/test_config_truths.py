"""What the checks say that DeepSpeed refuses, the installed DeepSpeed refuses; what they call healthy, it reads."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import FIXTURES

from doctor.case import open_case
from doctor.engine import examine
from doctor.model import Severity
from doctor.settings import Settings

READ = """
import json, sys
from deepspeed.runtime.config import DeepSpeedConfig
import deepspeed.comm as dist
for line in sys.stdin:
    path, world = json.loads(line)
    dist.get_rank, dist.get_world_size = (lambda: 0), (lambda world=world: world)
    try:
        DeepSpeedConfig(path)
        print("ANSWER", json.dumps([path, ""]))
    except Exception as error:
        print("ANSWER", json.dumps([path, f"{type(error).__name__}: {error}"]))
"""
WORLDS = {
    "ds_world.json": {"sick": 4, "healthy": 16},
    "ds_unknown.json": {"healthy": 8},
    "ds_parallel.json": {"healthy": 2},
}
"""The processes with data of their own that the scripts of the patients start, or may start; else one."""
LATER = ("ds_nvme.json", "ds_amp.json", "ds_fp16.json", "ds_trainer.json", "ds_misplaced.json")
"""Refused by more than the reading of the configuration: by the engine, or by the trainer."""


def deepspeed_files() -> list[Path]:
    """The patients that DeepSpeed can be asked about; those of memory-estimate are for a number of processes unsaid."""
    found = (path for path in FIXTURES.glob("config/*/*/ds_*.json") if '"auto"' not in path.read_text())
    return sorted(path for path in found if path.name not in LATER and path.parent.parent.name != "memory_estimate")


@pytest.fixture(scope="module")
def answers() -> dict[str, str]:
    """What DeepSpeed says of each file; empty where it reads it."""
    asked = [
        json.dumps([str(path), WORLDS.get(path.name, {}).get(path.parent.name.partition("_")[0], 1)])
        for path in deepspeed_files()
    ]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", READ],
        input="\n".join(asked),
        env={**os.environ, "DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line.removeprefix("ANSWER ") for line in done.stdout.splitlines() if line.startswith("ANSWER ")]
    return dict(json.loads(line) for line in lines)


def test_an_error_is_a_refusal_and_a_refusal_is_found(answers: dict[str, str]) -> None:
    assert len(answers) == len(deepspeed_files()) > 10
    settings = Settings(select=("config",))
    refused: dict[str, bool] = {}
    for patient in {path.parent for path in deepspeed_files()}:
        with open_case([patient], settings) as case:
            report = examine(case, settings)
        found = {finding.at.path for finding in report.findings if finding.severity is Severity.ERROR}
        # A key that the newest release has removed is one that others read.
        found |= {finding.at.path for finding in report.findings if finding.evidence.get("kind") == "removed"}
        refused |= {str(path): str(path) in found for path in deepspeed_files() if path.parent == patient}
    assert {path: bool(said) for path, said in answers.items()} == refused, answers
