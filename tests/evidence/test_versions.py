"""What changed between two versions of a data set, and what is asked wrongly of it."""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import doctor
from doctor.errors import UsageError
from doctor.model import Report

HEADER = ("record_id", "age", "weight", "label")
Row = tuple[Any, ...]


def records(rows: int = 200, seed: int = 0) -> list[Row]:
    draw = np.random.default_rng(seed)
    return [
        (
            f"R-{9000 + 7 * i}",
            int(draw.integers(20, 80)),
            round(float(draw.normal(70, 9)), 3),
            str(draw.choice(["a", "b"])),
        )
        for i in range(rows)
    ]


def write(path: Path, rows: Iterable[Row], header: tuple[str, ...] = HEADER) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def compared(new: Path, old: Path) -> Report:
    return doctor.scan(new, target="label", against=str(old), select=("version-diff",))


def kinds(report: Report) -> list[tuple[str, str]]:
    return [(finding.evidence["kind"], finding.at.column) for finding in report.findings]


def test_another_order_and_another_format_are_no_change(tmp_path: Path) -> None:
    rows = records()
    old = write(tmp_path / "old.csv", rows)
    parquet.write_table(
        pa.table(dict(zip(HEADER, zip(*rows[::-1], strict=True), strict=True))), tmp_path / "new.parquet"
    )
    assert kinds(compared(tmp_path / "new.parquet", old)) == []


def test_labels_are_followed_by_key_and_without_one_by_content(tmp_path: Path) -> None:
    rows = records()
    changed = [row if i % 20 else (*row[:3], "c") for i, row in enumerate(rows)]
    for name, first in (("key", 0), ("content", 1)):
        old = write(tmp_path / name / "old.csv", [row[first:] for row in rows], HEADER[first:])
        new = write(tmp_path / name / "new.csv", [row[first:] for row in changed], HEADER[first:])
        (finding,) = compared(new, old).findings
        assert (finding.evidence["kind"], finding.evidence["rows"], finding.evidence["matched_rows"]) == (
            "labels",
            10,
            200,
        )
        assert finding.repair is not None
        assert finding.repair.rows == tuple(range(1, 201, 20))  # type: ignore[union-attr]  # a list for review


def test_rows_that_came_went_and_changed_are_counted(tmp_path: Path) -> None:
    rows = records(260)
    old = write(tmp_path / "old.csv", rows[:200])
    moved = [(row[0], row[1] + 1, *row[2:]) if i < 15 else row for i, row in enumerate(rows[20:])]
    report = compared(write(tmp_path / "new.csv", moved), old)
    assert kinds(report) == [("rows", ""), ("values", "age")]
    went, values = (finding.evidence for finding in report.findings)
    assert (went["added_rows"], went["removed_rows"], went["key"]) == (60, 20, "record_id")
    assert (values["rows"], values["kept_rows"]) == (15, 180)


def test_rows_that_were_tested_on_and_are_now_trained_on_are_told(tmp_path: Path) -> None:
    rows = records()
    for version, cut in (("old", 120), ("new", 150)):
        write(tmp_path / version / "train.csv", rows[:cut])
        write(tmp_path / version / "test.csv", rows[cut:])
    (finding,) = compared(tmp_path / "new", tmp_path / "old").findings
    assert finding.evidence["moved"] == {"test → train": 30}
    assert finding.severity.value == "warning"


def test_columns_that_went_came_or_changed_their_kind_are_told(tmp_path: Path) -> None:
    rows = records()
    old = write(tmp_path / "old.csv", [(*row, i % 3) for i, row in enumerate(rows)], (*HEADER, "ward"))
    new = [(row[0], f"{row[1]} years", *row[2:], i) for i, row in enumerate(rows)]
    found = kinds(compared(write(tmp_path / "new.csv", new, (*HEADER, "bed")), old))
    assert sorted(found) == [("added", "bed"), ("removed", "ward"), ("type", "age")]


def test_another_distribution_is_told_where_rows_are_others(tmp_path: Path) -> None:
    old = write(tmp_path / "old.csv", [row[1:] for row in records(600)], HEADER[1:])
    new = [(age, weight * 2.2, label) for _, age, weight, label in records(600, seed=1)]
    found = kinds(compared(write(tmp_path / "new.csv", new, HEADER[1:]), old))
    assert ("distribution", "weight") in found
    assert ("distribution", "age") not in found


def test_the_right_table_of_several_is_compared(tmp_path: Path) -> None:
    for version in ("old", "new"):
        write(tmp_path / version / "people.csv", records())
        write(tmp_path / version / "rooms.csv", [(i, i % 4) for i in range(60)], ("room", "floor"))
    report = doctor.scan(tmp_path / "new", against=str(tmp_path / "old"), select=("version-diff",))
    assert report.findings == []
    assert {item.outcome.value for item in report.examinations} == {"healthy"}


def test_without_an_older_version_there_is_nothing_to_compare(tmp_path: Path) -> None:
    report = doctor.scan(write(tmp_path / "new.csv", records()), select=("version-diff",))
    (item,) = report.examinations
    assert item.outcome.value == "not applicable"
    assert "--against" in item.reason


@pytest.mark.parametrize("content", [None, "", "no,rows\n"])
def test_an_older_version_that_cannot_be_read_is_one_line(content: str | None, tmp_path: Path) -> None:
    old = tmp_path / "old.csv"
    if content is not None:
        old.write_text(content)
    new = write(tmp_path / "new.csv", records())
    with pytest.raises(UsageError) as refused:
        compared(new, old)
    (line,) = str(refused.value).splitlines()
    assert line.startswith(f"--against {old}: ")


def test_what_is_no_path_is_no_older_version() -> None:
    with pytest.raises(UsageError, match="path of the older version"):
        doctor.scan(pa.table({"x": [1, 2]}), against=pa.table({"x": [1, 2]}))


def test_data_in_memory_is_compared_with_a_file(tmp_path: Path) -> None:
    rows = records()
    old = write(tmp_path / "old.csv", rows)
    new = pa.table(dict(zip(HEADER, zip(*rows, strict=True), strict=True))).drop_columns(["weight"])
    report = doctor.scan(new, target="label", against=str(old), select=("version-diff",))
    assert kinds(report) == [("removed", "weight")]
