"""Images that were enlarged and hold less than their size says.

What it finds
    Images that were made larger by interpolation (repeated pixels, bilinear, bicubic, Lanczos), with the size that they
    had before: 3840 × 2160 pixels, really about 300 × 200. Enlarging mirrors the spectrum of a line about its old end
    with the signs turned round; a sweep over all lengths finds that end, and a second witness must agree: a cliff in
    the spectrum there, unevenness that returns with every old pixel, or a mirror image that is as strong as it should
    be. Both axes must say so.

Why it matters
    A filter by resolution lets such images pass, and a model that is to learn detail learns what an interpolation made
    up. Where one class or one split has more of them, blur gives it away.

What to do
    Fetch the originals, or count these images at their true size when a resolution is asked for. Shrinking them to it
    loses nothing.

Thresholds
    min_factor: enlargement along both axes from which an image is told (1.8).
    min_share: share of such images among those looked at, below which it is a remark (0.01).

Calibration
    `python bench/true_size.py FOLDER` prints the tables, here of 33 photographs of scikit-image, scikit-learn,
    matplotlib and imagededup, made smaller and enlarged again at seven factors from 2 to 8 by four methods: 98 % are
    told with their size, 94 % or more at each factor by each method. After JPEG at quality 95 82 to 100 %, at 85 64 to
    91 % of those enlarged twice and 76 % or more of the others; repeated pixels at a factor of 2.5 are mostly missed
    after any JPEG. Of 16,830 pictures that were never enlarged (as they are, made smaller, blurred, coded at quality 20
    to 95 before or after) none was accused. moon.png of scikit-image, of which each pixel stands twice, is found.

Limits
    Images are decoded whole in rounds of 128, those with the fewest bytes for their pixels and their quality first,
    where enlarged ones stand; a round in which none is found is the last, and so is the eighth. What was cut out of an
    enlarged image, turned by a few degrees or drawn by a network is not told, nor what was sharpened until its spectrum
    was filled. After JPEG at a quality below 85, images enlarged to twice their size are mostly missed: the seams of
    its blocks look alike.

Source
    A. C. Gallagher, Detection of linear and cubic interpolation in JPEG compressed images, CRV 2005; M. Kirchner, Fast
    and reliable resampling detection by spectral analysis of fixed linear predictor residue, ACM MM&Sec 2008.
"""

from collections.abc import Iterator

import numpy as np

from doctor.evidence.image_facts import ImageFacts
from doctor.evidence.true_sizes import TrueSizes
from doctor.model import Check, Finding, ReviewFiles, Safety, Severity

CHECK = Check(
    "images/upscaled",
    Severity.WARNING,
    "enlarged images: {images:,} of {looked:,} looked at; {name} has {width}×{height} pixels, really about "
    "{true_width}×{true_height}",
)


def examine(
    sizes: TrueSizes, facts: ImageFacts, *, min_factor: float = 1.8, min_share: float = 0.01
) -> Iterator[Finding]:
    """Name images that hold less than their size says, the most enlarged first."""
    factors = np.minimum(facts.width[sizes.indices] / sizes.width, facts.height[sizes.indices] / sizes.height)
    kept = np.flatnonzero(factors >= min_factor)
    if not len(kept):
        return
    found = sizes.indices[kept]
    shown = [f"{width}×{height}" for width, height in zip(sizes.width[kept], sizes.height[kept], strict=True)]
    first = int(found[0])
    yield CHECK.finding(
        at=facts.place(found),
        severity=Severity.WARNING if len(kept) >= min_share * sizes.looked else Severity.INFO,
        repair=ReviewFiles(
            files=tuple(facts.names(found)),
            safety=Safety.MANUAL,
            summary="fetch the originals, or count these images at their true size",
        ),
        images=len(kept),
        looked=sizes.looked,
        eligible=sizes.eligible,
        share=len(kept) / sizes.looked,
        name=facts.files[first].name,
        width=int(facts.width[first]),
        height=int(facts.height[first]),
        true_width=int(sizes.width[kept[0]]),
        true_height=int(sizes.height[kept[0]]),
        true_sizes=dict(zip(facts.names(found), shown, strict=False)),
        files=facts.names(found),
    ).showing(thumbnails=facts.thumbnails(found, (f"really about {size}" for size in shown)))
