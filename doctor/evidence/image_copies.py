"""Which images of a collection are copies of others: the same bytes, or the same picture in another shape."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from doctor.evidence.image_candidates import FARTHEST, Candidates, alike, candidates, reach_for
from doctor.evidence.image_facts import MAX_NAMES, ImageFacts
from doctor.evidence.image_families import (
    Copy,
    ImageCrossing,
    Repeated,
    Telling,
    across_splits,
    families_of,
    within_splits,
)
from doctor.evidence.image_stars import Stars, gathered
from doctor.evidence.near_hashes import TooManyPairs
from doctor.evidence.picture_match import SURE, Match
from doctor.evidence.thumbnails import thumbnail_of
from doctor.model import Thumbnail
from doctor.subjects.images import ImageFile, Images
from doctor.subjects.workers import Workers

Array = np.ndarray[Any, Any]

MIN_LOOKALIKES = 10
MAX_FAMILY_SHARE = 1 / 3
"""Of all pictures that may be copies of one, but for what agrees in nearly everything."""
SURE_AMONG_ALIKE = 0.998
"""Detail in which copies agree where different pictures are much alike."""
MIN_SIDE = 32
"""Pixels of the shorter side below which different pictures, such as handwritten digits, look like copies."""
MIN_SPREAD = 4.0
"""Levels by which luminance must vary: the hashes of flat pictures are those of their noise."""
SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "JPEG2000": (".jp2",),
}
MAX_EXAMPLES = 20
MAX_SHOWN = 4
NO_COPIES = Candidates(*(np.empty(0, np.int64) for _ in Candidates._fields))


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageCopies:
    """Copies within each split and across splits.

    Attributes
    ----------
    files : tuple of ImageFile
    same, near : tuple of Repeated
        By split: the same bytes, and other bytes of the same picture.
    crossings : tuple of ImageCrossing
        One per pair of splits, the earlier in train, validation, test first.
    families : tuple of tuple of int
        Images that show the same, whatever their split, the one that stays first.
    searched, tiny, flat : int
        Different images that were searched for near copies, and those that were left out because they are too small or
        have nothing in them.
    bits : int
        By which hashes may differ so that pictures are compared.
    cuts_searched : bool
        Whether copies that were cut at the edges were searched for.
    compared, lookalikes : int
        Pairs whose pixels were compared; those that are no copies and yet much alike.
    all_compared : bool
        False where there were too many pairs to compare them all.
    strict : bool
        Whether lookalikes outnumber copies, so that only what agrees in nearly everything counts.
    """

    COST: ClassVar[int] = 20

    files: tuple[ImageFile, ...]
    same: tuple[Repeated, ...]
    near: tuple[Repeated, ...]
    crossings: tuple[ImageCrossing, ...]
    families: tuple[tuple[int, ...], ...]
    searched: int
    tiny: int
    flat: int
    bits: int
    cuts_searched: bool
    compared: int
    lookalikes: int
    all_compared: bool
    strict: bool

    @classmethod
    def measure(cls, images: Images, facts: ImageFacts, workers: Workers) -> "ImageCopies":
        """Group by content, search by hashes, compare by pixels."""
        rank = _ranks(images, facts)
        groups = _same_bytes(facts, rank)
        firsts = np.array([group[0] for group in groups], dtype=np.int64)
        tiny = np.minimum(facts.width[firsts], facts.height[firsts]) < MIN_SIDE
        flat = ~tiny & (facts.small[firsts].std(axis=(1, 2)) < MIN_SPREAD)
        searched = firsts[~tiny & ~flat]
        reach = reach_for(len(searched))
        stars = _stars(images, facts, searched, rank, workers)
        on_one_form = _on_one_form(stars, len(searched))
        lookalikes = stars.lookalikes + on_one_form
        strict = lookalikes > max(stars.many - on_one_form, MIN_LOOKALIKES)
        matches = _matches(stars, searched, strict)
        families = families_of(groups, matches)
        how = Telling(facts, matches, groups)
        return cls(
            files=images.files,
            same=tuple(within_splits(images, groups, rank, how, same=True)),
            near=tuple(within_splits(images, families, rank, how, same=False)),
            crossings=tuple(across_splits(images, families, rank, how)),
            families=tuple(tuple(family) for family in families if len(family) > 1),
            searched=len(searched),
            tiny=int(tiny.sum()),
            flat=int(flat.sum()),
            bits=reach.whole,
            cuts_searched=reach.cut is not None,
            compared=stars.compared,
            lookalikes=lookalikes,
            all_compared=stars.all_compared,
            strict=strict,
        )

    @property
    def min_side(self) -> int:
        """Pixels of the shorter side from which images are compared."""
        return MIN_SIDE

    def names(self, indices: Iterable[int]) -> tuple[str, ...]:
        """Return the names of all these images."""
        return tuple(self.files[index].name for index in indices)

    def judged(self, found: Repeated | ImageCrossing) -> dict[str, Any]:
        """Return what a finding says of copies."""
        first, other_label = found.copies[0], self.other_labels(found)
        return {
            "share": found.share,
            "first": self.files[first.index].name,
            "original": self.files[first.original].name,
            "other_label": other_label,
            "conflicts": f"; {other_label:,} under another label" if other_label else "",
            "files": list(self.names(copy.index for copy in found.copies[:MAX_NAMES])),
            "examples": self.examples(found.copies),
        }

    def other_labels(self, repeated: Repeated | ImageCrossing) -> int:
        """Count the copies that have another label than what they are copies of."""
        pairs = ((self.files[copy.index].label, self.files[copy.original].label) for copy in repeated.copies)
        return sum(None not in pair and pair[0] != pair[1] for pair in pairs)

    def kinds(self, copies: Iterable[Copy]) -> dict[str, Any]:
        """Return what a finding says of what was done to copies, the commonest first: `kinds`, and `how` in words."""
        kinds = dict(Counter(copy.how for copy in copies).most_common())
        return {"kinds": kinds, "how": ", ".join(f"{count:,} {kind}" for kind, count in kinds.items())}

    def examples(self, copies: Sequence[Copy]) -> list[dict[str, Any]]:
        """Describe the first copies."""
        return [
            {
                "file": self.files[copy.index].name,
                "original": self.files[copy.original].name,
                "how": copy.how,
                "fit": copy.fit,
            }
            for copy in copies[:MAX_EXAMPLES]
        ]

    def thumbnails(self, copies: Sequence[Copy]) -> list[Thumbnail]:
        """Show the first originals with a copy of each beside them."""
        one_each = list({copy.original: copy for copy in reversed(copies)}.values())[::-1][:MAX_SHOWN]
        shown = [
            thumbnail_of(self.files[index], caption=caption, group=group)
            for group, copy in enumerate(one_each)
            for index, caption in ((copy.original, ""), (copy.index, copy.how))
        ]
        return [one for one in shown if one is not None]


def _ranks(images: Images, facts: ImageFacts) -> Array:
    """Rank images by what is best to keep: more pixels, an honest suffix, more bytes, a shorter name."""
    splits = {split: place for place, split in enumerate(images.splits)}
    order = sorted(
        range(len(images.files)),
        key=lambda n: (
            -int(facts.width[n]) * int(facts.height[n]),
            not _honest(images.files[n].name, str(facts.format[n])),
            -int(facts.bytes[n]),
            splits.get(images.files[n].split, 0),
            len(images.files[n].name),
            images.files[n].name,
        ),
    )
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank


def _honest(name: str, kind: str) -> bool:
    return Path(name).suffix.lower() in SUFFIXES.get(kind, (f".{kind.lower()}",))


def _same_bytes(facts: ImageFacts, rank: Array) -> list[list[int]]:
    """Group readable images by their bytes, the one to keep first."""
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for index in np.flatnonzero(facts.readable).tolist():
        groups[str(facts.content[index])].append(index)
    return [sorted(group, key=lambda index: int(rank[index])) for group in groups.values()]


def _stars(images: Images, facts: ImageFacts, searched: Array, rank: Array, workers: Workers) -> Stars:
    """Search in two rounds: what looks the same is gathered first, so that crowds of copies are compared once."""
    splits = np.array([file.split for file in images.files], dtype=object)

    def search(chosen: Array, found: Candidates) -> Stars:
        across = splits[chosen[found.one]] != splits[chosen[found.other]]
        crossing = np.zeros(len(chosen), dtype=bool)
        crossing[found.one[across]] = crossing[found.other[across]] = True
        return gathered(found, [images.files[index] for index in chosen], rank[chosen], crossing, workers)

    def listed(chosen: Array) -> tuple[Candidates, bool]:
        reach = reach_for(len(chosen))
        for tried in dict.fromkeys((reach, reach._replace(cut=None), FARTHEST)):
            try:
                return candidates(facts.hashes[chosen], facts.small[chosen], tried), tried == reach
            except TooManyPairs:
                continue
        return NO_COPIES, False

    try:
        first = search(searched, alike(facts.hashes[searched]))
    except TooManyPairs:
        first = Stars({}, np.arange(len(searched)), all_compared=False)
    certain = {n for copies in first.copies.values() for n, one in copies.items() if one.detail >= SURE}
    rest = np.array([n for n in range(len(searched)) if n not in certain], dtype=np.int64)
    found, whole = listed(searched[rest])
    second = search(searched[rest], found)
    stars = Stars(
        {middle: {n: one for n, one in copies.items() if n in certain} for middle, copies in first.copies.items()},
        np.arange(len(searched)),
        first.compared + second.compared,
        [*first.alike, *((int(rest[one]), int(rest[other])) for one, other in second.alike)],
        first.all_compared and second.all_compared and whole,
    )
    for middle, copies in second.copies.items():
        stars.copies.setdefault(int(rest[middle]), {}).update({int(rest[n]): one for n, one in copies.items()})
    stars.copies = {middle: copies for middle, copies in stars.copies.items() if copies}
    for middle, copies in stars.copies.items():
        stars.centre[list(copies)] = middle
    return stars


def _on_one_form(stars: Stars, searched: int) -> int:
    """Count what would be copies of one picture, where they are so many that it is rather a form filled in."""
    near = (sum(one.detail < SURE_AMONG_ALIKE for one in copies.values()) for copies in stars.copies.values())
    return sum(count for count in near if count > max(MIN_LOOKALIKES, MAX_FAMILY_SHARE * searched))


def _matches(stars: Stars, searched: Array, strict: bool) -> dict[int, tuple[int, Match]]:
    """Return the original of each near copy and how it fits, by indices of images."""
    return {
        int(searched[copy]): (int(searched[middle]), one)
        for middle, copies in stars.copies.items()
        for copy, one in copies.items()
        if not strict or one.detail >= SURE_AMONG_ALIKE
    }
