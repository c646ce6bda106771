"""Images that are out of focus even at the size at which models are trained.

What it finds
    Images that lose little when they are blurred once more: the picture, reduced to 256 pixels, already was without
    edges. An image that is soft at full size, but sharp at that, is not told.

Why it matters
    What distinguishes classes is often fine, and a blurred image does not show it, while the label claims it does.
    Blur that goes with one class, one camera or one split is learnt in place of the class.

What to do
    Look at the thumbnails; leave out what a person cannot tell either, or train with blur if it occurs in use.

Thresholds
    min_sharpness: share of the variation between neighbouring pixels that a box of 11 pixels must take away, in
        the part of a grid of 4 × 4 where it takes most (0.5).
    min_extent: range of tones below which there is too little to see for a verdict (0.15).
    max_share: of such images, above which the collection is soft as a whole, which is a remark (0.5).

Calibration
    38 photographs and drawings of scikit-image and imagededup lie between .71 and .94, made-up soft scenes from .58;
    one more, a drawn gradient, at .29 is the only one accused. Of 15 photographs, five of them of grass, gravel, bricks
    and stars, blurred with a Gaussian of 2, 3 and 5 pixels at 256 and stored as JPEG of quality 95, 4, 9 and 11 are
    found; at quality 60, whose noise looks sharp, 2, 8 and 11 (bench/scan_images.py --planted).

Limits
    A picture of smooth things, such as fog or a drawn gradient, looks blurred. Motion blur along one direction is seen,
    a sharp subject before a blurred ground is sharp. Images below 64 pixels are not judged.

Source
    Crété, Dolmière, Ladret and Nicolas, The blur effect, 2007.
"""

from collections.abc import Iterator

import numpy as np

from doctor.evidence.image_facts import ImageFacts
from doctor.model import Check, Finding, ReviewFiles, Safety, Severity, Undecided

CHECK = Check(
    "images/blurry",
    Severity.WARNING,
    "blurred images: {images:,} of {total:,} ({first})",
)


def examine(
    facts: ImageFacts, *, min_sharpness: float = 0.5, min_extent: float = 0.15, max_share: float = 0.5
) -> Iterator[Finding | Undecided]:
    """Judge images with enough pixels and tones, the softest first."""
    judged = facts.readable & ~np.isnan(facts.sharpness)
    if not judged.any():
        yield CHECK.not_applicable("no image is large enough for a blur to be seen")
        return
    found = np.flatnonzero(judged & (facts.sharpness < min_sharpness) & (facts.extent >= min_extent))
    if not len(found):
        return
    found = found[np.argsort(facts.sharpness[found], kind="stable")]
    share = len(found) / int(judged.sum())
    yield CHECK.finding(
        severity=Severity.INFO if share > max_share else Severity.WARNING,
        at=facts.place(found),
        images=len(found),
        total=len(facts.files),
        share=share,
        first=facts.first(found),
        sharpness=float(np.median(facts.sharpness[found])),
        usual=float(np.median(facts.sharpness[judged])),
        files=facts.names(found),
        repair=ReviewFiles(
            files=tuple(facts.names(found)), safety=Safety.MANUAL, summary="look at them, and leave them out"
        ),
    ).showing(thumbnails=facts.thumbnails(found, (f"sharpness {facts.sharpness[i]:.2f}" for i in found)))
