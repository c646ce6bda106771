"""How the values of each column are distributed, and the kind of thing they seem to be."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any

from msgspec import Struct
from sqlglot import exp

from doctor.evidence.profile import MAX_FINITE, ColumnProfile, Profile, chunks
from doctor.subjects import sql
from doctor.subjects.table import Column, Kind, Table

COLUMNS_PER_STATEMENT = 50
MAX_LISTED_VALUES = 200
MAX_TOP_VALUES = 10
MAX_COLUMNS_COUNTED_ALONE = 300
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


class Distribution(Struct, frozen=True, kw_only=True):
    """How the values of one column are distributed.

    Attributes
    ----------
    minimum, maximum : number, datetime or None
        Over all rows, of a column of numbers or times.
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
    semantic: Semantic
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


class Distributions(Struct, frozen=True, kw_only=True):
    """The distribution of every column of a table, by its name."""

    columns: dict[str, Distribution]

    def __getitem__(self, name: str) -> Distribution:
        return self.columns[name]

    @classmethod
    def measure(cls, table: Table, profile: Profile) -> "Distributions":
        """Read all rows for the range of numbers and times, the drawn rows for the rest."""
        known = {column.name: column for column in profile.columns}
        found = {}
        for chunk in chunks(table.columns, COLUMNS_PER_STATEMENT):
            ranges = _ranges(table, chunk)
            for name, facts in _closer(table, profile.drawn, chunk, known):
                semantic = _semantic(known[name], facts["token_share"])
                found[name] = Distribution(name=name, semantic=semantic, **ranges.get(name, {}), **facts)
        return cls(columns=found)


def _ranges(table: Table, chunk: Sequence[Column]) -> dict[str, dict[str, Any]]:
    ordered = [column.name for column in chunk if column.numeric or column.kind is Kind.TIME]
    if not ordered:
        return {}
    answer = iter(table.ask(table.select(*(sql.call(f, sql.column(n)) for n in ordered for f in ("min", "max"))))[0])
    return {name: {"minimum": next(answer), "maximum": next(answer)} for name in ordered}


def _closer(
    table: Table, drawn: str, chunk: Sequence[Column], known: dict[str, ColumnProfile]
) -> Iterable[tuple[str, dict[str, Any]]]:
    """Quantiles, common values and shapes, from the drawn rows."""
    wanted = (fact for column in chunk for fact in _closer_facts(column, known[column.name].distinct))
    answer = iter(table.ask(sql.select(*wanted, source=drawn))[0])
    alone = len(table.columns) <= MAX_COLUMNS_COUNTED_ALONE
    for column in chunk:
        mean, std, quantiles, listed, tokens, length = (next(answer) for _ in range(6))
        facts: dict[str, Any] = {"mean": mean, "std": std, "token_share": tokens or 0.0, "mean_length": length or 0.0}
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


def _closer_facts(column: Column, distinct: int) -> list[sql.Expression]:
    name = sql.column(column.name)
    nothing = sql.literal(None)
    text = column.kind is Kind.TEXT
    few = 0 < distinct <= MAX_LISTED_VALUES and column.kind is not Kind.OTHER
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


def _semantic(facts: ColumnProfile, token_share: float) -> Semantic:
    if facts.present == 0:
        return Semantic.EMPTY
    if facts.distinct <= 1:
        return Semantic.CONSTANT
    if facts.kind is Kind.TIME:
        return Semantic.TIME
    if facts.kind is Kind.OTHER:
        return Semantic.OTHER
    if facts.distinct == 2:
        return Semantic.BINARY
    if facts.kind is Kind.NUMBER:
        return Semantic.MEASURE
    if facts.kind is Kind.INTEGER:
        return Semantic.COUNT
    if facts.distinct <= MAX_LISTED_VALUES and facts.distinct <= 0.5 * facts.present:
        return Semantic.CATEGORY
    return Semantic.CODE if token_share >= 0.95 else Semantic.WORDS
