"""Two families of models of labels, fitted on other rows: a smooth surface through all rows, and a plane.

What depends on the features alone (how near rows are to each other, the curvature of the plane) is prepared once, so
that predictions for other labels, such as with known flips in them, cost little.
"""

from typing import Any

import numpy as np

from doctor.evidence.two_families import Planes, softmax

REACH = 2.0
"""How fast likeness falls with squared distance, per median squared distance."""
SMOOTHNESS = 0.3
"""Penalty of the surface; 0.3 to 3 and a `REACH` of 0.5 to 2 rank flips equally well on scikit-learn's data."""
EVERY = 10
"""The median distance is that from every tenth row."""
LEAST = 0.01
"""Least share of a class in a prediction by the surface, which is no probability by itself."""

Array = np.ndarray[Any, Any]


class LabelModels:
    """Models of a fixed matrix of features.

    Parameters
    ----------
    matrix : ndarray of float32, shape (n, d)
        Features of mean 0 and spread 1.
    fold : ndarray of int64, shape (n,)
        Rows of one fold are predicted from the others.
    """

    def __init__(self, matrix: Array, fold: Array) -> None:
        self.rows = len(matrix)
        self._planes = Planes(matrix, fold)
        self._prepare_surface(np.asarray(matrix, dtype=np.float32))

    def _prepare_surface(self, matrix: Array) -> None:
        from scipy.linalg import cho_factor, lapack

        squares = (matrix * matrix).sum(axis=1)
        apart = np.maximum(squares[:, None] + squares[None] - 2 * (matrix @ matrix.T), 0)
        middle = float(np.median(apart[::EVERY])) or 1.0
        likeness = np.exp(apart * np.float32(-REACH / middle))
        likeness.flat[:: self.rows + 1] += np.float32(SMOOTHNESS)
        # Half the work of a general inverse, in half the precision: the condition number is below rows / SMOOTHNESS.
        factor, _ = lapack.spotrf(likeness, lower=1)
        half = np.tril(lapack.spotri(factor, lower=1)[0])
        self._solved = (half + np.tril(half, -1).T).astype(np.float64)
        self._within = [cho_factor(self._solved[np.ix_(test, test)]) for test, _ in self._planes.folds]

    def scores(self, labels: Array, classes: int) -> tuple[Array, Array]:
        """Return the scores of each class by the surface and by the plane, each of shape (n, classes).

        The surface is kernel ridge regression on the classes; the predictions for a fold by the others follow from the
        fit to all rows. Source: S. An, W. Liu and S. Venkatesh, Fast cross-validation algorithms for least squares
        support vector machine and kernel ridge regression, Pattern Recognition 40 (2007).
        """
        from scipy.linalg import cho_solve

        wanted = np.eye(classes)[labels]
        surface = np.empty(wanted.shape)
        solved = self._solved @ np.column_stack([wanted, np.ones(self.rows)])
        for (test, train), within in zip(self._planes.folds, self._within, strict=True):
            mean = wanted[train].mean(axis=0)
            pull = solved[test, :-1] - solved[test, -1:] * mean
            surface[test] = wanted[test] - cho_solve(within, pull)
        return surface, self._planes.scores(wanted)

    def predict(self, labels: Array, classes: int) -> tuple[Array, Array]:
        """Return the probabilities of each class by the surface and by the plane, each of shape (n, classes)."""
        surface, plane = self.scores(labels, classes)
        return as_shares(surface), softmax(plane)


def as_shares(surface: Array) -> Array:
    """Turn the surface's scores, which may lie outside 0 to 1, into shares."""
    raised = np.maximum(surface, LEAST)
    shares: Array = raised / raised.sum(axis=1, keepdims=True)
    return shares
