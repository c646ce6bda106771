"""Columns in which many values are missing.

What it finds
    Columns whose share of missing values is above a bound, the target where any value is missing at all, and, as a
    remark, columns with a smaller share that still asks for a decision. NaN, NULL and the empty string are missing, and
    in text files the spellings NA, N/A, NaN and null.

Why it matters
    Most trainers either refuse missing values or fill them in silence. A column that is mostly filled in carries what
    the filler made up. Rows without a label are dropped, or worse, become a class of their own.

What to do
    Find out why the values are missing before you drop or fill the column: if absence means something ("no pool"),
    make it a level of its own. Where you impute, keep a flag that says so.

Thresholds
    max_share: share of missing values in a column, above which it is a warning (0.30).
    remark_share: share from which a column is mentioned (0.10).

Calibration
    Counts are exact, so there is no error of the first kind; which share matters depends on the model. scikit-learn's
    bundled data sets have no missing values and give no finding.

Limits
    A value that stands for "missing" without saying so (999, "?", "unknown") is not counted here. Parts of records for
    instruction that many rightly do without (input, system, history beside instruction or prompt and an answer) are
    mentioned only where they are empty throughout, as a remark.

Source
    The bound of 30 % is the rule of thumb of common training guides.
"""

from collections.abc import Iterator
from typing import Any

from doctor.evidence.profile import Profile
from doctor.evidence.roles import Roles
from doctor.evidence.text_columns import ANSWER_WORDS
from doctor.model import Check, DropColumns, DropRows, FillMissing, Finding, Location, Safety, Severity

CHECK = Check(
    "quality/missing-values",
    Severity.WARNING,
    {
        "feature": "{column}: {missing_share:.1%} missing (allowed: {max_share:.0%})",
        "remark": "{column}: {missing_share:.1%} missing",
        "empty": "{column}: no value at all in {rows:,} rows",
        "target": "{column}, the target, is missing in {missing:,} of {rows:,} rows",
    },
)
ASKING_PARTS = frozenset({"instruction", "prompt"})
OPTIONAL_PARTS = frozenset({"input", "system", "history"})
"""Of a record that a model is taught to answer: more than half of Alpaca's have no input, and are whole."""


def examine(
    profile: Profile, roles: Roles, *, max_share: float = 0.30, remark_share: float = 0.10
) -> Iterator[Finding]:
    """Judge every column's share of missing values."""
    optional = _optional({column.name.lower() for column in profile.columns})
    for column in profile.columns:
        facts: dict[str, Any] = {
            "missing": column.missing,
            "rows": column.rows,
            "missing_share": column.missing_share,
            "max_share": max_share,
        }
        at = Location(columns=(column.name,))
        drop = DropColumns(columns=(column.name,), safety=Safety.UNSAFE, summary=f"drop {column.name}")
        fill = FillMissing(columns=(column.name,), summary=f"impute {column.name} and keep a flag where")
        if column.rows == 0 or column.missing == 0:
            continue
        if column.missing == column.rows:
            severity = Severity.INFO if column.name.lower() in optional else Severity.WARNING
            yield CHECK.finding("empty", at=at, severity=severity, repair=drop, **facts)
        elif column.name == roles.target:
            rows = DropRows(
                missing=(column.name,), summary=f"drop the rows without {column.name}", safety=Safety.UNSAFE
            )
            yield CHECK.finding("target", at=at, repair=rows, **facts)
        elif column.name.lower() in optional:
            continue
        elif column.missing_share > max_share:
            yield CHECK.finding("feature", at=at, repair=fill, **facts)
        elif column.missing_share >= remark_share:
            yield CHECK.finding("remark", at=at, severity=Severity.INFO, repair=fill, **facts)


def _optional(names: set[str]) -> frozenset[str]:
    return OPTIONAL_PARTS if names & ASKING_PARTS and names & ANSWER_WORDS else frozenset()
