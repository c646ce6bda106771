"""How many values each column holds, and the rows that are drawn to look at more closely."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct
from sqlglot import exp

from doctor.errors import Unavailable
from doctor.model import Sampling
from doctor.subjects import sql
from doctor.subjects.table import Column, Kind, Table

COLUMNS_PER_STATEMENT = 200
MIN_ID_SHARE = 0.9
DRAW_COLUMNS = 4
MIN_DIFFERENT_SHARE = 0.2
WHOLE_ROW = "__doctor_whole"
MIN_LIKELY_SHARE = 0.5
MAX_IMBALANCE = 6.0
"""Standard deviations of the number of hashes below the middle, were all rows different."""
MAX_FINITE = 1e150
"""Larger numbers are left out where numbers are squared: their squares overflow."""


class ColumnProfile(Struct, frozen=True, kw_only=True):
    """Facts about one column over all rows of the splits that have it.

    Attributes
    ----------
    distinct : int
        Different values, missing not counted; where `distinct_exact` is false an estimate (HyperLogLog; near one per
        row, the exact share within a slice of the values; for numbers with decimals, from the drawn rows).
    minimum, maximum : int or None
        Of a column of whole numbers.
    low, high : float or None
        The same of a column of numbers with decimals, infinities included.
    """

    name: str
    kind: Kind
    rows: int
    missing: int
    distinct: int
    distinct_exact: bool = False
    minimum: int | None = None
    maximum: int | None = None
    low: float | None = None
    high: float | None = None

    @property
    def numeric(self) -> bool:
        """Whether its values are numbers."""
        return self.kind in (Kind.INTEGER, Kind.NUMBER)

    @property
    def present(self) -> int:
        """Rows that have a value."""
        return self.rows - self.missing

    @property
    def missing_share(self) -> float:
        """Missing values per row, 0 to 1."""
        return self.missing / self.rows if self.rows else 0.0

    @property
    def distinct_share(self) -> float:
        """Different values per present value, 0 to 1."""
        return min(1.0, self.distinct / self.present) if self.present else 0.0


class Profile(Struct, frozen=True, kw_only=True):
    """The profile of every column of a table.

    Attributes
    ----------
    drawn : str
        A stored relation in the engine with about `Sampling.rows` rows of the table, all of them where it is small.
        Rows are drawn by their content, so neither their order nor the number of files matters.
    drawn_rows : int
        How many these are.
    """

    rows: int
    columns: tuple[ColumnProfile, ...]
    drawn: str
    drawn_rows: int

    def __getitem__(self, name: str) -> ColumnProfile:
        return next(column for column in self.columns if column.name == name)

    @classmethod
    def measure(cls, table: Table, sampling: Sampling) -> "Profile":
        """Read the table once for counts and to draw rows; count again where a slice or the drawn rows tell more."""
        answer, drawn = _counted_and_drawn(table, sampling) or (_counted(table, sampling), None)
        counted = dict(_counts(table, sampling, answer))
        drawn = drawn or _draw(table, sampling, {name: facts["distinct"] for name, facts in counted.items()})
        drawn_rows = int(table.ask(sql.select(sql.call("count", exp.Star()), source=drawn))[0][0])
        whole = drawn_rows == table.rows
        for name, distinct in _different_among_drawn(table, drawn, whole):
            facts = counted[name]
            if whole:
                facts |= {"distinct": distinct, "distinct_exact": True}
            else:
                facts["distinct"] = _scaled(distinct, drawn_rows, facts)
        columns = tuple(ColumnProfile(**facts) for facts in counted.values())
        return cls(rows=table.rows, columns=columns, drawn=drawn, drawn_rows=drawn_rows)


def chunks(columns: Sequence[Column], size: int = COLUMNS_PER_STATEMENT) -> Iterable[tuple[Column, ...]]:
    """Divide columns so that no statement has too many; its cost grows with their square."""
    for start in range(0, len(columns), size):
        yield tuple(columns[start : start + size])


def _counted(table: Table, sampling: Sampling) -> list[Any]:
    answers = [table.ask(table.select(*_all_count_facts(table, sampling, chunk)))[0] for chunk in chunks(table.columns)]
    return [fact for answer in answers for fact in answer]


def _counted_and_drawn(table: Table, sampling: Sampling) -> tuple[list[Any], str | None] | None:
    """Count and draw in one pass, by columns that are likely to tell rows apart; None where that cannot be.

    Returns
    -------
    tuple of (list, str or None), or None
        The counts, and the stored rows where the columns do tell rows apart.
    """
    kinds = (Kind.NUMBER, Kind.TIME, Kind.INTEGER)
    likely = [column.name for kind in kinds for column in table.columns if column.kind is kind][:DRAW_COLUMNS]
    if table.rows <= sampling.rows or len(table.columns) > COLUMNS_PER_STATEMENT or not likely:
        return None
    content = sql.row_hash([*map(sql.column, likely), sql.literal(sampling.seed)])
    chosen = content < hash_bound(sampling.rows / table.rows)
    wanted = [
        *_all_count_facts(table, sampling, table.columns),
        sql.call("approx_count_distinct", content.copy()),
        sql.count_if(content.copy() < hash_bound(0.5)),
    ]

    def telling(different: int, half: int) -> bool:
        # One heap of copies of many rows puts the halves of the hashes out of balance, as it would the drawn rows.
        level = abs(half - table.rows / 2) <= MAX_IMBALANCE * math.sqrt(table.rows) / 2
        return level and different >= MIN_LIKELY_SHARE * table.rows

    if not table.engine.gathers:
        *counts, different, half = table.ask(table.select(*wanted))[0]
        again = table.select(exp.Star()).where(chosen)
        return counts, table.engine.keep("drawn", again) if telling(different, half) else None
    rows = exp.Filter(this=sql.call("list", sql.column(WHOLE_ROW)), expression=exp.Where(this=chosen))
    named = [fact.as_(f"fact_{i}") for i, fact in enumerate(wanted)]
    source = sql.relation(table.relation).as_(WHOLE_ROW)
    try:
        kept = table.engine.keep("counted", exp.select(*named, rows.as_("rows")).from_(source))
    except Unavailable:  # too little memory to hold the rows beside the counts
        return None
    *counts, different, half = table.ask(f'SELECT * EXCLUDE ("rows") FROM "{kept}"')[0]
    drawn = None
    if telling(different, half):
        drawn = table.engine.keep("drawn", f'SELECT unnest("rows", recursive := true) FROM "{kept}"')
    table.engine.drop(kept)
    return counts, drawn


def _all_count_facts(table: Table, sampling: Sampling, chunk: Sequence[Column]) -> list[sql.Expression]:
    large = table.rows > sampling.rows
    return [fact for column in chunk for fact in _count_facts(column, large)]


def _counts(table: Table, sampling: Sampling, answers: Sequence[Any]) -> Iterable[tuple[str, dict[str, Any]]]:
    large = table.rows > sampling.rows
    answer = iter(answers)
    for column in table.columns:
        present, distinct, low, high = (next(answer) for _ in range(4))
        rows = sum(table.splits[split] for split in column.splits)
        # A split without the column shows as missing there; it is not the column's fault.
        facts = {"name": column.name, "kind": column.kind, "rows": rows, "missing": rows - present}
        bounds = ("low", "high") if column.kind is Kind.NUMBER else ("minimum", "maximum")
        facts |= {"distinct": distinct, bounds[0]: low, bounds[1]: high}
        if large and column.kind in (Kind.INTEGER, Kind.TEXT) and distinct >= MIN_ID_SHARE * present > 0:
            share = _distinct_share(table, sampling, column)
            facts["distinct"] = round(share * present)
        yield column.name, facts


def _count_facts(column: Column, large: bool) -> list[sql.Expression]:
    name = sql.column(column.name)
    # How many values a quantity has is seen as well on the drawn rows, and to estimate it on all is dear.
    counted = sql.literal(0) if large and column.kind is Kind.NUMBER else sql.call("approx_count_distinct", name)
    bounds = [sql.call(bound, name) if column.numeric else sql.literal(None) for bound in ("min", "max")]
    return [sql.call("count", name), counted, *bounds]


def _distinct_share(table: Table, sampling: Sampling, column: Column) -> float:
    """Count different values exactly within a slice of the values, to tell 98 % from 100 % without holding them all."""
    name = sql.column(column.name)
    slice_ = sql.row_hash([name, sql.literal(1)]) < hash_bound(sampling.rows / table.rows)
    different = exp.Count(this=exp.Distinct(expressions=[name]))
    present, distinct = table.ask(table.select(sql.call("count", name), different).where(slice_))[0]
    return float(distinct / present) if present else 0.0


def hash_bound(share: float) -> sql.Expression:
    """Return the hash below which a share of all hashes lies."""
    return sql.literal(min(2**64 - 1, int(2**64 * share)))


def _draw(table: Table, sampling: Sampling, distinct: dict[str, int]) -> str:
    """Keep about as many rows as asked for, chosen by a hash of their most telling columns."""
    query = table.select(exp.Star())
    if table.rows > sampling.rows:
        telling = sorted(distinct, key=lambda name: (-distinct[name], name))[:DRAW_COLUMNS]
        quantities = [column.name for column in table.columns if column.kind is Kind.NUMBER][:DRAW_COLUMNS]
        enough = MIN_DIFFERENT_SHARE * table.rows
        if _different(table, telling, distinct) < enough:
            telling = list(dict.fromkeys([*telling, *quantities]))
        parts = [sql.column(name) for name in telling]
        if _different(table, telling, distinct) < enough:
            # Too few different rows to draw by content: whole heaps of copies would come or go.
            parts.append(sql.column(sql.ROW))
        chosen = sql.row_hash([*parts, sql.literal(sampling.seed)]) < hash_bound(sampling.rows / table.rows)
        query = query.where(chosen)
    return table.engine.keep("drawn", query)


def _different(table: Table, columns: Sequence[str], distinct: dict[str, int]) -> int:
    """Count the different contents of columns, which may tell the same (a code and its name)."""
    if (least := max((distinct[name] for name in columns), default=0)) >= MIN_DIFFERENT_SHARE * table.rows:
        return least
    content = sql.row_hash([sql.column(name) for name in columns])
    return int(table.ask(table.select(sql.call("approx_count_distinct", content)))[0][0])


def _different_among_drawn(table: Table, drawn: str, whole: bool) -> Iterable[tuple[str, int]]:
    """Count different values exactly: of all columns where all rows are drawn, else of quantities."""
    columns = [column for column in table.columns if whole or column.kind is Kind.NUMBER]
    for chunk in chunks(columns):
        facts = [exp.Count(this=exp.Distinct(expressions=[sql.column(column.name)])) for column in chunk]
        answer = table.ask(sql.select(*facts, source=drawn))[0]
        yield from ((column.name, int(count)) for column, count in zip(chunk, answer, strict=True))


def _scaled(distinct: int, drawn_rows: int, facts: dict[str, Any]) -> int:
    """Bring the different values of drawn rows to all rows: where most differ, the rest does too."""
    present = int(facts["rows"] - facts["missing"])
    return round(distinct / drawn_rows * present) if 2 * distinct > drawn_rows else min(distinct, present)
