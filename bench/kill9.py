"""Kills a watched training with SIGKILL at random moments, and compares what was recorded with where it truly was.

Prints in how many of the kills the last recorded step is at most one behind and the phase is the true one. The
training says where it is in a memory-mapped file of its own, which outlives it as well. Between the line in which it
says so and the function of torch that the probe hears of lie microseconds, on a busy machine milliseconds: killed there
it is on the way from one phase to the next, and either is right.
"""

import argparse
import os
import random
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import doctor.watching
from doctor.subjects.run import open_run

SITE = Path(doctor.watching.__file__).with_name("site")
PHASES = ("starting", "data", "forward", "backward", "optimizer")
PROGRAM = """
import mmap, os, struct, sys, time, torch
from torch import nn
from torch.utils.data import DataLoader
where = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.ftruncate(where, 4096)
page = mmap.mmap(where, 4096)
def at(phase, took):
    page[:24] = struct.pack("=qqq", step, phase, phase)
    time.sleep(took)
def between(before, after):
    page[:24] = struct.pack("=qqq", step, before, after)
class Rows(torch.utils.data.Dataset):
    def __len__(self):
        return 1 << 30
    def __getitem__(self, row):
        if row % 8 == 0:
            at(1, 0.004)
        if row % 8 == 7:
            between(1, 2)
        return torch.randn(4)
def in_backward(gradient):
    at(3, 0.004)
    between(3, 2)
def in_step(*_):
    at(4, 0.004)
    between(4, 2)
model = nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
model.weight.register_hook(in_backward)
optimizer.register_step_pre_hook(in_step)
step = 1
for batch in DataLoader(Rows(), batch_size=8):
    at(2, 0.004)
    loss = model(batch).pow(2).mean()
    between(2, 3)
    loss.backward()
    between(2, 4)
    optimizer.step()
    step += 1
    at(2, 0.002)
    optimizer.zero_grad()
    between(2, 1)
"""


@dataclass(frozen=True, kw_only=True)
class Killed:
    """Where a training was when it was killed, and what was recorded.

    Attributes
    ----------
    phases : tuple of str
        The true one; both where it was on the way from one to the next, as in the lines of torch between them.
    """

    step: int
    phases: tuple[str, ...]
    recorded_step: int
    recorded_phase: str

    @property
    def right(self) -> bool:
        """Whether the record is at most one step behind and has the phase right."""
        return self.step - 1 <= self.recorded_step <= self.step and self.recorded_phase in self.phases


def killed(folder: Path, moment: float) -> Killed:
    """Kill one training `moment` seconds after its third step."""
    progress = folder / "progress"
    environment = os.environ | {"PYTHONPATH": str(SITE), "DOCTOR_RUN_DIR": str(folder), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen([sys.executable, "-c", PROGRAM, str(progress)], env=environment) as process:
        while not (
            progress.exists() and progress.stat().st_size and struct.unpack("=q", progress.read_bytes()[:8])[0] > 3
        ):
            if process.poll() is not None:
                raise RuntimeError("the training ended by itself")
            time.sleep(0.02)
        time.sleep(moment)
        process.kill()
    step, *places = struct.unpack("=qqq", progress.read_bytes()[:24])
    (recorded,) = open_run(folder).processes
    return Killed(
        step=step,
        phases=tuple(dict.fromkeys(PHASES[place] for place in places)),
        recorded_step=int(recorded.series["loss"].steps[-1]),
        recorded_phase=recorded.phase,
    )


def main() -> None:
    """Kill as often as asked for, and print the count."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    moments = random.Random(options.seed)
    right = certain = 0
    for number in range(options.kills):
        with tempfile.TemporaryDirectory() as folder:
            one = killed(Path(folder), moments.uniform(0, 1.5))
        right += one.right
        certain += len(one.phases) == 1
        truly = "/".join(one.phases)
        verdict = "" if one.right else "WRONG"
        recorded = f"{one.recorded_step:4} {one.recorded_phase:10}"
        print(f"{number + 1:3}  truly {one.step:4} {truly:20} recorded {recorded} {verdict}", flush=True)
    print(f"{right} of {options.kills}; {certain} within a phase, the others on the way from one to the next")


if __name__ == "__main__":
    main()
