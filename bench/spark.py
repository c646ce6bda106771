"""What a scan costs on Spark beside DuckDB, on one machine, and whether both say the same.

python bench/spark.py [--rows 1000000] [--threads 2] [--output FILE]
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from measuring import machine, python, run
from tables import write_large

from doctor.version import VERSION


def scanned(folder: Path, engine: str, threads: int, report: Path) -> tuple[float, float, float, dict]:
    """Return the seconds of the whole command, by the clock and computed, those of the checks, and the report."""
    options = ["--target", "label", "--engine", engine, "--threads", str(threads), "--memory-limit", "4GB"]
    done = run(python("-m", "doctor", "scan", str(folder), *options, "--output", str(report)), allowed=(0, 1))
    told = json.loads(report.read_text("utf-8"))
    return done.seconds, done.cpu_seconds, told["coverage"]["seconds"], told


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as work:
        folder = write_large(Path(work) / "large", given.rows)
        results = {
            name: scanned(folder, name, given.threads, Path(work) / f"{name}.json") for name in ("duckdb", "spark")
        }
    found = {name: {one["fingerprint"] for one in told["findings"]} for name, (*_, told) in results.items()}
    lines = [
        f"{time.strftime('%Y-%m-%d')}, doctor {VERSION}, {machine()}",
        "",
        f"`doctor scan DIR --target label --threads {given.threads}` on {given.rows:,} rows × 30 columns of Parquet",
        "",
        "| engine | whole command, s | CPU s | its checks, s | findings |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {whole:.1f} | {cpu:.1f} | {checks:.1f} | {len(found[name])} |"
            for name, (whole, cpu, checks, _) in results.items()
        ),
        "",
        f"Findings that only one of them has: {len(found['duckdb'] ^ found['spark'])}.",
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if given.output:
        given.output.write_text("# A scan on Spark\n\n" + text, "utf-8")
    return 1 if found["duckdb"] ^ found["spark"] else 0


if __name__ == "__main__":
    sys.exit(main())
