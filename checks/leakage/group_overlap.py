"""Entities that stand in more than one split.

What it finds
    Rows of the test or validation split whose patient, user, session or other entity is also in an earlier split. The
    key is declared with --group, or discovered: a repeated id, told by its name or the form of its values, or what an
    unique id carries in front (309_1, 309_2 …; a folder).

Why it matters
    A model can recognise the entity and repeat its label. The score then holds for known entities only, while in use
    the entities are new.

What to do
    Split by the key, so that all rows of an entity fall into one split. If the model will only ever see known
    entities, say so and suppress the finding.

Thresholds
    min_share: share of the later split's rows that belong to shared entities, for a discovered key (0.01).
    min_gain: how much more alike the labels of one entity are than chance, for a discovered key, 0 to 1 (0.05).
    max_p: p-value of that gain under permutation, for a discovered key (0.001).
    min_sure: share and gain from which a discovered key is an error instead of a warning (0.5).

Calibration
    A declared key needs no statistics: any overlap is an error. A discovered one must be informative about the label,
    against labels permuted 200 times on whole entities, so that ids that tell nothing stay silent at any size.
    `python bench/calibrate_rows.py` prints: no alarm in 300 data sets with nothing wrong; patients of five rows in both
    splits, an error in all of 16 where the patient fixes the label, a warning in all of 16 at a gain of 0.3, and at a
    gain of 0.1 in 62 % of 8 with 500 rows and in all of 8 with 5,000.

Limits
    Ordinary categories (city, product, age) are not entities and are never reported, whatever they tell. Entities
    that no column names are not found, nor are keys put together from several columns.

Source
    Saeb et al., The need to approximate the use-case in clinical machine learning, 2017.
"""

from collections.abc import Iterator
from typing import Any

from doctor.evidence.groups import Groups, KeyOverlap, Overlap, p_value
from doctor.model import Check, Finding, Location, Resplit, Safety, Severity, Undecided

CHECK = Check(
    "leakage/group-overlap",
    Severity.ERROR,
    {
        "declared": "{column}: {keys:,} of {later_keys:,} groups of {later} are also in {earlier} ({rows:,} rows, "
        "{share:.1%})",
        "discovered": "{column}: {keys:,} of {later_keys:,} entities of {later} are also in {earlier} ({rows:,} rows, "
        "{share:.1%}), and an entity tells the label; taken for a key by {because}",
    },
    spreads_to=("leakage/split-duplicates",),
)


def examine(
    groups: Groups, *, min_share: float = 0.01, min_gain: float = 0.05, max_p: float = 0.001, min_sure: float = 0.5
) -> Iterator[Finding | Undecided]:
    """Judge each key on each pair of splits."""
    if not groups.keys:
        yield CHECK.not_applicable("no column names an entity; --group COLUMN declares one")
    for found in groups.keys:
        for overlap in found.overlaps:
            if not overlap.keys:
                continue
            if found.key.declared:
                yield _finding("declared", Severity.ERROR, found, overlap)
            elif overlap.share < min_share:
                continue
            elif found.informative is None:
                yield CHECK.unavailable(f"{found.key.column}: no labels by which to tell whether the entity matters")
            elif found.informative.gain >= min_gain and p_value(found.informative.z) <= max_p:
                sure = min(overlap.share, found.informative.gain) >= min_sure
                yield _finding("discovered", Severity.ERROR if sure else Severity.WARNING, found, overlap)


def _finding(kind: str, severity: Severity, found: KeyOverlap, overlap: Overlap) -> Finding:
    key, told = found.key, found.informative
    facts: dict[str, Any] = {} if told is None else {"gain": told.gain, "z": told.z, "rows_judged": told.rows}
    repair = Resplit(
        by="group",
        column=key.column,
        pattern=key.pattern,
        safety=Safety.UNSAFE,
        summary=f"split by {key.column}" + (f", by {key.because}" if key.pattern else ""),
    )
    return CHECK.finding(
        kind,
        at=Location(split=overlap.later, columns=(key.column,)),
        severity=severity,
        repair=repair,
        earlier=overlap.earlier,
        later=overlap.later,
        keys=overlap.keys,
        later_keys=overlap.later_keys,
        rows=overlap.rows,
        later_rows=overlap.later_rows,
        share=overlap.share,
        because=key.because,
        pattern=key.pattern,
        examples=found.examples,
        **facts,
    )
