"""What a cause costs, by a small model with and without it."""

from typing import Any

import numpy as np
import polars
import pytest
from sklearn.metrics import roc_auc_score

import doctor
from doctor.evidence.surrogate import _area
from doctor.model import Cost, Report

ROWS = 1500


def cost_of(report: Report, check: str) -> Cost:
    marks = {one.fingerprint for one in report.findings if one.check == check}
    assert marks, f"{check} found nothing: {[one.check for one in report.findings]}"
    (cost,) = (one.cost for one in report.diagnoses if marks & set(one.because))
    assert cost is not None
    assert cost.low <= cost.after <= cost.high
    return cost


def scan(data: dict[str, Any], **options: object) -> Report:
    if "train" in data:
        return doctor.scan({name: polars.DataFrame(part) for name, part in data.items()}, target="y", **options)
    return doctor.scan(polars.DataFrame(data), target="y", **options)


def test_a_leaking_column_costs_what_the_honest_ones_do_not_reach() -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=ROWS)
    y = (x + draw.normal(size=ROWS) > 0).astype(int)
    paid = np.where(y == 1, draw.normal(100, 1, ROWS), draw.normal(0, 1, ROWS))
    cost = cost_of(scan({"x": x, "paid": paid, "y": y}), "leakage/label-leakage")
    assert (cost.metric, cost.change, cost.rows) == ("AUC", "without paid", ROWS)
    assert cost.before > 0.99
    # No model can order the rows better than the honest column itself does.
    itself = roc_auc_score(y, x)
    assert itself - 0.1 < cost.after < itself


def test_of_two_leaks_each_is_told_without_the_other() -> None:
    draw = np.random.default_rng(1)
    total = draw.integers(0, 500, ROWS)
    casual = draw.integers(0, 500, ROWS)
    cost = cost_of(scan({"a": total, "b": casual, "y": total + casual}), "leakage/derived-target")
    assert (cost.metric, cost.change) == ("R²", "without a, b")
    assert cost.before > 0.9
    assert cost.after < 0.1


def test_groups_in_both_splits_cost_what_is_learnt_of_each_group() -> None:
    draw = np.random.default_rng(2)
    person = np.repeat(np.arange(60), 25)
    mark = draw.normal(size=(60, 6))
    features = mark[person] + draw.normal(scale=0.05, size=(ROWS, 6))
    y = draw.integers(0, 2, 60)[person]
    test = draw.random(ROWS) < 0.25
    table = {"person_id": [f"p{one:03}" for one in person], "y": y} | {f"f{n}": features[:, n] for n in range(6)}
    parts = {
        name: {column: np.asarray(values)[rows] for column, values in table.items()}
        for name, rows in (("train", ~test), ("test", test))
    }
    cost = cost_of(scan(parts, group="person_id"), "leakage/group-overlap")
    assert cost.before > 0.95
    assert cost.low < 0.5 < cost.high
    assert cost.change == "on groups of person_id that it has not seen"


def test_copies_cost_the_rows_that_were_learnt_by_heart() -> None:
    draw = np.random.default_rng(3)
    features = draw.normal(size=(ROWS, 5)).round(3)
    y = draw.integers(0, 2, ROWS)
    table = {f"f{n}": features[:, n] for n in range(5)} | {"y": y}
    train = {name: values[:1000] for name, values in table.items()}
    test = {name: np.concatenate([values[500:1000], values[1000:]]) for name, values in table.items()}
    cost = cost_of(scan({"train": train, "test": test}), "leakage/split-duplicates")
    assert cost.rows == 500
    assert cost.before > cost.high
    assert cost.low < 0.5 < cost.high


def test_the_area_is_that_of_scikit_learn_with_ties_too() -> None:
    draw = np.random.default_rng(5)
    shares, truth = draw.random((90, 2)).round(1), draw.integers(0, 2, 90)
    assert _area(shares, truth) == pytest.approx(roc_auc_score(truth, shares[:, 1]))
    assert np.isnan(_area(shares, np.zeros(90)))


@pytest.mark.parametrize("rows", [40, ROWS])
def test_where_nothing_is_learnt_nothing_is_said_to_be_lost(rows: int) -> None:
    draw = np.random.default_rng(4)
    words = [f"{draw.integers(10**9)} {draw.integers(10**9)}" for _ in range(rows)]
    y = draw.integers(0, 2, rows)
    half = rows // 2
    parts = {"train": {"text": words, "y": y}, "test": {"text": words[half:] + words[:half], "y": np.roll(y, -half)}}
    assert [one.cost for one in scan(parts).diagnoses] in ([None], [])
