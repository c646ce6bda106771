"""What columns give away only together, through the whole scan."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import examined
from sklearn import datasets

from doctor.evidence.cell_rules import cell_errors, guess_by_cells
from doctor.evidence.small_models import cut_errors
from doctor.model import DropColumns, Report, Safety
from doctor.settings import Settings

Scan = Callable[..., Report]
CHECK = "leakage/combination-leakage"
ROWS = 1500


@pytest.fixture
def judge(tmp_path: Path) -> Scan:
    def run(columns: dict[str, Any], **settings: Any) -> Report:
        pq.write_table(pa.table(columns), tmp_path / "table.parquet")
        chosen = Settings(target="y", select=settings.pop("select", (CHECK,)), **settings)
        return examined(tmp_path, chosen)

    return run


def said(report: Report) -> dict[tuple[str, ...], str]:
    return {finding.at.columns: finding.severity.value for finding in report.findings}


def outcome(report: Report) -> str:
    (examination,) = report.examinations
    return examination.outcome.value


def noise(seed: int, rows: int = ROWS) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    return {f"n{i}": random.normal(size=rows) for i in range(4)} | {"kind": random.choice(list("abc"), rows)}


def parity(seed: int, rows: int = ROWS) -> dict[str, Any]:
    left, right = np.random.default_rng(seed).integers(0, 2, (2, rows))
    return {"left": left, "right": right, "y": left ^ right}


def test_two_flags_that_differ_are_an_error_with_their_numbers_and_a_repair(judge: Scan) -> None:
    report = judge(parity(1) | noise(2))
    (finding,) = report.findings
    assert said(report) == {("left", "right"): "error"}
    assert finding.repair == DropColumns(columns=("left", "right"), safety=Safety.UNSAFE, summary="drop left, right")
    assert finding.evidence["errors"] == 0
    assert finding.evidence["alone"] < 0.2
    assert finding.evidence["rest"] < 0.2


def test_a_plane_through_two_numbers_is_found_beside_others(judge: Scan) -> None:
    table = noise(3, 4000) | {"m": np.arange(4000) % 7}
    assert said(judge(table | {"y": table["n0"] * 2 > table["n1"]})) == {("n0", "n1"): "error"}


def test_few_rows_without_an_error_are_a_warning(judge: Scan) -> None:
    assert said(judge(parity(4, 500) | noise(5, 500))) == {("left", "right"): "warning"}


def test_a_rule_with_exceptions_is_no_finding(judge: Scan) -> None:
    table = parity(6) | noise(7)
    wrong = np.random.default_rng(8).random(ROWS) < 0.02
    assert said(judge(table | {"y": table["y"] ^ wrong})) == {}


def test_what_the_others_can_do_as_well_is_an_easy_task(judge: Scan) -> None:
    table = parity(9) | noise(10)
    again = np.random.default_rng(11).integers(0, 2, ROWS)
    assert said(judge(table | {"first": again, "second": again ^ table["y"]})) == {}


def test_copies_of_the_set_are_not_the_others(judge: Scan) -> None:
    table = parity(9) | noise(10)
    copies = {"left_again": np.where(table["left"], "on", "off"), "right_again": np.where(table["right"], "on", "off")}
    (finding,) = judge(table | copies).findings
    assert len(finding.at.columns) == 2
    assert len(finding.evidence["copies"]) == 2


def test_a_column_that_settles_the_label_is_left_to_the_check_of_that(judge: Scan) -> None:
    table = parity(12) | noise(13)
    assert outcome(judge(table | {"copy": np.where(table["y"], "won", "lost")})) == "not applicable"


def test_what_has_a_formula_is_left_to_the_check_of_that(judge: Scan) -> None:
    random = np.random.default_rng(14)
    parts = {name: random.choice(["a", "b"], ROWS) for name in ("one", "two")}
    label = np.char.add(parts["one"], parts["two"])
    report = judge(noise(15) | parts | {"y": label}, select=(CHECK, "leakage/derived-target"))
    assert [finding.check for finding in report.findings] == ["leakage/derived-target"]


def test_a_rule_of_most_columns_is_what_the_table_is_about(judge: Scan) -> None:
    bits = {f"b{i}": np.random.default_rng(i).integers(0, 2, ROWS) for i in range(5)}
    assert said(judge(bits | {"y": (bits["b0"] ^ bits["b1"]) | (bits["b2"] & bits["b3"])})) == {}


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer"])
def test_honest_easy_data_is_left_alone(judge: Scan, name: str) -> None:
    data = getattr(datasets, f"load_{name}")()
    assert said(judge({**dict(zip(data.feature_names, data.data.T, strict=True)), "y": data.target})) == {}


def test_a_quantity_does_not_apply_and_few_rows_are_no_verdict(judge: Scan) -> None:
    assert outcome(judge(noise(16) | {"y": np.random.default_rng(17).normal(size=ROWS)})) == "not applicable"
    assert outcome(judge(parity(18, 120) | noise(19, 120))) == "unavailable"


def test_cells_are_judged_by_the_rows_of_other_folds() -> None:
    truth = np.arange(400) % 2
    entity = np.arange(400) // 10
    fold = np.arange(400) // 80
    assert cell_errors([entity * 0, truth], truth, fold % 2 == 0, 2) == 0
    assert cell_errors([entity, truth], truth, fold % 2 == 0, 2) == 400
    assert np.array_equal(guess_by_cells([truth], truth, fold, 2), truth)


def test_a_cut_counts_the_rows_on_the_wrong_side_and_those_without_a_value() -> None:
    truth = np.array([False, False, True, True, True, False])
    assert cut_errors(np.array([1.0, 2.0, 3.0, 3.0, 4.0, 5.0]), truth) == 1
    assert cut_errors(np.array([5.0, 4.0, 2.0, 1.0, 0.0, np.nan]), truth) == 1
    assert cut_errors(np.ones(6), truth) == 3
