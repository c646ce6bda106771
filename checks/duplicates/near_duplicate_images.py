"""Images that show the same picture as another of their split, in other bytes.

What it finds
    Copies that were encoded anew, resized, cut at the edges by up to a tenth or shifted by as much, mirrored, turned by
    quarters, lightened, darkened, blurred, or that something was written over. They are found by perceptual hashes and
    then compared by their pixels, so that pictures that merely resemble each other are not told. Each copy is named
    with the picture that stays, the largest of those with most copies.

Why it matters
    One picture that occurs 87 times under other watermarks counts 87 times: the model learns that picture, and perhaps
    its marks, and a random split puts copies on both sides, where they make the score too good.

What to do
    Look at the pairs side by side, then drop all but the one that stays; `doctor fix` does so in a copy, or lists the
    files. Where copies were made on purpose, as by augmentation, split the originals first and make copies afterwards.

Thresholds
    min_share: share of copies among the images of the split, from which it is a warning (0.01).
    max_tiny_share: share of images too small to be compared, above which there is no verdict (0.5).

Calibration
    A copy must agree with the picture that stays in 0.95 of its detail (correlation between blurs of 1 and 4 pixels
    at 128 × 128, after the one was laid upon the other and blurred alike), or, under a watermark, in 0.92 of at least
    seven tenths of its blocks, and in colour. Different pictures reach 0.21.
    `python bench/near_images.py --photos FOLDER` prints, with the photographs of scikit-learn, the folder `data` of
    scikit-image and 40 made-up scenes: of 3,618 copies (encoded anew, resized, cut, marked, mirrored, turned,
    lightened, blurred, noisy, at three strengths each) 0.962 are found, 28 of 3,667 with another picture; the least of
    copies under opaque marks over two lines (0.72) and of cuts by a tenth (0.89), where the picture that stays is
    itself changed. Of 134 different pictures none is told; of 40 pairs of one scene from two places none where near
    things moved by 0.04 of the width, and 37 where they moved by 0.02. Handwritten digits of 8, 28 and 64 pixels: none.

Limits
    Pictures of fewer than 32 pixels are not compared: different handwritten digits agree as well as copies do. Nor are
    flat ones. Where most pairs that are near are no copies, as with forms or slices of one body, only what agrees in
    0.998 counts. Frames of a film and photographs taken in a burst are copies of each other where hardly a thing
    moves. Turns by other angles than quarters are not found, nor are copies that were turned and cut as well. Beyond
    200,000 images copies that were cut are not searched for, and hashes must be nearer; the evidence says so.

Source
    Zauner, Implementation and benchmarking of perceptual image hash functions, 2010, for the hash; Norouzi, Punjani and
    Fleet, Fast search in Hamming space with multi-index hashing, 2012; Lucas and Kanade, An iterative image
    registration technique, 1981. The comparison of detail is our own.
"""

from collections.abc import Iterator

from doctor.evidence.image_copies import ImageCopies
from doctor.evidence.image_facts import ImageFacts
from doctor.evidence.image_families import Repeated
from doctor.model import Check, DropFiles, Finding, Safety, Severity, Undecided, facts_of

CHECK = Check(
    "duplicates/near-duplicate-images",
    Severity.WARNING,
    "{copies:,} of {images:,} images ({share:.1%}) show the same picture as another ({how}), such as {first} of "
    "{original}{conflicts}",
)


def examine(
    copies: ImageCopies, facts: ImageFacts, *, min_share: float = 0.01, max_tiny_share: float = 0.5
) -> Iterator[Finding | Undecided]:
    """Judge the copies within each split, and say where there can be no verdict."""
    for repeated in copies.near:
        if repeated.copies:
            yield _finding(repeated, copies, facts, min_share)
    different = copies.searched + copies.tiny + copies.flat
    if copies.tiny > max_tiny_share * different:
        yield CHECK.unavailable(
            f"{copies.tiny:,} of {different:,} images have a side of fewer than {copies.min_side} pixels: at that size "
            "different pictures look like copies"
        )
    elif copies.strict:
        yield CHECK.unavailable(
            f"{copies.lookalikes:,} pairs of different pictures agree in much of their detail: among such only copies "
            "that agree in nearly everything can be told"
        )
    elif not copies.all_compared:
        yield CHECK.unavailable(f"more pairs of images resemble each other than the {copies.compared:,} compared")


def _finding(repeated: Repeated, copies: ImageCopies, facts: ImageFacts, min_share: float) -> Finding:
    indices = [copy.index for copy in repeated.copies]
    return CHECK.finding(
        severity=Severity.WARNING if repeated.share >= min_share else Severity.INFO,
        at=facts.place(indices),
        repair=DropFiles(
            files=copies.names(indices),
            instead=copies.names(repeated.originals),
            safety=Safety.UNSAFE,
            summary="leave out all copies but the one that stays of each",
        ),
        copies=len(indices),
        images=repeated.images,
        originals=len(repeated.originals),
        **copies.kinds(repeated.copies),
        **copies.judged(repeated),
        **facts_of(copies, "bits", "cuts_searched", "compared", "all_compared"),
    ).showing(thumbnails=copies.thumbnails(repeated.copies))
