"""Data that was scaled, filled, selected or resampled before it was split, so that the test rows had their say.

What it finds
    In code: a scaler, imputer, encoder, selector, vectoriser or resampler of scikit-learn, imbalanced-learn and their
    kin, or arithmetic with a mean or spread, that is fitted on rows which a split sets apart afterwards
    (train_test_split, folds, cross-validation, random_split, validation_split, slices named train and test); also one
    that is fitted on all rows although they had been split. In data: columns to which all splits together give mean 0
    and variance 1 to the last printed digit, or a range that is reached exactly, while train alone does not.

Why it matters
    The test part is no longer unseen. Rows that are copied or mixed by oversampling lie on both sides, and the test
    score is that of rows learned by heart. Features chosen or encoded by the labels of all rows find signal in pure
    noise. A mean over all rows moves the score little, but it cannot be had when the model is used.

What to do
    Split first. Fit on the training rows and transform the others with what was learned there; in cross-validation put
    the steps and the model into one Pipeline, so that each fold fits its own. Oversample the training rows alone.

Thresholds
    max_log10_chance: of standardised columns: logarithm of the probability that numbers scaled by train alone would
        come so close to the same (-6.0).
    min_missed_ends: of ranges: ends that no training row reaches (3).
    min_ranged: columns that span such a range (3).

Calibration
    `python bench/calibrate_preprocess.py` prints: of 15 healthy programs and notebooks (pipelines, fits inside folds,
    constants, statistics along a row, plots, series, final models on all rows) none is flagged; of 20 sick ones, each
    with one planted fault, 20 are found at their line and by their kind. Of the sources of scikit-learn, datasets and
    optuna, 1,045 files with their tests, none is flagged; of scikit-learn's some are too long to be followed.
    Tables of 8 columns and 100, 1,000 and 10,000 rows, 10 seeds each: standardised by all rows, 147 of 150 are found,
    however they are written (missing are 3 of 10 with 10,000 rows and two decimals); by the training rows alone, none.
    Ranges are found in 20 of 30 where they are written in full, never where they are rounded, and never where train
    alone gives them.

Limits
    Nothing is executed. Data is followed by name through assignments, functions, methods and attributes in the scanned
    files; what comes from a function out of view is taken for new data, so that nothing is said of it. Copies of rows
    are an error, fits on the training part of an earlier split are only mentioned where they copy rows. Summaries of
    groups, of windows and along a row are not judged, nor are the spelling of a target's labels and tokenizers. In data
    a scaling shows only while no row was added or removed after it.

Source
    Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, 2009, section 7.10.2; Ambroise and McLachlan,
    PNAS 99, 2002; Kapoor and Narayanan, Patterns 4, 2023; scikit-learn's "Common pitfalls".
"""

from collections.abc import Iterator

from doctor.evidence.early_fits import EarlyFit, EarlyFits
from doctor.evidence.fitted_tools import Family
from doctor.evidence.joint_scales import JointScale, JointScales
from doctor.model import Advise, Check, Finding, Location, Safety, Severity, Undecided

CHECK = Check(
    "reproducibility/preprocess-before-split",
    Severity.WARNING,
    {
        "copies": "{where}: {tool} copies or mixes rows before {split} divides them in {split_where}",
        "labels": "{where}: {tool} learns from the labels of all rows, of those too that {split} in {split_where} sets"
        " apart",
        "resampled": "{where}: {tool} takes rows away by label before {split} in {split_where}, test rows too",
        "statistics": "{where}: {tool} takes its numbers from all rows, from those too that {split} in {split_where}"
        " sets apart",
        "filled": "{where}: {tool} fills in a summary of all rows, of those too that {split} in {split_where} sets"
        " apart",
        "vocabulary": "{where}: {tool} takes its categories from all rows, from those too that {split} in"
        " {split_where} sets apart",
        "standardised": "{count} columns have mean 0 and variance 1 over {together} together, not over {train} alone",
        "range": "{count} columns span their range over {together} together; {misses} ends no row of {train} reaches",
    },
)
_SEVERITY = {
    Family.COPIES: Severity.ERROR,
    Family.FILLED: Severity.INFO,
    Family.VOCABULARY: Severity.INFO,
}


def examine(
    fits: EarlyFits | None,
    scales: JointScales | None,
    *,
    max_log10_chance: float = -6.0,
    min_missed_ends: int = 3,
    min_ranged: int = 3,
) -> Iterator[Finding | Undecided]:
    """State each fit that saw rows of both sides, and columns that bear the mark of one."""
    if fits is None and scales is None:
        yield CHECK.not_applicable("no code that both fits and splits, and no table in several splits")
    if fits and fits.too_long:
        more = f" and {len(fits.too_long) - 1} more files" if len(fits.too_long) > 1 else ""
        yield CHECK.unavailable(f"{fits.too_long[0]}{more}: more calls than are followed")
    for fit in fits.fits if fits else ():
        if fit.family is Family.COPIES or not fit.nested:
            yield _in_code(fit)
    for scale in scales.scales if scales else ():
        chance = scale.form == "standardised" and scale.log10_chance <= max_log10_chance
        if chance or (scale.form == "range" and scale.misses >= min_missed_ends and scale.asked >= min_ranged):
            yield _in_data(scale)


def _in_code(fit: EarlyFit) -> Finding:
    spot = fit.spot
    severity = Severity.WARNING if fit.nested else _SEVERITY.get(fit.family, Severity.WARNING)
    advice = f"split first, then let {fit.tool} see the training rows alone, or put it into a Pipeline with the model"
    if fit.family in (Family.COPIES, Family.RESAMPLED):
        advice = f"split first, then use {fit.tool} on the training rows alone (imblearn.pipeline does so in each fold)"
    return CHECK.finding(
        str(fit.family),
        at=Location(path=spot.at.path, line=spot.at.line, cell=spot.at.cell, character=spot.character),
        severity=severity,
        repair=Advise(safety=Safety.MANUAL, summary=advice),
        where=spot.at.short,
        tool=fit.tool,
        split=fit.split,
        split_where=_beside(fit),
        split_line=fit.split_spot.at.line,
        nested=fit.nested,
        before=fit.before,
    )


def _beside(fit: EarlyFit) -> str:
    """Name the place of the split, briefly where it is in the same file."""
    split, own = fit.split_spot.at, fit.spot.at
    if split.path != own.path:
        return split.short
    return f"line {split.line}" if split.cell is None else f"cell {split.cell}, line {split.line}"


def _in_data(scale: JointScale) -> Finding:
    train, *others = scale.splits
    return CHECK.finding(
        scale.form,
        at=Location(columns=scale.columns),
        repair=Advise(safety=Safety.MANUAL, summary=f"scale anew, by the numbers of {train} alone"),
        count=len(scale.columns),
        asked=scale.asked,
        train=train,
        others=others,
        together=" and ".join(scale.splits) if len(scale.splits) < 3 else ", ".join(scale.splits),
        misses=scale.misses,
        log10_chance=scale.log10_chance,
        train_mean=scale.train_mean,
    )
