"""Prints what a scan costs: against one full read by DuckDB, against deepchecks' suites, and at start-up.

All commands run in fresh processes, in turn, after one uncounted round; figures are medians.
"""

import argparse
import datetime
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import tables
from measuring import Run, interleaved, machine, median, median_cpu, python, run, tree_peak
from scanning import executable

from doctor.registry import load_checks
from doctor.version import VERSION

HERE = Path(__file__).resolve().parent
FINISHED = (0, 1)
"""A scan that found errors ended well."""
CORE = (
    "label-leakage",
    "missingness-leakage",
    "id-like",
    "temporal-overlap",
    "group-overlap",
    "split-duplicates",
    "class-imbalance",
    "low-agreement",
    "duplicate-rows",
    "missing-values",
    "unseeded-code",
    "nondeterministic-pipeline",
)
"""What leaks, repeats, lacks or cannot be repeated: the checks that a budget is set for by themselves."""


def scan_command(folder: Path, report: Path, *options: str) -> list[str]:
    """Return the command as a user gives it."""
    return [str(executable("doctor")), "scan", str(folder), "--target", "label", "--output", str(report), *options]


def against_a_read(folder: Path, work: Path, *, rounds: int, threads: int, memory_limit: str) -> list[str]:
    """Measure the whole command against a process that reads every value once."""
    report = work / "large.json"
    scan = scan_command(folder, report, "--memory-limit", memory_limit, "--threads", str(threads))
    floor = python(str(HERE / "read_floor.py"), str(folder), str(threads))
    chosen = [word for name in CORE for word in ("--select", name)]
    core = [
        *scan_command(folder, work / "core.json", "--memory-limit", memory_limit, "--threads", str(threads)),
        *chosen,
    ]
    runs = interleaved({"floor": floor, "scan": scan, "core": core}, rounds, allowed=FINISHED)
    inside = statistics.median(float(run.output) for run in runs["floor"])
    whole, scanned = median(runs["floor"]), median(runs["scan"])
    told = json.loads(report.read_text("utf-8"))
    rows = sum(subject["rows"] for subject in told["case"]["subjects"])
    lines = [
        f"## {rows:,} rows × {told['case']['subjects'][0]['columns']} columns, Parquet, {threads} threads",
        "",
        f"`doctor scan DIR --target label --memory-limit {memory_limit} --threads {threads}`, {rounds} rounds",
        "",
        "| | seconds | CPU seconds |",
        "|---|---|---|",
        f"| scan, whole command | {scanned:.2f} | {median_cpu(runs['scan']):.2f} |",
        f"| the same with {len(CORE)} checks | {median(runs['core']):.2f} | {median_cpu(runs['core']):.2f} |",
        f"| floor, whole process: every value read once | {whole:.2f} | {median_cpu(runs['floor']):.2f} |",
        f"| floor, the reading alone | {inside:.2f} | |",
        "",
        f"- scan ÷ floor process: **{scanned / whole:.1f}**",
        f"- scan ÷ reading alone: **{scanned / inside:.1f}**",
        f"- with {', '.join(CORE)} alone ÷ floor process: **{median(runs['core']) / whole:.1f}**",
        f"- scan ÷ floor process, CPU seconds: {median_cpu(runs['scan']) / median_cpu(runs['floor']):.1f}",
        f"- peak memory of one process: {_peak(runs['scan'])} MiB",
        f"- peak memory of the process tree: {tree_peak(scan, allowed=FINISHED):.0f} MiB",
        f"- every round, scan: {_each(runs['scan'])} s; with these: {_each(runs['core'])} s; "
        f"floor: {_each(runs['floor'])} s",
        "",
        "Floor: `bit_xor(hash(column))` of each column in one statement; it decodes every value, and no statistic in "
        "the file can answer it.",
        "",
    ]
    return [*lines, *_coverage(told), ""]


def _each(runs: Sequence[Run]) -> str:
    return ", ".join(f"{run.seconds:.2f}" for run in runs)


def _peak(runs: Sequence[Run]) -> str:
    return f"{max(run.process_mib for run in runs):.0f}"


def _coverage(told: dict) -> list[str]:
    measured = sorted(told["coverage"]["measured_seconds"].items(), key=lambda item: -item[1])
    return [
        "| evidence (last round) | seconds |",
        "|---|---|",
        *(f"| {name} | {seconds:.2f} |" for name, seconds in measured),
        f"| examination in all | {told['coverage']['seconds']:.2f} |",
        "",
        "Outcomes: " + ", ".join(f"{count} {outcome}" for outcome, count in told["coverage"]["outcomes"].items()) + ".",
        "Findings: " + ("; ".join(_finding(finding) for finding in told["findings"]) or "none") + ".",
    ]


