"""A process that runs already is watched without harm, and let go."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from watched_commands import STEPS, TORCH, diagnosis, finished, launch, recorder, run_facts, start, until

from doctor.watching.attach import Idle
from doctor.watching.folder import RunFolder
from doctor.watching.inject import gdb_fails

PLAIN = "import sys, time\nfor _ in range(10**6): time.sleep(0.05)\n"
FOREVER = STEPS + "while True: step()\n"


def running(folder: Path, program: str) -> "subprocess.Popen[str]":
    (folder / "plain.py").write_text(program)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "plain.py"], cwd=folder, env=environment, text=True)


def test_letting_go_leaves_the_process_alone(tmp_path: Path) -> None:
    process = running(tmp_path, PLAIN)
    try:
        watch = launch(tmp_path, "--pid", process.pid, "--run-dir", "run")
        until(lambda: (tmp_path / "run" / "machine.samples.ring").exists())
        time.sleep(3)
        watch.send_signal(signal.SIGINT)
        status, _, said = finished(watch)
        assert status == 0
        assert f"let go of process {process.pid}, which goes on" in said
        assert "seen from outside only" in said
        assert process.poll() is None
        titles = [chart["title"] for chart in diagnosis(tmp_path)["charts"]]
        assert titles == ["Memory"]
    finally:
        process.kill()
        process.wait()


def test_the_watch_ends_with_the_process_and_makes_no_alarm_of_an_end_it_did_not_see(tmp_path: Path) -> None:
    process = running(tmp_path, "import time; time.sleep(12)\n")
    watch = launch(tmp_path, "--pid", process.pid, "--run-dir", "run")
    process.wait()
    status, _, said = finished(watch)
    assert status == 0
    assert "cannot tell: no training step was recorded" in said
    assert diagnosis(tmp_path)["findings"] == []
    assert json.loads((tmp_path / "run" / "end.json").read_text())["ended"]


def test_a_watched_process_is_looked_on_at_where_its_record_is(tmp_path: Path) -> None:
    first = start(tmp_path, program=FOREVER)
    pid = until(lambda: recorder(tmp_path))
    second = launch(tmp_path, "--pid", pid)
    assert second.stderr is not None
    assert "is watched already; looking on in" in second.stderr.readline()
    os.kill(pid, signal.SIGTERM)
    assert finished(second)[0] == 0
    assert finished(first)[0] == 128 + signal.SIGTERM
    assert not list((tmp_path / "run").glob("run@*"))


def test_the_run_of_a_dead_monitor_is_gone_on_with(tmp_path: Path) -> None:
    first = start(tmp_path, program=STEPS + "for _ in range(240): step(seconds=0.05)\n", stdout=None, stderr=None)
    pid = until(lambda: recorder(tmp_path))
    first.kill()
    first.wait()
    status, _, said = finished(launch(tmp_path, "--pid", pid))
    assert status == 0
    assert "was watched by a doctor that is gone; going on in" in said
    facts = run_facts(diagnosis(tmp_path))
    assert facts["steps"] == 240
    assert not facts["running"]


def test_the_probe_is_brought_in_where_gdb_can_and_the_process_is_unharmed_where_not(tmp_path: Path) -> None:
    process = running(tmp_path, TORCH + "import time\nfor _ in range(600): step(); time.sleep(0.05)\n")
    time.sleep(5)
    status, _, said = finished(launch(tmp_path, "--pid", process.pid, "--run-dir", "run", "--inject"))
    assert process.wait() == 0
    assert status == 0
    gdb = shutil.which("gdb")
    if gdb is not None and gdb_fails(gdb) is None:
        assert f"the probe is in process {process.pid}" in said
        assert run_facts(diagnosis(tmp_path))["steps"] > 10
    else:
        assert f"the probe did not get into process {process.pid}: gdb " in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--pid", "999999999"], "doctor: --pid 999999999: there is no such process"),
        (["--pid", "1", "--", "true"], "name a command"),
        ([], "name a command"),
        (["--inject", "--", "true"], "--inject goes with --pid N"),
    ],
)
def test_wrong_use_is_one_line(tmp_path: Path, words: list[str], said: str) -> None:
    status, _, told = finished(launch(tmp_path, *words))
    assert status == 2
    assert said in told


class Stacks:
    def __init__(self, path: Path) -> None:
        self.path, self.asked = path, 0

    def __call__(self, pid: int, folder: RunFolder) -> Path:
        self.asked += 1
        return self.path


@pytest.mark.parametrize(
    ("sample", "idle"),
    [
        (lambda second: {"cpu_seconds": 50.0}, 1),
        (lambda second: {"cpu_seconds": 50.0 + 0.5 * second}, 0),
        (lambda second: {"cpu_seconds": 50.0, "gpu0_busy_share": 0.9}, 0),
        (lambda second: {}, 0),
    ],
)
def test_a_process_that_computes_nothing_for_a_minute_is_told_once(tmp_path: Path, sample: Any, idle: int) -> None:
    stacks = Stacks(tmp_path / "stacks.txt")
    watcher = Idle(1, RunFolder(tmp_path / "run", {}), stacks)
    assert sum(watcher.look(sample(second), float(second)) for second in range(300)) == idle
    assert stacks.asked == idle
