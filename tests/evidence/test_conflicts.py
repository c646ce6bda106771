"""Equal rows with different labels are counted, and told from rows that are equal by nature."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from doctor.errors import NotApplicable
from doctor.evidence.conflicts import Conflicts

Measure = Callable[..., Any]
HEADER = ["size", "weight", "length", "width", "label"]


def readings(rows: int, seed: int = 0) -> list[list[object]]:
    random = np.random.default_rng(seed)
    return [
        [*(f"{value:.5f}" for value in random.normal(size=4)), "ab"[int(random.random() < 0.5)]] for _ in range(rows)
    ]


def relabelled(row: list[object]) -> list[object]:
    return [*row[:-1], "b" if row[-1] == "a" else "a"]


def test_a_row_entered_twice_with_another_label_is_a_conflict_that_no_coincidence_explains(measure: Measure) -> None:
    rows = readings(200)
    found = measure(Conflicts, HEADER, {"table": [*rows, relabelled(rows[3]), relabelled(rows[7])]}, target="label")
    assert (found.groups, found.rows, found.wrong_rows, found.labelled_rows) == (2, 4, 2, 202)
    assert found.surprising_share == 1.0
    assert {group.rows for group in found.surprising} == {(4, 201), (8, 202)}
    assert all(set(group.labels) == {"a", "b"} for group in found.surprising)


def test_the_floor_counts_what_the_best_rule_gets_wrong(measure: Measure) -> None:
    rows = [["x", "a"]] * 6 + [["x", "b"]] * 3 + [["y", "b"]] * 5 + [["y", "c"]] * 1 + [["z", "a"]] * 5
    found = measure(Conflicts, ["kind", "label"], {"table": rows}, target="label")
    assert (found.groups, found.rows, found.wrong_rows) == (2, 15, 4)
    assert found.floor == 4 / 20
    assert found.surprising == ()


def test_missing_labels_do_not_conflict(measure: Measure) -> None:
    rows = readings(100)
    found = measure(Conflicts, HEADER, {"table": [*rows, [*rows[0][:-1], ""]]}, target="label")
    assert (found.groups, found.wrong_rows, found.labelled_rows) == (0, 0, 100)


def test_a_conflict_between_splits_is_found_and_a_spelling_is_none(measure: Measure) -> None:
    train, test = readings(150), readings(60, seed=1)
    spelled = [*train[0][:-1], f" {str(train[0][-1]).upper()}. "]
    splits = {"train": train, "test": [*test, relabelled(train[5]), spelled]}
    found = measure(Conflicts, HEADER, splits, target="label")
    assert (found.groups, found.rows) == (1, 2)


def test_the_rarer_label_of_a_group_comes_first(measure: Measure) -> None:
    rows = readings(100)
    thrice = [*rows, rows[9], relabelled(rows[9])]
    (group,) = measure(Conflicts, HEADER, {"table": thrice}, target="label").surprising
    assert group.rows == (102, 10, 101)
    assert group.copies == 3


def test_quantities_do_not_conflict(measure: Measure) -> None:
    rows = [[i % 7, i / 3] for i in range(90)]
    with pytest.raises(NotApplicable, match="quantity"):
        measure(Conflicts, ["kind", "price"], {"table": rows}, target="price")
