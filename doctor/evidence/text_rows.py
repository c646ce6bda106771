"""The texts of a table's rows: sketched in one pass, read again only where they are compared."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec import Struct
from sqlglot import exp

from doctor.evidence.messages import Form, text_of
from doctor.evidence.shingles import BANDS, ROWS, Sketches, sketch
from doctor.evidence.text_columns import TextColumn
from doctor.subjects import sql
from doctor.subjects.table import Table

if TYPE_CHECKING:
    import pyarrow as pa

MAX_ROWS = 1_000_000
MAX_LETTERS = 400_000_000
"""Of texts that are sketched; of more, rows are drawn by the hash of their texts, so that equal ones stay together."""
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
    kept, kept_counts : ndarray, shapes (k,) and (m,)
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
    kept: Array
    kept_counts: Array
    drawn_one_of: int

    @classmethod
    def read(cls, table: Table, columns: Sequence[TextColumn]) -> "TextRows":
        """Sketch the texts of all rows."""
        letters = max(1.0, sum(column.letters for column in columns))
        every = max(1, -(-table.rows // MAX_ROWS), int(np.ceil(table.rows * letters / MAX_LETTERS)))
        row, split, found = _sketched(table, columns, every)
        words, whole = found.words, found.whole
        told = np.flatnonzero(words)
        order = told[np.lexsort((row[told], split[told]))]
        whole = whole[order]
        _, first, text = np.unique(whole, return_index=True, return_inverse=True)
        # Texts are numbered in the order of their first rows.
        rank = np.argsort(first, kind="stable")
        number = np.empty(len(rank), dtype=np.int64)
        number[rank] = np.arange(len(rank))
        chosen = order[first[rank]]
        kept, counts = _of_some(found.kept, found.kept_counts, chosen)
        return cls(
            columns=tuple(columns),
            row=row[order],
            split=split[order],
            words=words[order],
            text=number[text.reshape(-1)],
            first=first[rank],
            whole=whole[first[rank]],
            least=found.least[chosen],
            kept=kept,
            kept_counts=counts,
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


def _of_some(values: Array, counts: Array, chosen: Array) -> tuple[Array, Array]:
    """Return the values of some texts, which each have so many of them, and how many these have."""
    begins = np.cumsum(counts) - counts
    few = counts[chosen]
    within = np.arange(int(few.sum())) - np.repeat(np.cumsum(few) - few, few)
    return values[np.repeat(begins[chosen], few) + within], few


def _sketched(table: Table, columns: Sequence[TextColumn], every: int) -> tuple[Array, Array, Sketches]:
    """Return number and split of each row, and the sketches of all."""
    import pyarrow as pa

    names = [sql.column(column.name) for column in columns]
    splits = list(table.splits)
    split = exp.Case()
    for number, name in enumerate(splits):
        split = split.when(sql.column(sql.SPLIT).eq(sql.literal(name)), sql.literal(number))
    query = table.select(
        sql.column(sql.ROW).as_("number"), split.as_("split"), *(name.as_(f"said_{i}") for i, name in enumerate(names))
    )
    if every > 1:
        query = query.where(sql.call("mod", sql.row_hash(names), every).eq(sql.literal(0)))
    whole_numbers = ("number", "split", "words", "whole")
    schema = pa.schema(
        [(name, pa.int64()) for name in whole_numbers] + [(name, pa.binary()) for name in ("least", "kept")]
    )
    work = partial(sketch_batch, tuple(column.form for column in columns))
    batches = list(table.engine.mapped(query, work, schema))
    found = pa.Table.from_batches(batches, schema=schema)
    number, place, words, whole = (found.column(name).to_numpy() for name in whole_numbers)
    least = np.frombuffer(b"".join(found.column("least").to_pylist()), dtype=np.uint32)
    kept = found.column("kept").to_pylist()
    sketches = Sketches(
        words=words,
        whole=whole.view(np.uint64),
        least=least.reshape(found.num_rows, BANDS * ROWS),
        kept=np.frombuffer(b"".join(kept), dtype=np.uint32),
        kept_counts=np.fromiter(map(len, kept), np.int64, len(kept)) // np.dtype(np.uint32).itemsize,
    )
    return number, place, sketches


def sketch_batch(forms: tuple[Form, ...], batch: "pa.RecordBatch") -> "pa.RecordBatch":
    """Sketch the texts of some rows, wherever these are.

    Parameters
    ----------
    forms : tuple of Form
        Of the columns `said_0`, `said_1` …
    batch : pyarrow.RecordBatch
        With these, and `number` and `split` of each row.

    Returns
    -------
    pyarrow.RecordBatch
        `number`, `split`, `words` and `whole` as whole numbers with a sign, `least` and `kept` as bytes.
    """
    import pyarrow as pa

    texts = []
    for place, form in enumerate(forms):
        cells = batch.column(f"said_{place}").cast(pa.large_string()).to_pylist()
        texts.append(["" if cell is None else text_of(cell, form) for cell in cells])
    found = sketch_together(texts)
    # Of no text at all there is one part too, which is empty.
    kept = np.split(found.kept, np.cumsum(found.kept_counts)[:-1])[: len(found.words)]
    columns = {
        "number": batch.column("number").cast(pa.int64()),
        "split": batch.column("split").cast(pa.int64()),
        "words": pa.array(found.words),
        "whole": pa.array(found.whole.view(np.int64)),
        "least": pa.array([row.tobytes() for row in found.least], pa.binary()),
        "kept": pa.array([part.tobytes() for part in kept], pa.binary()),
    }
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def sketch_together(columns: Sequence[Sequence[str]]) -> Sketches:
    """Sketch texts that are made of several columns: their runs are those of all."""
    sketches = [sketch(column) for column in columns]
    whole = sketches[0].whole
    for one in sketches[1:]:
        whole = whole * _ODD + one.whole
    # The runs of a text's columns stand side by side.
    owner = np.concatenate([np.repeat(np.arange(len(whole)), one.kept_counts) for one in sketches])
    return Sketches(
        words=np.sum([one.words for one in sketches], axis=0),
        whole=whole,
        least=np.minimum.reduce([one.least for one in sketches]),
        kept=np.concatenate([one.kept for one in sketches])[np.argsort(owner, kind="stable")],
        kept_counts=np.sum([one.kept_counts for one in sketches], axis=0),
    )
