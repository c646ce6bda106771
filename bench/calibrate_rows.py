"""Measures false alarms and recall of the checks of rows and splits.

    python bench/calibrate_rows.py [healthy] [planted]

prints one table per part; all parts by default. The data are made up with fixed seeds or come with scikit-learn, are
written as Parquet and scanned as a user would.
"""

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn import datasets
from trials import run_parts, scan_files

from doctor.model import Finding
from doctor.settings import Settings

CHECKS = (
    "duplicates/duplicate-rows",
    "leakage/split-duplicates",
    "leakage/group-overlap",
    "leakage/temporal-overlap",
)
ROWS = (100, 300, 1000, 5000, 20_000)
BUNDLED = ("iris", "wine", "breast_cancer", "diabetes", "digits")
BUNDLED_SEEDS = 6
HEALTHY_SEEDS = 3
PLANTED_ROWS = (500, 5000)
PLANTED_SEEDS = 8
TEST_SHARE = 0.25
ALARMS = ("error", "warning")
WORDS = [a + b for a in ("ka", "lo", "mi", "ne", "ru", "sta", "ti", "vo") for b in ("der", "gen", "lin", "mas", "rit")]

Columns = dict[str, Any]
Random = np.random.Generator
Design = Callable[[Random, int], Columns]


def scan(columns: Columns, late: Any) -> list[Finding]:
    """Scan a table of two splits as the command line would; `late` says which rows are for testing."""
    whole = pa.table(columns)
    parts = {split: whole.filter(pa.array(chosen)) for split, chosen in (("train", ~late), ("test", late))}
    return list(scan_files(parts, Settings(target="label", select=CHECKS)).findings)


def at_random(random: Random, rows: int) -> Any:
    """Draw the rows for testing."""
    return random.random(rows) < TEST_SHARE


def labelled(random: Random, columns: Columns) -> Columns:
    """Add a label that knows nothing."""
    rows = len(next(iter(columns.values())))
    return columns | {"label": random.integers(0, 2, rows)}


def continuous(random: Random, rows: int) -> Columns:
    """Eight numbers in full precision, correlated."""
    mixed = random.normal(size=(rows, 8)) @ random.normal(size=(8, 8))
    return {f"x{i}": mixed[:, i] for i in range(8)}


def rounded(random: Random, rows: int) -> Columns:
    """Four measures to one decimal, as on a rule."""
    size = random.normal(size=rows)
    return {f"x{i}": (5 + size + 0.5 * random.normal(size=rows)).round(1) for i in range(4)}


def levels(random: Random, rows: int) -> Columns:
    """Eight categories of few, uneven levels."""
    shares = ([0.7, 0.3], [0.5, 0.3, 0.2], [0.6, 0.2, 0.1, 0.1], [0.9, 0.1])
    return {f"c{i}": random.choice(list("abcd")[: len(p)], rows, p=p) for i, p in enumerate(2 * shares)}


def one_hot(random: Random, rows: int) -> Columns:
    """One category in forty columns, and a count."""
    kind = random.integers(0, 40, rows)
    return {f"is_{i}": (kind == i).astype(int) for i in range(40)} | {"count": random.poisson(2, rows)}


def two_short(random: Random, rows: int) -> Columns:
    """Six functions of two numbers of two decimals."""
    a, b = random.random((2, rows)).round(2)
    return {"a": a, "b": b, "s": (a + b).round(3), "d": (a - b).round(3), "p": (a * b).round(4), "q": (a**2).round(4)}


def two_short_in_full(random: Random, rows: int) -> Columns:
    """Functions of two short numbers in full precision, without the numbers themselves."""
    a, b = random.random((2, rows)).round(2)
    return {"ratio": a / (1 + b), "root": np.sqrt(a + b), "wave": np.sin(3 * a + b), "log": np.log1p(a * b), "e": b**3}


