"""What tables, annotations and label files tell of the images beside them."""

import json
from pathlib import Path

import numpy as np
import pytest

import doctor
from doctor.errors import UsageError
from doctor.subjects.image_sets import open_images
from doctor.subjects.yolo import box_in
from tests.subjects.test_image_layouts import labels, only, put


def test_a_table_beside_the_images_tells_their_classes_and_splits(tmp_path: Path) -> None:
    put(tmp_path, "images/a.jpg", "images/b.jpg", "images/c.jpg", "images/d.jpg")
    (tmp_path / "labels.csv").write_text(
        "filename,label,split\na.jpg,cat,train\nb.jpg,dog,train\nc.jpg,cat,test\nd.jpg,dog,valid\n"
    )
    opened = open_images([tmp_path])
    images = only(opened)
    assert labels(images) == {
        "images/a.jpg": "cat", "images/b.jpg": "dog", "images/c.jpg": "cat", "images/d.jpg": "dog",
    }  # fmt: skip
    assert images.splits == {"train": 2, "validation": 1, "test": 1}
    assert images.by_place == "table"
    assert opened.taken == {tmp_path / "labels.csv"}
    report = doctor.scan(tmp_path)
    assert [subject.kind for subject in report.case.subjects] == ["images"]


def test_a_table_may_name_images_without_their_suffix(tmp_path: Path) -> None:
    put(tmp_path, *(f"img/ISIC_{number}.jpg" for number in range(8)))
    rows = "".join(f"ISIC_{number},{'nv' if number % 2 else 'mel'}\n" for number in range(8))
    (tmp_path / "truth.csv").write_text("image,dx\n" + rows)
    assert {file.label for file in only(open_images([tmp_path])).files} == {"nv", "mel"}


def test_a_table_may_lie_below_the_images_and_be_named_alone(tmp_path: Path) -> None:
    put(tmp_path, "photos/a.jpg", "photos/b.jpg")
    table = tmp_path / "meta" / "train.jsonl"
    table.parent.mkdir()
    rows = [{"image": "photos/a.jpg", "label": "x"}, {"image": "photos/b.jpg", "label": "x"}]
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    images = only(open_images([table]))
    assert images.splits == {"train": 2}
    assert [file.path for file in images.files] == [tmp_path / "photos" / "a.jpg", tmp_path / "photos" / "b.jpg"]
    assert [file.read() for file in images.files] == [b"photos/a.jpg", b"photos/b.jpg"]


def test_an_image_that_a_table_names_and_that_is_not_there_cannot_be_read(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "b.jpg")
    (tmp_path / "list.txt").write_text("a.jpg 0\nb.jpg 1\nlost.jpg 1\n")
    images = only(open_images([tmp_path]))
    lost = next(file for file in images.files if file.name == "lost.jpg")
    assert lost.label == "1"
    with pytest.raises(FileNotFoundError):
        lost.read()


def test_a_table_with_more_to_say_stays_a_table(tmp_path: Path) -> None:
    put(tmp_path, *(f"{number}.jpg" for number in range(6)))
    rows = "".join(f"{number}.jpg,{'ab'[number % 2]},{20 + number}\n" for number in range(6))
    (tmp_path / "patients.csv").write_text("file,label,age\n" + rows)
    opened = open_images([tmp_path])
    assert opened.taken == set()
    assert only(opened).table == str(tmp_path / "patients.csv")
    report = doctor.scan(tmp_path)
    assert sorted(subject.kind for subject in report.case.subjects) == ["images", "table"]


def test_a_table_about_other_things_tells_nothing(tmp_path: Path) -> None:
    put(tmp_path, *(f"cat/{number}.jpg" for number in range(20)), *(f"dog/{number}.jpg" for number in range(20)))
    (tmp_path / "other.csv").write_text("file,label\n/far/x.jpg,1\n/far/y.jpg,2\n/far/z.jpg,1\n/far/w.jpg,2\n")
    (tmp_path / "numbers.csv").write_text("a,b\n1,2\n3,4\n")
    opened = open_images([tmp_path])
    assert {file.label for file in only(opened).files} == {"cat", "dog"}
    assert opened.taken == set()


