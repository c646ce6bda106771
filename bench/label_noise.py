"""Sets labels/label-noise beside cleanlab, and counts its false alarms.

    python bench/label_noise.py ranking [--seeds N] [--names NAME …] [--peer-python PYTHON]
    python bench/label_noise.py alarms [--first N] [--trials N] [--rows N …] [--designs NAME …]
    python bench/label_noise.py recall [--seeds N]

`ranking`: both rank the rows of scikit-learn's digits, wine and breast cancer by the same five folds, with 5 % of the
labels flipped. Average precision is that of the flipped rows. cleanlab is for comparison only, run by
`peer_cleanlab.py` under the Python of an environment of its own: with its default model (logistic regression of
scikit-learn, on features scaled in the usual way), with scikit-learn's gradient boosting and random forest, and on the
probabilities of our two models, averaged. `alarms`: what the check says of labels that are as they should be, drawn
anew in each trial, of classes that overlap in many ways, and of bootstrap draws of scikit-learn's data. `recall`: the
same with labels flipped.
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
from label_tables import CHANCE, HONEST, flipped
from sklearn import datasets
from sklearn.metrics import average_precision_score

from doctor.evidence.exchanges import Exchange
from doctor.evidence.inputs import Inputs, coded
from doctor.evidence.label_doubts import LabelDoubts, Suspicion
from doctor.evidence.label_models import LabelModels
from doctor.evidence.label_noise import LabelNoise
from doctor.evidence.split_exchange import SplitExchanges
from doctor.evidence.targets import Target, Task
from doctor.model import Finding, Undecided
from doctor_checks.labels import label_noise

Array = np.ndarray[Any, Any]

NAMES = ("digits", "wine", "breast_cancer")
FOLDS = 5
PEER = Path(__file__).resolve().parent / "peer_cleanlab.py"


def bundled(name: str) -> tuple[Array, Array]:
    """Return features and labels of one of scikit-learn's data sets."""
    features, labels = getattr(datasets, f"load_{name}")(return_X_y=True)
    return features, labels


def matrix_of(features: Array) -> tuple[Array, Array]:
    """Code features as `Inputs` does; return the columns and the feature of each."""
    parts = [coded(column) for column in features.T]
    origin = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    return np.column_stack([column for part in parts for column in part]).astype(np.float32), origin


def folds(matrix: Array, seed: int) -> Array:
    """Deal rows out to folds, equal ones to the same."""
    _, place = np.unique(matrix, axis=0, return_inverse=True)
    dealt = np.random.default_rng(seed).permutation(int(place.max()) + 1) % FOLDS
    return dealt[place.reshape(-1)]


def ranked(name: str, seed: int, peer: str | None) -> dict[str, float]:
    """Return the average precision of each ranking."""
    features, labels = bundled(name)
    given = flipped(np.random.default_rng(seed), labels, 0.05)
    wrong = given != labels
    classes = int(labels.max()) + 1
    matrix, _ = matrix_of(features)
    fold = np.random.default_rng(seed + 1000).permutation(len(labels)) % FOLDS
    models = LabelModels(matrix, fold)
    scores = {"doctor": Suspicion.of(models, given, classes).doubt.tolist()}
    if peer:
        first, second = models.predict(given, classes)
        together = (first + second) / 2
        told = {"data": features.tolist(), "labels": given.tolist(), "fold": fold.tolist(), "ours": together.tolist()}
        done = subprocess.run([peer, PEER], input=json.dumps(told), capture_output=True, text=True, check=True)
        scores |= {name: (-np.array(quality)).tolist() for name, quality in json.loads(done.stdout).items()}
    return {name: float(average_precision_score(wrong, score)) for name, score in scores.items()}


