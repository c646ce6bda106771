"""Measures false alarms and recall of leakage/combination-leakage.

    python bench/calibrate_combinations.py [null] [honest] [planted]

prints one table per part; all parts by default. The data are made up with fixed seeds or come with scikit-learn, and
are scanned as a user would.
"""

import itertools
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from calibrate_leakage import NULL_TARGETS, null_features, worst
from sklearn import datasets
from trials import run_parts, scan_files

from doctor.model import Outcome, Report
from doctor.settings import Settings

CHECKS = ("leakage/combination-leakage",)
NULL_ROWS = (100, 300, 1000, 5000, 50_000)
NULL_SEEDS = 6
SEEDS = 4

Columns = dict[str, Any]
Random = np.random.Generator


def scan(columns: Columns, target: str) -> Report:
    """Scan a table as the command line would."""
    return scan_files({"table": columns}, Settings(target=target, select=CHECKS))


def null() -> None:
    """Shuffled targets: every finding is false."""
    print("Shuffled targets, 20 features: data sets with a finding\n")
    print(f"{'target':<18}{'rows':>8}{'trials':>8}{'found':>8}{'no verdict':>12}{'CPU s':>7}")
    trials, alarms = 0, 0
    for (name, make), rows in itertools.product(NULL_TARGETS.items(), NULL_ROWS):
        if name == "quantity":
            continue
        seeds, found, silent, seconds = (NULL_SEEDS if rows < 50_000 else 3), 0, 0, 0.0
        for seed in range(seeds):
            random = np.random.default_rng([seed, rows])
            begin = time.process_time()
            report = scan(null_features(random, rows) | {"answer": make(random, rows)}, "answer")
            found += bool(report.findings)
            silent += any(item.outcome is Outcome.UNAVAILABLE for item in report.examinations)
            seconds = max(seconds, time.process_time() - begin)
        trials, alarms = trials + seeds, alarms + found
        print(f"{name:<18}{rows:>8,}{seeds:>8}{found:>8}{silent:>12}{seconds:>7.2f}")
    print(f"\nfalse alarms: {alarms} of {trials} data sets\n")


