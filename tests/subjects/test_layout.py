"""Which files form one table, and which of them are train, validation and test."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb
import pytest

from doctor.case import Case
from doctor.errors import UsageError
from doctor.subjects.file_names import find_files, group

Open = Callable[..., Case]


def put(folder: Path, *names: str, rows: int = 4, header: str = "a,b") -> Path:
    for position, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{header}\n" + "".join(f"{position * rows + row},x{row}\n" for row in range(rows)))
    return folder


def splits(case: Case) -> list[dict[str, int]]:
    return [table.splits for table in case.tables]


@pytest.mark.parametrize(
    "names",
    [
        ("train.csv", "test.csv"),
        ("adult_train.csv", "adult_test.csv"),
        ("trainData.csv", "testData.csv"),
        ("train/data.csv", "test/data.csv"),
        ("train/january.csv", "test/march.csv"),
        ("data/train-00000-of-00001.csv", "data/test-00000-of-00001.csv"),
        ("split=train/part-0.csv", "split=test/part-0.csv"),
        ("Training.csv", "Holdout.csv"),
    ],
)
def test_splits_are_read_off_the_names(open_paths: Open, tmp_path: Path, names: Sequence[str]) -> None:
    assert splits(open_paths(put(tmp_path, *names))) == [{"train": 4, "test": 4}]


@pytest.mark.parametrize(
    "names",
    [
        ("test_scores.csv",),
        ("covid_testing.csv",),
        ("train.csv",),
        ("test/data.csv",),
        ("contest.csv", "contests.csv"),
        ("train_test_split.csv",),
        ("test_scores.csv", "train_timetable.csv"),
    ],
)
def test_a_word_alone_makes_no_split(open_paths: Open, tmp_path: Path, names: Sequence[str]) -> None:
    assert splits(open_paths(put(tmp_path, *names))) == [{"all": 4}] * len(names)


def test_two_files_named_on_the_command_line_are_one_table(open_paths: Open, tmp_path: Path) -> None:
    put(tmp_path, "adult_test.csv", "adult_train.csv", "other.csv")
    case = open_paths(tmp_path / "adult_test.csv", tmp_path / "adult_train.csv")
    assert splits(case) == [{"train": 4, "test": 4}]
    assert case.tables[0].shown == str(tmp_path / "adult_train.csv")


def test_shards_are_joined_in_their_order(open_paths: Open, tmp_path: Path) -> None:
    case = open_paths(put(tmp_path, *(f"part-{number:04d}.csv" for number in range(12))))
    (table,) = case.tables
    assert table.ask(f'SELECT count(*), count_if(a <> __doctor_row) FROM "{table.relation}"') == [(48, 0)]
    assert table.place(17) == (tmp_path / "part-0004.csv", 2)


def test_shards_without_header_are_joined(open_paths: Open, tmp_path: Path) -> None:
    for shard in range(4):
        (tmp_path / f"part-{shard}.csv").write_text("".join(f"{shard * 5 + row},x{row}\n" for row in range(5)))
    (table,) = open_paths(tmp_path).tables
    assert [column.name for column in table.columns] == ["column0", "column1"]
    assert table.rows == 20


def test_a_type_is_found_over_all_shards(open_paths: Open, tmp_path: Path) -> None:
    (tmp_path / "part-0.csv").write_text("a,b\n1.50,1\n2.50,2\n")
    (tmp_path / "part-1.csv").write_text("a,b\nunknown,3\n3.50,4\n")
    (table,) = open_paths(tmp_path).tables
    values = table.ask(f'SELECT a FROM "{table.relation}" ORDER BY __doctor_row')
    assert [value for (value,) in values] == ["1.50", "2.50", "unknown", "3.50"]


@pytest.mark.parametrize(
    "names",
    [
        ("users.csv", "orders.csv"),
        ("sales_2019.csv", "sales_2020.csv"),
        ("data_v1.csv", "data_v2.csv"),
        ("fold_0.csv", "fold_1.csv"),
        ("dirty.csv", "clean.csv"),
    ],
)
def test_variants_are_tables_of_their_own(open_paths: Open, tmp_path: Path, names: Sequence[str]) -> None:
    case = open_paths(put(tmp_path, *names))
    assert [table.label for table in case.tables] == sorted(name.removesuffix(".csv") for name in names)


def test_files_with_other_columns_are_tables_of_their_own(open_paths: Open, tmp_path: Path) -> None:
    put(tmp_path, "train.csv")
    put(tmp_path, "test.csv", header="p,q")
    case = open_paths(tmp_path)
    assert splits(case) == [{"all": 4}, {"all": 4}]


def test_a_test_split_may_lack_the_target(open_paths: Open, tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("a,b,y\n1,2,x\n3,4,z\n")
    (tmp_path / "test.csv").write_text("a,b\n5,6\n")
    (table,) = open_paths(tmp_path).tables
    assert table.column("y").splits == ("train",)
    assert table.column("a").splits == ("train", "test")


def test_declared_splits_win(open_paths: Open, tmp_path: Path) -> None:
    put(tmp_path, "one.csv", "two.csv", "three.csv")
    case = open_paths(tmp_path, split=("train=o*.csv", "test=t*.csv"))
    assert splits(case) == [{"train": 4, "test": 8}]


@pytest.mark.parametrize("item", ["test", "=x", "test=", "test=nothing*.csv"])
def test_a_split_that_fits_nothing_is_wrong_use(open_paths: Open, tmp_path: Path, item: str) -> None:
    with pytest.raises(UsageError, match="--split"):
        open_paths(put(tmp_path, "one.csv"), split=(item,))


def test_a_column_of_split_words_is_the_split_and_no_feature(open_paths: Open, tmp_path: Path) -> None:
    rows = "".join(f"{row},{'Train' if row % 3 else 'Test'}\n" for row in range(30))
    (tmp_path / "cells.csv").write_text("a,case\n" + rows)
    (table,) = open_paths(tmp_path).tables
    assert table.splits == {"train": 20, "test": 10}
    assert [column.name for column in table.columns] == ["a"]
    assert table.guesses[0].override == "--split-column COLUMN"


def test_a_column_with_another_word_is_a_feature(open_paths: Open, tmp_path: Path) -> None:
    rows = "".join(f"{row},{('train', 'test', 'bus')[row % 3]}\n" for row in range(30))
    (tmp_path / "trips.csv").write_text("a,case\n" + rows)
    assert splits(open_paths(tmp_path)) == [{"all": 30}]


def test_a_declared_split_column_wins(open_paths: Open, tmp_path: Path) -> None:
    rows = "".join(f"{row},{row % 2}\n" for row in range(10))
    (tmp_path / "folds.csv").write_text("a,fold\n" + rows)
    assert splits(open_paths(tmp_path, split_column="fold")) == [{"0": 5, "1": 5}]


def test_what_is_no_data_is_left_alone(open_paths: Open, tmp_path: Path) -> None:
    put(tmp_path, "data.csv", ".hidden.csv", "__pycache__/x.csv", ".cache/y.csv")
    (tmp_path / "README.txt").write_text("Read, me\n")
    (tmp_path / "config.json").write_text('{"a": 1}')
    (tmp_path / "settings.json").write_text('{\n"a": {"b": 1}\n}')
    case = open_paths(tmp_path)
    assert (len(case.tables), case.problems) == (1, ())


def test_thousands_of_files_are_read_in_few_statements(open_paths: Open, tmp_path: Path) -> None:
    put(tmp_path, *(f"train/part-{number:05d}.csv" for number in range(1500)), rows=2)
    put(tmp_path, "test/part-00000.csv")
    (table,) = open_paths(tmp_path).tables
    assert table.splits == {"train": 3000, "test": 4}


def test_a_folder_of_parquet_is_read_in_place(open_paths: Open, tmp_path: Path) -> None:
    for number in range(3):
        values = f"SELECT i + {number * 10} AS a, 'x' AS b FROM range(10) t(i)"
        duckdb.sql(f"COPY ({values}) TO '{tmp_path}/train-0000{number}-of-00003.parquet'")
    (table,) = open_paths(tmp_path).tables
    assert table.ask(f'SELECT count(*), count_if(a <> __doctor_row) FROM "{table.relation}"') == [(30, 0)]
    assert not list(table.engine.scratch.glob("*.parquet"))


def test_a_saved_hugging_face_data_set_is_read(open_paths: Open, tmp_path: Path) -> None:
    import pyarrow as pa

    (tmp_path / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "unsupervised"]}))
    for split in ("train", "unsupervised"):
        folder = tmp_path / split
        folder.mkdir()
        (folder / "dataset_info.json").write_text("{}")
        files = [f"data-0000{number}-of-00002.arrow" for number in range(2)]
        (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in files]}))
        for name in [*files, "cache-1234.arrow"]:
            rows = pa.table({"text": ["a", "b", "c"], "label": [0, 1, 0]})
            with pa.ipc.new_stream(str(folder / name), rows.schema) as stream:
                stream.write_table(rows)
    (table,) = open_paths(tmp_path).tables
    assert table.splits == {"train": 6, "unsupervised": 6}
    (single,) = open_paths(tmp_path / "train").tables
    assert single.splits == {"all": 6}


@pytest.mark.parametrize("kind", ["parquet", "feather", "arrow"])
def test_columns_of_any_type_get_a_canonical_one(open_paths: Open, tmp_path: Path, kind: str) -> None:
    import datetime as dt
    from decimal import Decimal

    import pyarrow as pa
    from pyarrow import feather, parquet

    rows = pa.table(
        {
            "list": [[1, 2], [3]],
            "struct": [{"x": 1}, {"x": None}],
            "binary": [b"\x00\xff", b"ab"],
            "decimal": [Decimal("1.50"), Decimal("2.25")],
            "whole": pa.array([Decimal(5), Decimal(7)], pa.decimal128(38, 0)),
            "unsigned": pa.array([2**64 - 1, 1], pa.uint64()),
            "small": pa.array([2, 1], pa.uint64()),
            "zone": pa.array([dt.datetime(2020, 1, 1, tzinfo=dt.UTC)] * 2, pa.timestamp("ns", tz="Europe/Oslo")),
            "date": [dt.date(1, 1, 1), dt.date(9999, 12, 31)],
            "category": pa.array(["a", "b"]).dictionary_encode(),
            "half": pa.array([1.5, None], pa.float16()),
            "float": pa.array([0.1, float("nan")], pa.float32()),
            "double": [0.1, float("nan")],
            "nothing": pa.nulls(2),
        }
    )
    path = tmp_path / f"table.{kind}"
    if kind == "parquet":
        parquet.write_table(rows, path)
    elif kind == "feather":
        feather.write_feather(rows, path)
    else:
        with pa.ipc.new_stream(str(path), rows.schema) as stream:
            stream.write_table(rows)
    (table,) = open_paths(path).tables
    assert [column.kind.value for column in table.columns] == [
        "other", "other", "other", "number", "integer", "text", "integer", "time", "time", "text", "number", "number",
        "number", "text",
    ]  # fmt: skip
    first, second = table.ask(
        'SELECT list, struct, "decimal", whole, unsigned, zone::VARCHAR, "float", "double" '
        f'FROM "{table.relation}" ORDER BY whole'
    )
    assert first == ("[1,2]", '{"x":1}', 1.5, 5, "18446744073709551615", "2020-01-01 00:00:00", 0.1, 0.1)
    assert second[-2:] == (None, None)


def test_grouping_does_not_depend_on_the_order_of_paths(tmp_path: Path) -> None:
    put(tmp_path, "b_test.csv", "a.csv", "b_train.csv")
    paths = sorted(tmp_path.iterdir())
    assert group(find_files(paths)) == group(find_files(paths[::-1]))
