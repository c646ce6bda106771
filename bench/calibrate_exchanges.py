"""Measures how often labels/label-noise names two exchanged classes, and how often it names two that are not.

    python bench/calibrate_exchanges.py [named] [others] [hand] [--seeds N] [--first N] [--pairs N] [--sets NAME …]
        [--data FOLDER]

prints one table per part; the first two by default. `named`: two classes are exchanged in 5, 10 and 20 % of the rows of
either, all pairs of classes in turn, or so many drawn at random for each seed. `others`: labels as they are; labels
drawn anew; one class taken for another, but not the other way; three classes in a ring; one class taken for any and any
for it; all classes taken for one; and one taken for another beside labels drawn anew. `hand`: digits as images, two
classes exchanged in the first rows of either, which few people wrote, so that what is wrong looks alike. Sets are
scikit-learn's digits as images, whole and 1,000 or 400 of them, and with grain over what is seen in them, so that like
ones are confused; digits, wine and iris as tables; made-up classes (`label_tables.py`); and, where the data folder of
the project is given, its penguins and mice. What is named is what the check says. Made-up sets and those that are drawn
differ from seed to seed.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Callable
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from calibrate_images import chosen, digits, doubted
from label_noise import bundled, judged
from label_tables import HONEST, clouds, flipped, neighbours

from doctor.errors import Unavailable
from doctor.model import Finding, Undecided

Array = np.ndarray[Any, Any]
Random = np.random.Generator
Said = Finding | Undecided | None
SHARES = (0.05, 0.1, 0.2)
TABLES = ("three clouds", "five clouds", "skewed, near", "skewed, far", "five grades", "three grades")
NEAR = ("two of eight, alike", "two of eight, near", "two of eight, far", "two of eight, t", "stray rows")


def exchanged(random: Random, labels: Array, pair: tuple[int, int], there: float, back: float) -> Array:
    """Give a share of the rows of either class the other label."""
    given = labels.copy()
    for share, own, other in ((there, *pair), (back, *pair[::-1])):
        rows = np.flatnonzero(labels == own)
        given[random.choice(rows, round(share * len(rows)), replace=False)] = other
    return given


def hub(random: Random, labels: Array, share: float) -> Array:
    """Take one class for any, and any for it."""
    classes = int(labels.max()) + 1
    centre = random.integers(classes)
    lost = (labels == centre) & (random.random(len(labels)) < share)
    come = (labels != centre) & (random.random(len(labels)) < share / (classes - 1))
    anything = (labels + random.integers(1, classes, len(labels))) % classes
    return np.where(lost, anything, np.where(come, centre, labels))


def ring(random: Random, labels: Array, share: float) -> Array:
    """Take the first of three classes for the second, the second for the third, the third for the first."""
    three = random.choice(int(labels.max()) + 1, 3, replace=False)
    following = np.arange(int(labels.max()) + 1)
    following[three] = np.roll(three, 1)
    return np.where(random.random(len(labels)) < share, following[labels], labels)


def one_way(random: Random, labels: Array, share: float) -> Array:
    """Take one class for another, of the first two in half of the cases: those are near each other in some sets."""
    among = 2 if random.random() < 0.5 else int(labels.max()) + 1
    own, other = (int(number) for number in random.choice(among, 2, replace=False))
    return exchanged(random, labels, (own, other), share, 0)


def sink(random: Random, labels: Array, share: float) -> Array:
    """Take all classes for one."""
    return np.where(random.random(len(labels)) < share, random.integers(int(labels.max()) + 1), labels)


OTHERS: dict[str, Callable[[Random, Array, float], Array]] = {
    "drawn anew": flipped,
    "one way": one_way,
    "ring": ring,
    "hub": hub,
    "sink": sink,
    "one way, 5 % drawn anew": lambda random, labels, share: one_way(random, flipped(random, labels, 0.05), share),
}


class Judge:
    """Makes sets of features and classes, and asks the check."""

    def __init__(self, folder: Path, data: Path | None) -> None:
        self._folder, self._data = folder, data
        self._digits = cache(lambda: digits(folder))

    def sets(self) -> list[str]:
        """Name the sets."""
        images = ["images, 1797", "images, 1000", "images, 400", "images, 1000, grain 1.5", "images, 1000, grain 3"]
        shared = ["penguins", "mice"] if self._data else []
        made = [f"{name}, {rows}" for name in (*TABLES, *NEAR) for rows in (300, 1000)]
        return [*images, "digits", "wine", "iris", *shared, "clouds, 600", "clouds apart, 600", *made]

    def draw(self, name: str, seed: int) -> tuple[Array, Callable[[Array], Said]]:
        """Return the true classes of a set, and what says of labels whether they are wrong."""
        random = np.random.default_rng([seed, 11])
        if name.startswith("images"):
            return self._images(random, int(name.split(", ")[1]), float(name.partition("grain ")[2] or 0))
        features, truth = self._table(random, name)
        truth = np.unique(truth, return_inverse=True)[1]
        return truth, lambda labels: judged(features, labels, seed)

    def in_order(self) -> tuple[Array, Callable[[Array], Said]]:
        """Return the digits as images in the order in which they were collected, hand by hand."""
        facts, truth = self._digits()
        return truth, lambda labels: next(iter(doubted(chosen(facts, np.arange(len(truth)), labels=labels))[1]), None)

    def _images(self, random: Random, rows: int, grain: float) -> tuple[Array, Callable[[Array], Said]]:
        facts, truth = self._digits()
        places = random.permutation(len(truth))[:rows]
        seen = facts.descriptor[places]
        vectors = seen + grain * seen.std(axis=0) * random.normal(size=seen.shape) if grain else None

        def ask(labels: Array) -> Said:
            return next(iter(doubted(chosen(facts, places, labels=labels), vectors)[1]), None)

        return truth[places], ask

    def _table(self, random: Random, name: str) -> tuple[Array, Array]:
        if name == "digits":
            features, truth = bundled(name)
            rows = random.permutation(len(truth))[:1000]
            return features[rows], truth[rows]
        if name in ("wine", "iris"):
            return bundled(name)
        if name in ("penguins", "mice"):
            return self._shared(name)
        kind, rows = name.rsplit(", ", 1)
        if kind == "two of eight, alike":
            return neighbours(random, int(rows), apart=random.choice([0, 0.5, 1]))
        if kind.startswith("clouds"):
            return clouds(random, int(rows), apart=4.5 if kind.endswith("apart") else 3.5, classes=3, width=4)
        return HONEST[kind](random, int(rows))

    def _shared(self, name: str) -> tuple[Array, Array]:
        import duckdb

        assert self._data is not None
        file = self._data / "tabular" / {"penguins": "penguins.csv", "mice": "mice_protein.csv"}[name]
        table = duckdb.sql(f"from read_csv('{file}', nullstr = ['', 'NA'])")
        numbers = [
            column for column, kind in zip(table.columns, table.dtypes, strict=True) if kind in ("DOUBLE", "BIGINT")
        ]
        held = table.fetchnumpy()
        columns = [np.ma.filled(held[column].astype(np.float64), np.nan) for column in numbers]
        filled = [np.where(np.isnan(column), np.nanmean(column), column) for column in columns]
        return np.column_stack(filled), np.asarray(held["species" if name == "penguins" else "class"]).astype(str)


def says(ask: Callable[[Array], Said], labels: Array) -> tuple[str, frozenset[int]]:
    """Return the kind of what is found, and the classes that are named."""
    try:
        found = ask(labels)
    except Unavailable:
        return "silent", frozenset()
    if not isinstance(found, Finding):
        return "silent", frozenset()
    names = [int(found.evidence[key]) for key in ("first", "second") if key in found.evidence]
    return str(found.evidence["kind"]), frozenset(names)


def pairs(classes: int, most: int, seed: int) -> list[tuple[int, int]]:
    """Return all pairs of classes, or as many at random."""
    known = list(combinations(range(classes), 2))
    chosen = np.random.default_rng([seed, classes]).permutation(len(known))[: most or None]
    return [known[number] for number in sorted(chosen.tolist())]


def named(judge: Judge, sets: list[str], seeds: range, most: int) -> None:
    """Print how many exchanges are named, found without a name, named wrongly, by share."""
    print("Two classes exchanged: named, called wrong labels of any kind, silent, other classes named\n")
    for name in sets:
        for share in SHARES:
            seen: Counter[str] = Counter()
            missed: Counter[tuple[int, int]] = Counter()
            rows = []
            for seed in seeds:
                truth, ask = judge.draw(name, seed)
                for pair in pairs(int(truth.max()) + 1, most, seed):
                    random = np.random.default_rng([seed, *pair, round(100 * share)])
                    labels = exchanged(random, truth, pair, share, share)
                    rows.append(min(int(((labels != truth) & (truth == number)).sum()) for number in pair))
                    kind, names = says(ask, labels)
                    right = kind == "exchanged" and names == frozenset(pair)
                    seen["right" if right else "false" if kind == "exchanged" else kind] += 1
                    missed[pair] += not right
            worst = ", ".join(f"{a}/{b} {count}" for (a, b), count in missed.most_common(3) if count)
            print(
                f"{name:<26}{share:>5.0%}{min(rows):>5} rows{seen['right']:>5} of {len(rows):<5}"
                f"{seen['noise']:>4}{seen['silent']:>4}{seen['false']:>4}   {worst}",
                flush=True,
            )


def others(judge: Judge, sets: list[str], seeds: range) -> None:
    """Print how many sets in which nothing is exchanged are said to have two exchanged classes, and found at all."""
    print("\nNothing exchanged: two classes named, wrong labels told\n")
    total: Counter[str] = Counter()
    for name in sets:
        seen: dict[str, Counter[str]] = {kind: Counter() for kind in ("as they are", *OTHERS)}
        for seed in seeds:
            truth, ask = judge.draw(name, seed)
            seen["as they are"][says(ask, truth)[0]] += 1
            for kind, spoil in OTHERS.items():
                for share in SHARES:
                    labels = spoil(np.random.default_rng([seed, round(100 * share), len(kind)]), truth, share)
                    seen[kind][says(ask, labels)[0]] += 1
        told = "; ".join(f"{kind} {c['exchanged']}, {c['noise']} of {c.total()}" for kind, c in seen.items())
        print(f"{name:<26}{told}", flush=True)
        for kind, count in seen.items():
            total[kind] += count.total()
            total[f"{kind} named"] += count["exchanged"]
    print("all: " + "; ".join(f"{kind} {total[f'{kind} named']} of {total[kind]}" for kind in ("as they are", *OTHERS)))


def by_hand(judge: Judge, most: int) -> None:
    """Print how many exchanges are named where all exchanged rows are of few hands."""
    print("\nTwo classes exchanged in their first rows: named\n")
    truth, ask = judge.in_order()
    for share in SHARES:
        chosen_pairs = pairs(int(truth.max()) + 1, most, 0)
        right = 0
        for first, second in chosen_pairs:
            labels = truth.copy()
            for own, other in ((first, second), (second, first)):
                rows = np.flatnonzero(truth == own)
                labels[rows[: round(share * len(rows))]] = other
            right += says(ask, labels) == ("exchanged", frozenset((first, second)))
        print(f"{share:>5.0%}{right:>5} of {len(chosen_pairs)}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=[])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--first", type=int, default=0, help="number of the first seed")
    parser.add_argument("--pairs", type=int, default=0, help="pairs of classes per seed; 0 for all")
    parser.add_argument("--sets", nargs="+", default=[])
    parser.add_argument("--data", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        judge = Judge(Path(place), asked.data)
        wanted, seeds = asked.parts or ["named", "others"], range(asked.first, asked.first + asked.seeds)
        if "named" in wanted:
            apart = [one for one in judge.sets() if "grain" not in one and not one.startswith((*TABLES[2:], *NEAR))]
            named(judge, asked.sets or apart, seeds, asked.pairs)
        if "others" in wanted:
            others(judge, asked.sets or judge.sets(), seeds)
        if "hand" in wanted:
            by_hand(judge, asked.pairs)
