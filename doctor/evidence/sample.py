"""The drawn rows as arrays, for measures that fit a model."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from sqlglot import exp

from doctor.evidence.profile import Profile
from doctor.subjects import sql
from doctor.subjects.table import Column, Kind, Table

MAX_CELLS = 40_000_000
MIN_ROWS = 2_000

Array = np.ndarray[Any, Any]


class Sample(Struct, frozen=True, kw_only=True):
    """A seeded sample of rows, the same ones in whatever order and in however many files they are stored.

    Attributes
    ----------
    columns : dict of str to ndarray, shape (rows,)
        Numbers, truth values and times (seconds since 1970) as float64 with NaN for missing; text as object with None.
    split : ndarray of object, shape (rows,)
        The split of each row.
    row : ndarray of int64, shape (rows,)
        `sql.ROW` of each row.
    key : ndarray of uint64, shape (rows,)
        A hash of each row's content, ascending; form folds by it, so that copies share one.
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
    def measure(cls, table: Table, profile: Profile) -> "Sample":
        """Fetch the drawn rows, fewer where the table is very wide."""
        key = sql.row_hash([sql.column(column.name) for column in table.columns])
        limit = max(MIN_ROWS, MAX_CELLS // max(1, len(table.columns)))
        query = sql.select(exp.Star(), key.as_("__doctor_key"), source=profile.drawn)
        query = query.order_by(exp.column("__doctor_key"), sql.column(sql.ROW)).limit(limit)
        answer = table.engine.arrays(query)
        return cls(
            columns={column.name: coded(answer[column.name], column) for column in table.columns},
            split=np.asarray(answer[sql.SPLIT], dtype=object),
            row=np.asarray(answer[sql.ROW]),
            key=np.asarray(answer["__doctor_key"]),
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


def codes_of(values: Array) -> Array:
    """Number the levels of a column from 0; what is missing is a level of its own."""
    if values.dtype == object:
        listed = values.tolist()
        number = {value: place for place, value in enumerate(dict.fromkeys(listed))}
        return np.fromiter(map(number.__getitem__, listed), np.int64, len(listed))
    codes: Array = np.unique(values, return_inverse=True)[1]
    return codes.astype(np.int64)


def numbered(values: Array | Sequence[Any]) -> tuple[Array, list[Any]]:
    """Number different values in the order in which they come.

    Returns
    -------
    ndarray of int64, shape (n,)
        The number of each; -1 for None.
    list
        The different values.
    """
    listed = values.tolist() if isinstance(values, np.ndarray) else values
    levels = [value for value in dict.fromkeys(listed) if value is not None]
    number: dict[Any, int] = {None: -1} | {value: place for place, value in enumerate(levels)}
    return np.fromiter(map(number.__getitem__, listed), np.int64, len(listed)), levels
