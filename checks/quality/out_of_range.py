"""Numbers that cannot be.

What it finds
    Values outside the range that was declared for a column (`--range age=0..120`); and, where nothing was declared,
    values that lie farther from all others than these are spread, and single zeros in a column whose other values stay
    far away from zero (a length of 0).

Why it matters
    One misplaced decimal point moves a mean and squeezes everything else when the column is scaled to its range; the
    loss of such a row alone can throw the training off.

What to do
    Look at the rows. Correct what was mistyped, empty what is not known. Declare the range, so that the next delivery
    is held against it.

Thresholds
    min_ranges: distance of lone values from the next one, in widths of the middle 99.8 % of the others (1.2).
    max_share: share of rows beyond which lone values are no errors of single rows (0.001).
    max_zero_share: share of zeros from which they are told by quality/disguised-missing (0.002).
    min_clear: how far the other values stay from zero, in widths of their middle 99.8 %, where one that is zero or
        close to it is to stand out (0.3).
    sure_clear: the same, from which single zeros are a warning and not a remark (0.5).

Calibration
    Widths are taken on a scale of ratios, so that heavy tails are wide: of Pareto's, log-normal, Cauchy's and five
    other distributions `python bench/calibrate_quality.py` prints: of 600 healthy tables (200 each of 50, 300 and
    3,000 rows) 1 was accused; a value × 1,000 was found in all of 40 tables.

Limits
    A wrong value within the range of the right ones cannot be seen. Of large tables the extremes of all rows are looked
    at, but among the drawn rows no more than three at either end.

Source
    –
"""

from collections.abc import Iterator

from doctor.evidence.declarations import DeclaredRanges
from doctor.evidence.keys import Keys
from doctor.evidence.magnitudes import Lone, Magnitude, Magnitudes
from doctor.evidence.roles import Roles
from doctor.model import Check, Finding, Location, ReviewRows, RewriteCells, Severity

CHECK = Check(
    "quality/out-of-range",
    Severity.WARNING,
    {
        "declared": "{column}: {affected:,} of {rows:,} values are outside the declared range {range} "
        "({low:g} to {high:g})",
        "lone": "{column}: {values} lies far from all others ({other_low:g} to {other_high:g}; {affected:,} of "
        "{rows:,} rows)",
        "zero": "{column}: 0 in {affected:,} of {rows:,} rows, where all others lie between {other_low:g} and "
        "{other_high:g}",
    },
)


def examine(
    magnitudes: Magnitudes,
    declared: DeclaredRanges,
    roles: Roles,
    keys: Keys,
    *,
    min_ranges: float = 1.2,
    max_share: float = 0.001,
    max_zero_share: float = 0.002,
    min_clear: float = 0.3,
    sure_clear: float = 0.5,
) -> Iterator[Finding]:
    """Hold values against what was declared, else against each other."""
    for broken in declared.broken:
        yield CHECK.finding(
            "declared",
            at=Location(columns=(broken.column,), rows=broken.first_rows),
            severity=Severity.ERROR,
            affected=broken.outside,
            rows=broken.rows,
            range=broken.range,
            low=broken.low,
            high=broken.high,
            repair=ReviewRows(rows=broken.first_rows, numbers=broken.first_numbers, summary=f"look at {broken.column}"),
        )
    for column in magnitudes.columns:
        if column.name in keys.names or column.name in (roles.time, *declared.columns):
            continue
        for lone in column.lone:
            share = lone.rows / column.rows
            if lone.low and lone.values == (0.0,):
                if lone.clear >= min_clear and share < max_zero_share and lone.spacings > 1:
                    yield _finding(
                        "zero", column, lone, Severity.WARNING if lone.clear >= sure_clear else Severity.INFO
                    )
            elif lone.low and min(lone.values) > 0 and lone.clear < min_clear:
                continue  # any small number is far from others by its ratio to them
            elif lone.ranges >= min_ranges and share <= max(max_share, 1.5 / column.rows):
                yield _finding("lone", column, lone, Severity.WARNING)


def _finding(kind: str, column: Magnitude, lone: Lone, severity: Severity) -> Finding:
    values = [f"{value:.17g}" for value in lone.values]
    return CHECK.finding(
        kind,
        at=Location(columns=(column.name,)),
        severity=severity,
        affected=lone.rows,
        rows=column.rows,
        values=", ".join(f"{value:g}" for value in lone.values),
        other_low=lone.other_low,
        other_high=lone.other_high,
        ranges=lone.ranges,
        clear=lone.clear,
        repair=RewriteCells(
            columns=(column.name,),
            values=dict.fromkeys(values, ""),
            summary=f"empty the cells of {column.name} that cannot be",
        ),
    )
