"""What changed between two versions of a data set.

What it finds
    With `doctor scan NEW --against OLD`: columns that went, came or hold another kind of values; rows that went or
    came; values that changed in rows of one key; rows that moved from one split to another; labels that changed in rows
    that both versions have; and features and targets whose distribution differs, by the rule of drift/feature-drift.
    Rows are matched by a column that names them in both versions, else by their content without the label.

Why it matters
    The same code gave another result: a changed data set is the commonest reason, and nobody looks there. A row that
    was tested on and is now trained on makes the new score incomparable with the old one.

What to do
    Read the list and ask of each entry whether it was meant. Have a person look at labels that changed. Evaluate both
    models on one version.

Thresholds
    min_psi: lower 99 % bound of the stability index from which a distribution is reported (0.1).
    max_q: Benjamini-Hochberg q over all columns, above which nothing is said of a distribution (0.01).
    min_removed_share: share of the older rows that went, from which it is a warning instead of a remark (0.05).
    min_changed_share: the same of rows whose value in one column changed (0.05).
    min_flip_share: the same of labels that changed (0.01).

Calibration
    Rows, columns, values and labels are counted exactly. Of distributions `python bench/drift.py` prints the tables.
    They are judged as in drift/feature-drift, whose figures hold.

Limits
    Without a key, a row with one changed value is a row that went and one that came. Rows that occur twice are left out
    where labels and splits are compared. Columns that were renamed are seen as one that went and one that came. The
    older version is read with the roles of the newer one. Distributions are compared on up to 10,000 rows of each.

Source
    As drift/feature-drift.
"""

from collections.abc import Iterator

from doctor.evidence.significance import false_discovery
from doctor.evidence.versions import Flips, Versions
from doctor.model import Advise, Check, Finding, Location, ReviewRows, Safety, Severity, Undecided

CHECK = Check(
    "drift/version-diff",
    Severity.WARNING,
    {
        "rows": "{new_rows:,} rows, {old_rows:,} in {old}: {added_rows:,} came and {removed_rows:,} went",
        "removed": "{column} went since {old}",
        "added": "{column} came since {old}",
        "type": "{column}: {new_kind} now, {old_kind} in {old}",
        "values": "{column}: {rows:,} of {kept_rows:,} rows with the same {key} have another value than in {old}",
        "moved": "{rows:,} rows moved from one split to another since {old}: {moves}",
        "labels": "{column}: {rows:,} of {matched_rows:,} rows ({share:.1%}) have another label than in {old}, most "
        "often {example}",
        "distribution": "{column}: {level} is {before_share:.1%} of {old} and {after_share:.1%} now; stability index "
        "{psi:.2f} (at least {psi_lower:.2f})",
    },
)


def examine(
    versions: Versions,
    *,
    min_psi: float = 0.1,
    max_q: float = 0.01,
    min_removed_share: float = 0.05,
    min_changed_share: float = 0.05,
    min_flip_share: float = 0.01,
) -> Iterator[Finding | Undecided]:
    """Tell what changed, the schema first."""
    yield from _schema(versions)
    yield from _rows(versions, min_removed_share)
    shifts = {shift.column: shift.divergence for shift in versions.contrast.columns}
    for name, rows in versions.changed_values.items():
        grave = rows >= min_changed_share * versions.kept_rows
        yield CHECK.finding(
            "values",
            at=Location(columns=(name,)),
            severity=Severity.WARNING if grave else Severity.INFO,
            rows=rows,
            kept_rows=versions.kept_rows,
            key=versions.key,
            psi=shifts[name].psi if name in shifts else None,
            old=versions.old,
        )
    if versions.flips is not None and versions.flips.rows:
        yield _flips(versions, versions.flips, min_flip_share)
    yield from _distributions(versions, min_psi, max_q)


def _schema(versions: Versions) -> Iterator[Finding]:
    for kind, names, severity in (
        ("removed", versions.removed, Severity.WARNING),
        ("added", versions.added, Severity.INFO),
    ):
        if names:
            yield CHECK.finding(kind, at=Location(columns=names), severity=severity, old=versions.old)
    for name, (before, after) in versions.kinds.items():
        advice = Advise(safety=Safety.MANUAL, summary=f"find out why {name} is {after} now")
        at = Location(columns=(name,))
        yield CHECK.finding("type", at=at, repair=advice, old_kind=before, new_kind=after, old=versions.old)


def _rows(versions: Versions, min_removed_share: float) -> Iterator[Finding]:
    removed, added = versions.old_rows - versions.kept_rows, versions.new_rows - versions.kept_rows
    if removed or added:
        grave = removed >= min_removed_share * versions.old_rows
        yield CHECK.finding(
            "rows",
            severity=Severity.WARNING if grave else Severity.INFO,
            old_rows=versions.old_rows,
            new_rows=versions.new_rows,
            kept_rows=versions.kept_rows,
            removed_rows=removed,
            added_rows=added,
            key=versions.key,
            old=versions.old,
        )
    if versions.moved:
        moves = ", ".join(f"{way} {rows:,}" for way, rows in versions.moved.items())
        into_train = any(way.endswith("→ train") for way in versions.moved)
        yield CHECK.finding(
            "moved",
            severity=Severity.WARNING if into_train else Severity.INFO,
            repair=Advise(safety=Safety.MANUAL, summary="compare models on rows that neither was trained on"),
            rows=sum(versions.moved.values()),
            moves=moves,
            moved=versions.moved,
            old=versions.old,
        )


def _flips(versions: Versions, flips: Flips, min_flip_share: float) -> Finding:
    return CHECK.finding(
        "labels",
        at=Location(columns=(flips.target,)),
        severity=Severity.WARNING if flips.share >= min_flip_share else Severity.INFO,
        repair=ReviewRows(
            rows=flips.row_numbers, numbers=flips.numbers, safety=Safety.MANUAL, summary="look at the changed labels"
        ),
        rows=flips.rows,
        matched_rows=flips.of,
        share=flips.share,
        example=next(iter(flips.pairs)),
        pairs=flips.pairs,
        old=versions.old,
    )


def _distributions(versions: Versions, min_psi: float, max_q: float) -> Iterator[Finding]:
    contrast = versions.contrast
    told = {*versions.changed_values, *([versions.flips.target] if versions.flips and versions.flips.rows else [])}
    shifts = [*contrast.columns, *([contrast.target] if contrast.target else [])]
    for shift, q in zip(shifts, false_discovery([shift.divergence.p for shift in shifts]), strict=True):
        if shift.divergence.psi_lower < min_psi or q > max_q or shift.clock or shift.column in told:
            continue
        place = shift.most_changed
        yield CHECK.finding(
            "distribution",
            at=Location(columns=(shift.column,)),
            confidence=1 - q,
            level=shift.bins[place],
            before_share=shift.before[place],
            after_share=shift.after[place],
            psi=shift.divergence.psi,
            psi_lower=shift.divergence.psi_lower,
            kl=shift.divergence.kl,
            js=shift.divergence.js,
            ks=shift.ks,
            wasserstein=shift.wasserstein,
            missing=shift.missing,
            p=shift.divergence.p,
            q=q,
            rows_judged=contrast.drawn,
            old=versions.old,
        )