def three_short(random: Random, rows: int) -> Columns:
    """Eight functions of three numbers of two decimals."""
    a, b, c = random.random((3, rows)).round(2)
    parts = (a, b, c, a + b, b - c, a * c, a + b + c, np.sqrt(b * c))
    return {f"x{i}": part.round(6) for i, part in enumerate(parts)}


def short_and_kinds(random: Random, rows: int) -> Columns:
    """Functions of two integers beside two categories."""
    a, b = random.integers(20, 80, (2, rows))
    kinds = {"kind": random.choice(["one", "two", "three"], rows), "open": random.integers(0, 2, rows)}
    return {"a": a, "b": b, "area": a * b, "round": 2 * (a + b), "diagonal": np.hypot(a, b)} | kinds


def coded_pairs(random: Random, rows: int) -> Columns:
    """Categories of which any two tell the others."""
    a, b = random.integers(0, 40, (2, rows))
    parts = (a, b, (a + b) % 40, (3 * a + b) % 37, (a * a + 7 * b) % 31)
    return {f"c{i}": [f"k{value}" for value in part] for i, part in enumerate(parts)}


def curved(random: Random, rows: int) -> Columns:
    """Ten smooth functions of three numbers in full precision."""
    bent = np.tanh(random.random((rows, 3)) @ random.normal(size=(3, 10)))
    return {f"x{i}": bent[:, i] for i in range(10)}


def mixture(random: Random, rows: int) -> Columns:
    """Half the rows of a small domain, half continuous."""
    few = random.random(rows) < 0.5
    return {f"x{i}": np.where(few, random.integers(0, 3, rows), random.normal(size=rows)) for i in range(6)}


def sparse(random: Random, rows: int) -> Columns:
    """Thirty counts, nearly all zero."""
    return {f"s{i}": (random.random(rows) < 0.03) * random.integers(1, 9, rows) for i in range(30)}


def grid(random: Random, rows: int) -> Columns:
    """Settings of an experiment, drawn with replacement, with what follows from them."""
    a, b, c = (random.choice(steps, rows) for steps in ([0.1, 0.3, 1, 3], [10, 20, 50], [1, 2, 4, 8, 16]))
    return {"rate": a, "size": b, "depth": c, "cost": a * b * c, "log_cost": np.log(a * b * c), "load": b * c}


def long_tail(random: Random, rows: int) -> Columns:
    """Text of a long tail of names, with a length and a price that go with the name."""
    name = np.minimum(random.zipf(1.5, rows), 5000)
    return {"name": [f"brand {i}" for i in name], "length": name % 23 + 3, "price": (name * 37 % 1000) / 10}


def phrases(random: Random, rows: int) -> Columns:
    """Sentences of five to twelve words."""
    return {"text": [" ".join(random.choice(WORDS, size)) for size in random.integers(5, 13, rows)]}


def dated(random: Random, rows: int) -> Columns:
    """Days that tell nothing, beside numbers."""
    day = (random.integers(0, 900, rows) + 17_000).astype("datetime64[D]")
    return {"day": day} | {f"x{i}": random.normal(size=rows) for i in range(4)}


