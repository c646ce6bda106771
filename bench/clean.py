"""Scans scikit-learn's bundled data, which is healthy but for what it is known for, and prints what is found there.

Each set is written as CSV and as Parquet, alone and as a seeded random train/test split, and scanned with its own
target. Exit status 1 when anything is found at error level, when the two formats disagree or when a check crashes.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from scanning import in_process
from sklearn import datasets

from doctor.model import Finding, Outcome, Report, Severity

TEST_SHARE = 0.25
SEED = 7


def bundled() -> Iterator[tuple[str, str, pa.Table]]:
    """Yield name, target and data of each bundled set; the targets of one set come one at a time."""
    for name in ("iris", "wine", "breast_cancer", "digits", "diabetes"):
        bunch = getattr(datasets, f"load_{name}")()
        target = bunch.target
        if name not in ("digits", "diabetes"):
            target = np.asarray(bunch.target_names)[target]
        yield name, "target", _table(bunch.data, bunch.feature_names, "target", target)
    linnerud = datasets.load_linnerud()
    for index, target in enumerate(linnerud.target_names):
        column = linnerud.target[:, index]
        yield f"linnerud {target}", target, _table(linnerud.data, linnerud.feature_names, target, column)


def _table(data: np.ndarray, features: Sequence[str], target: str, values: np.ndarray) -> pa.Table:
    columns = {str(name): data[:, index] for index, name in enumerate(features)}
    return pa.table({**columns, target: values})


def write(folder: Path, suffix: str, table: pa.Table, *, split: bool) -> None:
    """Write one file, or a train and a test file whose rows are drawn with a fixed seed."""
    folder.mkdir(parents=True)
    if not split:
        _write(folder / f"data.{suffix}", table)
        return
    order = np.random.default_rng(SEED).permutation(table.num_rows)
    cut = round(TEST_SHARE * table.num_rows)
    _write(folder / f"train.{suffix}", table.take(order[cut:]))
    _write(folder / f"test.{suffix}", table.take(order[:cut]))


def _write(path: Path, table: pa.Table) -> None:
    if path.suffix == ".csv":
        pyarrow.csv.write_csv(table, path)
    else:
        pyarrow.parquet.write_table(table, path)


def facts(report: Report) -> list[tuple[object, ...]]:
    """Return what must not depend on the file format."""
    return [(f.check, f.severity, f.at.split, f.at.columns, f.message) for f in report.findings]


def _line(finding: Finding) -> str:
    split = f" [{finding.at.split}]" if finding.at.split else ""
    return f"    {finding.severity}: {finding.check}{split}: {finding.message}"


def examine_all(folder: Path) -> int:
    """Scan everything and return how much there is to complain of."""
    complaints = 0
    for name, target, table in bundled():
        for form in ("alone", "split"):
            reports = {}
            for suffix in ("csv", "parquet"):
                home = folder / name.replace(" ", "_") / f"{form}_{suffix}"
                write(home, suffix, table, split=form == "split")
                reports[suffix] = in_process([home], target=target)
            report = reports["parquet"]
            counts = {severity: report.count(severity) for severity in Severity}
            same = facts(reports["csv"]) == facts(report)
            crashed = [e for r in reports.values() for e in r.examinations if e.outcome is Outcome.CRASHED]
            print(f"{name}, {form}: " + ", ".join(f"{count} {severity}" for severity, count in counts.items()))
            loud = [f for f in report.findings if f.severity is not Severity.INFO]
            print("\n".join([*map(_line, loud), *(f"    crashed: {e.check}: {e.reason}" for e in crashed)]), end="")
            print("\n" * bool(loud or crashed) + "    CSV and Parquet disagree\n" * (not same), end="")
            complaints += counts[Severity.ERROR] + len(crashed) + (not same)
    return complaints


def main(arguments: Sequence[str] | None = None) -> int:
    """Scan in a temporary folder."""
    argparse.ArgumentParser(description=__doc__).parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="doctor-bench-") as folder:
        complaints = examine_all(Path(folder))
    print(f"\n{complaints} complaints")
    return int(complaints > 0)


if __name__ == "__main__":
    sys.exit(main())
