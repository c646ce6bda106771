"""The line of a row is the line at which a reader of the file finds it, or none is named."""

import csv
import gzip
import io
import json
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from doctor.model import Declared, Location
from doctor.subjects.anchors import anchored
from doctor.subjects.batch import ReadingOptions
from doctor.subjects.layout import open_tables
from doctor.subjects.table import Engine


def places(path: Path, rows: range, *, split: str | None = None, column: str = "name") -> list[tuple[Location, str]]:
    """Return each row's place and what the table has in a column of that row."""
    engine = Engine()
    try:
        (table,), _ = open_tables(engine, [path], Declared(), options=ReadingOptions())
        found = []
        for row in rows:
            at = anchored(Location(split=split, rows=(row,)), table)
            name = table.ask(f'SELECT "{column}" FROM "{table.relation}" WHERE __doctor_row = {row - 1}')[0][0]
            found.append((at, name))
        return found
    finally:
        engine.close()


def line_of(path: Path, number: int) -> str:
    return path.read_bytes().split(b"\n")[number - 1].decode("utf-8")


cells = st.text(st.sampled_from('ab"\n,;\\ é'), max_size=6)
tables = st.lists(st.tuples(cells, st.booleans(), st.booleans()), min_size=3, max_size=12)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=tables, ends=st.sampled_from(["\n", "\r\n"]))
@example(rows=[(",\\", False, False), ("", False, True), ("", False, True)], ends="\n")
@example(rows=[('a"\n\n"b', False, False), ("", True, False), ("\n", False, True)], ends="\r\n")
def test_a_named_line_is_where_the_row_begins(rows: list[tuple[str, bool, bool]], ends: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=ends)
    writer.writerow(["name", "note", "size"])
    for number, (note, blank_line, broken) in enumerate(rows):
        if blank_line:
            text.write(ends)
        if broken:
            text.write(f"broken{ends}")
        writer.writerow([f"row{number}", note, number])
    path.write_bytes(text.getvalue().encode())
    for at, name in places(path, range(1, len(rows) + 1)):
        if at.file_line is not None:
            assert line_of(path, at.file_line).startswith(f"{name or ''},")


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_lines_are_named_through_quoted_line_ends_blank_and_broken_lines(ends: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    lines = [
        "name,note,size",
        "row0,a,1",
        "",
        'row1,"two',
        'lines, ""quoted""",2',
        "broken",
        "row2,5 inch,3",
        "row3,,4",
    ]
    path.write_bytes((ends.join(lines) + ends).encode())
    assert [at.file_line for at, _ in places(path, range(1, 5))] == [2, 4, 7, 8]


def test_a_large_plain_file_needs_no_second_reading(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("name,x\n" + "".join(f"row{i},{i}\n" for i in range(1000)), "utf-8")
    engine = Engine()
    (table,), _ = open_tables(engine, [path], Declared(), options=ReadingOptions())
    path.unlink()
    assert anchored(Location(rows=(1000,)), table).file_line == 1001
    assert anchored(Location(columns=("x",)), table).file_line == 1
    engine.close()


def test_a_file_that_changed_meanwhile_gets_no_line(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('name,x\nrow0,"a\nb"\nrow1,c\n', "utf-8")
    engine = Engine()
    (table,), _ = open_tables(engine, [path], Declared(), options=ReadingOptions())
    path.write_text("name,x\nrow0,a\n", "utf-8")
    at = anchored(Location(rows=(2,)), table)
    assert (at.file, at.file_line) == (str(path), None)
    engine.close()


def test_a_file_without_names_counts_from_its_first_line(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("1,2\n3,4\n5,6\n", "utf-8")
    ((at, _),) = places(path, range(3, 4), column="column0")
    assert at.file_line == 3


def test_a_compressed_file_is_counted_in_its_text(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b'name,x\nrow0,"a\nb"\nrow1,c\n'))
    assert [at.file_line for at, _ in places(path, range(1, 3))] == [2, 4]


def test_another_encoding_does_not_shift_the_lines(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes('name,x\nrow0,"é\né"\nrow1,c\n'.encode("utf-16"))
    assert [at.file_line for at, _ in places(path, range(1, 3))] == [2, 4]


def test_json_lines_skip_what_is_no_record(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"name": "row0"}\n\nnot json\n{"name": "row1"}\n[1]\n{"name": "row2"}\n', "utf-8")
    found = places(path, range(1, 4))
    assert [json.loads(line_of(path, at.file_line or 0))["name"] for at, _ in found] == ["row0", "row1", "row2"]


def test_a_json_array_has_no_line_per_record(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text('[{"name": "row0"},\n{"name": "row1"}]', "utf-8")
    assert [(at.file, at.file_line) for at, _ in places(path, range(1, 3))] == [(str(path), None)] * 2


def test_a_parquet_row_is_in_its_row_group(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table({"name": [f"row{i}" for i in range(10)]}), path, row_group_size=4)
    assert [at.row_group for at, _ in places(path, range(1, 11))] == [0] * 4 + [1] * 4 + [2] * 2


def test_the_split_names_the_file_and_shards_do_not(tmp_path: Path) -> None:
    for name in ("train", "test"):
        (tmp_path / f"{name}.csv").write_text("name,x\na,1\nb,2\nc,3\n", "utf-8")
    ((at, _),) = places(tmp_path, range(2, 3), split="test")
    assert (at.file, at.file_line) == (str(tmp_path / "test.csv"), 3)
    shards = tmp_path / "shards"
    shards.mkdir()
    for name, rows in (("part-0", "a,1\nb,2\n"), ("part-1", "c,3\nd,4\ne,5\n")):
        (shards / f"{name}.csv").write_text("name,x\n" + rows, "utf-8")
    ambiguous, certain = (at for at, _ in places(shards, range(2, 4)))
    assert (ambiguous.file, ambiguous.file_line) == (None, None)
    assert (certain.file, certain.file_line) == (str(shards / "part-1.csv"), 4)


def test_a_column_is_anchored_where_the_first_file_that_has_it_names_it(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("\nname,x,y\na,1,0\nb,2,1\n", "utf-8")
    (tmp_path / "test.csv").write_text("name,x\nc,1\nd,2\n", "utf-8")
    engine = Engine()
    (table,), _ = open_tables(engine, [tmp_path], Declared(), options=ReadingOptions())
    at = anchored(Location(columns=("y",)), table)
    assert (at.file, at.file_line) == (str(tmp_path / "train.csv"), 2)
    engine.close()
