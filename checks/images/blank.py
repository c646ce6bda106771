"""Images that show nothing but one colour.

What it finds
    Images all of whose pixels, but for a thousandth at either end, lie within a few tones of each other: all black,
    all white, or any other single colour, with or without the noise of a camera.

Why it matters
    Such an image carries a label but nothing to learn it from. A model that must call a black square a landscape
    learns that darkness is a landscape. Behind it is often a lens cap, a failed download or a broken export.

What to do
    Look at the thumbnails and leave the images out; find out where they come from if they are many.

Thresholds
    max_share: of a collection that shows nothing, above which it is only remarked, since black frames may be meant,
        as in volumes of slices (0.5).
    min_side: pixels of the shorter side, below which an image has no room to show anything; images/low-resolution
        tells of these (8).

Calibration
    No photograph of scikit-image, scikit-learn or imagededup is accused. One colour with noise of up to 3 of 256 tones,
    stored as JPEG of quality 60 and 95, is found in all of 120 planted images (bench/scan_images.py --planted). Of 50
    icons and charts that Python packages ship, two are found: white PNGs that show what they show by transparency,
    which is dropped when they are converted to RGB.

Limits
    An image with one small thing on an even ground is not blank.

Source
    Measured; the range of tones is that of the picture at 256 pixels, and where that is narrow, in full size.
"""

from collections.abc import Iterator

import numpy as np

from doctor.evidence.image_facts import ImageFacts
from doctor.model import Check, DropFiles, Finding, Safety, Severity

CHECK = Check(
    "images/blank",
    Severity.WARNING,
    "images that show nothing but one colour: {images:,} of {total:,} ({first}){black}",
)
BLACK = 0.06


def examine(facts: ImageFacts, *, max_share: float = 0.5, min_side: int = 8) -> Iterator[Finding]:
    """Report blank images, the darkest first."""
    blank = np.flatnonzero(facts.blank & (facts.shorter >= min_side))
    if not len(blank):
        return
    blank = blank[np.argsort(facts.brightness[blank], kind="stable")]
    black = int((facts.brightness[blank] <= BLACK).sum())
    share = len(blank) / int(facts.readable.sum())
    yield CHECK.finding(
        severity=Severity.INFO if share > max_share else Severity.WARNING,
        at=facts.place(blank),
        images=len(blank),
        total=len(facts.files),
        share=share,
        first=facts.first(blank),
        black="" if not black else "; all are black" if black == len(blank) else f"; {black:,} are black",
        files=facts.names(blank),
        repair=DropFiles(
            files=tuple(facts.names(blank)), safety=Safety.UNSAFE, summary="leave the images out that show nothing"
        ),
    ).showing(thumbnails=facts.thumbnails(blank))
