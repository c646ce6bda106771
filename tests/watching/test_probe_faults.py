"""Whatever happens to the probe, the training goes on; whatever happens to the training, what was recorded is there."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.kill9 import killed
from doctor.subjects.ring_file import read_ring
from doctor.subjects.run import open_run
from tests.watching.conftest import PROGRAMS, Watched, environment, only_process

SPOILED = """
import sys, runpy, torch
from doctor_probe.gradients import Gradients
def take(self, parameters):
    raise ValueError("spoiled")
Gradients.take = take
sys.argv = ["kinds.py", "plain"]
runpy.run_path(%r)
"""
LIMITED = """
import resource, sys, runpy
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))
sys.argv = ["kinds.py", "plain"]
runpy.run_path(%r)
"""


def test_a_fault_of_the_probe_is_swallowed_and_told_once(watched: Watched, tmp_path: Path) -> None:
    done = watched(SPOILED % str(PROGRAMS / "kinds.py"), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == watched("kinds.py", "plain", folder=None).stdout
    (process,) = open_run(tmp_path).processes
    faults = [event.facts for event in process.events if event.kind == "probe_fault"]
    assert [(fault["type"], fault["message"]) for fault in faults] == [("ValueError", "spoiled")]
    assert len(process.series["loss"]) >= 20  # what a fault does not concern is still recorded


def test_a_run_folder_in_which_nothing_can_be_made_stops_nobody(watched: Watched, tmp_path: Path) -> None:
    done = watched("kinds.py", "plain", folder=Path("/proc"))
    assert done.returncode == 0
    assert done.stdout == watched("kinds.py", "plain", folder=None).stdout
    assert re.fullmatch(r"doctor: the run is not watched: /proc: .+\n", done.stderr)


def test_a_full_disk_stops_nobody(watched: Watched, tmp_path: Path) -> None:
    done = watched(LIMITED % str(PROGRAMS / "kinds.py"), folder=tmp_path)
    assert done.returncode == 0
    assert done.stdout == watched("kinds.py", "plain", folder=None).stdout
    assert done.stderr.count("the run is not watched") == 1
    assert not list(tmp_path.glob("*.ring"))  # half a file would be read as a damaged one


@pytest.mark.parametrize("option", ["-S", "-I", "-E"])
def test_an_interpreter_that_takes_no_probe_along_runs_unwatched(watched: Watched, tmp_path: Path, option: str) -> None:
    done = watched("print('done')", folder=tmp_path, options=(option,))
    assert (done.stdout, done.stderr, done.returncode) == ("done\n", "", 0)


def test_another_sitecustomize_still_runs(watched: Watched, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "sitecustomize.py").write_text("import sys\nsys.hello = __file__\n")
    both = os.pathsep.join((environment(tmp_path)["PYTHONPATH"], str(own)))
    done = watched("import sys; print(sys.hello, 'doctor_probe' in sys.modules)", folder=tmp_path, PYTHONPATH=both)
    assert done.stdout.split() == [str(own / "sitecustomize.py"), "True"]


def test_without_torch_nothing_is_left_behind(watched: Watched, tmp_path: Path) -> None:
    assert watched("import json", folder=tmp_path).returncode == 0
    assert not list(tmp_path.glob("*-*.*"))


def test_torch_that_is_imported_late_is_watched(watched: Watched, tmp_path: Path) -> None:
    source = "import json, sys, runpy\nsys.argv = ['kinds.py', 'closures']\nrunpy.run_path(%r)"
    assert watched(source % str(PROGRAMS / "kinds.py"), folder=tmp_path).returncode == 0
    assert len(only_process(tmp_path).series["loss"]) == 5


def test_an_exception_is_written_down_with_its_lines(watched: Watched, tmp_path: Path) -> None:
    source = (
        "import torch\nweight = torch.ones(2, requires_grad=True)\nweight.sum().backward()\nweight @ torch.ones(3)\n"
    )
    done = watched(source, folder=tmp_path)
    assert done.returncode == 1
    assert "RuntimeError" in done.stderr
    (exception,) = (event.facts for event in only_process(tmp_path).events if event.kind == "exception")
    assert exception["type"] == "RuntimeError"
    assert exception["frames"][-1]["line"] == 4


def test_stacks_are_kept_at_a_fatal_signal(watched: Watched, tmp_path: Path) -> None:
    done = watched(
        "import torch, ctypes\ntorch.ones(1, requires_grad=True).sum().backward()\nctypes.string_at(0)", folder=tmp_path
    )
    assert done.returncode == -signal.SIGSEGV
    assert "Segmentation fault" in only_process(tmp_path).stacks


@pytest.mark.parametrize("moment", [0.003, 0.057, 0.211])
def test_what_was_recorded_outlives_a_kill(tmp_path: Path, moment: float) -> None:
    one = killed(tmp_path, moment)
    assert one.step - 1 <= one.recorded_step <= one.step
    assert one.recorded_phase in one.phases


def test_a_hung_process_writes_its_stacks_on_a_signal(tmp_path: Path) -> None:
    source = (
        "import torch, time\ntorch.ones(1, requires_grad=True).backward()\nprint('ready', flush=True)\ntime.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", source], env=environment(tmp_path), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (about,) = (e.facts for e in open_run(tmp_path).processes[0].events if e.kind == "process")
        time.sleep(1)
        process.send_signal(about["stacks_signal"])
        for _ in range(100):
            time.sleep(0.05)
            if open_run(tmp_path).processes[0].stacks:
                break
        process.kill()
    assert 'File "<string>", line 4' in open_run(tmp_path).processes[0].stacks


def test_rings_of_a_run_are_read_while_it_runs(watched: Watched, tmp_path: Path) -> None:
    watched("kinds.py", "plain", folder=tmp_path)
    (path,) = tmp_path.glob("*.steps.ring")
    assert read_ring(path).numbers.tolist() == list(range(1, 26))
