"""One feature that gives the label away.

What it finds
    Features from which alone the label follows nearly without error, on rows that the predictor was not fitted on. A
    class is also looked at by itself, so that a column which settles one rare class is seen. Numbers, categories, texts
    (by value, first word and length) and dates are read; a missing value is a value. Where two or more features that
    are no copies of each other do as well, the task is easy, which is only a remark.

Why it matters
    A column that was written after the outcome, or made from it, is not there when the model is used: 99 % in
    validation, under 70 % live. Honest features are seldom that good by themselves.

What to do
    Ask when the column gets its value. If that is after the label is known, drop it. If it is known before, you have a
    rule and need no model; say so with a suppression and its reason.

Thresholds
    min_error_bound: lower 95 % bound of the score, from which it is an error (0.995).
    min_warning_bound: the same for a warning (0.95).
    min_gap: what the score must exceed that of a small boosted model on all other features by, to be an error (0.1).
    max_q: Benjamini-Hochberg q over all features, above which nothing is said (0.01).
    min_rows: rows with a label below which there is no verdict (100).

Calibration
    `python bench/calibrate_leakage.py` prints the tables. Shuffled targets (264 tables of 50 to 100,000 rows with 20
    features of many kinds; two classes even and 5 %, five classes, a quantity): no finding in any of them.
    scikit-learn's bundled data with their own targets: nothing said (linnerud, 20 rows: no verdict). Planted beside
    four honest features, 10 seeds each: the label in other words is always found, as an error, at 200, 1,000 and 5,000
    rows; with 0.5 % of it wrong in half of the tables of 200 rows and in all larger ones, there as a warning; with 5 %
    wrong never. A number above a threshold is always found, as an error at 5,000 rows. A zero that marks one class is
    always found where the class has 100 rows or more. An affine copy of a quantity is always found with up to 5 % of
    noise, as an error up to 2 %; with 50 % never. No honest feature was accused.

Limits
    The bound needs rows: with fewer than 540 rows outside the largest class only a one-to-one recoding of the label is
    an error, with fewer than 54 there is no verdict. Rare values of a text or number that repeats (the name of an
    entity) are judged by their neighbours only; a serial number is judged by leakage/id-like, and against a quantity
    only where it is its rank. A key of at most 50 values with one label each looks like a leak unless it is declared
    with --group. A time column is not judged against a quantity. A rival model is fitted from a bound of 0.95 on, so
    an error cannot be set lower. Several features that leak only together are not seen here.

Source
    The rescaled score is Goodman and Kruskal's lambda (JASA 49, 1954) out of fold; its bound is Wilson's (1927). No
    threshold tells leaks from strong honest features by itself, hence the rival model and the two grades.
"""

from collections.abc import Iterator
from typing import Any

from doctor.evidence.associations import Association, Associations
from doctor.evidence.rivals import Rival, Rivals
from doctor.model import Advise, AnyRepair, Check, DropColumns, Finding, Location, Safety, Severity, Undecided

CHECK = Check(
    "leakage/label-leakage",
    Severity.ERROR,
    {
        "whole": "{part}{column} alone predicts {target} with a score of {score:.3f} (at least {lower:.3f}); "
        "all other features together: {rival_words}",
        "class": '{part}{column} alone settles {target} = "{label}" with a score of {score:.3f} (at least '
        "{lower:.3f}); all other features together: {rival_words}",
        "recoding": "{part}{column} is {target} in other words: {classes} values, {classes} classes, no exception in "
        "{rows:,} rows",
        "easy": "{target} is easy: {count} unrelated features each predict it nearly without error ({column})",
    },
)
PARTS = {"first word": "the first word of ", "length": "the length of "}


def examine(
    associations: Associations,
    rivals: Rivals,
    *,
    min_error_bound: float = 0.995,
    min_warning_bound: float = 0.95,
    min_gap: float = 0.1,
    max_q: float = 0.01,
    min_rows: int = 100,
) -> Iterator[Finding | Undecided]:
    """Judge every feature that reaches the warning bound by its best view."""
    if associations.rows < min_rows:
        yield CHECK.unavailable(f"{associations.rows} rows with a label are too few to tell (needed: {min_rows})")
        return
    strong = [
        found
        for found in associations.noted
        if (found.lower >= min_warning_bound or found.recoding) and found.q <= max_q and found.form != "missing"
    ]
    if not strong and associations.reach < min_warning_bound:
        yield CHECK.unavailable(
            f"too few rows outside the largest class: a feature without an error would have a bound of "
            f"{associations.reach:.2f}"
        )
    said: set[str] = set()
    easy: dict[str, Association] = {}
    for found in sorted(strong, key=lambda item: (-item.recoding, -item.lower, item.column)):
        family = associations.family(found.column)
        unrelated = any(other.view == found.view and other.column not in family for other in strong)
        if unrelated:
            easy.setdefault(found.column, found)
        elif found.column not in said:
            said.add(found.column)
            yield _finding(associations, rivals, found, min_error_bound, min_gap)
    left = tuple(sorted(easy.keys() - said))
    if left:
        scores = {name: easy[name].score for name in left}
        count = len({associations.family(name) for name in easy})
        at = Location(columns=left)
        yield CHECK.finding(
            "easy", at=at, severity=Severity.INFO, target=associations.target, count=count, scores=scores
        )


def _finding(
    associations: Associations, rivals: Rivals, found: Association, min_error_bound: float, min_gap: float
) -> Finding:
    rival = rivals.of(found)
    gap = found.score - rival.score if rival else None
    certain = found.lower >= min_error_bound or found.recoding
    facts: dict[str, Any] = {
        "target": associations.target,
        "label": found.view,
        "form": found.form,
        "part": PARTS.get(found.form, ""),
        "score": found.score,
        "lower": found.lower,
        "baseline": found.baseline,
        "errors": found.errors,
        "support": found.support,
        "rows": found.rows,
        "p": found.p,
        "q": found.q,
        "rival_score": rival.score if rival else None,
        "rival_rows": rival.rows if rival else None,
        "rival_words": f"{rival.score:.3f}" if rival else "not fitted",
        "gap": gap,
        "classes": found.classes,
        "copies": [name for name in associations.family(found.column) if name != found.column],
    }
    kind = "recoding" if found.recoding else "class" if found.view is not None else "whole"
    return CHECK.finding(
        kind,
        at=Location(columns=(found.column,)),
        severity=Severity.ERROR if certain and gap is not None and gap >= min_gap else Severity.WARNING,
        repair=_repair(found, rival),
        confidence=1 - found.q,
        **facts,
    )


def _repair(found: Association, rival: Rival | None) -> AnyRepair:
    if found.form in PARTS and rival is not None and rival.features == 0:
        # A text that is all there is to learn from: without it nothing would be left.
        summary = (
            f"make the texts of all classes alike in this, such as by taking what gives them away off {found.column}"
        )
        return Advise(safety=Safety.MANUAL, summary=summary)
    return DropColumns(columns=(found.column,), safety=Safety.UNSAFE, summary=f"drop {found.column}")
