"""Columns with one value, or one value in nearly every row.

What it finds
    Columns that hold the same value wherever they hold any, a target of one class, and, as a remark, columns of which
    one value has nearly all rows.

Why it matters
    A constant tells nothing, and standardising it divides by zero: the column becomes NaN, and so does the loss. Often
    it is the trace of a filter or of a join gone wrong. Of a column that is nearly constant the few other rows are
    learned by heart, and a random split may leave none of them for the test. With one class there is nothing to learn.

What to do
    Drop the column, or find out why it no longer varies. Look at the few rows that differ before you drop a column that
    is nearly constant: a rare flag may be what matters.

Thresholds
    min_share: share of the commonest value from which a column is nearly constant (0.995).
    min_rows: rows with a value, below which nothing is said (30).

Calibration
    Counts are exact. scikit-learn's bundled sets give one finding: three pixels of the digits are never inked.

Limits
    A column that is constant but for missing values is called constant; whether it is missing may still tell something.

Source
    –
"""

from collections.abc import Iterator

from doctor.evidence.dominance import Dominance, Dominant
from doctor.evidence.roles import Roles
from doctor.model import Advise, Check, DropColumns, Finding, Location, Safety, Severity

CHECK = Check(
    "quality/constant",
    Severity.WARNING,
    {
        "constant": "{column}: the one value “{value}” in all {present:,} rows that have any",
        "constants": "{column_count} of {of} columns hold one value each",
        "nearly": "{column}: “{value}” in {share:.2%} of the rows, something else in {others:,}",
        "target": "{column}, the target, is “{value}” in every row: there is nothing to learn",
    },
)


def examine(dominance: Dominance, roles: Roles, *, min_share: float = 0.995, min_rows: int = 30) -> Iterator[Finding]:
    """Report constants one by one unless most columns are, then columns that are nearly constant."""
    known = [column for column in dominance.columns if column.present >= min_rows and column.name != roles.time]
    constant = [column for column in known if column.distinct == 1]
    target = [column for column in constant if column.name == roles.target]
    features = [column for column in constant if column.name != roles.target]
    for column in target:
        yield _finding(
            "target", column, Severity.ERROR, Advise(safety=Safety.MANUAL, summary="find rows of other classes")
        )
    if 2 * len(features) > dominance.of > 2:
        names = tuple(column.name for column in features)
        yield CHECK.finding(
            "constants", at=Location(columns=names), column_count=len(names), of=dominance.of, repair=_drop(*names)
        )
    else:
        for column in features:
            yield _finding("constant", column, Severity.WARNING, _drop(column.name))
    for column in known:
        if column.distinct > 1 and column.share >= min_share and column.name != roles.target:
            yield _finding("nearly", column, Severity.INFO, _drop(column.name))


def _drop(*names: str) -> DropColumns:
    return DropColumns(columns=names, summary=f"drop {', '.join(names)}")


def _finding(kind: str, column: Dominant, severity: Severity, repair: DropColumns | Advise) -> Finding:
    return CHECK.finding(
        kind,
        at=Location(columns=(column.name,)),
        severity=severity,
        repair=repair,
        value=column.value,
        present=column.present,
        missing=column.missing,
        share=column.share,
        others=column.present - column.rows,
        distinct=column.distinct,
    )
