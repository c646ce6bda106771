"""Kills a watched training with SIGKILL at random moments, and compares what was recorded with where it truly was.

Prints in how many of the kills the last recorded step is at most one behind and the phase is the true one. The training
says where it is in a memory-mapped file of its own, which outlives it as well.
"""

import argparse
import os
import random
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import doctor.watching
from doctor.subjects.run import open_run

SITE = Path(doctor.watching.__file__).with_name("site")
PHASES = ("starting", "data", "forward", "backward", "optimizer")
PROGRAM = """
import mmap, os, struct, sys, time, torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
where = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.ftruncate(where, 4096)
page = mmap.mmap(where, 4096)
def at(phase, took=0.0):
    page[:16] = struct.pack("=qq", step, phase)
    time.sleep(took)
class Rows(torch.utils.data.Dataset):
    def __len__(self):
        return 1 << 30
    def __getitem__(self, row):
        if row % 8 == 0:
            at(1, 0.004)
        return torch.randn(4)
model = nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
model.weight.register_hook(lambda gradient: at(3, 0.004))
optimizer.register_step_pre_hook(lambda *_: at(4, 0.004))
step = 1
for batch in DataLoader(Rows(), batch_size=8):
    at(2, 0.004)
    model(batch).pow(2).mean().backward()
    at(4)  # other hooks come before the one that waits
    optimizer.step()
    step += 1
    at(2, 0.002)
    optimizer.zero_grad()
"""


def killed(folder: Path, moment: float) -> tuple[int, str, int, str]:
    """Kill one training `moment` seconds after its third step; return its true and its recorded step and phase."""
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
    step, phase = struct.unpack("=qq", progress.read_bytes()[:16])
    (recorded,) = open_run(folder).processes
    return step, PHASES[phase], int(recorded.series["loss"].steps[-1]), recorded.phase


def main() -> None:
    """Kill as often as asked for, and print the count."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    moments = random.Random(options.seed)
    right = 0
    for number in range(options.kills):
        with tempfile.TemporaryDirectory() as folder:
            step, phase, recorded, recorded_phase = killed(Path(folder), moments.uniform(0, 1.5))
        fine = step - 1 <= recorded <= step and phase == recorded_phase
        right += fine
        verdict = "" if fine else "WRONG"
        print(f"{number + 1:3}  truly {step:4} {phase:10} recorded {recorded:4} {recorded_phase:10} {verdict}")
    print(f"{right} of {options.kills}")


if __name__ == "__main__":
    main()
