"""Rows drawn for measures that fit a model: the same ones for the same seed, in whatever order they are stored."""

from typing import Any

import numpy as np
from msgspec import Struct
from sqlglot import exp

from doctor.evidence.row_hashes import RowHashes
from doctor.model import Sampling
from doctor.subjects import sql
from doctor.subjects.table import Column, Kind, Table

MAX_CELLS = 40_000_000
MIN_ROWS = 2_000

Array = np.ndarray[Any, Any]


class Sample(Struct, frozen=True, kw_only=True):
    """A seeded sample of rows.

    Rows are chosen by a hash of their content, so neither their order nor the number of files matters, and copies of a
    row are drawn together.

    Attributes
    ----------
    columns : dict of str to ndarray, shape (rows,)
        Numbers, truth values and times (seconds since 1970) as float64 with NaN for missing; text as object with None.
    split : ndarray of object, shape (rows,)
        The split of each row.
    row : ndarray of int64, shape (rows,)
        `sql.ROW` of each row.
    key : ndarray of uint64, shape (rows,)
        The hash by which the rows were drawn, ascending; use it to form folds, so that copies share one.
    total : int
        Rows of the whole table.
    """

    columns: dict[str, Array]
    split: Array
    row: Array
    key: Array
    total: int

    @property
    def rows(self) -> int:
        """Rows drawn."""
        return len(self.key)

    @classmethod
    def measure(cls, table: Table, hashes: RowHashes, sampling: Sampling) -> "Sample":
        """Draw at most `sampling.rows` rows, fewer where the table is very wide."""
        fitting = max(MIN_ROWS, MAX_CELLS // max(1, len(table.columns)))
        limit = min(sampling.rows, fitting)
        key = sql.call("hash", sql.column("row_hash"), sampling.seed)
        drawn = (
            sql.select(sql.column("row"), key.as_("key"), source=hashes.relation)
            .order_by(exp.column("key"))
            .limit(limit)
        )
        chosen = table.engine.keep("drawn", drawn)
        wanted: list[sql.Expression] = [sql.column(column.name, "data") for column in table.columns]
        wanted += [
            sql.column(sql.ROW, "data"),
            sql.column(sql.SPLIT, "data"),
            sql.column("key", "drawn").as_("__doctor_key"),
        ]
        joined = (
            exp.select(*wanted)
            .from_(sql.relation(table.relation).as_("data"))
            .join(sql.relation(chosen).as_("drawn"), on=sql.column(sql.ROW, "data").eq(sql.column("row", "drawn")))
        )
        answer = table.engine.arrays(joined)
        order = np.lexsort((np.asarray(answer[sql.ROW]), np.asarray(answer["__doctor_key"])))
        return cls(
            columns={column.name: coded(answer[column.name], column)[order] for column in table.columns},
            split=np.asarray(answer[sql.SPLIT], dtype=object)[order],
            row=np.asarray(answer[sql.ROW])[order],
            key=np.asarray(answer["__doctor_key"])[order],
            total=table.rows,
        )


def coded(raw: Array, column: Column) -> Array:
    """Code a column of an answer as `Sample.columns` says."""
    missing = np.ma.getmaskarray(raw)
    data = np.ma.getdata(raw)
    if column.kind in (Kind.TEXT, Kind.OTHER):
        values = data.astype(object)
        values[missing] = None
        return values
    if column.kind is Kind.TIME:
        values = data.astype("datetime64[us]").astype(np.int64) / 1e6
    else:
        values = data.astype(np.float64)
    values[missing] = np.nan
    return values
