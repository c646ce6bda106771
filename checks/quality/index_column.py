"""Row numbers that were saved as a column.

What it finds
    Whole numbers from 0 or from 1 that number the rows of the table, or of each split, without a gap, in a column
    without a name or called as programs call their row names (index, Unnamed: 0, rownames); with another name, such as
    an id, they are left to leakage/id-like.

Why it matters
    A row number is the place of the row in some file. Where the file was sorted by class or by time, it predicts the
    label in training and means nothing later. It also makes every row differ from every other, so that copies are not
    seen.

What to do
    Leave the column out, and save without it (pandas: index=False; R: row.names = FALSE).

Thresholds
    min_rows: rows below which nothing is said (20).

Calibration
    The values must be exactly the numbers from 0 or 1 to the number of rows, each once; that nothing but a row number
    does. `python bench/score.py DATA` prints, of the columns that a data folder expects: 8 of 8 found, none beside.

Limits
    Row numbers of a larger table of which rows were left out have gaps and are told by leakage/id-like.

Source
    –
"""

from collections.abc import Iterator

from doctor.evidence.row_numbers import RowNumbers
from doctor.model import Check, DropColumns, Finding, Location, Safety, Severity

CHECK = Check(
    "quality/index-column",
    Severity.WARNING,
    "{column}: the row numbers from {first} to {last:,}, saved as a column",
    leads_to=("leakage/id-like",),
)


def examine(numbers: RowNumbers, *, min_rows: int = 20) -> Iterator[Finding]:
    """Report columns that number the rows."""
    for column in numbers.columns:
        if column.rows < min_rows:
            continue
        yield CHECK.finding(
            at=Location(columns=(column.name,)),
            first=column.first,
            last=column.last,
            per_split=column.per_split,
            repair=DropColumns(
                columns=(column.name,), safety=Safety.SAFE, summary=f"drop the row numbers {column.name}"
            ),
        )
