"""What is told of the classes of images: wrong ones, exchanged ones, and one image under several."""

import shutil
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

import doctor
from doctor.evidence.image_label_noise import main_axes
from doctor.model import Finding, Report, ReviewFiles

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "labels"


def digits(folder: Path, labels: np.ndarray) -> Path:
    """Write the first digits into folders named for these labels."""
    for number, (image, label) in enumerate(zip(load_digits().images, labels, strict=False)):
        place = folder / f"class {label}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image * 15.9).astype(np.uint8)).save(place / f"{number:04}.png")
    return folder


def noise(report: Report) -> list[Finding]:
    return [finding for finding in report.findings if finding.check == "labels/label-noise"]


def test_flipped_digits_are_listed_first_with_the_class_that_they_are_of(tmp_path: Path) -> None:
    truth = load_digits().target[:700]
    random = np.random.default_rng(0)
    labels = truth.copy()
    flipped = random.random(len(truth)) < 0.06
    labels[flipped] = (truth[flipped] + random.integers(1, 10, flipped.sum())) % 10
    (found,) = noise(doctor.scan(digits(tmp_path, labels), select=["label-noise"]))
    assert found.evidence["kind"] == "noise"
    listed = [int(Path(name).stem) for name in found.evidence["files"]]
    assert np.mean(np.isin(np.flatnonzero(flipped), listed)) > 0.9
    assert isinstance(found.repair, ReviewFiles)
    suggested = np.array([int(name.split()[-1]) for name in found.repair.suggested])
    right = suggested == truth[listed]
    assert right[flipped[listed]].mean() > 0.9
    reviewed = {one.file: cluster.number for cluster in found.review for one in cluster.thumbnails}
    assert sorted(reviewed) == sorted(found.evidence["files"])
    assert found.repair.clusters == tuple(reviewed[name] for name in found.repair.files)
    assert found.evidence["clusters"] == len(found.review) == max(reviewed.values())
    assert {thumbnail.file for thumbnail in found.thumbnails} <= set(found.evidence["files"])
    assert all("looks like" in thumbnail.caption for thumbnail in found.thumbnails)


def test_digits_as_they_are_labelled_are_not_doubted(tmp_path: Path) -> None:
    report = doctor.scan(digits(tmp_path, load_digits().target[:700]), select=["label-noise"])
    assert not noise(report)
    assert {examination.outcome.value for examination in report.examinations} == {"healthy"}


def test_two_exchanged_classes_are_named() -> None:
    (found,) = noise(doctor.scan(FIXTURES / "label_noise" / "sick_images_exchanged", select=["label-noise"]))
    assert {found.evidence["first"], found.evidence["second"]} == {"cross", "ring"}
    assert found.message.startswith("class: ")


def test_pictures_of_noise_give_no_verdict(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    for number in range(160):
        place = tmp_path / ("left", "right")[number % 2]
        place.mkdir(exist_ok=True)
        Image.fromarray(random.integers(0, 256, (16, 16), dtype=np.uint8)).save(place / f"{number}.png")
    report = doctor.scan(tmp_path, select=["label-noise"])
    assert not noise(report)
    assert {examination.outcome.value for examination in report.examinations} == {"unavailable"}


def test_one_image_under_two_classes_is_told_however_it_is_stored(tmp_path: Path) -> None:
    shutil.copytree(FIXTURES / "conflicting_labels" / "sick_images", tmp_path / "machines")
    report = doctor.scan(tmp_path / "machines", select=["conflicting-labels"])
    (found,) = report.findings
    assert found.evidence["groups"] == 3
    assert found.evidence["images"] == 6
    assert {thumbnail.caption for thumbnail in found.thumbnails} == {"sound", "worn"}
    assert [thumbnail.group for thumbnail in found.thumbnails] == [0, 0, 1, 1, 2, 2]


def test_where_most_images_have_several_classes_that_is_a_remark(tmp_path: Path) -> None:
    for name in ("indoor", "kitchen"):
        shutil.copytree(FIXTURES / "conflicting_labels" / "healthy_images" / "worn", tmp_path / name)
    (found,) = doctor.scan(tmp_path, select=["conflicting-labels"]).findings
    assert found.severity == "info"


def test_classes_that_pictures_do_not_show_are_judged_by_vectors_that_are_given(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    truth = np.arange(400) % 3
    given = np.where(random.random(len(truth)) < 0.12, np.array([1, 0, 2])[truth], truth)
    # Wider than the descriptor, with most of the axes empty, as embeddings are.
    vectors = (random.normal(size=(400, 6)) + 3.5 * np.eye(6)[truth]) @ random.normal(size=(6, 300))
    names = [f"class {label}/{number:03}.png" for number, label in enumerate(given)]
    for name in names:
        place = tmp_path / "data" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (8, 8), dtype=np.uint8)).save(place)
    np.savez(tmp_path / "seen.npz", names=np.array(names), embeddings=vectors)

    (found,) = noise(doctor.scan(tmp_path / "data", select=["label-noise"], embeddings=tmp_path / "seen.npz"))
    assert found.evidence["judged_by"] == str(tmp_path / "seen.npz")
    assert {found.evidence["first"], found.evidence["second"]} == {"class 0", "class 1"}
    wrong = {names[number] for number in np.flatnonzero(given != truth)}
    assert len(wrong & set(found.evidence["files"])) >= 0.7 * len(wrong)


def test_main_axes_keep_the_distances_of_wide_features() -> None:
    random = np.random.default_rng(5)
    for rows in (50, 400):  # fewer and more than there are features
        features = random.normal(size=(rows, 9)) @ random.normal(size=(9, 300))
        features -= features.mean(axis=0)
        turned = main_axes(features)
        assert turned.shape == (rows, 240)
        ratio = np.linalg.norm(features[1:] - features[0], axis=1) / np.linalg.norm(turned[1:] - turned[0], axis=1)
        assert np.allclose(ratio, ratio[0])
