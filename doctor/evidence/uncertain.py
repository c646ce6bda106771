"""Rows that a model finds nearly as likely of one class as of another, by its own column or by the reference models."""

from typing import Any

import numpy as np
from msgspec import Struct

from doctor.errors import NotApplicable, UsageError
from doctor.evidence.label_doubts import LabelDoubts, Reference
from doctor.evidence.profile import Profile
from doctor.evidence.roles import Roles, are_probabilities
from doctor.evidence.sample import Sample
from doctor.subjects import sql
from doctor.subjects.table import Table

Array = np.ndarray[Any, Any]

MAX_LISTED = 1_000
MAX_LISTED_SHARE = 0.1
"""Nobody reviews more."""
STEPS = 50


class Uncertain(Struct, frozen=True, kw_only=True):
    """How near rows lie to the boundary between two classes.

    Attributes
    ----------
    column : str or None
        The column that holds a model's probabilities; None where the reference models gave them.
    rows : int
        Rows that have a probability.
    within : tuple of int
        Rows whose probability is at most so many hundredths from one half, for 0 to 50. Of several classes the
        likeliest one and the next are compared.
    wrong_within : tuple of int
        Those of them that the reference models hold to be of another class; empty for a column.
    competence : float or None
        See `LabelDoubts`; None for a column.
    numbers, shown, chances
        The nearest rows, nearest first: `sql.ROW`, the row as a person counts it, and its probability.
    file : str or None
        The file that holds the first of them.
    """

    column: str | None
    rows: int
    within: tuple[int, ...]
    wrong_within: tuple[int, ...] = ()
    competence: float | None = None
    numbers: tuple[int, ...]
    shown: tuple[int, ...]
    chances: tuple[float, ...]
    file: str | None = None

    @classmethod
    def measure(cls, table: Table, profile: Profile, roles: Roles, sample: Sample, reference: Reference) -> "Uncertain":
        """Count over all rows of the column, where there is one, else over the rows of the reference models.

        Raises
        ------
        UsageError
            Where the declared column holds no probabilities.
        NotApplicable
            Where there is neither.
        """
        name = roles.predictions
        if name is not None:
            if not are_probabilities(next(column for column in profile.columns if column.name == name)):
                raise UsageError(f"--predictions {name}: its values are no probabilities from 0 to 1")
            return cls._of_column(table, name)
        if reference.doubts is None:
            raise NotApplicable(f"no column holds probabilities (--predictions COLUMN), and {reference.why_not}")
        return cls._of_models(table, sample, reference.doubts)

    @classmethod
    def _of_column(cls, table: Table, name: str) -> "Uncertain":
        value, relation = sql.name(name), sql.name(table.relation)
        # Decimals like 0.4 are not exact in binary; a billionth forgives that.
        apart = f"abs({value} - 0.5)"
        counted = table.ask(
            f"SELECT CAST(ceil({apart} * 100 - 1e-7) AS INTEGER) AS step, count(*) FROM {relation} "
            f"WHERE {value} IS NOT NULL GROUP BY 1"
        )
        steps = np.zeros(STEPS + 1, dtype=np.int64)
        for step, count in counted:
            steps[min(max(int(step), 0), STEPS)] += count
        rows = int(steps.sum())
        limit = min(MAX_LISTED, max(1, round(MAX_LISTED_SHARE * rows)))
        nearest = table.ask(
            f"SELECT {sql.ROW}, {value} FROM {relation} WHERE {value} IS NOT NULL "
            f"ORDER BY round({apart}, 9), {sql.ROW} LIMIT {limit}"
        )
        return cls._placed(
            table,
            [int(row) for row, _ in nearest],
            [float(chance) for _, chance in nearest],
            column=name,
            rows=rows,
            within=tuple(np.cumsum(steps).tolist()),
        )

    @classmethod
    def _of_models(cls, table: Table, sample: Sample, doubts: LabelDoubts) -> "Uncertain":
        ordered = np.sort(doubts.told.chances, axis=1)
        chances = ordered[:, -1] / (ordered[:, -1] + ordered[:, -2])
        step = np.clip(np.ceil((chances - 0.5) * 100 - 1e-7), 0, STEPS).astype(np.int64)
        wrong = doubts.told.chances.argmax(axis=1) != doubts.labels
        rows = len(chances)
        limit = min(MAX_LISTED, max(1, round(MAX_LISTED_SHARE * rows)))
        order = np.lexsort((np.arange(rows), np.round(chances, 9)))[:limit]
        return cls._placed(
            table,
            sample.row[doubts.rows[order]].tolist(),
            chances[order].tolist(),
            column=None,
            rows=rows,
            within=tuple(np.cumsum(np.bincount(step, minlength=STEPS + 1)).tolist()),
            wrong_within=tuple(np.cumsum(np.bincount(step[wrong], minlength=STEPS + 1)).tolist()),
            competence=doubts.competence,
        )

    @classmethod
    def _placed(cls, table: Table, numbers: list[int], chances: list[float], **facts: Any) -> "Uncertain":
        return cls(
            numbers=tuple(numbers),
            shown=table.numbers(numbers),
            chances=tuple(chances),
            file=str(table.place(numbers[0])[0]) if numbers else None,
            **facts,
        )
