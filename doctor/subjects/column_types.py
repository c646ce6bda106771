"""Finds the type of a column of text over all its values, and writes every column in its canonical type."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce

from doctor.subjects import sql
from doctor.subjects.table import Engine, Kind

SAMPLE_CELLS = 200_000
FACTS_PER_STATEMENT = 200
MAX_COLUMNS_SIDE_BY_SIDE = 500
NESTED = ("STRUCT", "MAP", "UNION", "JSON")
WHOLE = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"}
WIDE_WHOLE = {"UBIGINT", "HUGEINT", "UHUGEINT", "BIGNUM"}
"""Whole numbers that may not fit 64 bits with a sign."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A way to read text as something else; it holds for a column only if it holds for every value.

    Attributes
    ----------
    pattern : str
        What a value looks like, as a regular expression for the engine and for Python alike.
    cast : str
        SQL that yields the value, with `{}` for the text; NULL where the text is none.
    also : str
        A further condition, with `{0}` for the text.
    """

    name: str
    kind: Kind
    pattern: str
    cast: str
    also: str = "true"

    def holds(self, text: str) -> str:
        """Write the condition that a text expression can be read so."""
        fits = f"regexp_full_match({text}, {sql.quoted(self.pattern)})"
        return f"CASE WHEN {fits} THEN {self.cast.format(text)} IS NOT NULL AND {self.also.format(text)} ELSE false END"


def _dates(name: str, pattern: str, *formats: str) -> Reading:
    clock = r"([ T][0-9]{1,2}:[0-9]{2}(:[0-9]{2})?)?"
    every = [form + tail for form in formats for tail in ("", " %H:%M", " %H:%M:%S", "T%H:%M:%S")]
    listed = ", ".join(map(sql.quoted, every))
    return Reading(name=name, kind=Kind.TIME, pattern=pattern + clock, cast=f"try_strptime({{}}, [{listed}])")


# Leading zeros mean an identifier ("00501"), so they make no number.
_WHOLE = r"(0|[1-9][0-9]*)"
_UNSIGNED = r"((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?|[iI]nf(inity)?|INF"
# A whole number beyond 64 bits would lose digits as a float: it stays text.
_FEW_DIGITS = "(length({0}) < 19 OR NOT regexp_matches({0}, '^[^.eE]*[0-9]{{19}}'))"
NUMBERS = (
    Reading(name="integer", kind=Kind.INTEGER, pattern=rf"\s*[+-]?{_WHOLE}\s*", cast="TRY_CAST({} AS BIGINT)"),
    Reading(
        name="number",
        kind=Kind.NUMBER,
        pattern=rf"\s*[+-]?({_UNSIGNED})\s*",
        cast="TRY_CAST({} AS DOUBLE)",
        also=_FEW_DIGITS,
    ),
    Reading(name="boolean", kind=Kind.BOOLEAN, pattern=r"[tT]rue|[fF]alse|TRUE|FALSE", cast="TRY_CAST({} AS BOOLEAN)"),
)
TIMES = (
    Reading(
        name="time",
        kind=Kind.TIME,
        pattern=r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([ T][0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?)?"
        r" ?(Z|UTC|[+-][0-9]{2}(:?[0-9]{2})?)?",
        cast="TRY_CAST(TRY_CAST({} AS TIMESTAMPTZ) AS TIMESTAMP)",
    ),
    _dates("time, year first", r"[0-9]{4}/[0-9]{1,2}/[0-9]{1,2}", "%Y/%m/%d"),
    _dates("time, month first", r"[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}", "%m/%d/%Y"),
    _dates("time, day first", r"[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}", "%d/%m/%Y"),
    _dates("time, day first, points", r"[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{4}", "%d.%m.%Y"),
    _dates(
        "time, month named", r"[A-Z][a-z]{2,8} [0-9]{1,2},? [0-9]{4}", "%b %d %Y", "%b %d, %Y", "%B %d, %Y", "%B %d %Y"
    ),
    _dates(
        "time, month named second", r"[0-9]{1,2}[- ][A-Z][a-z]{2,8}[- ][0-9]{4}", "%d %b %Y", "%d-%b-%Y", "%d %B %Y"
    ),
)
READINGS = (*NUMBERS, *TIMES)
BY_NAME = {reading.name: reading for reading in READINGS}


@dataclass(frozen=True, kw_only=True)
class TextFacts:
    """How many values a text column has, and the readings that hold for all of them (all, where it has none)."""

    values: int
    holding: frozenset[str]

    @property
    def best(self) -> Reading | None:
        """The strongest reading that holds; None is text."""
        if not self.values:
            return None
        return next((reading for reading in READINGS if reading.name in self.holding), None)


def find_readings(
    engine: Engine, relation: str, columns: Sequence[str], readings: Sequence[Reading] = READINGS
) -> dict[str, TextFacts]:
    """Find which readings hold for which text columns, over all rows.

    Parameters
    ----------
    engine : Engine
        Where the rows are.
    relation : str
        What stands after FROM.
    columns : sequence of str
        Columns of text.
    readings : sequence of Reading
        Those to try.
    """
    if not columns:
        return {}
    if len(columns) > MAX_COLUMNS_SIDE_BY_SIDE:
        return _find_in_long_form(engine, relation, columns, readings)
    alive = _surviving_sample(engine, relation, columns, readings)
    asked: list[tuple[str, Reading | None]] = [(name, None) for name in columns]
    asked += [(name, reading) for name in columns for reading in alive[name]]
    counts: dict[tuple[str, str], int] = {}
    for start in range(0, len(asked), FACTS_PER_STATEMENT):
        chunk = asked[start : start + FACTS_PER_STATEMENT]
        facts = [
            f"count_if({reading.holds(sql.name(name))})" if reading else f"count({sql.name(name)})"
            for name, reading in chunk
        ]
        answer = engine.rows(f"SELECT {', '.join(facts)} FROM {relation}")[0]
        counts |= {(name, r.name if r else ""): int(n or 0) for (name, r), n in zip(chunk, answer, strict=True)}
    return {
        name: TextFacts(
            values=counts[name, ""],
            holding=frozenset(r.name for r in alive[name] if counts[name, r.name] == counts[name, ""]),
        )
        for name in columns
    }


def _find_in_long_form(
    engine: Engine, relation: str, columns: Sequence[str], readings: Sequence[Reading]
) -> dict[str, TextFacts]:
    """Do the same with one row per value; the engine takes long over statements with thousands of expressions."""
    listed = ", ".join(map(sql.name, columns))
    facts = ", ".join(f"count_if({reading.holds('value')})" for reading in readings)
    long = f"(UNPIVOT (SELECT {listed} FROM {relation}) ON COLUMNS(*) INTO NAME name VALUE value)"
    every = frozenset(reading.name for reading in readings)
    found = dict.fromkeys(columns, TextFacts(values=0, holding=every))
    for name, values, *counts in engine.rows(f"SELECT name, count(*), {facts} FROM {long} GROUP BY name"):
        holding = frozenset(reading.name for reading, count in zip(readings, counts, strict=True) if count == values)
        found[str(name)] = TextFacts(values=int(values), holding=holding)
    return found


def _surviving_sample(
    engine: Engine, relation: str, columns: Sequence[str], readings: Sequence[Reading]
) -> dict[str, list[Reading]]:
    """Leave out what some rows already refute; most text columns need no further look."""
    rows = max(20, min(1000, SAMPLE_CELLS // len(columns)))
    listed = ", ".join(map(sql.name, columns))
    sample = engine.rows(f"SELECT {listed} FROM {relation} LIMIT {rows}")
    compiled = [(reading, re.compile(reading.pattern, re.ASCII)) for reading in readings]
    alive = {}
    for name, values in zip(columns, zip(*sample, strict=True) if sample else [()] * len(columns), strict=True):
        present = {value for value in values if value is not None}
        alive[name] = [reading for reading, form in compiled if all(map(form.fullmatch, present))]
    return alive


def joined(facts: Iterable[TextFacts]) -> TextFacts:
    """Join what is known of one column in several relations."""
    several = list(facts)
    return TextFacts(
        values=sum(fact.values for fact in several),
        holding=reduce(frozenset.__and__, (fact.holding for fact in several)),
    )


def kind_of(engine_type: str) -> Kind:
    """Classify a type of the engine; whole numbers beyond 64 bits are classed by `canonical`."""
    if engine_type in WHOLE:
        return Kind.INTEGER
    if engine_type in ("FLOAT", "DOUBLE") or engine_type.startswith("DECIMAL"):
        return Kind.NUMBER
    if engine_type == "BOOLEAN":
        return Kind.BOOLEAN
    if engine_type == "DATE" or engine_type.startswith("TIMESTAMP"):
        return Kind.TIME
    if engine_type.endswith("]") or engine_type.startswith(NESTED) or engine_type in ("BLOB", "BIT", "GEOMETRY"):
        return Kind.OTHER
    return Kind.TEXT


def may_overflow(engine_type: str) -> bool:
    """Whether a type's whole numbers may be too large for 64 bits with a sign, so that its values must be looked at."""
    return engine_type in WIDE_WHOLE or bool(re.fullmatch(r"DECIMAL\(\d+,0\)", engine_type))


