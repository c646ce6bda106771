"""How many rows a training reads, where the scanned table is the only one there is."""

from msgspec import Struct

from doctor.model import Company
from doctor.subjects.table import Table


class TrainingRows(Struct, frozen=True, kw_only=True):
    """The rows of the training split, or of all where nothing is divided.

    Attributes
    ----------
    rows : int or None
        None where there are several tables, so that nobody can say which one is trained on.
    shown : str
        The table.
    bytes : int or None
        What its files take; None where it has none.
    """

    rows: int | None
    shown: str
    bytes: int | None = None

    @classmethod
    def measure(cls, table: Table, company: Company) -> "TrainingRows":
        """Count them."""
        if company.tables != 1:
            return cls(rows=None, shown=table.shown)
        try:
            size = sum(part.path.stat().st_size for part in table.parts) if table.parts and not table.database else None
        except OSError:
            size = None
        return cls(rows=table.splits.get("train", table.rows), shown=table.shown, bytes=size)
