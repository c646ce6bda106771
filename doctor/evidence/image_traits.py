"""What can be told of an image without knowing what it shows: light, colour, sharpness, size, coding, camera."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from doctor.evidence.image_facts import ImageFacts

Array = np.ndarray[Any, Any]

TINTS = 32
"""The last entries of a descriptor: differences of blue and red from luminance, by place."""
ROUNDED = 3
"""Decimals of colour: grey images differ in what follows."""

WORDS = {
    "brightness": "brightness",
    "contrast": "contrast",
    "sharpness": "sharpness",
    "colourfulness": "strength of colour",
    "warmth": "red over blue",
    "size": "size in pixels",
    "shape": "width over height",
    "quality": "quality of JPEG",
    "bytes": "bytes per pixel",
    "coding": "how it is stored",
    "camera": "camera or program in its EXIF",
}
"""Traits in words, in the order in which they are told."""


def traits_of(facts: ImageFacts) -> dict[str, Array]:
    """Return the traits of all images of a collection.

    Returns
    -------
    dict of str to ndarray, shape (n,)
        Numbers as float64 with NaN for what is not known, texts as object with None, by the keys of `WORDS`. An image
        that cannot be read has none.
    """
    tint = facts.descriptor[:, -TINTS:].reshape(len(facts.files), -1, 2).astype(np.float64)
    pixels = facts.width.astype(np.float64) * facts.height
    with np.errstate(divide="ignore", invalid="ignore"):
        numbers = {
            "brightness": facts.brightness,
            "contrast": facts.contrast,
            "sharpness": facts.sharpness,
            "colourfulness": np.abs(tint).mean(axis=(1, 2)).round(ROUNDED),
            "warmth": (tint[:, :, 1] - tint[:, :, 0]).mean(axis=1).round(ROUNDED),
            "size": np.sqrt(pixels),
            "shape": facts.width / facts.height.astype(np.float64),
            "quality": np.where(facts.quality > 0, facts.quality, np.nan),
            "bytes": facts.bytes / pixels,
        }
    known = facts.readable & (pixels > 0)
    traits: dict[str, Array] = {
        name: np.where(known, values.astype(np.float64), np.nan) for name, values in numbers.items()
    }
    coding = [f"{kind} {mode}" for kind, mode in zip(facts.format, facts.mode, strict=True)]
    traits["coding"] = _texts(coding, known)
    traits["camera"] = _texts(facts.camera.tolist(), known & (facts.camera != ""))
    return traits


def _texts(texts: Sequence[str], known: Array) -> Array:
    return np.array([text if there else None for text, there in zip(texts, known, strict=True)], dtype=object)
