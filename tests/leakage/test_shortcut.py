"""What tells the label although it should say nothing of it, through the whole scan."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import examined

from doctor.model import DropColumns, Report, Severity
from doctor.settings import Settings

Scan = Callable[..., Report]
CHECK = "leakage/shortcut"
ROWS = 600


@pytest.fixture
def judge(tmp_path: Path) -> Scan:
    def run(columns: dict[str, Any], files: int = 1, **settings: Any) -> Report:
        table = pa.table(columns)
        rows = -(-table.num_rows // files)
        for number in range(files):
            pq.write_table(table.slice(number * rows, rows), tmp_path / f"train-{number}.parquet")
        chosen = Settings(target="y", select=settings.pop("select", (CHECK,)), **settings)
        return examined(tmp_path, chosen)

    return run


def said(report: Report) -> dict[str, str]:
    return {finding.evidence["kind"]: finding.severity.value for finding in report.findings}


@pytest.fixture
def data() -> dict[str, Any]:
    random = np.random.default_rng(61)
    y = random.integers(0, 2, ROWS)
    return {"y": y, "u": y + random.normal(size=ROWS), "v": random.normal(size=ROWS)}


def of_class(y: Any, share: float = 0.6) -> Any:
    random = np.random.default_rng(62)
    return np.where(random.random(len(y)) < share, y, random.integers(0, 2, len(y)))


def test_who_labelled_is_a_warning_and_whence_a_question(judge: Scan, data: dict[str, Any]) -> None:
    told = np.array(["ann", "bob"])[of_class(data["y"])]
    report = judge(data | {"annotator": told, "scanner_id": of_class(data["y"])[::1] + 4})
    assert said(report) == {"annotator": "warning", "source": "info"}
    found = next(finding for finding in report.findings if finding.severity is Severity.WARNING)
    assert isinstance(found.repair, DropColumns)
    assert found.evidence["chance"] <= 0.01


def test_an_innocent_annotator_and_source_are_left_alone(judge: Scan, data: dict[str, Any]) -> None:
    random = np.random.default_rng(63)
    told = {"annotator": random.choice(["ann", "bob"], ROWS), "source": random.choice(list("abcd"), ROWS)}
    assert said(judge(data | told | {"device_protection": of_class(data["y"])})) == {}


def test_the_length_of_a_text_is_a_question(judge: Scan, data: dict[str, Any]) -> None:
    random = np.random.default_rng(64)
    words = np.array(["plain", "fresh", "late", "cold", "warm"])
    texts = [" ".join(random.choice(words, 5 + 6 * y + random.poisson(3))) for y in data["y"]]
    assert said(judge(data | {"text": texts})) == {"length": "info"}
    assert said(judge(data | {"text": random.permutation(texts)})) == {}


def test_a_files_name_is_read_without_its_number(judge: Scan, data: dict[str, Any]) -> None:
    folder = np.array(["north", "south"])[of_class(data["y"])]
    names = [f"scans/{place}/{row:04d}.png" for row, place in enumerate(folder)]
    assert said(judge(data | {"filename": names})) == {"name": "info"}


def test_holes_count_only_beyond_those_of_one_column(judge: Scan, data: dict[str, Any]) -> None:
    random = np.random.default_rng(65)
    hole = random.random((6, ROWS)) < np.where(data["y"] == 1, 0.3, 0.03)
    several = {f"t{i}": np.where(hole[i], np.nan, random.normal(size=ROWS)) for i in range(6)}
    assert said(judge(data | several)) == {"holes": "info"}
    one = np.where(of_class(data["y"]) == 1, np.nan, 1.0 * np.arange(ROWS) % 7)
    few = np.where(random.random(ROWS) < 0.05, np.nan, random.normal(size=ROWS))
    assert said(judge(data | {"one": one, "few": few})) == {}


def changed(shift: float) -> dict[str, Any]:
    random = np.random.default_rng(66)
    y = (random.random(ROWS) < np.where(np.arange(ROWS) < ROWS // 2, 0.5 - shift, 0.5 + shift)).astype(int)
    return {"y": y, "u": random.normal(size=ROWS) + y}


def test_an_order_that_goes_with_the_label_is_a_question(judge: Scan) -> None:
    assert said(judge(changed(0.35))) == {"order": "info"}
    assert said(judge(changed(0.05))) == {}


def test_an_order_that_others_explain_is_left_to_them(judge: Scan) -> None:
    table = changed(0.35)
    assert said(judge(table | {"row": np.arange(ROWS)})) == {}
    day = np.datetime64("2020-01-01") + np.arange(ROWS).astype("timedelta64[D]")
    assert said(judge(table | {"day": day})) == {}
    assert said(judge(table | {"patient_id": np.arange(ROWS) // 6 + 5000})) == {}
    assert said(judge({"y": np.sort(table["y"]), "u": table["u"]})) == {}


def test_classes_by_turns_are_seen(judge: Scan) -> None:
    random = np.random.default_rng(67)
    assert said(judge({"y": np.arange(ROWS) % 2, "u": random.normal(size=ROWS)})) == {"turn": "info"}


def test_files_with_other_shares_are_a_warning_and_class_files_a_layout(judge: Scan) -> None:
    assert said(judge(changed(0.35), files=2)) == {"file": "warning"}
    assert said(judge({"y": np.arange(ROWS) // (ROWS // 2), "u": changed(0.3)["u"]}, files=2)) == {}


def test_a_quantity_is_judged_by_its_ranks(judge: Scan) -> None:
    random = np.random.default_rng(68)
    cost = random.normal(size=ROWS)
    source = np.where(cost + random.normal(size=ROWS) > 0, "dear", "cheap")
    assert said(judge({"y": np.exp(cost), "u": random.normal(size=ROWS), "source": source})) == {"source": "info"}


def test_few_rows_are_no_verdict(judge: Scan, data: dict[str, Any]) -> None:
    report = judge({name: values[:80] for name, values in data.items()})
    assert [item.outcome.value for item in report.examinations] == ["unavailable"]
