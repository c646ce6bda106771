"""Class probabilities out of fold, from two families of models that err in different ways: neighbours and a plane.

What depends on the features alone (which rows are neighbours, the factor of the matrix of features) is prepared once;
predictions for other labels, such as with known flips in them, then cost little.
"""

from typing import Any

import numpy as np

from doctor.evidence.one_feature import FOLDS

NEIGHBOURS = 12
STEPS = 30
RIDGE = 0.01
"""Penalty per row on the weights of the plane, in units of scaled features."""

Array = np.ndarray[Any, Any]


class Planes:
    """A plane through the other rows of each fold.

    Attributes
    ----------
    folds : list of pairs of ndarray of int64
        Places of the rows of a fold, and of the others.
    """

    def __init__(self, matrix: Array, fold: Array) -> None:
        self.rows = len(matrix)
        tests = (np.flatnonzero(fold == number) for number in range(FOLDS))
        self.folds = [(test, np.setdiff1d(np.arange(self.rows), test)) for test in tests if len(test)]
        self._inputs = np.column_stack([matrix, np.ones(self.rows, dtype=matrix.dtype)]).astype(np.float64)
        self._inverse = []
        for _, train in self.folds:
            inputs = self._inputs[train]
            curve = 0.5 * inputs.T @ inputs + len(train) * RIDGE * np.eye(inputs.shape[1])
            self._inverse.append(np.linalg.inv(curve))

    def scores(self, wanted: Array) -> Array:
        """Return the scores of each class, shape (n, classes), for labels given as shares of classes."""
        scores = np.empty(wanted.shape)
        for (test, train), inverse in zip(self.folds, self._inverse, strict=True):
            scores[test] = self._inputs[test] @ fit_plane(self._inputs[train], wanted[train], inverse)
        return scores


class TwoFamilies:
    """Models of a fixed matrix of features.

    Parameters
    ----------
    matrix : ndarray of float32, shape (n, d)
        Features of mean 0 and spread 1.
    fold : ndarray of int64, shape (n,)
        Rows of one fold are predicted from the others.
    """

    def __init__(self, matrix: Array, fold: Array) -> None:
        self._planes = Planes(matrix, fold)
        squares = (matrix * matrix).sum(axis=1)
        self._near = [self._neighbours(matrix, squares, test, train) for test, train in self._planes.folds]

    def _neighbours(self, matrix: Array, squares: Array, test: Array, train: Array) -> tuple[Array, Array]:
        apart = squares[test][:, None] + squares[train][None] - 2 * (matrix[test] @ matrix[train].T)
        count = min(NEIGHBOURS, len(train) - 1)
        near = np.argpartition(apart, count, axis=1)[:, : count + 1]
        distances = np.maximum(np.take_along_axis(apart, near, axis=1), 0)
        order = np.argsort(distances, axis=1)
        near, distances = np.take_along_axis(near, order, axis=1), np.take_along_axis(distances, order, axis=1)
        # Weights fall towards the first neighbour that does not count (Dudani 1976), by half at most.
        weights = 1 - 0.5 * np.sqrt(distances[:, :count] / np.maximum(distances[:, count:], 1e-12))
        return train[near[:, :count]], weights

    def predict(self, labels: Array, classes: int) -> tuple[Array, Array]:
        """Return the probabilities of each class by neighbours and by the plane, each of shape (n, classes)."""
        wanted = np.eye(classes)[labels]
        by_neighbours = np.empty(wanted.shape)
        for (test, train), (near, weights) in zip(self._planes.folds, self._near, strict=True):
            prior = (wanted[train].sum(axis=0) + 1) / (len(train) + classes)
            votes = np.einsum("ij,ijk->ik", weights, wanted[near]) + prior
            by_neighbours[test] = votes / votes.sum(axis=1, keepdims=True)
        return by_neighbours, softmax(self._planes.scores(wanted))


def fit_plane(inputs: Array, wanted: Array, inverse: Array) -> Array:
    """Fit a multinomial logistic regression by steps on a fixed bound of the curvature, with momentum.

    Source: D. Böhning, Multinomial logistic regression algorithm, Ann. Inst. Statist. Math. 44 (1992).
    """
    weights = np.zeros((inputs.shape[1], wanted.shape[1]))
    ahead = weights
    penalty = len(inputs) * RIDGE
    for step in range(STEPS):
        slope = inputs.T @ (wanted - softmax(inputs @ ahead)) - penalty * ahead
        following = ahead + inverse @ slope
        ahead = following + step / (step + 3) * (following - weights)
        weights = following
    return weights


def softmax(scores: Array) -> Array:
    """Turn scores of classes, shape (n, classes), into shares."""
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Array = raised / raised.sum(axis=1, keepdims=True)
    return shares
