"""The checks that count classes and splits say of images what they say of tables."""

from pathlib import Path

import doctor
from doctor.model import Finding, Report, Severity
from fixtures.image_files import scene

COUNTING = ("labels/class-imbalance", "labels/unseen-labels", "quality/tiny-split", "images/tiny-class-folder")


def put(root: Path, **counts: int) -> Path:
    """Make so many images in each folder, `__` standing for `/`."""
    image = scene(1, 40, 30)
    for name, count in counts.items():
        folder = root / name.replace("__", "/")
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            image.save(folder / f"{number}.png")
    return root


def scan(path: Path) -> Report:
    return doctor.scan(path, select=COUNTING)


def only(report: Report) -> Finding:
    assert len(report.findings) == 1, report.findings
    return report.findings[0]


def test_a_rare_class_of_images_is_told(tmp_path: Path) -> None:
    finding = only(scan(put(tmp_path, cat=300, dog=280, fox=12)))
    assert finding.check == "labels/class-imbalance"
    assert finding.message == (
        "class: class fox has 12 of 592 images (2.03%), one for 25 of cat; about 2 of them to test with"
    )
    assert finding.at.columns == ()
    assert finding.evidence["counts"] == {"cat": 300, "dog": 280, "fox": 12}


def test_even_classes_of_images_are_healthy(tmp_path: Path) -> None:
    report = scan(put(tmp_path, train__cat=60, train__dog=50, test__cat=60, test__dog=50))
    assert report.findings == []
    assert {one.outcome.value for one in report.examinations} == {"healthy"}


def test_a_class_that_only_the_test_has_is_told(tmp_path: Path) -> None:
    folders = {"train__cat": 80, "train__dog": 80, "test__cat": 30, "test__dog": 25, "test__fox": 25}
    finding = only(scan(put(tmp_path, **folders)))
    assert finding.check == "labels/unseen-labels"
    assert finding.at.split == "test"
    assert finding.message.startswith("class: 25 of 80 images of test")


def test_classes_that_are_spelt_otherwise_are_told_as_that(tmp_path: Path) -> None:
    finding = only(scan(put(tmp_path, train__Cat=60, train__Dog=60, val__cat=40, val__dog=40)))
    assert (finding.evidence["kind"], finding.severity) == ("respelled", Severity.ERROR)


def test_a_small_test_of_images_is_told(tmp_path: Path) -> None:
    finding = only(scan(put(tmp_path, train__cat=60, train__dog=60, test__cat=10, test__dog=10)))
    assert finding.message.startswith("test: 20 images; an accuracy")


def test_an_empty_folder_of_a_class_is_told(tmp_path: Path) -> None:
    (tmp_path / "emu").mkdir()
    (tmp_path / "gnu").mkdir()
    (tmp_path / "gnu" / "notes.md").write_text("none yet")
    finding = only(scan(put(tmp_path, cat=60, dog=60)))
    assert finding.message == "no image in 1 folders of classes, such as emu"


def test_many_small_classes_are_a_remark(tmp_path: Path) -> None:
    report = scan(put(tmp_path, **{f"person{number}x": 2 for number in range(30)}, much=40))
    tiny = next(finding for finding in report.findings if finding.check == "images/tiny-class-folder")
    assert tiny.severity is Severity.INFO


def test_rare_and_tiny_classes_are_one_cause(tmp_path: Path) -> None:
    report = scan(put(tmp_path, cat=200, dog=200, fox=3))
    assert {finding.check for finding in report.findings} == {"images/tiny-class-folder", "labels/class-imbalance"}
    assert [len(diagnosis.consequences) for diagnosis in report.diagnoses] == [1]


def test_what_a_table_tells_and_is_examined_for_is_not_told_again(tmp_path: Path) -> None:
    put(tmp_path, photos=62)
    rows = "".join(f"{number}.png,{'ab'[number > 59]},{20 + number % 7}\n" for number in range(62))
    (tmp_path / "patients.csv").write_text("file,label,age\n" + rows)
    report = doctor.scan(tmp_path, select=COUNTING, target="label")
    imbalance = [finding for finding in report.findings if finding.check == "labels/class-imbalance"]
    assert [finding.at.columns for finding in imbalance] == [("label",)]


def test_boxes_are_drawn_on_the_images_that_a_finding_shows() -> None:
    sick = Path(__file__).resolve().parents[2] / "fixtures" / "images" / "annotation_boxes" / "sick_coco"
    report = doctor.scan(sick, select=("images/annotation-boxes",))
    assert {finding.evidence["kind"]: len(finding.thumbnails) for finding in report.findings} == {
        "class": 1, "flat": 1, "outside": 1, "resized": 1,
    }  # fmt: skip
