"""What the monitor costs: processor seconds per minute watched, for one and for several recording processes.

`python -m bench.monitor_cost [--minutes M] [--processes 1 8]` starts processes that record twenty steps per second as
a training does, watches them with `doctor watch`, and reads the processor time of the doctor process alone before and
after; what the start takes is shown by itself.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DOCTOR = Path(sys.executable).parent / "doctor"
SETTLE_SECONDS = 15.0
PROGRAM = """
import math, os, sys, time
for rank in range(1, int(sys.argv[1])):
    if os.fork() == 0:
        os.environ["RANK"] = str(rank)
        os.execv(sys.executable, [sys.executable, sys.argv[0], "0"])
probe = sys.modules["doctor_probe"].session.current
step = 0
while os.path.exists("go"):
    step += 1
    probe.enter("backward")
    time.sleep(0.05)
    probe.finish_step(0, {"loss": math.exp(-step / 500), "step_seconds": 0.05, "grad_norm": 1.0, "learning_rate": 1e-3})
"""


def processor_seconds(pid: int) -> float:
    """Return user and system time of one process."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(processes: int, minutes: float, folder: Path) -> tuple[float, float]:
    """Return processor seconds for the start and per minute watched."""
    (folder / "train.py").write_text(PROGRAM)
    (folder / "go").touch()
    command = [sys.executable, "train.py", str(processes)]
    watch = subprocess.Popen(
        [DOCTOR, "watch", "--run-dir", "run", "--", *command],
        cwd=folder,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    time.sleep(SETTLE_SECONDS)
    started, begin = processor_seconds(watch.pid), time.monotonic()
    time.sleep(60 * minutes)
    watched = processor_seconds(watch.pid) - started
    took = time.monotonic() - begin
    (folder / "go").unlink()
    watch.wait()
    return started, 60 * watched / took


def main() -> None:
    """Print a line per number of processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 8])
    options = parser.parse_args()
    print("recording processes | start, s | per minute watched, s | share of one processor")
    for processes in options.processes:
        with tempfile.TemporaryDirectory() as folder:
            start, minute = measure(processes, options.minutes, Path(folder))
        print(f"{processes:19} | {start:8.2f} | {minute:21.2f} | {minute / 60:.2%}", flush=True)


if __name__ == "__main__":
    main()
