"""What is found does not depend on how the rows are ordered, divided into files or stored."""

import csv
import json
import random
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from doctor.case import open_case
from doctor.engine import examine
from doctor.model import Outcome
from doctor.settings import Settings

Row = dict[str, Any]

LEVELS = ("red", "green", "blue")


def table(seed: int, rows: int) -> list[Row]:
    """Make a table with faults of many kinds, so that the comparison is not one of empty lists."""
    draw = random.Random(seed)
    made = []
    for number in range(rows):
        level = draw.choice(LEVELS)
        label = "yes" if level == "red" or draw.random() < 0.2 else "no"
        made.append(
            {
                "serial": 1000 + number,
                "level": level,
                "size": draw.randrange(40),
                "weight": round(draw.gauss(60, 9), 2),
                "gap": None if draw.random() < 0.4 else round(draw.random(), 3),
                "paid": "on time" if label == "yes" else None,
                "day": f"2021-{draw.randrange(1, 13):02d}-{draw.randrange(1, 29):02d}",
                "label": label,
            }
        )
    return made + made[: rows // 10]


def write(rows: Sequence[Row], path: Path) -> None:
    if path.suffix == ".csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        import pyarrow as pa
        from pyarrow import feather, parquet

        columns = pa.Table.from_pylist(list(rows))
        (parquet.write_table if path.suffix == ".parquet" else feather.write_feather)(columns, str(path))


def store(parts: Sequence[tuple[str, Sequence[Row]]], folder: Path, suffix: str, shards: int) -> Path:
    folder.mkdir()
    for split, rows in parts:
        cuts = [len(rows) * number // shards for number in range(shards + 1)]
        for number, (start, end) in enumerate(pairwise(cuts)):
            name = f"{split}-{number:05d}-of-{shards:05d}" if shards > 1 else split
            write(rows[start:end], folder / f"{name}{suffix}")
    return folder


def told(path: Path) -> tuple[list[Any], dict[str, str]]:
    """Return the findings without the places of rows, and the outcome of every check."""
    asked = Settings(target="label")
    with open_case([path], asked) as case:
        assert not case.problems
        report = examine(case, asked)
    assert not [ended.reason for ended in report.examinations if ended.outcome is Outcome.CRASHED]
    findings = [
        (item.fingerprint, item.severity.value, item.at.columns, item.at.split, _without_rows(item.evidence))
        for item in report.findings
    ]
    outcomes = {ended.check: ended.outcome.value for ended in report.examinations if ended.check not in ONLY_FOR_TEXT}
    return sorted(findings, key=str), outcomes


ONLY_FOR_TEXT = {"quality/malformed-rows", "quality/encoding", "quality/missing-header"}
PLACES = {"rows_shown", "examples", "lines", "places", "row", "first_rows"}


def _without_rows(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_rows(item) for name, item in value.items() if name not in PLACES}
    if isinstance(value, list):
        return [_without_rows(item) for item in value]
    return pytest.approx(value, rel=1e-9) if isinstance(value, float) else value


def compare(seed: int, rows: int, suffix: str, shards: int, *, divided: bool, order: int) -> None:
    made = table(seed, rows)
    cut = len(made) * 3 // 4
    parts = [("train", made[:cut]), ("test", made[cut:])] if divided else [("data", made)]
    with tempfile.TemporaryDirectory() as place:
        plain = told(store(parts, Path(place) / "plain", ".csv", 1))
        shuffled = []
        for split, some in parts:
            mixed = list(some)
            random.Random(order).shuffle(mixed)
            shuffled.append((split, mixed))
        other = told(store(shuffled, Path(place) / "other", suffix, shards))
    assert plain == other
    assert plain[0]


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(
    seed=st.integers(0, 5),
    rows=st.integers(120, 400),
    suffix=st.sampled_from([".csv", ".parquet", ".jsonl", ".feather"]),
    shards=st.integers(1, 4),
    divided=st.booleans(),
    order=st.integers(0, 3),
)
def test_order_shards_and_format_do_not_show(
    seed: int, rows: int, suffix: str, shards: int, divided: bool, order: int
) -> None:
    compare(seed, rows, suffix, shards, divided=divided, order=order)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl", ".feather"])
def test_each_format_tells_the_same(suffix: str) -> None:
    compare(1, 240, suffix, 3, divided=True, order=1)
