"""A category was encoded by the labels of the very rows that it stands in.

What it finds
    Numeric columns whose every value is the mean of the target over the rows that have it, to the last printed digit;
    also where the mean is smoothed towards the overall one, and where each row's own label is left out of it. Encodings
    made fold by fold, in which no row's own fold is averaged, are not of this form and are left alone.

Why it matters
    Each row's label is part of its own feature. In small categories the model reads it back, scores well on the rows
    that were averaged, and is far worse on new ones. Leaving a row's own label out is no cure: what is lacking from the
    mean is then the label itself, with its sign turned round.

What to do
    Drop the column and encode the category inside the folds of the training data: fit the encoder on the other folds
    only, for test rows on all training rows. `sklearn.preprocessing.TargetEncoder.fit_transform` does so.

Thresholds
    max_log10_chance: logarithm of the probability that an honest estimate of the means would meet all of them so
        closely (-6.0).
    min_levels_share: different values per row from which it is an error, else a warning: a mean of 50 rows holds a
        fiftieth of each row's label (0.02).

Calibration
    `python bench/calibrate_derived.py encoded` prints the table. 10 seeds each of 300 rows in 20 and 200 categories and
    of 3,000 rows in 20: exact and rounded means are always found, as a warning where 150 rows make a mean; smoothed and
    leave-one-out ones always with 20 categories, and in 30 % of the tables where a category has 1.5 rows. Encodings
    made fold by fold and honest rates were never accused, nor was anything in scikit-learn's bundled data.

Limits
    A smoothed mean must have the form (sum + m × prior) / (rows + m) with one m. The leave-one-out form is looked for
    among up to 20 columns that may have been encoded, where all rows are drawn (up to 50,000). What was encoded
    together with random noise is not found.

Source
    Micci-Barreca, A preprocessing scheme for high-cardinality categorical attributes, SIGKDD Explorations 3, 2001;
    Prokhorenkova et al., CatBoost, 2018, for the leak of greedy and of leave-one-out encodings.
"""

from collections.abc import Iterator

from doctor.evidence.encodings import Encoding, Encodings
from doctor.model import Check, DropColumns, Finding, Location, Safety, Severity

CHECK = Check(
    "leakage/target-encoding",
    Severity.ERROR,
    {
        "mean": "{column}: each of {levels:,} values is the {meant} of the rows that have it ({scope})",
        "smoothed": "{column}: each of {levels:,} values is the {meant} of the rows that have it ({scope}), smoothed "
        "by {prior_rows:.4g} rows of the overall mean",
        "leave-one-out": "{column}: each value is the {meant} of the other rows of the same {key} ({scope}), so it "
        "lacks the row's own label",
    },
    leads_to=("leakage/label-leakage",),
)


def examine(
    encodings: Encodings, *, max_log10_chance: float = -6.0, min_levels_share: float = 0.02
) -> Iterator[Finding]:
    """State every column of means that is no honest estimate."""
    for found in encodings.encodings:
        if found.log10_chance <= max_log10_chance:
            grave = found.form == "leave-one-out" or found.levels >= min_levels_share * found.rows
            yield _finding(encodings.target, found, Severity.ERROR if grave else Severity.WARNING)


def _finding(target: str, found: Encoding, severity: Severity) -> Finding:
    encode = f"encode {found.key} inside the folds" if found.key else "encode its category inside the folds"
    return CHECK.finding(
        found.form,
        at=Location(columns=(found.column,)),
        severity=severity,
        repair=DropColumns(columns=(found.column,), safety=Safety.UNSAFE, summary=f"drop {found.column}, {encode}"),
        target=target,
        label=found.label,
        meant=f"mean of {target}" if found.label is None else f"share of {target} = {found.label}",
        scope=f"of {found.split}" if found.split else "all rows",
        key=found.key,
        levels=found.levels,
        rows=found.rows,
        prior_rows=found.prior_rows,
        log10_chance=found.log10_chance,
    )
