"""How many rows, or images, each split has."""

from msgspec import Struct

from doctor.errors import NotApplicable
from doctor.evidence.classes import IMAGES, ROWS
from doctor.subjects.images import Images
from doctor.subjects.table import Table


class SplitSizes(Struct, frozen=True, kw_only=True):
    """Rows by split, in the order train, validation, test; `unit` says what is counted, "rows" or "images"."""

    rows: dict[str, int]
    unit: str = ROWS

    @classmethod
    def measure(cls, table: Table | None, images: Images | None) -> "SplitSizes":
        """Take what was counted when the files were opened.

        Raises
        ------
        NotApplicable
            When the table, or the images, are not divided.
        """
        if images is not None:
            if len(images.splits) < 2:
                raise NotApplicable("the images are not divided into splits")
            return cls(rows=dict(images.splits), unit=IMAGES)
        if table is None:
            raise NotApplicable("there is no table here")
        if len(table.splits) < 2:
            raise NotApplicable("the table is not divided into splits")
        return cls(rows=dict(table.splits))
