"""Arranges copies of images by their families: what stays of each, in each split, and what stands in two splits."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from msgspec import Struct

from doctor.evidence.image_facts import ImageFacts
from doctor.evidence.picture_match import MIN_DETAIL, Match
from doctor.subjects.images import Images

Array = np.ndarray[Any, Any]

CUT = 0.98
"""Share of the height or width that remains, below which a copy is told to be cut, or that both show."""


class Copy(Struct, frozen=True, kw_only=True):
    """An image that shows what another shows.

    Attributes
    ----------
    index : int
        Of the copy, in `Images.files`.
    original : int
        Of the image that it was compared with.
    how : str
        What was done to either of them: "same bytes", "encoded anew", "resized", "cut", "shifted", "mirrored",
        "turned", "marked".
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


def families_of(groups: Sequence[Sequence[int]], matches: Mapping[int, tuple[int, Match]]) -> list[list[int]]:
    """Join the groups of the same bytes whose pictures are copies, the one that stays first."""
    families: dict[int, list[int]] = {}
    for group in sorted(groups, key=lambda group: group[0] in matches):
        middle = group[0]
        while middle in matches:
            middle = matches[middle][0]
        families.setdefault(middle, []).extend(group)
    return list(families.values())


class Telling:
    """Says how two images of a family differ."""

    def __init__(
        self, facts: ImageFacts, matches: Mapping[int, tuple[int, Match]], groups: Iterable[Sequence[int]]
    ) -> None:
        self._facts = facts
        self._matches = matches
        self._first = {index: group[0] for group in groups for index in group}

    def same(self, one: int, other: int) -> bool:
        """Whether two images hold the same bytes."""
        return self._first[one] == self._first[other]

    def copy(self, index: int, original: int) -> Copy:
        """Say how an image differs from another of its family."""
        if self.same(index, original):
            return Copy(index=index, original=original, how="same bytes")
        # At least one of them was compared with the picture that stays, and the other either is it or was so too.
        found = self._matches.get(self._first[index]) or self._matches[self._first[original]]
        return Copy(
            index=index, original=original, how=self._how(index, original, found[1]), fit=round(found[1].fit, 4)
        )

    def _how(self, index: int, original: int, found: Match) -> str:
        if found.way:
            return "mirrored" if found.way in (1, 3) else "turned"
        (top, bottom), (left, right) = found.window
        if min(bottom - top, right - left) < CUT:
            return "cut"
        if max(abs(top), abs(left), abs(1 - bottom), abs(1 - right)) > 1 - CUT:
            return "shifted"
        if found.detail < MIN_DETAIL:
            return "marked"
        sizes = {(int(self._facts.width[n]), int(self._facts.height[n])) for n in (index, original)}
        return "resized" if len(sizes) > 1 else "encoded anew"


def within_splits(
    images: Images, families: Sequence[Sequence[int]], rank: Array, how: Telling, *, same: bool
) -> Iterator[Repeated]:
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
        stars = sorted(found[split], key=lambda copies: (-len(copies), images.files[copies[0].original].name))
        yield Repeated(split=split, images=count, copies=tuple(copy for star in stars for copy in star))


def across_splits(
    images: Images, families: Sequence[Sequence[int]], rank: Array, how: Telling
) -> Iterator[ImageCrossing]:
    """List the images of each split that an earlier one has too."""
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
