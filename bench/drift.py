"""Measures false alarms and recall of the drift family, beside the defaults in common use.

    python bench/drift.py [null] [planted] [peer] [--trials 200] [--peer PYTHON]

Every trial is a data set of twelve columns of many shapes, and a label, in two splits. The evidence is measured from
their arrays and judged by the checks; the first trials of each row are also scanned as a user would, and both must say
the same. An alarm is any finding of a check (of `labels/unseen-labels`: above a remark); of a rule, any column, the
label included.

The rules are implemented here as their libraries publish them. With `--peer`, a Python in which evidently is installed
(see peer_evidently.py), the library itself is asked, and the rule is held against it.
Exit status 1 where a check raises more than 1 % of false alarms in a row of the table.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy import stats
from scipy.spatial.distance import jensenshannon

import doctor
from doctor.evidence.domains import Domains, domain_of, shortened
from doctor.evidence.keys import Key
from doctor.evidence.roles import Roles
from doctor.evidence.shifts import Setting, Shifts, arranged, contrast
from doctor.evidence.sides import MAX_ROWS, Side, both
from doctor.evidence.unseen import UnseenCategories, UnseenLabels, compared, unseen_in
from doctor.model import Finding, Outcome, Severity
from doctor_checks.drift import domain_shift, feature_drift, label_drift, new_categories
from doctor_checks.labels import unseen_labels

CHECKS = (
    "drift/feature-drift",
    "drift/label-drift",
    "drift/new-categories",
    "drift/domain-shift",
    "labels/unseen-labels",
)
RULES_TRIALS = 50
"""The rules need no more trials where they raise alarms in most, and cost more than the checks."""
SIZES = ((30, 20), (75, 25), (1001, 100), (750, 250), (7_500, 2_500), (75_000, 25_000))
DEPENDENT_SIZES = SIZES[1:5]
PLANTED_SIZES = ((75, 25), (1001, 100), (750, 250), (7_500, 2_500))
PLANTED_TRIALS = 40
PEER_TRIALS = 30
PARTS = ("null", "planted", "peer")
MAX_ALARMS = 0.01
ENTITY_ROWS = 5

SCANNED_TRIALS = 5
APART = ("time", "run", "patient_id", "label")

Columns = dict[str, Any]
Random = np.random.Generator
Counted = frozenset[tuple[str, str]]
Silent = frozenset[str]


def columns(random: Random, rows: int) -> Columns:
    """Twelve shapes: bell, skewed, no mean, bounded, two humps, counts, mostly zero, coarse, categories, holes."""
    holes = random.normal(size=rows)
    holes[random.random(rows) < 0.1] = np.nan
    return {
        "bell": random.normal(size=rows),
        "skewed": random.lognormal(3, 1, rows).round(2),
        "cauchy": random.standard_cauchy(rows),
        "bounded": random.random(rows).round(4),
        "humps": random.normal(size=rows) + 6 * (random.random(rows) < 0.3),
        "count": random.poisson(2, rows),
        "zeros": np.where(random.random(rows) < 0.9, 0.0, random.exponential(10, rows).round(1)),
        "coarse": random.normal(50, 12, rows).round(-1),
        "flag": random.random(rows) < 0.3,
        "few": random.choice(["red", "green", "blue", "grey"], rows, p=[0.6, 0.25, 0.1, 0.05]),
        "many": [f"shop {i}" for i in np.minimum(random.zipf(1.4, rows), 10**6)],
        "holes": holes,
        "label": random.choice(["no", "yes"], rows, p=[0.8, 0.2]),
    }


def at_random(random: Random, n: int, m: int) -> tuple[Columns, Columns]:
    """Draw both splits alike."""
    return columns(random, n), columns(random, m)


def by_time(random: Random, n: int, m: int) -> tuple[Columns, Columns]:
    """Cut rows that do not depend on time along it."""
    whole = columns(random, n + m)
    seconds = np.sort(random.integers(0, 400 * 86_400, n + m)) + 1_600_000_000
    return _cut({"time": seconds.astype("datetime64[s]"), "run": np.arange(n + m), **whole}, n)


def by_slow_time(random: Random, n: int, m: int) -> tuple[Columns, Columns]:
    """Cut series along time of which neighbours are alike, half a year's season in two of them."""
    front, back = by_time(random, n, m)
    whole = {name: np.concatenate([front[name], back[name]]) for name in front}
    for name in ("bell", "humps"):
        whole[name] = _series(random, n + m, 0.8)
    for name in ("bounded", "skewed"):
        day = whole["time"].astype("datetime64[s]").astype(np.int64) / 86_400
        whole[name] = np.sin(2 * np.pi * day / 91) + random.normal(size=n + m)
    return _cut(whole, n)


