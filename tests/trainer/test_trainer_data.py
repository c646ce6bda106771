"""What the trainer reads from tables, texts and images; no training."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from conftest import write_csv
from patients import job, write_table
from PIL import Image

from doctor.errors import UsageError
from doctor.trainer.data import Data, read, with_validation
from doctor.trainer.texts import END, FIRST, NOT_JUDGED


def read_csv(
    folder: Path, header: Sequence[str], splits: dict[str, Sequence[Sequence[object]]], **recipe: object
) -> Data:
    for name, rows in splits.items():
        write_csv(folder / f"{name}.csv", header, rows)
    return read(job(folder, folder / "out", **recipe))  # type: ignore[arg-type]


def test_numbers_are_standardised_by_train_and_missing_ones_flagged(tmp_path: Path) -> None:
    train = [[1, 5, "x"], [3, "", "y"], [5, 7, "x"], [7, 8, "y"]]
    data = read_csv(tmp_path, ["a", "b", "label"], {"train": train, "test": [[4, "", "y"]]})
    numbers = data.train.inputs["numbers"]
    assert numbers.shape == (4, 3)
    assert np.allclose(numbers.mean(0)[:2], 0, atol=1e-6)
    assert np.allclose(numbers[:, 0].std(), 1, atol=1e-6)
    assert numbers[:, 2].tolist() == [0, 1, 0, 0]
    assert data.evaluated["test"].inputs["numbers"].tolist() == [[0, 0, 1]]


def test_a_category_that_train_does_not_hold_is_the_unknown_one(tmp_path: Path) -> None:
    train = [["red", "x"], ["blue", "y"], ["", "x"], ["red", "y"]]
    data = read_csv(tmp_path, ["colour", "label"], {"train": train, "test": [["green", "x"], ["blue", "x"]]})
    assert data.sizes.levels == (4,)
    assert data.train.inputs["categories"][:, 0].tolist() == [3, 2, 1, 3]
    assert data.evaluated["test"].inputs["categories"][:, 0].tolist() == [0, 2]


def test_texts_with_many_values_are_hashed_and_that_is_said(tmp_path: Path) -> None:
    rows = [[f"id{row}", row % 7, "xy"[row % 2]] for row in range(300)]
    data = read_csv(tmp_path, ["name", "a", "label"], {"train": rows, "test": [["new", 1, "x"]]})
    assert data.sizes.levels == (1026,)
    assert data.evaluated["test"].inputs["categories"][0, 0] > 1
    assert any("name: hashed" in note for note in data.notes)


def test_times_are_numbers(tmp_path: Path) -> None:
    rows = [[f"2024-01-{day:02d}", "xy"[day % 2]] for day in range(1, 29)]
    data = read_csv(tmp_path, ["day", "label"], {"train": rows})
    assert data.sizes.numbers == 1
    assert np.ptp(data.train.inputs["numbers"]) > 2


def test_a_quantity_is_standardised_and_known_in_its_unit(tmp_path: Path) -> None:
    rows = [[row, 100 + row / 3] for row in range(60)]
    data = read_csv(tmp_path, ["a", "price"], {"train": rows, "test": rows[:5]}, options={"target": "price"})
    assert data.task == "regression"
    assert np.allclose(data.train.targets * data.spread + data.centre, [100 + row / 3 for row in range(60)], atol=1e-3)


def test_rows_without_a_target_or_of_a_foreign_class_are_left_out(tmp_path: Path) -> None:
    train = [[1, "x"], [2, "y"], [3, ""], [4, "x"]]
    data = read_csv(tmp_path, ["a", "label"], {"train": train, "test": [[1, "z"], [2, "y"]]})
    assert data.train.numbers.tolist() == [0, 1, 3]
    assert len(data.evaluated["test"]) == 1
    assert any("1 rows left out, their class is not in train" in note for note in data.notes)


def test_a_split_without_the_target_is_not_evaluated(tmp_path: Path) -> None:
    write_csv(tmp_path / "train.csv", ["a", "label"], [[1, "x"], [2, "y"], [3, "x"], [4, "y"]] * 5)
    write_csv(tmp_path / "test.csv", ["a"], [[1], [2]])
    data = read(job(tmp_path, tmp_path / "out", held_out=0.0))
    assert data.evaluated == {}


def test_rows_are_held_out_where_the_data_is_not_divided(tmp_path: Path) -> None:
    path = write_table(tmp_path / "table.csv", 100)
    data, again = (read(job(path, tmp_path / "out", seed=seed)) for seed in (0, 1))
    assert (len(data.train), len(data.evaluated["validation"])) == (80, 20)
    assert set(data.train.numbers) | set(data.evaluated["validation"].numbers) == set(range(100))
    assert data.train.numbers.tolist() == again.train.numbers.tolist()
    assert data.train.numbers.tolist() == sorted(data.train.numbers)


def test_early_stopping_holds_out_rows_of_train_and_never_uses_test(tmp_path: Path) -> None:
    write_table(tmp_path / "train.csv", 100)
    write_table(tmp_path / "test.csv", 50, seed=1)
    data = with_validation(read(job(tmp_path, tmp_path / "out")))
    assert {name: len(rows) for name, rows in data.evaluated.items()} == {"validation": 10, "test": 50}
    assert len(data.train) == 90


def test_columns_can_be_left_out(tmp_path: Path) -> None:
    path = write_table(tmp_path / "table.csv", 50)
    data = read(job(path, tmp_path / "out", without=("a", "colour")))
    assert (data.sizes.numbers, data.sizes.levels) == (2, ())


@pytest.mark.parametrize(
    ("rows", "recipe", "options", "said"),
    [
        ([[1, 2], [3, 4], [5, 7]], {}, {}, "--target COLUMN"),
        ([[1, "x"], [2, "x"], [3, "x"]], {}, {"target": "b"}, "b: a single class, 'x'"),
        ([[1, 2], [2, 2], [3, 2]], {"task": "regression"}, {"target": "b"}, "b: a single value in train"),
        ([[1, "cheap"], [2, "dear"]], {"task": "regression"}, {"target": "b"}, "b: 'cheap' is no number"),
        ([[1, f"name {row}"] for row in range(9)], {}, {"target": "b"}, "b: 9 different values in 9 rows"),
        ([[1, 2], [3, 4]], {}, {"target": "nowhere"}, "there is no column 'nowhere'"),
        ([[1, "x"], [2, "y"]] * 3, {"without": ("a",)}, {"target": "b"}, "no column to learn b from"),
        ([[1, "x"], [2, "y"]] * 3, {"without": ("z",)}, {"target": "b"}, "no column 'z'"),
        ([[1, "x"], [2, "y"]] * 3, {"text": "z"}, {"target": "b"}, "no column 'z' of texts"),
        ([[1, "x"], [2, "y"]] * 3, {"model": "transformer"}, {"target": "b"}, "--text COLUMN"),
        ([["t", "x"], ["u", "y"]] * 3, {"tokenizer": "none.json"}, {"target": "b"}, "none.json: there is no such file"),
    ],
)
def test_data_that_cannot_be_trained_on_is_told_in_one_line(
    tmp_path: Path, rows: list[list[object]], recipe: dict[str, object], options: dict[str, object], said: str
) -> None:
    with pytest.raises(UsageError) as caught:
        read_csv(tmp_path, ["a", "b"], {"train": rows}, options=options, **recipe)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_texts_with_a_label_are_read_as_bytes(tmp_path: Path) -> None:
    rows = [[f"film {number} was {'good' if number % 2 else 'bad'}", number % 2] for number in range(20)]
    data = read_csv(tmp_path, ["text", "label"], {"train": rows}, length=8)
    assert (data.kind, data.task, data.sizes.vocabulary) == ("text", "classification", 258)
    assert data.train.inputs["tokens"][0].tolist() == [
        FIRST + byte for byte in rows[data.train.numbers[0]][0].encode()[:8]
    ]


def test_texts_without_a_label_are_learnt_to_be_continued(tmp_path: Path) -> None:
    (tmp_path / "lines.jsonl").write_text('{"text": "abcd"}\n{"text": "ef"}\n')
    data = read(job(tmp_path, tmp_path / "out", length=3, held_out=0.0))
    assert data.task == "language-model"
    stream = [*(FIRST + byte for byte in b"abcd"), END, *(FIRST + byte for byte in b"ef"), END]
    assert data.train.inputs["tokens"].flatten()[:8].tolist() == stream
    assert data.train.targets.flatten().tolist() == [*stream[1:], NOT_JUDGED, NOT_JUDGED]


def test_a_tokenizer_can_be_given(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({"good": 0, "bad": 1, "?": 2}, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(tmp_path / "words.json"))
    folder = tmp_path / "data"
    rows = [["good bad", "x"], ["bad good new", "y"]] * 5
    data = read_csv(folder, ["text", "label"], {"train": rows}, tokenizer=str(tmp_path / "words.json"), length=4)
    assert data.sizes.vocabulary == FIRST + 3
    assert data.train.inputs["tokens"][0].tolist() in ([2, 3, END, 0], [3, 2, 4, END])


@pytest.mark.parametrize("split", ["", "train/"])
def test_images_are_read_from_folders_named_for_their_classes(tmp_path: Path, split: str) -> None:
    for name, value in (("dark", 0), ("light", 255)):
        for number in range(5):
            path = tmp_path / "data" / f"{split}{name}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (12, 20), value).save(path)
    (tmp_path / "data" / f"{split}dark" / "broken.png").write_bytes(b"no image")
    data = read(job(tmp_path / "data", tmp_path / "out", image_size=8))
    assert (data.kind, data.classes) == ("image", ("dark", "light"))
    assert data.train.inputs["images"].shape == (8, 3, 8, 8)
    assert {int(pixels.mean()) for pixels in data.train.inputs["images"][data.train.targets == 1]} == {255}
    assert any("1 images left out" in note and "broken.png" in note for note in data.notes)


def test_one_folder_of_images_is_one_class_only(tmp_path: Path) -> None:
    (tmp_path / "data" / "dark").mkdir(parents=True)
    Image.new("L", (8, 8)).save(tmp_path / "data" / "dark" / "0.png")
    with pytest.raises(UsageError, match="a single class, 'dark'"):
        read(job(tmp_path / "data", tmp_path / "out"))
