"""Which images belong together, in which split and of which class, and which pictures are no data set."""

import os
from pathlib import Path

import pytest

import doctor
from doctor.case import open_case
from doctor.errors import UsageError
from doctor.settings import Settings
from doctor.subjects.image_sets import Opened, open_images
from doctor.subjects.images import Images


def put(root: Path, *names: str, copies: int = 1) -> Path:
    """Make files; nothing is decoded on opening, so that they may hold anything."""
    for name in names:
        for number in range(copies):
            path = root / (name if copies == 1 else name.replace("*", f"{number:03}"))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(name.encode())
    return root


def only(opened: Opened) -> Images:
    assert len(opened.images) == 1
    return opened.images[0]


def labels(images: Images) -> dict[str, str | None]:
    return {file.name: file.label for file in images.files}


def test_folders_side_by_side_are_classes(tmp_path: Path) -> None:
    images = only(open_images([put(tmp_path, "cat/a.jpg", "cat/deep/b.png", "dog/c.JPG")]))
    assert labels(images) == {"cat/a.jpg": "cat", "cat/deep/b.png": "cat", "dog/c.JPG": "dog"}
    assert images.splits == {"all": 3}
    assert images.by_place == "folders"
    assert [guess.value for guess in images.guesses] == ["2 (cat, dog)"]


def test_splits_stand_above_classes(tmp_path: Path) -> None:
    put(tmp_path, "training/cat/a.jpg", "training/dog/b.jpg", "val/cat/c.jpg", "test_images/d.jpg")
    images = only(open_images([tmp_path]))
    assert images.splits == {"train": 2, "validation": 1, "test": 1}
    assert labels(images) == {
        "training/cat/a.jpg": "cat",
        "training/dog/b.jpg": "dog",
        "val/cat/c.jpg": "cat",
        "test_images/d.jpg": None,
    }


def test_a_folder_that_only_says_images_is_gone_through(tmp_path: Path) -> None:
    put(tmp_path, "data/images/train2017/a.jpg", "data/images/val2017/b.jpg", "data/labels/train2017/a.txt")
    assert only(open_images([tmp_path])).splits == {"train": 1, "validation": 1}


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    images = only(open_images([put(tmp_path, "train/a.jpg", "bus/b.jpg", "car/c.jpg")]))
    assert {file.label for file in images.files} == {"train", "bus", "car"}
    assert images.splits == {"all": 3}


def test_the_same_classes_under_several_folders_are_the_classes(tmp_path: Path) -> None:
    put(tmp_path, "photo/dog/a.jpg", "photo/cat/b.jpg", "sketch/dog/c.jpg", "sketch/cat/d.jpg")
    assert {file.label for file in only(open_images([tmp_path])).files} == {"dog", "cat"}


@pytest.mark.parametrize(
    "names",
    [
        ["2019/a.jpg", "2020/b.jpg"],
        ["batch_1/a.jpg", "batch_2/b.jpg"],
        ["a.jpg", "b.jpg", "more/c.jpg", "others/d.jpg"],
        [f"{number:02x}/a.jpg" for number in range(32)],
    ],
    ids=["dates", "pieces", "images beside folders", "hashes"],
)
def test_folders_that_are_no_classes(tmp_path: Path, names: list[str]) -> None:
    images = only(open_images([put(tmp_path, *names)]))
    assert {file.label for file in images.files} == {None}
    assert images.by_place == ""
    assert len(images.files) == len(names)


def test_two_data_sets_below_one_folder_are_two_collections(tmp_path: Path) -> None:
    put(tmp_path, "pets/train/cat/a.jpg", "pets/test/cat/b.jpg", "scans/x.png", "scans/y.png")
    first, second = open_images([tmp_path]).images
    assert (first.label, first.splits) == ("pets", {"train": 1, "test": 1})
    assert (second.label, second.splits) == ("scans", {"all": 2})


def test_paths_are_looked_at_together(tmp_path: Path) -> None:
    put(tmp_path, "train/cat/a.jpg", "train/dog/b.jpg", "test/cat/c.jpg", "test/dog/d.jpg")
    images = only(open_images([tmp_path / "train", tmp_path / "test"]))
    assert images.splits == {"train": 2, "test": 2}
    assert images.files[0].name == "test/cat/c.jpg"


def test_masks_are_answers_and_no_images(tmp_path: Path) -> None:
    opened = open_images([put(tmp_path, "images/a.jpg", "masks/a.png", "images/b.jpg", "images/b_mask.png")])
    assert list(labels(only(opened))) == ["images/a.jpg", "images/b.jpg"]
    assert [(guess.what, guess.value) for guess in opened.guesses] == [("masks left out", "2")]


