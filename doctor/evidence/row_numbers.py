"""Columns that hold the numbers of the rows and are called as programs call them."""

import re

from msgspec import Struct

from doctor.evidence.profile import Profile
from doctor.evidence.roles import Roles
from doctor.subjects import sql
from doctor.subjects.table import Kind, Table

CALLED = re.compile(
    r"unnamed.*|index|idx|row|rows|row[ _.-]?(names?|id|idx|index|num|number|no|nr)|level_0|__index_level_\d+__|x1?|"
    r"record[ _.-]?(id|no|nr|number)|\.*1|_c0|n[or]\.?|#"
)
"""Names that pandas, R, Spark and people give to row numbers."""


class RowNumber(Struct, frozen=True, kw_only=True):
    """A column of row numbers; `per_split` where they begin anew in each split."""

    name: str
    first: int
    last: int
    rows: int
    per_split: bool


class RowNumbers(Struct, frozen=True, kw_only=True):
    """The columns that are row numbers by name and content."""

    columns: tuple[RowNumber, ...]

    @classmethod
    def measure(cls, table: Table, profile: Profile, roles: Roles) -> "RowNumbers":
        """Choose by name and bounds, then count over all rows that each number is there once."""
        unnamed = _unnamed(table)
        found = []
        for column in profile.columns:
            called = column.name in unnamed or CALLED.fullmatch(column.name.strip().lower())
            if not called or column.kind is not Kind.INTEGER or column.missing or column.name == roles.target:
                continue
            if column.minimum not in (0, 1) or column.maximum is None:
                continue
            first, last = column.minimum, column.maximum
            sizes = [table.splits[split] for split in table.column(column.name).splits]
            for per_split, size in ((False, column.rows), (True, max(sizes))):
                if last - first + 1 == size and _each_once(table, column.name, per_split=per_split):
                    number = RowNumber(name=column.name, first=first, last=last, rows=column.rows, per_split=per_split)
                    found.append(number)
                    break
        return cls(columns=tuple(found))


def _unnamed(table: Table) -> set[str]:
    """Return the columns whose place in the header is empty."""
    return {
        name
        for part in table.parts
        if part.form is not None and part.form.header and part.form.delimiter
        for name, field in zip(part.form.columns, _fields(part.form.fields, len(part.form.columns)), strict=False)
        if not field.strip()
    }


def _fields(fields: tuple[str, ...], width: int) -> tuple[str, ...]:
    """R leaves out the name of the row names, so one name fewer means that the first is missing."""
    return ("", *fields) if len(fields) == width - 1 else fields


def _each_once(table: Table, name: str, *, per_split: bool) -> bool:
    value = sql.column(name)
    parts = [value, sql.column(sql.SPLIT)] if per_split else [value]
    pairs = table.select(*parts).distinct()
    different = table.ask(sql.select(sql.call("count", sql.literal(1)), source=pairs))[0][0]
    return int(different) == table.rows
