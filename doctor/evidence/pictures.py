"""Pictures made comparable: small, square, light apart from colour; and the eight ways to turn and mirror them."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from doctor.subjects.images import ImageFile

Array = np.ndarray[Any, Any]

SIDE = 128
TINT_SIDE = 32
SIDES = (32, 48, 64, 96, 128)
WAYS = 8
"""By the EXIF orientation that asks for the operation, less one: as it is, mirrored, turned by 180°, flipped,
transposed, turned clockwise, transposed the other way, turned anticlockwise. `ImageFacts.hashes` is in this order."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """One image, as it is compared with others.

    Attributes
    ----------
    light : float32[128, 128]
        Luminance from 0 to 255, stretched to a square.
    tint : float32[2, 32, 32]
        Blue and red difference.
    side : int
        Side of a square that it really fills with pixels, one of `SIDES`.
    """

    light: Array
    tint: Array
    side: int


def picture_of(file: ImageFile) -> Picture | None:
    """Decode an image, at most as large as is needed; None where that cannot be done."""
    from PIL import Image, ImageOps

    from doctor.evidence.image_measures import eight_bits
    from doctor.evidence.image_opening import Fault, load, opened, quiet

    try:
        with quiet():
            image = opened(file.read())
            shorter = min(image.size)
            image.draft(None, (SIDE, SIDE))
            load(image)
            if image.mode not in ("L", "RGB", "CMYK", "YCbCr"):
                image = eight_bits(image)
            # What the draft left is at least as large as asked for, or the whole image.
            square = image.resize((SIDE, SIDE), Image.Resampling.HAMMING, reducing_gap=2.0)
            square = eight_bits(square)
            square.info["exif"] = image.info.get("exif", b"")
            upright = ImageOps.exif_transpose(square)
    except (Fault, OSError, ValueError, MemoryError):
        return None
    return _picture(np.asarray(upright.convert("RGB")), shorter)


def _picture(colours: Array, shorter: int) -> Picture:
    values = colours.astype(np.float32)
    light = values @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    apart = np.stack([0.564 * (values[..., 2] - light), 0.713 * (values[..., 0] - light)])
    step = SIDE // TINT_SIDE
    tint = apart.reshape(2, TINT_SIDE, step, TINT_SIDE, step).mean(axis=(2, 4))
    return Picture(light=light, tint=tint, side=max(side for side in SIDES if side <= max(shorter, SIDES[0])))


def turned(field: Array, way: int) -> Array:
    """Turn and mirror a picture; height and width are the last two axes."""
    mirrored, flipped = ((False, False), (True, False), (True, True), (False, True))[way % 4]
    field = field.swapaxes(-2, -1) if way >= 4 else field
    return field[..., :: -1 if flipped else 1, :: -1 if mirrored else 1]


@lru_cache(maxsize=8)
def _shrinking(side: int) -> Array:
    """Return the matrix that shrinks a line of `SIDE` pixels to `side`, by triangles as wide as a pixel becomes."""
    step = SIDE / side
    apart = np.abs((np.arange(side)[:, None] + 0.5) * step - (np.arange(SIDE)[None] + 0.5)) / step
    weights = np.clip(1 - apart, 0, None)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)


def shrunk(light: Array, side: int) -> Array:
    """Shrink a square picture."""
    return light if side == len(light) else np.asarray(_shrinking(side) @ light @ _shrinking(side).T)
