"""Rows that a model can hardly decide, for review.

What it finds
    Rows to which a model gives a probability of 0.4 to 0.6, the nearest to one half first. The probabilities are those
    of a column that is declared (`--predictions COLUMN`) or known by its name; they are counted over all rows. Where
    there is none, those of the two reference models of labels/label-noise on rows that they were not fitted on, if
    `reference` is set: every table has rows near the boundary, and to say so unasked would help nobody.

Why it matters
    A label near the boundary moves the boundary, and a wrong one moves it most. A person who has an hour for labels
    gains most there; so does a guideline for labellers that settles the cases in which they differ.

What to do
    Go through the review list that `doctor fix` writes. Mend labels that are wrong; where even a person cannot decide,
    add a feature that decides, write down a rule, or leave the row to a person in use as well.

Thresholds
    max_distance: distance from a probability of one half up to which a row is uncertain, in steps of 0.01 (0.1).
    reference: whether the reference models speak where no column does (False).
    min_competence: probability that the reference models doubt a known flip more than a right label, below which they
        do not speak (0.8).

Calibration
    There is nothing to calibrate in a count. Without a column of probabilities nothing is said, on scikit-learn's data,
    on 52 public tables and on all other patients of the fixtures. The models of `reference` are those of
    labels/label-noise, and their competence is measured with known flips on the same rows.

Limits
    A remark and no fault: no threshold makes it more. The list ends at a tenth of the rows or at 1,000. The reference
    models read up to 2,000 drawn rows. A model's probability is taken at its word; one that is too sure of itself has
    few uncertain rows. Of several classes, a column's probability is read as that of the class in question.

Source
    The band of 0.4 to 0.6 is that of common training guides; D. D. Lewis and W. A. Gale, A sequential algorithm for
    training text classifiers, SIGIR (1994), call it uncertainty sampling.
"""

from collections.abc import Iterator

from doctor.evidence.uncertain import Uncertain
from doctor.model import Check, Finding, Location, ReviewRows, Safety, Severity, Undecided

CHECK = Check(
    "labels/uncertain-samples",
    Severity.INFO,
    {
        "predictions": "{columns[0]}: {uncertain:,} of {rows:,} rows ({share:.1%}) have a probability of {low:.2g} to "
        "{high:.2g}",
        "reference": "{uncertain:,} of {rows:,} rows ({share:.1%}) have a probability of {low:.2g} to {high:.2g} by "
        "the reference models; {covered:.0%} of the rows that these get wrong are among them",
    },
)

MAX_EXAMPLES = 5


def examine(
    uncertain: Uncertain, *, max_distance: float = 0.1, reference: bool = False, min_competence: float = 0.8
) -> Iterator[Finding | Undecided]:
    """List the rows within the band, if somebody wants to know."""
    if uncertain.column is None:
        if not reference:
            yield CHECK.not_applicable("no column holds probabilities; --predictions COLUMN names one")
            return
        if (uncertain.competence or 0.0) < min_competence:
            yield CHECK.unavailable("the reference models know too little of the label")
            return
    step = min(max(round(100 * max_distance), 0), len(uncertain.within) - 1)
    count = uncertain.within[step]
    if not count:
        return
    listed = min(count, len(uncertain.numbers))
    wrong = uncertain.wrong_within
    yield CHECK.finding(
        "predictions" if uncertain.column else "reference",
        at=Location(
            columns=(uncertain.column,) if uncertain.column else (),
            rows=uncertain.shown[: min(listed, MAX_EXAMPLES)],
            file=uncertain.file,
        ),
        repair=ReviewRows(
            rows=uncertain.shown[:listed],
            numbers=uncertain.numbers[:listed],
            safety=Safety.MANUAL,
            summary="look at the rows nearest to the boundary first",
        ),
        uncertain=count,
        rows=uncertain.rows,
        share=count / uncertain.rows,
        low=0.5 - step / 100,
        high=0.5 + step / 100,
        listed=listed,
        examples=[
            {"row": row, "probability": chance}
            for row, chance in zip(uncertain.shown[:MAX_EXAMPLES], uncertain.chances[:MAX_EXAMPLES], strict=True)
        ][:listed],
        covered=wrong[step] / max(1, wrong[-1]) if wrong else None,
        competence=uncertain.competence,
    )
