"""Real runs of two ranks that end in every way in which a run can end, and what is said of them."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="torch is not installed")

pytestmark = pytest.mark.slow

PROGRAM = """
import ctypes, os, signal, sys, time
import torch, torch.distributed as dist
from torch import nn
how = sys.argv[1]
dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(rank if how == "desync" else 0)
model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 1))
by_hand = how in ("desync", "mismatch", "apart")
if not by_hand:
    model = nn.parallel.DistributedDataParallel(model)
optimizer = torch.optim.SGD(model.parameters(), 0.01)
data = torch.utils.data.TensorDataset(torch.randn(640, 8, generator=torch.Generator().manual_seed(1)))
sampler = None if how == "same" else torch.utils.data.DistributedSampler(data)
loader = torch.utils.data.DataLoader(data, batch_size=16, sampler=sampler, shuffle=sampler is None,
                                     generator=torch.Generator().manual_seed(3))

def fall():
    if how == "exception":
        raise KeyError("label")  # the line
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "segfault":
        ctypes.string_at(0)  # the line
    if how == "os_exit":
        os._exit(3)
    if how == "hang":
        time.sleep(600)  # the line

step = 0
for epoch in range(2):
    for (batch,) in loader:
        step += 1
        if step == 30 and rank == 1:
            fall()
        loss = model(batch).square().mean()
        optimizer.zero_grad()
        loss.backward()
        if by_hand and how != "apart":
            for p in model.parameters():
                dist.all_reduce(p.grad)
            if how == "mismatch" and step == 30:
                dist.all_reduce(torch.ones(3 + rank))  # the line
        optimizer.step()
        time.sleep(0.01)
dist.destroy_process_group()
"""


def line_of(how: str) -> int:
    """Return the line of the program at which rank 1 meets its end."""
    lines = PROGRAM.splitlines()
    where = next(number for number, line in enumerate(lines) if f'"{how}"' in line and line.startswith("    "))
    return next(number for number in range(where, len(lines)) if "# the line" in lines[number]) + 1


def command(folder: Path, how: str) -> list[str]:
    program = folder / "train.py"
    program.write_text(PROGRAM, "utf-8")
    ranks = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(program), how]
    return [sys.executable, "-m", "doctor", "watch", "--run-dir", str(folder / "run"), "--", *ranks]


def started(folder: Path, how: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        command(folder, how),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )


def found(folder: Path, how: str) -> dict[str, dict[str, Any]]:
    """Run the program to its end; return the findings by their check."""
    process = started(folder, how)
    try:
        process.communicate(timeout=300)
    finally:
        ended(process)
    return diagnosed(folder)


Standing = dict[str, tuple[Path, "subprocess.Popen[str]"]]


@pytest.fixture(scope="module", autouse=True)
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    """The runs that come to a standstill: begun first and asked last, for it takes half a minute to be certain of."""
    runs = {}
    for how in ("hang", "mismatch"):
        folder = tmp_path_factory.mktemp(how)
        runs[how] = folder, started(folder, how)
    yield runs
    for _, process in runs.values():
        ended(process)


def told(run: tuple[Path, "subprocess.Popen[str]"], check: str) -> str:
    """Wait until the finding is told, end the run then, and return the line."""
    _, process = run
    assert process.stderr
    try:
        return next((line for line in process.stderr if f"[{check}]" in line), "")
    finally:
        ended(process)


def ended(process: "subprocess.Popen[str]") -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def diagnosed(folder: Path) -> dict[str, dict[str, Any]]:
    report = json.loads((folder / "run" / "diagnosis.json").read_text("utf-8"))
    assert not [one for one in report["examinations"] if one["outcome"] == "crashed"]
    return {one["check"]: one for one in report["findings"]}


def test_an_exception_in_one_rank_is_the_cause_and_the_other_ranks_is_not(tmp_path: Path) -> None:
    findings = found(tmp_path, "exception")
    cause = findings["crash/exit-cause"]
    at = cause["at"]
    assert (1, 30, line_of("exception")) == (at["rank"], at["step"], at["line"])
    assert "KeyError" in cause["message"]
    assert findings["crash/launcher-cascade"]["evidence"]["victims"] == "0"


def test_a_killed_rank_is_named_and_nobody_is_blamed(tmp_path: Path) -> None:
    cause = found(tmp_path, "kill")["crash/exit-cause"]
    assert (cause["at"]["rank"], cause["at"]["step"], cause["evidence"]["kind"]) == (1, 30, "killed")
    assert "was not recorded" in cause["message"]


def test_a_segmentation_fault_is_told_with_the_line_that_called_native_code(tmp_path: Path) -> None:
    cause = found(tmp_path, "segfault")["crash/exit-cause"]
    assert (1, line_of("segfault")) == (cause["at"]["rank"], cause["at"]["line"])
    assert "SIGSEGV" in cause["message"]


def test_an_exit_without_an_exception_is_no_exception(tmp_path: Path) -> None:
    cause = found(tmp_path, "os_exit")["crash/exit-cause"]
    assert (cause["at"]["rank"], cause["evidence"]["kind"], cause["evidence"]["status"]) == (1, "exit", 3)
    assert "os._exit" in cause["message"]


def test_ranks_that_begin_with_other_weights_are_told_at_the_first_step(tmp_path: Path) -> None:
    desync = found(tmp_path, "desync")["distributed/rank-desync"]
    assert (desync["at"]["step"], desync["evidence"]["kind"]) == (1, "initial")


def test_ranks_without_a_sampler_get_the_same_data(tmp_path: Path) -> None:
    assert found(tmp_path, "same").keys() == {"distributed/same-data-on-ranks"}


def test_ranks_that_never_exchange_anything_train_apart(tmp_path: Path) -> None:
    assert found(tmp_path, "apart")["distributed/rank-desync"]["evidence"]["kind"] == "apart"


def test_two_ranks_in_order_are_healthy(tmp_path: Path) -> None:
    assert found(tmp_path, "none") == {}


def test_a_hang_is_told_while_it_lasts_with_rank_and_line(standing: Standing) -> None:
    line = told(standing["hang"], "distributed/hang")
    seconds = re.search(r"nothing has moved for (\d+) s: rank 1 ", line)
    assert seconds
    assert int(seconds[1]) < 60
    hang = diagnosed(standing["hang"][0])["distributed/hang"]["at"]
    assert (1, 30, line_of("hang")) == (hang["rank"], hang["step"], hang["line"])


def test_operations_that_do_not_match_are_laid_side_by_side(standing: Standing) -> None:
    assert told(standing["mismatch"], "distributed/collective-mismatch")
    mismatch = diagnosed(standing["mismatch"][0])["distributed/collective-mismatch"]
    assert line_of("mismatch") == mismatch["at"]["line"]