def by_entity(random: Random, n: int, m: int) -> tuple[Columns, Columns]:
    """Give each split its own patients, of five rows each that are alike."""
    parts = []
    for rows, first in ((n, 1_000), (m, 60_000)):
        made = columns(random, rows)
        patient = np.arange(rows) // ENTITY_ROWS
        own = columns(random, int(patient[-1]) + 1)
        for name in ("bell", "cauchy", "count", "few", "many", "label"):
            made[name] = np.asarray(own[name])[patient]
        made["humps"] = made["humps"] + 2 * np.asarray(own["bell"])[patient]
        parts.append({"patient_id": 7 * (first + patient) + 3, **made})
    return parts[0], parts[1]


def _series(random: Random, rows: int, memory: float) -> Any:
    values = random.normal(size=rows)
    for i in range(1, rows):
        values[i] = memory * values[i - 1] + math.sqrt(1 - memory**2) * values[i]
    return values


def _cut(whole: Columns, n: int) -> tuple[Columns, Columns]:
    return {name: values[:n] for name, values in whole.items()}, {name: values[n:] for name, values in whole.items()}


# ---- the rules in common use -------------------------------------------------------------------------------------


def _numeric(values: Any) -> bool:
    return np.asarray(values).dtype.kind in "if"


def _shares(before: Any, after: Any, bins: int) -> tuple[Any, Any]:
    """Put a column into quantile bins of the reference, or its categories; the shares of both sides."""
    if _numeric(before):
        first, second = (np.asarray(side, float)[~np.isnan(np.asarray(side, float))] for side in (before, after))
        edges = np.unique(np.quantile(first, np.linspace(0, 1, bins + 1)))
        edges[0], edges[-1] = -np.inf, np.inf
        counts = [np.histogram(side, edges)[0] for side in (first, second)]
    else:
        counts = list(_table(before, after))
    return tuple(np.maximum(count / max(1, count.sum()), 1e-4) for count in counts)  # type: ignore[return-value]


def _table(before: Any, after: Any) -> Any:
    """Count the categories of both sides."""
    codes = pa.array(np.concatenate([before, after])).dictionary_encode().indices.to_numpy()
    levels = int(codes.max()) + 1
    return np.array([np.bincount(side, minlength=levels) for side in (codes[: len(before)], codes[len(before) :])])


def psi(before: Any, after: Any) -> float:
    """Return the index as it is commonly computed: ten bins of the reference, empty ones as 0.0001."""
    p, q = _shares(before, after, 10)
    return float(((q - p) * np.log(q / p)).sum())


def p_value(before: Any, after: Any) -> float:
    """Return p of Kolmogorov and Smirnov's test, of the chi-square test where there are categories."""
    if _numeric(before):
        first, second = (np.asarray(side, float)[~np.isnan(np.asarray(side, float))] for side in (before, after))
        return float(stats.ks_2samp(first, second).pvalue)
    table = _table(before, after)
    return float(stats.chi2_contingency(table).pvalue) if table.shape[1] > 1 else 1.0


def evidently(before: Any, after: Any) -> bool:
    """Apply the defaults of evidently 0.7, by the size of the reference and the kind of column.

    To 1,000 rows: Kolmogorov and Smirnov's test (numbers), the z-test (two categories) and the chi-square test of the
    later counts against the earlier shares (more), at 0.05. Above: Wasserstein's distance over the standard deviation,
    Jensen and Shannon's distance, at 0.1. Whole numbers of few values are categories.
    """
    number = _numeric(before) and len(np.unique(before)) > (10 if np.asarray(before).dtype.kind == "i" else 5)
    small = (np.count_nonzero(~np.isnan(before)) if _numeric(before) else len(before)) <= 1000
    if number:
        known = [np.asarray(side, float)[~np.isnan(np.asarray(side, float))] for side in (before, after)]
        if small:
            return p_value(*known) < 0.05
        return float(stats.wasserstein_distance(*known)) / max(float(np.std(known[0])), 0.001) >= 0.1
    table = _table(before, after)
    if small and table.shape[1] > 2:
        with np.errstate(divide="ignore", invalid="ignore"):
            expected = table[0] * len(after) / len(before)
            value = float(np.sum(np.where(table.sum(axis=0) > 0, (table[1] - expected) ** 2 / expected, 0.0)))
        return float(stats.chi2.sf(value, table.shape[1] - 1)) < 0.05
    if small:
        return table.shape[1] > 1 and float(stats.chi2_contingency(table, correction=False).pvalue) < 0.05
    p, q = table / table.sum(axis=1, keepdims=True)
    return float(jensenshannon(p, q)) >= 0.1


