"""The texts of a table's rows: sketched in one pass, read again only where they are compared."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from doctor.evidence.messages import Form, text_of
from doctor.evidence.shingles import Sketches, sketch
from doctor.evidence.text_columns import TextColumn
from doctor.subjects import sql
from doctor.subjects.table import Table

MAX_ROWS = 1_000_000
MAX_LETTERS = 400_000_000
"""Of texts that are sketched; of more, rows are drawn by the hash of their texts, so that equal ones stay together."""
LETTERS_AT_ONCE = 40_000_000
_ODD = np.uint64(0x9E3779B97F4A7C15)

Array = np.ndarray[Any, Any]


class TextRows(Struct, frozen=True, kw_only=True):
    """Rows that hold texts, those of earlier splits first, within a split in the order of the table.

    Attributes
    ----------
    columns : tuple of TextColumn
        The columns of free text that every split has, without the target. Rows are alike where all of these are.
    row : ndarray of int64, shape (n,)
        `sql.ROW` of each.
    split : ndarray of int64, shape (n,)
        Number of its split, in the order of the table.
    words : ndarray of int64, shape (n,)
        In all columns.
    text : ndarray of int64, shape (n,)
        Number of its text: rows of one number have the same words, case and punctuation aside.
    first : ndarray of int64, shape (m,)
        Of each text, the first place in `row`.
    whole : ndarray of uint64, shape (m,)
        Hash of the words of each text, by which texts are drawn.
    least : ndarray of uint32, shape (m, …)
        Of each text, as in `Sketches`.
    drawn_one_of : int
        1 where all rows were read.
    """

    columns: tuple[TextColumn, ...]
    row: Array
    split: Array
    words: Array
    text: Array
    first: Array
    whole: Array
    least: Array
    drawn_one_of: int

    @classmethod
    def read(cls, table: Table, columns: Sequence[TextColumn]) -> "TextRows":
        """Sketch the texts of all rows."""
        letters = max(1.0, sum(column.letters for column in columns))
        every = max(1, -(-table.rows // MAX_ROWS), int(np.ceil(table.rows * letters / MAX_LETTERS)))
        at_once = max(1_000, int(LETTERS_AT_ONCE / letters) * every)
        parts = [_part(table, columns, begin, begin + at_once, every) for begin in range(0, table.rows, at_once)]
        row, split = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
        sketches = [part[2] for part in parts]
        words = np.concatenate([one.words for one in sketches])
        told = np.flatnonzero(words)
        order = told[np.lexsort((row[told], split[told]))]
        whole = np.concatenate([one.whole for one in sketches])[order]
        _, first, text = np.unique(whole, return_index=True, return_inverse=True)
        # Texts are numbered in the order of their first rows.
        rank = np.argsort(first, kind="stable")
        number = np.empty(len(rank), dtype=np.int64)
        number[rank] = np.arange(len(rank))
        return cls(
            columns=tuple(columns),
            row=row[order],
            split=split[order],
            words=words[order],
            text=number[text.reshape(-1)],
            first=first[rank],
            whole=whole[first[rank]],
            least=np.concatenate([one.least for one in sketches])[order[first[rank]]],
            drawn_one_of=every,
        )

    def texts(self, table: Table, places: Array) -> "Texts":
        """Read the texts of some rows again."""
        wanted = np.unique(places)
        names = [column.name for column in self.columns]
        found: dict[int, int] = {}
        said: list[list[str]] = [[] for _ in names]
        if len(wanted):
            with table.engine.lent("wanted", {"row": self.row[wanted]}) as lent:
                shown = ", ".join(f"data.{sql.name(name)} AS said_{i}" for i, name in enumerate(names))
                answer = table.engine.arrays(
                    f'SELECT wanted."row" AS number, {shown} FROM {sql.name(table.relation)} data '
                    f'JOIN {sql.name(lent)} wanted ON data.{sql.ROW} = wanted."row"'
                )
            found = {int(number): i for i, number in enumerate(np.asarray(answer["number"]))}
            said = [_said(answer[f"said_{i}"], column.form) for i, column in enumerate(self.columns)]
        return Texts(rows=self.row, found=found, said=said)


class Texts(Struct, frozen=True, kw_only=True):
    """Texts of some rows, by the places of these in `TextRows`."""

    rows: Array
    found: dict[int, int]
    said: list[list[str]]

    def columns(self, places: Array) -> list[list[str]]:
        """Return the texts, column by column."""
        at = [self.found[int(row)] for row in self.rows[places]]
        return [[column[i] for i in at] for column in self.said]

    def joined(self, place: int) -> str:
        """Return the text of one row, its columns one after the other."""
        at = self.found[int(self.rows[place])]
        return "\n\n".join(column[at] for column in self.said if column[at])


def _said(answer: Array, form: Form) -> list[str]:
    missing = np.ma.getmaskarray(answer)
    cells = np.ma.getdata(answer).tolist()
    return ["" if gone or cell is None else text_of(str(cell), form) for cell, gone in zip(cells, missing, strict=True)]


def _part(
    table: Table, columns: Sequence[TextColumn], begin: int, end: int, every: int
) -> tuple[Array, Array, Sketches]:
    row = sql.column(sql.ROW)
    names = [sql.column(column.name) for column in columns]
    query = table.select(
        row.as_("number"),
        sql.column(sql.SPLIT).as_("split"),
        *(name.as_(f"said_{i}") for i, name in enumerate(names)),
    ).where(row >= sql.literal(begin), row < sql.literal(end))
    if every > 1:
        query = query.where(sql.call("mod", sql.row_hash(names), every).eq(sql.literal(0)))
    answer = table.engine.arrays(query)
    splits = {name: number for number, name in enumerate(table.splits)}
    split = np.fromiter((splits[name] for name in np.ma.getdata(answer["split"]).tolist()), np.int64)
    texts = [_said(answer[f"said_{i}"], column.form) for i, column in enumerate(columns)]
    return np.asarray(answer["number"]).astype(np.int64), split, joined(texts)


def joined(columns: Sequence[Sequence[str]]) -> Sketches:
    """Sketch texts that are made of several columns: their runs are those of all."""
    sketches = [sketch(column) for column in columns]
    whole = sketches[0].whole
    for one in sketches[1:]:
        whole = whole * _ODD + one.whole
    return Sketches(
        words=np.sum([one.words for one in sketches], axis=0),
        whole=whole,
        least=np.minimum.reduce([one.least for one in sketches]),
    )