def _finding(finding: dict) -> str:
    return f"{finding['severity']} {finding['check']} ({finding['message']})"


def against_deepchecks(folder: Path, work: Path, peer: Path, *, rounds: int) -> list[str]:
    """Measure the whole command against the two suites."""
    report = work / "adult.json"
    commands = {
        "scan": scan_command(folder, report),
        "deepchecks": [str(peer), str(HERE / "peer_deepchecks.py"), str(folder), "label"],
    }
    runs = interleaved(commands, rounds, allowed=FINISHED)
    told = json.loads(report.read_text("utf-8"))
    told_by_peer = [json.loads(run.output.strip().splitlines()[-1]) for run in runs["deepchecks"]]
    suites = statistics.median(each["data_integrity"] + each["train_test_validation"] for each in told_by_peer)
    scanned, whole = median(runs["scan"]), median(runs["deepchecks"])
    first = told_by_peer[0]
    subject = told["case"]["subjects"][0]
    return [
        f"## {subject['rows']:,} rows × {subject['columns']} columns, CSV, train and test, against deepchecks",
        "",
        f"`doctor scan DIR --target label`, {rounds} rounds",
        "",
        "| | seconds | CPU seconds | peak MiB |",
        "|---|---|---|---|",
        f"| scan, whole command | {scanned:.2f} | {median_cpu(runs['scan']):.2f} | {_peak(runs['scan'])} |",
        f"| deepchecks, both suites alone | {suites:.2f} | | |",
        f"| deepchecks, whole process | {whole:.2f} | {median_cpu(runs['deepchecks']):.2f} | "
        f"{_peak(runs['deepchecks'])} |",
        "",
        f"- deepchecks' suites alone ÷ our whole command: **{suites / scanned:.1f}**",
        f"- deepchecks' whole process ÷ our whole command: **{whole / scanned:.1f}**",
        f"- deepchecks ran {first['data_integrity checks']} + {first['train_test_validation checks']} checks",
        f"- every round, scan: {_each(runs['scan'])} s; deepchecks: {_each(runs['deepchecks'])} s",
        "",
        *_coverage(told),
        "",
    ]


def start_up(rounds: int) -> list[str]:
    """Measure how soon the command answers."""
    commands = {
        "python -c pass": python("-c", "pass"),
        "python -c 'import doctor'": python("-c", "import doctor"),
        "doctor --help": [str(executable("doctor")), "--help"],
    }
    runs = interleaved(commands, rounds)
    bare = median(runs["python -c pass"])
    lines = [f"## Start-up, {rounds} rounds", "", "| | seconds | ÷ bare Python |", "|---|---|---|"]
    lines += [f"| `{name}` | {median(done):.3f} | {median(done) / bare:.1f} |" for name, done in runs.items()]
    probe = "import doctor, sys; print([name for name in ('torch', 'pandas') if name in sys.modules])"
    return [*lines, "", f"Of torch and pandas, `import doctor` loads: {run(python('-c', probe)).output.strip()}", ""]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what was asked for and print it as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, help="folder for the tables, kept for the next time; default temporary")
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--memory-limit", default="1GB")
    parser.add_argument("--peer-python", type=Path, help="Python of an environment that holds deepchecks")
    parser.add_argument("--only", choices=("large", "peer", "start"), action="append", help="default: all")
    parser.add_argument("--output", type=Path, help="write the Markdown here as well")
    given = parser.parse_args(arguments)
    wanted = given.only or ["large", "peer", "start"]
    with tempfile.TemporaryDirectory(prefix="doctor-bench-") as temporary:
        work = given.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        today = datetime.datetime.now(datetime.UTC).date()
        lines = ["# What a scan costs", "", f"{today}, doctor {VERSION}, {len(load_checks())} checks, {machine()}", ""]
        if "large" in wanted:
            folder = tables.write_large(work, given.rows)
            lines += against_a_read(
                folder, work, rounds=given.rounds, threads=given.threads, memory_limit=given.memory_limit
            )
        if "peer" in wanted and given.peer_python:
            lines += against_deepchecks(tables.write_adult(work, 50_000), work, given.peer_python, rounds=given.rounds)
        elif "peer" in wanted:
            lines += ["No --peer-python given: not compared with deepchecks.", ""]
        if "start" in wanted:
            lines += start_up(rounds=20)
    print("\n".join(lines))
    if given.output:
        given.output.write_text("\n".join(lines), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
