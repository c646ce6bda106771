"""Labels that are likely wrong, judged by models that were fitted on other rows.

What it finds
    Rows whose label two families of models (a vote of the nearest rows, a plane through the classes), fitted on other
    rows, both hold to be another, by confident learning. It speaks only where the models can tell and wrong labels are
    more than overlap: known flips are put into 2 % of the labels first and must be found again, and rows must be
    labelled otherwise even where both families are surest, for classes that merely overlap are confused where models
    are unsure. Two classes that are exchanged for each other are named, and rows that nearly equal another row with
    another label. Nothing is certain of a single row; the list says where to look first.

Why it matters
    A model learns wrong labels too, at the price of right ones; and no test score can pass the share of right labels in
    the test rows. A review of the most doubtful 5 to 10 % of the rows finds most of them.

What to do
    Have a person go through the review list, most doubtful first; it names the label that the models hold to be right,
    which is a proposal and no more. Where two classes are exchanged, look for a person, a file or a day that did so.

Thresholds
    min_competence: probability that a known flip is doubted more than another row, below which it is silent (0.9).
    min_share: share of wrong labels among the surest rows that its lower bound must pass (0.01).
    min_evenness: that share relative to the share among all rows of whose class both families think alike, below which
        the classes overlap rather than being mislabelled (0.6).
    min_exchanged: share of the suspects that lie between two classes, both ways, for these to be named (0.5).
    min_exchanged_share: share of either class that must be labelled as the other for that (0.05).

Calibration
    `python bench/label_noise.py --seeds 3 --peer-python PYTHON`, 5 % of the labels flipped, average precision beside
    cleanlab 2.9 on the same folds (with logistic regression; with gradient boosting; on our own probabilities): digits
    .993 (.929; .977; .990), wine .947 (.930; .902; .956), breast_cancer .961 (.905; .899; .952). Of the data as they
    are nothing is said; with 5 % flipped a warning in 5 of 9, with 10 % in 7 of 9.

Limits
    Up to 3,000 drawn rows of train, the first 120 columns, no sentences. Names of rows and entities are not read. Noise
    that follows the features (a rule misread by all) looks like truth. Wrong labels under 2 to 3 % are not told from
    overlap in a few hundred rows. A class with fewer than 10 rows is not judged, nor a
    table in which the models err in more than 20 % of the rows or most rows repeat. Near copies are a remark.

Source
    Northcutt, Jiang and Chuang, Confident learning, JAIR 70 (2021). Reviewing the most suspicious 5 to 10 % is the
    advice of common training guides.
"""

from collections.abc import Iterator

from doctor.evidence.label_noise import Exchange, LabelNoise
from doctor.evidence.significance import binomial_upper_tail, wilson_lower
from doctor.model import Check, Finding, Location, ReviewRows, Safety, Severity, Undecided

COUNTED = (
    "{target}: about {share:.1%} of the labels look wrong (at least {lower:.1%}, by the {core_rows:,} rows that "
    "two families of models are surest of); {suspects:,} of {rows:,} rows are suspect"
)
CHECK = Check(
    "labels/label-noise",
    Severity.WARNING,
    {
        "noise": COUNTED,
        "exchanged": COUNTED + ", most of them because {first} and {second} are exchanged: {first_rows:,} rows "
        "labelled {first} look like {second}, {second_rows:,} the other way",
        "near copies": "{target}: {copies:,} rows nearly equal one with another label, {first_row} and {second_row} "
        "for example; one label of each pair is wrong, or the features do not tell",
    },
)

Z_99 = 2.326
"""One-sided 99 %: one false alarm in a hundred tables with just so much overlap."""
MAX_CHANCE = 0.001
MIN_EACH_WAY = 5
MIN_COPIES = 3
MAX_ERRORS = 0.2
MIN_DISTINCT_SHARE = 0.5
MAX_EXAMPLES = 5


def examine(
    noise: LabelNoise,
    *,
    min_competence: float = 0.9,
    min_share: float = 0.01,
    min_evenness: float = 0.6,
    min_exchanged: float = 0.5,
    min_exchanged_share: float = 0.05,
) -> Iterator[Finding | Undecided]:
    """Judge the surest rows, if the models have shown that they find known flips."""
    if noise.copies >= max(MIN_COPIES, noise.ring):
        first, second = noise.copied[0]
        yield CHECK.finding(
            "near copies",
            severity=Severity.INFO,
            at=Location(columns=(noise.target,), rows=tuple(row for pair in noise.copied for row in pair)),
            target=noise.target,
            copies=noise.copies,
            ring=noise.ring,
            first_row=first,
            second_row=second,
            pairs=noise.copied,
        )
    if noise.distinct_share < MIN_DISTINCT_SHARE:
        yield CHECK.unavailable("so many rows have equal features that overlap cannot be told from wrong labels")
        return
    if noise.competence < min_competence:
        yield CHECK.unavailable(
            f"of {noise.flips:,} known flips the models find too few (AUROC {noise.competence:.2f}), so they cannot "
            "tell wrong labels from hard rows"
        )
        return
    if noise.core_rows < noise.rows // 4 or noise.agreed_errors > MAX_ERRORS * noise.agreed_rows:
        yield CHECK.unavailable("the models err so often that overlap cannot be told from wrong labels")
        return
    lower = wilson_lower(noise.core_errors, noise.core_rows, Z_99)
    if lower >= min_share and noise.evenness >= min_evenness and noise.suspects:
        exchanged = _exchanged(noise, min_exchanged, min_exchanged_share)
        yield _finding(noise, lower, exchanged)


def _exchanged(noise: LabelNoise, min_exchanged: float, min_share: float) -> Exchange | None:
    """Return the pair of classes between which most suspects go both ways, more than suspects spread evenly would."""
    if not noise.exchanges:
        return None
    pair = noise.exchanges[0]
    both = pair.first_rows + pair.second_rows
    each = min(pair.first_rows, pair.second_rows) >= MIN_EACH_WAY
    shares = min(pair.first_share, pair.second_share) >= min_share
    # With three classes a third of evenly spread suspects would lie between two of them.
    chance = binomial_upper_tail(both, noise.suspects, 1 / 3)
    return pair if each and shares and both >= min_exchanged * noise.suspects and chance <= MAX_CHANCE else None


def _finding(noise: LabelNoise, lower: float, exchanged: Exchange | None) -> Finding:
    shown = [row for row in noise.listed if row.suspect][:MAX_EXAMPLES]
    pair = {name: getattr(exchanged, name) for name in exchanged.__struct_fields__} if exchanged else {}
    return CHECK.finding(
        "exchanged" if exchanged else "noise",
        at=Location(columns=(noise.target,), rows=tuple(row.row for row in shown), file=noise.file),
        repair=ReviewRows(
            rows=tuple(row.row for row in noise.listed),
            numbers=tuple(row.number for row in noise.listed),
            suggested=tuple(row.suggested for row in noise.listed),
            safety=Safety.MANUAL,
            summary=f"review the {len(noise.listed):,} most doubtful labels",
        ),
        target=noise.target,
        rows=noise.rows,
        total_rows=noise.total,
        share=noise.core_errors / noise.core_rows,
        lower=lower,
        core_rows=noise.core_rows,
        core_errors=noise.core_errors,
        evenness=noise.evenness,
        suspects=noise.suspects,
        competence=noise.competence,
        flips=noise.flips,
        examples=[{"row": row.row, "label": row.given, "suggested": row.suggested} for row in shown],
        **pair,
    )
