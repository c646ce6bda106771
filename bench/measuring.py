"""Runs commands in fresh processes and measures them: wall time, largest resident memory, and the machine."""

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Command = Sequence[str]
MIB = 1 << 20
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""That of measured commands: as for most users, modules are compiled once, in the round that does not count."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One finished process.

    Attributes
    ----------
    seconds, cpu_seconds : float
        By the clock, and computed on all cores; the second is steadier where others use the machine.
    process_mib : float
        Largest resident set of any single process of the tree, as the kernel counts it (wait4).
    """

    seconds: float
    cpu_seconds: float
    process_mib: float
    status: int
    output: str


def run(command: Command, *, allowed: Iterable[int] = (0,)) -> Run:
    """Run a command to its end.

    Raises
    ------
    RuntimeError
        When it ends with another status than the allowed ones.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        begin = time.perf_counter()
        process = subprocess.Popen(list(command), stdout=output, stderr=errors, env=ENVIRONMENT)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        if process.returncode not in allowed:
            raise RuntimeError(f"{' '.join(command)}: status {process.returncode}: {errors.read().decode()[-2000:]}")
        # Linux counts ru_maxrss in KiB.
        return Run(
            seconds=seconds,
            cpu_seconds=used.ru_utime + used.ru_stime,
            process_mib=used.ru_maxrss * 1024 / MIB,
            status=process.returncode,
            output=output.read().decode(),
        )


def interleaved(commands: Mapping[str, Command], rounds: int, *, allowed: Iterable[int] = (0,)) -> dict[str, list[Run]]:
    """Run every command once per round, in turn, after one round that does not count and warms the file cache."""
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            done = run(command, allowed=allowed)
            if number:
                runs[name].append(done)
    return runs


def median(runs: Iterable[Run]) -> float:
    """Return the median wall time in seconds."""
    return statistics.median(run.seconds for run in runs)


def median_cpu(runs: Iterable[Run]) -> float:
    """Return the median computing time in seconds."""
    return statistics.median(run.cpu_seconds for run in runs)


def tree_peak(command: Command, *, allowed: Iterable[int] = (0,), every_seconds: float = 0.02) -> float:
    """Return the largest sum of resident memory over a whole process tree, in MiB, sampled from /proc."""
    nowhere = subprocess.DEVNULL
    process = subprocess.Popen(list(command), stdout=nowhere, stderr=nowhere, env=ENVIRONMENT)
    peak = 0
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(every_seconds):
            peak = max(peak, sum(map(_resident, _tree(process.pid))))

    watcher = threading.Thread(target=watch)
    watcher.start()
    status = process.wait()
    done.set()
    watcher.join()
    if status not in allowed:
        raise RuntimeError(f"{' '.join(command)}: status {status}")
    return peak / MIB


def _tree(pid: int) -> list[int]:
    try:
        tasks = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return [pid]
    return [pid, *(p for text in tasks for child in text.split() for p in _tree(int(child)))]


def _resident(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def machine() -> str:
    """Describe the machine without naming it."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / (1 << 30)
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores, {memory:.0f} GiB memory, {platform.system()}, Python {platform.python_version()}"


def python(*arguments: str) -> list[str]:
    """Return the command that runs this very Python."""
    return [sys.executable, *arguments]
