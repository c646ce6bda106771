"""Counts how often each check of tables accuses data in which there is nothing to find.

    python bench/null_data.py [--trials 200] [--sizes 50 300 3000 100000] [--checks ID] [--write]

Every table is drawn anew by a seeded generator: independent rows, columns of many distributions, splits cut at random,
and in half of the designs a label that some columns tell a little. With --write the counts go to
bench/results/null_data.json, from which `make docs` puts them into the manual pages.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import polars as pl

import doctor
from doctor.model import Outcome, Severity

RESULTS = Path(__file__).resolve().parent / "results" / "null_data.json"
SIZES = (50, 300, 3_000, 100_000)
TEST_SHARE = 0.2
WORDS = ("judged", "accused", "remarked")
VERDICTS = (Outcome.HEALTHY, Outcome.FOUND)
FAMILIES = ("drift", "duplicates", "labels", "leakage", "quality")
TRUE_OF = {
    "unlabelled": {"labels/no-signal"},
    "divided, no signal": {"labels/no-signal"},
}
"""What is rightly said of a design: where the label is drawn apart from the columns, they tell nothing of it."""
SMALL = {"quality/tiny-split": 3_000}
"""What is rightly said of tables with fewer rows than this."""

Random = np.random.Generator
Columns = dict[str, object]
Frames = pl.DataFrame | dict[str, pl.DataFrame]


def _features(random: Random, rows: int) -> Columns:
    """Eight numbers of eight distributions, and words of few, uneven and many levels, one with gaps."""
    common = random.normal(size=rows)
    words = [f"{a}{b}" for a in ("ka", "lo", "mi", "ne", "ru", "sta") for b in ("der", "gen", "lin", "mas", "rit")]
    return {
        "normal": common,
        "rounded": np.round(50 + 10 * (0.6 * common + 0.8 * random.normal(size=rows)), 1),
        "uniform": random.uniform(10, 20, rows),
        "lognormal": np.round(np.exp(random.normal(3, 1, rows)), 2),
        "pareto": random.pareto(1.5, rows) + 1,
        "visits": random.poisson(3, rows),
        "spent": np.where(random.random(rows) < 0.3, 0, np.round(random.exponential(40, rows))),
        "age": np.clip(np.round(random.gamma(9, 5, rows)), 0, 99).astype(int),
        "town": random.choice(["Ely", "Bath", "Wells", "York", "Truro"], rows, p=[0.4, 0.3, 0.15, 0.1, 0.05]),
        "trade": random.choice(words, rows),
        "plan": _with_gaps(random, random.choice(["basic", "plus", "pro"], rows).tolist()),
        "score": _with_gaps(random, random.normal(size=rows).tolist()),
    }


def _with_gaps(random: Random, values: list[object]) -> pl.Series:
    """Lose one value in twenty, a number that does not vary: more than that would be worth a remark."""
    lost = set(random.choice(len(values), len(values) // 20, replace=False).tolist())
    return pl.Series([None if place in lost else value for place, value in enumerate(values)])


def _label(random: Random, columns: Columns, slope: float) -> Columns:
    """Add a label of two classes that the first column tells a little, or nothing at slope 0."""
    told = slope * np.asarray(columns["normal"])
    label = np.where(random.random(len(told)) < 1 / (1 + np.exp(0.5 - told)), "yes", "no")
    return columns | {"label": label}


def _divided(random: Random, columns: Columns) -> Frames:
    whole = pl.DataFrame(columns)
    test = random.random(len(whole)) < TEST_SHARE
    return {"train": whole.filter(~test), "test": whole.filter(test)}


def whole(random: Random, rows: int) -> tuple[Frames, str]:
    """An undivided table with a label of medium difficulty."""
    return pl.DataFrame(_label(random, _features(random, rows), 1.0)), "label"


def unlabelled(random: Random, rows: int) -> tuple[Frames, str]:
    """The same with a label that knows nothing."""
    return pl.DataFrame(_label(random, _features(random, rows), 0.0)), "label"


def divided(random: Random, rows: int) -> tuple[Frames, str]:
    """Divided at random, with an entity and a time that say nothing."""
    columns = _label(random, _features(random, rows), 1.0)
    columns["patient_id"] = random.integers(10_000, 10_000 + max(2, rows // 4), rows)
    start = np.datetime64("2023-01-01T00:00:00", "ms")
    columns["seen_at"] = start + random.integers(0, 2 * 365 * 86_400, rows).astype("timedelta64[s]").astype(
        "timedelta64[ms]"
    )
    return _divided(random, columns), "label"


def divided_no_signal(random: Random, rows: int) -> tuple[Frames, str]:
    """Divided at random, with a label that knows nothing."""
    return _divided(random, _label(random, _features(random, rows), 0.0)), "label"


def quantity(random: Random, rows: int) -> tuple[Frames, str]:
    """Divided at random, with a quantity to be predicted, of which two columns tell a part."""
    columns = _features(random, rows)
    told = np.asarray(columns["normal"]) + 0.1 * np.asarray(columns["visits"]) ** 2
    return _divided(random, columns | {"label": np.round(100 + 10 * (told + random.normal(size=rows)), 2)}), "label"


def several_classes(random: Random, rows: int) -> tuple[Frames, str]:
    """Four classes in forty columns, ten of which tell something."""
    label = random.integers(0, 4, rows)
    centre = random.normal(size=(4, 10))
    told = centre[label] + 2 * random.normal(size=(rows, 10))
    rest = random.normal(size=(rows, 30))
    columns: Columns = {f"f{number}": values for number, values in enumerate(np.hstack([told, rest]).T)}
    return pl.DataFrame(columns | {"label": [f"kind {one}" for one in label]}), "label"


DESIGNS: dict[str, Callable[[Random, int], tuple[Frames, str]]] = {
    "whole": whole,
    "unlabelled": unlabelled,
    "divided": divided,
    "divided, no signal": divided_no_signal,
    "quantity": quantity,
    "several classes": several_classes,
}


def judged(name: str, rows: int, trial: int, checks: Sequence[str]) -> tuple[Counter[tuple[str, str]], list[str]]:
    """Scan one table.

    Returns
    -------
    Counter of (str, str)
        By check, whether it gave a verdict ("judged"), accused ("accused": a warning or an error) or remarked
        something ("remarked"); what is true of the design is left out.
    list of str
        The findings in words.
    """
    random = np.random.default_rng([sorted(DESIGNS).index(name), rows, trial])
    frames, target = DESIGNS[name](random, rows)
    report = doctor.scan(frames, target=target, select=checks)
    crashed = [item for item in report.examinations if item.outcome is Outcome.CRASHED]
    if crashed:
        raise SystemExit(f"crashed on {name}, {rows} rows, trial {trial}: {crashed}")
    right = TRUE_OF.get(name, set()) | {check for check, below in SMALL.items() if rows < below}
    found = [finding for finding in report.findings if finding.check not in right]
    seen = {(item.check, "judged") for item in report.examinations if item.outcome in VERDICTS} - {
        (check, "judged") for check in right
    }
    loud = {finding.check for finding in found if finding.severity is not Severity.INFO}
    seen |= {(check, "accused") for check in loud}
    seen |= {(finding.check, "remarked") for finding in found if finding.check not in loud}
    return Counter(seen), [f"{finding.severity.value} {finding.check}: {finding.message}" for finding in found]


def keep(counts: Counter[tuple[str, int, str]], trials: int) -> None:
    """Put the counts of the checks that were run into the results, beside those of others."""
    kept = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    for check in sorted({check for check, _, _ in counts}):
        sizes = sorted({rows for name, rows, _ in counts if name == check})
        kept[check] = {
            str(rows): {"tables": trials} | {word: counts[check, rows, word] for word in WORDS} for rows in sizes
        }
    RESULTS.write_text(json.dumps(dict(sorted(kept.items())), indent=1) + "\n", "utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw, scan and count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200, help="tables of each design and size")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    parser.add_argument("--checks", nargs="*", default=FAMILIES, help="ids or families")
    parser.add_argument("--write", action="store_true", help=f"keep the counts in {RESULTS.name}")
    parser.add_argument("--verbose", action="store_true", help="print every finding")
    given = parser.parse_args(arguments)
    counts: Counter[tuple[str, int, str]] = Counter()
    for rows in given.sizes:
        for name in DESIGNS:
            begin = time.monotonic()
            here: Counter[tuple[str, str]] = Counter()
            for trial in range(given.trials):
                seen, words = judged(name, rows, trial, given.checks)
                here += seen
                for word in words if given.verbose else ():
                    print(f"    trial {trial}: {word}")
            counts.update({(check, rows, word): count for (check, word), count in here.items()})
            told = {
                noun: ", ".join(f"{check} {count}" for (check, word), count in sorted(here.items()) if word == noun)
                for noun in WORDS
            }
            seconds = (time.monotonic() - begin) / given.trials
            print(
                f"{rows:>7,} rows, {name}: accused of {given.trials}: {told['accused'] or 'none'}; "
                f"remarks: {told['remarked'] or 'none'}; {seconds:.2f} s each",
                flush=True,
            )
    if given.write:
        keep(counts, given.trials * len(DESIGNS))
    return 0


if __name__ == "__main__":
    sys.exit(main())
