"""Measures false alarms and recall of the checks of duplicate and near-duplicate texts.

    python bench/calibrate_text_pairs.py [null] [planted]

prints one table per part; both by default. The data are made up with fixed seeds and scanned as a user would. Words are
drawn as often as their rank says (Zipf), so that phrases repeat by nature.
"""

from collections import Counter
from collections.abc import Callable

import numpy as np
from calibrate_contamination import COURTESY, quoting, texts
from trials import run_parts, scan_files

from doctor.model import Report, Severity
from doctor.settings import Settings

CHECKS = ("duplicates/duplicate-texts", "duplicates/near-duplicate-texts", "leakage/split-duplicates")
SEEDS = 5
FORM = (
    "dear customer {} we thank you for order {} which left our house on day {} by the usual post and will reach you "
    "within the week should anything be missing or broken please tell us by letter or by telephone and we shall send "
    "it again without delay and at no further cost to you as it has been our custom for more than a hundred years"
)

Random = np.random.Generator
Change = Callable[[Random, list[str]], list[str]]


def scan(splits: dict[str, dict[str, list[str]]]) -> Report:
    """Scan a data set as the command line would."""
    draw = np.random.default_rng(0)
    tables = {
        name: {**columns, "pages": draw.integers(0, 1000, len(next(iter(columns.values()))))}
        for name, columns in splits.items()
    }
    return scan_files(tables, Settings(select=CHECKS))


def designs(random: Random, rows: int) -> dict[str, dict[str, list[str]]]:
    """Make texts that share words, phrases, forms or columns, but of which none is a copy of another."""
    plain = texts(random, rows, 40)
    contexts = texts(random, max(2, rows // 8), 80)
    characters = random.integers(0x4E00, 0x5500, (rows, 50))
    mails = texts(random, rows, 70)
    sayings = texts(random, max(2, rows // 8), 12)
    header = texts(random, 1, 60)[0]
    return {
        "of 40 words": {"text": plain},
        "of 200 words": {"text": texts(random, rows, 200)},
        "of 40 words out of 50": {"text": texts(random, rows, 40, 50)},
        "of 4 words or so": {"text": texts(random, rows, 1)},
        "with one formula of courtesy": {"text": [f"{text} {COURTESY}" for text in plain]},
        "on one form of 62 words": {"text": [FORM.format(*random.integers(0, 10_000, 3)) for _ in range(rows)]},
        "that quote ten words": {"text": quoting(random, rows, plain)},
        "questions on shared contexts": {
            "context": [contexts[place] for place in random.integers(0, len(contexts), rows)],
            "question": texts(random, rows, 8),
        },
        "answers to few instructions": {
            "instruction": [f"please {text}" for text in texts(random, 4, 10) * (rows // 4 + 1)][:rows],
            "output": texts(random, rows, 40),
        },
        "replies that quote a mail whole": {
            "text": [mails[0], *map(replied, plain[1:], mails[:-1])],
        },
        "longer by a saying of 12 words": {
            "text": [*sayings, *(f"{text} {sayings[i % len(sayings)]}" for i, text in enumerate(mails[len(sayings) :]))]
        },
        "below one header of 60 words": {"text": [f"{header}\n{text}" for text in plain]},
        "of 50 Chinese characters": {"text": ["".join(map(chr, row)) for row in characters]},
    }


def replied(text: str, mail: str) -> str:
    """Answer a mail above its text, as mail programs do."""
    words = mail.split()
    lines = [" ".join(words[place : place + 12]) for place in range(0, len(words), 12)]
    return f"{text}\n\nOn Monday, Ann wrote:\n" + "\n".join(f"> {line}" for line in lines)


def null() -> None:
    """Count findings where there is no copy: all are false."""
    print(f"No copies, {SEEDS} seeds, in one split and in two: data sets with a warning or an error; with a remark\n")
    print(f"{'texts':<36}{'rows':>8}{'warned':>8}{'remarked':>10}")
    total = alarms = 0
    for rows in (100, 1_000, 5_000):
        warned: Counter[str] = Counter()
        remarked: Counter[str] = Counter()
        for seed in range(SEEDS):
            for name, columns in designs(np.random.default_rng([seed, rows]), rows).items():
                cut = rows * 3 // 4
                halves = {
                    "train": {key: values[:cut] for key, values in columns.items()},
                    "test": {key: values[cut:] for key, values in columns.items()},
                }
                for splits in ({"data": columns}, halves):
                    found = scan(splits).findings
                    grave = any(finding.severity is not Severity.INFO for finding in found)
                    warned[name] += grave
                    remarked[name] += bool(found) and not grave
                    total += 1
                    alarms += grave
        for name in warned:
            print(f"{name:<36}{rows:>8,}{warned[name]:>8}{remarked[name]:>10}")
    print(f"\n{alarms} of {total} data sets warned of\n")


def retyped(random: Random, chosen: list[str]) -> list[str]:
    """Write texts in capitals or with other punctuation."""
    return [text.upper() if random.random() < 0.5 else text.replace(" ", ", ", 3) + "." for text in chosen]


def exchanged(share: float) -> Change:
    """Exchange a share of the words."""

    def change(random: Random, chosen: list[str]) -> list[str]:
        changed = []
        for text in chosen:
            words = text.split()
            for place in random.choice(len(words), max(1, round(share * len(words))), replace=False):
                words[place] = f"v{random.integers(0, 5_000)}"
            changed.append(" ".join(words))
        return changed

    return change


def longer(random: Random, chosen: list[str]) -> list[str]:
    """Add a sentence of eight words or so behind."""
    return [f"{text} {more}" for text, more in zip(chosen, texts(random, len(chosen), 4), strict=True)]


def part(random: Random, chosen: list[str]) -> list[str]:
    """Take sixty words out of the middle."""
    begins = random.integers(0, 35, len(chosen))
    return [" ".join(text.split()[begin : begin + 60]) for text, begin in zip(chosen, begins, strict=True)]


PLANTED: dict[str, Change] = {
    "case and punctuation": retyped,
    "one word in 100 exchanged": exchanged(0.01),
    "two words in 100 exchanged": exchanged(0.02),
    "a sentence added": longer,
    "a part of 60 words by itself": part,
}


def planted() -> None:
    """Plant copies of 3 % of the rows, within a split and across two, and count those that are told."""
    print(f"Copies of 3 % of 1,000 texts of 100 words, {SEEDS} seeds: share of the copies told, data sets warned of\n")
    print(f"{'copies':<32}{'within':>9}{'warned':>8}{'across':>9}{'warned':>8}")
    for name, change in PLANTED.items():
        told, warned = np.zeros(2), np.zeros(2, dtype=int)
        for seed in range(SEEDS):
            random = np.random.default_rng([seed, 7])
            own = texts(random, 1_000, 100)
            copies = change(random, own[:30])
            others = texts(random, 270, 100)
            within = scan({"data": {"text": own + copies}})
            across = scan({"train": {"text": own}, "test": {"text": copies + others}})
            for place, report in enumerate((within, across)):
                counted = [
                    finding.evidence.get("extra_rows", finding.evidence.get("near_rows", 0))
                    for finding in report.findings
                ]
                told[place] += sum(counted) / 30 / SEEDS
                warned[place] += any(finding.severity is not Severity.INFO for finding in report.findings)
        print(f"{name:<32}{told[0]:>9.2f}{warned[0]:>8}{told[1]:>9.2f}{warned[1]:>8}")


if __name__ == "__main__":
    run_parts(null=null, planted=planted)
