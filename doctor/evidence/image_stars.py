"""Gathers copies around the picture that stays: each copy was compared with that one, never only with another copy."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from doctor.errors import BudgetSpent
from doctor.evidence.image_candidates import WINDOWS, Candidates
from doctor.evidence.picture_match import Match, match
from doctor.evidence.pictures import Picture, picture_of
from doctor.subjects.images import ImageFile
from doctor.subjects.workers import Workers

Array = np.ndarray[Any, Any]

MAX_COMPARED = 200_000
MAX_TRIES = 1_000
"""Pictures compared with one that may stay."""
MAX_HELD = 2_000
"""Decoded pictures that are held, of 72 KiB each."""
DECODED_TOGETHER = 64
ADOPTIONS = 3
"""Families that an image is held against, of which only other copies have a hash near to its own."""
HYPOTHESES = 3
"""Ways in which one picture may show another that are tried."""
MIN_CROWD = 300
CROWD = 4
"""Lookalikes per copy in a crowd."""
LOOKALIKE = 0.7
"""Detail in which different pictures seldom agree, unless all pictures of their kind do."""


@dataclass
class Stars:
    """What came of comparing.

    Attributes
    ----------
    copies : dict of int to dict of int to Match
        By the picture that stays: its copies.
    centre : int[n]
        The picture that stays for each, itself where there is none.
    compared : int
        Pairs whose pixels were compared.
    alike : list of (int, int)
        Those of them that are no copies and yet agree in much of their detail, where neither had a copy when it was
        compared.
    all_compared : bool
        False where some pairs were left for want of time.
    """

    copies: dict[int, dict[int, Match]]
    centre: Array
    compared: int = 0
    alike: list[tuple[int, int]] = field(default_factory=list)
    all_compared: bool = True

    @property
    def many(self) -> int:
        """The copies that were found."""
        return sum(map(len, self.copies.values()))

    @property
    def lookalikes(self) -> int:
        """Pairs much alike of pictures without any copy: copies under different marks are alike, too, and are none."""
        alone = {n for pair in self.alike for n in pair if self.centre[n] == n and n not in self.copies}
        return sum(one in alone and other in alone for one, other in self.alike)


class Gallery:
    """Decodes pictures when they are asked for, several at a time, and holds the last ones."""

    def __init__(self, files: Sequence[ImageFile], workers: Workers) -> None:
        self._files = files
        self._workers = workers
        self._held: dict[int, Picture | None] = {}

    def take(self, indices: Sequence[int], pool: ThreadPoolExecutor) -> list[Picture | None]:
        """Return pictures; None for one that cannot be decoded.

        Raises
        ------
        BudgetSpent
            When the visit's deadline has passed.
        """
        if self._workers.deadline is not None and time.monotonic() >= self._workers.deadline:
            raise BudgetSpent
        missing = [index for index in dict.fromkeys(indices) if index not in self._held]
        fresh = dict(zip(missing, pool.map(lambda index: picture_of(self._files[index]), missing), strict=True))
        taken = [fresh[index] if index in fresh else self._held[index] for index in indices]
        for index, picture in zip(indices, taken, strict=True):
            self._held.pop(index, None)  # so that what was asked for last stands last
            self._held[index] = picture
        while len(self._held) > MAX_HELD:
            del self._held[next(iter(self._held))]
        return taken


@dataclass
class _Search:
    """The state of one search for stars."""

    found: Candidates
    gallery: Gallery
    stars: Stars
    pool: ThreadPoolExecutor
    begins: Array = field(init=False)
    edges: Array = field(init=False)
    done: set[int] = field(default_factory=set)
    """Images that were compared with all that was then free."""

    def __post_init__(self) -> None:
        """Sort the pairs by both of their images."""
        many = len(self.stars.centre)
        ends = np.concatenate([self.found.one, self.found.other])
        self.edges = np.argsort(ends, kind="stable") % max(1, len(self.found.one))
        self.begins = np.concatenate([[0], np.cumsum(np.bincount(ends, minlength=many))])

    def around(self, middle: int) -> dict[int, list[int]]:
        """Return the pairs of an image by the other one, the most promising first."""
        edges = self.edges[self.begins[middle] : self.begins[middle + 1]]
        edges = edges[np.argsort(self.found.distance[edges], kind="stable")]
        others = np.where(self.found.one[edges] == middle, self.found.other[edges], self.found.one[edges])
        free = self.stars.centre[others] == others
        by_other: dict[int, list[int]] = {}
        for other, edge in zip(others[free].tolist(), edges[free].tolist(), strict=True):
            if other not in self.done:
                by_other.setdefault(other, []).append(edge)
        return by_other

    def gather(self, middle: int) -> None:
        """Compare an image with all that may be copies of it, and keep those that are."""
        around = self.around(middle)
        self.done.add(middle)
        tries = min(MAX_TRIES, MAX_COMPARED - self.stars.compared)
        self.stars.all_compared &= len(around) <= tries
        chosen = list(around)[: max(0, tries)]
        for start in range(0, len(chosen), DECODED_TOGETHER):
            part = chosen[start : start + DECODED_TOGETHER]
            itself, *others = self.gallery.take([middle, *part], self.pool)
            for other, picture in zip(part, others, strict=True):
                if itself is not None and picture is not None:
                    self.compare(middle, other, itself, picture, around[other])

    @property
    def crowded(self) -> bool:
        """Whether pictures are so much alike that a closer look, which makes them more so, is in vain."""
        return len(self.stars.alike) > max(MIN_CROWD, CROWD * self.stars.many)

    def adopt(self, single: int) -> None:
        """Compare an image with the pictures that stay of those near to it, whose own hashes are farther off."""
        edges = self.edges[self.begins[single] : self.begins[single + 1]]
        edges = edges[self.found.way[edges] == 0]
        edges = edges[np.argsort(self.found.distance[edges], kind="stable")]
        others = np.where(self.found.one[edges] == single, self.found.other[edges], self.found.one[edges])
        tried = set(others.tolist())  # those were compared already
        for other, edge in list(zip(others.tolist(), edges.tolist(), strict=True)):
            middle = int(self.stars.centre[other])
            if middle in tried or self.stars.copies[middle][other].way or self.stars.compared >= MAX_COMPARED:
                continue
            tried.add(middle)
            itself, picture = self.gallery.take([middle, single], self.pool)
            if itself is not None and picture is not None:
                self.compare(middle, single, itself, picture, [edge], instead=other)
            if self.stars.centre[single] != single or len(tried) > len(others) + ADOPTIONS:
                return

    def compare(
        self,
        middle: int,
        other: int,
        itself: Picture,
        picture: Picture,
        edges: Sequence[int],
        instead: int | None = None,
    ) -> None:
        """Compare two pictures in each way in which they may fit; `instead` was found in place of the first."""
        best: Match | None = None
        for edge in _distinct(self.found, edges):
            turn, window = int(self.found.way[edge]), WINDOWS[int(self.found.window[edge])]
            forth = int(self.found.one[edge]) in (middle, instead)
            one, two = (itself, picture) if forth else (picture, itself)
            seen = match(one, two, turn, window, closely=not self.crowded)
            if seen is not None and (best is None or (seen.copies, seen.fit) > (best.copies, best.fit)):
                best = seen
            if best is not None and best.copies:
                break
        self.stars.compared += 1
        if best is not None and best.copies:
            self.stars.copies.setdefault(middle, {})[other] = best
            self.stars.centre[other] = middle
        elif best is not None and best.detail >= LOOKALIKE and middle not in self.stars.copies:
            self.stars.alike.append((middle, other))


def gathered(found: Candidates, files: Sequence[ImageFile], rank: Array, crossing: Array, workers: Workers) -> Stars:
    """Compare candidates and gather copies around the pictures that stay.

    Parameters
    ----------
    found : Candidates
        Their indices count in `files`.
    rank : int[n]
        Of each picture among all, the best to keep lowest.
    crossing : bool[n]
        Pictures that are compared first, should there not be time for all.
    """
    many = len(files)
    stars = Stars({}, np.arange(many))
    if not len(found.one):
        return stars
    degree = _degrees(found, many)
    with ThreadPoolExecutor(workers.threads, thread_name_prefix="doctor-pictures") as pool:
        search = _Search(found, Gallery(files, workers), stars, pool)
        for middle in np.lexsort((rank, -degree, ~crossing)).tolist():
            if degree[middle] and stars.centre[middle] == middle:
                search.gather(middle)
        for single in np.flatnonzero((degree > 0) & (stars.centre == np.arange(many))).tolist():
            if single not in stars.copies:
                search.adopt(single)
    return stars


def _degrees(found: Candidates, many: int) -> Array:
    """Count the images that each may be a copy of."""
    low, high = np.minimum(found.one, found.other), np.maximum(found.one, found.other)
    pairs = np.unique(low.astype(np.int64) * many + high)
    return np.bincount(pairs // many, minlength=many) + np.bincount(pairs % many, minlength=many)


def _distinct(found: Candidates, edges: Sequence[int]) -> Iterator[int]:
    """Return the pairs that say something different of two images."""
    seen: set[tuple[int, int, bool]] = set()
    for edge in edges:
        kind = (int(found.way[edge]), int(found.window[edge]), bool(found.one[edge] < found.other[edge]))
        if kind not in seen and len(seen) < HYPOTHESES:
            seen.add(kind)
            yield edge
