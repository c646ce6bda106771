"""Lets programs run out of address space, and tries what the receipt advises.

    python bench/oom_receipt.py

Per program: what the categories of the receipt add up to beside the measured peak of the address space in use (beyond
that at the start and without the recorder's own files), and whether the program ends well under the same limit with the
advised number of micro-batches.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PROGRAM = """
import atexit, os, resource, sys
import torch
rows, parts, width, depth, megabytes = map(int, sys.argv[1:])
warm = torch.nn.Sequential(torch.nn.Linear(256, 256), torch.nn.GELU())
warm(torch.randn(256, 256)).square().mean().backward()
torch.optim.AdamW(warm.parameters())  # loads what optimizers need
def status(name):
    for line in open("/proc/self/status"):
        if line.startswith(name):
            return int(line.split()[1]) * 1024
base = status("VmSize")
def recorded():
    maps = [line.split() for line in open("/proc/self/maps") if os.environ.get("DOCTOR_RUN_DIR", "/nowhere") in line]
    return sum(int(end, 16) - int(begin, 16) for begin, end in (fields[0].split("-") for fields in maps))
atexit.register(lambda: print("PEAK", status("VmPeak") - base - recorded(), flush=True))
resource.setrlimit(resource.RLIMIT_AS, (base + megabytes * 1_000_000,) * 2)
layers = [layer for _ in range(depth) for layer in (torch.nn.Linear(width, width), torch.nn.GELU())]
model = torch.nn.Sequential(*layers)
optimizer = torch.optim.AdamW(model.parameters())
for step in range(3):
    optimizer.zero_grad()
    for part in range(parts):
        loss = model(torch.randn(rows // parts, width)).square().mean() / parts
        loss.backward()
    optimizer.step()
"""
CASES = ((8192, 512, 8, 220), (4096, 1024, 8, 330), (16384, 256, 12, 300))
"""Rows, width, depth, limit in MB."""
EXACT = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536", "OMP_NUM_THREADS": "1"}
"""Each tensor in a mapping of its own, so that what is freed is given back and the address space shows what is used."""
CATEGORIES = ("parameters", "gradients", "optimizer", "buffers", "activations")


def watched(folder: Path, rows: int, parts: int, rest: tuple[int, ...]) -> tuple[int, int, dict[str, Any] | None]:
    """Run the program; return its status, its peak, and the evidence of the finding."""
    (folder / "train.py").write_text(PROGRAM, "utf-8")
    run = folder / f"run{parts}"
    command = [Path(sys.executable).parent / "doctor", "watch", "--run-dir", run, "--", sys.executable, "train.py"]
    done = subprocess.run(
        [*map(str, command), *map(str, (rows, parts, *rest))],
        cwd=folder,
        env=os.environ | EXACT,
        capture_output=True,
        text=True,
        check=False,
    )
    report = json.loads((run / "diagnosis.json").read_text("utf-8"))
    found = [one["evidence"] for one in report["findings"] if one["check"] == "memory/oom-culprit"]
    peak = re.search(r"PEAK (\d+)", done.stdout)
    return done.returncode, int(peak[1]) if peak else 0, found[0] if found else None


def main() -> None:
    """Print one line per program."""
    print("rows  width depth limit MB | receipt MB  measured MB  ratio | advice                            with it")
    for rows, *rest in CASES:
        with tempfile.TemporaryDirectory() as name:
            status, peak, evidence = watched(Path(name), rows, 1, tuple(rest))
            if evidence is None:
                print(f"{rows:>5} {rest}: status {status}, no shortage reported")
                continue
            receipt = sum(evidence[f"{category}_mb"] for category in CATEGORIES)
            parts = re.search(r"micro-batches .*over (\d+)", evidence["change"])
            again = watched(Path(name), rows, int(parts[1]), tuple(rest))[0] if parts else None
            outcome = "fits" if again == 0 else f"status {again}"
            width, depth, limit = rest
            print(
                f"{rows:>5} {width:>5} {depth:>5} {limit:>8} | {receipt:>10.1f} {peak / 1e6:>12.1f}"
                f" {1e6 * receipt / peak:>6.3f} | {parts[1] + ' micro-batches' if parts else 'none':<33} {outcome}"
            )


if __name__ == "__main__":
    main()
