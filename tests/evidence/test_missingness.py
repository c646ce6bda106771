"""Holes counted by class, over all rows and the right splits."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from doctor.evidence.missingness import Missingness, Side
from doctor.evidence.profile import Profile
from doctor.evidence.roles import Roles
from doctor.evidence.sample import Sample
from doctor.evidence.targets import Target
from doctor.model import Declared, Sampling
from doctor.subjects.layout import open_tables
from doctor.subjects.table import Engine

Measure = Callable[..., Missingness]


@pytest.fixture
def measure(tmp_path: Path) -> Measure:
    def run(**splits: dict[str, Any]) -> Missingness:
        for name, part in splits.items():
            number = {"number": [len(name) * 10_000 + row for row in range(len(part["y"]))]}
            pq.write_table(pa.table(part | number), tmp_path / f"{name}.parquet")
        engine = Engine()
        try:
            table = open_tables(engine, [tmp_path], Declared(target="y"))[0][0]
            profile = Profile.measure(table, Sampling(rows=200))
            roles = Roles.measure(table, profile)
            sample = Sample.measure(table, profile)
            return Missingness.measure(table, roles, profile, Target.measure(table, roles, sample))
        finally:
            engine.close()

    return run


def purest(missingness: Missingness, column: str) -> Side:
    presence = next(item for item in missingness.columns if item.column == column)
    side = missingness.purest(presence, 0.75)
    assert side is not None
    return side


def test_counts_are_of_all_rows_though_the_sample_is_small(measure: Measure) -> None:
    y = [0, 1] * 1000
    found = measure(table={"y": y, "x": [None if item and row < 500 else 1.0 for row, item in enumerate(y)]})
    side = purest(found, "x")
    assert (found.classes[side.label], side.has_value, side.hits, side.rows, side.base_share) == (
        "1",
        False,
        250,
        250,
        0.5,
    )
    assert side.p < 1e-60


def test_an_honest_pattern_has_no_certainty(measure: Measure) -> None:
    random = np.random.default_rng(0)
    y = random.random(2000) < 0.5
    x = [None if random.random() < (0.8 if item else 0.1) else 1.0 for item in y]
    assert purest(measure(table={"y": y, "x": x}), "x").certainty < 0.8


def test_a_split_without_the_column_does_not_count_as_missing(measure: Measure) -> None:
    holes = [None, 1.0, 1.0, 1.0] * 50
    validation = {"y": ["a", "b"] * 100, "x": holes}
    found = measure(validation=validation, test={"y": ["a"] * 200})
    assert purest(found, "x").rows <= 200
    assert sum(found.columns[0].present) + sum(found.columns[0].missing) == 200


def test_only_the_train_split_counts_where_there_is_one(measure: Measure) -> None:
    part = {"y": ["a", "b"] * 100, "x": [None, 1.0, 1.0, 1.0] * 50}
    found = measure(train=part, test={"y": ["a.", "b."] * 100, "x": [None, 1.0] * 100})
    assert (found.classes, found.rows) == (("a", "b"), 200)


def test_rows_without_a_label_do_not_count(measure: Measure) -> None:
    assert measure(table={"y": ["a", "b", None, "b"] * 50, "x": [None, 1.0] * 100}).rows == 150


def test_a_quantity_is_looked_at_by_quarters(measure: Measure) -> None:
    price = np.arange(1, 1001) / 7
    found = measure(table={"y": price, "x": [None if value < 20 else 1.0 for value in price]})
    side = purest(found, "x")
    assert (found.classes[side.label], side.has_value, side.hits, side.rows) == ("lowest quarter", False, 139, 139)


def test_columns_without_holes_are_left_out(measure: Measure) -> None:
    assert (
        measure(table={"y": ["a", "b"] * 50, "full": [1.0] * 100, "none": pa.array([None] * 100, pa.float64())}).columns
        == ()
    )


def test_names_are_quoted(measure: Measure) -> None:
    name = 'a "b", c\n--'
    assert purest(measure(table={"y": ["a", "b"] * 50, name: [None, 1.0] * 50}), name).purity == 1
