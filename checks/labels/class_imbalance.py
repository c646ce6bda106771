"""A class so rare that the model may never learn it, or that the metric cannot see.

What it finds
    Classification targets in which the rarest class has less than 5 % of the rows, or in which the most frequent class
    has more than 50 times as many; of images, the same of their classes. With many classes a small share is natural, so
    there the bound is a quarter of an equal share. It is a warning where the ratio is extreme or where so few rows of
    the rarest class will be in the test split that its recall cannot be measured to ±10 %, else a remark. A target with
    a single value is an error.

Why it matters
    A model that never answers the rare class is right 95 % of the time and useless. With 20 test rows of a class, a
    recall of .80 and one of .60 cannot be told apart.

What to do
    Split stratified, so that every split has its share. Weight the classes or draw the rare ones more often, aiming at
    1:3 rather than at equality. Report recall per class instead of accuracy. Where the class has too few rows to
    measure, collect more of it. Of images, `doctor fix` writes a plan of drawing and a module for torch that draws by
    it and pastes parts of images of rare classes into others (CutMix).

Thresholds
    min_share: share of the rarest class below which it is reported, with few classes (0.05).
    max_ratio: rows of the most frequent class per row of the rarest (50.0).
    min_test_rows: rows of the rarest class in the test split from which its recall can be measured (100).
    target_ratio: ratio at which the proposed class weights aim (3.0).

Calibration
    Counts are exact. scikit-learn's bundled classification data (iris, wine, breast_cancer, digits) give no finding.

Limits
    Whether a rare class hurts depends on the separability of the classes, which is not looked at.

Source
    The 100 rows are those at which a 95 % interval of a recall of .5 is ±.10: 1.96 · sqrt(.25 / 100). The bounds 5 %,
    50:1 and 1:3 are those of common training guides.
"""

from collections.abc import Iterator

from doctor.evidence.classes import Classes
from doctor.model import Check, Finding, Location, Reweight, Safety, Severity, Undecided

CHECK = Check(
    "labels/class-imbalance",
    Severity.WARNING,
    {
        "single": "{target} is {only} in all {rows:,} {unit}; there is nothing to learn",
        "rare": "{target}: class {rarest} has {rarest_rows:,} of {rows:,} {unit} ({rarest_share:.2%}), one for "
        "{ratio:,.0f} of {commonest}; about {test_rows:,.0f} of them to test with",
    },
)

DEFAULT_TEST_SHARE = 0.2


def examine(
    classes: Classes,
    *,
    min_share: float = 0.05,
    max_ratio: float = 50.0,
    min_test_rows: int = 100,
    target_ratio: float = 3.0,
) -> Iterator[Finding | Undecided]:
    """Compare the rarest class with the most frequent one and with what a test can measure."""
    counts = classes.counts
    rows = sum(counts.values())
    if len(counts) == 1:
        yield CHECK.finding(
            "single",
            at=Location(columns=classes.columns),
            severity=Severity.ERROR,
            target=classes.target,
            unit=classes.unit,
            only=next(iter(counts)),
            rows=rows,
        )
    if len(counts) < 2:
        return
    commonest, most = next(iter(counts.items()))
    rarest, fewest = next(reversed(counts.items()))
    ratio = most / fewest
    bound = min(min_share, 0.25 / len(counts))
    if fewest / rows >= bound and ratio <= max_ratio:
        return
    test_rows = _test_rows(classes, rarest)
    grave = ratio > max_ratio or test_rows < min_test_rows
    weights = {name: max(1.0, most / (target_ratio * count)) for name, count in counts.items()}
    yield CHECK.finding(
        "rare",
        at=Location(columns=classes.columns),
        severity=Severity.WARNING if grave else Severity.INFO,
        target=classes.target,
        unit=classes.unit,
        rarest=rarest,
        rarest_rows=fewest,
        rarest_share=fewest / rows,
        commonest=commonest,
        ratio=ratio,
        rows=rows,
        test_rows=test_rows,
        counts=counts,
        min_share=bound,
        max_ratio=max_ratio,
        repair=Reweight(
            column="".join(classes.columns),
            weights=weights,
            ratio=target_ratio,
            safety=Safety.UNSAFE,
            summary=f"split stratified by {classes.target}; weight the rare classes towards 1:{target_ratio:g}",
        ),
    )


def _test_rows(classes: Classes, rarest: str) -> float:
    """Rows of the rarest class in the test split, or those a usual fifth would hold where nothing is split."""
    test = classes.by_split.get("test")
    return test.get(rarest, 0) if test else DEFAULT_TEST_SHARE * classes.counts[rarest]
