"""Images that are far longer than wide, or wider than high, in a collection of others.

What it finds
    Images whose longer side is more than three times the shorter, where the usual image of the collection is not.

Why it matters
    Trainers make images square: by squeezing, after which such an image shows nothing as it is, or by cropping, after
    which a third of it or less is left, often without what the label names. They are mostly banners, strips cut
    from pages, and failed crops.

What to do
    Look at the thumbnails; leave the images out, or cut them into pieces before training.

Thresholds
    max_ratio: of the longer side to the shorter (3.0).
    min_distance: how many times further from square than the median image it must be (2.0).
    max_share: of such images, above which the shape seems meant and is only remarked (0.25).

Calibration
    No image of imagededup, scikit-learn and scikit-image is accused: the longest among them is 2.6 times as wide as
    high. Panoramas and banners of 3.2:1 to 20:1 among photographs are found without exception, since it is arithmetic.

Limits
    Collections of lines of text or of panoramas are told by their median; a mixture of both shapes is remarked.

Source
    CleanVision judges the same at about 2.9; the comparison with the median is ours.
"""

from collections.abc import Iterator

import numpy as np

from doctor.evidence.image_facts import ImageFacts
from doctor.model import Check, Finding, ReviewFiles, Safety, Severity

CHECK = Check(
    "images/odd-aspect-ratio",
    Severity.WARNING,
    "images more than {ratio:g} times as long one way as the other: {images:,} of {total:,} ({first})",
)


def examine(
    facts: ImageFacts, *, max_ratio: float = 3.0, min_distance: float = 2.0, max_share: float = 0.25
) -> Iterator[Finding]:
    """Hold the shape of each image against a square and against the usual shape."""
    read = np.flatnonzero(facts.readable)
    if not len(read):
        return
    shape = np.log(facts.width[read] / facts.height[read])
    odd = (np.abs(shape) > np.log(max_ratio)) & (np.abs(shape - np.median(shape)) > np.log(min_distance))
    found = read[odd][np.argsort(-np.abs(shape[odd]), kind="stable")]
    if not len(found):
        return
    share = len(found) / len(read)
    yield CHECK.finding(
        severity=Severity.INFO if share > max_share else Severity.WARNING,
        at=facts.place(found),
        images=len(found),
        total=len(facts.files),
        share=share,
        ratio=max_ratio,
        first=facts.first(found),
        files=facts.names(found),
        repair=ReviewFiles(
            files=tuple(facts.names(found)), safety=Safety.MANUAL, summary="look at them, leave them out or cut them"
        ),
    ).showing(thumbnails=facts.thumbnails(found, (f"{facts.width[i]}×{facts.height[i]}" for i in found)))
