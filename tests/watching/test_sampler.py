import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from doctor.watching.cgroup import MemoryGroup
from doctor.watching.process_tree import SAMPLES_BETWEEN_SCANS
from doctor.watching.sampler import Sampler

PARENT = """
import multiprocessing, subprocess, sys, time
kept = bytearray(b"x") * 30_000_000
if __name__ == "__main__":
    for _ in range(3):
        multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,), daemon=True).start()
    other = subprocess.Popen(["sleep", "60"])
    print("ready", flush=True)
    sys.stdin.readline()
    other.kill()
"""


@pytest.fixture
def tree() -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdin
        assert process.stdout.readline() == "ready\n"
        yield process
        process.stdin.close()


def test_main_workers_and_others_are_told_apart(tree: "subprocess.Popen[str]", tmp_path: Path) -> None:
    sampler = Sampler(tree.pid, tmp_path)
    values = sampler.sample()
    assert values["main_processes"] == 1
    assert values["workers_processes"] == 3
    assert values["others_processes"] == 1
    assert values["main_anonymous"] > 30_000_000
    # Forked memory is resident in every worker and private to none.
    assert values["workers_anonymous"] > 3 * 30_000_000
    assert values["workers_uss"] < 30_000_000
    assert set(values) <= set(sampler.fields)


def test_recording_processes_are_the_ranks(tmp_path: Path) -> None:
    here = os.getpid()
    child = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(30,))
    child.start()
    try:
        for pid in (here, child.pid):
            (tmp_path / f"host-{pid}.steps.ring").touch()
        values = Sampler(here, tmp_path).sample()
        assert values["main_processes"] == values["ranks_processes"] == 1
    finally:
        child.kill()
        child.join()


def test_processes_that_vanish_leave_the_rest(tree: "subprocess.Popen[str]", tmp_path: Path) -> None:
    sampler = Sampler(tree.pid, tmp_path)
    before = sampler.sample()["cpu_seconds"]
    tree.kill()
    tree.wait()
    for _ in range(SAMPLES_BETWEEN_SCANS + 1):
        values = sampler.sample()
    assert values["main_processes"] == 0
    assert values["cpu_seconds"] >= before
    assert values["host_total_bytes"] > 0


def test_a_tree_that_never_was_is_no_fault(tmp_path: Path) -> None:
    values = Sampler(2**22 + 1, tmp_path).sample()
    assert values["main_processes"] == 0


def group(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_", ".", 1)).write_text(text)


def test_the_tightest_limit_around_a_process_counts(tmp_path: Path) -> None:
    root = tmp_path / "cgroup"
    group(root / "job", memory_current="500\n", memory_max="1000\n", memory_stat="anon 300\ninactive_file 150\n")
    group(root / "job" / "step", memory_current="400\n", memory_max="max\n", memory_events="oom_kill 1\n")
    (tmp_path / "proc" / "7").mkdir(parents=True)
    (tmp_path / "proc" / "7" / "cgroup").write_text("0::/job/step\n")
    found = MemoryGroup.of(7, tmp_path / "proc", root)
    assert found == MemoryGroup(root / "job", 2)
    assert found.sample() == {
        "cgroup_bytes": 500.0,
        "cgroup_unreclaimable_bytes": 350.0,
        "cgroup_limit_bytes": 1000.0,
    }


def test_version_one_without_a_limit_says_none(tmp_path: Path) -> None:
    root = tmp_path / "cgroup"
    group(root / "memory" / "a", memory_usage_in_bytes="700\n", memory_limit_in_bytes="9223372036854771712\n")
    group(root / "memory" / "a", memory_oom_control="oom_kill_disable 0\noom_kill 3\n")
    (tmp_path / "proc" / "7").mkdir(parents=True)
    (tmp_path / "proc" / "7" / "cgroup").write_text("4:memory:/a\n0::/\n")
    found = MemoryGroup.of(7, tmp_path / "proc", root)
    assert found
    assert found.limit is None
    assert found.sample()["cgroup_oom_kills"] == 3
