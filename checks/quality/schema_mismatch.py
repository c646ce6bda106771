"""Splits that do not hold the same columns, types or spellings.

What it finds
    Columns that a split lacks, columns that hold numbers in one split and words in another, and levels of features that
    are spelled differently from split to split ("Rome" and "ROME "). The target's are told by labels/unseen-labels.

Why it matters
    A level that is spelled differently in the test split is unknown to the model: compared with the labels as they
    stand every prediction is wrong, whatever the model learned. A column that is missing or of another type stops the
    run, or is filled with a constant in silence.

What to do
    Bring the splits to one schema before anything is trained, and check it wherever a new file comes in.

Thresholds
    min_rows: rows of the later split with another spelling, from which it is told (2).

Calibration
    Spellings are compared without case, blanks and punctuation, but with <, >, =, +, % and a leading minus, which tell
    levels apart.

Limits
    Compared on the drawn rows. That the test split lacks the target is usual, and no finding. Levels that only one
    split has, in whatever spelling, are told by other checks.

Source
    –
"""

from collections.abc import Iterator

from doctor.evidence.split_schemas import SplitColumn, SplitSchemas
from doctor.model import Advise, Check, Finding, Location, RewriteCells, Safety, Severity

CHECK = Check(
    "quality/schema-mismatch",
    Severity.WARNING,
    {
        "absent": "{column} is missing in {absent}",
        "types": "{column}: {earlier_numbers:.0%} of the values are numbers in {earlier}, {later_numbers:.0%} in "
        "{later}",
        "spelling": "{column}: {level_count} levels are spelled differently in {later} ({examples})",
    },
    leads_to=("drift/feature-drift", "drift/new-categories", "labels/unseen-labels", "drift/domain-shift"),
)


def examine(schemas: SplitSchemas, *, min_rows: int = 2) -> Iterator[Finding]:
    """Report what differs from split to split."""
    for column in schemas.columns:
        at = Location(columns=(column.name,), split=column.absent or column.later)
        if column.absent:
            if column.name != schemas.target:
                yield CHECK.finding(
                    "absent", at=at, absent=column.absent, repair=_advise(f"add {column.name} to {column.absent}")
                )
            continue
        if column.numbers:
            yield CHECK.finding(
                "types",
                at=at,
                earlier=column.earlier,
                later=column.later,
                earlier_numbers=column.numbers[column.earlier],
                later_numbers=column.numbers[column.later],
                repair=_advise(f"store {column.name} in one type"),
            )
        if column.respelled and column.respelled_rows >= min_rows and column.name != schemas.target:
            yield _spelling(column, at)


def _advise(summary: str) -> Advise:
    return Advise(safety=Safety.MANUAL, summary=summary)


def _spelling(column: SplitColumn, at: Location) -> Finding:
    return CHECK.finding(
        "spelling",
        at=at,
        later=column.later,
        earlier=column.earlier,
        level_count=len(column.respelled),
        examples=", ".join(f"“{new}” for “{old}”" for new, old in list(column.respelled.items())[:2]),
        affected_share=column.respelled_rows / column.later_rows,
        spellings=column.respelled,
        repair=RewriteCells(
            columns=(column.name,),
            values=column.respelled,
            safety=Safety.SAFE,
            summary=f"spell the levels of {column.name} as {column.earlier} does",
        ),
    )
