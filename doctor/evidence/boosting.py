"""Small boosted models on columns of the sample."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from doctor.evidence.targets import Task
from doctor.evidence.threads import one_thread

ROUNDS = 40
MAX_LEVELS = 100
MAX_VALUE = 1e100

Array = np.ndarray[Any, Any]


def numbered(values: Array) -> tuple[Array, bool]:
    """Make a column fit for the model; texts become numbers of their most frequent levels.

    Returns
    -------
    ndarray of float64, shape (n,)
        NaN for missing.
    bool
        Whether the numbers are names of levels.
    """
    if values.dtype != object:
        # Quantiles between infinite values are no numbers.
        return np.clip(values, -MAX_VALUE, MAX_VALUE), False
    listed = values.tolist()
    counts = Counter(listed)
    counts.pop(None, None)
    order = sorted(counts, key=lambda level: (-counts[level], level))[:MAX_LEVELS]
    table = {level: float(place) for place, level in enumerate(order)}
    rest = float(len(order))
    codes = [np.nan if value is None else table.get(value, rest) for value in listed]
    return np.array(codes, dtype=np.float64), True


def boosted(named: list[bool], rounds: int, task: Task = Task.CLASSIFICATION) -> Any:
    """Return histogram-based gradient boosting of so many trees, to be fitted; `named` features are names of levels."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    family = HistGradientBoostingRegressor if task is Task.REGRESSION else HistGradientBoostingClassifier
    return family(
        max_iter=rounds,
        learning_rate=0.2,
        max_leaf_nodes=15,
        min_samples_leaf=5,
        early_stopping=False,
        categorical_features=named,
        random_state=0,
    )


def out_of_fold(
    matrix: Array,
    named: list[bool],
    truth: Array,
    task: Task,
    folds: Iterator[tuple[Array, Array]],
    *,
    shares: bool = False,
    rounds: int = ROUNDS,
) -> Array:
    """Predict rows from others by histogram-based gradient boosting.

    Parameters
    ----------
    matrix : ndarray of float64, shape (n, d)
        Features, NaN for missing.
    named : list of bool, length d
        Which features are names of levels.
    truth : ndarray, shape (n,)
        Class numbers from 0 without a gap, or quantities.
    folds : iterator of pairs of ndarray of bool, shape (n,)
        Rows to learn from, and rows to predict.
    shares : bool
        Whether to return the probabilities of the classes.
    rounds : int
        Trees, per class where there are more than two.

    Returns
    -------
    ndarray, shape (n,) or (n, classes)
        0 for rows that no fold predicts, and where a fold has a single class to learn from.
    """
    width = (len(truth), int(truth.max()) + 1) if shares else len(truth)
    predicted = np.zeros(width, dtype=np.float64 if shares else truth.dtype)
    for train, test in folds:
        known = np.unique(truth[train])
        if not test.any() or len(known) < 2:
            continue
        model = boosted(named, rounds, task)
        with one_thread():
            model.fit(matrix[train], truth[train])
            if shares:
                predicted[np.ix_(test, known)] = model.predict_proba(matrix[test])
            else:
                predicted[test] = model.predict(matrix[test])
    return predicted


def each_out(fold: Array, count: int) -> Iterator[tuple[Array, Array]]:
    """Give, for each of the folds, the other rows and its own."""
    for number in range(count):
        test = fold == number
        yield ~test, test
