"""What size a picture had before it was enlarged."""

import io
from collections.abc import Callable
from importlib.resources import files

import numpy as np
import pytest
from PIL import Image, ImageFilter

from doctor.evidence.true_size import true_size

WAYS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


@pytest.fixture(scope="module", params=["china.jpg", "flower.jpg"])
def photo(request: pytest.FixtureRequest) -> Image.Image:
    content = (files("sklearn.datasets") / "images" / request.param).read_bytes()
    return Image.open(io.BytesIO(content)).convert("L")


def coded(picture: Image.Image, quality: int) -> Image.Image:
    written = io.BytesIO()
    picture.save(written, "JPEG", quality=quality)
    return Image.open(written)


def told(picture: Image.Image) -> tuple[int, int] | None:
    return true_size(np.asarray(picture))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("factor", [2, 3, 5, 8])
def test_an_enlarged_photo_gives_its_size_away(photo: Image.Image, factor: int, way: str) -> None:
    size = (photo.width // factor, photo.height // factor)
    small = photo.resize(size, Image.Resampling.LANCZOS)
    assert told(small.resize((size[0] * factor, size[1] * factor), WAYS[way])) == size


def test_each_axis_is_told_by_itself_and_through_the_coding_of_jpeg(photo: Image.Image) -> None:
    small = photo.resize((200, 120), Image.Resampling.LANCZOS)
    found = told(coded(small.resize((700, 500), Image.Resampling.BICUBIC), 90))
    assert found is not None
    assert abs(found[0] - 200) <= 1
    assert abs(found[1] - 120) <= 1


@pytest.mark.parametrize("blur", [0, 1, 2, 3])
def test_a_photo_as_it_was_taken_is_not_accused(photo: Image.Image, blur: float) -> None:
    for size in (photo.size, (400, 300), (333, 222)):
        picture = photo.resize(size, Image.Resampling.LANCZOS).filter(ImageFilter.GaussianBlur(blur))
        assert told(picture) is None
        for quality in (95, 75, 50, 30):
            assert told(coded(picture, quality)) is None, (size, quality)


def test_a_photo_that_was_coded_and_then_made_smaller_is_not_accused(photo: Image.Image) -> None:
    for quality in (80, 40):
        for share in (0.75, 0.5, 0.4):
            size = (round(photo.width * share), round(photo.height * share))
            assert told(coded(photo, quality).resize(size, Image.Resampling.BICUBIC)) is None


DRAWN: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "flat": lambda x, y: np.full((300, 400), 90),
    "a ramp": lambda x, y: x * 255 // 399,
    "a ramp of two axes": lambda x, y: (x + y) * 255 // 698,
    "stripes": lambda x, y: (x // 8 % 2) * 255,
    "one edge": lambda x, y: np.where(x > 160, 220, 30),
    "a frame": lambda x, y: np.where((x > 40) & (x < 360) & (y > 40) & (y < 260), 220, 30),
    "a disc": lambda x, y: np.where((x - 200) ** 2 + (y - 150) ** 2 < 9000, 220, 30),
    "waves": lambda x, y: 128 + 100 * np.sin(x / 9) * np.sin(y / 7),
    "noise": lambda x, y: np.random.default_rng(0).integers(0, 256, x.shape),
    "film grain": lambda x, y: 128 + 20 * np.random.default_rng(1).normal(size=x.shape) + x / 8,
}


@pytest.mark.parametrize("drawn", DRAWN)
def test_what_is_drawn_or_noise_is_not_accused(drawn: str) -> None:
    y, x = np.mgrid[0:300, 0:400]
    values = np.clip(DRAWN[drawn](x, y), 0, 255).astype(np.uint8)
    assert true_size(values) is None
    assert told(coded(Image.fromarray(values), 75)) is None


def test_a_tiny_picture_tells_nothing() -> None:
    for shape in ((1, 1), (8, 8), (1, 5000), (63, 400)):
        assert true_size(np.zeros(shape, dtype=np.uint8)) is None
        assert true_size(np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)) is None


def test_pixels_that_were_repeated_are_counted_on_a_drawing_too() -> None:
    small = np.random.default_rng(0).integers(0, 2, (29, 29)).astype(np.uint8) * 255
    assert true_size(np.kron(small, np.ones((10, 10), dtype=np.uint8))) == (29, 29)
