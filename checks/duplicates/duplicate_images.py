"""Images that occur more than once within a split, byte for byte.

What it finds
    Images whose files hold the same bytes as another's, under whatever name and suffix, counted beyond the one that
    stays. That is the one whose suffix tells its format, and the first by name among such.

Why it matters
    A copy counts as often as it occurs: it weighs on the loss, and a later random split puts it on both sides, where it
    makes the score too good. Copies under several labels teach the model to be wrong.

What to do
    Drop all but one of each. `doctor fix` does so in a copy, or lists the files. If copies have different labels, find
    out which is right first.

Thresholds
    min_share: share of copies among the images of the split, from which it is a warning (0.01).

Calibration
    Content is compared by a hash of 128 bits, so that equal means equal: there is nothing to calibrate. None is told in
    the 200 digits of scikit-learn, in ten scenes of imagededup or in the photographs that scikit-image brings.

Limits
    The same picture in other bytes is duplicates/near-duplicate-images. Copies across splits are
    leakage/split-duplicates. Files that cannot be decoded are images/unreadable, however often they occur.

Source
    Our own.
"""

from collections.abc import Iterator

from doctor.evidence.image_copies import ImageCopies
from doctor.evidence.image_facts import ImageFacts
from doctor.model import Check, DropFiles, Finding, Safety, Severity

CHECK = Check(
    "duplicates/duplicate-images",
    Severity.WARNING,
    "{copies:,} of {images:,} images ({share:.1%}) hold the same bytes as another, such as {first} of {original}"
    "{conflicts}",
)


def examine(copies: ImageCopies, facts: ImageFacts, *, min_share: float = 0.01) -> Iterator[Finding]:
    """Judge the copies within each split."""
    for repeated in copies.same:
        if not repeated.copies:
            continue
        indices = [copy.index for copy in repeated.copies]
        yield CHECK.finding(
            severity=Severity.WARNING if repeated.share >= min_share else Severity.INFO,
            at=facts.place(indices),
            repair=DropFiles(
                files=copies.names(indices),
                instead=copies.names(repeated.originals),
                safety=Safety.UNSAFE if copies.other_labels(repeated) else Safety.SAFE,
                summary="leave out all copies but the one that stays of each",
            ),
            copies=len(indices),
            images=repeated.images,
            originals=len(repeated.originals),
            **copies.judged(repeated),
        ).showing(thumbnails=copies.thumbnails(repeated.copies))
