"""Judges `doctor watch` by the programs in fixtures/programs: each disease with its healthy twin, and healthy ones.

Each program is run as a user runs it. The first thing that is said of a sick one is **right** where it is its cause, a
**symptom** where it is a consequence that the program's expected.toml lists, **wrong** otherwise, **silent** where
nothing is said. Of a healthy one nothing may be said. `--peers` runs torchmortem and trainproof on the same programs.

Exit status 1 when a healthy program is called ill or could not be judged.
"""

import argparse
import concurrent.futures
import datetime
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import training_peers
from measuring import machine
from scanning import executable

from doctor.version import VERSION

HERE = Path(__file__).resolve().parent
PROGRAMS = HERE.parent / "fixtures" / "programs"
RANKS = {"sick": 0, "healthy": 1}
GRAVE = ("error", "warning")


@dataclass(frozen=True, kw_only=True)
class Program:
    """One file to run, and what is wrong with it."""

    name: str
    twin: str
    command: tuple[str, ...]
    seconds: float
    framework: str
    cause: str | None
    equally: frozenset[str]
    also: frozenset[str]

    @property
    def file(self) -> Path:
        """The program itself."""
        return PROGRAMS / self.name / f"{self.twin}.py"

    @property
    def limit_seconds(self) -> float:
        """How long a run may take before it is stopped."""
        return 60 + 6 * self.seconds

    def at_seed(self, seed: int, python: Sequence[str]) -> list[str]:
        """Return the command with the interpreter and the file put in."""
        words: list[str] = []
        for word in self.command:
            if word == "python":
                words.append(python[0])
            elif word.endswith(".py"):
                words += [*python[1:], str(self.file)]
            else:
                words.append(word)
        return [*words, "--seed", str(seed)]


@dataclass(frozen=True, kw_only=True)
class Told:
    """What was said of one run, the most important first."""

    checks: tuple[tuple[str, str], ...] = ()
    """(check, severity) of each finding."""
    message: str = ""
    trouble: str = ""
    seconds: float = 0.0

    @property
    def grave(self) -> tuple[str, ...]:
        """What fails a build."""
        return tuple(check for check, severity in self.checks if severity in GRAVE)


@dataclass(kw_only=True)
class Totals:
    """How often each verdict was reached."""

    sick: Counter[str] = field(default_factory=Counter)
    healthy: Counter[str] = field(default_factory=Counter)
    by_framework: dict[str, Counter[str]] = field(default_factory=dict)


def read_programs(only: Sequence[str]) -> list[Program]:
    """Return the programs, sick ones first; `only` picks by name.

    Raises
    ------
    SystemExit
        When a name is unknown.
    """
    homes = sorted(path.parent for path in PROGRAMS.glob("*/expected.toml"))
    if unknown := set(only) - {home.name for home in homes}:
        raise SystemExit(f"no program is called {', '.join(sorted(unknown))}")
    found = []
    for home in homes:
        if only and home.name not in only:
            continue
        written = tomllib.loads((home / "expected.toml").read_text("utf-8"))
        for twin in RANKS:
            if (home / f"{twin}.py").is_file():
                found.append(_program(home.name, twin, written))
    return sorted(found, key=lambda program: (RANKS[program.twin], program.name))


def _program(name: str, twin: str, written: dict) -> Program:
    return Program(
        name=name,
        twin=twin,
        command=tuple(written.get("command", ("python", "sick.py"))),
        seconds=float(written["seconds"]),
        framework=written["framework"],
        cause=written.get("cause"),
        equally=frozenset(written.get("equally", ())),
        also=frozenset(written.get("also", ())),
    )


def run_bounded(command: Sequence[str], *, limit_seconds: float, log: Path) -> int | None:
    """Run a command in a process group of its own; None where it had to be stopped."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with log.open("wb") as output, tempfile.TemporaryDirectory(prefix="doctor-bench-cwd-") as cwd:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=cwd, start_new_session=True
        )
        try:
            return process.wait(limit_seconds)
        except subprocess.TimeoutExpired:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
                os.killpg(process.pid, number)
                try:
                    process.wait(15)
                    break
                except subprocess.TimeoutExpired:
                    continue
            return None


def by_doctor(program: Program, seed: int, work: Path) -> Told:
    """Run a program under `doctor watch` and read its diagnosis."""
    folder = work / f"{program.name}-{program.twin}-{seed}"
    command = [str(executable("doctor")), "watch", "--run-dir", str(folder), "--"]
    command += program.at_seed(seed, [sys.executable])
    begin = time.perf_counter()
    status = run_bounded(command, limit_seconds=program.limit_seconds, log=work / f"{folder.name}.log")
    seconds = time.perf_counter() - begin
    try:
        diagnosis = json.loads((folder / "diagnosis.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        return Told(trouble=f"no diagnosis ({type(error).__name__}), status {status}", seconds=seconds)
    findings = ranked(diagnosis)
    crashed = [each["check"] for each in diagnosis["examinations"] if each["outcome"] == "crashed"]
    return Told(
        checks=tuple((finding["check"], finding["severity"]) for finding in findings),
        message=findings[0]["message"] if findings else "",
        trouble=f"crashed: {', '.join(crashed)}" if crashed else "" if status is not None else "stopped at the limit",
        seconds=seconds,
    )


def ranked(diagnosis: dict) -> list[dict]:
    """Return the findings, the first diagnosis' own first, without those of no consequence."""
    named = {finding["fingerprint"]: finding for finding in diagnosis["findings"]}
    first = [named[mark] for each in diagnosis.get("diagnoses", ()) for mark in each["because"][:1] if mark in named]
    rest = [finding for finding in diagnosis["findings"] if finding not in first]
    return [*first, *rest]


