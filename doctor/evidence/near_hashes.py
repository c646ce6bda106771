"""Exact search for 64-bit hashes that differ in few bits, by buckets of parts of them.

If two hashes differ in at most r bits and are cut into m parts, then either one of the first parts differs in at most
r // m bits or one of the last in fewer (the pigeonhole principle). So each part is looked up in a table of that part,
with few bits changed, and only what shares a bucket is compared whole. Nothing within the distance is missed.
"""

import math
from collections.abc import Iterator
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]

BITS = 64
MAX_PARTS = 10
MAX_PART_BITS = 22
BLOCK = 1 << 20
"""Pairs compared at a time: what bounds the memory."""
PROBE_COST = 3.0
"""Of looking a bucket up, in comparisons of two hashes."""


MAX_FOUND = 20_000_000


class TooManyPairs(Exception):
    """More pairs are near to each other than can be listed; a smaller distance has fewer."""


class Near(NamedTuple):
    """Pairs of hashes: index among the queries, index among the others, bits that differ."""

    one: Array
    other: Array
    distance: Array


class Part(NamedTuple):
    """Bits of a hash that are looked up together: `width` of them from `shift`, up to `radius` of them changed."""

    shift: int
    width: int
    radius: int


def near(hashes: Array, radius: int, queries: Array | None = None) -> Near:
    """Find all pairs of hashes that differ in at most `radius` bits.

    Parameters
    ----------
    hashes : uint64[n]
    radius : int
        From 0 to 64.
    queries : uint64[m], optional
        Looked up among `hashes`. [default: the hashes themselves, each pair once, the smaller index first]

    Returns
    -------
    Near
        Sorted by the first index, then the second. Equal hashes are pairs too, so a caller with many equal ones joins
        them before.

    Raises
    ------
    TooManyPairs
        When more than `MAX_FOUND` are found.

    Notes
    -----
    Multi-index hashing after Norouzi, Punjani and Fleet, Fast search in Hamming space with multi-index hashing, 2012.
    Where hashes are few or the distance is wide, all pairs are compared. Time grows with n · m over the size of a
    part's table; memory with n + m.
    """
    itself = queries is None
    hashes = np.ascontiguousarray(hashes, dtype=np.uint64)
    asked = hashes if queries is None else np.ascontiguousarray(queries, dtype=np.uint64)
    parts = _parts(len(hashes), len(asked), radius)
    blocks = _by_parts(hashes, asked, radius, parts, itself) if parts else _all(hashes, asked, radius, itself)
    found, many = [], 0
    for block in blocks:
        found.append(block)
        many += len(block.one)
        if many > MAX_FOUND:
            raise TooManyPairs(many)
    if not found:
        return Near(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.uint8))
    one, other, distance = (np.concatenate(column) for column in zip(*found, strict=True))
    if itself:
        one, other = np.minimum(one, other), np.maximum(one, other)
    order = np.lexsort((other, one))
    return Near(one[order], other[order], distance[order])


def bits_set(numbers: Array) -> Array:
    """Count the ones of each number, uint64 to uint8."""
    if hasattr(np, "bitwise_count"):  # NumPy 2
        return np.asarray(np.bitwise_count(numbers), dtype=np.uint8)
    bytes_of_each = np.unpackbits(numbers.view(np.uint8), axis=None).reshape(*numbers.shape, BITS)
    return np.asarray(bytes_of_each.sum(axis=-1), dtype=np.uint8)


def _parts(many: int, asked: int, radius: int) -> list[Part]:
    """Return the cheapest cut into parts; none where comparing all pairs costs less."""
    best: list[Part] = []
    least = float(many) * asked
    for count in range(2, MAX_PARTS + 1):
        cut = _cut(count, radius)
        if any(part.width > MAX_PART_BITS for part in cut):
            continue
        probes = sum(_probes(part) for part in cut)
        met = sum(_probes(part) * many / 2.0**part.width for part in cut)
        price = asked * (met + PROBE_COST * probes) + sum(2.0**part.width for part in cut)
        if price < least:
            best, least = cut, price
    return best


def _cut(count: int, radius: int) -> list[Part]:
    """Cut the bits into parts with the distance up to which each must be looked up."""
    whole = radius // count
    # If all the first parts differ in more than `whole` bits, then less than that is left for each of the last.
    fuller = radius - count * whole + 1
    bounds = [round(BITS * i / count) for i in range(count + 1)]
    radii = [whole if i < fuller else whole - 1 for i in range(count)]
    return [Part(bounds[i], bounds[i + 1] - bounds[i], radii[i]) for i in range(count) if radii[i] >= 0]


