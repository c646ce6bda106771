"""Models of few features, fitted in folds, and which features a model of all of them rests on."""

import itertools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from doctor.evidence.boosting import boosted
from doctor.evidence.threads import one_thread

Array = np.ndarray[Any, Any]

TREES = 60
"""Shared among the classes, of which each has trees of its own."""
MIN_ITERATIONS, MAX_ITERATIONS = 5, 30
QUICK_FOLDS = 3
MAX_SQUARED = 1e100
"""Sums of squares of larger numbers are infinite."""
PERMUTED_ROWS = 1_500


def _trees(named: list[bool], classes: int) -> Any:
    each = classes if classes > 2 else 1
    return boosted(named, int(np.clip(TREES // each, MIN_ITERATIONS, MAX_ITERATIONS)))


def important(matrix: Array, named: list[bool], truth: Array, fold: Array, min_score: float) -> list[int] | None:
    """Return the features on which a boosted model rests, the most needed first; None where its score is too small.

    A feature is needed by how many more rows of the held-out fold are wrong when its values are shuffled among them.
    """
    test = np.flatnonzero(fold == 0)[:PERMUTED_ROWS]
    train = fold != 0
    classes = len(np.unique(truth[train]))
    if not len(test) or classes < 2:
        return None
    with one_thread():
        model = _trees(named, classes).fit(matrix[train], truth[train])
        held, known = matrix[test], truth[test]
        wrong = int(np.count_nonzero(model.predict(held) != known))
        if 1 - wrong / max(1, len(known) - int(np.bincount(known).max())) < min_score:
            return None
        draw = np.random.default_rng(0)
        harm = np.zeros(matrix.shape[1])
        for place in range(matrix.shape[1]):
            shuffled = held.copy()
            shuffled[:, place] = draw.permutation(shuffled[:, place])
            harm[place] = np.count_nonzero(model.predict(shuffled) != known) - wrong
    order = np.argsort(-harm, kind="stable")
    return [int(place) for place in order if harm[place] > 0]


def out_of_fold(
    matrix: Array, named: list[bool], truth: Array, fold: Array, *, thorough: bool = True
) -> tuple[int, str]:
    """Return the fewest rows that a kind of model has wrong out of fold, and the kind.

    "trees" are grown on the values, "differences" on what each number is more than each other, a "plane" is laid
    through the values or their logarithms. Where not `thorough`, only trees are tried, in fewer folds.
    """
    from sklearn.exceptions import ConvergenceWarning

    def trees(kinds: list[bool]) -> Callable[[int], Any]:
        return lambda classes: _trees(kinds, classes)

    with one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        if not thorough:
            return _wrong(trees(named), matrix, truth, fold % QUICK_FOLDS), "trees"
        answers = [(_wrong(trees(named), matrix, truth, fold), "trees")]
        gaps = differences(matrix[:, [not is_named for is_named in named]])
        if gaps.shape[1]:
            answers.append((_wrong(trees([False] * gaps.shape[1]), gaps, truth, fold), "differences"))
        if not any(named) and np.isfinite(matrix).all() and np.abs(matrix).max() < MAX_SQUARED:
            answers.append((_wrong(_tree, _scaled(matrix), truth, fold), "trees"))
            answers.append((_wrong(_plane, _scaled(matrix), truth, fold), "plane"))
            if (matrix > 0).all():
                answers.append((_wrong(_plane, _scaled(np.log(matrix)), truth, fold), "plane"))
    return min(answers)


def cut_errors(values: Array, truth: Array) -> int:
    """Return the fewest rows that are on the wrong side of a cut between two classes; rows without a value are wrong.

    Parameters
    ----------
    truth : ndarray of bool, shape (n,)
    """
    known = np.isfinite(values)
    order = np.argsort(values[known], kind="stable")
    ascending, ones = values[known][order], np.cumsum(truth[known][order])
    if not len(ones):
        return len(truth)
    # A cut lies where the value changes, or at the end, where all rows are on one side.
    places = np.append(np.flatnonzero(ascending[1:] != ascending[:-1]), len(ones) - 1)
    below = places + 1
    zeros_above = (len(ones) - ones[-1]) - (below - ones[places])
    wrong = ones[places] + zeros_above
    return int(min(wrong.min(), (len(ones) - wrong).min())) + int((~known).sum())


def differences(numbers: Array) -> Array:
    """Return what each column is more than each later one; no number where both are infinite."""
    with np.errstate(invalid="ignore", over="ignore"):
        pairs = [one - other for one, other in itertools.combinations(numbers.T, 2)]
    return np.column_stack(pairs) if pairs else np.empty((len(numbers), 0))


def _scaled(matrix: Array) -> Array:
    scaled: Array = (matrix - matrix.mean(axis=0)) / np.maximum(matrix.std(axis=0), 1e-300)
    return scaled


def _wrong(make: Callable[[int], Any], matrix: Array, truth: Array, fold: Array) -> int:
    wrong = 0
    for number in np.unique(fold):
        test = fold == number
        classes = np.unique(truth[~test])
        if len(classes) < 2:
            wrong += int(np.count_nonzero(truth[test] != classes[0]))
            continue
        model = make(len(classes)).fit(matrix[~test], truth[~test])
        wrong += int(np.count_nonzero(model.predict(matrix[test]) != truth[test]))
    return wrong


def _tree(_: int) -> Any:
    from sklearn.tree import DecisionTreeClassifier

    # Boosted trees cut between a few hundred bins; this one cuts between any two rows.
    return DecisionTreeClassifier(min_samples_leaf=2, random_state=0)


def _plane(_: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    # Hardly held back, so that it finds the plane that divides the classes where there is one.
    return LogisticRegression(C=1e5, max_iter=500, tol=1e-5)
