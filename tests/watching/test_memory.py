"""Real runs whose memory grows, settles or runs out."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from watched_commands import diagnosis, finished, launch

from doctor.watching.sampler import Sampler

TRAIN = """
import functools, resource, sys, time
import numpy, torch
torch.manual_seed(0)
SECONDS, BYTES = {seconds}, 60_000
model = torch.nn.Linear(64, 64)
optimizer = torch.optim.SGD(model.parameters(), 1e-3)
history, cache, total = [], {{}}, torch.zeros(())
begin, step = time.time(), 0
while time.time() - begin < SECONDS:
    step += 1
    loss = model(torch.randn(8, 64)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    {fault}
    time.sleep(max(0, begin + step / 50 - time.time()))
"""

Watch = Callable[..., dict[str, Any]]


@pytest.fixture
def watch(doctor: Callable[..., Any], tmp_path: Path) -> Watch:
    """Write a program, watch it, return the report."""

    def run(program: str, status: int = 0, **environment: str) -> dict[str, Any]:
        (tmp_path / "train.py").write_text(program, "utf-8")
        done = doctor(
            "watch",
            "--run-dir",
            "run",
            "--",
            sys.executable,
            "train.py",
            cwd=tmp_path,
            OMP_NUM_THREADS="1",
            **environment,
        )
        assert done.returncode == status, done.stderr
        report: dict[str, Any] = json.loads((tmp_path / "run" / "diagnosis.json").read_text("utf-8"))
        assert not [one for one in report["examinations"] if one["outcome"] == "crashed"]
        return report

    return run


def of(report: dict[str, Any], check: str) -> list[dict[str, Any]]:
    return [finding for finding in report["findings"] if finding["check"] == check]


def line_of(program: str, text: str) -> int:
    return next(number for number, line in enumerate(program.splitlines(), 1) if text in line)


GROWING = {
    "held": "history.append(torch.zeros(BYTES // 4))",
    "graph": "total = total + model(torch.randn(64, 64)).square().mean()",
    "settles": "cache[step % 1000] = bytes(BYTES)",
}
SECONDS = 85


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The reports of three trainings side by side: they are looked at for as long, and each by itself does little."""
    folders = {kind: tmp_path_factory.mktemp(kind) for kind in GROWING}
    running = []
    for kind, folder in folders.items():
        (folder / "train.py").write_text(TRAIN.format(seconds=SECONDS, fault=GROWING[kind]), "utf-8")
        running.append(launch(folder, "--run-dir", "run", "--", sys.executable, "train.py"))
    for process in running:
        status, _, told = finished(process)
        assert status == 0, told
    return {kind: diagnosis(folder) for kind, folder in folders.items()}


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), [("held", "history"), ("graph", "total")])
def test_a_leak_is_found_within_90_seconds_and_its_holder_named(
    grown: dict[str, dict[str, Any]], kind: str, name: str
) -> None:
    (finding,) = of(grown[kind], "memory/host-leak")
    assert finding["evidence"]["kind"] == kind
    assert finding["evidence"]["name"] == name
    program = TRAIN.format(seconds=SECONDS, fault=GROWING[kind])
    assert finding["at"]["line"] == line_of(program, GROWING[kind])


@pytest.mark.slow
def test_a_cache_that_fills_up_is_no_leak(grown: dict[str, dict[str, Any]]) -> None:
    assert not of(grown["settles"], "memory/host-leak")


OOM = """
import resource, torch
model = torch.nn.Sequential(*[torch.nn.Linear(512, 512) for _ in range(8)])
optimizer = torch.optim.AdamW(model.parameters())
loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.randn(8 * {rows}, 512)), batch_size={rows})
pages = int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (4096 * pages + 150_000_000,) * 2)
for (batch,) in loader:
    loss = model(batch).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


@pytest.mark.slow
def test_a_shortage_comes_with_a_receipt_and_a_change_that_fits(watch: Watch) -> None:
    exact = {"MALLOC_ARENA_MAX": "1", "MALLOC_TRIM_THRESHOLD_": "0"}
    (finding,) = of(watch(OOM.format(rows=8192), status=1, **exact), "memory/oom-culprit")
    evidence = finding["evidence"]
    assert evidence["kind"] == "receipt"
    assert evidence["activations_mb"] > evidence["parameters_mb"] > 8
    categories = ("parameters", "gradients", "optimizer", "buffers", "activations", "other")
    assert sum(evidence[f"{name}_mb"] for name in categories) == pytest.approx(evidence["peak_mb"], rel=0.15)
    assert evidence["needed_after_bytes"] < 1e6 * evidence["limit_mb"]
    assert "micro-batches" in finding["repair"]["summary"]


COPYING = """
import sys, time
import torch
class Samples(torch.utils.data.Dataset):
    def __init__(self): self.items = [[float(i)] for i in range(600_000)]
    def __len__(self): return len(self.items)
    def __getitem__(self, index): return self.items[index][0]
if __name__ == "__main__":
    loader = torch.utils.data.DataLoader(Samples(), batch_size=2000, shuffle=True, num_workers=2)
    for batch in loader:
        print("batch", flush=True)
        time.sleep(0.15)
"""


@pytest.mark.slow
def test_workers_that_copy_what_they_share_grow_in_private_memory_alone(tmp_path: Path) -> None:
    import subprocess

    (tmp_path / "load.py").write_text(COPYING, "utf-8")
    with subprocess.Popen([sys.executable, "load.py"], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        process.stdout.readline()
        samples = list(_sampled(Sampler(process.pid, tmp_path), process))
    both = [sample for sample in samples if "workers_uss" in sample and sample["workers_processes"] == 2]
    first, last = both[0], both[-1]
    private = last["workers_uss"] - first["workers_uss"]
    whole = last["workers_anonymous"] - first["workers_anonymous"]
    assert private > 20e6
    assert whole < 0.3 * private


def _sampled(sampler: Sampler, process: Any) -> Iterator[dict[str, float]]:
    while process.poll() is None and process.stdout.readline():
        yield sampler.sample()
        time.sleep(0.01)
