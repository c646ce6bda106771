"""Images that cannot be decoded, or are not what their name says.

What it finds
    Files that are empty, end too early, hold damaged data or no image at all (a web page, a pointer of Git LFS, zero
    bytes), cannot be opened, or claim more pixels than Pillow decodes; and images whose name has the suffix of another
    format. Every file is decoded to its end, with the reason told for each.

Why it matters
    A loader that meets such a file raises, often hours into an epoch, or skips it in silence, or shows the model the
    grey lower half of a cut photograph. A decoder that is chosen by suffix fails on a JPEG that is called PNG.

What to do
    Fetch the files again, or leave them out. Rename what has the suffix of another format.

Thresholds
    max_listed_reasons: files whose reason is kept in the finding (100).

Calibration
    Of the images that scikit-image, scikit-learn and imagededup ship and Pillow opens (61), none is called unreadable;
    of those that hold a JPEG under another suffix, both are told. Each of ten kinds of damage that the tests plant is
    told as what it is. 3,000 files of 11 formats, damaged at random, were through in 12 s without a crash and without
    a word on standard error.

Limits
    A JPEG whose data is damaged in the middle may still decode, with wrong colours; nobody can tell. Frames behind
    the first are not decoded. HEIF and rare kinds of TIFF, which Pillow does not decode by itself, are a warning.

Source
    Pillow's documentation on MAX_IMAGE_PIXELS and LOAD_TRUNCATED_IMAGES.
"""

from collections.abc import Iterator

from doctor.evidence.image_facts import ImageFacts
from doctor.model import Advise, AnyRepair, Check, DropFiles, Finding, Safety, Severity, Undecided

CHECK = Check(
    "images/unreadable",
    Severity.ERROR,
    {
        "empty": "images of 0 bytes: {images:,} of {total:,} ({first})",
        "truncated": "images that end too early: {images:,} of {total:,} ({first})",
        "damaged": "damaged images: {images:,} of {total:,} ({first}: {reason})",
        "not an image": "files that hold no image: {images:,} of {total:,} ({first}: {reason})",
        "foreign": "images that not all libraries decode: {images:,} of {total:,} ({first}: {reason})",
        "unopenable": "images that cannot be opened: {images:,} of {total:,} ({first}: {reason})",
        "bomb": "images larger than Pillow opens: {images:,} of {total:,} ({first}: {reason})",
        "suffix": "images named for another format than they have: {images:,} of {total:,} ({first}: {reason})",
    },
)
FORMATS = {
    ".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG", ".jfif": "JPEG", ".png": "PNG", ".gif": "GIF", ".bmp": "BMP",
    ".dib": "BMP", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF", ".jp2": "JPEG2000", ".ppm": "PPM", ".pgm": "PPM",
    ".pbm": "PPM", ".pnm": "PPM", ".ico": "ICO", ".avif": "AVIF", ".tga": "TGA",
}  # fmt: skip
ALIKE = {"MPO": "JPEG", "DIB": "BMP"}
MILD = ("suffix", "bomb", "foreign")
"""What some loaders read."""
POINTER = "a pointer of Git LFS"


def examine(facts: ImageFacts, *, max_listed_reasons: int = 100) -> Iterator[Finding | Undecided]:
    """Report what is unreadable by the kind of its fault, then what is named for another format."""
    reasons = dict(facts.reasons)
    kinds: dict[str, list[int]] = {}
    for index, kind in facts.faults.items():
        kinds.setdefault(kind, []).append(index)
    for index, (file, found) in enumerate(zip(facts.files, facts.format, strict=True)):
        named = FORMATS.get(file.name[file.name.rfind(".") :].lower())
        if facts.readable[index] and named and named != ALIKE.get(found, found):
            kinds.setdefault("suffix", []).append(index)
            reasons[index] = f"{found}, named as {named}"
    if left := kinds.pop("too large", []):
        yield CHECK.unavailable(f"{len(left):,} files are too large to be looked at, such as {facts.first(left[:1])}")
    for kind, indices in kinds.items():
        yield CHECK.finding(
            kind,
            severity=Severity.WARNING if kind in MILD else Severity.ERROR,
            at=facts.place(indices),
            images=len(indices),
            total=len(facts.files),
            share=len(indices) / len(facts.files),
            first=facts.first(indices),
            reason=reasons[indices[0]],
            files=facts.names(indices),
            reasons={facts.files[index].name: reasons[index] for index in indices[:max_listed_reasons]},
            repair=_repair(kind, facts.names(indices), reasons[indices[0]]),
        )


def _repair(kind: str, files: list[str], reason: str) -> AnyRepair:
    if kind == "suffix":
        return Advise(safety=Safety.MANUAL, summary="give the files the suffix of the format that they have")
    if kind == "foreign":
        return Advise(safety=Safety.MANUAL, summary="check that your loader reads these, or store them as PNG")
    if kind == "bomb":
        return Advise(
            safety=Safety.MANUAL, summary="leave the files out, or raise Image.MAX_IMAGE_PIXELS if they can be trusted"
        )
    if reason.startswith(POINTER):
        return Advise(safety=Safety.MANUAL, summary="fetch the images: git lfs pull")
    return DropFiles(files=tuple(files), safety=Safety.SAFE, summary="leave the files out that no loader can decode")
