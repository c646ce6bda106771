"""How often `labels/low-agreement` warns of simulated annotators whose kappa is known.

python bench/calibrate_agreement.py [TRIALS]
"""

import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

from doctor.case import open_case
from doctor.engine import examine
from doctor.settings import Settings

ITEMS = 300
CHECK = "labels/low-agreement"


def simulate(rng: np.random.Generator, kappa: float, annotators: int, shares: list[float], guessers: int) -> np.ndarray:
    """Draw labels, shape (items, annotators), of annotators who know the label with probability sqrt(kappa).

    Who does not know draws by the shares of the labels, so that the expected kappa of two honest annotators is `kappa`
    exactly.
    """
    truth = rng.choice(len(shares), ITEMS, p=shares)
    knows = rng.random((ITEMS, annotators)) < np.sqrt(kappa)
    knows[:, annotators - guessers :] = False
    return np.where(knows, truth[:, None], rng.choice(len(shares), (ITEMS, annotators), p=shares))


def outcome(labels: np.ndarray, folder: Path, seed: int) -> set[str]:
    """Scan a table of labels as a user does and return the kinds of what was found, or the outcome."""
    path = folder / "labels.csv"
    names = [f"annotator{i + 1}" for i in range(labels.shape[1])]
    body = "\n".join(",".join("abcdefgh"[label] for label in row) for row in labels)
    path.write_text(",".join(names) + "\n" + body + "\n")
    settings = Settings(select=(CHECK,), sample_seed=seed)
    with open_case([path], settings) as case:
        report = examine(case, settings)
    kinds = {str(finding.evidence["kind"]) for finding in report.findings}
    return kinds or {report.examinations[0].outcome.value}


def main(trials: int) -> None:
    """Print the share of every outcome in each scene."""
    even, skewed = [0.25] * 4, [0.7, 0.2, 0.1]
    scenes = {
        "kappa .8, two annotators, four labels": (0.8, 2, even, 0),
        "kappa .8, five annotators, four labels": (0.8, 5, even, 0),
        "kappa .8, three annotators, labels 70/20/10 %": (0.8, 3, skewed, 0),
        "kappa .4, two annotators, four labels": (0.4, 2, even, 0),
        "kappa .4, five annotators, four labels": (0.4, 5, even, 0),
        "kappa .4, three annotators, labels 70/20/10 %": (0.4, 3, skewed, 0),
        "kappa .6, three annotators, four labels": (0.6, 3, even, 0),
        "kappa .8, five annotators, one of them guessing": (0.8, 5, even, 1),
        "kappa .5, five annotators, one of them guessing": (0.5, 5, even, 1),
    }
    print(f"{trials} trials each, {ITEMS} items, default thresholds, seeds 0 to {trials - 1}")
    with tempfile.TemporaryDirectory() as folder:
        for name, (kappa, annotators, shares, guessers) in scenes.items():
            seen: Counter[str] = Counter()
            for seed in range(trials):
                labels = simulate(np.random.default_rng([seed, annotators]), kappa, annotators, shares, guessers)
                seen.update(outcome(labels, Path(folder), seed))
            shown = ", ".join(f"{kind} {count / trials:.1%}" for kind, count in seen.most_common())
            print(f"{name}: {shown}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
