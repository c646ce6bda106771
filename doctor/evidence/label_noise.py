"""Labels that two families of models, fitted on other rows, agree to be others; and whether those models can tell.

Confident learning: a row is suspect where a class other than its label is as likely as it usually is for rows labelled
so. Suspects are relabelled in a second round of training, so that wrong labels do not vouch for each other. Before any
of it is believed, known flips are put in and looked for.
"""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from msgspec import Struct

from doctor.errors import NotApplicable, Unavailable
from doctor.evidence.inputs import Inputs
from doctor.evidence.sample import Sample
from doctor.evidence.targets import Target, Task
from doctor.evidence.two_families import TwoFamilies
from doctor.subjects.table import Table

Array = np.ndarray[Any, Any]

MIN_CLASS_ROWS = 10
FLIPPED_SHARE = 0.02
MIN_FLIPS = 40
"""Known flips in all rounds together, so that the competence is known to ±.06."""
MAX_ROUNDS = 5
FIRST_SHARE, NEXT_SHARE = 0.05, 0.10
"""At least and at most so many of the rows are listed for review."""
COPY_DISTANCE = 0.01
"""Of the usual distance to the nearest row; so near is a copy."""
RING = 4.0


class Suspicion(Struct, frozen=True, kw_only=True):
    """What two families say of every row's label.

    Attributes
    ----------
    doubt : ndarray, shape (n,)
        Minus the logarithm of the label's probability, summed over the families, after suspects were relabelled.
    suggested : ndarray of int64, shape (n,)
        The class that both together hold likeliest.
    suspect : ndarray of bool, shape (n,)
        Where both call the same other class, by confident learning.
    agreed : ndarray of bool, shape (n,)
        Where both hold the same class likeliest.
    sureness : ndarray, shape (n,)
        The lower of both families' highest probabilities, by rank from 0 to 1.
    """

    doubt: Array
    suggested: Array
    suspect: Array
    agreed: Array
    sureness: Array

    @classmethod
    def of(cls, models: TwoFamilies, labels: Array, classes: int) -> "Suspicion":
        """Predict twice: with the labels as they are, and with those that both families doubt replaced."""
        first = models.predict(labels, classes)
        calls = [_called(chances, labels, classes) for chances in first]
        suspect = (calls[0] == calls[1]) & (calls[0] != labels) & (calls[0] >= 0)
        mended = np.where(suspect, calls[0], labels)
        second = models.predict(mended, classes) if suspect.any() else first
        own = np.arange(len(labels))
        together = np.log(np.maximum(second[0], 1e-12)) + np.log(np.maximum(second[1], 1e-12))
        tops = [chances.argmax(axis=1) for chances in second]
        ranks = [chances.max(axis=1).argsort().argsort() / len(labels) for chances in second]
        return cls(
            doubt=-together[own, labels],
            suggested=np.where(suspect, calls[0], together.argmax(axis=1)),
            suspect=suspect,
            agreed=tops[0] == tops[1],
            sureness=np.minimum(*ranks),
        )


def _called(chances: Array, labels: Array, classes: int) -> Array:
    """Return the class that each row is held to be of: the likeliest of those at their usual level; -1 for none.

    Source: Northcutt, Jiang and Chuang, Confident learning, JAIR 70 (2021).
    """
    usual = np.array([chances[labels == number, number].mean() for number in range(classes)])
    able = np.where(chances >= usual, chances, -1.0)
    return np.where(able.max(axis=1) > 0, able.argmax(axis=1), -1)


class Doubtful(Struct, frozen=True, kw_only=True):
    """A row whose label is in doubt: `sql.ROW`, the row as a person counts it, its label, the better one."""

    number: int
    row: int
    given: str
    suggested: str
    doubt: float
    suspect: bool


class Exchange(Struct, frozen=True, kw_only=True):
    """Two classes that are taken for each other.

    Attributes
    ----------
    first_rows, second_rows : int
        Suspects labelled as the one that are of the other.
    first_share, second_share : float
        The same per row labelled so.
    """

    first: str
    second: str
    first_rows: int
    second_rows: int
    first_share: float
    second_share: float


