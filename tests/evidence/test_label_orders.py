"""Identifiers whose order tells the target, and series in time, which do not."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

Scan = Callable[..., dict[str, Any]]


@pytest.fixture
def found(tmp_path: Any, scan: Scan) -> Callable[[str, list[object], np.ndarray[Any, Any]], list[str]]:
    """Write a table of a column and a slowly moving quantity, and return the severities of what id-like finds."""

    def run(name: str, values: list[object], target: np.ndarray[Any, Any]) -> list[str]:
        path = tmp_path / "table.csv"
        rows = [f"{value},{number:.4f}" for value, number in zip(values, target, strict=True)]
        path.write_text("\n".join([f"{name},load", *rows, ""]), "utf-8")
        report = scan(path, "--target", "load", "--select", "id-like")
        return [finding["severity"] for finding in report["findings"]]

    return run


def waves(rows: int) -> np.ndarray[Any, Any]:
    draw = np.random.default_rng(0)
    return np.sin(np.arange(rows) / 20) * 10 + draw.normal(size=rows)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("unix_time", lambda row: 1_420_070_400 + 3600 * row),
        ("date", lambda row: f"{1980 + row // 52}-W{row % 52 + 1:02d}"),
        ("date", lambda row: f"{1850 + row // 12}-{row % 12 + 1:02d}"),
        ("quarter", lambda row: f"{1600 + row // 4}Q{row % 4 + 1}"),
        ("t", lambda row: row),
    ],
)
def test_a_time_in_any_notation_is_no_identifier(found: Any, name: str, value: Callable[[int], object]) -> None:
    assert found(name, [value(row) for row in range(1000)], waves(1000)) == []


def test_a_numbered_series_is_not_ranked_by_its_target(found: Any) -> None:
    assert found("sample_no", list(range(1000)), waves(1000)) == ["info"]


def test_a_number_given_out_in_the_order_of_a_quantity_is_an_error(found: Any) -> None:
    target = np.sort(np.random.default_rng(0).normal(size=1000))
    assert found("sample_no", list(range(1000)), target) == ["error"]
    assert found("sample_no", list(range(1000)), target[::-1]) == ["error"]