def test_the_pictures_of_a_project_are_no_data_set(tmp_path: Path) -> None:
    put(tmp_path, "train.py", "docs/shot.png", "logo.svg", "src/icons/a.png", "src/icons/b.png", "results/loss.png")
    opened = open_images([tmp_path])
    assert opened.images == []
    assert [(guess.what, guess.value) for guess in opened.guesses] == [("pictures left out", "4")]
    assert "FOLDER" in opened.guesses[0].override


def test_the_data_of_a_project_is_a_data_set(tmp_path: Path) -> None:
    put(tmp_path, "train.py", "docs/shot.png", "src/model.py")
    put(tmp_path, "data/cat/*.jpg", "data/dog/*.jpg", copies=30)
    opened = open_images([tmp_path])
    images = only(opened)
    assert images.shown == str(tmp_path / "data")
    assert {file.label for file in images.files} == {"cat", "dog"}
    assert [guess.value for guess in opened.guesses] == ["1"]


def test_plots_beside_a_table_are_no_data_set(tmp_path: Path) -> None:
    put(tmp_path, "loss.png", "roc.png")
    (tmp_path / "metrics.csv").write_text("step,loss\n1,2\n2,1\n3,0.5\n")
    report = doctor.scan(tmp_path)
    assert [subject.kind for subject in report.case.subjects] == ["table"]
    assert [guess.what for guess in report.case.guesses][:1] == ["pictures left out"]


def test_the_user_says_which_images_are_a_split(tmp_path: Path) -> None:
    put(tmp_path, "cat/a.jpg", "dog/b.jpg", "held/cat/c.jpg")
    with open_case([tmp_path], Settings(split=("test=held/*", "train=cat/*", "train=dog/*"))) as case:
        assert case.images[0].splits == {"train": 2, "test": 1}
    with pytest.raises(UsageError, match="no file matches"), open_case([tmp_path], Settings(split=("test=no/*",))):
        pass


def test_the_user_says_that_folders_are_no_classes(tmp_path: Path) -> None:
    put(tmp_path, "cat/a.jpg", "dog/b.jpg", "2020/x.jpg")
    assert {file.label for file in only(open_images([tmp_path], labels="none")).files} == {None}
    named = put(tmp_path / "dated", "2019/a.jpg", "2020/b.jpg")
    assert {file.label for file in only(open_images([named], labels="folders")).files} == {"2019", "2020"}


def test_links_are_followed_out_and_never_in_circles(tmp_path: Path) -> None:
    home, elsewhere = put(tmp_path / "set", "cat/a.jpg", "dog/b.jpg"), put(tmp_path / "store", "x.jpg")
    (home / "cat" / "round").symlink_to(home)
    (home / "fox").symlink_to(elsewhere)
    (home / "twice").symlink_to(elsewhere)
    (home / "cat" / "gone.jpg").symlink_to(home / "nowhere.jpg")
    (home / "cat" / "loop.jpg").symlink_to(home / "cat" / "loop.jpg")
    os.mkfifo(home / "cat" / "pipe.jpg")
    opened = open_images([home])
    names = ["cat/a.jpg", "cat/gone.jpg", "cat/loop.jpg", "dog/b.jpg", "fox/x.jpg"]
    assert [file.name for file in only(opened).files] == names
    assert [problem.reason for problem in opened.problems] == ["neither a file nor a folder"]


def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "cat/a.jpg", "dog/b.jpg", "fox/c.jpg")
    real = os.scandir

    def scandir(path: Path) -> object:
        if Path(path).name == "fox":  # the permission itself does not hold for who runs the tests as root
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    opened = open_images([tmp_path])
    assert len(only(opened).files) == 2
    assert [(problem.path, problem.reason) for problem in opened.problems] == [
        (str(tmp_path / "fox"), "Permission denied")
    ]


def test_an_image_may_be_named_alone(tmp_path: Path) -> None:
    put(tmp_path, "one/a.jpg", "two/a.jpg")
    assert only(open_images([tmp_path / "one" / "a.jpg"])).shown == str(tmp_path / "one" / "a.jpg")
    both = only(open_images([tmp_path / "one" / "a.jpg", tmp_path / "two" / "a.jpg"]))
    assert len({file.name for file in both.files}) == 2


def test_a_case_tells_of_its_images(tmp_path: Path) -> None:
    report = doctor.scan(put(tmp_path, "train/cat/a.jpg", "train/dog/b.jpg", "test/cat/c.jpg", "test/dog/d.jpg"))
    (subject,) = report.case.subjects
    assert (subject.kind, subject.files, subject.splits) == ("images", 4, {"train": 2, "test": 2})
    assert subject.facts["classes"] == 2


def test_a_script_beside_splits_hides_none_of_them(tmp_path: Path) -> None:
    put(tmp_path, "train.py", "train/cat/*.jpg", "train/dog/*.jpg", "test/cat/*.jpg", "test/dog/*.jpg", copies=15)
    images = only(open_images([tmp_path]))
    assert images.splits == {"train": 30, "test": 30}
    assert {file.label for file in images.files} == {"cat", "dog"}
