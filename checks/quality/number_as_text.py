"""Columns of numbers that are kept as text.

What it finds
    Columns of text whose values are all numbers once what they are dressed in is taken off: a currency, %, thousands
    separators, a decimal comma, a unit, blanks around them; and columns of numbers that a few cells of blanks turn into
    text.

Why it matters
    Text is encoded as categories: every price becomes a level of its own, 9 and 10 are no nearer than 9 and 900, and
    values that the training did not see are unknown. Other trainers refuse the column.

What to do
    Take the dress off and store numbers (`doctor fix` does); keep a unit or a currency in the column's name. Cells of
    blanks are missing values.

Thresholds
    min_share: share of numbers among the values from which the rest is told as the exception (0.9).

Calibration
    All values are looked at. Codes that only look like numbers are left alone: leading zeros ("00501"), more digits
    than fit. One dress must fit all cells; where some are dressed and others are not, see
    quality/inconsistent-format.

Limits
    Numbers spelled as words and fractions ("1/2") are not recognised. Of large tables dressed numbers are counted on
    the drawn rows.

Source
    –
"""

from collections.abc import Iterator

from doctor.evidence.roles import Roles
from doctor.evidence.spellings import Spelling, Spellings
from doctor.model import Check, Finding, Location, RewriteCells, Safety, Severity

CHECK = Check(
    "quality/number-as-text",
    Severity.WARNING,
    {
        "dressed": "{column}: all {quantities:,} values are numbers written as text ({dress})",
        "blanks": "{column}: {quantities:,} numbers are kept as text because {affected:,} cells hold blanks alone",
        "plain": "{column}: all {quantities:,} values are numbers kept as text",
    },
)


def examine(spellings: Spellings, roles: Roles, *, min_share: float = 0.9) -> Iterator[Finding]:
    """Report columns of text that would be columns of numbers."""
    for column in spellings.columns:
        if column.quantities < max(1, min_share * column.said) or column.other_rows or column.dates:
            continue
        if column.nothing or len(column.dressed) > 1 or (column.dressed and column.numbers > 0.05 * column.quantities):
            continue
        kind = "dressed" if column.dressed else "blanks" if column.blank else "plain"
        yield CHECK.finding(
            kind,
            at=Location(columns=(column.name,)),
            quantities=column.quantities,
            dress=next(iter(column.dressed), ""),
            affected=sum(column.blank.values()),
            rows=column.rows,
            repair=_repair(column),
        )


def _repair(column: Spelling) -> RewriteCells:
    return RewriteCells(
        columns=(column.name,),
        values=dict.fromkeys(column.blank, ""),
        strip=True,
        number=True,
        safety=Safety.SAFE if not column.dressed else Safety.UNSAFE,
        summary=f"write {column.name} as numbers",
    )