class LabelNoise(Struct, frozen=True, kw_only=True):
    """What is known of wrong labels.

    Attributes
    ----------
    rows, total : int
        Rows judged, and labelled rows of the table's split.
    flips : int
        Known flips that were put in.
    competence : float
        Probability that a known flip is doubted more than another row (AUROC).
    core_rows, core_errors : int
        Rows of whose class both families are surest, and how many of these are labelled otherwise. Classes that overlap
        are confused where the models are unsure, wrong labels stand everywhere.
    distinct_share : float
        Different rows of features per row. Among few levels overlap is as even as flips are.
    agreed_rows, agreed_errors : int
        The same of all rows of whose class both families think alike.
    suspects : int
        Rows whose label both families call another.
    listed : tuple of Doubtful
        Most doubtful first: the suspects, at least 5 % and at most 10 % of the rows.
    exchanges : tuple of Exchange
        Pairs of classes between which suspects go both ways, most first; empty where there are two classes only.
    copies, ring : int
        Rows whose nearest neighbour is a near copy with another label, and those that are up to four times as far.
    copied : tuple of (int, int)
        Some of these pairs, as a person counts rows.
    """

    COST: ClassVar[int] = 95

    target: str
    rows: int
    total: int
    flips: int
    competence: float
    core_rows: int
    core_errors: int
    distinct_share: float
    agreed_rows: int
    agreed_errors: int
    suspects: int
    listed: tuple[Doubtful, ...]
    exchanges: tuple[Exchange, ...]
    copies: int
    ring: int
    copied: tuple[tuple[int, int], ...]
    file: str | None = None

    @property
    def evenness(self) -> float:
        """Share labelled otherwise among the surest rows, relative to all: 1 for flips, towards 0 for overlap."""
        overall = self.agreed_errors / max(1, self.agreed_rows)
        return self.core_errors / max(1, self.core_rows) / overall if overall else 0.0

    @classmethod
    def measure(cls, table: Table, sample: Sample, target: Target, inputs: Inputs) -> "LabelNoise":
        """Put in known flips and look for them, then look for the unknown ones.

        Raises
        ------
        NotApplicable
            Where the target is a quantity.
        Unavailable
            Where fewer than two classes have enough rows.
        """
        if target.task is not Task.CLASSIFICATION:
            raise NotApplicable(f"the target {target.name} is a quantity, so no label is flipped")
        counts = np.bincount(inputs.values, minlength=len(target.classes))
        if target.lumped:
            counts[-1] = 0  # it stands for several classes
        kept = np.flatnonzero(counts[inputs.values] >= MIN_CLASS_ROWS)
        known, labels = np.unique(inputs.values[kept], return_inverse=True)
        if len(known) < 2 or len(kept) < 10 * MIN_CLASS_ROWS:
            raise Unavailable("too few classes have rows enough to tell wrong labels")
        names = [target.classes[number] for number in known]
        models = TwoFamilies(inputs.matrix[kept], inputs.fold[kept])
        flips, competence = _competence(models, labels, len(known))
        told = Suspicion.of(models, labels, len(known))
        numbers = sample.row[inputs.rows[kept]]
        core, errors = _core(told, labels)
        order = _listed(told)
        copies, ring, pairs = _copies(models, labels, table.numbers([int(number) for number in numbers]))
        return cls(
            target=target.name,
            rows=len(kept),
            total=len(target.rows),
            flips=flips,
            competence=competence,
            core_rows=core,
            core_errors=errors,
            distinct_share=len(np.unique(inputs.matrix[kept], axis=0)) / len(kept),
            agreed_rows=int(told.agreed.sum()),
            agreed_errors=int(np.count_nonzero(told.agreed & (told.suggested != labels))),
            suspects=int(told.suspect.sum()),
            listed=tuple(
                Doubtful(
                    number=int(numbers[place]),
                    row=table.numbers([int(numbers[place])])[0],
                    given=names[labels[place]],
                    suggested=names[told.suggested[place]],
                    doubt=float(told.doubt[place]),
                    suspect=bool(told.suspect[place]),
                )
                for place in order
            ),
            exchanges=_exchanges(told, labels, names),
            copies=copies,
            ring=ring,
            copied=pairs,
            file=str(table.place(int(numbers[order[0]]))[0]) if len(order) else None,
        )


