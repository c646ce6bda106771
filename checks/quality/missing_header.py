"""Text tables that do not say what their columns are.

What it finds
    CSV and other text files whose first record is a row of data, not the names of the columns.

Why it matters
    Most readers take the first line for the header without asking: that row is lost, and the columns are called by its
    values. Programs then find their columns by position, and a column that is added or moved is read as another.

What to do
    Write a header into the file, or tell every program that there is none and what the columns are
    (`doctor scan --header no`).

Thresholds
    min_columns: columns below which it is a remark, as for a list of sentences (2).

Calibration
    Whether there is a header is judged over the whole file: the types below each field, values that come again, names.
    `python bench/score.py DATA` prints, of the files that a data folder expects: 8 of 8 found, none beside. Once
    --header says it, nothing is reported.

Limits
    Where all fields are text and nothing repeats, a header and a row look alike; then the format's habit decides. Of a
    .txt file of one column nothing is said: each line is a text.

Source
    RFC 4180, which leaves the header optional and so unknown.
"""

from collections.abc import Iterator

from doctor.evidence.writing import Writing
from doctor.model import Advise, Check, Finding, Location, Safety, Severity

CHECK = Check(
    "quality/missing-header",
    Severity.WARNING,
    {
        "all": "the file has no header: its first record is a row of data ({because})",
        "some": "{without} of {files} files have no header, the others do ({because})",
    },
    spreads_to=("quality/mixed-types", "quality/number-as-text"),
)


def examine(writing: Writing, *, min_columns: int = 2) -> Iterator[Finding]:
    """Report files that begin with a row, unless the user said so."""
    tables = [file for file in writing.files if file.header is not None]
    without = [file for file in tables if not file.header]
    if not without or writing.header_known:
        return
    yield CHECK.finding(
        "all" if len(without) == len(tables) else "some",
        severity=Severity.WARNING if len(without[0].first) >= min_columns else Severity.INFO,
        at=Location(file=without[0].path),
        because=writing.because,
        without=len(without),
        files=len(tables),
        columns=len(without[0].first),
        repair=Advise(
            safety=Safety.MANUAL, summary="write the names of the columns as the first line, or say --header no"
        ),
    )
