"""Measures false alarms and recall of leakage/shortcut.

    python bench/calibrate_shortcuts.py [null] [planted] [bundled]

prints one table per part; all parts by default. The data are made up with fixed seeds or come with scikit-learn, and
are scanned as a user would.
"""

import itertools
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from calibrate_leakage import NULL_TARGETS, holed, null_features, worst
from sklearn import datasets
from trials import run_parts, scan_files

from doctor.model import Report
from doctor.settings import Settings

CHECKS = ("leakage/shortcut",)
NULL_ROWS = (100, 300, 1000, 5000, 50_000)
NULL_SEEDS = 10
SEEDS = 10
WORDS = np.array("plain fresh late cold warm small large quick slow round sharp sweet tired clear dark light".split())  # noqa: SIM905

Columns = dict[str, Any]
Random = np.random.Generator


def scan(columns: Columns, target: str, files: int = 1) -> Report:
    """Scan a table, in so many files, as the command line would."""
    table = pa.table(columns)
    rows = -(-table.num_rows // files)
    parts = {f"train-{number}": table.slice(number * rows, rows) for number in range(files)}
    return scan_files(parts, Settings(target=target, select=CHECKS))


def cues(random: Random, rows: int) -> Columns:
    """Columns that a shortcut may come from, and that know nothing."""
    counts = random.poisson(7, rows) + 3
    words = random.choice(WORDS, counts.sum())
    texts = [" ".join(part) for part in np.split(words, np.cumsum(counts)[:-1])]
    columns: Columns = {"text": texts, "annotator": random.choice(["ann", "bob", "cleo"], rows)}
    columns |= {"source": random.choice(list("abcdefgh"), rows), "scanner_id": random.integers(0, 40, rows)}
    columns["path"] = [f"{folder}/scan_{row:05d}.png" for row, folder in enumerate(random.choice(list("xyz"), rows))]
    return columns | {f"test{i}": holed(random.normal(size=rows), random.random(rows) < 0.2) for i in range(5)}


def null() -> None:
    """Shuffled targets: every finding is false."""
    print("Shuffled targets, rows in 4 files, 30 features with 10 cues: data sets with a finding\n")
    print(f"{'target':<18}{'rows':>8}{'trials':>8}{'warning':>9}{'info':>6}")
    trials, alarms = 0, 0
    for (name, make), rows in itertools.product(NULL_TARGETS.items(), NULL_ROWS):
        seen: Counter[str] = Counter()
        seeds = NULL_SEEDS if rows < 50_000 else 2
        for seed in range(seeds):
            random = np.random.default_rng([seed, rows])
            columns = null_features(random, rows) | cues(random, rows) | {"answer": make(random, rows)}
            findings = scan(columns, "answer", 4).findings
            seen.update({finding.severity.value for finding in findings})
            alarms += bool(findings)
        trials += seeds
        print(f"{name:<18}{rows:>8,}{seeds:>8}{seen['warning']:>9}{seen['info']:>6}")
    print(f"\nfalse alarms: {alarms} of {trials} data sets\n")


def _pulled(random: Random, label: Any, share: float, names: list[str]) -> Any:
    """Let a share of the rows have the name of their class."""
    return np.where(random.random(len(label)) < share, np.array(names)[label], random.choice(names, len(label)))


def _lengths(random: Random, label: Any, share: float) -> Any:
    counts = random.poisson(np.where(label == 1, 7 + 10 * share, 7)) + 3
    return [" ".join(random.choice(WORDS, count)) for count in counts]


KINDS: dict[str, Callable[[Random, Any, float], Columns]] = {
    "annotator": lambda random, label, share: {"annotator": _pulled(random, label, share, ["ann", "bob"])},
    "source": lambda random, label, share: {"source": _pulled(random, label, share, ["shop", "forum"])},
    "name": lambda random, label, share: {
        "path": [f"{word}/{row:05d}.png" for row, word in enumerate(_pulled(random, label, share, ["x", "y"]))]
    },
    "length": lambda random, label, share: {"text": _lengths(random, label, share)},
    "holes": lambda random, label, share: {
        f"test{i}": holed(random.normal(size=len(label)), random.random(len(label)) < 0.05 + 0.5 * share * label)
        for i in range(5)
    },
}


def planted() -> None:
    """Cues of stated strength: whether they are named, and whether others are."""
    print(f"Cues that tell the label, 1,000 rows, {SEEDS} seeds: share of data sets in which they are named\n")
    print(f"{'cue':<12}{'share of rows that it tells':>28}{'named':>8}{'others':>8}")
    for (kind, make), share in itertools.product(KINDS.items(), (0.1, 0.3, 0.5, 0.7)):
        seen: Counter[str] = Counter()
        for seed in range(SEEDS):
            random = np.random.default_rng([seed, 17])
            label = random.integers(0, 2, 1000)
            columns = cues(random, 1000) | make(random, label, share)
            named = [f.evidence["kind"] for f in scan(columns | {"answer": label}, "answer").findings]
            seen["named"] += kind in named
            seen["others"] += any(other != kind for other in named)
        print(f"{kind:<12}{share:>28.0%}{seen['named'] / SEEDS:>8.0%}{seen['others'] / SEEDS:>8.0%}")
    for kind, files in (("order", 1), ("file", 4)):
        for share in (0.1, 0.3, 0.5, 0.7):
            seen = Counter()
            for seed in range(SEEDS):
                random = np.random.default_rng([seed, 19])
                # Between its ends the share of ones rises by so much, in steps of a quarter of the rows.
                rise = (np.arange(1000) * 4 // 1000) / 3 - 0.5
                label = (random.random(1000) < 0.5 + share * rise).astype(int)
                report = scan(cues(random, 1000) | {"answer": label}, "answer", files)
                named = [finding.evidence["kind"] for finding in report.findings]
                seen["named"] += kind in named
                seen["others"] += any(other != kind for other in named)
            print(f"{kind:<12}{share:>28.0%}{seen['named'] / SEEDS:>8.0%}{seen['others'] / SEEDS:>8.0%}")
    print()


def bundled() -> None:
    """scikit-learn's own data, as stored, hence sorted by class in part."""
    print("scikit-learn's bundled data\n")
    for name in ("iris", "wine", "breast_cancer", "digits", "diabetes", "linnerud"):
        data = getattr(datasets, f"load_{name}")()
        names = [str(column) for column in getattr(data, "feature_names", range(data.data.shape[1]))]
        target = data.target if data.target.ndim == 1 else data.target[:, 0]
        report = scan(dict(zip(names, data.data.T, strict=True)) | {"target": target}, "target")
        said = [f"{finding.severity.value}: {finding.message}" for finding in report.findings]
        print(f"{name:<16}{worst(report.findings):<10}{'; '.join(said)}")
    print()


if __name__ == "__main__":
    run_parts(null=null, planted=planted, bundled=bundled)
