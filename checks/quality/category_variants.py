"""Levels of a category that are one level in several spellings.

What it finds
    Levels that are equal but for case, blanks, hyphens and underscores ("USA", "usa "), and columns of text whose
    values have blanks around them.

Why it matters
    To the model "USA" and "usa " are two levels that have nothing in common: each has fewer rows than it should, and
    the rarer one is learned from hardly any. A blank in front keeps rows from joining and hides copies of rows.

What to do
    Write each level in one spelling (`doctor fix` takes the commonest) and take blanks off where the data enters.

Thresholds
    min_padded_share: share of values with blanks around them from which a column of levels is mentioned (0.001).

Calibration
    Levels are compared one by one; two levels that are meant to differ in case alone are rare. Only columns whose
    values are few and come again are compared; names, sentences and codes are not.

Limits
    Spelling mistakes ("Femal") and abbreviations are not joined. Case that carries meaning (units "m" and "M",
    genotypes "Aa" and "aA", where every spelling has one or two letters) is left alone.

Source
    –
"""

from collections.abc import Iterator

from doctor.evidence.cell_texts import stripped
from doctor.evidence.spellings import Spelling, Spellings
from doctor.model import Check, Finding, Location, RewriteCells, Safety, Severity

CHECK = Check(
    "quality/category-variants",
    Severity.WARNING,
    {
        "variants": "{column}: {groups} levels are spelled in several ways ({examples}); {affected:,} rows have the "
        "rarer spellings",
        "padded": "{column_count} columns hold values with blanks around them ({padded:,} cells)",
    },
    leads_to=("drift/new-categories", "labels/unseen-labels"),
)


def examine(spellings: Spellings, *, min_padded_share: float = 0.001) -> Iterator[Finding]:
    """Report variants column by column, and blanks around values for the whole table."""
    for column in spellings.columns:
        if found := _variants(column):
            yield found
    padded = [
        column for column in spellings.columns if column.levels and column.padded > min_padded_share * column.rows
    ]
    if padded:
        names = tuple(column.name for column in padded)
        yield CHECK.finding(
            "padded",
            at=Location(columns=names),
            severity=Severity.INFO,
            column_count=len(padded),
            padded=sum(column.padded for column in padded),
            repair=RewriteCells(
                columns=names, strip=True, safety=Safety.SAFE, summary="take off the blanks around values"
            ),
        )


def _variants(column: Spelling) -> Finding | None:
    groups = [
        group.spellings for group in column.variants if any(len(stripped(value)) > 2 for value in group.spellings)
    ]
    if not groups:
        return None
    values: dict[str, str] = {}
    for group in groups:
        first = stripped(next(iter(group)))
        values |= {spelling: first for spelling in group if spelling != first}
    affected = sum(n for group in groups for n in list(group.values())[1:])
    examples = [" / ".join(f"“{value}”" for value in group) for group in groups[:2]]
    return CHECK.finding(
        "variants",
        at=Location(columns=(column.name,)),
        groups=len(groups),
        affected=affected,
        examples=", ".join(examples),
        spellings=groups,
        repair=RewriteCells(
            columns=(column.name,),
            values=values,
            safety=Safety.SAFE,
            summary=f"write each level of {column.name} in its commonest spelling",
        ),
    )
