"""Measures false alarms and recall of labels/label-noise where texts are all that there is to learn from.

    python bench/calibrate_text_labels.py [null] [planted]

prints one table per part; both by default. Texts are made up with fixed seeds: each class speaks of its own things more
than others do, with words as common as their rank says (Zipf).
"""

from collections import Counter

import numpy as np
from trials import run_parts, scan_files

from doctor.model import Finding, Relabel, ReviewRows
from doctor.settings import Settings

SEEDS = 6
VOCABULARY = 3_000
FLIPS = (("at random", 0.05), ("at random", 0.1), *(("class 0 and 1", share) for share in (0.05, 0.1, 0.2)))

Random = np.random.Generator
Texts = tuple[list[str], np.ndarray]


def spoken(random: Random, shares: np.ndarray, words: int) -> list[str]:
    """Make texts of about so many words, of which each class's share says how many are of its things."""
    rank = 1 / np.arange(1, VOCABULARY + 1)
    rank /= rank.sum()
    texts = []
    for share in shares:
        count = int(random.poisson(words)) + 3
        source = random.choice(len(share) + 1, count, p=[*(0.5 * share), 0.5])
        drawn = random.choice(VOCABULARY, count, p=rank)
        texts.append(" ".join(f"w{part}x{word}" for part, word in zip(source, drawn, strict=True)))
    return texts


def topics(random: Random, rows: int, classes: int, words: int, mixed: float) -> Texts:
    """Let the label be what a text speaks most of; where `mixed` is large, it speaks of other things nearly as much."""
    shares = random.dirichlet(np.full(classes, mixed), rows)
    return spoken(random, shares, words), shares.argmax(axis=1)


def drawn(random: Random, rows: int) -> Texts:
    """Let the label be drawn by what a text speaks of, so that no text decides it."""
    shares = random.dirichlet(np.full(2, 0.5), rows)
    return spoken(random, shares, 30), (random.random(rows) < shares[:, 1]).astype(int)


def told_in_part(random: Random, rows: int) -> Texts:
    """Let one word tell the label of two texts in three, and nothing the others."""
    labels = random.integers(0, 2, rows)
    texts = spoken(random, np.full((rows, 2), 0.5), 20)
    marked = random.random(rows) < np.where(labels, 0.66, 0.02)
    return [f"{text} urgent" if mark else text for text, mark in zip(texts, marked, strict=True)], labels


def told_by_synonyms(random: Random, rows: int) -> Texts:
    """Let one of several words tell the label of two texts in three, and nothing the others."""
    labels = random.integers(0, 2, rows)
    texts = spoken(random, np.full((rows, 2), 0.5), 20)
    marked = random.random(rows) < np.where(labels, 0.66, 0.02)
    words = random.integers(0, 6, rows)
    return [f"{t} urgent{w}" if mark else t for t, w, mark in zip(texts, words, marked, strict=True)], labels


DESIGNS = {
    "three classes apart, 20 words": lambda random, rows: topics(random, rows, 3, 20, 0.03),
    "two classes, 40 words": lambda random, rows: topics(random, rows, 2, 40, 0.3),
    "four classes, 40 words": lambda random, rows: topics(random, rows, 4, 40, 0.2),
    "two classes, 6 words": lambda random, rows: topics(random, rows, 2, 6, 0.3),
    "two classes, mixed": lambda random, rows: topics(random, rows, 2, 40, 2.0),
    "drawn by what it speaks of": drawn,
    "one word tells two thirds": told_in_part,
    "one of six words tells": told_by_synonyms,
    "no signal": lambda random, rows: (spoken(random, np.full((rows, 2), 0.5), 30), random.integers(0, 2, rows)),
}


def scan(texts: list[str], labels: np.ndarray) -> tuple[list[Finding], str]:
    """Scan as the command line would; return findings and the outcome."""
    table = {"text": texts, "y": [f"class {label}" for label in labels]}
    report = scan_files({"data": table}, Settings(target="y", select=("labels/label-noise",)))
    return report.findings, str(report.examinations[0].outcome)


def null() -> None:
    """Count findings where every label is as it should be: all are false."""
    print(f"Right labels, {SEEDS} seeds: data sets with a finding, called healthy, not judged\n")
    print(f"{'texts':<30}{'rows':>7}{'found':>7}{'healthy':>9}{'not judged':>12}")
    for rows in (200, 800, 2_000):
        for name, design in DESIGNS.items():
            outcomes: Counter[str] = Counter()
            for seed in range(SEEDS):
                outcomes[scan(*design(np.random.default_rng([seed, rows]), rows))[1]] += 1
            print(f"{name:<30}{rows:>7,}{outcomes['found']:>7}{outcomes['healthy']:>9}{outcomes['unavailable']:>12}")


def planted() -> None:
    """Flip labels at random, or exchange those of two classes, and see what is said and whether the list holds them."""
    print(
        f"\nWrong labels, {SEEDS} seeds, 1,000 rows: data sets told of; exchanged classes named; listed rows flipped\n"
    )
    print(f"{'texts':<30}{'flipped':>18}{'told':>6}{'named':>7}{'right in list':>15}")
    for name in list(DESIGNS)[:3]:
        for kind, share in FLIPS:
            told = named = 0
            right = []
            for seed in range(SEEDS):
                random = np.random.default_rng([seed, 5])
                texts, labels = DESIGNS[name](random, 1_000)
                wrong = random.random(1_000) < share
                changed = (labels + random.integers(1, labels.max() + 1, 1_000)) % (labels.max() + 1)
                if kind != "at random":
                    wrong &= labels < 2
                    changed = 1 - labels
                found, _ = scan(texts, np.where(wrong, changed, labels))
                told += bool(found)
                for finding in found:
                    named += finding.evidence["kind"] == "exchanged"
                    assert isinstance(finding.repair, ReviewRows | Relabel)
                    right.append(float(wrong[list(finding.repair.numbers)].mean()))
            mean = f"{np.mean(right):.2f}" if right else "-"
            print(f"{name:<30}{f'{share:.0%} {kind}':>18}{told:>6}{named:>7}{mean:>15}")


if __name__ == "__main__":
    run_parts(null=null, planted=planted)