def test_images_with_several_classes_have_none(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "b.jpg")
    (tmp_path / "boxes.csv").write_text("file,class\na.jpg,cat\na.jpg,dog\nb.jpg,cat\nb.jpg,cat\n")
    assert labels(only(open_images([tmp_path]))) == {"a.jpg": None, "b.jpg": "cat"}


def coco(**changes: object) -> str:
    content = {
        "images": [
            {"id": 1, "file_name": "a.jpg", "width": 100, "height": 50},
            {"id": 2, "file_name": "b.jpg", "width": 100, "height": 50},
            {"id": 3, "file_name": "lost.jpg", "width": 100, "height": 50},
        ],
        "annotations": [
            {"id": 11, "image_id": 1, "category_id": 1, "bbox": [10, 10, 20, 20]},
            {"id": 12, "image_id": 2, "category_id": 9, "bbox": [90, 10, 20.5, 20]},
            {"id": 13, "image_id": 4, "category_id": 1, "bbox": [0, 0, 1, 1]},
            {"id": 14, "image_id": 2, "category_id": 1, "bbox": [0, 0, 1]},
        ],
        "categories": [{"id": 1, "name": "cat"}],
    }
    return json.dumps(content | changes)


def test_coco_annotations_become_boxes(tmp_path: Path) -> None:
    put(tmp_path, "val2017/a.jpg", "val2017/b.jpg")
    path = tmp_path / "annotations" / "instances_val2017.json"
    path.parent.mkdir()
    path.write_text(coco())
    opened = open_images([tmp_path])
    images = only(opened)
    assert opened.taken == {path}
    assert images.annotations is not None
    boxes = images.annotations.read()
    assert boxes.image.tolist() == [0, 1]
    assert boxes.number.tolist() == [1, 9]
    assert boxes.corners.tolist() == [[10, 10, 30, 30], [90, 10, 110.5, 30]]
    assert boxes.sizes.tolist() == [[100, 50], [100, 50]]
    assert [(one.line, one.reason) for one in boxes.bad] == [
        (13, "there is no image 4"),
        (14, "bbox [0, 0, 1] is no box"),
    ]
    assert images.annotations.missing == ("lost.jpg",)
    assert images.annotations.classes == {1: "cat"}


def test_coco_may_be_named_alone(tmp_path: Path) -> None:
    put(tmp_path, "pictures/a.jpg", "pictures/b.jpg")
    (tmp_path / "instances.json").write_text(coco())
    assert len(only(open_images([tmp_path / "instances.json"])).files) == 3


def test_coco_without_boxes_tells_classes(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "b.jpg")
    told = [{"image_id": 1, "category_id": 1}, {"image_id": 2, "category_id": 1}]
    (tmp_path / "train.json").write_text(coco(annotations=told))
    images = only(open_images([tmp_path]))
    assert labels(images) == {"a.jpg": "cat", "b.jpg": "cat"}
    assert images.splits == {"train": 2}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (coco()[:-30], "not valid JSON"),
        (coco(images=[{"id": 1}]).replace('{"id": 1}', '{"file_name": 1}'), "no annotations in the form of COCO"),
        (coco(images=[{"id": 1, "file_name": "far.jpg"}]), "none of the 1 images that it names is here"),
    ],
    ids=["cut off", "wrong fields", "other images"],
)
def test_broken_annotations_are_named(tmp_path: Path, content: str, said: str) -> None:
    put(tmp_path, "a.jpg", "b.jpg")
    (tmp_path / "instances.json").write_text(content)
    (problem,) = open_images([tmp_path]).problems
    assert problem.path == str(tmp_path / "instances.json")
    assert said in problem.reason


def test_broken_annotations_are_told_once(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "b.jpg")
    (tmp_path / "instances.json").write_text(coco()[:-30])
    (problem,) = doctor.scan(tmp_path).case.problems
    assert "not valid JSON" in problem.reason, "and not that it is a table without rows"


def test_python_writes_nan_into_annotations(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "b.jpg")
    told = [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [float("nan"), 0, 1, 1]}]
    (tmp_path / "instances.json").write_text(coco(annotations=told))
    annotations = only(open_images([tmp_path])).annotations
    assert annotations is not None
    assert np.isnan(annotations.read().corners[0, 0])


