"""Rows of two splits, or of two versions of a table, side by side: enough of each, whatever their sizes."""

from typing import Any

import numpy as np
from msgspec import Struct
from sqlglot import exp

from doctor.evidence.profile import hash_bound
from doctor.evidence.sample import Sample, coded
from doctor.evidence.split_schemas import SplitSchemas
from doctor.evidence.splits import pairs_of
from doctor.subjects import sql
from doctor.subjects.table import Table

Array = np.ndarray[Any, Any]

MAX_ROWS = 10_000
"""Rows of a side that are looked at: by these an index of 0.1 is known to about 0.01."""
MAX_CELLS = 20_000_000
MIN_ROWS = 1_000
"""Of a very wide table fewer rows are looked at, but not fewer than these."""
MIN_DRAWN = 5_000
"""A side with fewer drawn rows than this, and more in the table, is drawn again by itself."""


class Side(Struct, frozen=True, kw_only=True):
    """Rows of one split or version.

    Attributes
    ----------
    name : str
        Of the split or version.
    rows : int
        Rows it has in the table.
    columns : dict of str to ndarray, shape (n,)
        Values, coded as in `Sample`.
    row : ndarray of int64, shape (n,)
        `sql.ROW` of each.
    """

    name: str
    rows: int
    columns: dict[str, Array]
    row: Array

    @property
    def drawn(self) -> int:
        """Rows looked at."""
        return len(self.row)


class Sides(Struct, frozen=True, kw_only=True):
    """The first split beside each other one."""

    pairs: tuple[tuple[Side, Side], ...]

    @classmethod
    def measure(cls, table: Table, sample: Sample, schemas: SplitSchemas) -> "Sides":
        """Take the drawn rows apart by split; where a split has few of them, draw from it alone.

        What quality/schema-mismatch tells is not told again: levels that a split only spells otherwise are written as
        the first one does, and a column that holds numbers in one split and words in another is left out.

        Raises
        ------
        NotApplicable
            When there is only one split.
        """
        pairs = [pair for pair in pairs_of(table) if pair[0] == pairs_of(table)[0][0]]
        sides = {split: side_of(table, sample, split) for split in dict.fromkeys(sum(pairs, ()))}
        for column in schemas.columns:
            if column.name == schemas.target:
                continue
            values = sides[column.later].columns
            if column.numbers:
                del values[column.name]
            elif column.respelled:
                known = [column.respelled.get(value, value) for value in values[column.name]]
                values[column.name] = np.array(known, dtype=object)
        return cls(pairs=tuple((sides[earlier], sides[later]) for earlier, later in pairs))


def side_of(table: Table, sample: Sample, split: str) -> Side:
    """Return the drawn rows of a split, in the order of their hashes."""
    mine = np.flatnonzero(sample.split == split)
    rows = table.splits[split]
    limit = min(MAX_ROWS, max(MIN_ROWS, MAX_CELLS // max(1, len(table.columns))))
    if len(mine) < min(MIN_DRAWN, limit, rows):
        return _drawn_alone(table, split, rows, sample.total, limit)
    mine = mine[:limit]
    columns = {name: values[mine] for name, values in sample.columns.items()}
    return Side(name=split, rows=rows, columns=columns, row=sample.row[mine])


def whole_side(table: Table, sample: Sample, name: str) -> Side:
    """Return drawn rows of all splits together."""
    columns = {column: values[:MAX_ROWS] for column, values in sample.columns.items()}
    return Side(name=name, rows=table.rows, columns=columns, row=sample.row[:MAX_ROWS])


def _drawn_alone(table: Table, split: str, rows: int, total: int, limit: int) -> Side:
    """Draw from one split by the numbers of its rows: so close to all of it, whole heaps of copies do not matter."""
    query = table.select(exp.Star()).where(sql.column(sql.SPLIT).eq(sql.literal(split)))
    if rows > limit:
        chosen = sql.row_hash([sql.column(sql.ROW), sql.literal(total)])
        query = query.where(chosen < hash_bound(limit / rows))
    answer = table.engine.arrays(query.order_by(sql.row_hash([sql.column(sql.ROW)])))
    columns = {column.name: coded(answer[column.name], column) for column in table.columns}
    return Side(name=split, rows=rows, columns=columns, row=np.asarray(answer[sql.ROW]))


def both(pair: tuple[Side, Side], name: str) -> Array:
    """Return a column's values on both sides, the earlier first."""
    return np.concatenate([side.columns[name] for side in pair])
