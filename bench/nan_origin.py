"""Measures how often the origin of a NaN is named rightly, beside torch's anomaly detection.

    python bench/nan_origin.py [--only NAME ...] [--output bench/results/nan_origin.md]

runs every program of `nan_programs/` under `doctor watch`, then with `torch.autograd.set_detect_anomaly(True)`, then
the packed step. The truth stands in the programs: `# origin: OPERATION[, backward]` on the line that makes the NaN,
`# sample: N` where one sample of the batch is to blame. The exit status is 1 where fewer than eleven twelfths of the
programs are explained rightly.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from doctor.evidence.nan_origin import NanOrigins, Origin, operation_name
from doctor.subjects.run import open_run

PROGRAMS = Path(__file__).resolve().parent / "nan_programs"
GOAL_SHARE = 11 / 12
SECONDS = 300
ANOMALY = """
import runpy, sys, torch
torch.autograd.set_detect_anomaly(True)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What a program says of itself; `line` is None where the fault lies in the data or a weight."""

    operation: str
    where: str
    line: int | None
    sample: int | None
    name: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What was named."""

    operation: str
    line: int | None
    where: str = ""
    sample: int | None = None
    name: str = ""
    verdict: str = ""
    seconds: float = 0.0

    def right(self, truth: Truth) -> bool:
        """Whether operation and line, or what stands for them, are the true ones."""
        if truth.line is None:
            sample = truth.sample is None or self.sample == truth.sample
            return self.operation == truth.operation and sample and self.name.endswith(truth.name)
        return self.operation == truth.operation and self.line == truth.line


NOTHING = Answer(operation="–", line=None)


def truth_of(program: Path) -> Truth:
    """Read the marks in a program."""
    operation, where, line, sample, name = "", "forward", None, None, ""
    for number, text in enumerate(program.read_text("utf-8").splitlines(), 1):
        mark = re.search(r"# origin: (\w+)(, backward)?", text)
        if mark:
            operation, where, line = mark[1], "backward" if mark[2] else "forward", number
        mark = re.search(r"sample: (\d+)", text)
        if mark:
            sample = int(mark[1])
        mark = re.search(r"name: ([\w.]+)", text)
        if mark:
            name = mark[1]
    if operation in ("input", "weights"):
        where, line = operation, None
    return Truth(operation=operation, where=where, line=line, sample=sample, name=name)


def doctors_answer(program: Path, folder: Path) -> tuple[Answer, bool | None]:
    """Run a program under `doctor watch`; return what is named, and whether the packed step gives the same again."""
    run = folder / "run"
    command = [sys.executable, "-m", "doctor", "watch", "--run-dir", str(run), "--", sys.executable, str(program)]
    _run(command, folder)
    origins = NanOrigins.measure(open_run(run)).origins
    if not origins:
        return NOTHING, None
    script = run / "capsule" / "reproduce.py"
    again = _run([sys.executable, str(script)], folder).returncode == 0 if script.exists() else None
    return _answer(origins[0], program), again


def _answer(origin: Origin, program: Path) -> Answer:
    here = origin.path is not None and Path(origin.path).resolve() == program
    return Answer(
        operation=origin.operation or origin.fault,
        line=origin.line if here else None,
        where=origin.where,
        sample=origin.sample,
        name=origin.name,
        verdict={True: "survives", False: "no help", None: "–"}[origin.float64],
        seconds=origin.seconds,
    )


def anomalys_answer(program: Path, folder: Path) -> Answer:
    """Run a program with torch's anomaly detection; return the operation and line that its error names."""
    done = _run([sys.executable, "-c", ANOMALY, str(program)], folder)
    named = re.search(r"Function '(\w+)' returned nan values", done.stderr)
    if not named:
        return NOTHING
    before = done.stderr.split("Traceback (most recent call last)")[0]
    lines = re.findall(rf'File "{re.escape(str(program))}", line (\d+)', before)
    return Answer(operation=operation_name("", named[1]), line=int(lines[-1]) if lines else None)


def _run(command: Sequence[str], folder: Path) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )


def _place(operation: str, line: int | None) -> str:
    return operation if line is None else f"{operation}, line {line}"


def _row(program: Path, truth: Truth, ours: Answer, again: bool | None, anomaly: Answer) -> list[str]:
    verdict = "none" if ours == NOTHING else "right" if ours.right(truth) else "wrong"
    rival = "none" if anomaly == NOTHING else "right" if anomaly.right(truth) else "wrong"
    return [
        program.stem.replace("_", " "),
        f"{_place(truth.operation, truth.line)} ({truth.where})",
        f"{_place(ours.operation, ours.line)} ({ours.where or '–'})",
        verdict,
        "–" if truth.sample is None else "right" if ours.sample == truth.sample else f"wrong: {ours.sample}",
        ours.verdict or "–",
        f"{ours.seconds:.2f}",
        {True: "same", False: "differs", None: "–"}[again],
        _place(anomaly.operation, anomaly.line),
        rival,
    ]


HEAD = [
    "program",
    "truth",
    "doctor",
    "verdict",
    "sample",
    "float64",
    "s",
    "capsule",
    "detect_anomaly",
    "verdict",
]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args(arguments)
    rows = []
    for program in sorted(PROGRAMS.glob("*.py")):
        if options.only and program.stem not in options.only:
            continue
        with tempfile.TemporaryDirectory() as folder:
            ours, again = doctors_answer(program, Path(folder))
            anomaly = anomalys_answer(program, Path(folder))
        rows.append(_row(program, truth_of(program), ours, again, anomaly))
        sys.stderr.write(f"{rows[-1][0]}: {rows[-1][3]}\n")
    right, rival = (sum(row[place] == "right" for row in rows) for place in (3, 9))
    lines = [HEAD, ["---"] * len(HEAD), *rows]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    text += f"\n\nOperation and line right: doctor {right} of {len(rows)}, detect_anomaly {rival} of {len(rows)}.\n"
    print(text)
    if options.output:
        heading = (
            "# Origins of NaN\n\nWritten by `python bench/nan_origin.py --output bench/results/nan_origin.md`.\n\n"
        )
        options.output.write_text(heading + text, "utf-8")
    return 0 if right >= GOAL_SHARE * len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
