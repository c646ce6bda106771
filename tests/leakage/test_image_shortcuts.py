"""What is not in a picture and tells its class, and what tells it honestly."""

from pathlib import Path

import numpy as np
from PIL import Image

import doctor
from doctor.model import Finding, Report

PETS = ("cat", "dog")


def picture(random: np.random.Generator, dog: bool, light: float = 1.0) -> Image.Image:
    coarse = Image.fromarray(random.integers(40, 200, (3, 6) if dog else (6, 3), dtype=np.uint8))
    values = np.asarray(coarse.resize((24, 18), Image.Resampling.BICUBIC), dtype=float)
    return Image.fromarray(np.clip(values * light, 0, 255).astype(np.uint8))


def shortcuts(report: Report) -> list[Finding]:
    return [finding for finding in report.findings if finding.check == "leakage/shortcut"]


def scanned(folder: Path) -> Report:
    return doctor.scan(folder, select=["shortcut"])


def test_a_word_in_names_that_goes_with_one_class_is_a_layout_and_one_that_both_have_is_not(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for layout, words in (("named", ("cat", "dog")), ("sourced", ("farm", "town"))):
        for number in range(140):
            dog = number % 2 == 1
            word = words[dog] if layout == "named" or random.random() < 0.9 else words[not dog]
            place = tmp_path / layout / PETS[dog]
            place.mkdir(parents=True, exist_ok=True)
            picture(random, dog).save(place / f"{word}_{number:03}.png")
    assert not shortcuts(scanned(tmp_path / "named"))
    (found,) = shortcuts(scanned(tmp_path / "sourced"))
    assert found.evidence["kind"] == "word"
    assert found.severity == "info"


def test_light_is_told_where_it_tells_the_class_plainly_and_as_a_question(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    for number in range(140):
        dog = number % 2 == 1
        place = tmp_path / PETS[dog]
        place.mkdir(parents=True, exist_ok=True)
        picture(random, dog, 0.5 if dog else 1.0).save(place / f"{number:03}.png")
    (found,) = shortcuts(scanned(tmp_path))
    assert found.evidence["kind"] == "light"
    assert {thumbnail.caption for thumbnail in found.thumbnails} == set(PETS)


def test_images_without_classes_are_no_matter_of_shortcuts(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    for number in range(120):
        picture(random, number % 2 == 1).save(tmp_path / f"{number:03}.png")
    (examination,) = (one for one in scanned(tmp_path).examinations if one.check == "leakage/shortcut")
    assert examination.outcome == "not applicable"
    assert "--image-labels" in examination.reason