def yolo(root: Path) -> Path:
    put(root, "images/train/a.jpg", "images/train/b.jpg", "images/val/c.jpg", "images/val/empty.jpg")
    for name, text in {
        "train/a": "0 0.5 0.5 0.2 0.4\n1 0.1 0.1 0.2 0.2\n",
        "train/b": "0 0.2 0.2 0.6 0.2 0.6 0.8\n",
        "val/c": "0 0.5 0.5 x 0.1\n\n7 0.9 0.5 0.4 0.1\n",
        "val/orphan": "0 0.5 0.5 0.1 0.1\n",
    }.items():
        path = root / "labels" / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / "data.yaml").write_text("path: .\ntrain: images/train\nval: images/val\nnames:\n  0: cat\n  1: dog\n")
    return root


def test_yolo_labels_become_boxes(tmp_path: Path) -> None:
    opened = open_images([yolo(tmp_path)])
    images = only(opened)
    assert images.splits == {"train": 2, "validation": 2}
    assert images.annotations is not None
    assert images.annotations.classes == {0: "cat", 1: "dog"}
    assert images.annotations.missing == ("labels/val/orphan.txt",)
    boxes = images.annotations.read()
    assert boxes.image.tolist() == [0, 0, 1, 2]
    assert boxes.number.tolist() == [0, 1, 0, 7]
    assert np.allclose(boxes.corners[0], [0.4, 0.3, 0.6, 0.7])
    assert np.allclose(boxes.corners[2], [0.2, 0.2, 0.6, 0.8])
    assert [(one.path.name, one.line, one.reason) for one in boxes.bad] == [("c.txt", 1, "a value is no number")]
    assert {path.name for path in opened.taken} == {"a.txt", "b.txt", "c.txt", "orphan.txt"}
    assert [subject.kind for subject in doctor.scan(tmp_path).case.subjects] == ["images"]


def test_captions_are_no_boxes(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "b.jpg")
    (tmp_path / "a.txt").write_text("a cat on a mat\n")
    (tmp_path / "b.txt").write_text("2 dogs in 3 rows\n")
    opened = open_images([tmp_path])
    assert only(opened).annotations is None
    assert opened.taken == set()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("0 0.5 0.5 0.1", "4 values, and a box has 5"),
        ("0.5 0.5 0.5 0.1 0.1", "the class 0.5 is no number of a class"),
        ("-1 0.5 0.5 0.1 0.1", "the class -1 is no number of a class"),
        ("0 0.5 nan 0.1 0.1", "a value is not finite"),
    ],
)
def test_what_is_no_box_is_said(line: str, said: str) -> None:
    assert box_in(line) == said


def test_a_table_of_images_that_are_elsewhere_is_not_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "urls.csv"
    table.write_text("url,label\n" + "".join(f"https://far.example/{n}.jpg,{n % 3}\n" for n in range(900)))
    monkeypatch.setattr("doctor.subjects.image_tellings.read_list", lambda *_: pytest.fail("it was read"))
    opened = open_images([table])
    assert (opened.images, opened.taken) == ([], set())


def test_what_is_no_name_of_a_file_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(f"file,label\n{'x' * 5000}.jpg,1\n{'y' * 5000}.jpg,2\n")
    assert open_images([tmp_path / "list.csv"]).images == []
    put(tmp_path, "a.jpg", "b.jpg")
    huge = [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [10**400, 0, 1, 1]}]
    (tmp_path / "instances.json").write_text(coco(annotations=huge))
    annotations = only(open_images([tmp_path])).annotations
    assert annotations is not None
    assert [one.line for one in annotations.read().bad] == [1]


def test_the_user_says_which_column_tells_the_classes(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "b.jpg", "c.jpg", "d.jpg")
    (tmp_path / "list.csv").write_text("file,label,mood\na.jpg,1,up\nb.jpg,2,up\nc.jpg,1,down\nd.jpg,2,down\n")
    assert {file.label for file in only(open_images([tmp_path])).files} == {"1", "2"}
    assert {file.label for file in only(open_images([tmp_path], labels="mood")).files} == {"up", "down"}
    with pytest.raises(UsageError, match="--image-labels mode: no table that names these images has that column"):
        open_images([tmp_path], labels="mode")