def noise(random: Random, rows: int, count: int = 10) -> Columns:
    """Numbers and categories that know nothing."""
    columns: Columns = {f"number{i}": random.normal(size=rows) for i in range(count // 2)}
    return columns | {f"kind{i}": random.choice(list("abcdef"), rows) for i in range(count - count // 2)}


def _blobs(random: Random) -> tuple[Columns, Any]:
    label = random.integers(0, 2, 4000)
    return {f"x{i}": 3.3 * label + random.normal(size=4000) for i in range(8)}, label


def _everything(random: Random) -> tuple[Columns, Any]:
    columns = {f"x{i}": random.integers(0, 2, 4000) for i in range(9)}
    return columns, (sum(columns.values()) > 4).astype(int)


def _monks(random: Random) -> tuple[Columns, Any]:
    columns = {f"a{i}": random.integers(1, 5, 2000).astype(str) for i in range(1, 7)}
    return columns, ((columns["a1"] == columns["a2"]) | (columns["a5"] == "1")).astype(int)


def _blurred(random: Random) -> tuple[Columns, Any]:
    columns = noise(random, 4000)
    return columns, (columns["number0"] > columns["number1"] + 0.1 * random.normal(size=4000)).astype(int)


def _two_good(random: Random) -> tuple[Columns, Any]:
    label = random.integers(0, 3, 4000)
    honest = {f"x{i}": 2.0 * (label == i) + random.normal(size=4000) for i in range(3)}
    return honest | noise(random, 4000), label


HONEST: dict[str, Callable[[Random], tuple[Columns, Any]]] = {
    "8 strong features alike": _blobs,
    "majority of 9 bits": _everything,
    "monks: rule of 3 of 6": _monks,
    "x > y, blurred by a tenth": _blurred,
    "3 classes, one feature each": _two_good,
}


def honest() -> None:
    """Tables without a leak, some of them easy: every finding is false."""
    print(f"Honest tables; the made-up ones with {SEEDS} seeds: share of data sets by what is said\n")
    print(f"{'data':<32}{'error':>7}{'warning':>9}{'silent':>8}")
    for name in ("iris", "wine", "breast_cancer", "digits"):
        data = getattr(datasets, f"load_{name}")()
        names = [str(column) for column in getattr(data, "feature_names", range(data.data.shape[1]))]
        columns = dict(zip(names, data.data.T, strict=True))
        _row(name, Counter([worst(scan(columns | {"target": data.target}, "target").findings)]), 1)
    for name, make in HONEST.items():
        seen: Counter[str] = Counter()
        for seed in range(SEEDS):
            features, label = make(np.random.default_rng([seed, 11]))
            seen[worst(scan(features | {"answer": label}, "answer").findings)] += 1
        _row(name, seen, SEEDS)
    print()


def _row(name: str, seen: Counter[str], trials: int) -> None:
    shares = [seen[word] / trials for word in ("error", "warning", "silent")]
    print(f"{name:<32}{shares[0]:>7.0%}{shares[1]:>9.0%}{shares[2]:>8.0%}")


def _parity(random: Random, rows: int) -> tuple[Columns, Any]:
    left, right = random.integers(0, 2, rows), random.integers(0, 2, rows)
    return {"left": left, "right": right}, left ^ right


def _late(random: Random, rows: int) -> tuple[Columns, Any]:
    due = 17_000 + random.integers(0, 400, rows)
    paid = due + np.round(12 * random.normal(size=rows)).astype(int)
    return {"due": due.astype("datetime64[D]"), "paid": paid.astype("datetime64[D]")}, (paid > due).astype(int)


def _table(random: Random, rows: int) -> tuple[Columns, Any]:
    branch, product = random.integers(0, 8, rows), random.integers(0, 6, rows)
    rule = np.random.default_rng(5).integers(0, 3, (8, 6))
    return {"branch": branch.astype(str), "product": product}, rule[branch, product]


def _mass(random: Random, rows: int) -> tuple[Columns, Any]:
    height = random.normal(1.72, 0.1, rows)
    weight = 27 * height**2 * np.exp(0.18 * random.normal(size=rows))
    return {"height": height, "weight": weight}, (weight / height**2 > 27).astype(int)


def _box(random: Random, rows: int) -> tuple[Columns, Any]:
    sides = random.random((3, rows))
    return dict(zip(("length", "width", "depth"), sides, strict=True)), (sides > 0.2).all(axis=0).astype(int)


PLANTED: dict[str, Callable[[Random, int], tuple[Columns, Any]]] = {
    "parity of two flags": _parity,
    "paid after it was due": _late,
    "a table of 8 by 6": _table,
    "weight / height² over a bound": _mass,
    "all of three over a bound": _box,
}


def planted() -> None:
    """Rules of two or three columns, beside 10 that know nothing: what is said of just these."""
    print(f"Rules beside 10 columns of noise and 2 honest ones, {SEEDS} seeds: share of data sets by what is said\n")
    print(f"{'rule':<32}{'rows':>8}{'wrong':>8}{'error':>7}{'warning':>9}{'silent':>8}{'others':>8}{'CPU s':>7}")
    for (name, make), rows, wrong in itertools.product(PLANTED.items(), (500, 2000, 20_000), (0.0, 0.01)):
        seen: Counter[str] = Counter()
        seconds = 0.0
        for seed in range(SEEDS):
            random = np.random.default_rng([seed, 13])
            columns, label = make(random, rows)
            told = {f"honest{i}": 0.7 * label + random.normal(size=rows) for i in range(2)}
            label = np.where(random.random(rows) < wrong, (label + 1) % (label.max() + 1), label)
            begin = time.process_time()
            report = scan(columns | told | noise(random, rows) | {"answer": label}, "answer")
            right = [finding for finding in report.findings if set(finding.at.columns) == set(columns)]
            seen[worst(right)] += 1
            seen["others"] += len(right) < len(report.findings)
            seconds = max(seconds, time.process_time() - begin)
        shares = [seen[word] / SEEDS for word in ("error", "warning", "silent", "others")]
        said = f"{shares[0]:>7.0%}{shares[1]:>9.0%}{shares[2]:>8.0%}{shares[3]:>8.0%}"
        print(f"{name:<32}{rows:>8,}{wrong:>8.2%}{said}{seconds:>7.2f}")
    print()


if __name__ == "__main__":
    run_parts(null=null, honest=honest, planted=planted)
