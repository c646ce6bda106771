"""Categories in the test split that training never saw.

What it finds
    Text columns in which rows of a later split have values that no row of the first one has, in more rows than chance
    explains: in a column of many rare values some always fall on one side only, and how many is reckoned from how often
    each value occurs. What is only spelled otherwise is told by quality/schema-mismatch.

Why it matters
    An encoder fitted on training knows nothing of a new category: it raises an error, or all of them become one and the
    same unknown. The score then measures the encoder's fallback.

What to do
    Decide what the model should do with unknown categories and train it with some; or draw the splits anew if both
    stand for one population.

Thresholds
    min_share: lower bound of the share of the later split's rows, what chance gives taken off (0.01).
    max_q: Benjamini-Hochberg q over all text columns and splits, above which nothing is said (0.01).

Calibration
    `python bench/drift.py` prints the tables. Both splits drawn alike, twelve columns of many shapes (no mean, counts,
    mostly zero, coarse, rare categories, holes) and a label, 200 data sets per row, 75 + 25 to 75,000 + 25,000 rows cut
    at random, to 7,500 + 2,500 along time and by entity: no alarm, although one column has a tail of thousands of
    values. Found of 20 data sets, at 1,001 + 100 and at 7,500 + 2,500 rows: 2 % of a new category in 25 and 100 %, 5 %
    in 95 and 100 %.

Limits
    New values are looked for among up to 10,000 rows of each split and then counted over all rows, so that a category
    of a few rows in a large table goes unseen. Names of rows and entities, times, prose and columns with nearly a value
    per row are not categories. Of numbers, see drift/feature-drift. Splits cut by entity are judged by entities.

Source
    The chance of a cut that puts all rows of a value on one side is hypergeometric; the sum over values is bounded by
    H. Chernoff's method (Ann. Math. Statist. 23, 1952). The bound of the share is E. B. Wilson's (1927).
"""

from collections.abc import Iterator

from doctor.evidence.significance import false_discovery
from doctor.evidence.unseen import Unseen, UnseenCategories
from doctor.model import Advise, AnyRepair, Check, Finding, Location, Resplit, Safety, Severity, Undecided

CHECK = Check(
    "drift/new-categories",
    Severity.WARNING,
    "{column}: {rows:,} of {later_rows:,} rows of {later} ({share:.1%}) have a value that {earlier} never has, such as "
    "{example}",
    leads_to=("drift/domain-shift",),
)


def examine(unseen: UnseenCategories, *, min_share: float = 0.01, max_q: float = 0.01) -> Iterator[Finding | Undecided]:
    """Judge each column of each later split."""
    if not unseen.compared:
        yield CHECK.not_applicable("no text column holds categories that both splits have")
        return
    p_values = [found.p for found in unseen.found] + [1.0] * (unseen.compared - len(unseen.found))
    for found, q in zip(unseen.found, false_discovery(p_values), strict=False):
        if found.lower >= min_share and q <= max_q:
            yield _finding(found, q)


def _finding(found: Unseen, q: float) -> Finding:
    return CHECK.finding(
        at=Location(split=found.later, columns=(found.column,)),
        repair=_repair(found),
        confidence=1 - q,
        example=next(iter(found.levels), ""),
        share=found.share,
        q=q,
        **{name: getattr(found, name) for name in found.__struct_fields__ if name != "column"},
    )


def _repair(found: Unseen) -> AnyRepair:
    if found.cut_in_time is not None:
        return Advise(safety=Safety.MANUAL, summary=f"train with an unknown value of {found.column}")
    return Resplit(
        by="random",
        column=found.cut_by_entity,
        pattern=found.entity_pattern,
        safety=Safety.UNSAFE,
        summary="draw the splits anew at random, if both stand for one population",
    )