def entities(random: Random, rows: int) -> Columns:
    """Users, codes and towns that tell nothing, beside numbers."""
    return {
        "user_id": random.integers(1000, 1000 + max(20, rows // 4), rows),
        "device": [f"dev-{i:05d}" for i in random.integers(0, max(60, rows // 6), rows)],
        "town": [f"Town {i}" for i in random.integers(0, 30, rows)],
        "amount": random.lognormal(3, 1, rows).round(2),
        "score": random.normal(size=rows),
    }


def informative_town(random: Random, rows: int) -> Columns:
    """A category that tells the label, as categories may."""
    town = random.integers(0, 40, rows)
    label = (random.random(rows) < np.where(town % 2, 0.8, 0.2)).astype(int)
    return {"town": [f"Town {i}" for i in town], "x": random.normal(size=rows).round(3), "label": label}


HEALTHY: tuple[Design, ...] = (
    continuous,
    rounded,
    levels,
    one_hot,
    two_short,
    two_short_in_full,
    three_short,
    short_and_kinds,
    coded_pairs,
    curved,
    mixture,
    sparse,
    grid,
    long_tail,
    phrases,
    dated,
    entities,
    informative_town,
)


def healthy() -> None:
    """Print, per design, how many data sets with nothing wrong got a warning or an error."""
    print(f"Nothing wrong, {TEST_SHARE:.0%} drawn for testing: data sets with a warning or an error\n")
    short = [check.partition("/")[2] for check in CHECKS]
    print(f"{'design':<20}{'rows':<15}{'trials':>7}" + "".join(f"{name:>18}" for name in short))
    total: Counter[str] = Counter()

    def told(name: str, rows: str, seen: Counter[str]) -> None:
        print(
            f"{name:<20}{rows:<15}{seen['trials']:>7}" + "".join(f"{seen[check]:>18}" for check in CHECKS), flush=True
        )
        total.update(seen)

    for name in BUNDLED:
        data = getattr(datasets, f"load_{name}")()
        seen: Counter[str] = Counter()
        for seed in range(BUNDLED_SEEDS):
            random = np.random.default_rng(seed)
            columns = {f"x{i}": values for i, values in enumerate(data.data.T)} | {"label": data.target}
            seen.update(alarms(columns, at_random(random, len(data.target))))
        told(name, f"{len(data.target):,}", seen)
    for design in HEALTHY:
        seen = Counter()
        for rows in ROWS:
            for seed in range(HEALTHY_SEEDS):
                random = np.random.default_rng([seed, rows])
                columns = design(random, rows)
                columns = columns if "label" in columns else labelled(random, columns)
                seen.update(alarms(columns, at_random(random, rows)))
        told(design.__name__, f"{ROWS[0]:,} to {ROWS[-1]:,}", seen)
    told("all", "", Counter(total))
    print(f"\nwith any: {total['any'] // 2} of {total['trials'] // 2} data sets\n")


def alarms(columns: Columns, late: Any) -> Counter[str]:
    """Count a trial and the checks that raised an alarm in it."""
    raised = {finding.check for finding in scan(columns, late) if finding.severity.value in ALARMS}
    return Counter(raised) + Counter(["trials"]) + Counter(["any"] if raised else [])


def copied_within(design: Design, share: float) -> Callable[[Random, int], tuple[Columns, Any]]:
    """Return a maker of tables where a share of the training rows stands twice."""

    def make(random: Random, rows: int) -> tuple[Columns, Any]:
        columns = labelled(random, design(random, rows))
        late = at_random(random, rows)
        again = random.choice(np.flatnonzero(~late), math.ceil(share * (~late).sum()), replace=False)
        order = np.concatenate([np.arange(rows), again])
        return taken(columns, order), late[order]

    return make


def copied_across(design: Design, share: float, noise: float = 0.0) -> Callable[[Random, int], tuple[Columns, Any]]:
    """Return a maker of tables where a share of the rows for testing are training rows, moved by `noise`."""

    def make(random: Random, rows: int) -> tuple[Columns, Any]:
        columns = labelled(random, design(random, rows))
        late = at_random(random, rows)
        to = random.choice(np.flatnonzero(late), math.ceil(share * late.sum()), replace=False)
        order = np.arange(rows)
        order[to] = random.choice(np.flatnonzero(~late), len(to), replace=False)
        made = taken(columns, order)
        for name, values in made.items():
            if noise and name != "label":
                values[to] += noise * values.std() * random.uniform(-1, 1, len(to))
        return made, late

    return make


def taken(columns: Columns, order: Any) -> Columns:
    """Return the rows in the given order."""
    return {name: np.asarray(values)[order] for name, values in columns.items()}


def shared_patients(gain: float) -> Callable[[Random, int], tuple[Columns, Any]]:
    """Return a maker of tables of patients, five rows each, whose label a share `gain` of them fixes."""

    def make(random: Random, rows: int) -> tuple[Columns, Any]:
        patient = random.integers(0, rows // 5, rows)
        own = random.integers(0, 2, rows // 5)[patient]
        label = np.where(random.random(rows) < math.sqrt(gain), own, random.integers(0, 2, rows))
        columns = continuous(random, rows) | {"patient_id": 4000 + 3 * patient, "label": label}
        return columns, at_random(random, rows)

    return make


def drifting(low: float) -> Callable[[Random, int], tuple[Columns, Any]]:
    """Return a maker of dated tables whose share of ones rises from `low` to 1 - `low`."""

    def make(random: Random, rows: int) -> tuple[Columns, Any]:
        columns = dated(random, rows)
        when = (columns["day"] - columns["day"].min()).astype(float)
        columns["label"] = (random.random(rows) < low + (1 - 2 * low) * when / when.max()).astype(int)
        return columns, at_random(random, rows)

    return make


PLANTED = (
    ("1 % of train twice, continuous", "duplicates/duplicate-rows", copied_within(continuous, 0.011)),
    ("5 % of train twice, continuous", "duplicates/duplicate-rows", copied_within(continuous, 0.05)),
    ("5 % of train twice, sentences", "duplicates/duplicate-rows", copied_within(phrases, 0.05)),
    ("5 % of train twice, curved", "duplicates/duplicate-rows", copied_within(curved, 0.05)),
    ("5 % of train twice, one decimal", "duplicates/duplicate-rows", copied_within(rounded, 0.05)),
    ("1 % of test in train, continuous", "leakage/split-duplicates", copied_across(continuous, 0.01)),
    ("5 % of test in train, continuous", "leakage/split-duplicates", copied_across(continuous, 0.05)),
    ("5 % of test in train, sentences", "leakage/split-duplicates", copied_across(phrases, 0.05)),
    ("5 % of test in train, curved", "leakage/split-duplicates", copied_across(curved, 0.05)),
    ("5 % of test in train, one decimal", "leakage/split-duplicates", copied_across(rounded, 0.05)),
    ("5 % moved by 0.01 % of spread", "leakage/split-duplicates", copied_across(continuous, 0.05, 1e-4)),
    ("5 % moved by 0.5 % of spread", "leakage/split-duplicates", copied_across(continuous, 0.05, 5e-3)),
    ("patients in both, label fixed", "leakage/group-overlap", shared_patients(1.0)),
    ("patients in both, gain 0.3", "leakage/group-overlap", shared_patients(0.3)),
    ("patients in both, gain 0.1", "leakage/group-overlap", shared_patients(0.1)),
    ("overlap in time, ones 10 to 90 %", "leakage/temporal-overlap", drifting(0.1)),
    ("overlap in time, ones 25 to 75 %", "leakage/temporal-overlap", drifting(0.25)),
)


def planted() -> None:
    """Print, per planted fault, the share of data sets by what its check says of it."""
    print(f"Planted faults, {PLANTED_SEEDS} seeds: share of data sets by what the check says\n")
    print(f"{'fault':<38}{'rows':>7}{'error':>8}{'warning':>9}{'info':>6}{'silent':>8}{'other alarms':>14}")
    for name, check, make in PLANTED:
        for rows in PLANTED_ROWS:
            seen: Counter[str] = Counter()
            for seed in range(PLANTED_SEEDS):
                findings = scan(*make(np.random.default_rng([seed, rows, 5]), rows))
                mine = [finding.severity for finding in findings if finding.check == check]
                seen[min(mine, key=lambda severity: severity.rank).value if mine else "silent"] += 1
                seen["others"] += any(f.check != check and f.severity.value in ALARMS for f in findings)
            shares = [seen[word] / PLANTED_SEEDS for word in ("error", "warning", "info", "silent", "others")]
            print(
                f"{name:<38}{rows:>7,}{shares[0]:>8.0%}{shares[1]:>9.0%}{shares[2]:>6.0%}{shares[3]:>8.0%}"
                f"{shares[4]:>14.0%}",
                flush=True,
            )
    print()


if __name__ == "__main__":
    run_parts(healthy=healthy, planted=planted)
