"""Measures false alarms and recall of the checks of labels.

    python bench/calibrate_labels.py [conflicts] [signal]

prints one table per part; all parts by default. The data are made up with fixed seeds or come with scikit-learn, are
written as Parquet and scanned as a user would.
"""

from collections import Counter
from typing import Any

import numpy as np
from calibrate_rows import HEALTHY, Columns, Random, continuous, levels, phrases, taken
from trials import run_parts, scan_files

from doctor.evidence.inputs import coded
from doctor.evidence.signal import Signal, guesses_of
from doctor.model import Undecided
from doctor.settings import Settings
from doctor_checks.labels import no_signal

ROWS = (100, 1_000, 5_000)
SEEDS = 5


def verdict(check: str, columns: Columns) -> str:
    """Scan a table as the command line would; return the gravest severity that a check gives, or its outcome."""
    report = scan_files({"data": columns}, Settings(target="label", select=(check,)))
    (examination,) = report.examinations
    severities = sorted((finding.severity for finding in report.findings), key=lambda severity: severity.rank)
    return severities[0].value if severities else examination.outcome.value


def told(name: str, rows: object, seen: Counter[str]) -> None:
    """Print one line of a table."""
    words = ", ".join(f"{word} {count}" for word, count in sorted(seen.items()))
    print(f"{name:<34}{rows!s:<10}{sum(seen.values()):>5}   {words}", flush=True)


def labelled_by_first(random: Random, columns: Columns) -> Columns:
    """Add a label that the first column tells, but for noise."""
    first = np.asarray(next(iter(columns.values())))
    order = np.unique(first, return_inverse=True)[1]
    truth = order > np.median(order)
    return columns | {"label": np.where(random.random(len(first)) < 0.1, ~truth, truth).astype(int)}


def entered_twice(random: Random, columns: Columns, share: float, other: bool) -> Columns:
    """Enter a share of the rows twice, the second time with the other label where `other` says so."""
    rows = len(columns["label"])
    again = random.choice(rows, max(2, round(share * rows)), replace=False)
    made = taken(columns, np.concatenate([np.arange(rows), again]))
    if other:
        made["label"][rows:] = 1 - made["label"][rows:]
    return made


def conflicts() -> None:
    """Print what labels/conflicting-labels says of rows equal by nature, of copies, and of copies labelled twice."""
    check = "labels/conflicting-labels"
    print(f"{check}: nothing entered twice with another label\n")
    total: Counter[str] = Counter()
    for design in HEALTHY:
        seen: Counter[str] = Counter()
        for rows in ROWS:
            for seed in range(SEEDS):
                random = np.random.default_rng([seed, rows])
                columns = design(random, rows)
                columns = columns if "label" in columns else labelled_by_first(random, columns)
                seen[verdict(check, columns)] += 1
                seen[verdict(check, entered_twice(random, columns, 0.05, False))] += 1
        told(design.__name__, f"{ROWS[0]}–{ROWS[-1]}", seen)
        total += seen
    told("all", "", total)
    print("\nentered twice with the other label\n")
    for design in (continuous, phrases, levels):
        for share in (0.002, 0.01, 0.05):
            for rows in ROWS:
                seen = Counter()
                for seed in range(SEEDS):
                    random = np.random.default_rng([seed, rows, 3])
                    columns = labelled_by_first(random, design(random, rows))
                    seen[verdict(check, entered_twice(random, columns, share, True))] += 1
                told(f"{design.__name__}, {share:.1%}", rows, seen)


def with_signal(random: Random, rows: int, slope: float, kind: str) -> tuple[Any, Any]:
    """Six numbers of which two tell the label, by their sum or only both together."""
    x = random.normal(size=(rows, 6))
    told = x[:, 0] + x[:, 1] if kind == "sum" else 2 * np.sign(x[:, 0] * x[:, 1])
    return x, (random.random(rows) < 1 / (1 + np.exp(0.5 - slope * told))).astype(np.int64)


def signal_word(x: Any, label: Any) -> str:
    """Return what labels/no-signal says of arrays; what single features tell is left out, which makes it say more."""
    matrix = np.column_stack([part for column in x.T for part in coded(column)]).astype(np.float32)
    guesses = tuple(guesses_of(matrix, np.arange(len(label)) % 5, label))
    facts = {"target": "label", "rows": len(label), "features": x.shape[1], "feature": None, "unread": ()}
    words = list(no_signal.examine(Signal(guesses=guesses, **facts)))
    return "healthy" if not words else "cannot tell" if isinstance(words[0], Undecided) else "no signal"


def signal() -> None:
    """Print what labels/no-signal says where there is no signal, a weak one and a strong one."""
    print("\nlabels/no-signal\n")
    for name, slope, kind in (
        ("no signal", 0.0, "sum"),
        ("sum, odds 1.2 per deviation", 0.18, "sum"),
        ("sum, odds 1.5 per deviation", 0.4, "sum"),
        ("sum, odds 2.7 per deviation", 1.0, "sum"),
        ("both together only, 73 % right", 0.5, "product"),
        ("both together only, 88 % right", 1.0, "product"),
    ):
        for rows in (100, 400, 1_500):
            random = np.random.default_rng([rows, 11])
            told(name, rows, Counter(signal_word(*with_signal(random, rows, slope, kind)) for _ in range(4 * SEEDS)))


if __name__ == "__main__":
    run_parts(conflicts=conflicts, signal=signal)