RULES: Mapping[str, Callable[[Any, Any], bool]] = {
    "PSI > 0.1": lambda before, after: psi(before, after) > 0.1,
    "PSI > 0.2": lambda before, after: psi(before, after) > 0.2,
    "KS or χ², p < 0.05": lambda before, after: p_value(before, after) < 0.05,
    "evidently's defaults": evidently,
}

# ---- trials ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What was said of one data set: the checks and rules that raised an alarm, and the checks without a verdict."""

    alarms: frozenset[str]
    silent: frozenset[str]
    named: frozenset[tuple[str, str]]


def scanned(before: Columns, after: Columns) -> tuple[Counted, Silent]:
    """Have the installed checks judge a data set through a whole scan.

    Raises
    ------
    SystemExit
        Where a check crashes: then nothing is measured.
    """
    report = doctor.scan({"train": pa.table(before), "test": pa.table(after)}, target="label", select=CHECKS)
    crashed = [item for item in report.examinations if item.outcome is Outcome.CRASHED]
    if crashed:
        raise SystemExit(f"not measured: {crashed}")
    silent = {item.check for item in report.examinations if item.outcome is Outcome.UNAVAILABLE}
    return _loud(report.findings), frozenset(silent)


def judged(before: Columns, after: Columns, seed: int) -> tuple[Counted, Silent]:
    """Have the checks judge the same, measured from the arrays."""
    random = np.random.default_rng(seed)
    sides = (_side("train", before, random), _side("test", after, random))
    names = [name for name in before if name not in APART]
    keys = [Key(column="patient_id", because="its name")] if "patient_id" in before else []
    cut = "time" if "time" in before else None

    def setting(pair: tuple[Side, Side]) -> Setting:
        return arranged(pair, keys, cut, both(pair, "time") if cut else None)

    whole = setting(sides)
    shifts = Shifts(contrasts=(contrast(whole, names, "label"),))
    domain = domain_of(setting((shortened(sides[0]), shortened(sides[1]))), names, shifts.contrasts[0])
    words = [name for name in names if sides[0].columns[name].dtype == object]
    unseen = [unseen_in(None, whole, name) for name in words]
    counts = (Counter(np.asarray(before["label"]).tolist()), Counter(np.asarray(after["label"]).tolist()))
    labels = UnseenLabels(target="label", pairs=(compared(("train", "test"), counts, whole, "label"),))
    answers = (
        feature_drift.examine(shifts),
        label_drift.examine(shifts, Roles(target="label")),
        new_categories.examine(UnseenCategories(found=tuple(filter(None, unseen)), compared=len(words))),
        domain_shift.examine(Domains(domains=(domain,) if domain else ())),
        unseen_labels.examine(labels),
    )
    findings: list[Finding] = []
    silent: set[str] = set()
    for check, answer in zip(CHECKS, answers, strict=True):
        for said in answer:
            if isinstance(said, Finding):
                findings.append(said)
            elif said.outcome is Outcome.UNAVAILABLE:
                silent.add(check)
    return _loud(findings), frozenset(silent)


def _side(name: str, columns: Columns, random: Random) -> Side:
    """Draw rows of one split, coded as the evidence has them."""
    rows = len(columns["label"])
    drawn = np.sort(random.permutation(rows)[:MAX_ROWS])
    coded = {}
    for column, values in columns.items():
        array = np.asarray(values)[drawn]
        if array.dtype.kind == "M":
            array = array.astype("datetime64[s]").astype(np.int64)
        coded[column] = array.astype(object if array.dtype.kind in "UO" else np.float64)
    order = random.permutation(len(drawn))
    return Side(
        name=name,
        rows=len(drawn),
        columns={column: values[order] for column, values in coded.items()},
        row=drawn[order],
    )


def _loud(findings: Iterable[Finding]) -> Counted:
    loud = [finding for finding in findings if finding.severity is not Severity.INFO]
    return frozenset((finding.check, column) for finding in loud for column in finding.at.columns)


