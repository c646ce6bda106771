"""Measures false alarms and recall of leakage/label-leakage and leakage/missingness-leakage.

    python bench/calibrate_leakage.py [null] [planted] [bundled]

prints one table per part; all parts by default. The data are made up with fixed seeds or come with scikit-learn, are
written as Parquet and scanned as a user would.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from sklearn import datasets
from trials import run_parts, scan_files

from doctor.model import Finding, Outcome, Report
from doctor.settings import Settings

CHECKS = ("leakage/label-leakage", "leakage/missingness-leakage")
NULL_ROWS = (50, 100, 200, 500, 1000, 5000, 20_000, 100_000)
NULL_SEEDS = 10
NULL_SEEDS_LARGE = 3
"""From 20,000 rows on."""
PLANTED_SEEDS = 10

Columns = dict[str, Any]
Random = np.random.Generator


def scan(columns: Columns, target: str) -> Report:
    """Scan a table as the command line would."""
    return scan_files({"table": columns}, Settings(target=target, select=CHECKS))


def holed(values: Any, hole: Any) -> list[Any]:
    """Replace some values by none."""
    return [None if gone else value for value, gone in zip(np.asarray(values).tolist(), hole.tolist(), strict=True)]


def null_features(random: Random, rows: int) -> Columns:
    """Twenty columns of many kinds, none of which knows anything."""
    places = [
        f"{place:05d}_{visit}"
        for place, visit in zip(random.integers(0, rows // 4 + 1, rows), range(rows), strict=True)
    ]
    columns: Columns = {f"normal{i}": random.normal(size=rows) for i in range(5)}
    columns |= {f"heavy{i}": np.exp(3 * random.normal(size=rows)) for i in range(2)}
    columns |= {f"count{i}": random.poisson(mean, rows) for i, mean in enumerate((0.1, 3.0, 200.0))}
    columns |= {f"level{k}": random.integers(0, k, rows).astype(str) for k in (2, 8, 40, 300)}
    columns |= {
        "serial": np.arange(rows),
        "name": places,
        "entity": random.integers(0, rows // 8 + 1, rows),
        "day": (random.integers(0, 900, rows) + 17_000).astype("datetime64[D]"),
        "holes": holed(random.normal(size=rows), random.random(rows) < 0.3),
        "sparse": holed(random.choice(["a", "b", "c"], rows), random.random(rows) < 0.9),
    }
    return columns


NULL_TARGETS: dict[str, Callable[[Random, int], Any]] = {
    "2 classes, even": lambda random, rows: random.integers(0, 2, rows),
    "2 classes, 5 %": lambda random, rows: (random.random(rows) < 0.05).astype(int),
    "5 classes": lambda random, rows: random.choice(list("abcde"), rows, p=[0.4, 0.3, 0.2, 0.07, 0.03]),
    "quantity": lambda random, rows: np.exp(random.normal(size=rows)),
}


def null() -> None:
    """Shuffled targets: every warning or error is false."""
    print("Shuffled targets, 20 features: data sets with a finding\n")
    print(f"{'target':<18}{'rows':>8}{'trials':>8}{'error':>8}{'warning':>9}{'info':>6}{'no verdict':>12}")
    trials, alarms = 0, 0
    for (name, make), rows in itertools.product(NULL_TARGETS.items(), NULL_ROWS):
        seen: Counter[str] = Counter()
        seeds = NULL_SEEDS if rows < 20_000 else NULL_SEEDS_LARGE
        for seed in range(seeds):
            random = np.random.default_rng([seed, rows])
            report = scan(null_features(random, rows) | {"outcome": make(random, rows)}, "outcome")
            seen.update({finding.severity.value for finding in report.findings})
            seen["none"] += any(item.outcome is Outcome.UNAVAILABLE for item in report.examinations)
            trials, alarms = trials + 1, alarms + bool(report.findings)
        print(
            f"{name:<18}{rows:>8,}{seeds:>8}{seen['error']:>8}{seen['warning']:>9}{seen['info']:>6}{seen['none']:>12}"
        )
    print(f"\nfalse alarms: {alarms} of {trials} data sets\n")


def planted_table(random: Random, rows: int, share: float = 0.4) -> tuple[Columns, Any]:
    """Four honest features of medium strength, and the label they are about."""
    label = random.random(rows) < share
    features = {f"honest{i}": 0.7 * label + random.normal(size=rows) for i in range(4)}
    return features, label


def flipped(random: Random, label: Any, share: float) -> Any:
    """Return the label with a share of it wrong."""
    return np.where(random.random(len(label)) < share, ~label, label)


def planted_leaks() -> Iterator[tuple[str, str, Callable[[Random], tuple[Columns, Any, Any]]]]:
    """Yield name, strength and maker (features, leak, target)."""
    for rows, wrong in itertools.product((200, 1000, 5000), (0.0, 0.0005, 0.005, 0.05, 0.2)):

        def copy(random: Random, rows: int = rows, wrong: float = wrong) -> tuple[Columns, Any, Any]:
            features, label = planted_table(random, rows)
            return features, np.where(flipped(random, label, wrong), "closed", "open"), label

        yield f"label in other words, {rows:,} rows", f"{wrong:.2%} wrong", copy
    for rows, wrong in itertools.product((1000, 5000), (0.0, 0.005, 0.05)):

        def threshold(random: Random, rows: int = rows, wrong: float = wrong) -> tuple[Columns, Any, Any]:
            features, label = planted_table(random, rows)
            size = random.random(rows)
            return features, np.where(flipped(random, label, wrong), 30 + 60 * size, 30 * size), label

        yield f"above a threshold, {rows:,} rows", f"{wrong:.2%} wrong", threshold
    for rows, rare in itertools.product((2000, 10_000), (0.02, 0.05, 0.10)):

        def spike(random: Random, rows: int = rows, rare: float = rare) -> tuple[Columns, Any, Any]:
            kind = random.choice(3, rows, p=[rare, 0.7 - rare, 0.3])
            features = {f"honest{i}": 0.5 * kind + random.normal(size=rows) for i in range(4)}
            return features, np.where(kind == 0, 0.0, np.exp(random.normal(size=rows))), np.array(list("abc"))[kind]

        yield f"zero for one class only, {rows:,} rows", f"class of {rare:.0%}", spike
    for rows, noise in itertools.product((200, 2000), (0.0, 0.02, 0.05, 0.2, 0.5)):

        def quantity(random: Random, rows: int = rows, noise: float = noise) -> tuple[Columns, Any, Any]:
            drive = random.normal(size=rows)
            features = {f"honest{i}": 0.7 * drive + random.normal(size=rows) for i in range(4)}
            return features, 3 * np.exp(drive + noise * random.normal(size=rows)) + 1, np.exp(drive)

        yield f"affine copy of a quantity, {rows:,} rows", f"noise {noise:.0%} of spread", quantity
    for support, pure in itertools.product((10, 30, 60, 120, 300), (1.0, 0.99, 0.95, 0.8)):

        def hole(random: Random, support: int = support, pure: float = pure) -> tuple[Columns, Any, Any]:
            features, label = planted_table(random, 2000)
            hits = round(support * pure)
            there = np.zeros(2000, dtype=bool)
            there[random.choice(np.flatnonzero(label), hits, replace=False)] = True
            there[random.choice(np.flatnonzero(~label), support - hits, replace=False)] = True
            return features, holed(random.normal(size=2000), ~there), label

        yield f"value for one class, {support} of 2,000 rows", f"{pure:.0%} of that class", hole


def planted() -> None:
    """Planted leaks of stated strength: what is said of the leak, and of honest features."""
    print(f"Planted leaks, 4 honest features, {PLANTED_SEEDS} seeds: share of data sets by what is said of the leak\n")
    print(f"{'leak':<42}{'strength':<24}{'error':>7}{'warning':>9}{'info':>6}{'silent':>8}{'honest accused':>16}")
    for name, strength, make in planted_leaks():
        seen: Counter[str] = Counter()
        for seed in range(PLANTED_SEEDS):
            features, leak, label = make(np.random.default_rng([seed, 7]))
            findings = scan(features | {"leak": leak, "outcome": label}, "outcome").findings
            of_leak = [finding for finding in findings if "leak" in finding.at.columns]
            seen[worst(of_leak)] += 1
            seen["honest"] += len(findings) > len(of_leak)
        shares = [seen[word] / PLANTED_SEEDS for word in ("error", "warning", "info", "silent", "honest")]
        print(
            f"{name:<42}{strength:<24}{shares[0]:>7.0%}{shares[1]:>9.0%}{shares[2]:>6.0%}{shares[3]:>8.0%}{shares[4]:>16.0%}"
        )
    print()


def worst(findings: list[Finding]) -> str:
    """Return the gravest severity among findings."""
    return min(findings, key=lambda finding: finding.severity.rank).severity.value if findings else "silent"


def bundled() -> None:
    """scikit-learn's own data: no feature of them is a leak."""
    print("scikit-learn's bundled data\n")
    print(f"{'data':<16}{'target':<12}{'rows':>7}{'columns':>9}  said")
    for name in ("iris", "wine", "breast_cancer", "digits", "diabetes", "linnerud"):
        data = getattr(datasets, f"load_{name}")()
        names = [str(column) for column in getattr(data, "feature_names", range(data.data.shape[1]))]
        columns = dict(zip(names, data.data.T, strict=True))
        targets = (
            {"target": data.target}
            if data.target.ndim == 1
            else dict(zip(data.target_names, data.target.T, strict=True))
        )
        for target, values in targets.items():
            report = scan(columns | {target: values}, target)
            said = [f"{finding.severity.value} {finding.at.column}" for finding in report.findings]
            said += [item.reason for item in report.examinations if item.outcome is Outcome.UNAVAILABLE]
            print(f"{name:<16}{target:<12}{len(values):>7,}{len(columns):>9}  {'; '.join(said) or 'nothing'}")
    print()


if __name__ == "__main__":
    run_parts(null=null, planted=planted, bundled=bundled)
