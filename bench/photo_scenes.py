"""Made-up photographs: scenes of things at several depths, seen by a camera that may move, and copies of pictures.

A scene is drawn from a seed. Seen again with another `view` it is another photograph of the same things: near ones move
against far ones, the light differs, and so does the noise.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

Random = np.random.Generator
Array = np.ndarray[Any, Any]
Change = Callable[[Image.Image, Random], Image.Image]

WIDTH, HEIGHT = 480, 360
THINGS = 26
MIN_CONTRAST = 12
"""Levels by which the luminance of a piece of a photograph must vary: the black around a retina is no picture."""


@dataclass(frozen=True)
class View:
    """Where the camera stands (shares of the width at the nearest depth), how bright it is, and its noise."""

    across: float = 0.0
    down: float = 0.0
    light: float = 1.0
    noise: int = 0


def scene(seed: int, view: View = View(), size: tuple[int, int] = (WIDTH, HEIGHT)) -> Image.Image:
    """Return the photograph of a scene."""
    random = np.random.default_rng([7, seed])
    width, height = size
    far = _cloud(random, size, 1.6)
    tints = random.uniform(30, 225, (3, 3))
    mix = _cloud(random, size, 1.9)[..., None]
    canvas = (tints[0] * mix + tints[1] * (1 - mix)) * (0.75 + 0.5 * far[..., None])
    for depth in np.sort(random.uniform(0.15, 1.0, THINGS)):
        shift_x, shift_y = view.across * width * depth, view.down * width * depth
        x, y = random.uniform(0, width) + shift_x, random.uniform(0.1 * height, height) + shift_y
        _draw(canvas, random, x, y, random.uniform(0.04, 0.2) * width * (0.4 + 0.6 * depth))
    noise = np.random.default_rng([11, seed, view.noise]).normal(0, 3, canvas.shape)
    picture = Image.fromarray(np.clip(canvas * view.light + noise, 0, 255).astype(np.uint8))
    return picture.filter(ImageFilter.GaussianBlur(0.6))


def _draw(canvas: Array, random: Random, x: float, y: float, radius: float) -> None:
    """Put a thing into the picture: an ellipse, a box or a rhomb, plain, striped or chequered, lit from one side."""
    angle, stretch, form = random.uniform(0, np.pi), random.uniform(0.4, 1.0), random.integers(0, 3)
    tint, grain = random.uniform(10, 245, 3), random.uniform(0.0, 0.5)
    pattern, period = random.integers(0, 3), random.uniform(4, 24)
    reach = int(1.5 * radius) + 1
    left, top = max(0, int(x) - reach), max(0, int(y) - reach)
    part = canvas[top : max(0, int(y) + reach), left : max(0, int(x) + reach)]
    down, across = np.mgrid[: part.shape[0], : part.shape[1]]
    down, across = down + top - y, across + left - x
    u = across * np.cos(angle) + down * np.sin(angle)
    v = (down * np.cos(angle) - across * np.sin(angle)) / stretch
    inside = (np.hypot(u, v), np.maximum(abs(u), abs(v)), abs(u) + abs(v))[form] < radius
    waves = (np.sin(u / period), np.sin(u / period) * np.sin(v / period), np.zeros_like(u))[pattern]
    shade = 1 + grain * waves - 0.35 * (u + v) / (2 * radius)
    part[inside] = (tint * shade[..., None])[inside]


def _cloud(random: Random, size: tuple[int, int], roughness: float) -> Array:
    """Draw 1/f noise, between 0 and 1."""
    width, height = size
    waves = np.fft.rfft2(random.normal(size=(height, width)))
    frequency = np.hypot(np.fft.fftfreq(height)[:, None] * height, np.fft.rfftfreq(width)[None] * width)
    frequency[0, 0] = 1
    field = np.fft.irfft2(waves / frequency**roughness, s=(height, width))
    low, high = np.quantile(field, [0.01, 0.99])
    return np.clip((field - low) / (high - low), 0, 1).astype(np.float32)


def photographs(folder: Path, side: int = 200) -> list[Image.Image]:
    """Cut the photographs of a folder into pieces that do not overlap; those that show next to nothing are left out."""
    pieces = []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in (".jpg", ".png"):
            continue
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
        across, down = max(1, picture.width // (side * 5 // 4)), max(1, picture.height // side)
        for row in range(min(down, 4)):
            for column in range(min(across, 4)):
                box = (
                    column * picture.width // across,
                    row * picture.height // down,
                    (column + 1) * picture.width // across,
                    (row + 1) * picture.height // down,
                )
                piece = picture.crop(box)
                if np.asarray(piece.convert("L")).std() >= MIN_CONTRAST:
                    pieces.append(piece)
    return pieces


def _encoded(quality: int) -> Change:
    def change(picture: Image.Image, random: Random) -> Image.Image:
        held = io.BytesIO()
        picture.save(held, "JPEG", quality=quality)
        return Image.open(held).convert("RGB")

    return change


def _resized(scale: float) -> Change:
    return lambda picture, _: picture.resize(
        (max(8, round(picture.width * scale)), max(8, round(picture.height * scale))), Image.Resampling.BICUBIC
    )


def _cropped(share: float) -> Change:
    def change(picture: Image.Image, random: Random) -> Image.Image:
        width, height = round(picture.width * (1 - share)), round(picture.height * (1 - share))
        left = int(random.integers(0, picture.width - width + 1))
        top = int(random.integers(0, picture.height - height + 1))
        return picture.crop((left, top, left + width, top + height))

    return change


def _watermarked(cover: float) -> Change:
    """Write over the picture: a line of letters, half seen through; a larger one; three of them, opaque."""
    words = ("photo agency", "sample 2024", "(c) studio nine", "delicious food blog", "do not copy")

    def change(picture: Image.Image, random: Random) -> Image.Image:
        over = Image.new("RGBA", picture.size)
        draw = ImageDraw.Draw(over)
        alpha = int(255 * min(1.0, 0.3 + 4 * cover))
        for _ in range(1 if cover < 0.1 else 2):
            height = max(8, int(picture.height * (0.06 + cover / 2)))
            place = (random.integers(0, picture.width // 3), random.integers(0, max(1, picture.height - height)))
            tint = tuple(int(value) for value in random.choice([0, 255, 200], 3))
            word = str(random.choice(words))
            draw.text((int(place[0]), int(place[1])), word, fill=(*tint, alpha), font_size=height)
        return Image.alpha_composite(picture.convert("RGBA"), over).convert("RGB")

    return change


def _turned(*ways: Image.Transpose) -> Change:
    def change(picture: Image.Image, random: Random) -> Image.Image:
        for way in ways:
            picture = picture.transpose(way)
        return picture

    return change


def _exposed(brightness: float, contrast: float) -> Change:
    return lambda picture, _: ImageEnhance.Contrast(ImageEnhance.Brightness(picture).enhance(brightness)).enhance(
        contrast
    )


def _noisy(sigma: float) -> Change:
    def change(picture: Image.Image, random: Random) -> Image.Image:
        values = np.asarray(picture) + random.normal(0, sigma, (picture.height, picture.width, 3))
        return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))

    return change


def _blurred(share: float) -> Change:
    return lambda picture, _: picture.filter(ImageFilter.GaussianBlur(share * picture.width))


T = Image.Transpose
CHANGES: dict[str, tuple[Change, Change, Change]] = {
    "encoded anew": (_encoded(60), _encoded(30), _encoded(15)),
    "resized": (_resized(0.75), _resized(0.5), _resized(0.25)),
    "cropped": (_cropped(0.03), _cropped(0.06), _cropped(0.1)),
    "watermarked": (_watermarked(0.05), _watermarked(0.08), _watermarked(0.12)),
    "mirrored": (_turned(T.FLIP_LEFT_RIGHT), _turned(T.FLIP_TOP_BOTTOM), _turned(T.TRANSPOSE)),
    "turned": (_turned(T.ROTATE_90), _turned(T.ROTATE_180), _turned(T.ROTATE_270)),
    "exposed": (_exposed(0.85, 1.0), _exposed(1.2, 0.8), _exposed(0.65, 1.25)),
    "blurred": (_blurred(0.002), _blurred(0.005), _blurred(0.01)),
    "noisy": (_noisy(6), _noisy(12), _noisy(20)),
}
"""Copies of a picture, each at three strengths."""