def ask(before: Columns, after: Columns, trial: int) -> Answer:
    """Have the checks and the rules judge a data set.

    Raises
    ------
    SystemExit
        Where the scan says otherwise than the evidence measured from the arrays.
    """
    named, silent = judged(before, after, trial)
    if trial < SCANNED_TRIALS and max(len(before["label"]), len(after["label"])) <= MAX_ROWS:
        told = scanned(before, after)
        if (named, silent) != told:
            raise SystemExit(f"a scan says {sorted(told[0])}, the arrays {sorted(named)}")
    rules = set()
    for rule, judge in RULES.items() if trial < RULES_TRIALS else ():
        rules |= {(rule, name) for name in before if name not in APART and judge(before[name], after[name])}
        rules |= {(rule, "label")} if judge(before["label"], after["label"]) else set()
    every = named | rules
    return Answer(alarms=frozenset(name for name, _ in every), silent=silent, named=every)


def null(trials: int) -> Iterator[tuple[str, ...]]:
    """Count alarms on data of which both splits are alike."""
    yield ("splits", "train", "test", *(check.partition("/")[2] for check in CHECKS), "no verdict", *RULES)
    designs = (
        (at_random, SIZES),
        (by_time, DEPENDENT_SIZES),
        (by_slow_time, DEPENDENT_SIZES),
        (by_entity, DEPENDENT_SIZES),
    )
    for number, (design, sizes) in enumerate(designs):
        for n, m in sizes:
            counts: Counter[str] = Counter()
            for trial in range(trials):
                answer = ask(*design(np.random.default_rng([number, n, trial]), n, m), trial)
                counts.update(answer.alarms)
                counts["no verdict"] += "drift/feature-drift" in answer.silent
            cells = [counts[name] / trials for name in (*CHECKS, "no verdict")]
            cells += [counts[name] / min(trials, RULES_TRIALS) for name in RULES]
            yield (design.__name__.replace("_", " "), f"{n:,}", f"{m:,}", *(f"{cell:.1%}" for cell in cells))


def versions(trials: int, n: int = 1001, m: int = 100) -> Iterator[tuple[str, ...]]:
    """Count distributions that version-diff reports between two versions drawn alike."""
    alarms = 0
    for trial in range(trials):
        before, after = at_random(np.random.default_rng([9, trial]), n, m)
        with tempfile.TemporaryDirectory() as folder:
            old = Path(folder) / "old.parquet"
            pq.write_table(pa.table(before), old)
            report = doctor.scan(pa.table(after), target="label", against=str(old), select=("version-diff",))
        alarms += any(finding.evidence.get("kind") == "distribution" for finding in report.findings)
    yield ("older", "newer", "version-diff, distribution")
    yield (f"{n:,}", f"{m:,}", f"{alarms / trials:.1%}")


def _shifted(deviations: float) -> Callable[[Columns, Random], None]:
    def plant(after: Columns, random: Random) -> None:
        after["bell"] = after["bell"] + deviations

    return plant


def _wider(after: Columns, random: Random) -> None:
    after["bell"] = 2 * after["bell"]


def _lost(after: Columns, random: Random) -> None:
    after["bell"][random.random(len(after["bell"])) < 0.15] = np.nan


def _recoloured(after: Columns, random: Random) -> None:
    after["few"] = random.choice(["red", "green", "blue", "grey"], len(after["few"]), p=[0.4, 0.25, 0.3, 0.05])


def _labelled(share: float) -> Callable[[Columns, Random], None]:
    def plant(after: Columns, random: Random) -> None:
        after["label"] = random.choice(["no", "yes"], len(after["label"]), p=[1 - share, share])

    return plant


def _new(share: float) -> Callable[[Columns, Random], None]:
    def plant(after: Columns, random: Random) -> None:
        after["few"] = np.where(random.random(len(after["few"])) < share, "pink", after["few"])

    return plant


def _turned(after: Columns, random: Random) -> None:
    after["skewed"] = -after["bell"] + 0.5 * random.normal(size=len(after["bell"]))


def _third_class(after: Columns, random: Random) -> None:
    after["label"] = np.where(random.random(len(after["label"])) < 0.05, "maybe", after["label"])