def canonical(name: str, engine_type: str) -> str:
    """Write the expression that brings a column to its canonical type, so that storage does not show in findings."""
    value = sql.name(name)
    kind = kind_of(engine_type)
    if may_overflow(engine_type):
        return f"CAST({value} AS VARCHAR)"
    if kind is Kind.INTEGER:
        return f"CAST({value} AS BIGINT)"
    if kind is Kind.NUMBER:
        # Through its text a 32-bit 0.1 becomes the 64-bit 0.1 that a CSV of the same table would hold.
        # Not by comparison with NaN: the statistics of Parquet leave NaN out, and the engine would trust them.
        number = f"CAST(CAST({value} AS VARCHAR) AS DOUBLE)" if engine_type == "FLOAT" else f"CAST({value} AS DOUBLE)"
        exact = engine_type.startswith("DECIMAL")
        return number if exact else f"CASE WHEN NOT isnan({value}) THEN {number} END"
    if kind is Kind.TIME:
        if engine_type == "DATE":  # goes further than a timestamp does
            return f"TRY_CAST({value} AS TIMESTAMP)"
        if engine_type == "TIMESTAMPTZ_NS":  # has no way to a timestamp of its own
            value = f"CAST({value} AS TIMESTAMPTZ)"
        return f"CAST({value} AS TIMESTAMP)"
    if kind is Kind.BOOLEAN:
        return value
    if engine_type == "BLOB":
        return f"md5({value})"
    if kind is Kind.OTHER and engine_type != "JSON":
        return f"CAST(to_json({value}) AS VARCHAR)"
    return f"nullif(CAST({value} AS VARCHAR), '')"
