"""The labels behind the annotators' answers, by the model of Dawid and Skene."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from doctor.evidence.raters import Votes

Array = np.ndarray[Any, Any]

MAX_ROUNDS = 100
TOLERANCE = 1e-6
SMOOTHING = 0.01
"""Added to each count of an annotator's table, so that one item never makes a probability 0."""


@dataclass(frozen=True, kw_only=True)
class TrueLabels:
    """What the annotators' answers say together.

    Attributes
    ----------
    posterior : ndarray, shape (patterns, categories)
        Probability of each true label.
    confusion : ndarray, shape (annotators, categories, categories)
        Probability that an annotator answers the second category where the first is true.
    shares : ndarray, shape (categories,)
        How common each true label is.
    """

    posterior: Array
    confusion: Array
    shares: Array

    @property
    def accuracy(self) -> Array:
        """Probability that an annotator is right, shape (annotators,)."""
        right: Array = np.einsum("acc,c->a", self.confusion, self.shares)
        return right


def dawid_skene(votes: Votes) -> TrueLabels:
    """Estimate true labels and each annotator's errors together, by expectation and maximisation.

    References
    ----------
    Dawid and Skene (1979), Maximum likelihood estimation of observer error-rates using the EM algorithm.
    """
    shape = (len(votes.items), votes.categories)
    posterior = _sum_at(votes.pattern, np.eye(votes.categories)[votes.category], shape[0])
    posterior /= np.maximum(1e-300, posterior.sum(axis=1, keepdims=True))
    answer = votes.annotator * votes.categories + votes.category
    for _ in range(MAX_ROUNDS):
        shares = (votes.items[:, None] * posterior).sum(axis=0) / votes.items.sum()
        weighted = votes.items[votes.pattern, None] * posterior[votes.pattern]
        said = _sum_at(answer, weighted, votes.annotators * votes.categories) + SMOOTHING
        table = said.reshape(votes.annotators, votes.categories, votes.categories).transpose(0, 2, 1)
        confusion = table / table.sum(axis=2, keepdims=True)
        evidence = np.log(confusion)[votes.annotator, :, votes.category]
        log = np.log(np.maximum(shares, 1e-300)) + _sum_at(votes.pattern, evidence, shape[0])
        likely = np.exp(log - log.max(axis=1, keepdims=True))
        likely /= likely.sum(axis=1, keepdims=True)
        moved = np.abs(likely - posterior).max()
        posterior = likely
        if moved < TOLERANCE:
            break
    return TrueLabels(posterior=posterior, confusion=confusion, shares=shares)


def _sum_at(index: Array, rows: Array, size: int) -> Array:
    """Sum rows that have the same index, shape (size, columns)."""
    columns = [np.bincount(index, rows[:, column], size) for column in range(rows.shape[1])]
    return np.stack(columns, axis=1)
