"""Two classes that bear each other's names in a whole split, by models that were fitted to the train split."""

from typing import Any, ClassVar

import numpy as np
from msgspec import Struct

from doctor.errors import Unavailable
from doctor.evidence.inputs import Inputs
from doctor.evidence.keys import Keys
from doctor.evidence.label_models import LabelModels
from doctor.evidence.roles import Roles
from doctor.evidence.sample import Sample
from doctor.evidence.targets import Target, Task
from doctor.evidence.threads import one_thread
from doctor.model import Advise, Relabel, Safety
from doctor.subjects import sql
from doctor.subjects.table import Table

Array = np.ndarray[Any, Any]

MAX_ROWS = 750
"""Of each of two splits; a class that bears another's name shows in few rows."""
MIN_CLASS_ROWS = 10
MAX_RELABELLED = 50_000


class SplitExchange(Struct, frozen=True, kw_only=True):
    """Two classes of a split that look like each other.

    Attributes
    ----------
    first_rows, second_rows : int
        Rows of the split that are labelled so and of whose class both families of models think alike.
    first_share, second_share : float
        Those of them that look like the other class.
    known_share : float
        Rows of train, out of fold, that look like what they are labelled, in the worse of both classes.
    numbers, like, suggested
        All rows of the split that bear either label, rows of train that bear the other one, and that label; empty where
        there are too many.
    shown : tuple of int
        The first of these rows as a person counts them.
    """

    split: str
    first: str
    second: str
    first_rows: int
    second_rows: int
    first_share: float
    second_share: float
    known_share: float
    numbers: tuple[int, ...]
    like: tuple[int, ...]
    suggested: tuple[str, ...]
    shown: tuple[int, ...]
    file: str | None

    def repair(self, target: str) -> Relabel | Advise:
        """Exchange the two classes back, by the edit where it may be made of all rows."""
        summary = f"exchange {self.first} and {self.second} in {self.split}"
        if not self.numbers:
            return Advise(safety=Safety.MANUAL, summary=summary)
        return Relabel(
            column=target,
            numbers=self.numbers,
            like=self.like,
            suggested=self.suggested,
            safety=Safety.UNSAFE,
            summary=summary,
        )


class SplitExchanges(Struct, frozen=True, kw_only=True):
    """The pair of classes that looks most exchanged in each split, where one does in more than half of its rows."""

    COST: ClassVar[int] = 96

    found: tuple[SplitExchange, ...] = ()

    @classmethod
    def measure(cls, table: Table, roles: Roles, keys: Keys, sample: Sample, target: Target) -> "SplitExchanges":
        """Predict the rows of each other split from train."""
        if target.task is not Task.CLASSIFICATION or target.split is None:
            return cls()
        found = (
            _of_split(table, roles, keys, sample, target, split) for split in table.splits if split != target.split
        )
        return cls(found=tuple(one for one in found if one is not None))


def _of_split(
    table: Table, roles: Roles, keys: Keys, sample: Sample, target: Target, split: str
) -> SplitExchange | None:
    """Return the pair of one split; None where too few rows have a label, or none looks exchanged."""
    raw = sample.columns[target.name]
    codes = dict(zip(raw[target.rows].tolist(), target.values.tolist(), strict=True))
    there = np.flatnonzero(sample.split == split)
    values = np.array([codes.get(value, -1) for value in raw[there].tolist()], dtype=np.int64)
    there, values = there[values >= 0][:MAX_ROWS], values[values >= 0][:MAX_ROWS]
    known, labels = target.rows[:MAX_ROWS], target.values[:MAX_ROWS]
    both = np.concatenate([known, there])
    union = np.concatenate([labels, values])
    try:
        joined = Target(
            name=target.name, task=target.task, rows=both, values=union, classes=target.classes, split=target.split
        )
        inputs = Inputs.measure(table, roles, keys, sample, joined)
    except Unavailable:
        return None
    enough = [_enough(labels, number) and _enough(values, number) for number in range(len(target.classes))]
    enough[-1] = enough[-1] and not target.lumped
    kept = np.flatnonzero(np.array(enough)[union])
    if sum(enough) < 2:
        return None
    names, codes_kept = np.unique(union[kept], return_inverse=True)
    apart = np.arange(len(union))[kept] >= len(known)
    matrix, own = inputs.matrix[kept], codes_kept[~apart]
    called = _called(matrix, apart.astype(np.int64), codes_kept, len(names))
    pair = _pair(called[apart], codes_kept[apart], len(names))
    if pair is None:
        return None
    first, second, counts, shares = pair
    # Train by itself: the labels of the split must not speak for its rows.
    alone = _called(matrix[~apart], inputs.fold[kept][~apart], own, len(names))
    right = [_share(alone, own, number, number)[1] for number in (first, second)]
    like = {number: int(sample.row[known[labels == names[number]][0]]) for number in (first, second)}
    text = {number: target.classes[int(names[number])] for number in (first, second)}
    numbers, donors = _rows_of(table, target.name, split, like[first], like[second])
    by_donor = {like[number]: text[number] for number in (first, second)}
    return SplitExchange(
        split=split,
        first=text[first],
        second=text[second],
        first_rows=counts[0],
        second_rows=counts[1],
        first_share=shares[0],
        second_share=shares[1],
        known_share=min(right),
        numbers=numbers,
        like=donors,
        suggested=tuple(by_donor[donor] for donor in donors),
        shown=table.numbers(numbers[:5]),
        file=str(table.place(numbers[0])[0]) if numbers else None,
    )


def _enough(values: Array, number: int) -> bool:
    return int(np.count_nonzero(values == number)) >= MIN_CLASS_ROWS


def _called(matrix: Array, fold: Array, labels: Array, classes: int) -> Array:
    """Return the class that both families hold likeliest, -1 where they differ."""
    with one_thread():
        models = LabelModels(matrix, fold)
        surface, plane = (chances.argmax(axis=1) for chances in models.predict(labels, classes))
    return np.where(surface == plane, surface, -1)


def _share(called: Array, labels: Array, bearing: int, looking: int) -> tuple[int, float]:
    rows = called[(labels == bearing) & (called >= 0)]
    return len(rows), float(np.count_nonzero(rows == looking) / max(1, len(rows)))


def _pair(called: Array, labels: Array, classes: int) -> tuple[int, int, tuple[int, int], tuple[float, float]] | None:
    """Return the two classes that look like each other most; None where the lesser share is below one half."""
    best = None
    for first in range(classes):
        for second in range(first + 1, classes):
            one, other = _share(called, labels, first, second), _share(called, labels, second, first)
            if min(one[1], other[1]) > (min(best[3]) if best else 0.5):
                best = (first, second, (one[0], other[0]), (one[1], other[1]))
    return best


def _rows_of(table: Table, name: str, split: str, first: int, second: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the rows of a split that bear the label of either of two rows, and for each the one of the other label."""
    relation, label, where = sql.name(table.relation), sql.name(name), f"{sql.SPLIT} = {sql.quoted(split)}"
    one, other = (f"(SELECT {label} FROM {relation} WHERE {sql.ROW} = {row})" for row in (first, second))
    answer = table.ask(
        f"SELECT {sql.ROW}, {label} = {one} FROM {relation} WHERE {where} AND ({label} = {one} OR {label} = {other}) "
        f"ORDER BY {sql.ROW} LIMIT {MAX_RELABELLED + 1}"
    )
    if len(answer) > MAX_RELABELLED:
        return (), ()
    return tuple(int(row) for row, _ in answer), tuple(second if is_first else first for _, is_first in answer)
