"""What the checks of rows and splits say does not depend on how the rows are stored."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from doctor.case import open_case
from doctor.engine import examine
from doctor.settings import settings_for

CHECKS = ("duplicate-rows", "split-duplicates", "group-overlap", "temporal-overlap")
HEADER = ["patient_id", "day", "a", "b", "c", "state"]


def patient_rows() -> tuple[list[list[Any]], list[list[Any]]]:
    draw = np.random.default_rng(11)
    rows = []
    for patient in range(60):
        for visit in range(5):
            state = int(draw.random() < (0.9 if patient % 2 else 0.1))
            numbers = [f"{value:.4f}" for value in draw.normal(size=3)]
            rows.append([5000 + 17 * patient, f"{1 + visit}/{1 + patient % 28}/2019", *numbers, "ab"[state]])
    order = draw.permutation(len(rows))
    train, test = [rows[i] for i in order[:220]], [rows[i] for i in order[220:]]
    return [*train, *test[:6], train[3], train[4], train[3], train[5]], test


def findings(folder: Path) -> list[tuple[Any, ...]]:
    chosen = settings_for(folder, {"target": "state", "select": CHECKS})
    with open_case([folder], chosen) as case:
        report = examine(case, chosen)
    assert not [e for e in report.examinations if e.outcome.value == "crashed"]
    return [
        (
            f.check,
            f.severity,
            f.at.split,
            f.at.columns,
            f.message,
            {k: v for k, v in f.evidence.items() if k != "examples"},
        )
        for f in report.findings
    ]


def store(folder: Path, name: str, rows: list[list[Any]], shards: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for shard in range(shards):
        with (folder / f"{name}-{shard:02d}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(HEADER)
            writer.writerows(rows[shard::shards])


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), shards=st.integers(1, 3))
def test_findings_do_not_depend_on_row_order_or_shards(tmp_path: Path, seed: int, shards: int) -> None:
    train, test = patient_rows()
    plain, moved = tmp_path / "plain", tmp_path / f"moved-{seed}-{shards}"
    store(plain, "train", train, 1)
    store(plain, "test", test, 1)
    draw = np.random.default_rng(seed)
    store(moved, "train", [train[i] for i in draw.permutation(len(train))], shards)
    store(moved, "test", [test[i] for i in draw.permutation(len(test))], shards)
    expected = findings(plain)
    assert {check for check, *_ in expected} >= {
        "duplicates/duplicate-rows",
        "leakage/split-duplicates",
        "leakage/group-overlap",
    }
    assert expected == findings(moved)
