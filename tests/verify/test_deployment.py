"""Deployment sets, cut from tables as users have them."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from doctor.case import open_case
from doctor.model import (
    AnyRepair,
    DropColumns,
    DropRows,
    FillMissing,
    Finding,
    Location,
    Resplit,
    Reweight,
    Severity,
)
from doctor.settings import Settings
from doctor.subjects.table import Table
from doctor.verify.deployment import Cut, Untestable, cut

ROWS = 400


def finding(check: str, repair: AnyRepair, *columns: str, split: str | None = None, **evidence: Any) -> Finding:
    at = Location(columns=columns, split=split)
    return Finding(check=check, severity=Severity.ERROR, message="", at=at, repair=repair, evidence=evidence)


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def row(number: int) -> dict[str, Any]:
    return {
        "day": f"2024-{1 + number // 28 % 12:02}-{1 + number % 28:02}",
        "patient": f"p{number % 40}",
        "code": f"s{number % 40}-{number}",
        "size": f"{(number * 37 % 101) / 10:.1f}",
        "note": "" if number % 4 else f"{number % 7}",
        "grade": f"g{number % 7}",
        "refund": number % 2,
        "label": "yes" if number % 2 else "no",
    }


@pytest.fixture
def whole(tmp_path: Path) -> Iterator[Table]:
    write(tmp_path / "data.csv", [row(number) for number in range(ROWS)])
    with open_case([tmp_path], Settings()) as case:
        yield case.tables[0]


@pytest.fixture
def split(tmp_path: Path) -> Iterator[Table]:
    rows = [row(number) for number in range(ROWS)]
    test = [one for number, one in enumerate(rows) if number % 4 == 3]
    train = [one for number, one in enumerate(rows) if number % 4 != 3]
    write(tmp_path / "train.csv", train + test[:30])
    write(tmp_path / "test.csv", test)
    with open_case([tmp_path], Settings()) as case:
        yield case.tables[0]


def rows_of(table: Table, statement: str, *names: str) -> list[tuple[Any, ...]]:
    return table.ask(f"SELECT {', '.join(names) or '*'} FROM ({statement})")


def parts(table: Table, made: Cut) -> dict[str, int]:
    return dict(table.ask(f"SELECT __doctor_split, count(*) FROM ({made.kept}) GROUP BY 1"))


def test_a_leaking_column_is_empty_or_shuffled_in_the_rows_of_validation(whole: Table) -> None:
    made = cut(whole, finding("leakage/label-leakage", DropColumns(columns=("refund",)), "refund"), "label", 1)
    counts = parts(whole, made)
    assert set(counts) == {"train", "validation"}
    assert sum(counts.values()) == ROWS
    promised = f"SELECT * FROM ({made.kept}) WHERE __doctor_split = 'validation' ORDER BY __doctor_row"
    others = ("code", "size", "label")
    for rows in made.deployments.values():
        assert rows_of(whole, rows, *others) == rows_of(whole, promised, *others)
    assert {value for (value,) in rows_of(whole, made.deployments["absent"], "refund")} == {None}
    before, after = (rows_of(whole, rows, "refund", "label") for rows in (promised, made.deployments["permuted"]))
    assert sorted(value for value, _ in before) == sorted(value for value, _ in after)
    agreeing = sum((value == 1) == (label == "yes") for value, label in after)
    assert 0.2 * len(after) < agreeing < 0.8 * len(after)


def test_the_draw_follows_the_seed_alone(whole: Table) -> None:
    leak = finding("leakage/label-leakage", DropColumns(columns=("refund",)), "refund")
    drawn = [rows_of(whole, cut(whole, leak, "label", seed).kept) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]


def test_holes_that_leak_are_everywhere_or_dealt_by_lot(whole: Table) -> None:
    leak = finding("leakage/missingness-leakage", FillMissing(columns=("note",), keep_flag=False), "note")
    made = cut(whole, leak, "label", 1)
    dealt = rows_of(whole, made.deployments["permuted"], "note")
    promised = rows_of(whole, f"SELECT * FROM ({made.kept}) WHERE __doctor_split = 'validation'", "note")
    assert {value for (value,) in rows_of(whole, made.deployments["absent"], "note")} == {None}
    assert sum(value is None for (value,) in dealt) == sum(value is None for (value,) in promised)
    assert dealt != promised
    assert {value for (value,) in dealt} <= {value for (value,) in promised}


def test_the_latest_days_are_in_no_arm(split: Table) -> None:
    made = cut(split, finding("leakage/temporal-overlap", Resplit(by="time", column="day"), "day"), "label", 1)
    latest = [day for (day,) in rows_of(split, made.deployments["latest"], "day")]
    kept = [day for (day,) in rows_of(split, made.kept, "day")]
    assert max(kept) < min(latest)
    assert len(kept) + len(latest) == split.rows
    assert made.promised == "test"
    assert set(parts(split, made)) == {"train", "test"}


@pytest.mark.parametrize(
    ("column", "pattern", "key"), [("patient", "", "patient"), ("code", r"^(s\d+)-", "split_part(code, '-', 1)")]
)
def test_whole_groups_are_in_no_arm(split: Table, column: str, pattern: str, key: str) -> None:
    repair = Resplit(by="group", column=column, pattern=pattern)
    made = cut(split, finding("leakage/group-overlap", repair, column), "label", 1)
    kept = {name for (name,) in rows_of(split, made.kept, key)}
    held = {name for (name,) in rows_of(split, made.deployments["new"], key)}
    assert not kept & held
    assert kept | held == {name for (name,) in rows_of(split, f"SELECT * FROM {split.relation}", key)}
    assert len(held) >= 5


def test_too_few_groups_are_said_to_be_too_few(split: Table) -> None:
    with pytest.raises(Untestable, match="only 0 groups"):
        cut(split, finding("leakage/group-overlap", Resplit(by="group", column="refund"), "refund"), "label", 4)


def test_clean_rows_have_no_copy_in_train(split: Table) -> None:
    repair = DropRows(split="train", also_in="test", duplicates_of=("size", "note", "patient", "day"))
    made = cut(split, finding("leakage/split-duplicates", repair, split="test"), "label", 1)
    clean = rows_of(split, made.deployments["clean"], "code")
    codes = rows_of(split, f"SELECT * FROM ({made.kept}) WHERE __doctor_split = 'train'", "code")
    assert len(clean) == 70
    assert not set(clean) & set(codes)
    assert parts(split, made) == {"train": 330, "test": 100}


def test_distinct_rows_have_no_copy_in_either_arm(tmp_path: Path) -> None:
    rows = [row(number) for number in range(300)]
    write(tmp_path / "data.csv", rows + rows[:200])
    with open_case([tmp_path], Settings()) as case:
        table = case.tables[0]
        made = cut(table, finding("duplicates/duplicate-rows", DropRows()), "label", 1)
        held = rows_of(table, made.deployments["distinct"], "code")
        kept = rows_of(table, made.kept, "code")
    assert len(held) == len(set(held))
    assert not set(held) & set(kept)
    assert made.promised == "all"


def test_every_class_is_held_out_in_its_proportion(whole: Table) -> None:
    repair = Reweight(column="grade")
    made = cut(whole, finding("labels/class-imbalance", repair, "grade", rarest="g6"), "grade", 1)
    counts = dict(whole.ask(f"SELECT grade, count(*) FROM ({made.deployments['every class']}) GROUP BY 1"))
    known = dict(whole.ask(f"SELECT grade, count(*) FROM {whole.relation} GROUP BY 1"))
    assert counts.keys() == known.keys()
    assert all(abs(counts[name] - known[name] / 5) <= 1 for name in known)
    assert made.details["rarest"] == "g6"


@pytest.mark.parametrize(
    ("check", "repair", "why"),
    [
        ("quality/missing-values", FillMissing(columns=("note",)), "fills holes and flags them by itself"),
        ("quality/missing-values", DropColumns(columns=("note",)), "teaches the reference trainer nothing"),
        ("quality/missing-values", DropRows(), "leaves rows without a label out"),
    ],
)
def test_what_no_deployment_set_can_show_is_said(whole: Table, check: str, repair: AnyRepair, why: str) -> None:
    with pytest.raises(Untestable, match=why):
        cut(whole, finding(check, repair, "note"), "label", 1)


def test_few_rows_are_not_enough(tmp_path: Path) -> None:
    write(tmp_path / "data.csv", [row(number) for number in range(90)])
    leak = finding("leakage/label-leakage", DropColumns(columns=("refund",)), "refund")
    with open_case([tmp_path], Settings()) as case, pytest.raises(Untestable, match="rows to train on"):
        cut(case.tables[0], leak, "label", 1)


def test_a_split_without_the_target_is_out_of_view(tmp_path: Path) -> None:
    rows = [row(number) for number in range(ROWS)]
    write(tmp_path / "train.csv", rows)
    write(tmp_path / "test.csv", [{name: value for name, value in one.items() if name != "label"} for one in rows])
    with open_case([tmp_path], Settings()) as case:
        leak = finding("leakage/label-leakage", DropColumns(columns=("refund",)), "refund")
        made = cut(case.tables[0], leak, "label", 1)
        assert set(parts(case.tables[0], made)) == {"train", "validation"}
