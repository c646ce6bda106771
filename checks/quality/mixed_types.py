"""Columns in which values of another kind stand among numbers or dates.

What it finds
    Columns of which nearly all values are numbers, or dates, and a few are something else: words, codes, a number
    with a remark behind it. Marks for missing values are told by quality/disguised-missing, blanks by
    quality/number-as-text.

Why it matters
    A few such cells make the whole column text: it is then encoded as categories, refused, or read differently by each
    program that guesses types from the first rows.

What to do
    Correct the cells, empty them, or move what they say to a column of its own.

Thresholds
    min_share: share of numbers or dates from which the rest is out of place (0.9).
    min_rows: values below which nothing is said (20).

Calibration
    Counts are exact. Below the share the column is taken for one of codes, some of which happen to be digits (ticket
    numbers, sizes).

Limits
    A footer of words in a numeric column is reported as what it is in that column: values of another kind.

Source
    –
"""

from collections.abc import Iterator

from doctor.evidence.spellings import Spellings
from doctor.model import Advise, Check, Finding, Location, Safety, Severity

CHECK = Check(
    "quality/mixed-types",
    Severity.WARNING,
    "{column}: {affected:,} of {rows:,} values are no {kind_wanted} although the others are ({examples})",
)


def examine(spellings: Spellings, *, min_share: float = 0.9, min_rows: int = 20) -> Iterator[Finding]:
    """Report what stands among numbers or among dates."""
    for column in spellings.columns:
        dates = sum(column.dates.values())
        most, kind = max((column.quantities, "number"), (dates, "date"))
        others = column.said - most
        if most < max(min_rows, min_share * column.said) or others <= 0:
            continue
        listed = list(column.others) or (["dates"] if kind == "number" else ["numbers"])
        yield CHECK.finding(
            at=Location(columns=(column.name,)),
            affected=others,
            rows=column.rows,
            kind_wanted=kind,
            examples=", ".join(f"“{value}”" for value in listed[:3]),
            share=others / column.said,
            repair=Advise(
                safety=Safety.MANUAL, summary=f"correct or empty the cells of {column.name} that are no {kind}"
            ),
        )
