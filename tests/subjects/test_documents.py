"""Folders of documents: one text per file."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from doctor.case import Case
from doctor.evidence.text_columns import TextColumns
from doctor.model import DropRows, RewriteCells
from doctor.repair.changes import Changes
from doctor.repair.copying import _rewrite
from doctor.repair.treatment import treat
from doctor.subjects.file_names import MAX_TEXT_FILES, find_files
from doctor.subjects.table import Table
from doctor.testing import measure

Open = Callable[..., Case]


def write(folder: Path, texts: dict[str, str | bytes]) -> Path:
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def saying(number: int) -> str:
    return f"We met {number} people on the way.\n\nNone of them knew where the road went."


def texts_of(table: Table) -> list[str | None]:
    return [text for (text,) in table.ask(f'SELECT text FROM "{table.relation}" ORDER BY __doctor_row')]


def test_each_file_is_a_row_and_is_named_as_its_place(open_paths: Open, tmp_path: Path) -> None:
    write(tmp_path, {f"{i:02d}.txt": saying(i) for i in range(5)})
    (table,) = open_paths(tmp_path).tables
    assert texts_of(table) == [saying(i) for i in range(5)]
    assert table.place(3) == (tmp_path / "03.txt", 1)
    assert [guess.what for guess in table.guesses] == ["documents"]
    assert measure(TextColumns, tmp_path).names == ("text",)


def test_folders_tell_splits_and_classes(open_paths: Open, tmp_path: Path) -> None:
    for split in ("train", "test"):
        for label in ("pos", "neg"):
            write(tmp_path, {f"{split}/{label}/{i}.txt": f"{label} {saying(i)}" for i in range(3)})
    (table,) = open_paths(tmp_path).tables
    assert table.splits == {"train": 6, "test": 6}
    found = table.ask(f'SELECT label, text FROM "{table.relation}"')
    assert {label for label, _ in found} == {"pos", "neg"}
    assert all(text.startswith(label) for label, text in found)


@pytest.mark.parametrize(
    "texts",
    [
        {"train.txt": saying(1), "valid.txt": saying(2), "test.txt": saying(3)},
        {f"part-{i}-of-4.txt": saying(i) for i in range(1, 5)},
        {f"{i}.txt": "a\tb\n1\t2\n3\t4\n" for i in range(4)},
        {f"{i}.txt": "0 0.51 0.3 0.2 0.1\n1 0.2 0.2 0.1 0.4\n" for i in range(4)},
        {f"list{name}.txt": "apple\npear\nplum\n" for name in "abcd"},
        {**{f"{i}.txt": saying(i) for i in range(4)}, "train.csv": "a,b\n1,2\n3,4\n", "test.csv": "a,b\n1,2\n"},
        {**{f"notes{i}.txt": saying(i) for i in range(4)}, "train.py": "print(1)\n", "model.py": "x = 1\n"},
    ],
    ids=["splits", "shards", "tables", "boxes", "word lists", "beside tables", "beside code"],
)
def test_what_only_looks_like_documents(open_paths: Open, tmp_path: Path, texts: dict[str, str | bytes]) -> None:
    tables = open_paths(write(tmp_path, texts)).tables
    assert not any(guess.what == "documents" for table in tables for guess in table.guesses)


def test_a_delimiter_says_that_they_are_tables(open_paths: Open, tmp_path: Path) -> None:
    write(tmp_path, {f"{i}.txt": saying(i) for i in range(4)})
    tables = open_paths(tmp_path, delimiter=",").tables
    assert not any(guess.what == "documents" for table in tables for guess in table.guesses)


def test_what_cannot_be_read_is_named_and_the_rest_is_examined(open_paths: Open, tmp_path: Path) -> None:
    texts: dict[str, str | bytes] = {f"{i}.txt": saying(i) for i in range(4)}
    write(
        tmp_path,
        {**texts, "4.txt": b"\0\1\2" * 9, "5.txt": "", "6.txt": saying(6).encode("utf-16"), "7.txt": b"caf\xe9 noir"},
    )
    (tmp_path / "8.txt").symlink_to("8.txt")
    case = open_paths(tmp_path)
    (table,) = case.tables
    assert texts_of(table) == [*(saying(i) for i in range(4)), None, saying(6), "café noir"]
    assert {Path(problem.path).name for problem in case.problems} == {"4.txt", "8.txt"}


def test_a_pipe_among_documents_or_tables_is_never_waited_for(open_paths: Open, tmp_path: Path) -> None:
    write(tmp_path, {f"{i}.txt": saying(i) for i in range(4)} | {"tables/a.csv": "x,y\n1,2\n"})
    for name in ("4.txt", "tables/b.csv", "tables/c.parquet", "tables/d.tar"):
        os.mkfifo(tmp_path / name)
    problems = {Path(problem.path).name: problem.reason for problem in open_paths(tmp_path).problems}
    assert problems == dict.fromkeys(("b.csv", "c.parquet"), "neither a file nor a folder") | {
        "4.txt": "neither a file nor a folder"
    }


def test_a_folder_of_many_texts_is_walked_once(tmp_path: Path) -> None:
    write(tmp_path, {f"{i}.txt": "a" for i in range(MAX_TEXT_FILES + 1)} | {"a.csv": "x\n1\n"})
    assert [named.path.name for named in find_files([tmp_path])] == ["a.csv"]


def test_a_copy_leaves_documents_out_and_mends_others(open_paths: Open, tmp_path: Path) -> None:
    home = write(tmp_path / "in", {f"{i}.txt": saying(i) for i in range(5)} | {"5.txt": "salt &amp; pepper, as ever"})
    (table,) = open_paths(home).tables
    done = treat(table, [DropRows(rows=(1, 3)), RewriteCells(columns=("text",), mend=("markup",))])
    targets = {part.path.absolute(): tmp_path / "out" / part.path.name for part in table.parts}
    _rewrite(Changes.of(done.state), targets)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"5.txt"}
    assert (tmp_path / "out" / "5.txt").read_text() == "salt & pepper, as ever"
