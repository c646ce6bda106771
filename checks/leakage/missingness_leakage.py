"""Whether a value is missing tells the label.

What it finds
    Columns whose holes settle the label: a row with a value (or without one) is of one class for certain, with enough
    such rows, even where they are few and the column's values say little. That is a warning. Where holes and values
    settle both sides, presence is the label written once more: an error. Holes that are merely commoner in one class
    are not reported.

Why it matters
    A body number exists only for the dead, a closing date only for closed accounts: the value was entered after the
    outcome or because of it. When the model is used, nobody has it yet.

What to do
    Ask when the value is entered. After the outcome: drop the column. If values of one class got lost on the way, fill
    them in and keep no flag, so that the hole does not speak.

Thresholds
    min_certainty: lower 95 % bound of how far the class share on that side has come from the base rate to 1 (0.9).
    max_base_share: a class with a larger share of all rows cannot be given away by holes (0.75).
    min_support: rows on the side that settles the class (30).
    max_q: Benjamini-Hochberg q over all columns with holes (0.001).
    min_error_bound: lower 95 % bound of the score of "there is a value" as a predictor, from which it is an error
        (0.995).

Calibration
    `python bench/calibrate_leakage.py` prints the tables. Shuffled targets (264 tables of 50 to 100,000 rows with 20
    features, two of them with holes): no finding in any of them. A value planted for one class only in 2,000 rows, 10
    seeds each: found always where 60, 120 or 300 rows have it without exception, or 120 or 300 with 1 % of exceptions;
    never with 10 or 30 rows, nor with 5 % or 20 % of exceptions. No honest feature was accused.

Limits
    A hole that is spelled out ("?", "unknown", 999) is a value here. Of a quantity only its quarters are looked at.
    Values that settle a class are seen by leakage/label-leakage, if they settle both sides.

Source
    Exact binomial test of one side's class count against the class's share of all rows; Benjamini and Hochberg (1995);
    the bounds are Wilson's (1927).
"""

from collections.abc import Iterator

from doctor.evidence.missingness import Missingness, Side
from doctor.evidence.significance import false_discovery
from doctor.model import Check, DropColumns, FillMissing, Finding, Location, Severity, Undecided

CHECK = Check(
    "leakage/missingness-leakage",
    Severity.WARNING,
    {
        "one-sided": "{column}: of {side_rows:,} rows {side} a value {hits:,} have {target} = {label} "
        "({purity:.1%}; of all rows {base_share:.1%})",
        "both sides": "{column}: whether there is a value tells {target} with {errors:,} exceptions in {rows:,} rows "
        "({side} a value: {label})",
    },
    leads_to=("leakage/label-leakage", "quality/missing-values", "leakage/id-like"),
)


def examine(
    missingness: Missingness,
    *,
    min_certainty: float = 0.9,
    max_base_share: float = 0.75,
    min_support: int = 30,
    max_q: float = 0.001,
    min_error_bound: float = 0.995,
) -> Iterator[Finding | Undecided]:
    """Judge the purest side of every column with holes."""
    if missingness.rows < 2 * min_support:
        yield CHECK.unavailable(f"{missingness.rows} rows with a label are too few to tell (needed: {2 * min_support})")
        return
    if not missingness.columns:
        yield CHECK.not_applicable("no column has both values and holes")
        return
    if all(min(sum(column.present), sum(column.missing)) < min_support for column in missingness.columns):
        yield CHECK.unavailable(f"no column has {min_support} rows with and {min_support} rows without a value")
        return
    sides = [missingness.purest(column, max_base_share) for column in missingness.columns]
    q_values = false_discovery([side.p if side else 1.0 for side in sides])
    for side, q in zip(sides, q_values, strict=True):
        if side and side.rows >= min_support and side.certainty >= min_certainty and q <= max_q:
            yield _finding(missingness, side, q, min_error_bound)


def _finding(missingness: Missingness, side: Side, q: float, min_error_bound: float) -> Finding:
    both = side.whole_lower >= min_error_bound
    drop = DropColumns(columns=(side.column,), summary=f"drop {side.column}")
    fill = FillMissing(columns=(side.column,), keep_flag=False, summary=f"impute {side.column} and keep no flag")
    return CHECK.finding(
        "both sides" if both else "one-sided",
        at=Location(columns=(side.column,)),
        severity=Severity.ERROR if both else Severity.WARNING,
        repair=drop if both or side.has_value else fill,
        confidence=1 - q,
        target=missingness.target,
        label=missingness.classes[side.label],
        side="with" if side.has_value else "without",
        hits=side.hits,
        side_rows=side.rows,
        rows=missingness.rows,
        purity=side.purity,
        base_share=side.base_share,
        certainty=side.certainty,
        errors=side.errors,
        whole_lower=side.whole_lower,
        p=side.p,
        q=q,
    )
