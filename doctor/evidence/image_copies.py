"""Which images of a collection are copies of others: the same bytes, or the same picture in another shape."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from msgspec import Struct

from doctor.evidence.image_candidates import FARTHEST, Candidates, alike, candidates, reach_for
from doctor.evidence.image_facts import ImageFacts
from doctor.evidence.image_stars import Stars, gathered
from doctor.evidence.near_hashes import TooManyPairs
from doctor.evidence.picture_match import SURE, Match
from doctor.subjects.images import ImageFile, Images
from doctor.subjects.workers import Workers

Array = np.ndarray[Any, Any]

MIN_SIDE = 24
"""Pixels of the shorter side below which different pictures, such as handwritten digits, look like copies."""
MIN_SPREAD = 4.0
"""Levels by which luminance must vary: the hashes of flat pictures are those of their noise."""
SURE_AMONG_ALIKE = 0.99
"""Detail in which copies agree where different pictures of the collection are much alike."""
SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "JPEG2000": (".jp2",),
}
NO_COPIES = Candidates(*(np.empty(0, np.int64) for _ in Candidates._fields))


class Copy(Struct, frozen=True, kw_only=True):
    """An image that shows what another shows.

    Attributes
    ----------
    index : int
        Of the copy, in `Images.files`.
    original : int
        Of the image that it was compared with.
    how : str
        What was done to either of them: "same bytes", "encoded anew", "resized", "cut", "mirrored", "turned", "marked".
    fit : float
        How well their pixels agree, from 0 to 1.
    """

    index: int
    original: int
    how: str
    fit: float = 1.0


class Repeated(Struct, frozen=True, kw_only=True):
    """Copies within a split, beyond the image that stays of each.

    Attributes
    ----------
    images : int
        Of the split.
    copies : tuple of Copy
        Those of one original follow each other, the originals with most copies first.
    """

    split: str
    images: int
    copies: tuple[Copy, ...]

    @property
    def share(self) -> float:
        """Copies per image."""
        return len(self.copies) / self.images if self.images else 0.0

    @property
    def originals(self) -> tuple[int, ...]:
        """The images that stay, those with most copies first."""
        return tuple(dict.fromkeys(copy.original for copy in self.copies))


class ImageCrossing(Struct, frozen=True, kw_only=True):
    """Images of `later` of which `earlier` has a copy.

    Attributes
    ----------
    copies : tuple of Copy
        One for each, its original lies in the earlier split; the same bytes come first.
    sources : tuple of int
        All images of the earlier split that are copies of one of the later.
    """

    earlier: str
    later: str
    earlier_images: int
    later_images: int
    copies: tuple[Copy, ...]
    sources: tuple[int, ...]

    @property
    def share(self) -> float:
        """Images with a copy per image of the later split."""
        return len(self.copies) / self.later_images if self.later_images else 0.0


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
        many = sum(len(copies) for copies in stars.copies.values())
        strict = stars.lookalikes > many
        matches = _matches(stars, searched, strict)
        families = _families(groups, matches)
        how = _Telling(facts, matches, groups)
        return cls(
            files=images.files,
            same=tuple(_within(images, [sorted(group, key=rank.__getitem__) for group in groups], rank, how, same=True)),
            near=tuple(_within(images, families, rank, how, same=False)),
            crossings=tuple(_across(images, families, rank, how)),
            families=tuple(tuple(family) for family in families if len(family) > 1),
            searched=len(searched),
            tiny=int(tiny.sum()),
            flat=int(flat.sum()),
            bits=reach.whole,
            cuts_searched=reach.cut is not None,
            compared=stars.compared,
            lookalikes=stars.lookalikes,
            all_compared=stars.all_compared,
            strict=strict,
        )


def _ranks(images: Images, facts: ImageFacts) -> Array:
    """Rank images by what is best to keep: more pixels, an honest suffix, more bytes, an earlier name."""
    splits = {split: place for place, split in enumerate(images.splits)}
    order = sorted(
        range(len(images.files)),
        key=lambda n: (
            -int(facts.width[n]) * int(facts.height[n]),
            not _honest(images.files[n].name, str(facts.format[n])),
            -int(facts.bytes[n]),
            splits.get(images.files[n].split, 0),
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
        first.lookalikes + second.lookalikes,
        first.all_compared and second.all_compared and whole,
    )
    for middle, copies in second.copies.items():
        stars.copies.setdefault(int(rest[middle]), {}).update({int(rest[n]): one for n, one in copies.items()})
    return stars


def _matches(stars: Stars, searched: Array, strict: bool) -> dict[int, tuple[int, Match]]:
    """Return the original of each near copy and how it fits, by indices of images."""
    return {
        int(searched[copy]): (int(searched[middle]), one)
        for middle, copies in stars.copies.items()
        for copy, one in copies.items()
        if not strict or one.detail >= SURE_AMONG_ALIKE
    }


def _families(groups: Sequence[Sequence[int]], matches: Mapping[int, tuple[int, Match]]) -> list[list[int]]:
    """Join the groups of the same bytes whose pictures are copies, the one that stays first."""
    families: dict[int, list[int]] = {}
    for group in sorted(groups, key=lambda group: group[0] in matches):
        middle = group[0]
        while middle in matches:
            middle = matches[middle][0]
        families.setdefault(middle, []).extend(group)
    return list(families.values())


class _Telling:
    """Says how two images of a family differ."""

    def __init__(
        self, facts: ImageFacts, matches: Mapping[int, tuple[int, Match]], groups: Iterable[Sequence[int]]
    ) -> None:
        self._facts = facts
        self._matches = matches
        self._first = {index: group[0] for group in groups for index in group}

    def same(self, one: int, other: int) -> bool:
        return self._first[one] == self._first[other]

    def copy(self, index: int, original: int) -> Copy:
        if self.same(index, original):
            return Copy(index=index, original=original, how="same bytes")
        # At least one of them was compared with the picture that stays, and the other either is it or was so too.
        found = self._matches.get(self._first[index]) or self._matches[self._first[original]]
        return Copy(index=index, original=original, how=self._how(index, original, found[1]), fit=round(found[1].fit, 4))

    def _how(self, index: int, original: int, found: Match) -> str:
        if found.way:
            return "mirrored" if found.way in (1, 3) else "turned"
        (top, bottom), (left, right) = found.window
        if min(bottom - top, right - left) < 0.98:
            return "cut"
        if found.detail < 0.95:
            return "marked"
        sizes = {(int(self._facts.width[n]), int(self._facts.height[n])) for n in (index, original)}
        return "resized" if len(sizes) > 1 else "encoded anew"


def _within(
    images: Images, families: Sequence[Sequence[int]], rank: Array, how: _Telling, *, same: bool
) -> Iterable[Repeated]:
    """List the copies in each split beyond the one that stays there; of the same bytes, or of others."""
    found: defaultdict[str, list[list[Copy]]] = defaultdict(list)
    for family in families:
        by_split: defaultdict[str, list[int]] = defaultdict(list)
        for index in family:
            by_split[images.files[index].split].append(index)
        for split, members in by_split.items():
            kept, *others = sorted(members, key=lambda index: int(rank[index]))
            told: list[Copy] = []
            seen = [kept]
            for index in others:
                known = any(how.same(index, one) for one in seen)
                seen.append(index)
                if known == same:
                    told.append(how.copy(index, kept))
            if told:
                found[split].append(told)
    for split, count in images.splits.items():
        told = sorted(found[split], key=lambda copies: (-len(copies), images.files[copies[0].original].name))
        yield Repeated(split=split, images=count, copies=tuple(copy for copies in told for copy in copies))


def _across(
    images: Images, families: Sequence[Sequence[int]], rank: Array, how: _Telling
) -> Iterable[ImageCrossing]:
    for earlier, later in combinations([split for split, count in images.splits.items() if count], 2):
        copies: list[Copy] = []
        sources: list[int] = []
        for family in families:
            before = sorted((n for n in family if images.files[n].split == earlier), key=lambda n: int(rank[n]))
            after = [n for n in family if images.files[n].split == later]
            if not before or not after:
                continue
            sources += before
            for index in after:
                copies.append(how.copy(index, next((n for n in before if how.same(n, index)), before[0])))
        copies.sort(key=lambda copy: (copy.how != "same bytes", images.files[copy.index].name))
        yield ImageCrossing(
            earlier=earlier,
            later=later,
            earlier_images=images.splits[earlier],
            later_images=images.splits[later],
            copies=tuple(copies),
            sources=tuple(sorted(sources, key=lambda n: images.files[n].name)),
        )
