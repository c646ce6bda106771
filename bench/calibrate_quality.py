"""Prints how often the quality checks accuse healthy tables, and how often they find what was planted.

Tables have eight columns of eight distributions, text columns of levels and codes, and a label; nothing in them is
wrong. Each fault is then planted into tables of its own. Everything is seeded.
"""

import argparse
import csv
import math
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from scanning import in_process

from doctor.model import Report, Severity

Column = np.ndarray
Columns = dict[str, Column]
CHECKED = ("quality", "near-duplicate-rows")
PLANTED_SHARE = 0.03


def healthy(rows: int, seed: int) -> Columns:
    """Draw a table with nothing wrong: bounded, skewed, heavy-tailed, counted and zero-inflated quantities."""
    draw = np.random.default_rng(seed)
    counts = draw.poisson(3, rows)
    return {
        "normal": np.round(draw.normal(50, 10, rows), 2),
        "uniform": np.round(draw.uniform(10, 20, rows), 3),
        "lognormal": np.round(np.exp(draw.normal(3, 1, rows)), 2),
        "pareto": np.round(draw.pareto(1.5, rows) + 1, 3),
        "cauchy": np.round(draw.standard_cauchy(rows), 3),
        "spent": np.where(draw.random(rows) < 0.3, 0, np.round(draw.exponential(40, rows), 0)).astype(np.int64),
        "visits": counts.astype(np.int64),
        "age": np.clip(np.round(draw.gamma(9, 5, rows)), 0, 99).astype(np.int64),
        "town": draw.choice(["Ely", "Bath", "Wells", "York", "Truro"], rows),
        "lot": np.array(
            [f"L{n}-{m}" for n, m in zip(draw.integers(1, 400, rows), draw.integers(1, 9, rows), strict=True)]
        ),
        "label": np.where(draw.random(rows) < 1 / (1 + np.exp(-(counts - 3))), "yes", "no"),
    }


def _some(rows: int, share: float, seed: int) -> np.ndarray:
    count = max(3, round(share * rows))
    return np.sort(np.random.default_rng(seed).choice(rows, count, replace=False))


def _put(columns: Columns, name: str, value: object, share: float, seed: int) -> None:
    rows = _some(len(columns["label"]), share, seed)
    new = columns[name].astype(object)
    new[rows] = value
    columns[name] = new if isinstance(value, str) else new.astype(columns[name].dtype)


def _twice(columns: Columns, seed: int) -> None:
    rows = _some(len(columns["label"]), PLANTED_SHARE, seed)
    for name, values in columns.items():
        copy = values[rows]
        columns[name] = np.concatenate([values, copy + 0.01 if name == "normal" else copy])


def _slip(columns: Columns, seed: int) -> None:
    row = int(np.random.default_rng(seed).integers(len(columns["label"])))
    columns["normal"][row] *= 1_000


PLANTS: dict[str, tuple[str, Callable[[Columns, int], None]]] = {
    "999 in ages": ("quality/disguised-missing", lambda c, s: _put(c, "age", 999, PLANTED_SHARE, s)),
    "“?” in numbers": ("quality/disguised-missing", lambda c, s: _put(c, "normal", "?", PLANTED_SHARE, s)),
    "“?” in levels": ("quality/disguised-missing", lambda c, s: _put(c, "town", "?", PLANTED_SHARE, s)),
    "zeros in 10 to 20": ("quality/disguised-missing", lambda c, s: _put(c, "uniform", 0.0, PLANTED_SHARE, s)),
    "a value × 1,000": ("quality/out-of-range", _slip),
    "“ york” for “York”": ("quality/category-variants", lambda c, s: _put(c, "town", " york", PLANTED_SHARE, s)),
    "a remark in numbers": ("quality/mixed-types", lambda c, s: _put(c, "uniform", "see note", PLANTED_SHARE, s)),
    "a code in another form": ("quality/inconsistent-format", lambda c, s: _put(c, "lot", "12/7", PLANTED_SHARE, s)),
    "an infinity": ("quality/non-finite", lambda c, s: _put(c, "lognormal", math.inf, 0.001, s)),
    "a column in other units": (
        "quality/redundant-columns",
        lambda c, s: c.update(inches=np.round(c["normal"] / 2.54, 2)),
    ),
    "a total beside its parts": (
        "quality/redundant-columns",
        lambda c, s: c.update(total=np.round(c["normal"] + c["uniform"] + c["lognormal"], 3)),
    ),
    "one value everywhere": ("quality/constant", lambda c, s: c.update(unit=np.full(len(c["label"]), "kg"))),
    "rows entered twice": ("duplicates/near-duplicate-rows", _twice),
}


def scan(columns: Columns, folder: Path) -> Report:
    """Scan a table as CSV."""
    path = folder / "table.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*(values.tolist() for values in columns.values()), strict=True))
    return in_process([path], target="label", select=CHECKED)


def false_alarms(folder: Path, sizes: Sequence[int], trials: int) -> None:
    """Count healthy tables with a finding, by check."""
    print(f"healthy tables, {trials} of each size: with a finding at warning or error level; with a remark")
    for rows in sizes:
        loud: Counter[str] = Counter()
        quiet: Counter[str] = Counter()
        tables = 0
        for trial in range(trials):
            report = scan(healthy(rows, 1_000 * rows + trial), folder)
            found = {(f.check, f.severity is Severity.INFO) for f in report.findings}
            loud.update(check for check, info in found if not info)
            quiet.update(check for check, info in found if info)
            tables += any(not info for _, info in found)
        print(f"  {rows:>7,} rows: {tables} of {trials}", dict(loud), "remarks:", dict(quiet), flush=True)


def recall(folder: Path, sizes: Sequence[int], trials: int) -> None:
    """Count tables in which a planted fault is told by its check."""
    print(f"\nfaults planted in {PLANTED_SHARE:.0%} of the rows, found in so many of {trials} tables")
    for name, (check, plant) in PLANTS.items():
        told = []
        for rows in sizes:
            hits = 0
            for trial in range(trials):
                columns = healthy(rows, 77_000 + 1_000 * rows + trial)
                plant(columns, trial)
                hits += any(finding.check == check for finding in scan(columns, folder).findings)
            told.append(f"{rows:,} rows: {hits}")
        print(f"  {name:<26} {check:<32} {', '.join(told)}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Calibrate in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200, help="healthy tables of each size")
    parser.add_argument("--planted", type=int, default=20, help="tables of each size with each fault")
    parser.add_argument("--sizes", type=int, nargs="*", default=(50, 300, 3_000, 100_000))
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="doctor-bench-") as folder:
        false_alarms(Path(folder), given.sizes, given.trials)
        recall(Path(folder), [rows for rows in given.sizes if 100 < rows < 50_000], given.planted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
