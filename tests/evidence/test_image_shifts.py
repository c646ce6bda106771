"""Which differences between the images of splits are told."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

import doctor
from doctor.model import Finding


def picture(random: np.random.Generator) -> Image.Image:
    coarse = Image.fromarray(random.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    return coarse.resize((96, 72), Image.Resampling.NEAREST)


CHANGES = {
    "brightness": lambda image: image.point(lambda value: value * 0.6),
    "colourfulness": lambda image: image.convert("L").convert("RGB"),
    "sharpness": lambda image: image.filter(ImageFilter.GaussianBlur(4)),
    "size": lambda image: image.resize((192, 144)),
    "shape": lambda image: image.resize((72, 96)),
}


def shifts(folder: Path, change: str = "", count: int = 40) -> list[Finding]:
    random = np.random.default_rng(3)
    for split in ("train", "test"):
        (folder / split).mkdir()
        for number in range(count):
            image = picture(random)
            changed = CHANGES[change](image) if change and split == "test" else image
            changed.save(folder / split / f"{number:03}.png")
    report = doctor.scan(folder, select=["image-shift"])
    return [finding for finding in report.findings if finding.check == "drift/image-shift"]


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_changed_in_one_split_is_told(tmp_path: Path, change: str) -> None:
    (found,) = shifts(tmp_path, change)
    assert found.at.split == "test"
    assert change in found.evidence["traits"]
    assert {thumbnail.group for thumbnail in found.thumbnails} == {0, 1}


def test_splits_of_one_kind_are_not_accused(tmp_path: Path) -> None:
    assert not shifts(tmp_path)


def test_few_images_give_no_verdict(tmp_path: Path) -> None:
    assert not shifts(tmp_path, "brightness", count=5)
