"""Makes photographs for the benches of images: mosaics of crops of bundled photos at their own resolution, as JPEG."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from sklearn.datasets import load_sample_images

PHOTOS = (
    "astronaut.png", "chelsea.png", "coffee.png", "ihc.png", "motorcycle_left.png", "rocket.jpg", "retina.jpg",
    "hubble_deep_field.jpg", "grass.png", "gravel.png", "brick.png", "camera.png", "moon.png",
)  # fmt: skip
"""Of scikit-image's bundled files, what a camera took."""


def bundled(folder: Path | None) -> list[Image.Image]:
    """Return scikit-learn's two photos, and scikit-image's where its folder of data is given."""
    photos = [Image.fromarray(photo) for photo in load_sample_images().images]
    if folder is not None:
        photos += [Image.open(folder / name).convert("RGB") for name in PHOTOS if (folder / name).exists()]
    return photos


def mosaic(photos: Sequence[Image.Image], drawn: np.random.Generator, width: int, height: int) -> Image.Image:
    """Put crops of photos side by side, none of them enlarged, each turned, mirrored and lit in its own way."""
    page = Image.new("RGB", (width, height))
    across, down = int(drawn.integers(3, 5)), int(drawn.integers(3, 5))
    cell = (-(-width // across), -(-height // down))
    for place in range(across * down):
        photo = photos[int(drawn.integers(len(photos)))]
        left = int(drawn.integers(max(1, photo.width - cell[0] + 1)))
        top = int(drawn.integers(max(1, photo.height - cell[1] + 1)))
        piece = photo.crop((left, top, min(photo.width, left + cell[0]), min(photo.height, top + cell[1])))
        if drawn.random() < 0.5:
            piece = ImageOps.mirror(piece)
        gain = float(drawn.uniform(0.7, 1.2))
        piece = ImageOps.fit(piece.point(lambda level, gain=gain: level * gain), cell, Image.Resampling.NEAREST)
        page.paste(piece, (place % across * cell[0], place // across * cell[1]))
    return page


def make(folder: Path, count: int, photos: Path | None, *, width: int = 1600, height: int = 1200) -> None:
    """Write photographs, the same every time, unless they are there."""
    folder.mkdir(parents=True, exist_ok=True)
    sources = bundled(photos)
    for number in range(count):
        path = folder / f"{number:05}.jpg"
        if not path.exists():
            drawn = np.random.default_rng(number)
            mosaic(sources, drawn, width, height).save(path, quality=int(drawn.integers(80, 96)))


def main() -> None:
    """Write as many as are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--photos", type=Path, help="scikit-image's folder of data")
    chosen = parser.parse_args()
    make(chosen.folder, chosen.count, chosen.photos)


if __name__ == "__main__":
    main()
