"""Perceptual hashes of parts of pictures, for what remains when edges are cut off.

They come from the thumbnail of 32×32 luminances by products of small matrices: cutting and stretching are linear in
each direction, and so is the cosine transform of which the hash takes the signs around the median.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Span = tuple[float, float]
Window = tuple[Span, Span]
"""What remains of the height and of the width, as shares: (top, bottom), (left, right)."""

SIDE = 32
LOW = 8
"""Lowest frequencies of each direction that the hash looks at, as `imagehash.phash` does: 64 bits."""
BLOCK = 8192
WHOLE: Window = ((0.0, 1.0), (0.0, 1.0))
MAX_CROP = 0.1
"""Share of the height and of the width that may be cut off."""
_ENDS = (0.0, MAX_CROP / 2, MAX_CROP)
_SPANS = tuple((first, 1 - last) for first in _ENDS for last in _ENDS if first + last <= MAX_CROP + 1e-9)
CROPS: tuple[Window, ...] = tuple((down, across) for down in _SPANS for across in _SPANS)[1:]
"""Cuts so close to each other that the hash of what any cut leaves is near to that of one of them."""
HALVES: tuple[Window, ...] = (
    ((0.0, 0.5), (0.0, 1.0)),
    ((0.5, 1.0), (0.0, 1.0)),
    ((0.0, 1.0), (0.0, 0.5)),
    ((0.0, 1.0), (0.5, 1.0)),
)
"""Of which one is as it was where something covers a part of the picture."""


def window_hashes(small: Array, windows: Sequence[Window]) -> Array:
    """Return the perceptual hash of parts of thumbnails, as if they were pictures of their own.

    Parameters
    ----------
    small : uint8[n, 32, 32]
        Luminance.

    Returns
    -------
    uint64[n, windows]
        The bits of `imagehash.phash`, the first one highest.
    """
    found = np.empty((len(small), len(windows)), dtype=np.uint64)
    for start in range(0, len(small), BLOCK):
        block = small[start : start + BLOCK].astype(np.float32)
        for number, (down, across) in enumerate(windows):
            waves = _waves(down) @ block @ _waves(across).T
            found[start : start + len(block), number] = _signs(waves)
    return found


def stretched(span: Span, side: int) -> Array:
    """Return the matrix, float32[side, side], that stretches a part of a line of pixels over the whole line."""
    places = (span[0] + (np.arange(side) + 0.5) / side * (span[1] - span[0])) * side - 0.5
    places = np.clip(places, 0, side - 1)
    lower = np.minimum(places.astype(int), side - 2)
    share = (places - lower).astype(np.float32)
    matrix = np.zeros((side, side), dtype=np.float32)
    matrix[np.arange(side), lower] = 1 - share
    matrix[np.arange(side), lower + 1] = share
    return matrix


@lru_cache(maxsize=64)
def _waves(span: Span) -> Array:
    """Return the transform of a part of a line to its lowest frequencies, float32[8, 32]."""
    waves = 2 * np.cos(np.pi * np.arange(LOW)[:, None] * (2 * np.arange(SIDE) + 1)[None] / (2 * SIDE))
    return np.asarray(waves @ stretched(span, SIDE), dtype=np.float32)


def _signs(waves: Array) -> Array:
    flat = waves.reshape(len(waves), LOW * LOW)
    bits = flat > np.median(flat, axis=1, keepdims=True)
    return np.ascontiguousarray(np.packbits(bits, axis=1)).view(">u8").reshape(-1).astype(np.uint64)
