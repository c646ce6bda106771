"""Cells of text that match a pattern, found by the engine over all rows, so that only these are looked at closely."""

from collections.abc import Callable, Iterator

from msgspec import Struct
from sqlglot import exp

from doctor.errors import NotApplicable
from doctor.evidence.profile import ColumnProfile, Profile
from doctor.evidence.text_columns import TextColumns
from doctor.subjects import sql
from doctor.subjects.table import Kind, Table

MAX_CELLS = 20_000
MAX_LETTERS = 30_000_000
"""Of cells that are looked at closely, per column and pattern; where more match, they are drawn by hash."""
FEW_LEVELS = 10_000
"""Columns with fewer different cells are matched level by level, which is cheaper than row by row."""
MAX_TRIED = 2_000
"""Matching cells among drawn rows that are looked at closely."""
MANY_ROWS = 500_000
"""Rows from which a column that is not free text is read whole only where rows that were drawn match."""


class Cell(Struct, frozen=True, kw_only=True):
    """A cell, the rows that hold just this, and the first of them, counted from 0 in the table."""

    text: str
    rows: int
    first: int


class Suspects(Struct, frozen=True, kw_only=True):
    """The matching cells of a column.

    Attributes
    ----------
    cells : tuple of Cell
        Different ones, in the order of their first rows.
    rows : int
        Rows whose cell matches, also those that were not drawn.
    every : int
        One of so many matching cells was drawn; 1 where all were.
    """

    column: str
    cells: tuple[Cell, ...]
    rows: int
    every: int = 1


def worth_reading(
    table: Table, column: ColumnProfile, pattern: str, *, drawn: str, free: bool, holds: Callable[[str], object]
) -> bool:
    """Whether all rows of a column are to be matched: names and codes of large tables are tried on drawn rows first.

    Parameters
    ----------
    drawn : str
        The relation of `Profile.drawn`.
    free : bool
        Whether the column holds free text.
    holds : callable of str
        Whether a cell that matches has, looked at closely, what is looked for.
    """
    if free or table.rows < MANY_ROWS:
        return True
    name = sql.column(column.name)
    hits = sql.select(name, source=drawn).where(sql.call("regexp_matches", name.copy(), pattern)).limit(MAX_TRIED)
    return any(holds(str(cell)) for (cell,) in table.ask(hits))


def matching(table: Table, column: ColumnProfile, pattern: str) -> Suspects:
    """Find the cells of a column in which a pattern occurs.

    Parameters
    ----------
    table : Table
        Where the column is.
    column : ColumnProfile
        A column of text, or of nested values, which are matched as JSON.
    pattern : str
        A regular expression in what RE2, Java and Python have in common.
    """
    cell, rows = sql.column("cell"), sql.column("rows")
    name = sql.column(column.name)
    hit = sql.call("regexp_matches", sql.column("cell") if column.distinct < FEW_LEVELS else name, pattern)
    grouped = table.select(
        name.as_("cell"), sql.call("count", exp.Star()).as_("rows"), sql.call("min", sql.column(sql.ROW)).as_("first")
    )
    grouped = grouped.where(name.is_(sql.literal(None)).not_())
    grouped = (grouped if column.distinct < FEW_LEVELS else grouped.where(hit)).group_by(name.copy())
    if column.distinct < FEW_LEVELS:
        grouped = sql.select(exp.Star(), source=grouped).where(hit)
    kept = table.engine.keep("suspects", grouped)
    try:
        facts = [sql.call("count", exp.Star()), sql.call("sum", rows), sql.call("sum", sql.call("length", cell))]
        cells, matched, letters = table.ask(sql.select(*facts, source=kept))[0]
        if not cells:
            return Suspects(column=column.name, cells=(), rows=0)
        every = max(1, -(-int(cells) // MAX_CELLS), -(-int(letters) // MAX_LETTERS))
        query = sql.select(cell, rows, sql.column("first"), source=kept)
        if every > 1:
            query = query.where(sql.call("mod", sql.call("hash", cell), every).eq(sql.literal(0)))
        found = sorted(table.ask(query), key=lambda row: row[2])
    finally:
        table.engine.drop(kept)
    return Suspects(
        column=column.name,
        cells=tuple(Cell(text=str(text), rows=int(count), first=int(first)) for text, count, first in found),
        rows=int(matched),
        every=every,
    )


def suspected(
    table: Table,
    profile: Profile,
    texts: TextColumns | None,
    pattern: str,
    nested_pattern: str,
    holds: Callable[[str], object],
) -> Iterator[tuple[ColumnProfile, Suspects]]:
    """Find the matching cells of all columns that hold text and are worth reading.

    Parameters
    ----------
    nested_pattern : str
        What is matched in nested values, which are read as JSON.
    holds : callable of str
        As in `worth_reading`.

    Raises
    ------
    NotApplicable
        Where there is no text.
    """
    columns = [one for one in profile.columns if one.kind in (Kind.TEXT, Kind.OTHER) and one.distinct]
    if not columns:
        raise NotApplicable("no column holds text")
    free = frozenset(texts.names) if texts else frozenset()
    for column in columns:
        own = nested_pattern if column.kind is Kind.OTHER else pattern
        if worth_reading(table, column, own, drawn=profile.drawn, free=column.name in free, holds=holds):
            yield column, matching(table, column, own)


def place_of(table: Table, column: str, row: int) -> str:
    """Say where a cell stands, as a person would look for it; `row` counts from 0 in the table."""
    path, number = table.place(row)
    file = f"{path.name}, " if len(table.parts) > 1 else ""
    return f"{file}row {number:,}, {column}"
