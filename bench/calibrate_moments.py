"""Measures false alarms and recall of leakage/after-the-event.

    python bench/calibrate_moments.py [null] [planted] [dates]

prints one table per part; all parts by default. The data are made up with fixed seeds and scanned as a user would.
"""

import itertools
import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from calibrate_leakage import NULL_TARGETS, holed, null_features, planted_table, worst
from trials import run_parts, scan_files

from doctor.model import Report
from doctor.settings import Settings

CHECKS = ("leakage/after-the-event",)
NULL_ROWS = (50, 100, 300, 1000, 10_000, 100_000)
NULL_SEEDS = 10
PLANTED_SEEDS = 20
LATE_NAMES = (
    ("normal0", "call_duration"),
    ("heavy0", "paid_total"),
    ("heavy1", "paid_interest"),
    ("count0", "balance"),
    ("level8", "order_status"),
    ("level2", "case_outcome"),
    ("level300", "resolution"),
    ("day", "closed_on"),
    ("holes", "recovered"),
    ("sparse", "discharge_to"),
)
"""Features of `calibrate_leakage.null_features` that get a suspicious name."""

Columns = dict[str, Any]


def scan(columns: Columns, target: str, time: str | None = None) -> Report:
    """Scan a table as the command line would."""
    return scan_files({"table": columns}, Settings(target=target, time=time, select=CHECKS))


def null() -> None:
    """Ten features with suspicious names that tell nothing: every finding is false."""
    print("Shuffled targets, 10 suspicious names among 20 features: data sets with a finding\n")
    print(f"{'target':<18}{'rows':>8}{'trials':>8}{'found':>8}")
    trials, alarms = 0, 0
    for (name, make), rows in itertools.product(NULL_TARGETS.items(), NULL_ROWS):
        seeds, found = (NULL_SEEDS if rows < 100_000 else 3), 0
        for seed in range(seeds):
            random = np.random.default_rng([seed, rows])
            features = null_features(random, rows)
            columns = {dict(LATE_NAMES).get(key, key): values for key, values in features.items()}
            found += bool(scan(columns | {"answer": make(random, rows)}, "answer").findings)
        trials, alarms = trials + seeds, alarms + found
        print(f"{name:<18}{rows:>8,}{seeds:>8}{found:>8}")
    print(f"\nfalse alarms: {alarms} of {trials} data sets\n")


def planted() -> None:
    """A suspicious name of stated strength beside four honest features."""
    print(f"A late column beside 4 honest features, {PLANTED_SEEDS} seeds: share of data sets in which it is named\n")
    print(f"{'rows':>8}{'distance':>10}{'AUC':>7}{'named':>8}{'honest named':>14}")
    for rows, distance in itertools.product((200, 1000, 5000), (0.2, 0.5, 0.8, 1.5)):
        seen: Counter[str] = Counter()
        for seed in range(PLANTED_SEEDS):
            random = np.random.default_rng([seed, 3])
            features, label = planted_table(random, rows)
            late = distance * label + random.normal(size=rows)
            columns = features | {"call_duration": np.exp(late), "answer": label}
            named = [finding.at.columns for finding in scan(columns, "answer").findings]
            seen["late"] += ("call_duration",) in named
            seen["honest"] += any(names != ("call_duration",) for names in named)
        # Of two normal variables so many standard deviations apart.
        auc = 0.5 * (1 + math.erf(distance / 2))
        shares = [seen[word] / PLANTED_SEEDS for word in ("late", "honest")]
        print(f"{rows:>8,}{distance:>10.1f}{auc:>7.2f}{shares[0]:>8.0%}{shares[1]:>14.0%}")
    print()


def _days(random: np.random.Generator, rows: int) -> Any:
    return (random.integers(0, 300, rows) + 17_000).astype("datetime64[D]")


def dates() -> None:
    """Columns of times beside a declared time column: the gravest word on each kind."""
    print(f"Times beside a declared time column, 1,000 rows, {PLANTED_SEEDS} seeds: share by what is said\n")
    kinds: dict[str, Callable[[np.random.Generator, Any, Any], tuple[str, Any]]] = {
        "known before: birth": lambda random, when, label: ("born", when - random.integers(7000, 20_000, len(when))),
        "due, 5 to 30 days later": lambda random, when, label: ("due_date", when + random.integers(5, 30, len(when))),
        "later, tells nothing": lambda random, when, label: ("visit", when + random.integers(1, 30, len(when))),
        "later, tells the label": lambda random, when, label: (
            "visit",
            when + random.integers(1, 30, len(when)) + 12 * label,
        ),
        "later, says so by name": lambda random, when, label: ("closed", when + random.integers(1, 30, len(when))),
        "one in 200 later": lambda random, when, label: (
            "visit",
            when + np.where(random.random(len(when)) < 0.005, 20, -20),
        ),
        "only for one class": lambda random, when, label: (
            "visit",
            holed(when + random.integers(1, 30, len(when)), ~label),
        ),
    }
    print(f"{'times':<28}{'error':>7}{'warning':>9}{'info':>6}{'silent':>8}")
    for name, make in kinds.items():
        seen: Counter[str] = Counter()
        for seed in range(PLANTED_SEEDS):
            random = np.random.default_rng([seed, 5])
            features, label = planted_table(random, 1000)
            when = _days(random, 1000)
            column, values = make(random, when, label)
            report = scan(features | {"day": when, column: values, "answer": label}, "answer", "day")
            seen[worst(report.findings)] += 1
        shares = [seen[word] / PLANTED_SEEDS for word in ("error", "warning", "info", "silent")]
        print(f"{name:<28}{shares[0]:>7.0%}{shares[1]:>9.0%}{shares[2]:>6.0%}{shares[3]:>8.0%}")
    print()


if __name__ == "__main__":
    run_parts(null=null, planted=planted, dates=dates)
