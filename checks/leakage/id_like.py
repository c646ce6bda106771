"""Columns that name rows instead of describing them.

What it finds
    Columns of which nearly all values differ and whose values were given out rather than measured: text in the form of
    a UUID, a hash, a serial number or a code; whole numbers that count up by one; whole numbers that never repeat
    although at their density chance would make them repeat; whole numbers that rise with the order of the rows.
    Numbers with decimals, times, free text and amounts that merely vary are left alone.

Why it matters
    A model can learn rows by heart through such a column, and where the numbers follow the order of collection they
    carry time or the order of the labels. None of that is there for new rows.

What to do
    Keep the column for joins and for telling duplicates, and leave it out of the features.

Thresholds
    min_distinct_share: different values per present value (0.99).
    min_form_share: share of text values in the form of an identifier (0.9).
    min_step_share: share of neighbours in sorted order that differ by one unit (0.95).
    max_p: probability that a quantity of this density repeats so rarely by chance (1e-05).
    min_row_correlation: rank correlation with the position in the file (0.999).
    min_rows: with fewer values nothing can be said (30).
    min_label_order: likeness of the classes of neighbours in the column's order, 0 chance and 1 always, or squared
        rank correlation with a quantity, from which the identifier tells the target: an error (0.5).

Calibration
    On the bundled data sets of scikit-learn: no finding. Ordinary whole numbers with up to 98 % different values
    (monthly rates, intensities) repeat as often as chance predicts, so they are not accused.

Limits
    A column whose name ends in a word for time is left alone, however its times are written.
    The order of text identifiers is not held against the target: it is the entity in front that they share.
    A quantity that cannot repeat by design (a rank, a cumulative count) is reported too: it is an index all the same.

Source
    The expected number of repeats follows from the density of values one unit apart, as in the birthday problem; the
    number seen is compared by a Poisson test.
"""

from collections.abc import Iterator
from typing import Any

from doctor.evidence.identifiers import Identifier, Identifiers, LabelOrders
from doctor.evidence.roles import Roles
from doctor.evidence.significance import poisson_lower_tail
from doctor.model import Check, DropColumns, Finding, Location, Safety, Severity, Undecided

CHECK = Check(
    "leakage/id-like",
    Severity.INFO,
    {
        "form": "{column}: {distinct_share:.1%} of the values differ and {form_share:.0%} have the form of a {form}",
        "sequence": "{column}: whole numbers that count up by one; they number the rows",
        "given-out": "{column}: {distinct:,} whole numbers that never repeat, where chance would repeat "
        "{expected_repeats:,.0f}; they were given out, not measured",
        "ordered": "{column}: an identifier that follows {target}: in its order neighbours share it "
        "({label_order:.2f}, where 0 is chance and 1 always)",
        "ranked": "{column}: an identifier whose order is that of {target} (squared rank correlation "
        "{label_order:.2f})",
        "row-order": "{column}: all values differ and rise with the order of the rows (rank correlation "
        "{row_correlation:.4f})",
    },
)


def examine(
    identifiers: Identifiers,
    roles: Roles,
    orders: LabelOrders | None,
    *,
    min_distinct_share: float = 0.99,
    min_form_share: float = 0.9,
    min_step_share: float = 0.95,
    max_p: float = 1e-5,
    min_row_correlation: float = 0.999,
    min_rows: int = 30,
    min_label_order: float = 0.5,
) -> Iterator[Finding | Undecided]:
    """Report columns whose values were given out."""
    if identifiers.rows < min_rows:
        yield CHECK.unavailable(f"too few rows ({identifiers.rows}) to tell identifiers from values that merely vary")
        return
    for column in identifiers.columns:
        if column.name in (roles.target, roles.time, roles.item) or column.name in roles.annotators:
            continue
        if column.distinct < min_rows or column.distinct_share < min_distinct_share:
            continue
        kind, facts = _form(column, min_form_share) or _order(column, min_step_share, max_p, min_row_correlation)
        score = orders.scores[column.name] if orders and not orders.timely else 0.0
        # Codes that begin with their entity stand beside its other rows in order; that is leakage/group-overlap's.
        ordered = not column.forms and score >= min_label_order and orders is not None and orders.p[column.name] < max_p
        if kind:
            yield CHECK.finding(
                ("ranked" if orders and orders.quantity else "ordered") if ordered else kind,
                at=Location(columns=(column.name,)),
                severity=Severity.ERROR if ordered else Severity.INFO,
                target=roles.target,
                label_order=score,
                distinct=column.distinct,
                distinct_share=column.distinct_share,
                **facts,
                repair=DropColumns(
                    columns=(column.name,), safety=Safety.SAFE, summary=f"leave {column.name} out of the features"
                ),
            )


def _form(column: Identifier, min_form_share: float) -> tuple[str, dict[str, Any]] | None:
    for form, share in column.forms.items():
        if share >= min_form_share:
            return "form", {"form": form, "form_share": share}
    return None


def _order(
    column: Identifier, min_step_share: float, max_p: float, min_row_correlation: float
) -> tuple[str, dict[str, Any]]:
    if column.step_share >= min_step_share:
        return "sequence", {"step_share": column.step_share}
    p = poisson_lower_tail(column.repeats, column.expected_repeats)
    if p < max_p:
        return "given-out", {"expected_repeats": column.expected_repeats, "repeats": column.repeats, "p": p}
    if column.distinct_share == 1 and column.row_correlation > min_row_correlation:
        return "row-order", {"row_correlation": column.row_correlation}
    return "", {}
