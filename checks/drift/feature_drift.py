"""A feature that is distributed otherwise in the test split than in training.

What it finds
    Numbers and categories whose distribution differs between the first split and a later one: by the population
    stability index over ten bins that both share (quantiles of all rows; a frequent value, each frequent category and
    missing values have bins of their own). What chance adds to the index is taken off, and it is reported where its
    lower bound passes and the test of homogeneity is clear over all columns. The smoothed Kullback-Leibler and
    Jensen-Shannon divergences, Kolmogorov and Smirnov's distance and Wasserstein's distance are told with it.

Why it matters
    A score is a promise about rows like those it was measured on. Where the two splits are unlike, either the test does
    not speak for training, or training does not prepare for the world that the test was taken from.

What to do
    Find out why: another source, unit, time, or a step of preparation that only one split went through. If both were
    meant to be drawn from one population, draw them anew. If the test is the future, train on later rows, weigh the
    rows that resemble it, or leave the column out.

Thresholds
    min_psi: lower 99 % bound of the index from which a column is reported (0.1). For a normal variable an index of 0.1
        is a shift of the mean by 0.32 standard deviations, one of 0.25 by half of one.
    max_q: Benjamini-Hochberg q over all columns and splits, above which nothing is said (0.01).
    max_blind_psi: index that would go unseen with so few rows, above which there is no verdict (1.0).
    min_clusters: entities, or stretches of time, on a side, below which there is no verdict for splits cut along them
        (10).

Calibration
    The rule is the same at every number of rows: what chance gives is taken off before the index is judged. `python
    bench/drift.py` prints the tables. Both splits drawn alike, twelve columns of many shapes (no mean, counts, mostly
    zero, coarse, rare categories, holes) and a label, 200 data sets per row, 75 + 25 to 75,000 + 25,000 rows cut at
    random, to 7,500 + 2,500 along time and by entity: no alarm; 30 + 20 rows, and fewer than 10 entities on a side,
    give no verdict. Cut along time where neighbours are alike (correlation 0.8) and a season goes round: no alarm in
    400. At 1,001 + 100 rows PSI > 0.1 as commonly computed and evidently's defaults flag every such data set. Found of
    differences planted in 20 data sets per row, at 1,001 + 100 and at 7,500 + 2,500 rows: a mean moved by 0.3
    deviations (an index of 0.09) 5 and 0 %, by 0.5 deviations 20 and 100 %, by one 100 and 100 % (at 75 + 25 rows 40
    %); a spread doubled 90 and 100 %; 15 % of the values lost 5 and 100 %; a category from 10 to 30 % 50 and 100 %.

Limits
    At most 10,000 rows of each split are looked at. Names of rows and entities, times, prose and columns with nearly a
    value per row are not compared, nor is what only counts rows or time. Splits cut by entity are judged by entities,
    and splits cut in time by stretches of time: what changes from stretch to stretch within a split anyway is not
    reported. A difference that follows from other shares of the labels is told by labels' drift alone, one of
    categories that are new by drift/new-categories.

Source
    B. Yurdakul, Statistical properties of population stability index, 2018, for its distribution: that of a chi-square
    variable times 1/n + 1/m, noncentral where there is drift. J. Rao and A. Scott, JASA 76 (1981), for rows that are
    not independent.
"""

from collections.abc import Iterator

from doctor.evidence.shifts import ColumnShift, Contrast, Shifts, follows_from_labels, is_missing_shift
from doctor.evidence.significance import false_discovery
from doctor.model import Advise, AnyRepair, Check, Finding, Location, Resplit, Safety, Severity, Undecided

CHECK = Check(
    "drift/feature-drift",
    Severity.WARNING,
    {
        "numbers": "{column}: median {before_median:.4g} in {earlier}, {after_median:.4g} in {later}; "
        "stability index {psi:.2f} (at least {psi_lower:.2f})",
        "shape": "{column}: {level} is {before_share:.1%} of {earlier} and {after_share:.1%} of {later}; "
        "stability index {psi:.2f} (at least {psi_lower:.2f})",
        "missing": "{column}: missing in {before_share:.1%} of {earlier} and in {after_share:.1%} of {later}; "
        "stability index {psi:.2f} (at least {psi_lower:.2f})",
    },
    leads_to=("drift/domain-shift",),
)

MEDIAN_MOVED = 0.1
"""Share of the earlier side's rows that the median must have passed for the sentence to speak of it."""


def examine(
    shifts: Shifts,
    *,
    min_psi: float = 0.1,
    max_q: float = 0.01,
    max_blind_psi: float = 1.0,
    min_clusters: int = 10,
) -> Iterator[Finding | Undecided]:
    """Judge every column of every contrast by the same rule."""
    judged: list[tuple[Contrast, ColumnShift]] = []
    for contrast in shifts.contrasts:
        if not contrast.columns:
            yield CHECK.not_applicable(
                f"{contrast.earlier} and {contrast.later} share no column whose distribution says something"
            )
        elif why := contrast.undecided(min_psi=min_psi, max_blind_psi=max_blind_psi, min_clusters=min_clusters):
            yield CHECK.unavailable(why)
        else:
            judged += [(contrast, shift) for shift in contrast.columns]
    q_values = false_discovery([shift.divergence.p for _, shift in judged])
    for (contrast, shift), q in zip(judged, q_values, strict=True):
        if shift.divergence.psi_lower < min_psi or q > max_q or shift.clock:
            continue
        if not follows_from_labels(contrast, shift, min_psi):
            yield _finding(contrast, shift, q)


def _finding(contrast: Contrast, shift: ColumnShift, q: float) -> Finding:
    place = shift.most_changed
    divergence = shift.divergence
    kind = "missing" if is_missing_shift(shift) else "shape"
    if kind == "shape" and shift.middle_moved and (shift.ks or 0.0) >= MEDIAN_MOVED:
        kind = "numbers"
    medians = shift.medians or (None, None)
    return CHECK.finding(
        kind,
        at=Location(split=contrast.later, columns=(shift.column,)),
        repair=_repair(contrast),
        confidence=1 - q,
        earlier=contrast.earlier,
        later=contrast.later,
        level=shift.bins[place],
        before_share=shift.before[place],
        after_share=shift.after[place],
        before_median=medians[0],
        after_median=medians[1],
        psi=divergence.psi,
        psi_lower=divergence.psi_lower,
        kl=divergence.kl,
        js=divergence.js,
        ks=shift.ks,
        wasserstein=shift.wasserstein,
        missing=shift.missing,
        bins=dict(zip(shift.bins, zip(shift.before, shift.after, strict=True), strict=True)),
        p=divergence.p,
        q=q,
        design_effect=shift.effect,
        cut_in_time=contrast.cut_in_time,
        rows_judged=contrast.drawn,
    )


def _repair(contrast: Contrast) -> AnyRepair:
    if contrast.cut_in_time is not None:
        return Advise(
            safety=Safety.MANUAL,
            summary=f"train on rows nearer to {contrast.later} in {contrast.cut_in_time}, or weigh them more",
        )
    return Resplit(
        by="random",
        column=contrast.cut_by_entity,
        pattern=contrast.entity_pattern,
        safety=Safety.UNSAFE,
        summary="draw the splits anew at random, if both stand for one population",
    )
