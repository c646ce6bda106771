"""A hash per row, computed and kept in the engine, so that joins across splits are joins there."""

from msgspec import Struct

from doctor.subjects import sql
from doctor.subjects.table import Table


class RowHashes(Struct, frozen=True, kw_only=True):
    """Where the hashes of a table's rows are kept.

    Attributes
    ----------
    relation : str
        A stored table with `row` (BIGINT, `sql.ROW` of the table), `split` and `row_hash` (UBIGINT, over all columns
        with missing values as values).
    """

    relation: str

    @classmethod
    def measure(cls, table: Table) -> "RowHashes":
        """Read the table once and store a few bytes per row."""
        every = sql.row_hash([sql.column(column.name) for column in table.columns])
        wanted = (sql.column(sql.ROW).as_("row"), sql.column(sql.SPLIT).as_("split"), every.as_("row_hash"))
        return cls(relation=table.engine.keep("hashes", table.select(*wanted)))
