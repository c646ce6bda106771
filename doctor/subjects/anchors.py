"""Anchors findings on tables: the file, and the line or the row group, where a reader can look."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import duckdb
from msgspec.structs import replace

from doctor.errors import NoVerdict
from doctor.model import Location
from doctor.subjects import sql
from doctor.subjects.database import shown_path
from doctor.subjects.table import Part, Table


def anchored(at: Location, table: Table) -> Location:
    """Fill in the file of a finding on a table and its place there, where these can be told for certain.

    Rows bear the numbers of their own file, so where a check names none and several files of a split are long enough
    the right one is unknown.
    """
    known = {part.split for part in table.parts}
    parts = [part for part in table.parts if at.split is None or at.split not in known or part.split == at.split]
    if at.file is not None:
        parts = [part for part in table.parts if str(part.path) == at.file]
    elif at.rows:
        parts = [part for part in parts if part.rows >= at.rows[0]]
    elif at.columns:
        # The column is in each of them, so the first is a place as good as any.
        holders = {split for column in table.columns if column.name == at.columns[0] for split in column.splits}
        parts = [part for part in parts if part.split in holders or part.split not in table.splits][:1]
    if len(parts) != 1:
        return at
    part = parts[0]
    line = part.lines.line_of(at.rows[0]) if part.lines and at.rows else _names_line(part, at.columns)
    row_group = _row_group(table, part, at.rows[0]) if at.rows else None
    file = _file_of(part.path) if table.database else str(part.path)
    return replace(at, file=file, file_line=line, row_group=row_group)


def _file_of(path: Path) -> str:
    """Return the file that holds a part: of a table in a database, the database."""
    return str(next((folder for folder in path.parents if folder.is_file()), shown_path(path)))


def _names_line(part: Part, columns: Sequence[str]) -> int | None:
    return part.lines.names_line if part.lines and columns else None


def _row_group(table: Table, part: Part, row: int) -> int | None:
    """Return the row group of a row, counted from 1, of a Parquet file."""
    if part.path.suffix.lower() not in (".parquet", ".pq"):
        return None
    query = (
        "SELECT DISTINCT row_group_id, row_group_num_rows FROM "
        f"parquet_metadata({sql.quoted(part.path)}) ORDER BY row_group_id"
    )
    with suppress(NoVerdict, duckdb.Error):
        for number, rows in table.engine.files.rows(query):
            row -= int(rows)
            if row <= 0:
                return int(number)
    return None
