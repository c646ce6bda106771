"""Whether the features tell anything of the target, judged out of fold by several models."""

import math
from typing import Any, ClassVar

import numpy as np
from msgspec import Struct

from doctor.evidence.associations import Associations
from doctor.evidence.inputs import Inputs
from doctor.evidence.one_feature import FOLDS
from doctor.evidence.significance import ONE_SIDED_95, poisson_binomial_upper_tail
from doctor.evidence.targets import Target, Task
from doctor.evidence.threads import one_thread
from doctor.evidence.two_families import TwoFamilies

Array = np.ndarray[Any, Any]

CERTAIN_Q = 1e-4
"""One feature that is known to tell something by so much settles the question, and no model need be fitted."""
CERTAIN_P = 1e-4
PARTS = 4
"""A quantity is cut into so many classes of equal size."""


class Guess(Struct, frozen=True, kw_only=True):
    """What a family of models, or one feature, guessed out of fold.

    Attributes
    ----------
    hits : int
        Rows guessed rightly.
    expected : float
        Rows that guesses of the same classes would have right were they blind.
    p : float
        Probability of at least so many hits by chance (Poisson-binomial).
    skill, upper : float
        Hits beyond chance as a share of what could be gained, and its upper one-sided 95 % bound.
    """

    family: str
    hits: int
    expected: float
    p: float
    skill: float
    upper: float


class Signal(Struct, frozen=True, kw_only=True):
    """What is known of the signal in a table.

    Attributes
    ----------
    feature : str or None
        A feature that alone tells something for certain; no model was fitted then.
    guesses : tuple of Guess
        By family; the dear one only where the others found nothing.
    unread : tuple of str
        Features that no model read.
    """

    COST: ClassVar[int] = 90

    target: str
    rows: int
    features: int
    feature: str | None
    guesses: tuple[Guess, ...]
    unread: tuple[str, ...]

    @classmethod
    def measure(cls, associations: Associations, inputs: Inputs, target: Target) -> "Signal":
        """Ask the single features first, then neighbours and a plane, and trees last."""
        sure = [found for found in associations.noted if found.q <= CERTAIN_Q]
        best = min(sure, key=lambda found: (found.q, found.column), default=None)
        guesses = [] if best else guesses_of(inputs.matrix, inputs.fold, _classes(inputs, target))
        return cls(
            target=target.name,
            rows=len(inputs.rows),
            features=inputs.features,
            feature=best.column if best else None,
            guesses=tuple(guesses),
            unread=inputs.unread,
        )


def guesses_of(matrix: Array, fold: Array, values: Array) -> list[Guess]:
    """Let the families guess classes, numbered without gaps, from features of mean 0 and spread 1."""
    count = int(values.max()) + 1
    families = TwoFamilies(matrix, fold).predict(values, count)
    guesses = [_guess(name, p, values) for name, p in zip(("neighbours", "plane"), families, strict=True)]
    if min(guess.p for guess in guesses) > CERTAIN_P:
        guesses.append(_guess("trees", _by_trees(matrix, fold, values, count), values))
    return guesses


def _classes(inputs: Inputs, target: Target) -> Array:
    if target.task is Task.CLASSIFICATION:
        return np.unique(inputs.values, return_inverse=True)[1]
    parts = np.minimum((inputs.values * PARTS).astype(np.int64), PARTS - 1)
    return np.unique(parts, return_inverse=True)[1]


def _guess(family: str, chances: Array, values: Array) -> Guess:
    """Let each row be of the class that its features make likelier than it is anyway; so rare classes count too."""
    shares = np.bincount(values, minlength=chances.shape[1]) / len(values)
    guessed = np.argmax(chances / np.maximum(shares, 1e-9), axis=1)
    hits = int(np.count_nonzero(guessed == values))
    blind = shares[guessed]
    room = max(1e-9, len(values) - blind.sum())
    skill = float((hits - blind.sum()) / room)
    spread = math.sqrt(float((blind * (1 - blind)).sum())) / room
    return Guess(
        family=family,
        hits=hits,
        expected=float(blind.sum()),
        p=poisson_binomial_upper_tail(hits, blind),
        skill=skill,
        # Bad luck is no power: fewer hits than by chance do not make the bound smaller.
        upper=max(0.0, skill) + ONE_SIDED_95 * spread,
    )


def _by_trees(matrix: Array, fold: Array, values: Array, count: int) -> Array:
    from sklearn.ensemble import HistGradientBoostingClassifier

    chances = np.zeros((len(values), count))
    for number in range(FOLDS):
        test = fold == number
        known = np.unique(values[~test])
        if not test.any() or len(known) < 2:
            continue
        model = HistGradientBoostingClassifier(
            max_iter=30, learning_rate=0.1, max_leaf_nodes=15, early_stopping=False, random_state=0
        )
        with one_thread():
            model.fit(matrix[~test], values[~test])
            chances[np.ix_(test, known)] = model.predict_proba(matrix[test])
    return chances
