"""What is known of a command's end, asked of real processes."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from doctor.watching import triage

PARENT = """
import subprocess, sys, time
def child(code):
    code = "import os, sys; sys.stdin.read(); " + code
    return subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
children = [child("os._exit(7)"), child("os.kill(os.getpid(), 9)"), child("pass")]
print(*[one.pid for one in children], flush=True)
sys.stdin.readline()
for one in children:
    one.stdin.close()
    time.sleep(0.5)
print(*[one.wait() for one in children], flush=True)
"""


def test_a_status_is_a_status_and_a_signal_a_signal(tmp_path: Path) -> None:
    for code, status, number, name in (("exit(3)", 3, None, None), ("os.kill(os.getpid(), 15)", 143, 15, "SIGTERM")):
        process = subprocess.Popen([sys.executable, "-c", f"import os; {code}"])
        noted = triage.before(tmp_path, process.pid)
        end = triage.facts(noted, process.wait())
        assert (status, number, name) == (end["status"], end["signal"], end["signal_name"])


def test_the_exit_codes_of_descendants_are_learned_though_their_parent_collects_them(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin
    assert process.stdout
    noted = triage.before(tmp_path, process.pid)
    children = list(map(int, process.stdout.readline().split()))
    noted.look()
    process.stdin.write("\n")
    process.stdin.flush()
    while process.poll() is None:  # a zombie shows its code only until its parent has collected it
        noted.look()
        time.sleep(0.02)
    process.stdout.close()
    process.stdin.close()
    end = triage.facts(noted, process.wait())
    assert [end["exits"][str(child)] for child in children] == [7, -9, 0]
    assert set(children) < set(end["pids"])


def test_what_doctor_passed_on_is_remembered(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    noted = triage.before(tmp_path, process.pid)
    noted.asked_to_end(signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    assert triage.facts(noted, process.wait())["sent"] == [15]


def test_only_lines_of_the_kernel_about_these_processes_are_kept() -> None:
    killed = "Out of memory: Killed process 4242 (python) total-vm:1kB"
    assert triage.concerns(killed, {4242})
    assert not triage.concerns(killed, {424})
    assert not triage.concerns("EXT4-fs (sda1): mounted filesystem 4242", {4242})
    assert triage.concerns("NVRM: Xid (PCI:0000:01:00): 79, pid='<unknown>', GPU has fallen off the bus", set())


def test_the_memory_limit_is_the_narrowest_of_all_groups_above(tmp_path: Path) -> None:
    inner, outer = tmp_path / "outer" / "inner", tmp_path / "outer"
    inner.mkdir(parents=True)
    (inner / "memory.max").write_text("max\n")
    (outer / "memory.max").write_text("1048576\n")
    (inner / "memory.events").write_text("low 0\noom 1\noom_kill 3\n")
    assert triage._memory_limit((inner, outer)) == 1048576
    assert triage._oom_kills((inner, outer)) == 3
    assert triage._oom_kills((outer,)) is None
