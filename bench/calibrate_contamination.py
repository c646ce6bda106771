"""Measures false alarms and recall of leakage/benchmark-contamination, and what it costs.

    python bench/calibrate_contamination.py [null] [planted] [cost]

prints one table per part; all parts by default. The data are made up with fixed seeds and scanned as a user would.
Words are drawn as often as their rank says (Zipf), so that phrases repeat by nature.
"""

import itertools
import time
from collections import Counter
from typing import Any

import numpy as np
from calibrate_leakage import worst
from trials import run_parts, scan_files

from doctor.model import Report
from doctor.settings import Settings

CHECKS = ("leakage/benchmark-contamination",)
SEEDS = 6
COURTESY = "we remain at your service and thank you very much for the trust that you have placed in our old house"
VOCABULARY = 5_000

Random = np.random.Generator


def scan(train: list[str], test: list[str]) -> Report:
    """Scan a split data set as the command line would."""
    parts = {
        name: {"text": texts, "pages": np.arange(len(texts)) % 7, "y": np.arange(len(texts)) % 2}
        for name, texts in (("train", train), ("test", test))
    }
    return scan_files(parts, Settings(target="y", select=CHECKS))


def texts(random: Random, rows: int, words: int, vocabulary: int = VOCABULARY) -> list[str]:
    """Make texts of about so many words, the commonest as common as in English."""
    shares = 1 / np.arange(1, vocabulary + 1)
    counts = random.poisson(words, rows) + 4
    drawn = random.choice(vocabulary, counts.sum(), p=shares / shares.sum())
    return [" ".join(f"w{word}" for word in part) for part in np.split(drawn, np.cumsum(counts)[:-1])]


def templated(random: Random, rows: int) -> list[str]:
    """Make texts that are a form with few blanks to fill in."""
    filled = random.integers(0, 1000, (rows, 2))
    return [f"dear customer {one} {COURTESY} for order {two} sent today from our shop" for one, two in filled]


def quoting(random: Random, rows: int, source: list[str]) -> list[str]:
    """Make texts of which a fifth quotes ten words of another."""
    own = texts(random, rows, 40)
    quotes = [" ".join(source[place].split()[:10]) for place in random.integers(0, len(source), rows)]
    return [f"{text} {quote}" if random.random() < 0.2 else text for text, quote in zip(own, quotes, strict=True)]


def null() -> None:
    """Texts that share words, phrases and forms, and no text: every finding is false."""
    print(f"Texts that are not contained, {SEEDS} seeds: data sets with a finding\n")
    print(f"{'texts':<36}{'train':>8}{'test':>7}{'found':>7}")
    alarms = trials = 0
    for train, test in ((100, 50), (1000, 300), (10_000, 1000)):
        found: Counter[str] = Counter()
        for seed in range(SEEDS):
            random = np.random.default_rng([seed, train])
            later = texts(random, test, 40)
            courteous = [[f"{text} {COURTESY}" for text in part] for part in (texts(random, train, 25), later)]
            kinds = {
                "of 40 words": (texts(random, train, 40), later),
                "of 40 words out of 50": (texts(random, train, 40, 50), texts(random, test, 40, 50)),
                "with one formula of courtesy": (courteous[0], courteous[1]),
                "forms filled in": (templated(random, train), templated(random, test)),
                "that quote ten words": (quoting(random, train, later), later),
            }
            for name, (first, second) in kinds.items():
                found[name] += bool(scan(first, second).findings)
        for name, count in found.items():
            print(f"{name:<36}{train:>8,}{test:>7,}{count:>7}")
        alarms, trials = alarms + sum(found.values()), trials + SEEDS * len(found)
    print(f"\nfalse alarms: {alarms} of {trials} data sets\n")


def planted() -> None:
    """A share of the later texts put into the earlier ones: what is said, and how many are found."""
    print(f"Later texts of 40 words in 2,000 earlier ones, 300 later texts, {SEEDS} seeds\n")
    print(f"{'how':<30}{'share':>7}{'error':>7}{'warning':>9}{'silent':>8}{'texts found':>13}")
    ways: dict[str, Any] = {
        "inside a longer text": lambda random, text, own: f"{own} {text} {own}",
        "other case and punctuation": lambda random, text, own: f"{own} {text.upper().replace(' ', ', ')}!",
        "one word in ten replaced": lambda random, text, own: " ".join(
            "other" if random.random() < 0.1 else word for word in text.split()
        ),
        "its first two thirds": lambda random, text, own: " ".join(text.split()[: 2 * len(text.split()) // 3]),
        "its first third": lambda random, text, own: " ".join(text.split()[: len(text.split()) // 3]),
    }
    for (name, way), share in itertools.product(ways.items(), (1 / 300, 0.02, 0.1)):
        seen: Counter[str] = Counter()
        caught = 0
        for seed in range(SEEDS):
            random = np.random.default_rng([seed, 23])
            train, test = texts(random, 2000, 40), texts(random, 300, 40)
            count = round(share * 300)
            train[:count] = [way(random, text, own) for text, own in zip(test[:count], train[:count], strict=True)]
            findings = scan(train, test).findings
            seen[worst(findings)] += 1
            caught += sum(finding.evidence["texts"] for finding in findings)
        shares = [seen[word] / SEEDS for word in ("error", "warning", "silent")]
        said = f"{shares[0]:>7.0%}{shares[1]:>9.0%}{shares[2]:>8.0%}"
        print(f"{name:<30}{share:>7.1%}{said}{caught / (SEEDS * count):>13.0%}")
    print()


def cost() -> None:
    """What the evidence costs."""
    print("Texts of 40 words: seconds of the processor for the whole scan\n")
    for train, test in ((2000, 500), (20_000, 5000), (200_000, 20_000)):
        random = np.random.default_rng(0)
        first, second = texts(random, train, 40), texts(random, test, 40)
        begin = time.process_time()
        scan(first, second)
        print(f"{train:>9,} earlier, {test:>7,} later: {time.process_time() - begin:.1f} s")
    print()


if __name__ == "__main__":
    run_parts(null=null, planted=planted, cost=cost)
