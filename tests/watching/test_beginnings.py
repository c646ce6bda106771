"""A run that never gets to its first steps is told from one that takes its time."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from watched_commands import diagnosis, finished, launch, until

from doctor.subjects.run import open_run
from doctor.watching.activity import Activity, sleeps, use_of
from doctor.watching.beginnings import Beginning, Novice, is_launcher, unsettled
from doctor.watching.left_behind import LeftBehind
from doctor.watching.stalls import Stall
from doctor.watching.tail import Tail
from tests.watching.test_monitor import make_ring, put

WAITS = "import queue; queue.Queue().get()"
SLEEPS = "import time; time.sleep(600)"
COMPUTES = "while True: pass"
READS = "import time\nwhile True: open('/dev/zero', 'rb').read(1 << 20); time.sleep(0.05)"

NEVER_JOINS = """
import os, queue, torch, torch.distributed as dist

def load():
    return queue.Queue().get()  # the line

if os.environ["RANK"] == "1":
    load()
dist.init_process_group("gloo")
"""
NEVER_LOADS = """
import threading, torch
from torch.utils.data import DataLoader

lock = threading.Lock()
lock.acquire()

class Rows(torch.utils.data.Dataset):
    def __len__(self):
        return 64
    def __getitem__(self, row):
        lock.acquire()  # the line
        return torch.zeros(4)

model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), 0.1)
for batch in DataLoader(Rows(), batch_size=4):
    model(batch).mean().backward()
    optimizer.step()
"""
LEFT_BEHIND = """
import os, queue, time, torch, torch.distributed as dist

dist.init_process_group("gloo")
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), 0.01)
for step in range(10**6):
    if dist.get_rank() == 1 and step == 30:
        queue.Queue().get()  # the line
    optimizer.zero_grad()
    model(torch.randn(8, 4)).pow(2).mean().backward()
    optimizer.step()
    time.sleep(0.05)
