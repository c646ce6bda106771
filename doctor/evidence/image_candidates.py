"""Which images may be copies of each other, by their perceptual hashes; all that is found here is then compared."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from doctor.evidence.hash_windows import CROPS, HALVES, WHOLE, window_hashes
from doctor.evidence.near_hashes import Near, near

Array = np.ndarray[Any, Any]

WINDOWS = (WHOLE, *CROPS)
SAME_RADIUS = 2
MIN_HALF_CONTRAST = 6.0
"""Levels by which luminance must vary in half a picture, so that its hash says something."""


class Reach(NamedTuple):
    """Bits by which hashes may differ: of whole pictures, turned ones, those cut at the edges, and halves."""

    whole: int
    turned: int
    cut: int | None
    half: int


REACHES = (
    (10_000, Reach(10, 8, 10, 6)),
    (50_000, Reach(10, 8, 8, 4)),
    (200_000, Reach(8, 6, 6, 4)),
)
"""By the most images for which each is affordable: time grows with the square of their number over the size of a
table, and so do the different pictures whose hashes are near by chance."""
FARTHEST = Reach(6, 6, None, 2)


class Candidates(NamedTuple):
    """Pairs of images, as arrays: `one`, turned by `way`, may show in its `window` what `other` shows.

    `window` counts in `WINDOWS`; `distance` is the bits by which the hashes differ. A pair may come several times.
    """

    one: Array
    other: Array
    way: Array
    window: Array
    distance: Array


def reach_for(images: int) -> Reach:
    """Return how far is searched among so many images."""
    return next((reach for most, reach in REACHES if images <= most), FARTHEST)


def candidates(hashes: Array, small: Array, reach: Reach) -> Candidates:
    """Find pairs of images that may be copies.

    Parameters
    ----------
    hashes : uint64[n, 8]
        Of each way to turn a picture, as `ImageFacts` has them.
    small : uint8[n, 32, 32]
        Luminance.

    Raises
    ------
    TooManyPairs
        When they cannot be listed.
    """
    return _joined(list(_found(hashes, small, reach)))


def alike(hashes: Array) -> Candidates:
    """Find pairs of images whose hashes are equal as they are shown, or nearly so.

    Raises
    ------
    TooManyPairs
        When they cannot be listed.
    """
    return _joined([_listed(near(hashes[:, 0], SAME_RADIUS))])


def _found(hashes: Array, small: Array, reach: Reach) -> Iterator[Candidates]:
    whole = np.ascontiguousarray(hashes[:, 0])
    yield _listed(near(whole, reach.whole))
    for way in range(1, hashes.shape[1]):
        # Each pair is found from both sides, in ways that undo each other.
        yield _listed(near(whole, reach.turned, queries=hashes[:, way]), way=way)
    yield from _halves(small, reach.half)
    for window in range(1, len(WINDOWS)) if reach.cut is not None else ():
        queries = window_hashes(small, (WINDOWS[window],))[:, 0]
        yield _listed(near(whole, reach.cut or 0, queries=queries), window=window)


def _halves(small: Array, radius: int) -> Iterator[Candidates]:
    middle = small.shape[1] // 2
    parts = (small[:, :middle], small[:, middle:], small[:, :, :middle], small[:, :, middle:])
    found = window_hashes(small, HALVES)
    for number, part in enumerate(parts):
        busy = np.flatnonzero(part.std(axis=(1, 2)) >= MIN_HALF_CONTRAST)
        one, other, distance = near(found[busy, number], radius)
        yield _listed(Near(busy[one], busy[other], distance))


def _listed(found: Near, way: int = 0, window: int = 0) -> Candidates:
    apart = found.one != found.other if way == 0 else found.one < found.other
    one, other, distance = (column[apart] for column in found)
    count = len(one)
    return Candidates(one, other, np.full(count, way, np.int8), np.full(count, window, np.int8), distance)


def _joined(parts: list[Candidates]) -> Candidates:
    return Candidates(*(np.concatenate(column) for column in zip(*parts, strict=True)))
