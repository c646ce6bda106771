"""What is measured on the pixels of images: tones, sharpness, perceptual hashes and a small descriptor."""

import math
from typing import Any

import numpy as np
from PIL import Image, ImageStat

Array = np.ndarray[Any, Any]

PICTURE = 256
"""Longer side, in pixels, at which tones and sharpness are judged: about what classifiers are trained at."""
SMALL = 32
"""Side of the picture that is hashed: eight hash bits per side, times four, as in imagehash."""
HASH = 8
BOX = 11
"""Length of the box that blurs once more, as in scikit-image's `blur_effect`."""
MIN_SHARP_SIDE = 64
"""Shorter side below which sharpness says nothing: there is no room for a blur."""
PARTS = 4
"""Parts of a picture across and down, of which the sharpest counts."""
MIN_PART = 1 / 32
"""Share of the variation that a part has to hold; an even share is twice that."""
MAX_TINT = 6
"""Levels by which the channels of a grey picture may differ, where it was stored in colour by JPEG."""
CELLS, ORIENTATIONS = 4, 9
DESCRIPTOR = CELLS * CELLS * ORIENTATIONS + 8 * 8 + CELLS * CELLS * 2
_LEVELS = np.arange(256) / 255
_COSINES = np.cos(np.pi * np.arange(HASH)[:, None] * (2 * np.arange(SMALL)[None, :] + 1) / (2 * SMALL))
"""The first rows of the discrete cosine transform, type II, not normalised."""
_SIGNS = (-1.0) ** np.arange(HASH)
_UNRESIZED = frozenset({"I", "I;16", "I;16L", "I;16B", "I;16N", "F"})


def eight_bits(image: Image.Image) -> Image.Image:
    """Return a picture in mode L or RGB, as it looks: deep grey values are scaled, alpha is dropped as trainers do."""
    if image.mode in _UNRESIZED:
        values = np.asarray(image, dtype=np.float64)
        return Image.fromarray(_scaled(values, integer=image.mode != "F"))
    if image.mode in ("L", "RGB"):
        return image
    return image.convert("L" if image.mode in ("1", "LA", "La") else "RGB")


def _scaled(values: Array, *, integer: bool) -> Array:
    """Scale deep values to 8 bits, integers by the depth that their largest needs (8, 10, 12, 14, 16 bits or more)."""
    values = np.nan_to_num(values, posinf=0.0, neginf=0.0)
    low, high = min(0.0, float(values.min())), float(values.max())
    if integer and low == 0.0:
        depth = max(8, 2 * math.ceil(math.log2(high + 1) / 2)) if high > 0 else 8
        high = 2.0**depth - 1
    return np.clip((values - low) / ((high - low) or 1.0) * 255 + 0.5, 0, 255).astype(np.uint8)


def pictured(image: Image.Image) -> Image.Image:
    """Return a decoded image in mode L or RGB, with a longer side of at most `PICTURE` pixels."""
    width, height = image.size
    ratio = PICTURE / max(width, height)
    if image.mode not in ("L", "RGB", "CMYK", "YCbCr"):  # such cannot be averaged before they are converted
        image = eight_bits(image)
    if ratio < 1:
        size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
        image = image.resize(size, Image.Resampling.HAMMING, reducing_gap=1.5)
    return eight_bits(image)


def tones(picture: Image.Image) -> dict[str, float]:
    """Measure the distribution of tones.

    Returns
    -------
    dict of str to float
        All from 0 to 1 but `entropy`, in bits: `brightness` (mean luminance), `contrast` (its standard deviation),
        `lowest`, `dark`, `bright`, `highest` (its 1st, 5th, 95th and 99th percentile) and `extent`, the widest range
        of a colour channel that holds all but a thousandth of the pixels at either end.
    """
    grey = picture if picture.mode == "L" else picture.convert("L")
    share = np.asarray(grey.histogram(), dtype=np.float64) / (grey.width * grey.height)
    below = np.cumsum(share)
    mean = float(share @ _LEVELS)
    lowest, dark, bright, highest = (float(np.searchsorted(below, at - 1e-9)) / 255 for at in (0.01, 0.05, 0.95, 0.99))
    channels = np.asarray(picture.histogram(), dtype=np.float64).reshape(-1, 256)
    filled = np.cumsum(channels / channels.sum(axis=1, keepdims=True), axis=1)
    ends = [np.searchsorted(one, (0.001, 0.999 - 1e-9)) for one in filled]
    seen = share[share > 0]
    return {
        "brightness": mean,
        "contrast": math.sqrt(max(0.0, float(share @ (_LEVELS - mean) ** 2))),
        "lowest": lowest,
        "dark": dark,
        "bright": bright,
        "highest": highest,
        "extent": float(max(end - begin for begin, end in ends)) / 255,
        "entropy": float(-(seen * np.log2(seen)).sum()),
    }


def is_grey(picture: Image.Image) -> bool:
    """Whether a picture has no colour, however it is stored; JPEG's rounding is allowed for."""
    if picture.mode == "L":
        return True
    means = ImageStat.Stat(picture).mean
    if max(means) - min(means) > MAX_TINT:  # most photographs, so that their pixels need not be looked at
        return False
    colours = np.asarray(picture, dtype=np.int16)
    apart = np.abs(colours[..., [0, 2]] - colours[..., [1]])
    return bool(apart.max() <= MAX_TINT)


