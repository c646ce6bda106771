"""How label-leakage and missingness-leakage grade what was measured, through the whole scan."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn import datasets

from doctor.case import open_case
from doctor.engine import examine
from doctor.model import DropColumns, FillMissing, Outcome, Report
from doctor.settings import Settings

Scan = Callable[..., Report]
FAMILY = ("leakage/label-leakage", "leakage/missingness-leakage")


@pytest.fixture
def judge(tmp_path: Path) -> Scan:
    def run(columns: dict[str, Any], target: str = "y", **settings: Any) -> Report:
        pq.write_table(pa.table(columns), tmp_path / "table.parquet")
        chosen = Settings(target=target, select=FAMILY, **settings)
        with open_case([tmp_path], chosen) as case:
            return examine(case, chosen)

    return run


def said(report: Report) -> dict[tuple[str, ...], str]:
    assert Outcome.CRASHED not in {item.outcome for item in report.examinations}
    return {finding.at.columns: finding.severity.value for finding in report.findings}


def outcomes(report: Report) -> dict[str, str]:
    return {item.check.split("/")[1]: item.outcome.value for item in report.examinations}


@pytest.fixture
def honest() -> dict[str, Any]:
    random = np.random.default_rng(11)
    y = random.integers(0, 2, 2000)
    return {"y": y, "u": y + random.normal(size=2000), "v": y + random.normal(size=2000)}


def test_a_copy_is_an_error_with_its_numbers_and_a_repair(judge: Scan, honest: dict[str, Any]) -> None:
    report = judge(honest | {"leak": honest["y"] * 10.0 + np.linspace(0, 1, 2000)})
    (finding,) = report.findings
    assert said(report) == {("leak",): "error"}
    assert finding.repair == DropColumns(columns=("leak",), summary="drop leak")
    assert finding.evidence["lower"] >= 0.995
    assert finding.evidence["gap"] == pytest.approx(finding.evidence["score"] - finding.evidence["rival_score"])
    assert finding.evidence["rows"] == 2000


def test_a_strong_feature_with_some_errors_is_a_warning(judge: Scan, honest: dict[str, Any]) -> None:
    wrong = np.arange(2000) % 100 == 0
    report = judge(honest | {"leak": np.where(wrong, 1 - honest["y"], honest["y"]).astype(str)})
    assert said(report) == {("leak",): "warning"}


def test_what_the_other_features_can_do_too_is_no_error(judge: Scan, honest: dict[str, Any]) -> None:
    random = np.random.default_rng(3)
    y = honest["y"]
    side = random.integers(0, 2, 2000)
    report = judge({"y": y, "alone": y * 10.0 + random.random(2000), "left": y ^ side, "right": side})
    assert said(report) == {("alone",): "warning"}


def test_two_unrelated_perfect_features_make_an_easy_task(judge: Scan, honest: dict[str, Any]) -> None:
    random = np.random.default_rng(4)
    pair = {name: 9.0 * honest["y"] + random.random(2000) for name in ("a", "b")}
    assert said(judge(honest | pair)) == {("a", "b"): "info"}


def test_two_copies_are_not_an_easy_task(judge: Scan, honest: dict[str, Any]) -> None:
    text = np.where(honest["y"], "won", "lost")
    assert said(judge(honest | {"a": text, "b": -honest["y"]})) == {("a",): "error", ("b",): "error"}


def test_thresholds_can_be_set(judge: Scan, honest: dict[str, Any]) -> None:
    wrong = np.arange(2000) % 10 == 0
    columns = honest | {"leak": np.where(wrong, 1 - honest["y"], honest["y"]).astype(str)}
    assert said(judge(columns)) == {}
    lowered = {"leakage/label-leakage": {"min_warning_bound": "0.5"}}
    assert said(judge(columns, thresholds=lowered))[("leak",)] == "warning"


def test_too_few_rows_are_not_healthy(judge: Scan, honest: dict[str, Any]) -> None:
    few = {name: values[:60] for name, values in honest.items()}
    assert outcomes(judge(few))["label-leakage"] == "unavailable"


def test_too_few_rows_of_the_rare_class_are_not_healthy(judge: Scan, honest: dict[str, Any]) -> None:
    assert outcomes(judge(honest | {"y": np.arange(2000) < 20}))["label-leakage"] == "unavailable"


def test_no_target_is_not_applicable(judge: Scan, honest: dict[str, Any]) -> None:
    columns = {name: values for name, values in honest.items() if name != "y"}
    assert set(outcomes(judge(columns, target=None)).values()) == {"not applicable"}


def test_values_only_for_one_class_are_a_warning(judge: Scan, honest: dict[str, Any]) -> None:
    body = [float(row) if item and row < 240 else None for row, item in enumerate(honest["y"])]
    report = judge(honest | {"body": body})
    (finding,) = report.findings
    assert said(report) == {("body",): "warning"}
    assert isinstance(finding.repair, DropColumns)
    assert finding.evidence["hits"] == finding.evidence["side_rows"] == sum(honest["y"][:240])


def test_values_lost_for_one_class_are_filled_without_a_flag(judge: Scan, honest: dict[str, Any]) -> None:
    dates = [None if item and row < 240 else float(row % 31) for row, item in enumerate(honest["y"])]
    (finding,) = judge(honest | {"date": dates}).findings
    assert finding.repair == FillMissing(columns=("date",), keep_flag=False, summary="impute date and keep no flag")


def test_presence_that_is_the_label_is_one_error_of_one_check(judge: Scan, honest: dict[str, Any]) -> None:
    closed = [float(row % 13) if item else None for row, item in enumerate(honest["y"])]
    report = judge(honest | {"closed": closed})
    assert [(finding.check, finding.severity.value) for finding in report.findings] == [
        ("leakage/missingness-leakage", "error")
    ]


def test_a_common_hole_that_is_commoner_in_one_class_is_healthy(judge: Scan, honest: dict[str, Any]) -> None:
    random = np.random.default_rng(6)
    pool = [None if random.random() < 0.3 + 0.6 * item else 1.0 for item in honest["y"]]
    report = judge(honest | {"pool": pool})
    assert said(report) == {}
    assert outcomes(report)["missingness-leakage"] == "healthy"


def test_few_holes_give_no_verdict(judge: Scan, honest: dict[str, Any]) -> None:
    report = judge(honest | {"x": [None] * 11 + [1.0] * 1989})
    assert outcomes(report)["missingness-leakage"] == "unavailable"


def test_a_table_without_holes_has_none_that_tell(judge: Scan, honest: dict[str, Any]) -> None:
    assert outcomes(judge(honest))["missingness-leakage"] == "not applicable"


def test_findings_do_not_depend_on_the_order_of_rows(judge: Scan, honest: dict[str, Any]) -> None:
    random = np.random.default_rng(8)
    y = honest["y"]
    holed = [None if item and random.random() < 0.2 else float(row % 31) for row, item in enumerate(y)]
    columns = honest | {"leak": 10.0 * y + np.round(random.random(2000), 2), "holed": holed}
    order = random.permutation(2000)
    turned = {name: [list(values)[row] for row in order] for name, values in columns.items()}
    one, other = judge(columns), judge(turned)
    assert one.findings == other.findings
    assert len(one.findings) == 2


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits", "diabetes"])
def test_bundled_data_give_no_finding(judge: Scan, name: str) -> None:
    data = getattr(datasets, f"load_{name}")()
    columns = {f"x{place}": values for place, values in enumerate(data.data.T)}
    assert said(judge(columns | {"y": data.target})) == {}
