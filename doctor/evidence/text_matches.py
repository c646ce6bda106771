"""Texts that share most of their runs of words: they meet in a band of their sketches, then their runs are compared."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from doctor.evidence.near_twins import stars
from doctor.evidence.shingles import BANDS, ROWS, run_sets, sketch

MIN_SHARED = 0.8
"""Runs that two texts have in common, of all that either has (Jaccard), from which they are nearly equal.

Source: K. Lee et al., Deduplicating training data makes language models better, ACL 2022, section 4.2.
"""
ESTIMATED = 0.6
"""Share of equal least values below which runs are not compared: four standard errors below `MIN_SHARED`."""
FEW_PER_MEETING, MAX_PER_MEETING = 3, 50
"""Of the texts that meet in one band, each is held against so many of the first ones; then, without those that are near
one of them, against more."""
MAX_MET = 20_000_000
MAX_COMPARED = 500_000
PAIRS_AT_ONCE = 4_000
ESTIMATES_AT_ONCE = 100_000
_ODD = np.array(
    [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93, 0xA0761D6478BD642F], np.uint64
)

Array = np.ndarray[Any, Any]
TextsOf = Callable[[Array], Sequence[Sequence[str]]]
"""Returns, for numbers of texts, the texts; one list for each column that they are made of."""


class Candidates(Struct, frozen=True, kw_only=True):
    """Pairs of texts whose sketches agree, by their numbers; `complete` as `Matches.all_compared`."""

    earlier: Array
    later: Array
    complete: bool

    @property
    def texts(self) -> Array:
        """The texts that are part of a pair."""
        return np.unique(np.concatenate([self.earlier, self.later]))

    def among(self, numbers: Array) -> "Candidates":
        """Return them by other numbers, which are ascending."""
        return Candidates(earlier=numbers[self.earlier], later=numbers[self.later], complete=self.complete)

    def without(self, others: "Candidates") -> "Candidates":
        """Leave out pairs that others are."""
        count = 1 + max(int(self.later.max(initial=0)), int(others.later.max(initial=0)))
        new = ~np.isin(self.later * count + self.earlier, others.later * count + others.earlier)
        return Candidates(earlier=self.earlier[new], later=self.later[new], complete=self.complete)


class Matches(Struct, frozen=True, kw_only=True):
    """Pairs of texts that are nearly equal.

    Attributes
    ----------
    earlier, later : ndarray of int64, shape (n,)
        Their numbers, the smaller one first; in ascending order of the later one.
    shared : ndarray of float64, shape (n,)
        Runs in common, of all that either has; where they are made of several columns, in that of the fewest.
    compared : int
        Pairs of which the runs were compared.
    all_compared : bool
        False where so many met that some pairs were left out.
    """

    earlier: Array
    later: Array
    shared: Array
    compared: int
    all_compared: bool


def matches_of(texts: Sequence[str], min_shared: float = MIN_SHARED) -> Matches:
    """Find the pairs among texts; of equal texts each is a text by itself."""

    def of(numbers: Array) -> Sequence[Sequence[str]]:
        return [[texts[number] for number in numbers]]

    return near_matches(sketch(texts).least, lambda _: of, min_shared)


def near_matches(
    least: Array,
    load: Callable[[Array], TextsOf],
    min_shared: float = MIN_SHARED,
    common: frozenset[int] = frozenset(),
) -> Matches:
    """Find the pairs among sketched texts; of a heap of near copies those with the ones that stay, and some others.

    Parameters
    ----------
    least : ndarray of uint32, shape (n, BANDS * ROWS)
        Of `Sketches`; texts without words are none of them.
    load : callable
        Makes the texts of some numbers ready, and returns what gives them.
    common : frozenset of int
        Runs that do not count, such as those of a form that is filled in.
    """
    first = candidates(least, FEW_PER_MEETING)
    found = compared(first, load(first.texts), min_shared, common)
    # What is near one that stays needs no further comparison; without it, no heap is too large for what remains.
    gone = stars(list(zip(found.later.tolist(), found.earlier.tolist(), strict=True)))
    left = np.setdiff1d(np.arange(len(least)), np.fromiter(gone, np.int64, len(gone)))
    rest = candidates(least[left], MAX_PER_MEETING)
    more = rest.among(left).without(first)
    added = compared(more, load(more.texts), min_shared, common)
    order = np.lexsort((np.r_[found.earlier, added.earlier], np.r_[found.later, added.later]))
    return Matches(
        earlier=np.r_[found.earlier, added.earlier][order],
        later=np.r_[found.later, added.later][order],
        shared=np.r_[found.shared, added.shared][order],
        compared=found.compared + added.compared,
        all_compared=rest.complete,
    )


def candidates(least: Array, per_meeting: int) -> Candidates:
    """Find the pairs that may be nearly equal by their sketches.

    Parameters
    ----------
    per_meeting : int
        Of the texts that meet in one band, each is held against so many of the first ones.
    """
    codes, all_met = _met(least, per_meeting)
    complete = all_met and len(codes) <= MAX_COMPARED
    count = max(1, len(least))
    if len(codes) > MAX_COMPARED:
        agreed = np.concatenate(list(_agreements(least, codes // count, codes % count)))
        codes = np.sort(codes[np.argsort(-agreed, kind="stable")[:MAX_COMPARED]])
    return Candidates(earlier=codes % count, later=codes // count, complete=complete)


def compared(
    pairs: Candidates, texts_of: TextsOf, min_shared: float = MIN_SHARED, common: frozenset[int] = frozenset()
) -> Matches:
    """Compare the runs of pairs.

    Parameters
    ----------
    common : frozenset of int
        Runs that do not count, such as those of a form that is filled in.
    """
    parts = [np.empty(0)]
    for begin in range(0, len(pairs.later), PAIRS_AT_ONCE):
        part = slice(begin, begin + PAIRS_AT_ONCE)
        parts.append(_shared(pairs.earlier[part], pairs.later[part], texts_of, common))
    shared = np.concatenate(parts)
    near = shared >= min_shared
    return Matches(
        earlier=pairs.earlier[near],
        later=pairs.later[near],
        shared=shared[near],
        compared=len(shared),
        all_compared=pairs.complete,
    )


def _met(least: Array, per_meeting: int) -> tuple[Array, bool]:
    """Return the pairs that share a band and agree well enough, as later * n + earlier, in ascending order."""
    count = len(least)
    meetings = [_meetings(least, band) for band in range(BANDS)]
    limit = per_meeting
    while limit > 1 and sum(_pairs_within(sizes, limit) for _, sizes in meetings) > MAX_MET:
        limit //= 2
    found = [np.empty(0, dtype=np.int64)]
    widest = 0
    for members, sizes in meetings:
        widest = max(widest, int(sizes.max(initial=0)))
        place = np.arange(len(members)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        for rank in range(min(limit, int(sizes.max(initial=0)) - 1)):
            behind = np.flatnonzero(place > rank)
            first, second = members[behind - (place[behind] - rank)], members[behind]
            agreed = np.concatenate([np.empty(0), *_agreements(least, first, second)])
            kept = agreed >= ESTIMATED
            found.append(second[kept] * count + first[kept])
    return np.unique(np.concatenate(found)), widest <= limit + 1


def _meetings(least: Array, band: int) -> tuple[Array, Array]:
    """Return the texts that share a band with others, those of one value together, and how many each value has."""
    rows = least[:, band * ROWS : (band + 1) * ROWS].astype(np.uint64)
    keys = (rows * _ODD).sum(axis=1, dtype=np.uint64)
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    if not len(ordered):
        return order, order
    begins = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    sizes = np.diff(begins, append=len(ordered))
    return order[np.repeat(sizes > 1, sizes)], sizes[sizes > 1]


def _pairs_within(sizes: Array, limit: int) -> int:
    held = np.minimum(sizes - 1, limit)
    return int((held * (held + 1) // 2 + (sizes - 1 - held) * held).sum())


def _agreements(least: Array, first: Array, second: Array) -> Iterator[Array]:
    for begin in range(0, len(first), ESTIMATES_AT_ONCE):
        part = slice(begin, begin + ESTIMATES_AT_ONCE)
        yield (least[first[part]] == least[second[part]]).mean(axis=1)


def _shared(earlier: Array, later: Array, texts_of: TextsOf, common: frozenset[int]) -> Array:
    numbers, place = np.unique(np.concatenate([earlier, later]), return_inverse=True)
    shared = np.ones(len(earlier))
    for column in texts_of(numbers):
        sets = run_sets(column)
        if common:
            sets = [one - common for one in sets]
        pairs = zip(place[: len(earlier)].tolist(), place[len(earlier) :].tolist(), strict=True)
        shared = np.minimum(shared, [_share(sets[first], sets[second]) for first, second in pairs])
    return shared


def _share(one: frozenset[int], other: frozenset[int]) -> float:
    """Return the Jaccard index; 1 where both lack what could differ."""
    both = len(one & other)
    either = len(one) + len(other) - both
    return both / either if either else 1.0