def sharpness(picture: Image.Image) -> float:
    """Measure how much a picture's sharpest part loses when it is blurred once more, from 0 (nothing) to 1.

    A picture out of focus has no part that loses much; one of a sharp thing before a soft ground has.

    Source: Crété, Dolmière, Ladret and Nicolas, The blur effect: perception and estimation with a new no-reference
    perceptual blur metric, 2007. NaN where the picture is too small, or without any edge.
    """
    if min(picture.size) < MIN_SHARP_SIDE:
        return math.nan
    grey = np.asarray(picture if picture.mode == "L" else picture.convert("L"), dtype=np.int16)
    return min(_lost(grey), _lost(np.ascontiguousarray(grey.T)))


def _lost(grey: Array) -> float:
    """Return the share of the variation along rows that a box takes away, in the part of a grid where it is greatest.

    Parts with little of the variation do not count: in even ones it is noise, or the grid of JPEG.

    Neighbouring means of a box differ by what enters and what leaves it, divided by its length.
    """
    half = BOX // 2
    sharp = BOX * np.abs(grey[:, half + 1 : -half] - grey[:, half : -half - 1])
    left = np.minimum(np.abs(grey[:, BOX:] - grey[:, :-BOX]), sharp)
    variation, stays = _summed(sharp), _summed(left)
    total = variation.sum()
    if not total:
        return math.nan
    telling = variation >= MIN_PART * total
    return float(np.max(1 - stays[telling] / variation[telling]))


def _summed(values: Array) -> Array:
    """Return the sums of the parts of a grid."""
    rows, columns = (np.arange(PARTS) * side // PARTS for side in values.shape)
    sums = np.add.reduceat(np.add.reduceat(values, rows, axis=0, dtype=np.int64), columns, axis=1)
    return sums.astype(np.float64)


def hashes_of(small: Array) -> Array:
    """Return perceptual hashes of pictures in the eight ways to turn and mirror them.

    Parameters
    ----------
    small : uint8[n, 32, 32]
        Luminance.

    Returns
    -------
    uint64[n, 8]
        As `imagehash.phash` has it, the first bit highest. Place k holds the hash after the operation that the EXIF
        orientation k + 1 asks for: as it is, mirrored, turned by 180°, flipped, transposed, turned clockwise,
        transposed the other way, turned anticlockwise.
    """
    low = np.einsum("up,npq,vq->nuv", _COSINES, small.astype(np.float64), _COSINES)
    turned = low.transpose(0, 2, 1)
    mirror, flip = _SIGNS[None, None, :], _SIGNS[None, :, None]
    ways = [way for one in (low, turned) for way in (one, one * mirror, one * mirror * flip, one * flip)]
    stacked = np.stack(ways, axis=1).reshape(len(small), 8, HASH * HASH)
    bits = stacked > np.median(stacked, axis=2, keepdims=True)
    return np.ascontiguousarray(np.packbits(bits, axis=2)).view(">u8")[..., 0].astype(np.uint64)


def descriptors_of(colours: Array) -> Array:
    """Return a small descriptor of pictures: gradients by place and direction, luminance and colour by place.

    Parameters
    ----------
    colours : uint8[n, 32, 32, 3]

    Returns
    -------
    float32[n, 240]
        144 of gradients (4 × 4 places, 9 directions, square roots of shares, after Dalal and Triggs, 2005), 64 of
        luminance (8 × 8 places, 0 to 1), 32 of colour (4 × 4 places, blue and red difference).
    """
    values = colours.astype(np.float32) / 255
    grey = values @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    padded = np.pad(grey, ((0, 0), (1, 1), (1, 1)), mode="edge")
    across = padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]
    down = padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]
    strength = np.hypot(across, down)
    place = np.arctan2(down, across) / np.pi % 1.0 * ORIENTATIONS
    first = np.floor(place).astype(np.int64) % ORIENTATIONS
    rest = (place - np.floor(place)).astype(np.float32)
    cell = np.arange(SMALL) * CELLS // SMALL
    where = (np.arange(len(grey))[:, None, None] * CELLS + cell[:, None]) * CELLS + cell[None, :]
    bins = len(grey) * CELLS * CELLS * ORIENTATIONS
    drawn = np.bincount((where * ORIENTATIONS + first).ravel(), (strength * (1 - rest)).ravel(), bins)
    drawn += np.bincount((where * ORIENTATIONS + (first + 1) % ORIENTATIONS).ravel(), (strength * rest).ravel(), bins)
    drawn = drawn.reshape(len(grey), -1)
    gradients = np.sqrt(drawn / (drawn.sum(axis=1, keepdims=True) + 1e-6))
    tone = grey.reshape(-1, 8, 4, 8, 4).mean(axis=(2, 4)).reshape(len(grey), -1)
    colour = np.stack([values[..., 2] - grey, values[..., 0] - grey], axis=-1)
    tint = colour.reshape(-1, CELLS, 8, CELLS, 8, 2).mean(axis=(2, 4)).reshape(len(grey), -1)
    return np.concatenate([gradients, tone, tint], axis=1).astype(np.float32)