def verdict(program: Program, told: Told) -> str:
    """Say what the first thing said is worth."""
    said = [check for check, severity in told.checks if severity in GRAVE] or [check for check, _ in told.checks]
    if not said:
        return "silent"
    top = told.checks[0][0] if told.checks[0][0] in said else said[0]
    if top == program.cause or top in program.equally:
        return "right"
    return "symptom" if top in program.also else "wrong"


def sick_line(program: Program, seed: int, told: Told) -> str:
    """Lay out one row."""
    top = told.checks[0][0] if told.checks else "–"
    further = ", ".join(check for check, _ in told.checks[1:]) or "–"
    return (
        f"| {program.name} | {seed} | {program.cause} | {top} | {verdict(program, told)} | {further} | "
        f"{told.seconds:.0f} | {_cell(told.trouble or told.message)} |"
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")[:160]


def judge(programs: Iterable[tuple[Program, int]], work: Path, jobs: int) -> list[tuple[Program, int, Told]]:
    """Run all programs; progress goes to standard error."""
    wanted = list(programs)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        running = [pool.submit(by_doctor, program, seed, work) for program, seed in wanted]
        done = []
        for (program, seed), future in zip(wanted, running, strict=True):
            told = future.result()
            word = verdict(program, told) if program.twin == "sick" else ", ".join(told.grave) or "nothing said"
            print(f"{program.name} {program.twin} {seed}: {told.trouble or word}", file=sys.stderr, flush=True)
            done.append((program, seed, told))
    return done


def report(done: Sequence[tuple[Program, int, Told]]) -> tuple[list[str], bool]:
    """Lay out the tables and say whether all healthy programs were left in peace."""
    totals = Totals()
    sick = ["| program | seed | cause | said first | verdict | said as well | seconds | in words |", "|---" * 8 + "|"]
    well = ["| healthy program | seed | errors and warnings | mentions | seconds | trouble |", "|---" * 6 + "|"]
    for program, seed, told in done:
        if program.twin == "sick":
            word = verdict(program, told)
            totals.sick[word] += 1
            totals.by_framework.setdefault(program.framework, Counter())[word] += 1
            sick.append(sick_line(program, seed, told))
            continue
        totals.healthy["false alarm" if told.grave else "not judged" if told.trouble else "quiet"] += 1
        mentions = ", ".join(check for check, severity in told.checks if severity not in GRAVE)
        well.append(
            f"| {program.name} | {seed} | {', '.join(told.grave) or '–'} | {mentions or '–'} | {told.seconds:.0f} | "
            f"{_cell(told.trouble or (told.message if told.grave else '')) or '–'} |"
        )
    lines = [*sick, "", *well, "", *_totals(totals)]
    return lines, totals.healthy["quiet"] == totals.healthy.total()


def _totals(totals: Totals) -> list[str]:
    words = ("right", "symptom", "wrong", "silent")
    lines = [
        f"- top-1 right: **{totals.sick['right']} of {totals.sick.total()}** "
        f"({', '.join(f'{word} {totals.sick[word]}' for word in words[1:])})",
        *(
            f"  - {framework}: {count['right']} of {count.total()}"
            for framework, count in sorted(totals.by_framework.items())
        ),
        f"- false alarms: **{totals.healthy['false alarm']} of {totals.healthy.total()}** healthy runs",
    ]
    if totals.healthy["not judged"]:
        lines.append(f"- not judged: {totals.healthy['not judged']} healthy runs")
    return [*lines, ""]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for and print it as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="programs, by the name of their folder")
    parser.add_argument("--twin", choices=tuple(RANKS), help="run the sick or the healthy ones alone")
    parser.add_argument("--seeds", default="0,1,2", help="of the healthy programs; default 0,1,2")
    parser.add_argument("--sick-seeds", default="0", help="of the sick programs; default 0")
    parser.add_argument("--jobs", type=int, default=1, help="programs at a time; more than one disturbs their clocks")
    parser.add_argument("--peers", action="store_true", help="run torchmortem and trainproof on the same programs")
    parser.add_argument("--peer-python", type=Path, help="Python of an environment that holds both, and the programs'")
    parser.add_argument("--no-doctor", action="store_true", help="the peers alone")
    parser.add_argument("--patience", type=float, default=1.0, help="multiplies the peers' time limits")
    parser.add_argument(
        "--keep", type=Path, help="keep the run folders and outputs here; peers' runs found there are not repeated"
    )
    parser.add_argument("--output", type=Path, help="write the Markdown here as well")
    given = parser.parse_args(arguments)
    if given.peers and not given.peer_python:
        parser.error("--peers needs --peer-python")
    seeds = {"sick": given.sick_seeds, "healthy": given.seeds}
    programs = [program for program in read_programs(given.only) if given.twin in (None, program.twin)]
    wanted = [(program, int(seed)) for program in programs for seed in seeds[program.twin].split(",")]
    today = datetime.datetime.now(datetime.UTC).date()
    lines = ["# Runs watched", "", f"{today}, doctor {VERSION}, {machine()}", ""]
    quiet = True
    with tempfile.TemporaryDirectory(prefix="doctor-bench-") as temporary:
        work = given.keep or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        if not given.no_doctor:
            told, quiet = report(judge(wanted, work, given.jobs))
            lines += told
        if given.peers:
            lines += training_peers.compare(wanted, given.peer_python, work, run_bounded, given.patience)
    print("\n".join(lines))
    if given.output:
        given.output.write_text("\n".join(lines), "utf-8")
    return 0 if quiet else 1


if __name__ == "__main__":
    sys.exit(main())
