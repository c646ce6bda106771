"""What the checks of single images say where a fixture does not reach: what is meant so, and what is configured."""

import json
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

import doctor
from doctor.model import Finding
from fixtures.image_files import save, scene, scenes

CHECKS = (
    "images/unreadable",
    "images/blank",
    "images/low-resolution",
    "images/odd-aspect-ratio",
    "images/over-under-exposed",
    "images/blurry",
    "images/colour-mode-mix",
)


def found(folder: Path, **options: object) -> list[Finding]:
    return doctor.scan(folder, select=CHECKS, **options).findings


def kinds(folder: Path, **options: object) -> list[tuple[str, object, str]]:
    return [(one.check, one.evidence.get("kind"), one.severity.value) for one in found(folder, **options)]


def test_a_configured_input_size_takes_the_place_of_512(tmp_path: Path) -> None:
    save(scenes(20, 1, 200, 190) | scenes(4, 100, 180, 120), tmp_path / "photos")
    config = {"architectures": ["ViTForImageClassification"], "model_type": "vit", "image_size": 160}
    (tmp_path / "config.json").write_text(json.dumps(config))
    [small] = found(tmp_path)
    assert (small.evidence["kind"], small.evidence["side"], small.evidence["images"]) == ("input", 160, 4)
    assert "image_size" in small.message


@pytest.mark.parametrize(("count", "expected"), [(100, [("images/low-resolution", "throughout", "info")]), (99, [])])
def test_a_large_collection_that_is_small_throughout_is_remarked(
    tmp_path: Path, count: int, expected: list[object]
) -> None:
    save(scenes(count, 1, 40, 30), tmp_path)
    assert kinds(tmp_path) == expected


def test_an_icon_among_photographs_is_much_smaller(tmp_path: Path) -> None:
    save(scenes(20, 1, 200, 150) | {"icon.png": scene(99, 24, 24)}, tmp_path)
    assert kinds(tmp_path) == [("images/low-resolution", "outlier", "warning")]


def test_an_image_of_one_pixel_is_small_and_not_blank_as_well(tmp_path: Path) -> None:
    save(scenes(20, 1, 200, 150) | {"pixel.png": Image.new("RGB", (1, 1))}, tmp_path)
    assert kinds(tmp_path) == [("images/low-resolution", "outlier", "warning")]


def test_the_limit_can_be_set(tmp_path: Path) -> None:
    save(scenes(20, 1, 200, 150) | scenes(3, 50, 100, 90), tmp_path)
    limits = {"images/low-resolution": {"min_side": 96}}
    assert kinds(tmp_path, set=limits) == [("images/low-resolution", "small", "warning")]


def test_a_pointer_of_git_lfs_is_fetched_and_not_dropped(tmp_path: Path) -> None:
    save(scenes(20, 1), tmp_path)
    (tmp_path / "a.jpg").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n")
    [pointer] = found(tmp_path)
    assert pointer.repair is not None
    assert "git lfs pull" in pointer.repair.summary


def test_a_grey_collection_is_no_mixture_and_one_coloured_image_in_it_is(tmp_path: Path) -> None:
    grey = {name: image.convert("L") for name, image in scenes(20, 1).items()}
    save(grey, tmp_path)
    assert kinds(tmp_path) == []
    save({"coloured.png": scene(99)}, tmp_path)
    assert kinds(tmp_path) == [("images/colour-mode-mix", "coloured", "info")]


def test_lines_on_white_paper_are_not_over_exposed(tmp_path: Path) -> None:
    page = Image.new("RGB", (160, 120), "white")
    ImageDraw.Draw(page).line((10, 10, 150, 100), fill="black")
    save(scenes(20, 1) | {"drawing.png": page}, tmp_path)
    assert kinds(tmp_path) == [("images/colour-mode-mix", "grey", "info")]


def test_a_collection_that_is_dark_throughout_is_meant_so(tmp_path: Path) -> None:
    save({name: image.point(lambda level: level // 7) for name, image in scenes(20, 1).items()}, tmp_path)
    assert kinds(tmp_path) == [("images/over-under-exposed", "dark", "info")]
