"""Each annotator against the others: what is gained without them, and whether their answers know the item."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from msgspec import Struct

from doctor.evidence.agreement import Profiles

Array = np.ndarray[Any, Any]

MAX_LABELS_CONFUSED = 12


@dataclass(frozen=True, kw_only=True)
class Votes:
    """Who said what, items with equal votes pooled.

    Attributes
    ----------
    pattern, annotator, category : ndarray of int64, shape (votes,)
        One vote of a pattern; sorted by pattern, then annotator.
    items : ndarray of int64, shape (patterns,)
        How many items have the pattern.
    """

    pattern: Array
    annotator: Array
    category: Array
    items: Array
    annotators: int
    categories: int

    @cached_property
    def profiles(self) -> Profiles:
        """The counts per category, with one profile per pattern."""
        key, count = np.unique(self.pattern * self.categories + self.category, return_counts=True)
        return Profiles(
            profile=key // self.categories,
            category=key % self.categories,
            count=count,
            items=self.items,
            categories=self.categories,
        )

    @cached_property
    def entry(self) -> Array:
        """Where each vote is among the entries of `profiles`, shape (votes,)."""
        own = self.profiles
        return np.searchsorted(
            own.profile * own.categories + own.category, self.pattern * self.categories + self.category
        )

    @cached_property
    def weight(self) -> Array:
        """Items in which a vote meets another vote, shape (votes,)."""
        return (self.items * self.profiles.paired)[self.pattern]

    def per_annotator(self, values: Array) -> Array:
        """Sum over the votes of each annotator, shape (annotators,)."""
        return np.bincount(self.annotator, values, self.annotators)

    def per_annotator_and_category(self, values: Array, category: Array | None = None) -> Array:
        """Sum over the votes of each annotator by category, shape (annotators, categories)."""
        chosen = self.category if category is None else category
        flat = np.bincount(self.annotator * self.categories + chosen, values, self.annotators * self.categories)
        return flat.reshape(self.annotators, self.categories)


@dataclass(frozen=True, kw_only=True)
class Independence:
    """How each annotator's answers hang together with the others'; arrays of shape (annotators,), NaN: undefined.

    Attributes
    ----------
    kappa : ndarray
        Share of the others who say the same, corrected for what shuffling the annotator's own answers would give.
    error : ndarray
        Standard deviation of `kappa` under shuffling.
    agreement : ndarray
        The share itself, not corrected.
    shared : ndarray
        Items that others rated too.
    """

    kappa: Array
    error: Array
    agreement: Array
    shared: Array


class Confusion(Struct, frozen=True, kw_only=True):
    """What the others say where one annotator says this or that.

    Attributes
    ----------
    rows, columns : str
        Who speaks along the rows and who along the columns.
    counts : tuple of tuple of int
        Pairs of answers of the same item, by label of the one and label of the others.
    """

    rows: str
    columns: str
    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


def alpha_without(votes: Votes, distance: Array) -> Array:
    """Return Krippendorff's alpha with each annotator left out, shape (annotators,); NaN: undefined."""
    own = votes.profiles
    raters = own.raters[votes.pattern]
    pulled = own.pull(distance)
    total = np.bincount(own.profile, own.count * pulled, len(own.items))
    before = total / np.maximum(1, own.raters - 1)
    after = np.where(raters >= 3, (total[votes.pattern] - 2 * pulled[votes.entry]) / np.maximum(1, raters - 2), 0.0)
    change = votes.weight * (after - before[votes.pattern])
    observed = (own.items * own.paired * before).sum() + votes.per_annotator(change)
    alone = votes.weight * (raters == 2)
    partner = (np.bincount(votes.pattern, votes.category)[votes.pattern] - votes.category).astype(np.int64)
    partner = np.where(alone > 0, partner, 0)
    left = own.marginals - votes.per_annotator_and_category(votes.weight)
    left = left - votes.per_annotator_and_category(alone, partner)
    expected = np.einsum("ac,ac->a", left @ distance, left)
    ratio = np.divide(
        (left.sum(axis=1) - 1) * observed, expected, out=np.full(votes.annotators, np.nan), where=expected > 1e-9
    )
    return np.asarray(1 - ratio)


