"""Rows whose features occur more than once, within a split or across splits, with how surprising each repetition is."""

import math
from typing import Any

import numpy as np
from msgspec import Struct, field
from sqlglot import exp

from doctor.evidence.profile import Profile
from doctor.evidence.row_hashes import RowHashes
from doctor.evidence.sample import coded
from doctor.evidence.surprisal import Surprisal
from doctor.subjects import sql
from doctor.subjects.table import Table

Array = np.ndarray[Any, Any]

MAX_GROUPS_READ = 500
MAX_EXAMPLES = 5
MAX_ROWS_SHOWN = 10
SPARE_BITS = 10
"""Bits beyond the logarithm of the number of pairs: one coincidence in 2^10 tables of this size."""


class Example(Struct, frozen=True, kw_only=True):
    """A group of equal rows: how many, the first of them as a person counts rows, and its bits."""

    copies: int
    rows: tuple[int, ...]
    bits: float


class Repeats(Struct, frozen=True, kw_only=True):
    """Equal rows within one split.

    Attributes
    ----------
    extra_rows : int
        Rows beyond the first of each group.
    groups : int
        Groups of equal rows.
    surprising_share : float
        Share of `extra_rows` that no coincidence explains, from `groups_read` groups drawn by hash.
    bound_bits : float
        Bits above which a repetition is no coincidence among so many pairs of rows.
    """

    split: str
    rows: int
    extra_rows: int
    groups: int
    surprising_share: float
    bound_bits: float
    median_bits: float
    groups_read: int
    examples: tuple[Example, ...]

    @property
    def share(self) -> float:
        """Extra rows per row of the split."""
        return self.extra_rows / self.rows if self.rows else 0.0


class RepeatedRows(Struct, frozen=True, kw_only=True):
    """What repeats in a table.

    Attributes
    ----------
    relation : str
        A stored table with the columns of `RowHashes.relation`, only rows whose features occur more than once.
    whole : tuple of Repeats
        Per split, rows equal in every column.
    apart_from_ids : tuple of Repeats
        Per split, rows equal in features and label, where `ids` were left out and that finds more.
    ids : tuple of str
        The columns left out.
    """

    relation: str
    features: tuple[str, ...]
    ids: tuple[str, ...]
    whole: tuple[Repeats, ...]
    apart_from_ids: tuple[Repeats, ...] = field(default=())

    @classmethod
    def measure(cls, table: Table, hashes: RowHashes, surprisal: Surprisal, profile: Profile) -> "RepeatedRows":
        """Group the stored hashes once; only what repeats is read again."""
        source = sql.relation(hashes.relation).sql(dialect="duckdb")
        twice = f"SELECT feature_hash FROM {source} GROUP BY feature_hash HAVING count(*) > 1"
        relation = table.engine.keep("repeated", f"SELECT * FROM {source} SEMI JOIN ({twice}) USING (feature_hash)")
        known = max((math.log2(max(1, profile[name].distinct)) for name in hashes.ids), default=0.0)
        whole = tuple(_repeats(table, relation, split, "row_hash", surprisal, known) for split in table.splits)
        apart: tuple[Repeats, ...] = ()
        if hashes.ids:
            label = "hash(feature_hash, label_hash)"
            apart = tuple(_repeats(table, relation, split, label, surprisal, 0.0) for split in table.splits)
        more = tuple(loose for loose, exact in zip(apart, whole, strict=False) if loose.extra_rows > exact.extra_rows)
        return cls(relation=relation, features=hashes.features, ids=hashes.ids, whole=whole, apart_from_ids=more)


def _repeats(table: Table, relation: str, split: str, mark: str, surprisal: Surprisal, known_bits: float) -> Repeats:
    rows = table.splits[split]
    bound = math.log2(max(1, rows * (rows - 1) / 2)) + SPARE_BITS
    name = exp.convert(split).sql(dialect="duckdb")
    grouped = (
        f'SELECT {mark} AS mark, count(*) AS copies, min("row") AS first FROM "{relation}" '
        f"WHERE split = {name} GROUP BY mark HAVING count(*) > 1"
    )
    groups, total = table.ask(f"SELECT count(*), coalesce(sum(copies), 0) FROM ({grouped})")[0]
    drawn = table.ask(f"SELECT * FROM ({grouped}) ORDER BY hash(mark), mark LIMIT {MAX_GROUPS_READ}")
    weights = np.array([copies - 1 for _, copies, _ in drawn], dtype=float)
    bits = known_bits + surprisal.bits(values_at(table, [first for *_, first in drawn], surprisal.columns))
    surprising = bits > bound
    ranked = sorted(range(len(drawn)), key=lambda i: (not surprising[i], -drawn[i][1], drawn[i][0]))[:MAX_EXAMPLES]
    examples = tuple(
        Example(copies=drawn[i][1], bits=float(bits[i]), rows=_members(table, relation, name, mark, drawn[i][0]))
        for i in ranked
    )
    return Repeats(
        split=split, rows=rows, extra_rows=int(total) - int(groups), groups=int(groups),
        surprising_share=float(weights[surprising].sum() / weights.sum()) if len(drawn) else 0.0,
        bound_bits=bound, median_bits=float(np.median(bits)) if len(drawn) else 0.0,
        groups_read=len(drawn), examples=examples,
    )  # fmt: skip


def _members(table: Table, relation: str, split: str, mark: str, value: int) -> tuple[int, ...]:
    found = table.ask(
        f'SELECT "row" FROM "{relation}" WHERE split = {split} AND {mark} = {value} ORDER BY 1 LIMIT {MAX_ROWS_SHOWN}'
    )
    return table.numbers([row for (row,) in found])


def values_at(table: Table, rows: list[int], columns: tuple[str, ...]) -> dict[str, Array]:
    """Read some rows, in the given order.

    Returns
    -------
    dict of str to ndarray, shape (rows,)
        Values by column, coded as in `Sample`.
    """
    wanted = [sql.column(name) for name in columns]
    row = sql.column(sql.ROW)
    listed = exp.In(this=row, expressions=[sql.literal(number) for number in rows] or [sql.literal(-1)])
    answer = table.engine.arrays(table.select(*wanted, row).where(listed))
    place = {int(number): i for i, number in enumerate(np.asarray(answer[sql.ROW]))}
    order = np.array([place[number] for number in rows], dtype=int)
    return {name: coded(answer[name], table.column(name))[order] for name in columns}
