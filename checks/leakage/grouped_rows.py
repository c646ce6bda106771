"""Rows that come in groups, in a table that is not yet divided.

What it finds
    A table without splits in which several rows belong to one patient, user or other entity, and an entity tells the
    label: the key by which the table must be divided. The key is declared with --group, or discovered as
    leakage/group-overlap does.

Why it matters
    Divided at random, the rows of one entity fall on both sides. A model recognises the entity and repeats its label;
    the score then holds for known entities only.

What to do
    Divide by the key, with `GroupKFold` or the like, so that all rows of an entity fall into one part.

Thresholds
    min_rows_per_entity: mean rows of one entity, from which rows are said to come in groups (1.05).
    min_gain: how much more alike the labels of one entity are than chance, for a discovered key, 0 to 1 (0.05).
    max_p: p-value of that gain under permutation, for a discovered key (0.001).

Calibration
    The evidence is that of leakage/group-overlap: a discovered key must be informative about the label against labels
    permuted 200 times. Nothing is said of scikit-learn's bundled data, which have no such key.

Limits
    As of leakage/group-overlap: entities that no column names are not found, nor keys put together from several
    columns.

Source
    Saeb et al., The need to approximate the use-case in clinical machine learning, 2017.
"""

from collections.abc import Iterator

from doctor.evidence.groups import p_value
from doctor.evidence.undivided import Entities, EntityRows
from doctor.model import Advise, Check, Finding, Location, Safety, Severity, Undecided

CHECK = Check(
    "leakage/grouped-rows",
    Severity.INFO,
    {
        "declared": "{column}: {rows:,} rows belong to {entities:,} groups: divide by it, not row by row",
        "discovered": "{column}: {rows:,} rows belong to {entities:,} entities, and an entity tells the label: divide "
        "by it, not row by row; taken for a key by {because}",
    },
)


def examine(
    entities: Entities, *, min_rows_per_entity: float = 1.05, min_gain: float = 0.05, max_p: float = 0.001
) -> Iterator[Finding | Undecided]:
    """Name each key by which the rows hang together."""
    if not entities.keys:
        yield CHECK.not_applicable("no column names an entity; --group COLUMN declares one")
    for found in entities.keys:
        told = found.informative
        if told is None and not found.key.declared:
            yield CHECK.unavailable(f"{found.key.column}: no labels by which to tell whether the entity matters")
        elif found.rows >= min_rows_per_entity * found.entities > 0 and (
            found.key.declared or (told is not None and told.gain >= min_gain and p_value(told.z) <= max_p)
        ):
            yield _finding(found)


def _finding(found: EntityRows) -> Finding:
    key, told = found.key, found.informative
    by = f"{key.column}, by {key.because}" if key.pattern else key.column
    return CHECK.finding(
        "declared" if key.declared else "discovered",
        at=Location(columns=(key.column,)),
        repair=Advise(safety=Safety.MANUAL, summary=f"divide by {by}, so that no group is on both sides"),
        entities=found.entities,
        rows=found.rows,
        because=key.because,
        pattern=key.pattern,
        gain=told.gain if told else None,
        z=told.z if told else None,
    )