def _probes(part: Part) -> int:
    return sum(math.comb(part.width, bits) for bits in range(part.radius + 1))


def _mixed(hashes: Array, count: int) -> Array:
    """Deal the bits out to the parts in turn, so that each part has some of those that neighbour each other."""
    order = np.concatenate([np.arange(start, BITS, count) for start in range(count)])
    bits = np.unpackbits(hashes.view(np.uint8).reshape(-1, 8), axis=1)
    return np.ascontiguousarray(np.packbits(bits[:, order], axis=1)).view(np.uint64).reshape(-1)


def _by_parts(hashes: Array, asked: Array, radius: int, parts: list[Part], itself: bool) -> Iterator[Near]:
    mixed = _mixed(hashes, len(parts))
    wanted = mixed if itself else _mixed(asked, len(parts))
    for number, part in enumerate(parts):
        keys, seek = _key(mixed, part), _key(wanted, part)
        order = np.argsort(keys, kind="stable")
        turn = order if itself else np.argsort(seek, kind="stable")
        ends = np.cumsum(np.bincount(keys, minlength=1 << part.width))
        table = _Table(mixed[order], np.concatenate(([0], ends)), wanted[turn], seek[turn])
        for change in _changes(part):
            for one, other, distance in table.met(change, radius, itself):
                differing = table.asked[one] ^ table.hashes[other]
                # What an earlier part has found already is left out.
                fresh = np.ones(len(one), dtype=bool)
                for earlier in parts[:number]:
                    fresh &= bits_set(_key(differing, earlier).astype(np.uint64)) > earlier.radius
                yield Near(turn[one[fresh]], order[other[fresh]], distance[fresh])


def _key(hashes: Array, part: Part) -> Array:
    mask = np.uint64((1 << part.width) - 1)
    return ((hashes >> np.uint64(part.shift)) & mask).astype(np.int64)


def _changes(part: Part) -> Iterator[int]:
    for bits in range(part.radius + 1):
        for chosen in combinations(range(part.width), bits):
            yield sum(1 << bit for bit in chosen)


class _Table(NamedTuple):
    """Hashes sorted by a part of them, where each bucket begins, and what is looked up, sorted alike."""

    hashes: Array
    begins: Array
    asked: Array
    keys: Array

    def met(self, change: int, radius: int, itself: bool) -> Iterator[Near]:
        """Compare what is looked up with what lies in its bucket with some bits changed, in blocks."""
        target = self.keys ^ change
        first, last = self.begins[target], self.begins[target + 1]
        if itself and change == 0:
            first = np.arange(1, len(self.keys) + 1)
        elif itself:
            last = np.where(target > self.keys, last, first)
        met = last - first
        total = np.cumsum(met)
        start = 0
        while start < len(met):
            done = total[start - 1] if start else 0
            stop = max(start + 1, int(np.searchsorted(total, done + BLOCK, side="right")))
            yield from self._compared(start, stop, first, met, radius)
            start = stop

    def _compared(self, start: int, stop: int, first: Array, met: Array, radius: int) -> Iterator[Near]:
        lengths = met[start:stop]
        many = int(lengths.sum())
        if not many:
            return
        begins = np.cumsum(lengths) - lengths
        other = np.arange(many) + np.repeat(first[start:stop] - begins, lengths)
        distance = bits_set(np.repeat(self.asked[start:stop], lengths) ^ self.hashes[other])
        close = np.flatnonzero(distance <= radius)
        if len(close):
            one = start + np.searchsorted(begins, close, side="right") - 1
            # Empty buckets begin where the next one does; the search above ends at the last of them, which is full.
            yield Near(one, other[close], distance[close])


def _all(hashes: Array, asked: Array, radius: int, itself: bool) -> Iterator[Near]:
    rows = max(1, BLOCK // max(1, len(hashes)))
    for start in range(0, len(asked), rows):
        block = asked[start : start + rows]
        since = start if itself else 0
        distance = bits_set(block[:, None] ^ hashes[None, since:])
        one, other = np.nonzero(distance <= radius)
        if itself:
            later = one < other
            one, other = one[later], other[later]
        if len(one):
            yield Near(one + start, other + since, distance[one, other])
