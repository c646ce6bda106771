"""Sets the ranking of labels/label-noise beside cleanlab's, on scikit-learn's data with 5 % of the labels flipped.

    python bench/label_noise.py [--seeds N] [--peer-python PYTHON]

Both rank the rows of the same tables by the same five folds. Average precision is that of the flipped rows. cleanlab
is for comparison only, run by `peer_cleanlab.py` under the Python of an environment of its own: with its default model
(logistic regression of scikit-learn, on features scaled in the usual way), with scikit-learn's gradient boosting, and
on the probabilities of our two models, averaged. The last table says what the check itself says of the data as they
are and with flips.
"""

import argparse
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from calibrate_labels import verdict
from sklearn import datasets
from sklearn.metrics import average_precision_score

from doctor.evidence.inputs import coded
from doctor.evidence.label_noise import Suspicion
from doctor.evidence.two_families import TwoFamilies

Array = np.ndarray[Any, Any]

NAMES = ("digits", "wine", "breast_cancer")
FLIPPED_SHARE = 0.05
FOLDS = 5
PEER = Path(__file__).resolve().parent / "peer_cleanlab.py"


def flipped(labels: Array, seed: int, share: float = FLIPPED_SHARE) -> tuple[Array, Array]:
    """Return labels of which a share is another class, and a fold for each row."""
    random = np.random.default_rng(seed)
    classes = int(labels.max()) + 1
    fold = random.permutation(len(labels)) % FOLDS
    wrong = random.choice(len(labels), round(share * len(labels)), replace=False)
    given = labels.copy()
    given[wrong] = (labels[wrong] + random.integers(1, classes, len(wrong))) % classes
    return given, fold


def trial(name: str, seed: int, peer: str | None) -> dict[str, float]:
    """Return the average precision of each ranking."""
    data = getattr(datasets, f"load_{name}")()
    given, fold = flipped(data.target, seed)
    wrong = given != data.target
    classes = int(data.target.max()) + 1
    matrix = np.column_stack([part for column in data.data.T for part in coded(column)]).astype(np.float32)
    models = TwoFamilies(matrix, fold)
    scores = {"doctor": Suspicion.of(models, given, classes).doubt.tolist()}
    if peer:
        first, second = models.predict(given, classes)
        together = (first + second) / 2
        told = {"data": data.data.tolist(), "labels": given.tolist(), "fold": fold.tolist(), "ours": together.tolist()}
        done = subprocess.run([peer, PEER], input=json.dumps(told), capture_output=True, text=True, check=True)
        scores |= {name: (-np.array(quality)).tolist() for name, quality in json.loads(done.stdout).items()}
    return {name: float(average_precision_score(wrong, score)) for name, score in scores.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--peer-python", help="Python of an environment with cleanlab and scikit-learn")
    given = parser.parse_args(arguments)
    print(f"average precision of {FLIPPED_SHARE:.0%} flipped labels, mean of {given.seeds} seeds\n")
    for name in NAMES:
        found = [trial(name, seed, given.peer_python) for seed in range(given.seeds)]
        means = {ranking: np.mean([one[ranking] for one in found]) for ranking in found[0]}
        print(f"{name:<16}" + "   ".join(f"{ranking} {mean:.4f}" for ranking, mean in means.items()), flush=True)
    print(f"\nwhat the check says, {given.seeds} seeds: healthy or unavailable is silence\n")
    for name in NAMES:
        data = getattr(datasets, f"load_{name}")()
        for share in (0.0, 0.05, 0.1):
            seen: Counter[str] = Counter()
            for seed in range(given.seeds if share else 1):
                labels, _ = flipped(data.target, seed, share)
                columns = {f"x{i}": values for i, values in enumerate(data.data.T)} | {"label": labels}
                seen[verdict("labels/label-noise", columns)] += 1
            words = ", ".join(f"{word} {count}" for word, count in seen.items())
            print(f"{name:<16}{share:>5.0%} flipped   {words}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
