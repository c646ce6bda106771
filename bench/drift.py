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
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from drift_rules import RULES, evidently
from drift_shapes import PLANTED, Columns, Random, at_random, by_entity, by_slow_time, by_time, turned

import doctor
from doctor.evidence.arrangement import Setting, arranged
from doctor.evidence.domains import Domains, domain_of, shortened
from doctor.evidence.keys import Key
from doctor.evidence.roles import Roles
from doctor.evidence.shifts import Shifts, contrast
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

SCANNED_TRIALS = 5
APART = ("time", "run", "patient_id", "label")

Counted = frozenset[tuple[str, str]]
Silent = frozenset[str]


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
                if plant is turned:
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
    parser.add_argument("--planted-trials", type=int, default=PLANTED_TRIALS, help="planted data sets per row")
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
        show("Recall: planted differences found in the right column", planted(given.planted_trials))
    if "peer" in parts and given.peer:
        show("evidently itself, both splits alike", peer(given.peer, PEER_TRIALS))
    print(f"\n{time.monotonic() - begin:.0f} s", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
