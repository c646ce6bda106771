"""The target is columns in another form.

What it finds
    A formula by which the target follows from columns: a copy in another unit, its rank, a sum, a product or ratio, a
    threshold on a number, the joint key of several categories, the target of a later row. The formula is printed.

Why it matters
    Where the target follows from columns there is nothing to learn: the model finds the formula, scores perfectly, and
    fails where one of the columns is not yet known. Often it is not: the parts of a total are booked with the total.

What to do
    Ask whether the columns are known when a prediction is due. If they are, compute the target and train no model; if
    not, drop them. Should only some of them come late, dropping those is enough.

Thresholds
    max_exceptions: share of the rows held out that may break a formula; typing errors do (0.005).
    min_rank_correlation: Spearman's correlation from which a column is taken for the target's rank (0.999).

Calibration
    `python bench/calibrate_derived.py` prints the tables. Targets without a formula (20 features; pure noise, but also
    sums and products of columns with 1 % of noise, thresholds blurred by 1 %): no finding in 260 data sets of 50
    to 20,000 rows; with 50 rows there is no verdict. Planted among 12 numbers, 10 seeds each: copies, ranks, sums,
    products and ratios are always found from 200 rows on, where rounded to whole numbers in 9 of 10 of 200 rows and in
    all of 1,000; thresholds in 8 to 9 of 10 of 200 rows and in all larger ones. With 0.3 % of the rows wrong formulas
    are found in 70 to 100 %, thresholds no more in large tables; with 2 % wrong nothing is from 1,000 rows on. No other
    column was accused. Silent on scikit-learn's bundled data.

Limits
    Formulas are sums of up to 12 columns, or products of powers of up to 5 with exponents of 1/2, 1, 2 and 3; sums of
    products are not tried. Numbers that are written more coarsely than a twentieth of their spread must be met to the
    last digit. A threshold is told from a gap between clusters by how dense the rows lie beside it. The target of a
    later row is looked for where a time column is known and all rows are drawn (up to 50,000). Columns that only repeat
    each other are redundant, which is not this check's concern.

Source
    Pati, Rezaiifar and Krishnaprasad, Orthogonal matching pursuit, 1993. A formula counts by what it gives on held-out
    rows, each to within half of the last decimal, never by the variance that it explains.
"""

from collections.abc import Iterator

from doctor.evidence.identities import Identities, Identity
from doctor.model import Check, DropColumns, Finding, Location, Safety, Severity, Undecided

CHECK = Check(
    "leakage/derived-target",
    Severity.ERROR,
    {
        "formula": "{formula}: holds for {met:,} of {rows:,} rows that were not used to find it",
        "exact": "{formula}: no exception in {rows:,} rows",
        "rank": "{formula}: rank correlation {correlation:.5f} in {rows:,} rows",
        "later": "{formula}: {met:,} of {rows:,} rows",
    },
    leads_to=("leakage/label-leakage",),
)

WORDINGS = {"rank": "rank", "lead": "later", "threshold": "exact", "joint key": "exact"}


def examine(
    identities: Identities, *, max_exceptions: float = 0.005, min_rank_correlation: float = 0.999
) -> Iterator[Finding | Undecided]:
    """State every formula that holds."""
    if not identities.enough:
        yield CHECK.unavailable(
            f"{identities.rows} rows with {identities.target}, or those with another value than its commonest, are too "
            "few to find a formula on some and hold it against others"
        )
        return
    for found in identities.identities:
        if found.form == "rank":
            holds = found.correlation is not None and abs(found.correlation) >= min_rank_correlation
        else:
            holds = found.form == "lead" or found.exceptions <= max_exceptions * found.rows
        if holds:
            yield _finding(identities.target, found)


def _finding(target: str, found: Identity) -> Finding:
    return CHECK.finding(
        WORDINGS.get(found.form, "formula"),
        at=Location(columns=found.columns),
        repair=DropColumns(columns=found.columns, safety=Safety.UNSAFE, summary=f"drop {', '.join(found.columns)}"),
        target=target,
        form=found.form,
        formula=found.formula,
        rows=found.rows,
        met=found.rows - found.exceptions,
        exceptions=found.exceptions,
        tolerance=found.tolerance,
        correlation=found.correlation,
    )
