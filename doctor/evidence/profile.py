"""What each column holds: counts, range, common values, and the kind of thing its values seem to be."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any

from msgspec import Struct
from sqlglot import exp

from doctor.model import Sampling
from doctor.subjects import sql
from doctor.subjects.table import Column, Kind, Table

COLUMNS_PER_STATEMENT = 200
MAX_LISTED_VALUES = 200
MAX_TOP_VALUES = 10
MAX_COLUMNS_COUNTED_ALONE = 300
MIN_ID_SHARE = 0.9
DRAW_COLUMNS = 4
MIN_DIFFERENT_SHARE = 0.2
MAX_FINITE = 1e150
"""Larger numbers are left out of mean and deviation: their squares overflow."""
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


class Semantic(StrEnum):
    """What the values of a column seem to be."""

    EMPTY = "empty"
    CONSTANT = "constant"
    BINARY = "binary"
    CATEGORY = "category"
    COUNT = "count"
    MEASURE = "measure"
    TIME = "time"
    CODE = "code"
    """One token per value, most of them different: numbers of tickets, hashes, addresses."""
    WORDS = "words"
    OTHER = "other"


class ColumnProfile(Struct, frozen=True, kw_only=True):
    """Facts about one column over all rows of the splits that have it.

    Attributes
    ----------
    distinct : int
        Different values, missing not counted; where `distinct_exact` is false an estimate (HyperLogLog; near one per
        row, the exact share within a slice of the values; for numbers with decimals, from the drawn rows).
    mean, std : float or None
        Over the finite values of a number column, among the drawn rows.
    quantiles : dict of float to float
        Of a number column, among the drawn rows.
    top : tuple of (value, int)
        The most common values with their count among the drawn rows.
    pattern : str or None
        The commonest shape of a text column's values, letters as A, digits as 9, repeated ones once.
    pattern_share : float
        Share of the drawn, present values that have this shape.
    token_share : float
        Share of the drawn, present text values without white space.
    mean_length : float
        Characters per present text value.
    """

    name: str
    kind: Kind
    rows: int
    missing: int
    distinct: int
    distinct_exact: bool = False
    minimum: Any = None
    maximum: Any = None
    mean: float | None = None
    std: float | None = None
    quantiles: dict[float, float] = {}
    top: tuple[tuple[Any, int], ...] = ()
    pattern: str | None = None
    pattern_share: float = 0.0
    token_share: float = 0.0
    mean_length: float = 0.0
    semantic: Semantic = Semantic.OTHER

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
        """Read the table once for counts; look closer at drawn rows and at columns that may identify rows."""
        counted = {name: facts for chunk in _chunks(table.columns) for name, facts in _counts(table, sampling, chunk)}
        drawn = _draw(table, sampling, {name: facts["distinct"] for name, facts in counted.items()})
        drawn_rows = int(table.ask(sql.select(sql.call("count", exp.Star()), source=drawn))[0][0])
        for chunk in _chunks(table.columns):
            for name, facts in _closer(table, drawn, chunk, counted, drawn_rows):
                counted[name] |= facts
        columns = tuple(ColumnProfile(semantic=_semantic(facts), **facts) for facts in counted.values())
        return cls(rows=table.rows, columns=columns, drawn=drawn, drawn_rows=drawn_rows)


def _chunks(columns: Sequence[Column]) -> Iterable[tuple[Column, ...]]:
    for start in range(0, len(columns), COLUMNS_PER_STATEMENT):
        yield tuple(columns[start : start + COLUMNS_PER_STATEMENT])


def _counts(table: Table, sampling: Sampling, chunk: Sequence[Column]) -> Iterable[tuple[str, dict[str, Any]]]:
    large = table.rows > sampling.rows
    answer = iter(table.ask(table.select(*(fact for column in chunk for fact in _count_facts(column, large))))[0])
    for column in chunk:
        present, distinct, low, high = (next(answer) for _ in range(4))
        rows = sum(table.splits[split] for split in column.splits)
        # A split without the column shows as missing there; it is not the column's fault.
        facts = {"name": column.name, "kind": column.kind, "rows": rows, "missing": rows - present}
        facts |= {"distinct": distinct, "minimum": low, "maximum": high}
        if large and column.kind in (Kind.INTEGER, Kind.TEXT) and distinct >= MIN_ID_SHARE * present > 0:
            share = _distinct_share(table, sampling, column)
            facts["distinct"] = round(share * present)
        yield column.name, facts


def _count_facts(column: Column, large: bool) -> list[sql.Expression]:
    name = sql.column(column.name)
    # How many values a quantity has is seen as well on the drawn rows, and to estimate it on all is dear.
    counted = sql.literal(0) if large and column.kind is Kind.NUMBER else sql.call("approx_count_distinct", name)
    ordered = name if column.numeric or column.kind is Kind.TIME else sql.literal(None)
    return [
        sql.call("count", name),
        counted,
        sql.call("min", ordered),
        sql.call("max", ordered),
    ]


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


def _closer(
    table: Table, drawn: str, chunk: Sequence[Column], counted: dict[str, dict[str, Any]], drawn_rows: int
) -> Iterable[tuple[str, dict[str, Any]]]:
    """Quantiles, common values and shapes, from the drawn rows."""
    whole = drawn_rows == table.rows
    answer = iter(
        table.ask(sql.select(*(f for c in chunk for f in _closer_facts(c, counted[c.name], whole)), source=drawn))[0]
    )
    alone = len(table.columns) <= MAX_COLUMNS_COUNTED_ALONE
    for column in chunk:
        mean, std, quantiles, listed, tokens, length, distinct = (next(answer) for _ in range(7))
        facts: dict[str, Any] = {"mean": mean, "std": std, "token_share": tokens or 0.0, "mean_length": length or 0.0}
        if whole:
            facts |= {"distinct": distinct, "distinct_exact": True}
        elif column.kind is Kind.NUMBER:
            facts["distinct"] = _scaled(distinct, drawn_rows, counted[column.name])
        if quantiles and quantiles[0] is not None:
            facts["quantiles"] = dict(zip(QUANTILES, quantiles, strict=True))
        if listed:
            pairs = sorted(listed.items(), key=lambda pair: (-pair[1], str(pair[0])))
            facts["top"] = tuple(pairs[:MAX_TOP_VALUES])
        elif alone and column.kind in (Kind.TEXT, Kind.INTEGER):
            facts["top"] = tuple(_most_common(table, drawn, sql.column(column.name)))
        if alone and column.kind is Kind.TEXT:
            facts |= _pattern(table, drawn, column)
        yield column.name, facts


def _scaled(distinct: int, drawn_rows: int, facts: dict[str, Any]) -> int:
    """Bring the different values of drawn rows to all rows: where most differ, the rest does too."""
    present = int(facts["rows"] - facts["missing"])
    return round(distinct / drawn_rows * present) if 2 * distinct > drawn_rows else min(distinct, present)


def _closer_facts(column: Column, counted: dict[str, Any], whole: bool) -> list[sql.Expression]:
    name = sql.column(column.name)
    nothing = sql.literal(None)
    text = column.kind is Kind.TEXT
    few = 0 < counted["distinct"] <= MAX_LISTED_VALUES and column.kind is not Kind.OTHER
    number: sql.Expression = nothing
    if column.numeric:
        number = exp.case().when(exp.Abs(this=name) < MAX_FINITE, exp.cast(name, "double"))
    shares = exp.Array(expressions=[sql.literal(share) for share in QUANTILES])
    return [
        sql.call("avg", number),
        sql.call("stddev_samp", number),
        sql.call("quantile_disc", name, shares) if column.numeric else nothing,
        sql.call("histogram", name) if few else nothing,
        sql.call("avg", exp.cast(sql.call("regexp_matches", name, r"^\S+$"), "int")) if text else nothing,
        sql.call("avg", sql.call("length", name)) if text else nothing,
        exp.Count(this=exp.Distinct(expressions=[name])) if whole or column.kind is Kind.NUMBER else nothing,
    ]


def _most_common(table: Table, drawn: str, value: sql.Expression) -> list[tuple[Any, int]]:
    count = sql.call("count", value)
    query = sql.select(value.as_("value"), count.as_("times"), source=drawn).group_by(exp.Literal.number(1))
    query = query.having(count > 1).order_by(exp.column("times").desc(), exp.column("value"))
    return [(seen, times) for seen, times in table.ask(query.limit(MAX_TOP_VALUES))]


def _pattern(table: Table, drawn: str, column: Column) -> dict[str, Any]:
    shape: sql.Expression = sql.column(column.name)
    for characters, mark in ((r"\p{L}+", "A"), (r"[0-9]+", "9"), (r"\s+", " ")):
        shape = sql.call("regexp_replace", shape, characters, mark, "g")
    whole = sql.call("count", sql.column(column.name))
    total = table.ask(sql.select(whole, source=drawn))[0][0]
    common = _most_common(table, drawn, shape)
    if not common:
        return {}
    pattern, times = common[0]
    return {"pattern": str(pattern)[:80], "pattern_share": times / total}


def _semantic(facts: dict[str, Any]) -> Semantic:
    present, distinct, kind = facts["rows"] - facts["missing"], facts["distinct"], facts["kind"]
    if present == 0:
        return Semantic.EMPTY
    if distinct <= 1:
        return Semantic.CONSTANT
    if kind is Kind.TIME:
        return Semantic.TIME
    if kind is Kind.OTHER:
        return Semantic.OTHER
    if distinct == 2:
        return Semantic.BINARY
    if kind is Kind.NUMBER:
        return Semantic.MEASURE
    if kind is Kind.INTEGER:
        return Semantic.COUNT
    if distinct <= MAX_LISTED_VALUES and distinct <= 0.5 * present:
        return Semantic.CATEGORY
    return Semantic.CODE if facts.get("token_share", 0.0) >= 0.95 else Semantic.WORDS
