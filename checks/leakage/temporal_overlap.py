"""Training rows that are later than the rows they are tested on.

What it finds
    Splits that overlap in time: rows of the earlier split that are later than the first row of the later one, where
    the time column is declared with --time, or where time is shown to matter: neighbours in time have labels more
    alike than chance, or the early half can be told from the late half by its features. Dates written as text
    (12/31/2011, Aug 1 2004) are read as dates. Columns of times that are later than the row's own time are judged by
    leakage/after-the-event.

Why it matters
    A model that is used tomorrow is trained on what was known until today. Trained on rows from both sides of a test
    row, it has seen the season, the price level and the promotions that it should foresee.

What to do
    Cut by date: train before, test after, with a gap as long as a label takes to become known.

Thresholds
    min_late_share: share of the earlier split's rows that are late, for a time column that is not declared (0.01).
    min_gain: how much more alike the labels of neighbours in time are than chance, 0 to 1 (0.05).
    min_correlation: the same for numeric labels, as the correlation of ranks (0.10).
    min_auc: lower bound of the out-of-fold AUC of early against late (0.60).
    max_p: p-value of the likeness under permutation (0.001).

Calibration
    The bounds ask for effect and significance, so that shuffled rows with a meaningless date stay silent at any size.
    `python bench/calibrate_rows.py` prints: no alarm in 300 data sets with nothing wrong; with 500 rows whose
    share of ones rises over time from 10 to 90 %, a warning in 88 % of 8; from 25 to 75 %, silent in all of 8.

Limits
    Whether time matters is judged on a sample of up to 5,000 different rows. Numbers that count time (a day of study)
    are taken for times only when declared.

Source
    Kaufman et al., Leakage in data mining, 2012; Hanley and McNeil, 1982, for the variance of the AUC.
"""

from collections.abc import Iterator
from typing import Any

from doctor.evidence.chronology import Chronology, Period, TimeAxis
from doctor.model import Check, Finding, Location, Resplit, Safety, Severity, Undecided

CHECK = Check(
    "leakage/temporal-overlap",
    Severity.ERROR,
    {
        "declared": "{column}: {late_rows:,} of {earlier_rows:,} rows of {earlier} ({late_share:.1%}) are later than "
        "the first row of {later} ({later_first})",
        "discovered": "{column}: {late_rows:,} of {earlier_rows:,} rows of {earlier} ({late_share:.1%}) are later than "
        "the first row of {later} ({later_first}), and time tells the label or the features",
    },
    leads_to=("drift/feature-drift", "drift/domain-shift"),
)


def examine(
    chronology: Chronology,
    *,
    min_late_share: float = 0.01,
    min_gain: float = 0.05,
    min_correlation: float = 0.10,
    min_auc: float = 0.60,
    max_p: float = 0.001,
) -> Iterator[Finding | Undecided]:
    """Judge each time axis on each pair of splits."""
    if not chronology.axes:
        yield CHECK.not_applicable("no column holds times; --time COLUMN declares one")
    for axis in chronology.axes:
        matters = axis.relevance is not None and axis.relevance.matters(
            min_gain=min_gain, min_correlation=min_correlation, min_auc=min_auc, max_p=max_p
        )
        for period in axis.periods:
            if axis.declared and period.late_rows:
                yield _finding("declared", Severity.ERROR, axis, period)
            elif period.late_share < min_late_share:
                continue
            elif axis.relevance is None:
                yield CHECK.unavailable(f"{axis.column}: not enough rows or times to tell whether time matters")
            elif matters:
                yield _finding("discovered", Severity.WARNING, axis, period)


def _finding(kind: str, severity: Severity, axis: TimeAxis, period: Period) -> Finding:
    told = axis.relevance
    facts: dict[str, Any] = {}
    if told is not None:
        facts = {name: getattr(told, name) for name in told.__struct_fields__}
    if axis.course is not None:
        rows = {split: axis.course.rows[split] for split in (period.earlier, period.later)}
        facts["course"] = {"first": axis.course.first, "last": axis.course.last, "rows": rows}
    return CHECK.finding(
        kind,
        at=Location(split=period.later, columns=(axis.column,)),
        severity=severity,
        repair=Resplit(by="time", column=axis.column, safety=Safety.UNSAFE, summary=f"cut by {axis.column}"),
        **{name: getattr(period, name) for name in (*period.__struct_fields__, "late_share")},
        **facts,
    )
