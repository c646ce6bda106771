"""How many rows each split has."""

from msgspec import Struct

from doctor.errors import NotApplicable
from doctor.subjects.table import Table


class SplitSizes(Struct, frozen=True, kw_only=True):
    """Rows by split, in the order train, validation, test."""

    rows: dict[str, int]

    @classmethod
    def measure(cls, table: Table) -> "SplitSizes":
        """Take what was counted when the files were opened.

        Raises
        ------
        NotApplicable
            When the table is not divided.
        """
        if len(table.splits) < 2:
            raise NotApplicable("the table is not divided into splits")
        return cls(rows=dict(table.splits))
