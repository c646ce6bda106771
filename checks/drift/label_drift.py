"""Other shares of the classes, or another range of the target, in the test split than in training.

What it finds
    A target whose distribution differs between the first split and a later one, by the stability index and the rule of
    drift/feature-drift: classes as they are, a quantity in ten bins. Features whose difference is gone once the labels
    have equal shares are named with it and reported nowhere else.

Why it matters
    A classifier's threshold and its probabilities hold for the shares it was trained with: precision at 10 % positives
    is another number than at 30 %. A regression that never saw such values extrapolates.

What to do
    Where both splits stand for one population, split stratified. Where the test is what the model will meet, correct
    the probabilities for the new shares, or weigh the classes.

Thresholds
    min_psi: lower 99 % bound of the index from which it is reported (0.1). Of two classes, 30 % against 17 % give an
        index of 0.1.
    max_q: p-value, Benjamini-Hochberg over the splits, above which nothing is said (0.01).
    max_blind_psi: index that would go unseen with so few rows, above which there is no verdict (1.0).
    min_clusters: entities on a side, below which there is no verdict for splits cut along them (10).

Calibration
    `python bench/drift.py` prints the tables. Both splits drawn alike, twelve columns of many shapes (no mean, counts,
    mostly zero, coarse, rare categories, holes) and a label, 200 data sets per row, 75 + 25 to 75,000 + 25,000 rows cut
    at random, to 7,500 + 2,500 along time and by entity: no alarm. Found of 20 data sets, at 1,001 + 100 and at 7,500 +
    2,500 rows: positives from 20 to 30 % (an index of 0.05) never, from 20 to 40 % in 25 and 100 %.

Limits
    Classes that one split lacks wholly are told by labels/unseen-labels. A split published without labels is not
    compared. Splits cut in time are judged by stretches of time, as in drift/feature-drift.

Source
    As drift/feature-drift; M. Saerens et al., Adjusting the outputs of a classifier to new a priori probabilities,
    Neural Computation 14 (2002), for what to do.
"""

from collections.abc import Iterator

from doctor.evidence.roles import Roles
from doctor.evidence.shifts import ColumnShift, Contrast, Shifts, follows_from_labels
from doctor.evidence.significance import false_discovery
from doctor.model import Advise, AnyRepair, Check, Finding, Location, Resplit, Safety, Severity, Undecided

CHECK = Check(
    "drift/label-drift",
    Severity.WARNING,
    {
        "classes": "{column}: {level} is {before_share:.1%} of {earlier} and {after_share:.1%} of {later}; "
        "stability index {psi:.2f} (at least {psi_lower:.2f})",
        "quantity": "{column}: median {before_median:.4g} in {earlier}, {after_median:.4g} in {later}; "
        "stability index {psi:.2f} (at least {psi_lower:.2f})",
    },
    spreads_to=("drift/domain-shift",),
)


def examine(
    shifts: Shifts,
    roles: Roles,
    *,
    min_psi: float = 0.1,
    max_q: float = 0.01,
    max_blind_psi: float = 1.0,
    min_clusters: int = 10,
) -> Iterator[Finding | Undecided]:
    """Judge the target of every contrast."""
    if roles.target is None:
        yield CHECK.not_applicable("no target is known; name it with --target COLUMN")
        return
    judged: list[tuple[Contrast, ColumnShift]] = []
    for contrast in shifts.contrasts:
        if contrast.target is None:
            yield CHECK.not_applicable(f"{contrast.later} has no {roles.target}")
        elif why := contrast.undecided(min_psi=min_psi, max_blind_psi=max_blind_psi, min_clusters=min_clusters):
            yield CHECK.unavailable(why)
        else:
            judged.append((contrast, contrast.target))
    q_values = false_discovery([shift.divergence.p for _, shift in judged])
    for (contrast, shift), q in zip(judged, q_values, strict=True):
        if shift.divergence.psi_lower >= min_psi and q <= max_q and not shift.clock:
            following = [one.column for one in contrast.columns if follows_from_labels(contrast, one, min_psi)]
            yield _finding(contrast, shift, q, following)


def _finding(contrast: Contrast, shift: ColumnShift, q: float, following: list[str]) -> Finding:
    place = shift.most_changed
    quantity = contrast.quantity
    medians = shift.medians or (None, None)
    return CHECK.finding(
        "quantity" if quantity and shift.middle_moved else "classes",
        at=Location(split=contrast.later, columns=(shift.column,)),
        repair=_repair(contrast, shift.column, quantity),
        confidence=1 - q,
        earlier=contrast.earlier,
        later=contrast.later,
        level=shift.bins[place],
        before_share=shift.before[place],
        after_share=shift.after[place],
        before_median=medians[0],
        after_median=medians[1],
        psi=shift.divergence.psi,
        psi_lower=shift.divergence.psi_lower,
        kl=shift.divergence.kl,
        js=shift.divergence.js,
        bins=dict(zip(shift.bins, zip(shift.before, shift.after, strict=True), strict=True)),
        following=following,
        p=shift.divergence.p,
        q=q,
        design_effect=shift.effect,
        cut_in_time=contrast.cut_in_time,
        rows_judged=contrast.drawn,
    )


def _repair(contrast: Contrast, target: str, quantity: bool) -> AnyRepair:
    if contrast.cut_in_time is not None:
        return Advise(
            safety=Safety.MANUAL, summary=f"correct predictions for the shares that {target} has in {contrast.later}"
        )
    if quantity or contrast.cut_by_entity is not None:
        return Resplit(
            by="random",
            column=contrast.cut_by_entity,
            pattern=contrast.entity_pattern,
            safety=Safety.UNSAFE,
            summary="draw the splits anew at random, if both stand for one population",
        )
    return Resplit(by="stratified", column=target, safety=Safety.UNSAFE, summary=f"split stratified by {target}")
