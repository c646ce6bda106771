"""Measures false alarms and recall of leakage/derived-target and leakage/target-encoding.

    python bench/calibrate_derived.py [null] [planted] [encoded]

prints one table per part; all by default. The data are made up with fixed seeds and scanned as frames.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
from calibrate_leakage import NULL_TARGETS, Columns, Random, null_features
from trials import run_parts

import doctor
from doctor.model import Outcome, Report

CHECKS = ("leakage/derived-target", "leakage/target-encoding")
NULL_ROWS = (50, 200, 1000, 5000, 20_000, 100_000)
NULL_SEEDS = 6
NULL_SEEDS_LARGE = 2
"""From 20,000 rows on."""
PLANTED_SEEDS = 10


def scan(columns: Columns, target: str) -> Report:
    """Scan a frame by both checks."""
    report = doctor.scan(pa.table(columns), target=target, select=CHECKS)
    crashed = [item for item in report.examinations if item.outcome is Outcome.CRASHED]
    if crashed:
        raise SystemExit(f"not measured: {crashed}")
    return report


def nearly(random: Random, columns: Columns) -> dict[str, object]:
    """Targets that columns tell very well but do not give, and targets written coarsely."""
    rows = len(columns["normal0"])
    drive = columns["normal0"] + columns["normal1"]
    noise = random.normal(size=rows)
    return {
        "sum with 1 % of noise": drive + 0.01 * noise * 1.4,
        "sum with 1 %, 2 decimals": np.round(drive + 0.014 * noise, 2),
        "sum with 10 %, whole": np.round(10 * drive + 1.4 * noise),
        "product with 1 %": columns["heavy0"] * columns["heavy1"] * np.exp(0.01 * noise),
        "count, mostly nought": random.poisson(np.exp(drive - 3)),
        "above a blurred threshold": np.where(drive + 0.01 * noise > 0, "high", "low"),
    }


def null() -> None:
    """Targets without a formula: every finding is false."""
    print("Targets without a formula, 20 features: data sets with a finding\n")
    print(f"{'target':<28}{'rows':>8}{'trials':>8}{'derived':>9}{'encoding':>10}{'no verdict':>12}")
    trials = alarms = 0
    for rows in NULL_ROWS:
        seen: dict[str, Counter[str]] = {}
        seeds = NULL_SEEDS if rows < 20_000 else NULL_SEEDS_LARGE
        for seed in range(seeds):
            random = np.random.default_rng([seed, rows])
            columns = null_features(random, rows)
            targets = {name: make(random, rows) for name, make in NULL_TARGETS.items()} | nearly(random, columns)
            for name, target in targets.items():
                report = scan(columns | {"outcome": target}, "outcome")
                count = seen.setdefault(name, Counter())
                count.update({finding.check for finding in report.findings})
                count["none"] += any(item.outcome is Outcome.UNAVAILABLE for item in report.examinations)
                trials, alarms = trials + 1, alarms + bool(report.findings)
        for name, count in seen.items():
            said = [count[check] for check in CHECKS]
            print(f"{name:<28}{rows:>8,}{seeds:>8}{said[0]:>9}{said[1]:>10}{count['none']:>12}", flush=True)
    print(f"\nfalse alarms: {alarms} of {trials} data sets\n")


def parts(random: Random, rows: int) -> Columns:
    """Numbers as tables have them: cents, counts, tenths, and some that say nothing."""
    return {
        "cents": np.round(random.gamma(2.0, 30.0, rows) + 1, 2),
        "count": random.integers(1, 90, rows),
        "tenths": np.round(random.normal(40.0, 9.0, rows).clip(5), 1),
        "exact": np.exp(random.normal(size=rows)),
        **{f"other{i}": random.normal(size=rows) for i in range(8)},
    }


def wrong(random: Random, values: object, share: float) -> object:
    """Put a share of values in other rows."""
    given = np.array(values)
    moved = np.flatnonzero(random.random(len(given)) < share)
    given[moved] = given[random.permutation(moved)]
    return given


FORMULAS: dict[str, Callable[[Columns], object]] = {
    "copy in another unit": lambda p: 0.9137 * p["cents"] + 3,
    "rank": lambda p: np.argsort(np.argsort(p["exact"])) + 1,
    "sum of 2": lambda p: p["cents"] + p["count"],
    "sum of 4": lambda p: p["cents"] + p["count"] - 2 * p["tenths"] + p["exact"] / 3,
    "rounded sum of 3": lambda p: np.round(p["cents"] + p["count"] + p["tenths"]),
    "product": lambda p: p["count"] * p["tenths"],
    "ratio": lambda p: p["cents"] / p["tenths"] ** 2,
    "rounded ratio": lambda p: np.round(p["cents"] / p["exact"], 2),
    "threshold": lambda p: np.where(p["tenths"] > 43, "over", "under"),
    "cut into 3": lambda p: np.array(["low", "middle", "high"])[np.digitize(p["exact"], [0.6, 1.5])],
}


def planted() -> None:
    """Planted formulas: how often they are found, with a share of rows that break them."""
    print(f"Planted formulas among 12 numbers, {PLANTED_SEEDS} seeds: share of data sets\n")
    print(f"{'formula':<24}{'rows':>8}{'rows that break it':>20}{'found':>8}{'others accused':>16}")
    for (name, make), rows, share in itertools.product(FORMULAS.items(), (200, 1000, 20_000), (0.0, 0.003, 0.02)):
        found = accused = 0
        for seed in range(PLANTED_SEEDS if rows < 20_000 else 3):
            random = np.random.default_rng([seed, rows, 9])
            columns = parts(random, rows)
            report = scan(columns | {"outcome": wrong(random, make(columns), share)}, "outcome")
            named = {column for finding in report.findings for column in finding.at.columns}
            found += bool(named)
            accused += any(column.startswith("other") for column in named)
        trials = PLANTED_SEEDS if rows < 20_000 else 3
        print(f"{name:<24}{rows:>8,}{share:>20.1%}{found / trials:>8.0%}{accused / trials:>16.0%}", flush=True)
    print()


def codes(random: Random, shop: np.ndarray, label: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield encodings of a category by the share of ones: three that leak, and two that do not."""
    count = int(shop.max()) + 1
    sums, sizes = np.bincount(shop, weights=label, minlength=count), np.bincount(shop, minlength=count)
    overall = label.mean()
    yield "mean", (sums / np.maximum(1, sizes))[shop]
    yield "mean, 3 decimals", np.round(sums / np.maximum(1, sizes), 3)[shop]
    yield "smoothed", ((sums + 10 * overall) / (sizes + 10))[shop]
    yield "leave-one-out", np.where(sizes[shop] > 1, (sums[shop] - label) / np.maximum(1, sizes[shop] - 1), overall)
    fold, apart = random.permutation(len(shop)) % 5, np.empty(len(shop))
    for number in range(5):
        rest = fold != number
        total = np.bincount(shop[rest], weights=label[rest], minlength=count)
        size = np.bincount(shop[rest], minlength=count)
        apart[~rest] = np.where(size > 0, total / np.maximum(1, size), overall)[shop[~rest]]
    yield "fold by fold (right)", apart
    yield "the true rate (right)", np.round(random.random(count), 2)[shop]


