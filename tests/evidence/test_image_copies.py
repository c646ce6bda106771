"""Copies of images are found whatever was done to them, and what merely resembles is not."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import imagehash
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from doctor.evidence import image_stars
from doctor.evidence.hash_windows import CROPS, WHOLE, window_hashes
from doctor.evidence.image_copies import ImageCopies
from doctor.evidence.image_facts import ImageFacts
from doctor.evidence.image_measures import hashes_of
from doctor.evidence.picture_match import match
from doctor.evidence.pictures import Picture, picture_of, turned
from doctor.subjects.images import WHOLE as ALL
from doctor.subjects.images import ImageFile, Images
from doctor.subjects.workers import Workers
from fixtures.photographs import photograph

SIZE = (160, 120)


@pytest.fixture(autouse=True)
def no_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def searched(folder: Path, labels: Mapping[str, str] | None = None) -> ImageCopies:
    """Search a folder, in which folders are splits."""
    files = tuple(
        ImageFile(
            path=path,
            name=path.relative_to(folder).as_posix(),
            split=path.parent.name if path.parent != folder else ALL,
            label=(labels or {}).get(path.name),
        )
        for path in sorted(folder.rglob("*.*"))
    )
    counts = {split: sum(file.split == split for file in files) for split in (ALL, "train", "validation", "test")}
    splits = {split: count for split, count in counts.items() if count}
    images, workers = Images(shown=str(folder), files=files, splits=splits), Workers()
    return ImageCopies.measure(images, ImageFacts.measure(images, workers), workers)


def families(found: ImageCopies) -> list[set[str]]:
    return [{found.files[index].name for index in family} for family in found.families]


def picture(image: Image.Image, folder: Path) -> Picture:
    image.save(folder / "one.png")
    seen = picture_of(ImageFile(path=folder / "one.png", name="one.png"))
    assert seen is not None
    return seen


def marked(image: Image.Image) -> Image.Image:
    image = image.copy()
    ImageDraw.Draw(image).text((20, 50), "do not copy", fill="white", font_size=18)
    return image


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "resized": lambda image: image.resize((90, 70), Image.Resampling.BICUBIC),
    "cut": lambda image: image.crop((16, 0, 160, 108)),
    "mirrored": ImageOps.mirror,
    "turned": lambda image: image.transpose(Image.Transpose.ROTATE_270),
    "marked": marked,
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.6),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(1.5)),
    "grey": lambda image: image.convert("L"),
    "paler": lambda image: ImageEnhance.Color(image).enhance(0.5),
}


def test_copies_are_found_whatever_was_done(tmp_path: Path) -> None:
    for number in range(12):
        photograph(number).save(tmp_path / f"{number}.png")
    for number, change in enumerate(CHANGES.values()):
        change(photograph(number)).save(tmp_path / f"{number} changed.jpg", quality=70)
    found = searched(tmp_path)
    assert sorted(families(found), key=min) == [{f"{n}.png", f"{n} changed.jpg"} for n in range(len(CHANGES))]
    told = {found.files[copy.index].name: copy.how for repeated in found.near for copy in repeated.copies}
    assert [told.get(f"{n} changed.jpg", told.get(f"{n}.png")) for n in range(5)] == list(CHANGES)[:5]
    assert not found.strict


@pytest.mark.parametrize("step", [0.8, 1.5])
def test_one_scene_from_two_places_is_no_copy(step: float, tmp_path: Path) -> None:
    for number in range(5):
        photograph(number).save(tmp_path / f"{number}.png")
        photograph(number, step=step).save(tmp_path / f"{number} aside.png")
    assert families(searched(tmp_path)) == []


def test_the_same_shapes_in_other_colours_are_no_copies(tmp_path: Path) -> None:
    light, blue, red = photograph(1).convert("YCbCr").split()
    one = picture(photograph(1), tmp_path)
    seen = match(one, picture(Image.merge("YCbCr", (light, red, blue)).convert("RGB"), tmp_path))
    assert seen is not None
    assert seen.detail > 0.95
    assert not seen.coloured_alike
    assert not seen.copies


def test_flat_pictures_are_not_compared(tmp_path: Path) -> None:
    for level in range(0, 250, 50):
        noise = np.random.default_rng(level).integers(level, level + 4, (80, 80), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / f"{level}.png")
    found = searched(tmp_path)
    assert (found.flat, found.searched, families(found)) == (5, 0, [])


def test_pictures_of_few_pixels_are_not_compared_but_for_their_bytes(tmp_path: Path) -> None:
    for number in range(4):
        photograph(number).resize((28, 28)).save(tmp_path / f"{number}.png")
    shutil.copyfile(tmp_path / "1.png", tmp_path / "1 again.png")
    found = searched(tmp_path)
    assert (found.tiny, families(found)) == (4, [{"1.png", "1 again.png"}])


def test_what_is_much_alike_by_nature_is_not_called_copies(tmp_path: Path) -> None:
    for number in range(12):
        form = Image.new("RGB", (400, 560), "white")
        pen = ImageDraw.Draw(form)
        for line in range(12):
            pen.text((20, 50 + 40 * line), f"Field {line}: name of item", fill="black", font_size=14)
            pen.rectangle((180, 45 + 40 * line, 380, 70 + 40 * line), outline="black")
            words = f"{(number * 7919 + line * 104729) ** 3 % 10**12}"
            pen.text((190, 50 + 40 * line), words, fill=(20, 20, 120), font_size=16)
        form.save(tmp_path / f"{number}.png")
    found = searched(tmp_path)
    assert found.strict
    assert families(found) == []


def test_the_best_of_a_family_stays(tmp_path: Path) -> None:
    photograph(1).save(tmp_path / "zebra.png")
    shutil.copyfile(tmp_path / "zebra.png", tmp_path / "a lie.jpg")
    shutil.copyfile(tmp_path / "zebra.png", tmp_path / "copy of zebra.png")
    photograph(1).resize((100, 75)).save(tmp_path / "a.png")
    found = searched(tmp_path)
    names = [file.name for file in found.files]
    assert {copy.original for repeated in (*found.same, *found.near) for copy in repeated.copies} == {
        names.index("zebra.png")
    }
    assert [names[copy.index] for copy in found.same[0].copies] == ["copy of zebra.png", "a lie.jpg"]
    assert [names[copy.index] for copy in found.near[0].copies] == ["a.png"]


def test_copies_across_splits_are_told_there_and_not_within(tmp_path: Path) -> None:
    for split in ("train", "validation", "test"):
        (tmp_path / split).mkdir()
    photograph(1).save(tmp_path / "train" / "1.png")
    shutil.copyfile(tmp_path / "train" / "1.png", tmp_path / "test" / "same.png")
    ImageOps.flip(photograph(1)).save(tmp_path / "test" / "flip.png")
    photograph(1).resize((120, 90)).save(tmp_path / "validation" / "small.png")
    photograph(2).save(tmp_path / "test" / "2.png")
    found = searched(tmp_path, {"1.png": "cat", "same.png": "dog", "flip.png": "cat"})
    told = {
        (crossing.earlier, crossing.later): [
            (found.files[copy.index].name, found.files[copy.original].name) for copy in crossing.copies
        ]
        for crossing in found.crossings
    }
    assert told == {
        ("train", "validation"): [("validation/small.png", "train/1.png")],
        ("train", "test"): [("test/same.png", "train/1.png"), ("test/flip.png", "train/1.png")],
        ("validation", "test"): [("test/flip.png", "validation/small.png"), ("test/same.png", "validation/small.png")],
    }
    assert found.other_labels(found.crossings[1]) == 1
    assert not any(repeated.copies for repeated in found.same)
    (within,) = [repeated for repeated in found.near if repeated.copies]
    assert (within.split, len(within.copies)) == ("test", 1)


def test_what_was_left_for_want_of_time_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        photograph(number).save(tmp_path / f"{number}.png")
        photograph(number).resize((120, 90)).save(tmp_path / f"{number} small.png")
    monkeypatch.setattr(image_stars, "MAX_COMPARED", 1)
    found = searched(tmp_path)
    assert (found.compared, len(found.families), found.all_compared) == (2, 2, False)


def test_a_file_that_vanished_is_passed_over(tmp_path: Path) -> None:
    assert picture_of(ImageFile(path=tmp_path / "gone.png", name="gone.png")) is None
    (tmp_path / "empty.png").write_bytes(b"")
    assert picture_of(ImageFile(path=tmp_path / "empty.png", name="empty.png")) is None


def test_windows_are_hashed_as_imagehash_would_hash_them() -> None:
    image = photograph(3).convert("L")
    small = np.asarray(image.resize((32, 32), Image.Resampling.LANCZOS))[None]
    assert int(window_hashes(small, (WHOLE,))[0, 0]) == int(str(imagehash.phash(image)), 16)
    (top, bottom), (left, right) = CROPS[10]
    box = (SIZE[0] * left, SIZE[1] * top, SIZE[0] * right, SIZE[1] * bottom)
    cut = imagehash.phash(image.crop(tuple(map(round, box))))
    apart = int(window_hashes(small, CROPS[10:11])[0, 0]) ^ int(str(cut), 16)
    assert apart.bit_count() <= 6


def test_pictures_are_turned_as_their_hashes_are() -> None:
    small = np.asarray(photograph(4).convert("L").resize((32, 32)))
    hashes = hashes_of(small[None])[0]
    for way in range(8):
        assert hashes_of(np.ascontiguousarray(turned(small, way))[None])[0, 0] == hashes[way]
