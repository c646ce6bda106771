"""Which images hold less than their size says, looked for where an image has few bytes for its pixels.

What enlarging adds costs hardly a byte, so enlarged images stand first in that order. They must be decoded whole, which
is dear, and so only the first are, until none is found.
"""

from contextlib import closing
from typing import Any, ClassVar

import numpy as np
from msgspec import Struct

from doctor.evidence.image_cache import ImageCache
from doctor.evidence.image_facts import FILES_PER_BATCH, ImageFacts
from doctor.evidence.true_size import MIN_SIDE
from doctor.subjects.workers import Workers

Array = np.ndarray[Any, Any]

ROUND = 128
"""Images decoded whole at a time, the poorest in bytes for their pixels first; a round without one is the last."""
MAX_ROUNDS = 8
KIND = "-size1"
"""Of what is kept for another scan: a number to raise when true sizes are told in another way."""
TURNED = 5
"""Orientation of EXIF from which width and height change places."""
_QUALITIES = (0, 30, 50, 60, 75, 85, 95, 100)
_BYTES = (0.05, 0.08, 0.12, 0.13, 0.17, 0.22, 0.38, 0.8)
"""Bytes per pixel of photographs of half a megapixel as JPEGs of these qualities."""


class TrueSizes(Struct, frozen=True, kw_only=True):
    """What was found among the images that were looked at.

    Attributes
    ----------
    looked : int
        Images that were decoded whole.
    eligible : int
        Images that are large enough to be looked at.
    indices : ndarray of int64, shape (n,)
        Of enlarged images, the most enlarged first.
    width, height : ndarray of int32, shape (n,)
        Their true sizes, as they are shown.
    """

    COST: ClassVar[int] = 30

    looked: int
    eligible: int
    indices: Array
    width: Array
    height: Array

    @classmethod
    def measure(cls, facts: ImageFacts, workers: Workers) -> "TrueSizes":
        """Look at the images that have the fewest bytes for what they are."""
        eligible = np.flatnonzero(facts.readable & (facts.shorter >= MIN_SIDE) & ~facts.blank)
        _, first = np.unique(facts.content[eligible].astype(str), return_index=True)
        chosen = eligible[np.sort(first)]
        chosen = chosen[np.argsort(richness(facts)[chosen], kind="stable")][: ROUND * MAX_ROUNDS]
        rows: list[dict[str, Any]] = []
        looked = 0
        with closing(_Sizes(facts, workers)) as sizes:
            for begin in range(0, len(chosen), ROUND):
                part = chosen[begin : begin + ROUND].tolist()
                found = sizes.of(part)
                rows += found
                looked += len(part)
                if not found:
                    break
        indices = np.array([row["index"] for row in rows], dtype=np.int64)
        sides = np.array([(row["width"], row["height"]) for row in rows], dtype=np.int32).reshape(-1, 2)
        turned = facts.orientation[indices] >= TURNED
        sides[turned] = sides[turned][:, ::-1]
        kept = facts.width[indices] * facts.height[indices] / np.maximum(1, sides.prod(axis=1))
        order = np.argsort(-kept, kind="stable")
        return cls(
            looked=looked,
            eligible=len(eligible),
            indices=indices[order],
            width=sides[order, 0],
            height=sides[order, 1],
        )


class _Sizes:
    """Looks at images; at those that were looked at in another scan only where their bytes have changed."""

    def __init__(self, facts: ImageFacts, workers: Workers) -> None:
        self._facts = facts
        self._workers = workers
        self._cache = ImageCache.of(len(facts.files), kind=KIND)

    def close(self) -> None:
        if self._cache is not None:
            self._cache.close()

    def of(self, images: list[int]) -> list[dict[str, Any]]:
        """Return index, width and height of those that were enlarged, in the order of their indices."""
        from doctor.evidence.image_rows import batch_of
        from doctor.evidence.true_size_rows import FOUND, true_sizes_of

        contents = {index: str(self._facts.content[index]) for index in images}
        known = self._cache.known(list(contents.values())) if self._cache is not None else {}
        found = [known[content] | {"index": index} for index, content in contents.items() if content in known]
        fresh = [index for index, content in contents.items() if content not in known]
        parts = [fresh[start : start + FILES_PER_BATCH] for start in range(0, len(fresh), FILES_PER_BATCH)]
        batches = [batch_of(self._facts.files, part) for part in parts]
        for batch in self._workers.map(true_sizes_of, batches, FOUND):
            rows = batch.to_pylist()
            if self._cache is not None:
                self._cache.put(("", row | {"content": contents[row["index"]]}) for row in rows)
            found += rows
        return sorted((row for row in found if row["width"]), key=lambda row: int(row["index"]))


def richness(facts: ImageFacts) -> Array:
    """Return bytes per pixel over those that a photograph has which is stored alike."""
    pixels = np.maximum(1.0, facts.width.astype(np.float64) * facts.height)
    usual = np.interp(facts.quality, _QUALITIES, _BYTES)
    usual = np.where(facts.quality > 0, usual, np.where(facts.grey, 0.6, 1.5))
    return np.asarray(facts.bytes / pixels / usual)
