"""Photographs that are almost black or washed out.

What it finds
    Under-exposed: all but a hundredth of the picture is darker than a quarter of the range. Over-exposed: all but a
    hundredth is brighter than three quarters. In both, hardly anything stands out from it.

Why it matters
    Little of what the label names can be seen, and what is left is mostly noise. Where one class or one split has more
    of them, brightness stands for the class; see leakage/shortcut and drift/image-shift.

What to do
    Look at the thumbnails. Leave such images out, or train with changes of brightness if they occur in use.

Thresholds
    max_highest: tone, from 0 to 1, below which 99 % of a dark picture lie (0.25).
    min_lowest: tone above which 99 % of a bright picture lie (0.75).
    max_extent: range of tones of the picture without its extreme thousandths, above which something stands out, such
        as stars, lamps or lines on paper (0.5).
    max_share: of such images, above which the collection is dark or bright as a whole, which is a remark (0.5).

Calibration
    No photograph of scikit-image, scikit-learn and imagededup is accused; the 99th percentile of the darkest, an eye,
    is .46. Of 15 photographs made darker by a factor of 5, 8 and 12 or moved into the upper fifth of the range, stored
    as JPEG of quality 60 and 95, 119 of 120 are found (bench/scan_images.py --planted); the last is blank.

Limits
    A night scene with bright lamps is not called under-exposed, nor is a bright one with a black object over-exposed.

Source
    CleanVision's light and dark checks, which rest on single percentiles; the range is ours, for drawings and skies.
"""

from collections.abc import Iterator

import numpy as np

from doctor.evidence.image_facts import ImageFacts
from doctor.model import Check, Finding, ReviewFiles, Safety, Severity

CHECK = Check(
    "images/over-under-exposed",
    Severity.WARNING,
    {
        "dark": "under-exposed images, almost black: {images:,} of {total:,} ({first})",
        "bright": "over-exposed images, almost white: {images:,} of {total:,} ({first})",
    },
)


def examine(
    facts: ImageFacts,
    *,
    max_highest: float = 0.25,
    min_lowest: float = 0.75,
    max_extent: float = 0.5,
    max_share: float = 0.5,
) -> Iterator[Finding]:
    """Judge dark images, then bright ones; blank images are told elsewhere."""
    judged = facts.readable & ~facts.blank & (facts.extent <= max_extent)
    for kind, extreme, order in (
        ("dark", facts.highest < max_highest, facts.highest),
        ("bright", facts.lowest > min_lowest, -facts.lowest),
    ):
        found = np.flatnonzero(judged & extreme)
        if not len(found):
            continue
        found = found[np.argsort(order[found], kind="stable")]
        share = len(found) / int(facts.readable.sum())
        yield CHECK.finding(
            kind,
            severity=Severity.INFO if share > max_share else Severity.WARNING,
            at=facts.place(found),
            images=len(found),
            total=len(facts.files),
            share=share,
            first=facts.first(found),
            brightness=float(np.median(facts.brightness[found])),
            usual=float(np.median(facts.brightness[facts.readable])),
            files=facts.names(found),
            repair=ReviewFiles(
                files=tuple(facts.names(found)), safety=Safety.MANUAL, summary="look at them, and leave them out"
            ),
        ).showing(thumbnails=facts.thumbnails(found))