def _competence(models: TwoFamilies, labels: Array, classes: int) -> tuple[int, float]:
    """Flip known labels, and return how many and how surely they are doubted more than the others."""
    rows = len(labels)
    count = max(2, round(FLIPPED_SHARE * rows))
    rounds = min(MAX_ROUNDS, math.ceil(MIN_FLIPS / count))
    found = []
    for number in range(rounds):
        draw = np.random.default_rng(number)
        flipped = draw.choice(rows, count, replace=False)
        changed = labels.copy()
        changed[flipped] = (labels[flipped] + draw.integers(1, classes, count)) % classes
        if len(np.unique(changed)) < classes:
            continue
        doubt = Suspicion.of(models, changed, classes).doubt
        ranks = doubt.argsort().argsort() + 1.0
        found.append((ranks[flipped].sum() - count * (count + 1) / 2) / (count * (rows - count)))
    return rounds * count, float(np.mean(found)) if found else 0.5


def _core(told: Suspicion, labels: Array) -> tuple[int, int]:
    """Return the rows of which both families are surest, and how many of these are labelled otherwise."""
    sure = np.flatnonzero(told.agreed)
    size = min(len(sure), max(len(labels) // 4, min(len(labels) // 2, 150)))
    core = sure[np.lexsort((sure, -told.sureness[sure]))[:size]]
    return len(core), int(np.count_nonzero(told.suggested[core] != labels[core]))


def _listed(told: Suspicion) -> Array:
    rows = len(told.doubt)
    wanted = min(max(int(told.suspect.sum()), round(FIRST_SHARE * rows)), round(NEXT_SHARE * rows))
    return np.lexsort((np.arange(rows), -told.doubt, ~told.suspect))[:wanted]


def _exchanges(told: Suspicion, labels: Array, names: Sequence[str]) -> tuple[Exchange, ...]:
    if len(names) < 3:
        return ()
    wrong = np.zeros((len(names), len(names)), dtype=int)
    np.add.at(wrong, (labels[told.suspect], told.suggested[told.suspect]), 1)
    sizes = np.bincount(labels, minlength=len(names))
    found = [
        Exchange(
            first=names[a],
            second=names[b],
            first_rows=int(wrong[a, b]),
            second_rows=int(wrong[b, a]),
            first_share=float(wrong[a, b] / sizes[a]),
            second_share=float(wrong[b, a] / sizes[b]),
        )
        for a in range(len(names))
        for b in range(a + 1, len(names))
        if wrong[a, b] and wrong[b, a]
    ]
    return tuple(sorted(found, key=lambda pair: (-pair.first_rows - pair.second_rows, pair.first, pair.second)))


def _copies(models: TwoFamilies, labels: Array, rows: Sequence[int]) -> tuple[int, int, tuple[tuple[int, int], ...]]:
    """Count rows nearly equal to one with another label; equal rows are another check's."""
    usual = float(np.median(models.distance))
    other = labels != labels[models.nearest]
    apart = np.sqrt(models.distance / max(usual, 1e-12))
    # In single precision equal rows come out this far apart.
    near = other & (apart > 1e-3) & (apart <= COPY_DISTANCE)
    ring = other & (apart > COPY_DISTANCE) & (apart <= RING * COPY_DISTANCE)
    pairs = [(rows[int(place)], rows[int(models.nearest[place])]) for place in np.flatnonzero(near)]
    return int(near.sum()), int(ring.sum()), tuple(sorted({(min(pair), max(pair)) for pair in pairs}))[:10]
