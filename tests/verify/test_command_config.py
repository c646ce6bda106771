"""A repair reaches DeepSpeed through a copy of the user's JSON, or through what the program hands to it."""

import json
import os
import sys
import threading
from pathlib import Path

import psutil
import pytest

from doctor.verify.command_runs import Attempt, perform, seeded
from doctor.verify.workplace import Workplace

PROGRAM = """
import argparse, os, deepspeed, deepspeed.ops, torch
os.environ |= {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
parser = argparse.ArgumentParser()
parser.add_argument("--deepspeed_config")
given = parser.parse_args().deepspeed_config or {"train_micro_batch_size_per_gpu": 4, "gradient_clipping": 3.0}
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
engine, *_ = deepspeed.initialize(model=model, optimizer=optimizer, config=given)
for step in range(50):
    engine.backward(engine(torch.ones(4, 4)).square().mean())
    engine.step()
    print("clipping", engine.gradient_clipping(), flush=True)
    if engine.gradient_clipping() != 0.5:
        raise SystemExit(3)
"""
CONFIG = {"train_micro_batch_size_per_gpu": 4, "gradient_clipping": 3.0}


@pytest.mark.slow
@pytest.mark.parametrize("options", [["--deepspeed_config", "ds.json"], []])
def test_a_configuration_is_treated_and_the_users_file_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (tmp_path / "train.py").write_text(PROGRAM)
    (tmp_path / "ds.json").write_text(json.dumps(CONFIG))
    attempt = Attempt(
        workplace=Workplace.of([sys.executable, "train.py", *options], tmp_path),
        steps=5,
        limit_seconds=240,
        changes={"max_grad_norm": 0.5},
    )
    ended = perform(attempt, threading.Event(), None, None)
    assert ended is not None
    assert ended.trouble == ""
    assert (ended.status, ended.steps) == (0, 5)
    assert ended.treated == ("max_grad_norm",)
    assert json.loads((tmp_path / "ds.json").read_text()) == CONFIG


def test_a_seed_is_given_where_the_command_takes_one(tmp_path: Path) -> None:
    def given(source: str, *words: str) -> object:
        (tmp_path / "train.py").write_text(source)
        return seeded(Workplace.of(["python", "train.py", *words], tmp_path), 7)

    option = 'parser.add_argument("--seed", type=int)'
    assert given(option) == (("python", "train.py", "--seed", "7"), {})
    assert given(option, "--seed", "1", "-x") == (("python", "train.py", "--seed", "7", "-x"), {})
    assert given("", "--seed=1") == (("python", "train.py", "--seed=7"), {})
    assert given('os.environ["DOCTOR_SEED"]') == (("python", "train.py"), {"DOCTOR_SEED": "7"})
    assert given("torch.manual_seed(0)") is None


@pytest.mark.slow
def test_a_run_that_is_stopped_leaves_no_process_behind(tmp_path: Path) -> None:
    mark = f"mark-{os.getpid()}"
    (tmp_path / "train.py").write_text(
        "import subprocess, sys, time\n"
        f"child = [sys.executable, '-c', 'import time; time.sleep(300)', '{mark}']\n"
        "subprocess.Popen(child, start_new_session=True)\n"
        "time.sleep(300)\n"
    )
    place = Workplace.of([sys.executable, "train.py"], tmp_path)
    ended = perform(Attempt(workplace=place, steps=5, limit_seconds=5.0), threading.Event(), None, None)
    assert ended is not None
    assert ended.trouble
    assert not [one for one in psutil.process_iter(["cmdline"]) if mark in (one.info["cmdline"] or ())]