def independence(votes: Votes) -> Independence:
    """Compare each annotator with the others by the permutation distribution of the shares that agree.

    The statistic is a sum over items of the share of other raters who say what the annotator says. Mean and variance
    under a random assignment of the annotator's answers to the items are exact (Hoeffding 1951).
    """
    own = votes.profiles
    begin = np.searchsorted(own.profile, votes.pattern)
    length = np.searchsorted(own.profile, votes.pattern, side="right") - begin
    vote = np.repeat(np.arange(len(votes.pattern)), length)
    place = np.arange(len(vote)) - np.repeat(np.cumsum(length) - length, length) + np.repeat(begin, length)
    others = np.maximum(1, own.raters[votes.pattern] - 1)
    said = own.category[place]
    share = (own.count[place] - (said == votes.category[vote])) / others[vote]
    weight = votes.weight.astype(float)
    shared = votes.per_annotator(weight)
    answers = votes.per_annotator_and_category(weight)

    by_annotator = votes.annotator[vote]
    own_answers = answers[by_annotator, said]
    size = np.maximum(1, shared)
    row_mean = np.bincount(vote, own_answers * share, len(votes.pattern)) / size[votes.annotator]
    cell = by_annotator * votes.categories + said
    column = np.bincount(cell, weight[vote] * share, votes.annotators * votes.categories)
    column_mean = column.reshape(votes.annotators, votes.categories) / size[:, None]
    grand = (answers * column_mean).sum(axis=1) / size
    squares = np.bincount(by_annotator, weight[vote] * own_answers * share**2, votes.annotators)
    spread = (
        squares
        - size * votes.per_annotator(weight * row_mean**2)
        - size * (answers * column_mean**2).sum(axis=1)
        + size**2 * grand**2
    )
    same = votes.per_annotator(weight * (own.count[votes.entry] - 1) / others) / size
    room = np.where((shared > 1) & (grand < 1 - 1e-12), 1 - grand, np.nan)
    variance = np.maximum(0, spread) / np.maximum(1, size - 1) / size**2
    return Independence(
        kappa=(same - grand) / room,
        error=np.sqrt(variance) / room,
        agreement=np.where(shared > 0, same, np.nan),
        shared=shared.astype(np.int64),
    )


def confusion(votes: Votes, names: Sequence[str], labels: Sequence[str], chosen: int) -> Confusion | None:
    """Count what the others say, item by item, for each answer of one annotator; None where labels are too many."""
    if len(names) < 2 or not 2 <= votes.categories <= MAX_LABELS_CONFUSED:
        return None
    own = np.flatnonzero(votes.annotator == chosen)
    pattern, said = votes.pattern[own], votes.category[own]
    others = votes.profiles.matrix[pattern].toarray().astype(np.int64)
    others[np.arange(len(said)), said] -= 1
    counts = np.zeros((votes.categories, votes.categories), dtype=np.int64)
    np.add.at(counts, said, others * votes.items[pattern, None])
    return Confusion(
        rows=names[chosen],
        columns=names[1 - chosen] if len(names) == 2 else "the others",
        labels=tuple(labels),
        counts=tuple(map(tuple, counts.tolist())),
    )


def come_sorted(votes: Votes, position: Array) -> bool:
    """Whether each item's labels ascend along the columns, which annotators' own columns do only by a rare chance.

    Then the columns are places in a sorted list of answers, and no column belongs to an annotator.

    Parameters
    ----------
    position : ndarray, shape (annotators,)
        Where each annotator's column stands in the table.
    """
    from scipy.special import gammaln

    order = np.lexsort((position[votes.annotator], votes.pattern))
    pattern, category = votes.pattern[order], votes.category[order]
    steps = np.diff(category)[np.diff(pattern) == 0]
    if (steps < 0).any() and (steps > 0).any():
        return False
    own = votes.profiles
    orders = gammaln(own.raters + 1) - np.bincount(own.profile, gammaln(own.count + 1), len(own.items))
    return bool((own.items * orders).sum() > np.log(1e6) and (own.raters >= 3).any())
