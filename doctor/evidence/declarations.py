"""Where values break the ranges and the forms that the user declared for columns."""

import re

from msgspec import Struct

from doctor.errors import UsageError
from doctor.subjects import sql
from doctor.subjects.table import Table

ROWS_NAMED = 5
_RANGE = re.compile(r"\s*([-+]?[0-9.eE+-]*)\s*\.\.\s*([-+]?[0-9.eE+-]*)\s*")


class BrokenRange(Struct, frozen=True, kw_only=True):
    """A column with values outside its range; `low` and `high` are those of all its values."""

    column: str
    range: str
    rows: int
    outside: int
    low: float
    high: float
    first_rows: tuple[int, ...]
    first_numbers: tuple[int, ...]


class BrokenPattern(Struct, frozen=True, kw_only=True):
    """A column with values that do not have their form."""

    column: str
    pattern: str
    rows: int
    outside: int
    examples: tuple[str, ...]
    first_rows: tuple[int, ...]
    first_numbers: tuple[int, ...]


class DeclaredRanges(Struct, frozen=True, kw_only=True):
    """The columns with a declared range, and those that break it."""

    columns: frozenset[str]
    broken: tuple[BrokenRange, ...]

    @classmethod
    def measure(cls, table: Table) -> "DeclaredRanges":
        """Count values outside, over all rows.

        Raises
        ------
        UsageError
            When a column is not there or holds no numbers, or a range is none.
        """
        columns, broken = [], []
        for told in table.declared.ranges:
            name, text = _column(table, "range", told, "COLUMN=LOW..HIGH")
            low, high = _bounds(told, text)
            if not table.column(name).numeric:
                raise UsageError(f"--range {told}: the values of {name} are no numbers")
            columns.append(name)
            value = sql.name(name)
            bounds = [(low, "<"), (high, ">")]
            condition = " OR ".join(f"{value} {sign} {bound!r}" for bound, sign in bounds if bound is not None)
            rows, outside, numbers = _outside(table, name, condition)
            if outside:
                least, most = table.ask(f"SELECT min({value}), max({value}) FROM {sql.name(table.relation)}")[0]
                broken.append(
                    BrokenRange(
                        column=name,
                        range=text.strip(),
                        rows=rows,
                        outside=outside,
                        low=float(least),
                        high=float(most),
                        first_rows=table.numbers(numbers),
                        first_numbers=numbers,
                    )
                )
        return cls(columns=frozenset(columns), broken=tuple(broken))


class DeclaredPatterns(Struct, frozen=True, kw_only=True):
    """The columns with a declared form, and those that break it."""

    columns: frozenset[str]
    broken: tuple[BrokenPattern, ...]

    @classmethod
    def measure(cls, table: Table) -> "DeclaredPatterns":
        """Count values of another form, over all rows.

        Raises
        ------
        UsageError
            When a column is not there, or a pattern is no regular expression.
        """
        columns, broken = [], []
        for told in table.declared.patterns:
            name, pattern = _column(table, "pattern", told, "COLUMN=REGEX")
            pattern = _checked_pattern(told, pattern)
            columns.append(name)
            text = f"CAST({sql.name(name)} AS VARCHAR)"
            condition = f"NOT regexp_matches({text}, {sql.quoted(pattern)})"
            rows, outside, numbers = _outside(table, name, condition)
            if outside:
                listed = f"SELECT DISTINCT {text} FROM {sql.name(table.relation)} WHERE {condition} ORDER BY 1 LIMIT 3"
                broken.append(
                    BrokenPattern(
                        column=name,
                        pattern=pattern,
                        rows=rows,
                        outside=outside,
                        examples=tuple(example for (example,) in table.ask(listed)),
                        first_rows=table.numbers(numbers),
                        first_numbers=numbers,
                    )
                )
        return cls(columns=frozenset(columns), broken=tuple(broken))


def _column(table: Table, option: str, told: str, form: str) -> tuple[str, str]:
    """Split what was declared into the column and what is said of it."""
    name, equals, meaning = told.partition("=")
    if not (name and equals and meaning):
        raise UsageError(f"--{option} {told!r} is not of the form {form}")
    return table.resolve(name), meaning


def _bounds(told: str, text: str) -> tuple[float | None, float | None]:
    found = _RANGE.fullmatch(text)
    try:
        low, high = (float(bound) if bound else None for bound in found.groups()) if found else (None, None)
    except ValueError:
        low = high = None
    if (low, high) == (None, None) or (low is not None and high is not None and low > high):
        raise UsageError(f"--range {told}: {text!r} is no range, such as 0..120, 0.. or ..1")
    return low, high


def _checked_pattern(told: str, pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise UsageError(f"--pattern {told}: {pattern!r} is no regular expression: {error}") from error
    return pattern


def _outside(table: Table, name: str, condition: str) -> tuple[int, int, tuple[int, ...]]:
    """Return the rows with a value, those that meet a condition, and the numbers of the first of these."""
    relation = sql.name(table.relation)
    rows, outside = table.ask(f"SELECT count({sql.name(name)}), count_if({condition}) FROM {relation}")[0]
    if not outside:
        return int(rows), 0, ()
    first = table.ask(f"SELECT {sql.ROW} FROM {relation} WHERE {condition} ORDER BY {sql.ROW} LIMIT {ROWS_NAMED}")
    return int(rows), int(outside), tuple(int(row) for (row,) in first)
