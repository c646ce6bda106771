"""Labels that two families of models, fitted on other rows, agree to be others; and whether those models can tell.

Confident learning: a row is suspect where a class other than its label is as likely as it usually is for rows labelled
so. Suspects are relabelled in a second round of training, so that wrong labels do not vouch for each other. Before any
of it is believed, known flips are put in and looked for.
"""

import math
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from msgspec import Struct

from doctor.errors import Unavailable
from doctor.evidence.error_floor import ErrorFloor
from doctor.evidence.exchanges import Settled
from doctor.evidence.inputs import Inputs
from doctor.evidence.keys import Keys
from doctor.evidence.label_models import LabelModels, as_shares
from doctor.evidence.roles import Roles
from doctor.evidence.sample import Sample
from doctor.evidence.targets import Target, Task
from doctor.evidence.threads import one_thread
from doctor.evidence.two_families import softmax
from doctor.subjects.table import Table

Array = np.ndarray[Any, Any]

MAX_ROWS = 2_000
"""The surface costs the cube of this, a second or less on one core."""
MIN_CLASS_ROWS = 10
MIN_ROWS = 100
FLIPPED_SHARE = 0.02
MIN_FLIPS = 60
"""Known flips in all rounds together, so that the competence is known to about ±.05."""
MAX_ROUNDS = 6
ALIKE = 0.9
"""Features that are correlated by so much count as one witness."""


class Suspicion(Struct, frozen=True, kw_only=True):
    """What two families say of every row's label.

    Attributes
    ----------
    chances : ndarray, shape (n, classes)
        Probability of each class, the geometric mean of both families' after suspects were relabelled.
    doubt : ndarray, shape (n,)
        Minus the logarithm of the label's probability, summed over the families.
    suggested : ndarray of int64, shape (n,)
        The class that both together hold likeliest.
    suspect : ndarray of bool, shape (n,)
        Where both call the same other class, by confident learning.
    """

    chances: Array
    doubt: Array
    suggested: Array
    suspect: Array

    @classmethod
    def of(cls, models: LabelModels, labels: Array, classes: int) -> "Suspicion":
        """Predict twice: with the labels as they are, and with those that both families doubt replaced."""
        first = models.predict(labels, classes)
        called, other = (_called(chances, labels, classes) for chances in first)
        suspect = (called == other) & (called != labels) & (called >= 0)
        second = models.predict(np.where(suspect, called, labels), classes) if suspect.any() else first
        surface, plane = (np.log(np.maximum(chances, 1e-12)) for chances in second)
        together = surface + plane
        own = np.arange(len(labels))
        return cls(
            chances=softmax(together / 2),
            doubt=-together[own, labels],
            suggested=np.where(suspect, called, together.argmax(axis=1)),
            suspect=suspect,
        )


def _called(chances: Array, labels: Array, classes: int) -> Array:
    """Return the class that each row is held to be of: the likeliest of those at their usual level; -1 for none.

    Source: Northcutt, Jiang and Chuang, Confident learning, JAIR 70 (2021).
    """
    usual = np.array([chances[labels == number, number].mean() for number in range(classes)])
    able = np.where(chances >= usual, chances, -1.0)
    return np.where(able.max(axis=1) > 0, able.argmax(axis=1), -1)


class LabelDoubts(Struct, frozen=True, kw_only=True, dict=True):
    """What the models say of the labels of drawn rows.

    Attributes
    ----------
    rows : ndarray of int64, shape (n,)
        Positions in the sample.
    labels : ndarray of int64, shape (n,)
        Classes, into `names`.
    matrix : ndarray of float32, shape (n, d)
        Features, as in `Inputs`.
    origin, fold : ndarray of int64, shape (d,) and (n,)
        As in `Inputs`.
    total : int
        Rows of the sample that have a label.
    flips : int
        Known flips that were put in.
    competence : float
        Probability that a known flip is doubted more than a row that bears the same label rightly (AUROC). Among all
        rows a flip from a common class to a rare one would stand out even to models that know nothing.
    distinct_share : float
        Different rows of features per row. Among few levels overlap is as even as flips are.
    errors : int
        Rows that the models, the shares of the classes being equal, hold to be of another class.
    floor : ErrorFloor
        What remains of these errors where the models are sure.
    """

    target: str
    names: tuple[str, ...]
    rows: Array
    labels: Array
    matrix: Array
    origin: Array
    fold: Array
    total: int
    flips: int
    competence: float
    distinct_share: float
    errors: int
    floor: ErrorFloor
    told: Suspicion
    settled: Settled

    @cached_property
    def witnesses(self) -> float:
        """The competence of the lesser of two sets of features, each with half of them.

        Where a single column tells the label, and tells it only in part, errors are as even as flips are; two columns
        that know nothing of each other do not err in the same rows. Fitted when first asked for: few tables need it.
        """
        halves = halved(self.matrix, self.origin, self.labels, len(self.names))
        if not all(half.any() for half in halves):
            return 0.0
        with one_thread():
            models = (LabelModels(self.matrix[:, half], self.fold) for half in halves)
            return min(_competence(model, self.labels, len(self.names))[1] for model in models)

    @classmethod
    def of(cls, target: Target, inputs: Inputs) -> "LabelDoubts":
        """Put in known flips and look for them, then look for the unknown ones.

        Raises
        ------
        Unavailable
            Where fewer than two classes have enough rows.
        """
        values = inputs.values[:MAX_ROWS]
        counts = np.bincount(values, minlength=len(target.classes))
        if target.lumped:
            counts[-1] = 0  # it stands for several classes
        kept = np.flatnonzero(counts[values] >= MIN_CLASS_ROWS)
        known, labels = np.unique(values[kept], return_inverse=True)
        if len(known) < 2 or len(kept) < MIN_ROWS:
            raise Unavailable("too few rows have a class that is common enough to tell wrong labels")
        matrix, fold, classes = inputs.matrix[kept], inputs.fold[kept], len(known)
        with one_thread():
            models = LabelModels(matrix, fold)
            flips, competence = _competence(models, labels, classes)
            margins, likeliest = _margins(models, labels, classes)
            told = Suspicion.of(models, labels, classes)
            settled = Settled.of(models, labels, np.where(told.suspect, told.suggested, labels), classes)
        return cls(
            target=target.name,
            names=tuple(target.classes[number] for number in known),
            rows=inputs.rows[kept],
            labels=labels,
            matrix=matrix,
            origin=inputs.origin,
            fold=fold,
            total=len(target.rows),
            flips=flips,
            competence=competence,
            distinct_share=len(np.unique(matrix, axis=0)) / len(kept),
            errors=int(np.count_nonzero(likeliest != labels)),
            floor=ErrorFloor.of(margins, likeliest != labels),
            told=told,
            settled=settled,
        )


