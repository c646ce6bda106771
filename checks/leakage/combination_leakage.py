"""Features that give the label away together, although none of them does alone.

What it finds
    Two or three features from which the label follows nearly without error, on rows that the predictor was not fitted
    on, where each of them is needed, no feature settles the label alone, and all other features together are far worse.
    Every pair of columns with few values is tried as a table, every pair of numbers or dates by a cut through their
    difference; what a boosted model on all features rests on is tried as trees on values and on differences, and as a
    plane in values or logarithms.

Why it matters
    The day something was paid and the day it was due say nothing each; together they are the label "late". A leak in
    two parts passes every look at single columns, and costs as much.

What to do
    Ask when each column of the set gets its value. It is enough to drop those that come late. If all are known before,
    you have a rule and need no model; say so with a suppression and its reason.

Thresholds
    min_error_bound: lower 95 % bound of the score, from which it is an error (0.995).
    min_warning_bound: the same for a warning, only where no row is predicted wrongly (0.97).
    min_gap: what the score must exceed that of a boosted model on all other features by (0.1).
    min_need: what the score must exceed that of the set without its least needed member by (0.05).

Calibration
    `python bench/calibrate_combinations.py` prints the tables. Shuffled targets (81 tables of 100 to 50,000
    rows with 20 features): no finding in any of them. iris, wine, breast cancer, digits, and 5 kinds of made-up honest
    tables (8 strong features alike, a majority of 9 bits, a rule of 3 of 6 columns, a blurred order of two numbers, a
    feature for each class), 4 seeds each: silent. Planted beside 12 columns, 4 seeds each, with no exception: two flags
    that differ and a date beyond another are warnings at 500 rows and errors from 2,000 on; a table of 8 by 6 cells is
    an error from 2,000 on; weight by squared height above a bound in 3 of 4 tables of 2,000 rows and in all of 20,000;
    three numbers that are all above a bound in 1 of 4 of 2,000 and in all of 20,000. Where 1 % of the labels are wrong
    nothing is said. No other column was accused.

Limits
    The bound needs rows: with fewer than 540 rows outside the largest class nothing is an error, with fewer than 90
    there is no verdict. Sets are of at most three features, and a table must have twice as many others: of a table
    whose label is a rule of most of its columns nothing is said. Pairs are tried as cells where columns have at most 50
    values and cells 20 rows; a rule of three such columns is found only where a model finds it. Beside a feature that
    settles the label alone no set is looked for. Quantities are left to leakage/derived-target, and so are the sets
    that it names. Of wide tables 80 columns are tried in pairs as cells, 40 numbers by their differences, and 100
    columns by the model.

Source
    The rescaled score is Goodman and Kruskal's lambda (JASA 49, 1954) out of fold; its bound is Wilson's (1927).
    Backward elimination after Kohavi and John, Wrappers for feature subset selection, 1997.
"""

from collections.abc import Iterator

from doctor.evidence.combinations import Combination, Combinations
from doctor.evidence.identities import Identities
from doctor.model import Check, DropColumns, Finding, Location, Safety, Severity, Undecided

CHECK = Check(
    "leakage/combination-leakage",
    Severity.ERROR,
    "{column} together settle {target} with a score of {score:.3f} (at least {lower:.3f}); without one of them "
    "{alone:.3f}, all other features together {rest:.3f}",
)


def examine(
    combinations: Combinations,
    identities: Identities | None,
    *,
    min_error_bound: float = 0.995,
    min_warning_bound: float = 0.97,
    min_gap: float = 0.1,
    min_need: float = 0.05,
) -> Iterator[Finding | Undecided]:
    """Judge the set that predicts best."""
    if combinations.reach < min_warning_bound:
        yield CHECK.unavailable(
            f"too few rows outside the largest class: a set without an error would have a bound of "
            f"{max(0.0, combinations.reach):.2f}"
        )
        return
    if combinations.settled is not None:
        yield CHECK.not_applicable(f"{combinations.settled} nearly settles {combinations.target} alone")
        return
    known = [set(one.columns) for one in identities.identities] if identities else []
    for found in combinations.found:
        certain = found.lower >= min_error_bound
        if not certain and (found.errors or found.lower < min_warning_bound):
            continue
        if found.score - found.rest < min_gap or found.score - found.alone < min_need:
            continue
        if not any(set(found.columns) <= columns for columns in known):
            yield _finding(combinations, found, Severity.ERROR if certain else Severity.WARNING)


def _finding(combinations: Combinations, found: Combination, severity: Severity) -> Finding:
    shown = ", ".join(found.columns)
    return CHECK.finding(
        at=Location(columns=found.columns),
        severity=severity,
        repair=DropColumns(columns=found.columns, safety=Safety.UNSAFE, summary=f"drop {shown}"),
        target=combinations.target,
        by=found.by,
        score=found.score,
        lower=found.lower,
        errors=found.errors,
        rows=found.rows,
        support=found.support,
        alone=found.alone,
        rest=found.rest,
        gap=found.score - found.rest,
        copies=found.copies,
    )
