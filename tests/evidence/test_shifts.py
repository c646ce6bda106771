"""Which differences between splits are told, and which are not news."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import doctor
from doctor.model import Outcome, Report

Columns = dict[str, Any]
DRIFT = ("feature-drift", "label-drift", "new-categories", "domain-shift")


def scanned(train: Columns, test: Columns, **options: Any) -> Report:
    options = {"target": "label", "select": DRIFT} | options
    return doctor.scan({"train": pa.table(train), "test": pa.table(test)}, **options)


def told(report: Report) -> set[tuple[str, str]]:
    return {(finding.check, finding.at.column) for finding in report.findings}


def outcome(report: Report, check: str) -> Outcome:
    return next(item.outcome for item in report.examinations if item.check == f"drift/{check}")


def plain(draw: np.random.Generator, rows: int, positive: float = 0.3) -> Columns:
    label = draw.random(rows) < positive
    return {
        "size": draw.normal(size=rows) + 1.5 * label,
        "kind": draw.choice(["a", "b", "c"], rows),
        "label": np.where(label, "yes", "no"),
    }


@pytest.mark.parametrize(("n", "m"), [(200, 60), (1001, 100), (100, 1001), (30_000, 300)])
def test_the_same_shift_is_told_at_every_size_and_none_where_there_is_none(n: int, m: int) -> None:
    draw = np.random.default_rng(n)
    train, test = plain(draw, n), plain(draw, m)
    assert told(scanned(train, test)) == set()
    test["size"] = test["size"] * 3 + 1
    assert ("drift/feature-drift", "size") in told(scanned(train, test))


def test_too_few_rows_are_no_health() -> None:
    draw = np.random.default_rng(1)
    report = scanned(plain(draw, 30), plain(draw, 14))
    assert {Outcome.UNAVAILABLE} == {
        outcome(report, check) for check in ("feature-drift", "label-drift", "domain-shift")
    }


def test_a_split_of_few_rows_is_read_whole_beside_a_large_one() -> None:
    draw = np.random.default_rng(2)
    train, test = plain(draw, 60_000), plain(draw, 400)
    (finding, *_) = scanned(train, {**test, "size": test["size"] + 2}, select=("feature-drift",)).findings
    assert finding.evidence["rows_judged"][1] == 400


def test_what_follows_from_the_labels_is_told_with_them() -> None:
    draw = np.random.default_rng(3)
    report = scanned(plain(draw, 2000, 0.2), plain(draw, 800, 0.6))
    assert told(report) >= {("drift/label-drift", "label")}
    assert ("drift/feature-drift", "size") not in told(report)
    label = next(finding for finding in report.findings if finding.check == "drift/label-drift")
    assert label.evidence["following"] == ["size"]


def test_one_story_is_one_diagnosis() -> None:
    draw = np.random.default_rng(4)
    train, test = plain(draw, 1000), plain(draw, 500)
    report = scanned(train, {**test, "size": test["size"] + 3})
    assert told(report) == {("drift/feature-drift", "size"), ("drift/domain-shift", "size")}
    (diagnosis,) = report.diagnoses
    assert (len(diagnosis.because), len(diagnosis.consequences)) == (1, 1)


def test_new_categories_are_not_told_again_as_drift() -> None:
    draw = np.random.default_rng(5)
    train, test = plain(draw, 1000), plain(draw, 500)
    test["kind"] = np.where(draw.random(500) < 0.1, "new", test["kind"])
    assert told(scanned(train, test)) == {("drift/new-categories", "kind")}


def test_lost_values_are_values() -> None:
    draw = np.random.default_rng(6)
    train, test = plain(draw, 1000), plain(draw, 500)
    test["size"] = np.where(draw.random(500) < 0.3, np.nan, test["size"])
    (finding, *_) = [found for found in scanned(train, test).findings if found.check == "drift/feature-drift"]
    assert finding.evidence["kind"] == "missing"


def test_a_cut_in_time_shows_in_what_counts_time_and_that_is_no_news() -> None:
    draw = np.random.default_rng(7)
    rows = 1200
    day = np.arange(rows) // 3
    season = np.sin(2 * np.pi * day / 45)
    whole = {
        "time": (day + 18_000).astype("datetime64[D]"),
        "run": np.arange(rows) * 10 + draw.integers(0, 9, rows),
        "week": day // 7,
        "heat": season + 0.5 * draw.normal(size=rows),
        "label": np.where(draw.random(rows) < 0.5, "yes", "no"),
    }
    parts = [{name: values[part] for name, values in whole.items()} for part in (slice(900), slice(900, None))]
    assert told(scanned(*parts)) == set()
    parts[1]["heat"] = parts[1]["heat"] + 8
    report = scanned(*parts)
    assert ("drift/feature-drift", "heat") in told(report)
    assert {"time"} == {finding.evidence["cut_in_time"] for finding in report.findings}


def test_patients_are_counted_not_their_rows() -> None:
    draw = np.random.default_rng(8)
    parts = []
    for first, patients in ((0, 60), (60, 20)):
        owner = np.repeat(np.arange(first, first + patients), 40)
        level = draw.normal(size=80)
        parts.append(
            {
                "patient_id": 1000 + 7 * owner,
                "marker": level[owner] + 0.2 * draw.normal(size=len(owner)),
                "label": np.where(draw.random(len(owner)) < 0.5, "yes", "no"),
            }
        )
    assert told(scanned(*parts)) == set()


def test_two_columns_that_go_together_otherwise_are_told_by_both() -> None:
    draw = np.random.default_rng(9)
    parts = []
    for rows, sign in ((900, 1), (400, -1)):
        left = draw.normal(size=rows)
        parts.append(
            {
                "left": left,
                "right": sign * left + 0.4 * draw.normal(size=rows),
                "label": np.where(draw.random(rows) < 0.5, "yes", "no"),
            }
        )
    assert told(scanned(*parts)) == {("drift/domain-shift", "left, right")}


def test_a_split_without_a_column_is_no_drift() -> None:
    draw = np.random.default_rng(10)
    train, test = plain(draw, 600), plain(draw, 300)
    del test["label"]
    report = scanned({**train, "late": draw.normal(size=600)}, test)
    assert told(report) == set()
    assert outcome(report, "label-drift") is Outcome.NOT_APPLICABLE


def test_splits_drawn_at_random_along_time_are_not_cut_in_it() -> None:
    draw = np.random.default_rng(11)
    parts = []
    for rows, moved in ((600, 0), (300, 3)):
        whole = plain(draw, rows)
        day = (draw.integers(0, 900, rows) + 18_000).astype("datetime64[D]")
        parts.append({"time": day, **whole, "size": whole["size"] + moved})
    report = scanned(*parts)
    assert ("drift/feature-drift", "size") in told(report)
    assert {None} == {finding.evidence["cut_in_time"] for finding in report.findings}


def test_infinite_numbers_are_numbers() -> None:
    draw = np.random.default_rng(12)
    train, test = plain(draw, 400), plain(draw, 200)
    test["size"] = np.where(draw.random(200) < 0.5, np.inf, -np.inf)
    assert ("drift/feature-drift", "size") in told(scanned(train, test))
