"""Images of one collection that are stored in different ways, which loaders turn into different things.

What it finds
    Grey images among coloured ones and the reverse, palettes, transparency, CMYK, deep grey values (16 bits and
    floats), files of several frames, and images that are stored turned with a note in EXIF that says so.

Why it matters
    A batch of arrays with 1, 3 and 4 channels does not stack. Pillow's `convert("RGB")` makes them alike but not right:
    of 16 bits it keeps white alone, of an animation the first frame, of transparency what was hidden. Many loaders
    ignore EXIF, so turned images lie on their side. Where one class has more of a kind, the kind gives it away.

What to do
    Convert all images once, before training, to one mode, upright (`ImageOps.exif_transpose`), deep values scaled.

Thresholds
    max_share: of images that differ from the usual kind, above which the mixture is only remarked, as meant (0.5).

Calibration
    Kinds are counted, not estimated. imagededup's photographs, of which one in ten is stored turned, give one
    remark on that; scikit-learn's digits, all grey, give none.

Limits
    Which of the kinds the trainer can take is not known here. Colour profiles are not looked at.

Source
    Pillow's documentation of modes; EXIF 2.3, tag 274.
"""

from collections.abc import Iterator

import numpy as np

from doctor.evidence.image_facts import ImageFacts
from doctor.model import Advise, Check, Finding, Safety, Severity

CHECK = Check(
    "images/colour-mode-mix",
    Severity.INFO,
    {
        "deep": "images of more than 8 bits per channel: {images:,} of {total:,} ({first})",
        "cmyk": "images stored in colours for print (CMYK): {images:,} of {total:,} ({first})",
        "frames": "images of several frames, of which a loader shows the first: {images:,} of {total:,} ({first})",
        "turned": "images stored turned, which EXIF says and many loaders ignore: {images:,} of {total:,} ({first})",
        "alpha": "images with a channel for transparency: {images:,} of {total:,} ({first})",
        "palette": "images stored as numbers of a palette: {images:,} of {total:,} ({first})",
        "grey": "grey images among coloured ones: {images:,} of {total:,} ({first})",
        "coloured": "coloured images among grey ones: {images:,} of {total:,} ({first})",
    },
)
HARMFUL = ("deep", "cmyk", "frames")
"""Kinds of which loaders make something wrong, not only something else."""
DEEP = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
REMEDY = {
    "deep": "scale the values to 8 bits before the images are converted",
    "cmyk": "convert the images to RGB by their colour profile",
    "frames": "decide which frames are meant, and store them as images of their own",
    "turned": "turn the images upright (ImageOps.exif_transpose) when they are loaded",
}


def examine(facts: ImageFacts, *, max_share: float = 0.5) -> Iterator[Finding]:
    """Count each kind; one that all images are of is the usual one."""
    total = int(facts.readable.sum())
    modes = facts.mode
    grey = facts.grey & ~facts.blank  # black is no other colour for being stored so
    coloured = ~facts.grey & ~facts.blank
    few = (grey & facts.readable).sum() <= total / 2
    kinds = {
        "deep": np.isin(modes, DEEP),
        "cmyk": modes == "CMYK",
        "frames": facts.frames > 1,
        "turned": facts.orientation > 1,
        "alpha": np.isin(modes, ("RGBA", "LA", "PA")),
        "palette": modes == "P",
        "grey" if few else "coloured": grey if few else coloured,
    }
    for kind, seen in kinds.items():
        found = np.flatnonzero(facts.readable & seen)
        if not len(found) or (len(found) == total and kind != "turned"):
            continue
        share = len(found) / total
        yield CHECK.finding(
            kind,
            severity=Severity.WARNING if kind in HARMFUL and share <= max_share else Severity.INFO,
            at=facts.place(found),
            images=len(found),
            total=len(facts.files),
            share=share,
            first=facts.first(found),
            modes={str(mode): int((modes[found] == mode).sum()) for mode in sorted(set(modes[found]))},
            files=facts.names(found),
            repair=Advise(safety=Safety.MANUAL, summary=REMEDY.get(kind, "convert all images to one mode")),
        ).showing(thumbnails=facts.thumbnails(found))
