"""Values of one column that are written in different forms.

What it finds
    Codes that break the form that nearly all values of a column share ("AB-1234", telephone numbers of eleven digits)
    or the form declared for it (`--pattern phone=^[0-9]{11}$`); numbers of which some carry %, a currency or a unit and
    others do not; dates in several forms; a column that also holds, at its end, what is missing in another ("Manhattan
    KS" where the state is empty); blanks around the names of columns.

Why it matters
    0.05 and 0.09% are read as numbers of one scale. A date in another form is read as another day or not at all. A code
    with a digit too few joins with nothing. A name with a blank behind it is not found.

What to do
    Decide on one form, convert, and check it where the data enters. Whether 0.09% means 0.0009 or 0.09 only a person
    can say, so such cells are not changed by themselves.

Thresholds
    min_share: share of the common form from which other forms are breaks of it (0.95).
    min_rows: values below which a form is not inferred (50).

Calibration
    Forms are inferred for columns of codes alone, whose common form has a digit, not for names and sentences; runs of
    digits of any length count as one form unless numbers of nine digits and more all have the same length. On 52 public
    files there is no finding beyond those that are expected.

Limits
    Where more than one value in twenty differs there is no common form. Months and days that could be exchanged are not
    recognised. Of large tables forms are looked at on the drawn rows.

Source
    –
"""

from collections.abc import Iterator

from doctor.evidence.declarations import DeclaredPatterns
from doctor.evidence.spellings import Spelling, Spellings
from doctor.model import Advise, Check, Finding, Location, ReviewRows, Safety, Severity

CHECK = Check(
    "quality/inconsistent-format",
    Severity.WARNING,
    {
        "declared": "{column}: {affected:,} of {rows:,} values do not have the declared form {form} ({examples})",
        "form": "{column}: {affected:,} of {rows:,} values do not have the form {form} of the others ({examples})",
        "dress": "{column}: {affected:,} numbers carry “{dress}”, {plain:,} others do not",
        "dates": "{column}: dates in several forms: {forms}",
        "joined": "{column}: {affected:,} values end with what is missing in {other} (“{example}”)",
        "names": "blanks around the names of {column_count} columns",
    },
)


def examine(
    spellings: Spellings, declared: DeclaredPatterns, *, min_share: float = 0.95, min_rows: int = 50
) -> Iterator[Finding]:
    """Report breaks of declared and of inferred forms."""
    for broken in declared.broken:
        yield CHECK.finding(
            "declared",
            at=Location(columns=(broken.column,), rows=broken.first_rows),
            severity=Severity.ERROR,
            affected=broken.outside,
            rows=broken.rows,
            form=broken.pattern,
            examples=", ".join(f"“{value}”" for value in broken.examples),
            repair=ReviewRows(rows=broken.first_rows, numbers=broken.first_numbers, summary=f"look at {broken.column}"),
        )
    for column in spellings.columns:
        if column.name not in declared.columns:
            yield from _of_column(column, min_share, min_rows)
    for joined in spellings.joined:
        yield CHECK.finding(
            "joined",
            at=Location(columns=(joined.column, joined.other)),
            affected=joined.rows,
            other=joined.other,
            example=joined.example,
            repair=_advise(f"move the last word of {joined.column} to {joined.other} where that is empty"),
        )
    if spellings.padded_names:
        yield CHECK.finding(
            "names",
            at=Location(columns=spellings.padded_names),
            severity=Severity.INFO,
            column_count=len(spellings.padded_names),
            repair=_advise("take the blanks off the names"),
        )


def _of_column(column: Spelling, min_share: float, min_rows: int) -> Iterator[Finding]:
    at = Location(columns=(column.name,))
    shapes = column.shapes
    if shapes and shapes.share >= min_share and column.rows >= min_rows:
        yield CHECK.finding(
            "form",
            at=at,
            affected=shapes.odd_rows,
            rows=column.rows,
            form=shapes.form,
            share=shapes.share,
            examples=", ".join(f"“{value}”" for value in list(shapes.odd)[:3]),
            repair=_advise(f"look at the values of {column.name} in another form"),
        )
    if column.numeric and column.dressed and (column.numbers > 0.05 * column.quantities or len(column.dressed) > 1):
        dress, affected = next(iter(column.dressed.items()))
        yield CHECK.finding(
            "dress",
            at=at,
            affected=affected,
            dress=dress,
            plain=column.quantities - affected,
            dressed=column.dressed,
            repair=_advise(f"decide what “{dress}” means in {column.name} and write all numbers in one form"),
        )
    if column.dated and len(column.dates) > 1:
        yield CHECK.finding(
            "dates",
            at=at,
            forms=", ".join(f"{form} ({n:,})" for form, n in column.dates.items()),
            dates=column.dates,
            repair=_advise(f"write all dates of {column.name} as YYYY-MM-DD"),
        )


def _advise(summary: str) -> Advise:
    return Advise(safety=Safety.MANUAL, summary=summary)
