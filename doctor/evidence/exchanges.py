"""Two classes of which rows bear each other's labels, told from classes that overlap and from labels that are wrong.

Labels that both families of models call another are replaced twice, so that the models learn from labels that are
nearly right. A row then counts as astray where it stands in the midst of another class than its label: further in than
the outermost twentieth of that class. Classes that overlap have few such rows, as many as the tail of a class holds so
far from its middle; wrong labels of any kind go to all classes alike. Two classes are exchanged where, both ways, more
rows are astray than either explains. Classes that look the same come apart wherever chance has it, so that large shares
astray mean nothing.
"""

import math
from typing import Any

import numpy as np
from msgspec import Struct

from doctor.evidence.label_models import LabelModels
from doctor.evidence.significance import binomial_upper_tail, wilson_lower, wilson_upper

Array = np.ndarray[Any, Any]

OUTERMOST = 0.05
"""Rows of a class by which its edge is known; fewer would leave it to one row."""
MIN_EACH_WAY = 3
LEAST_RATIO = 0.25
"""Of the shares of both ways; where one class is mostly taken for the other, the two are not exchanged."""
MIN_CALLED = 5
"""Rows by which the middle and the spread of a class are known."""
DECILE = 1.2816
"""Standard normal quantile of nine tenths."""
FREEDOM = 5
"""Of Student's t, the tail that classes are granted. With 8 stray rows and made-up heavy tails pass for exchanged."""


class Settled(Struct, frozen=True, kw_only=True):
    """What the models say once the labels that both families doubt have been replaced twice.

    Attributes
    ----------
    surface, plane : ndarray of float32, shape (n, classes)
        Scores of each class.
    called : ndarray of int64, shape (n,)
        The class that both families hold likeliest; the label where they do not agree.
    """

    surface: Array
    plane: Array
    called: Array

    @classmethod
    def of(cls, models: LabelModels, labels: Array, better: Array, classes: int) -> "Settled":
        """Predict from labels of which suspect ones are replaced, replace what is called another, and predict again."""
        for _ in range(2):
            surface, plane = models.scores(better, classes)
            first, second = surface.argmax(axis=1), plane.argmax(axis=1)
            better = np.where(first == second, first, labels)
        return cls(surface=surface.astype(np.float32), plane=plane.astype(np.float32), called=better)


class Exchange(Struct, frozen=True, kw_only=True):
    """Two classes that are taken for each other.

    Attributes
    ----------
    rows : ndarray of int64
        Positions of the rows that bear the one label and are called the other.
    first_rows, second_rows : int
        Those labelled as the one that are called the other.
    first_share, second_share : float
        The same per row called the other.
    share, lower, upper : float
        All of them per row called either, and its one-sided 95 % bounds.
    among_suspects : float
        Rows astray between the two, per row astray at all.
    chance : float
        Probability of so many rows astray where the classes overlap, or where errors fall on all classes alike, in the
        weaker direction; multiplied by the pairs that could have been found.
    """

    first: str
    second: str
    rows: Array
    first_rows: int
    second_rows: int
    first_share: float
    second_share: float
    share: float
    lower: float
    upper: float
    among_suspects: float
    chance: float

    def stands_out(self, min_among_suspects: float, min_share: float, max_share: float, max_chance: float) -> bool:
        """Whether most rows astray go between the two, enough of them but not too many, both ways, and by no chance."""
        less, more = sorted((self.first_share, self.second_share))
        both_ways = less >= max(min_share, LEAST_RATIO * more)
        most = self.among_suspects >= min_among_suspects
        return both_ways and most and self.share <= max_share and self.chance <= max_chance

    @classmethod
    def of(cls, settled: Settled, labels: Array, names: tuple[str, ...]) -> "Exchange | None":
        """Return the two of at least three classes between which most rows are astray both ways, if any are.

        Of two classes wrong labels of any kind go both ways.
        """
        astray, tails = _astray(settled, labels, len(names))
        both = np.triu(np.where(np.minimum(astray, astray.T) >= MIN_EACH_WAY, astray + astray.T, 0), 1)
        if len(names) < 3 or not both.any():
            return None
        first, second = divmod(int(both.argmax()), len(names))
        # A pair between which too few rows are astray cannot be found, so that it is no try. Source: R. E. Tarone,
        # A modified Bonferroni method for discrete data, Biometrics 46 (1990).
        tries = int(np.count_nonzero(both))
        called = np.bincount(settled.called, minlength=len(names))
        rows = [np.flatnonzero((labels == a) & (settled.called == b)) for a, b in ((first, second), (second, first))]
        by_overlap = _by_overlap(astray, tails, called, first, second)
        by_even = _by_even_errors(astray, labels, first, second)
        hits, total = len(rows[0]) + len(rows[1]), int(called[first] + called[second])
        return cls(
            first=names[first],
            second=names[second],
            rows=np.concatenate(rows),
            first_rows=len(rows[0]),
            second_rows=len(rows[1]),
            first_share=float(len(rows[0]) / called[second]),
            second_share=float(len(rows[1]) / called[first]),
            share=hits / total,
            lower=wilson_lower(hits, total),
            upper=wilson_upper(hits, total),
            among_suspects=float(both[first, second] / astray.sum()),
            chance=min(1.0, tries * max(by_overlap, by_even)),
        )


