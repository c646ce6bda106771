"""What happened when a table's files were opened: rows that could not be read as they stand."""

from msgspec import Struct

from doctor.errors import NotApplicable
from doctor.subjects.formats import WRITTEN_AS_TEXT, suffix_of
from doctor.subjects.table import Malformed, Table


class Opening(Struct, frozen=True, kw_only=True):
    """Rows with faults, by file and fault.

    Attributes
    ----------
    faults : tuple of Malformed
        None where every row could be read.
    rows : int
        Rows in all files, those left out included.
    """

    faults: tuple[Malformed, ...]
    rows: int

    @classmethod
    def measure(cls, table: Table) -> "Opening":
        """Take what the readers noted.

        Raises
        ------
        NotApplicable
            When no file is written as text, so that a single row cannot be broken.
        """
        if not any(suffix_of(part.path) in WRITTEN_AS_TEXT for part in table.parts):
            raise NotApplicable("no file is written as text")
        lost = sum(fault.rows for fault in table.malformed if not fault.kept)
        return cls(faults=table.malformed, rows=table.rows + lost)