class Reference(Struct, frozen=True, kw_only=True):
    """What the models say, or why there are none; for checks that can do without."""

    COST: ClassVar[int] = 95

    doubts: LabelDoubts | None = None
    why_not: str = ""

    @classmethod
    def measure(cls, table: Table, roles: Roles, keys: Keys, sample: Sample, target: Target | None) -> "Reference":
        """Fit the models where there are classes and rows enough."""
        if target is None:
            return cls(why_not="no target is known")
        if target.task is not Task.CLASSIFICATION:
            return cls(why_not=f"the target {target.name} is a quantity")
        try:
            return cls(doubts=LabelDoubts.of(target, Inputs.measure(table, roles, keys, sample, target)))
        except Unavailable as why:
            return cls(why_not=str(why))


def halved(matrix: Array, origin: Array, labels: Array, classes: int) -> tuple[Array, Array]:
    """Divide features into two sets that tell about as much each; features that are alike stay together.

    Parameters
    ----------
    matrix : ndarray, shape (n, d)
        Columns of mean 0 and spread 1, or nearly so.
    origin : ndarray of int64, shape (d,)
        The feature of each column.

    Returns
    -------
    tuple of ndarray of bool, each of shape (d,)
    """
    scaled = (matrix - matrix.mean(axis=0)) / np.maximum(matrix.std(axis=0), 1e-9)
    wanted = np.eye(classes)[labels]
    wanted = (wanted - wanted.mean(axis=0)) / wanted.std(axis=0)
    told = np.abs(scaled.T @ wanted).max(axis=1) / len(labels)
    alike = np.abs(scaled.T @ scaled) / len(labels) >= ALIKE
    features = np.unique(origin)
    strength = {int(feature): float(told[origin == feature].max()) for feature in features}
    side: dict[int, int] = {}
    dealt = 0
    for feature in sorted(strength, key=lambda feature: (-strength[feature], feature)):
        like = [int(other) for other in np.unique(origin[alike[origin == feature].any(axis=0)]) if int(other) in side]
        # One to the first, two to the second, two to the first, so that neither gets the better one of each pair.
        side[feature] = side[like[0]] if like else (dealt + 1) // 2 % 2
        dealt += not like
    first = np.array([side[int(feature)] == 0 for feature in origin], dtype=bool)
    return first, ~first


def _competence(models: LabelModels, labels: Array, classes: int) -> tuple[int, float]:
    """Flip known labels; return how many, and how surely they are doubted more than right ones of the same class."""
    rows = len(labels)
    count = max(2, round(FLIPPED_SHARE * rows))
    wins = pairs = 0.0
    rounds = min(MAX_ROUNDS, math.ceil(MIN_FLIPS / count))
    for number in range(rounds):
        draw = np.random.default_rng(number)
        flipped = np.zeros(rows, dtype=bool)
        flipped[draw.choice(rows, count, replace=False)] = True
        changed = np.where(flipped, (labels + draw.integers(1, classes, rows)) % classes, labels)
        if len(np.unique(changed)) < classes:
            continue
        doubt = Suspicion.of(models, changed, classes).doubt
        for bearing in range(classes):
            wrong, right = doubt[flipped & (changed == bearing)], doubt[~flipped & (changed == bearing)]
            wins += float(np.searchsorted(np.sort(right), wrong).sum())
            pairs += float(len(wrong) * len(right))
    return rounds * count, wins / pairs if pairs else 0.5


def _margins(models: LabelModels, labels: Array, classes: int) -> tuple[Array, Array]:
    """Return how far each family holds the likeliest class of a row before the next one, and that class.

    The classes count as equally common, else a row of a rare class would seem an error where nothing is known.
    """
    surface, plane = models.scores(labels, classes)
    common = np.bincount(labels, minlength=classes) / len(labels)
    plane = plane - np.log(common)
    shares = as_shares(surface) / common
    together = np.log(shares / shares.sum(axis=1, keepdims=True)) + np.log(np.maximum(softmax(plane), 1e-12))
    likeliest = together.argmax(axis=1)
    own = np.arange(len(labels))
    margins = []
    for scores in (surface, plane):
        others = scores.copy()
        others[own, likeliest] = -np.inf
        margins.append(scores[own, likeliest] - others.max(axis=1))
    return np.array(margins), likeliest