def _astray(settled: Settled, labels: Array, classes: int) -> tuple[Array, Array]:
    """Count the rows of each label (first axis) in the midst of each other class.

    Returns
    -------
    tuple of ndarray, both of shape (classes, classes)
        The counts, and which share of the class of the label its tail would bring so far.
    """
    called, plane, surface = settled.called, settled.plane, settled.surface
    astray = np.zeros((classes, classes), dtype=np.int64)
    tails = np.ones((classes, classes))
    pairs = np.unique(np.column_stack([labels, called])[labels != called], axis=0)
    for own, other in pairs.tolist():
        members = called == other
        if min(np.count_nonzero(members & (labels == other)), np.count_nonzero(called == own)) < MIN_CALLED:
            continue
        there = members & (labels == own)
        by_plane, by_surface = (scores[:, other] - scores[:, own] for scores in (plane, surface))
        edges = [np.quantile(way[members & (labels == other)], OUTERMOST) for way in (by_plane, by_surface)]
        astray[own, other] = np.count_nonzero(there & (by_plane >= edges[0]) & (by_surface >= edges[1]))
        # On its far side, as where the classes meet it is cut off.
        far, middle = np.quantile(by_plane[called == own], [0.1, 0.5])
        tails[own, other] = _upper_tail(float(edges[0] - middle) / max(1e-9, float(middle - far) / DECILE))
    return astray, tails


def _by_overlap(astray: Array, tails: Array, called: Array, first: int, second: int) -> float:
    """Return the probability of as many rows in the tails of the classes as are astray, in the weaker direction."""
    ways = [(own, other, int(astray[own, other])) for own, other in ((first, second), (second, first))]
    return max(
        binomial_upper_tail(rows, int(called[own]) + rows, float(tails[own, other])) for own, other, rows in ways
    )


def _by_even_errors(astray: Array, labels: Array, first: int, second: int) -> float:
    """Return the probability of as many rows astray were all that bear a label alike likely to be, to any class.

    Also that of as many between the two among all from or to one of them, for where one class is taken for any.
    """
    classes, sizes = len(astray), np.bincount(labels, minlength=len(astray))
    ways, both = ((first, second), (second, first)), int(astray[first, second] + astray[second, first])
    elsewhere = int(astray.sum()) - both
    cells = len(labels) * (classes - 1) - int(sizes[first] + sizes[second])
    chances = [
        binomial_upper_tail(rows, rows + elsewhere, own / (own + cells))
        for own, rows in ((int(sizes[way[0]]), int(astray[way])) for way in ways)
    ]
    touched = [int(astray[number].sum() + astray[:, number].sum()) for number in (first, second)]
    return max(*chances, *(binomial_upper_tail(both, rows, 1 / (classes - 1)) for rows in touched))


def _upper_tail(away: float) -> float:
    """Return the probability of more than so many spreads above the middle, by Student's t of `FREEDOM` degrees."""
    angle = math.atan(away / math.sqrt(FREEDOM))
    arc = angle + math.sin(angle) * math.cos(angle) * (1 + 2 / 3 * math.cos(angle) ** 2)
    return 0.5 - arc / math.pi
