"""Rows whose free texts are read as texts: all of them, or as many as there is room for, drawn by their content."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from msgspec import Struct

from doctor.evidence.messages import text_of
from doctor.evidence.text_columns import TextColumn, TextColumns
from doctor.model import Sampling
from doctor.subjects import sql
from doctor.subjects.table import Table

MAX_LETTERS = 40_000_000
"""Of all text columns of a split together; more would not fit beside everything else."""

Array = np.ndarray[Any, Any]


class Drawn(Struct, frozen=True, kw_only=True):
    """The drawn rows of one split.

    Attributes
    ----------
    rows : int
        Of the split.
    every : int
        One of so many rows was drawn; 1 where all were.
    numbers : ndarray of int64, shape (n,)
        The rows, counted from 0 in the table, rising.
    cells : dict of str to list
        By text column, its cells in these rows; None where there is none.
    """

    split: str
    rows: int
    every: int
    numbers: Array
    cells: dict[str, list[str | None]]

    def texts(self, column: TextColumn) -> list[str]:
        """Return the texts of a column; empty where there is none."""
        return [text_of(cell, column.form) for cell in self.cells[column.name]]


class TextSample(Struct, frozen=True, kw_only=True):
    """The drawn rows, split by split in the order of the table."""

    COST: ClassVar[int] = 6

    columns: tuple[TextColumn, ...]
    splits: tuple[Drawn, ...]

    def of(self, split: str) -> Drawn:
        """Return the drawn rows of one split."""
        return next(drawn for drawn in self.splits if drawn.split == split)

    @classmethod
    def measure(cls, table: Table, texts: TextColumns, sampling: Sampling) -> "TextSample":
        """Read rows of every split, the same ones for the same seed, wherever they stand."""
        drawn = [_drawn(table, split, texts.columns, sampling) for split in table.splits]
        return cls(columns=texts.columns, splits=tuple(drawn))


def _drawn(table: Table, split: str, columns: Sequence[TextColumn], sampling: Sampling) -> Drawn:
    held = [column for column in columns if split in column.splits]
    rows = table.splits[split]
    letters = sum(column.letters for column in held) * rows
    every = max(1, -(-rows // sampling.rows), -(-int(letters) // MAX_LETTERS))
    if not held:
        return Drawn(split=split, rows=rows, every=1, numbers=np.empty(0, np.int64), cells={})
    names = [sql.column(column.name) for column in held]
    query = table.select(sql.column(sql.ROW).as_("number"), *(name.as_(f"c{i}") for i, name in enumerate(names)))
    query = query.where(sql.column(sql.SPLIT).eq(sql.literal(split)))
    if every > 1:
        content = sql.row_hash([*names, sql.literal(sampling.seed)])
        query = query.where(sql.call("mod", content, every).eq(sql.literal(0)))
    answer = table.engine.arrays(query)
    numbers = np.asarray(answer["number"]).astype(np.int64)
    order = np.argsort(numbers, kind="stable")
    cells = {column.name: _cells(answer[f"c{i}"], order) for i, column in enumerate(held)}
    return Drawn(split=split, rows=rows, every=every, numbers=numbers[order], cells=cells)


def _cells(values: Array, order: Array) -> list[str | None]:
    missing = np.ma.getmaskarray(values)[order]
    found = np.ma.getdata(values)[order].tolist()
    return [None if gone or cell is None else str(cell) for cell, gone in zip(found, missing, strict=True)]
