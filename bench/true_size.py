"""Measures how well the size that a picture had before it was enlarged is told, and whether others are accused.

    python bench/true_size.py [FOLDER…]

prints recall by factor, method of interpolation and quality of JPEG for photos made smaller and enlarged again, and
false alarms on the photos as they are, made smaller, blurred and coded; and milliseconds per picture. The photos are
those in the folders, else the two that come with scikit-learn. Exit status 1 where a photo is accused, or recall
without JPEG is below 0.9.
"""

import io
import sys
import time
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from doctor.evidence.true_size import true_size

FACTORS = (2, 2.5, 3, 4, 5, 6.4, 8)
WAYS = ("nearest", "bilinear", "bicubic", "lanczos")
QUALITIES = (0, 95, 90, 85, 75)
"""Of JPEG; 0 for none."""
MIN_TRUE_SIDE = 32
ENLARGED = frozenset({"moon.png"})
"""Photos of scikit-image that are enlarged as they come: each pixel of moon.png stands twice."""


def photos(folders: list[Path]) -> dict[str, Image.Image]:
    """Read the photos in folders, else those of scikit-learn."""
    paths = [path for folder in folders for path in sorted(folder.rglob("*")) if path.suffix in (".png", ".jpg")]
    if not folders:
        bundled = files("sklearn.datasets") / "images"
        return {name: _opened((bundled / name).read_bytes()) for name in ("china.jpg", "flower.jpg")}
    return {str(path): _opened(path.read_bytes()) for path in paths if path.name not in ENLARGED}


def _opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content)).convert("L")


def coded(picture: Image.Image, quality: int) -> Image.Image:
    """Code a picture as JPEG."""
    if not quality:
        return picture
    written = io.BytesIO()
    picture.save(written, "JPEG", quality=quality)
    return Image.open(written)


def smaller(picture: Image.Image, share: float, way: Image.Resampling = Image.Resampling.LANCZOS) -> Image.Image:
    """Make a picture smaller."""
    return picture.resize((round(picture.width * share), round(picture.height * share)), way)


def recall(known: dict[str, Image.Image]) -> float:
    """Print how many enlarged photos are told, to two pixels or two percent; return the share without JPEG."""
    print("Enlarged photos of which the size is told: share\n")
    print(f"{'JPEG':<6}{'method':<10}" + "".join(f"{f'x{factor}':>7}" for factor in FACTORS))
    without: list[bool] = []
    for quality in QUALITIES:
        for way in WAYS:
            shares = []
            for factor in FACTORS:
                told = [_told(photo, factor, way, quality) for photo in known.values()]
                right = [one for one in told if one is not None]
                shares.append(f"{np.mean(right):7.2f}" if right else f"{'-':>7}")
                without += [] if quality else right
            print(f"{quality or 'none':<6}{way:<10}{''.join(shares)}", flush=True)
    return float(np.mean(without))


def _told(photo: Image.Image, factor: float, way: str, quality: int) -> bool | None:
    size = (int(photo.width / factor), int(photo.height / factor))
    if min(size) < MIN_TRUE_SIDE:
        return None
    small = photo.resize(size, Image.Resampling.LANCZOS)
    large = small.resize((round(size[0] * factor), round(size[1] * factor)), Image.Resampling[way.upper()])
    found = true_size(np.asarray(coded(large, quality)))
    return found is not None and all(
        abs(one - true) <= max(2, 0.02 * true) for one, true in zip(found, size, strict=True)
    )


def taken(known: dict[str, Image.Image]) -> Iterator[tuple[str, Image.Image]]:
    """Make pictures none of which is enlarged."""
    for name, photo in known.items():
        for share in (1, 0.75, 0.6, 0.5, 0.4):
            for blur in (0, 0.7, 1, 1.5, 2, 3):
                plain = smaller(photo, share).filter(ImageFilter.GaussianBlur(blur))
                for quality in (0, 95, 90, 85, 75, 60, 50, 30):
                    yield f"{name}: made smaller to {share}, blurred by {blur}, JPEG {quality}", coded(plain, quality)
        for before in (95, 80, 60, 40, 20):
            for share in (0.8, 0.667, 0.5, 0.4, 0.333, 0.25):
                for way in WAYS[1:]:
                    again = smaller(coded(photo, before), share, Image.Resampling[way.upper()])
                    for quality in (0, 90, 75):
                        made = f"JPEG {before}, made smaller to {share} ({way}), JPEG {quality}"
                        yield f"{name}: {made}", coded(again, quality)


def alarms(known: dict[str, Image.Image]) -> int:
    """Print which pictures are accused that were never enlarged; return how many."""
    count, accused, seconds = 0, 0, 0.0
    for name, picture in taken(known):
        pixels = np.asarray(picture)
        begin = time.perf_counter()
        found = true_size(pixels)
        seconds += time.perf_counter() - begin
        count += 1
        if found:
            accused += 1
            print(f"accused: {name}: {picture.size}, really {found}")
    print(f"\n{accused} of {count:,} pictures accused that were never enlarged; {seconds / count * 1e3:.1f} ms each")
    return accused


if __name__ == "__main__":
    found = photos([Path(argument) for argument in sys.argv[1:]])
    share = recall(found)
    print(f"\nwithout JPEG {share:.3f}")
    sys.exit(1 if alarms(found) or share < 0.9 else 0)