def judged(features: Array, labels: Array, seed: int) -> Finding | Undecided | None:
    """Return the first that the check says.

    Raises
    ------
    Unavailable
        Where there are too few rows.
    """
    values = np.unique(labels, return_inverse=True)[1]
    classes = tuple(str(number) for number in range(int(values.max()) + 1))
    matrix, origin = matrix_of(features)
    rows = np.arange(len(values))
    inputs = Inputs(
        rows=rows,
        matrix=matrix,
        origin=origin,
        values=values,
        fold=folds(matrix, seed),
        features=features.shape[1],
        unread=(),
    )
    target = Target(name="label", task=Task.CLASSIFICATION, rows=rows, values=values, classes=classes)
    doubts = LabelDoubts.of(target, inputs)
    noise = LabelNoise(
        target="label",
        rows=len(doubts.labels),
        total=len(values),
        whole=True,
        flips=doubts.flips,
        competence=doubts.competence,
        distinct_share=doubts.distinct_share,
        errors=doubts.errors,
        floor=doubts.floor,
        suspects=int(doubts.told.suspect.sum()),
        listed=(),
        exchange=Exchange.of(doubts.settled, doubts.labels, doubts.names),
        swapped=(),
        copies=(),
        ring=0,
        entities=False,
        doubts=doubts,
    )
    return next(label_noise.examine(noise, SplitExchanges()), None)


def verdict(features: Array, labels: Array, seed: int) -> str:
    """Return the kind of what the check finds, or why it is silent."""
    try:
        word = judged(features, labels, seed)
    except Exception as why:
        return f"none ({type(why).__name__})"
    if word is None:
        return "healthy"
    return f"ALARM {word.evidence['kind']}" if isinstance(word, Finding) else f"none ({word.reason.split(',')[0][:30]})"


def told(name: str, rows: int, seen: Counter[str]) -> None:
    """Print one line of a table."""
    alarms = sum(count for word, count in seen.items() if word.startswith("ALARM"))
    healthy, total = seen["healthy"], seen.total()
    said = f"alarms {alarms}, healthy {healthy}, no verdict {total - alarms - healthy}"
    print(f"{name:<24}{rows:>7}{total:>6}   {said}", flush=True)


def alarms(first: int, trials: int, sizes: Sequence[int], designs: Sequence[str]) -> None:
    """Print what is said of honest tables; other numbers than 0 to 199 are of tables on which nothing was set."""
    for size in sizes:
        total: Counter[str] = Counter()
        for name, design in (HONEST | CHANCE).items():
            if designs and name not in designs:
                continue
            seen: Counter[str] = Counter()
            for trial in range(first, first + trials):
                seen[verdict(*design(np.random.default_rng([trial, size]), size), trial)] += 1
            told(name + (" (chance)" if name in CHANCE else ""), size, seen)
            total += seen if name in HONEST else Counter()
        if not designs:
            told("all but (chance)", size, total)
    for name in ("iris", *NAMES):
        if designs and name not in designs:
            continue
        features, labels = bundled(name)
        seen = Counter()
        for trial in range(first, first + trials):
            drawn = np.random.default_rng(trial).choice(len(labels), round(0.8 * len(labels)), replace=False)
            seen[verdict(features[drawn], labels[drawn], trial)] += 1
        told(f"{name}, four fifths", round(0.8 * len(labels)), seen)


def recall(seeds: int) -> None:
    """Print what is said of tables with flipped labels."""
    for name in ("iris", *NAMES):
        features, labels = bundled(name)
        for share in (0.0, 0.03, 0.05, 0.1, 0.2):
            seen: Counter[str] = Counter()
            for seed in range(seeds):
                seen[verdict(features, flipped(np.random.default_rng(seed), labels, share), seed)] += 1
            told(f"{name}, {share:.0%} flipped", len(labels), seen)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("ranking", "alarms", "recall"))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--names", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--first", type=int, default=0, help="number of the first trial")
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--rows", type=int, nargs="+", default=(50, 200, 1_000, 2_000))
    parser.add_argument("--designs", nargs="+", default=())
    parser.add_argument("--peer-python", help="Python of an environment with cleanlab and scikit-learn")
    given = parser.parse_args(arguments)
    if given.part == "alarms":
        alarms(given.first, given.trials, given.rows, given.designs)
    elif given.part == "recall":
        recall(given.seeds)
    else:
        print(f"average precision of 5 % flipped labels, mean of {given.seeds} seeds\n")
        for name in given.names:
            found = [ranked(name, seed, given.peer_python) for seed in range(given.seeds)]
            means = {ranking: np.mean([one[ranking] for one in found]) for ranking in found[0]}
            print(f"{name:<16}" + "   ".join(f"{ranking} {mean:.4f}" for ranking, mean in means.items()), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
