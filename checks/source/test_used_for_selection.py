"""A model that is chosen by its score on the test data.

What it finds
    A loop that keeps the best model or settings so far, stops early, or lowers the learning rate by a score that was
    measured on data called test, in code that has no validation data.

Why it matters
    The largest of many noisy test scores is too large, and the more epochs or settings are tried the more. What is then
    reported is not what the model will do on new data, and no data is left to find that out.

What to do
    Set validation data apart from the training data, choose by it, and measure on the test data once, at the end.

Thresholds
    None.

Calibration
    `python bench/source_corpora.py FOLDER…` on the training code of 26 libraries: no finding; see
    bench/results/source_corpora.md.
    All sick programs of the fixtures are told of in their line, no healthy one.

Limits
    Nothing is executed. Which data is which is known by names alone. A program that speaks of validation data anywhere
    is not judged, nor is one that only reports the best test score.

Source
    Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, 2009, section 7.2; scikit-learn's user guide,
    section 3.1.
"""

from collections.abc import Iterator

from doctor.evidence.code_changes import location
from doctor.evidence.selection_code import SelectionCode
from doctor.model import Advise, Check, Finding, Safety, Severity, Undecided

CHECK = Check(
    "source/test-used-for-selection",
    Severity.WARNING,
    {
        "kept": "{where}: what is kept as best is chosen by {score}, measured on test data ({measured})",
        "stopped": "{where}: when training ends is decided by {score}, measured on test data ({measured})",
        "schedule": "{where}: the learning rate follows {score}, measured on test data ({measured})",
    },
)


def examine(selections: SelectionCode) -> Iterator[Finding | Undecided]:
    """State each choice by test data."""
    for path in selections.too_deep:
        yield CHECK.unavailable(f"{path} is nested too deeply to be followed")
    if not selections.choices:
        yield CHECK.not_applicable("nothing here is chosen in a loop by a score")
    for one in selections.by_test:
        yield CHECK.finding(
            one.kind,
            at=location(one.spot),
            repair=Advise(summary="choose by validation data set apart from train", safety=Safety.MANUAL),
            where=one.spot.at.short,
            score=one.score,
            measured=one.measured,
            measured_where=one.measured_spot.at.short,
        )
