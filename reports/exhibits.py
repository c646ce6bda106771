"""What findings show beside their numbers: thumbnails of images, side by side, and pieces of text with marks."""

import base64
import binascii
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import msgspec

from doctor.model import Cluster, Excerpt, Finding, Report, Thumbnail

MAX_JPEG_CHARACTERS = 80_000
"""Of one thumbnail; those that the doctor makes have about ten thousand."""
MAX_REVIEWED = 400
"""Pictures of one review: twice what the doctor makes, so that a page stays one that opens."""
_JPEG = b"\xff\xd8\xff"


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A piece of a text without a change of line."""

    text: str
    marked: bool
    last: bool


@dataclass(frozen=True, kw_only=True)
class Group:
    """Thumbnails that belong side by side; `together` where they are several that are to be compared."""

    thumbnails: Sequence[Thumbnail]
    together: bool


def has_thumbnails(report: Report) -> bool:
    """Whether any finding shows a picture."""
    return any(finding.thumbnails or finding.review for finding in report.findings)


def galleries(finding: Finding) -> list[Group]:
    """Return the thumbnails that can be shown, those of one number together; what is no JPEG is left out.

    Those that are alone come last, in one row.
    """
    sound = sorted(filter(is_jpeg, finding.thumbnails), key=lambda one: one.group)
    groups = [list(group) for _, group in groupby(sound, key=lambda one: one.group)]
    told = [Group(thumbnails=group, together=len(groups) > 1) for group in groups if len(group) > 1]
    alone = [one for group in groups if len(group) == 1 for one in group]
    return [*told, *([Group(thumbnails=alone, together=False)] if alone else [])]


def reviewed(finding: Finding) -> list[Cluster]:
    """Return the clusters of a review with the pictures that can be shown, at most `MAX_REVIEWED` in all."""
    left = MAX_REVIEWED
    shown = []
    for cluster in finding.review:
        sound = [one for one in cluster.thumbnails if is_jpeg(one)][:left]
        left -= len(sound)
        shown += [msgspec.structs.replace(cluster, thumbnails=sound)] if sound else []
    return shown


def is_jpeg(thumbnail: Thumbnail) -> bool:
    """Whether a thumbnail holds nothing but a JPEG in base64, as reports of strangers need not."""
    if not thumbnail.jpeg or len(thumbnail.jpeg) > MAX_JPEG_CHARACTERS:
        return False
    try:
        return base64.b64decode(thumbnail.jpeg, validate=True).startswith(_JPEG)
    except (binascii.Error, ValueError):
        return False


def pieces(excerpt: Excerpt) -> list[Piece]:
    """Divide a text at its marks and its lines."""
    return [
        Piece(text=line, marked=marked, last=number == len(lines) - 1)
        for part, marked in parts(excerpt)
        for lines in [part.split("\n")]
        for number, line in enumerate(lines)
    ]


def parts(excerpt: Excerpt) -> Iterator[tuple[str, bool]]:
    """Yield the parts of a text, and whether each is marked; marks that overlap are one, those outside it none."""
    at = 0
    for begin, end in sorted(excerpt.spans):
        begin, end = max(at, begin), min(len(excerpt.text), end)
        if begin < end:
            yield excerpt.text[at:begin], False
            yield excerpt.text[begin:end], True
            at = end
    yield excerpt.text[at:], False


def marked(excerpt: Excerpt, before: str = "«", after: str = "»") -> str:
    """Return a text in one line, with signs around its marks."""
    return " ".join("".join(f"{before}{part}{after}" if mark else part for part, mark in parts(excerpt)).split())