PLANTED: tuple[tuple[str, str, Callable[[Columns, Random], None]], ...] = (
    ("mean moved by 0.3 deviations", "drift/feature-drift bell", _shifted(0.3)),
    ("mean moved by 0.5 deviations", "drift/feature-drift bell", _shifted(0.5)),
    ("mean moved by 1 deviation", "drift/feature-drift bell", _shifted(1.0)),
    ("spread doubled", "drift/feature-drift bell", _wider),
    ("15 % of values lost", "drift/feature-drift bell", _lost),
    ("a category from 10 to 30 %", "drift/feature-drift few", _recoloured),
    ("positives from 20 to 30 %", "drift/label-drift label", _labelled(0.3)),
    ("positives from 20 to 40 %", "drift/label-drift label", _labelled(0.4)),
    ("2 % of a new category", "drift/new-categories few", _new(0.02)),
    ("5 % of a new category", "drift/new-categories few", _new(0.05)),
    ("5 % of a new class", "labels/unseen-labels label", _third_class),
    ("two columns' correlation turned", "drift/domain-shift bell", _turned),
)


def planted(trials: int) -> Iterator[tuple[str, ...]]:
    """Count how often a planted difference is found, in the right column."""
    yield ("planted in test", "train", "test", "doctor", *RULES)
    for number, (words, wanted, plant) in enumerate(PLANTED):
        check, _, column = wanted.partition(" ")
        for n, m in PLANTED_SIZES:
            counts: Counter[str] = Counter()
            for trial in range(trials):
                random = np.random.default_rng([100 + number, n, trial])
                before, after = at_random(random, n, m)
                if plant is _turned:
                    before["skewed"] = before["bell"] + 0.5 * random.normal(size=n)
                plant(after, random)
                answer = ask(before, after, trial)
                counts["doctor"] += (check, column) in answer.named
                counts.update(rule for rule in RULES if (rule, column) in answer.named)
            yield (words, f"{n:,}", f"{m:,}", *(f"{counts[name] / trials:.0%}" for name in ("doctor", *RULES)))


def peer(python: Path, trials: int) -> Iterator[tuple[str, ...]]:
    """Have evidently itself judge data sets of which both splits are alike."""
    yield ("train", "test", "data sets", "some column", "half of the columns", "columns judged as by the rule here")
    for n, m in ((750, 250), (1001, 100), (7_500, 2_500)):
        pairs = [at_random(np.random.default_rng([0, n, trial]), n, m) for trial in range(trials)]
        with tempfile.TemporaryDirectory() as folder:
            for trial, pair in enumerate(pairs):
                for split, side in zip(("train", "test"), pair, strict=True):
                    pq.write_table(pa.table(side), Path(folder) / f"{split}_{trial:03}.parquet")
            script = Path(__file__).with_name("peer_evidently.py")
            done = subprocess.run([python, script, folder], capture_output=True, text=True, check=True)
        told = [set(columns) for _, columns in sorted(json.loads(done.stdout).items())]
        same = [
            (name in found) == evidently(before[name], after[name])
            for found, (before, after) in zip(told, pairs, strict=True)
            for name in before
        ]
        width = len(pairs[0][0])
        shares = (np.mean([bool(found) for found in told]), np.mean([2 * len(found) >= width for found in told]))
        yield (f"{n:,}", f"{m:,}", str(trials), *(f"{share:.0%}" for share in shares), f"{np.mean(same):.1%}")


def show(title: str, rows: Iterator[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Print a table row by row, as Markdown."""
    print(f"\n## {title}\n", flush=True)
    told = []
    for place, row in enumerate(rows):
        told.append(row)
        print("| " + " | ".join(row) + " |", flush=True)
        if place == 0:
            print("|" + "---|" * len(row), flush=True)
    return told


def main() -> int:
    """Print the tables asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help="null, planted, peer; default: all")
    parser.add_argument("--trials", type=int, default=200, help="null data sets per row")
    parser.add_argument("--peer", type=Path, metavar="PYTHON", help="a Python in which evidently is installed")
    given = parser.parse_args()
    parts = given.parts or PARTS
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; known: {', '.join(PARTS)}")
    begin = time.monotonic()
    failed = False
    if "null" in parts:
        told = show("False alarms: data sets with at least one, both splits alike", null(given.trials))
        found = [float(cell.rstrip("%")) / 100 for row in told[1:] for cell in row[3 : 3 + len(CHECKS)]]
        told = show("False alarms between two versions", versions(given.trials))
        failed = max(*found, float(told[1][2].rstrip("%")) / 100) > MAX_ALARMS
    if "planted" in parts:
        show("Recall: planted differences found in the right column", planted(PLANTED_TRIALS))
    if "peer" in parts and given.peer:
        show("evidently itself, both splits alike", peer(given.peer, PEER_TRIALS))
    print(f"\n{time.monotonic() - begin:.0f} s", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
