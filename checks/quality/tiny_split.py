"""Splits with too few rows to measure anything on.

What it finds
    A validation or test split, of rows or of images, so small that the score on it says little, and a training split
    smaller than the split it is tested on.

Why it matters
    On 30 rows an accuracy of 90 % is anything from 74 % to 97 %: whether a change of the model helped cannot be seen,
    and the best of several models is the luckiest. A training split that is smaller than the test split is usually one
    that was swapped or cut off.

What to do
    Draw a larger split, or use cross-validation, which tests on every row. State the interval with the score.

Thresholds
    min_rows: rows of a validation or test split below which it is a warning (30).
    remark_rows: rows below which it is mentioned with the width of the interval (50).
    max_ratio: rows of another split per row of train, above which they may have been exchanged (1.5).

Calibration
    Wilson's 95 % interval at a score of 90 % is 0.23 wide at 30 rows and 0.17 at 50.

Limits
    For scores of a rare class its rows count, not all; see labels/class-imbalance.

Source
    Wilson, Probable inference, the law of succession, and statistical inference, 1927.
"""

import math
from collections.abc import Iterator

from doctor.evidence.split_sizes import SplitSizes
from doctor.model import Advise, Check, Finding, Location, Safety, Severity

CHECK = Check(
    "quality/tiny-split",
    Severity.WARNING,
    {
        "tiny": "{split}: {rows:,} {unit}; an accuracy of 90 % measured on them lies between {low:.0%} and {high:.0%}",
        "swapped": "train has {rows:,} {unit}, fewer than {larger} ({larger_rows:,})",
    },
)
SCORE, Z = 0.9, 1.96


def examine(
    sizes: SplitSizes, *, min_rows: int = 30, remark_rows: int = 50, max_ratio: float = 1.5
) -> Iterator[Finding]:
    """Judge the number of rows of each split."""
    for split, rows in sizes.rows.items():
        if split == "train" or rows >= remark_rows:
            continue
        low, high = _wilson(rows)
        yield CHECK.finding(
            "tiny",
            at=Location(split=split),
            severity=Severity.WARNING if rows < min_rows else Severity.INFO,
            rows=rows,
            unit=sizes.unit,
            low=low,
            high=high,
            repair=Advise(safety=Safety.MANUAL, summary="draw a larger split, or use cross-validation"),
        )
    larger = max(sizes.rows, key=lambda split: sizes.rows[split])
    if larger != "train" and max_ratio * sizes.rows.get("train", math.inf) < sizes.rows[larger]:
        yield CHECK.finding(
            "swapped",
            at=Location(split="train"),
            rows=sizes.rows["train"],
            unit=sizes.unit,
            larger=larger,
            larger_rows=sizes.rows[larger],
            repair=Advise(safety=Safety.MANUAL, summary=f"look whether train and {larger} were exchanged"),
        )


def _wilson(rows: int) -> tuple[float, float]:
    spread = Z * math.sqrt(SCORE * (1 - SCORE) / rows + Z**2 / (4 * rows**2))
    middle, scale = SCORE + Z**2 / (2 * rows), 1 + Z**2 / rows
    return (middle - spread) / scale, (middle + spread) / scale