def encoded() -> None:
    """Encoded categories: how often each encoding is found; the last two must not be."""
    print(f"Categories encoded by the target, {PLANTED_SEEDS} seeds: share of data sets\n")
    print(f"{'encoding':<24}{'rows':>8}{'categories':>12}{'error':>8}{'warning':>9}")
    for rows, count in itertools.product((300, 3000, 30_000), (20, 200)):
        seen: dict[str, Counter[str]] = {}
        for seed in range(PLANTED_SEEDS):
            random = np.random.default_rng([seed, rows, count])
            shop = random.integers(0, count, rows)
            label = (random.random(rows) < np.linspace(0.2, 0.7, count)[shop]).astype(int)
            base = {"shop": np.char.add("s", shop.astype(str)), "amount": np.round(random.gamma(2.0, 9.0, rows), 2)}
            for name, values in codes(random, shop, label):
                report = scan(base | {"code": values, "outcome": label}, "outcome")
                seen.setdefault(name, Counter()).update(finding.severity.value for finding in report.findings)
        for name, found in seen.items():
            shares = [found[word] / PLANTED_SEEDS for word in ("error", "warning")]
            print(f"{name:<24}{rows:>8,}{count:>12}{shares[0]:>8.0%}{shares[1]:>9.0%}", flush=True)
    print()


if __name__ == "__main__":
    run_parts(null=null, planted=planted, encoded=encoded)
