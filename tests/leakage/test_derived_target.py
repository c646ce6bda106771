"""Which formulas derived-target finds, how it writes them, and what it leaves alone."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from doctor.evidence.decimals import quantum_of, simple, written
from doctor.model import DropColumns, Outcome, Safety
from doctor.testing import Judgement, judge
from doctor_checks.leakage import derived_target

ROWS = 600
Columns = dict[str, Any]


@pytest.fixture
def parts() -> Columns:
    random = np.random.default_rng(5)
    return {
        "a": np.round(random.gamma(2.0, 30.0, ROWS) + 1, 2),
        "b": random.integers(1, 90, ROWS),
        "c": np.round(random.normal(40.0, 9.0, ROWS).clip(5), 1),
        "d": random.normal(size=ROWS),
    }


def of(columns: Columns, **options: Any) -> Judgement:
    return judge(derived_target, pa.table(columns), target="y", **options)


def formula(columns: Columns) -> str:
    (finding,) = of(columns).findings
    assert finding.severity == "error"
    return str(finding.evidence["formula"])


FORMULAS: dict[str, Callable[[Columns], Any]] = {
    "y = 0.9137 × a + 3": lambda p: 0.9137 * p["a"] + 3,
    "y = a + b": lambda p: p["a"] + p["b"],
    "y = a − 2 × b + c": lambda p: p["a"] - 2 * p["b"] + p["c"],
    "y = a × b": lambda p: p["a"] * p["b"],
    "y = a / c^2": lambda p: p["a"] / p["c"] ** 2,
    "y = 10000 × a / c^2": lambda p: 10_000 * p["a"] / p["c"] ** 2,
}


@pytest.mark.parametrize("expected", FORMULAS)
def test_a_formula_is_found_and_printed(parts: Columns, expected: str) -> None:
    found = formula(parts | {"y": FORMULAS[expected](parts)})
    left, right = (set(text.replace("y = ", "").replace(" − ", " + −").split(" + ")) for text in (found, expected))
    assert left == right


def test_weights_that_are_no_simple_fractions_are_kept(parts: Columns) -> None:
    grey = 0.299 * parts["a"] + 0.587 * parts["c"] + 0.114 * parts["d"]
    assert set(formula(parts | {"y": grey})[4:].split(" + ")) == {"0.299 × a", "0.587 × c", "0.114 × d"}


def test_what_is_rounded_is_met_to_half_of_its_last_decimal(parts: Columns) -> None:
    cents = parts | {"y": np.round(parts["a"] * 0.37 + parts["c"], 0)}
    (finding,) = of(cents).findings
    assert finding.evidence["exceptions"] == 0
    assert 0.5 <= finding.evidence["tolerance"] < 0.6


def test_a_few_typing_errors_do_not_hide_a_copy(parts: Columns) -> None:
    y = 2.0 * parts["a"]
    y[[3, 200]] *= 10
    (finding,) = of(parts | {"y": y}).findings
    assert finding.evidence["formula"] == "y = 2 × a"
    assert of(parts | {"y": y}, thresholds={"max_exceptions": 0.0}).findings == [] or not finding.evidence["exceptions"]


def test_a_nearly_exact_sum_is_no_formula(parts: Columns) -> None:
    near = parts["a"] + parts["b"] + np.random.default_rng(1).normal(0, 0.5, ROWS)
    assert of(parts | {"y": np.round(near, 2)}).outcome is Outcome.HEALTHY


def test_columns_that_only_repeat_each_other_are_left_alone(parts: Columns) -> None:
    noise = np.random.default_rng(2).normal(size=ROWS)
    repeated = parts | {"a_again": parts["a"] * 2, "total": parts["a"] + parts["b"], "y": parts["a"] + 30 * noise}
    assert of(repeated).outcome is Outcome.HEALTHY


def test_every_leaking_column_is_named_at_once(parts: Columns) -> None:
    y = parts["a"] + parts["b"]
    rank = np.argsort(np.argsort(-y, kind="stable"), kind="stable") + 1
    found = of(parts | {"rank": rank, "copy": y * 3, "y": y}).findings
    assert {finding.at.columns for finding in found} >= {("rank",), ("copy",)}
    assert {"a", "b"} <= {name for finding in found for name in finding.at.columns}
    assert all(
        finding.repair
        == DropColumns(
            columns=finding.at.columns, safety=Safety.UNSAFE, summary=f"drop {', '.join(finding.at.columns)}"
        )
        for finding in found
    )


def test_a_total_that_is_mostly_nought_must_be_met_where_it_is_not(parts: Columns) -> None:
    random = np.random.default_rng(3)
    some = random.random(ROWS) < 0.5
    repair, other = (np.where(some, np.round(random.gamma(1.0, 900.0, ROWS)), 0) for _ in range(2))
    assert set(formula(parts | {"repair": repair, "other": other, "y": repair + other})[4:].split(" + ")) == {
        "repair",
        "other",
    }
    few = np.arange(ROWS) < 12
    assert of(parts | {"repair": repair * few, "y": repair * few * 2}).outcome is Outcome.UNAVAILABLE


def test_a_threshold_is_told_from_a_gap_between_clusters(parts: Columns) -> None:
    over = np.where(parts["c"] > 43, "high", "low")
    assert formula(parts | {"y": over}) == "y = high where c > 43, else low"
    apart = np.where(over == "high", parts["c"] + 30, parts["c"])
    assert of(parts | {"c": apart, "y": over}).outcome is Outcome.HEALTHY


def test_a_number_cut_into_classes_is_named_with_its_cuts(parts: Columns) -> None:
    y = np.array(["none", "some", "many"])[np.digitize(parts["b"], [21, 61])]
    assert formula(parts | {"y": y}) == "y = b cut: none up to 20, some up to 60, many above"


def test_classes_that_are_several_columns_together(parts: Columns) -> None:
    random = np.random.default_rng(4)
    words = {name: random.choice(list(name), ROWS) for name in ("xy", "uv", "st")}
    joined = ["".join(row) for row in zip(*words.values(), strict=True)]
    assert formula(parts | words | {"y": joined}) == "y = st with uv with xy, one for one (8 classes)"
    wrong = ["xus" if row % 50 == 0 else name for row, name in enumerate(joined)]
    assert of(parts | words | {"y": wrong}).outcome is Outcome.HEALTHY


def test_a_rule_that_several_classes_share_is_no_joint_key(parts: Columns) -> None:
    random = np.random.default_rng(4)
    words = {name: random.choice(list(name), ROWS) for name in ("xy", "uv")}
    both = np.where((words["xy"] == "x") & (words["uv"] == "u"), "both", "not both")
    assert of(parts | words | {"y": both}).outcome is Outcome.HEALTHY


def test_numbers_among_words_are_read(parts: Columns) -> None:
    price = [("ERROR" if row % 40 == 0 else str(value)) for row, value in enumerate(parts["c"])]
    y = np.round(parts["b"] * parts["c"], 1)
    assert formula(parts | {"c": price, "y": y}) in ("y = b × c", "y = c × b")


def test_too_few_rows_give_no_verdict(parts: Columns) -> None:
    few = {name: values[:60] for name, values in parts.items()}
    assert of(few | {"y": few["a"] * 2}).outcome is Outcome.UNAVAILABLE


def test_the_step_of_numbers() -> None:
    assert quantum_of(np.array([1.0, 5.0, np.nan])) == 1
    assert quantum_of(np.array([1.25, 5.0])) == pytest.approx(0.01)
    assert quantum_of(np.array([1 / 3, 2 / 3])) == 0
    assert quantum_of(np.array([np.nan])) == 0


def test_simple_coefficients() -> None:
    assert simple(0.3333333, 1e-5) == pytest.approx(1 / 3)
    assert simple(0.9137, 1e-9) == pytest.approx(0.9137)
    assert simple(0.12345678, 1e-9) is None
    assert [written(value) for value in (2.0, 1 / 3, 0.299, -0.5)] == ["2", "1/3", "0.299", "-0.5"]