"""


@contextmanager
def running(source: str) -> Iterator[int]:
    with subprocess.Popen([sys.executable, "-c", source], stdin=subprocess.DEVNULL) as process:
        try:
            yield process.pid
        finally:
            process.kill()


def at_rest(*pids: int, looks: int = 4) -> None:
    """Wait until processes were idle at several looks in succession."""
    activity, idle = Activity(), 0
    while idle < looks:
        idle = 0 if activity.busy(pids, time.monotonic()) else idle + 1
        time.sleep(0.2)


def test_waiting_is_told_from_work() -> None:
    with ExitStack() as stack:
        waits, sleeping, computes, reads = (
            stack.enter_context(running(source)) for source in (WAITS, SLEEPS, COMPUTES, READS)
        )
        at_rest(waits, sleeping)
        activity = Activity()
        for _ in range(8):
            busy = activity.busy([computes, reads], time.monotonic())
            assert busy == {computes, reads}
            time.sleep(0.2)
        assert sleeps(sleeping)
        assert not sleeps(waits)


def test_a_process_that_is_gone_has_used_nothing() -> None:
    with running("pass") as pid:
        pass
    assert use_of(pid) is None


def stalls(beginning: Beginning, tails: list[Tail], seconds: int = 60) -> list[Stall]:
    return [stall for second in range(seconds) if (stall := beginning.look(tails, float(second)))]


def test_a_process_that_imported_torch_and_waits_is_told_once(tmp_path: Path) -> None:
    with running(WAITS) as pid:
        at_rest(pid)
        (tmp_path / f"host-{pid}.stacks.txt").touch()
        (stall,) = stalls(Beginning(pid, tmp_path), [])
    assert 30 <= stall.seconds <= 32
    assert (stall.quiet, stall.processes[0]["pid"], stall.processes[0]["phase"]) == (True, pid, "starting")


def test_a_command_without_torch_may_wait_as_long_as_it_likes(tmp_path: Path) -> None:
    with running(WAITS) as pid:
        assert stalls(Beginning(pid, tmp_path), []) == []


def test_a_long_first_step_that_computes_is_no_standstill(tmp_path: Path) -> None:
    with running(COMPUTES) as pid:
        put(make_ring(tmp_path, pid=pid), 0)
        assert stalls(Beginning(pid, tmp_path), [Tail(tmp_path / f"host-{pid}.steps.ring")]) == []


def test_launchers_only_wait_for_those_that_they_start() -> None:
    with running("import time; time.sleep(60)") as plain:
        assert not is_launcher(plain)
    command = [sys.executable, "-c", "import time; time.sleep(60)", "torch.distributed.run"]
    with subprocess.Popen(command) as process:
        until(lambda: is_launcher(process.pid), 20)
        process.kill()


def test_a_run_is_settled_once_a_process_has_ended_some_steps(tmp_path: Path) -> None:
    ring = make_ring(tmp_path)
    tail = Tail(tmp_path / "host-1.steps.ring")
    assert unsettled([])
    put(ring, 3)
    assert unsettled([tail])
    put(ring, 4)
    assert not unsettled([tail])


def test_a_rank_that_has_a_launchers_number_is_known_by_it() -> None:
    facts = Novice(pid=0, rank=3, world=8, local_world=4).facts()
    assert (facts["rank"], facts["world"], facts["local_world"], facts["step"]) == (3, 8, 4, 1)


def test_a_rank_that_stands_still_while_another_goes_on_is_left_behind(tmp_path: Path) -> None:
    with running(WAITS) as still, running(COMPUTES) as moving:
        at_rest(still)
        put(make_ring(tmp_path, 1, still), 9)
        other = make_ring(tmp_path, 0, moving)
        tails = [Tail(tmp_path / f"host-{pid}.steps.ring") for pid in (moving, still)]
        behind, told = LeftBehind(), []
        for second in range(90):
            put(other, 10 + second)
            told += [(second, facts["rank"]) for _, facts in behind.look(tails, float(second))]
    assert [rank for _, rank in told] == [1]
    assert 50 <= told[0][0] <= 60


@pytest.mark.parametrize("phase", ["evaluation", "checkpoint", "finished"])
def test_a_rank_that_does_something_else_is_not_left_behind(tmp_path: Path, phase: str) -> None:
    with running(WAITS) as still:
        at_rest(still)
        put(make_ring(tmp_path, 1, still), 9, phase)
        other = make_ring(tmp_path, 0, 2)
        tails = [Tail(tmp_path / f"host-{pid}.steps.ring") for pid in (2, still)]
        behind = LeftBehind()
        for second in range(90):
            put(other, 10 + second)
            assert behind.look(tails, float(second)) == []


TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


@pytest.mark.slow
def test_what_never_begins_is_told_within_a_minute_with_its_line(tmp_path: Path) -> None:
    """Three real runs side by side: a rank that never joins, a batch that never comes, a rank that stops alone."""
    pytest.importorskip("torch", reason="torch is not installed")
    programs = {"joins": (NEVER_JOINS, TORCHRUN), "loads": (NEVER_LOADS, []), "behind": (LEFT_BEHIND, TORCHRUN)}
    runs, told = {}, {}
    with ExitStack() as stack:
        for name, (source, words) in programs.items():
            folder = tmp_path / name
            folder.mkdir()
            (folder / "train.py").write_text(source, "utf-8")
            runs[name] = launch(folder, "--run-dir", "run", "--", sys.executable, *words, "train.py")
            stack.callback(runs[name].kill)
        for name, process in runs.items():
            assert process.stderr
            told[name] = next((line for line in process.stderr if "[distributed/hang]" in line), "")
        for process in runs.values():
            process.terminate()
        for process in runs.values():
            finished(process)
    assert all(told.values())
    for name in ("joins", "loads"):
        (stalled,) = [event for event in open_run(tmp_path / name / "run").events if event.kind == "stalled"]
        assert stalled.facts["seconds"] < 60  # when it was seen; on a busy machine the words may come later
    found = {
        name: next(one for one in diagnosis(tmp_path / name)["findings"] if one["check"] == "distributed/hang")
        for name in programs
    }
    kinds = {name: one["evidence"]["kind"] for name, one in found.items()}
    assert kinds == {"joins": "one before", "loads": "alone before", "behind": "behind"}
    assert (found["joins"]["at"]["rank"], found["joins"]["evidence"]["waiting"]) == (1, "0")
    assert found["behind"]["at"]["rank"] == 1
    for name, (source, _) in programs.items():
        line = next(number for number, text in enumerate(source.splitlines(), 1) if "# the line" in text)
        assert line == found[name]["at"]["line"]
