"""Rows that nearly equal another row of their split.

What it finds
    Rows whose numbers all lie within a small tolerance of those of another row, and whose text is the same apart from
    case, punctuation and white space, but which are not equal. Columns that only name rows or entities are left out.

Why it matters
    A record that was entered twice, or measured once and rounded twice, counts twice. It is overlooked by whoever drops
    equal rows, and a later random split puts it on both sides, where it makes the score too good.

What to do
    Look at the pairs. Where they are one record, keep one of each (`doctor fix --unsafe` keeps the first); where they
    are two measurements of one thing, keep both on the same side of every split.

Thresholds
    min_share: share of rows with a near copy that no coincidence explains, from which it is a warning (0.002).
    min_rows: near copies below which nothing is said (2).

Calibration
    Near copies count where they stand apart: more pairs within the tolerance (1 % of a column's robust standard
    deviation) than pairs up to four times as far apart would let expect, and a content that has more bits than the
    logarithm of the number of pairs, plus 10. `python bench/calibrate_quality.py` prints: of 600 healthy tables (200
    each of 50, 300 and 3,000 rows) none was accused; 3 % of the rows entered twice with one number a little changed
    were found in all of 40 tables.

Limits
    Rows that differ strongly in one column are not near copies. Up to 1,000,000 rows are searched, of these 20,000
    drawn ones of each split are looked up, and at most 100,000 pairs compared.

Source
    Monge and Elkan, The field matching problem, 1996; the bounds are our own.
"""

from collections.abc import Iterator

from doctor.evidence.near_twins import NearTwins, Twins
from doctor.model import Advise, Check, DropRows, Finding, Location, Safety, Severity

CHECK = Check(
    "duplicates/near-duplicate-rows",
    Severity.WARNING,
    "{extra_rows:,} of {probed_rows:,} rows ({share:.1%}) nearly equal an earlier row: numbers within {tolerance:.0%} "
    "of the spread, text but for case and punctuation",
)


def examine(twins: NearTwins, *, min_share: float = 0.002, min_rows: int = 2) -> Iterator[Finding]:
    """Judge the near copies within each split."""
    for found in twins.splits:
        apart = found.near_pairs >= max(1, found.ring_pairs)
        if not apart or found.extra_rows < min_rows or found.share * found.surprising_share < min_share:
            continue
        split = None if found.split == "all" else found.split
        yield CHECK.finding(
            at=Location(split=split, rows=tuple(row for row, _ in found.examples), file=found.file),
            extra_rows=found.extra_rows,
            probed_rows=found.probed_rows,
            share=found.share,
            tolerance=twins.tolerance,
            stars=found.stars,
            near_pairs=found.near_pairs,
            ring_pairs=found.ring_pairs,
            surprising_share=found.surprising_share,
            median_bits=found.median_bits,
            bound_bits=found.bound_bits,
            all_compared=found.all_compared,
            examples=[{"row": row, "stays": stays} for row, stays in found.examples],
            repair=_repair(found, split),
        )


def _repair(found: Twins, split: str | None) -> DropRows | Advise:
    where = f" in {split}" if split else ""
    whole = len(found.numbers) == found.extra_rows and found.probed_rows == found.rows and found.all_compared
    if not whole:
        return Advise(safety=Safety.MANUAL, summary=f"look at the pairs, then keep one of each{where}")
    summary = f"drop the near copies, keep the first of each{where}"
    return DropRows(split=split, rows=found.numbers, safety=Safety.UNSAFE, summary=summary)
