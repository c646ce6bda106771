"""What names, dates and declarations say of when a column is known, through the whole scan."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import examined

from doctor.errors import UsageError
from doctor.evidence.late_words import late_word, planned
from doctor.model import Finding, Report
from doctor.settings import Settings

Scan = Callable[..., Report]
CHECK = "leakage/after-the-event"


@pytest.fixture
def judge(tmp_path: Path) -> Scan:
    def run(columns: dict[str, Any], target: str | None = "y", **settings: Any) -> Report:
        pq.write_table(pa.table(columns), tmp_path / "table.parquet")
        chosen = Settings(target=target, select=settings.pop("select", (CHECK,)), **settings)
        return examined(tmp_path, chosen)

    return run


def said(report: Report) -> dict[tuple[str, ...], str]:
    return {finding.at.columns: finding.severity.value for finding in report.findings}


def only(report: Report) -> Finding:
    (finding,) = report.findings
    return finding


@pytest.fixture
def calls() -> dict[str, Any]:
    random = np.random.default_rng(5)
    y = random.integers(0, 2, 1000)
    return {"y": y, "u": y + random.normal(size=1000), "telling": np.exp(1.5 * y + random.normal(size=1000))}


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("duration", "duration"),
        ("callDuration", "duration"),
        ("loan_status", "status"),
        ("paid_late_fees", "paid"),
        ("days_until_churn", "days until"),
        ("Durée d'appel", "duree"),
        ("date of last payment", None),
        ("last_payment_d", "last payment"),
        ("Zurückgezahlt", "zuruckgezahlt"),
    ],
)
def test_a_late_word_is_recognised(name: str, word: str | None) -> None:
    found = late_word(name)
    assert (found.word if found else None) == (word or "last payment")


@pytest.mark.parametrize(
    "name",
    [
        "marital_status",
        "EmploymentStatus",
        "months_loan_duration",
        "previous_outcome",
        "num_historical_failed_to_pay",
        "balanced",
        "post_code",
        "PaymentMethod",
        "delivery_expected",
        "paid_last_year",
        "savings_balance",
    ],
)
def test_what_is_standing_agreed_past_or_foreseen_is_no_late_word(name: str) -> None:
    assert late_word(name) is None


def test_a_due_date_is_planned_and_a_closing_date_is_not() -> None:
    assert planned("next_due")
    assert not planned("closed_at")


def test_a_late_name_that_tells_the_target_is_asked_about(judge: Scan, calls: dict[str, Any]) -> None:
    found = only(judge(calls | {"call_duration": calls["telling"]}))
    assert found.at.columns == ("call_duration",)
    assert found.severity == "info"
    assert "is it known" in found.message
    assert 0.5 < found.evidence["lower"] < found.evidence["strength"] < 0.95


def test_a_late_name_that_tells_nothing_is_not_asked_about(judge: Scan, calls: dict[str, Any]) -> None:
    random = np.random.default_rng(6)
    assert said(judge(calls | {"call_duration": random.normal(size=1000)})) == {}


def test_columns_of_one_certain_word_are_named_together_with_a_balance(judge: Scan, calls: dict[str, Any]) -> None:
    fees = np.where(np.arange(1000) % 50 == 0, 5.0, 0.0)
    money = {"paid_total": calls["telling"], "paid_fees": fees}
    assert said(judge(calls | money | {"balance": -calls["telling"]})) == {
        ("paid_total", "paid_fees"): "info",
        ("balance",): "info",
    }
    assert said(judge(calls | {"balance": -calls["telling"]})) == {}


def test_the_time_until_an_event_is_asked_about(judge: Scan, calls: dict[str, Any]) -> None:
    table = {"status": calls["y"], "u": calls["u"], "time": calls["telling"]}
    assert said(judge(table, target="status")) == {("time",): "info"}
    assert said(judge({**table, "grade": table.pop("status")}, target="grade")) == {}


def test_a_quantity_is_told_by_its_ranks(judge: Scan, calls: dict[str, Any]) -> None:
    random = np.random.default_rng(7)
    cost = np.exp(random.normal(size=1000))
    late = cost * np.exp(random.normal(size=1000))
    found = only(judge({"y": cost, "u": random.normal(size=1000), "recovered": late}))
    assert found.evidence["label"] is None
    assert 0.5 < found.evidence["strength"] < 0.8


def test_what_settles_the_label_is_left_to_the_check_of_that(judge: Scan, calls: dict[str, Any]) -> None:
    table = calls | {"case_outcome": np.where(calls["y"], "won", "lost")}
    report = judge(table, select=(CHECK, "leakage/label-leakage"))
    assert [finding.check for finding in report.findings] == ["leakage/label-leakage"]


def test_a_declaration_silences_or_condemns(judge: Scan, calls: dict[str, Any]) -> None:
    late = {"call_duration": calls["telling"]}
    assert said(judge(calls | late, available_at=("call_duration=before",))) == {}
    assert said(judge(calls | late, available_at=("call_duration=after", "u=after"))) == {
        ("call_duration",): "error",
        ("u",): "error",
    }


@pytest.mark.parametrize("told", ["call_duration", "call_duration=later", "=after", "nobody=after"])
def test_a_wrong_declaration_is_said_in_one_line(judge: Scan, calls: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError) as caught:
        judge(calls | {"call_duration": calls["telling"]}, available_at=(told,))
    assert "\n" not in str(caught.value)


def dated(calls: dict[str, Any], **columns: Any) -> dict[str, Any]:
    when = np.datetime64("2024-01-01") + (np.arange(1000) % 200).astype("timedelta64[D]")
    return (
        calls | {"day": when} | {name: when + np.asarray(gap, dtype="timedelta64[D]") for name, gap in columns.items()}
    )


def test_later_times_are_an_error_only_beside_a_declared_time(judge: Scan, calls: dict[str, Any]) -> None:
    table = dated(calls, closed=np.full(1000, 3))
    assert said(judge(table, time="day")) == {("closed",): "error"}
    assert said(judge(table | {"date": table.pop("day")})) == {("closed",): "info"}


def test_later_times_without_another_sign_are_a_warning(judge: Scan, calls: dict[str, Any]) -> None:
    gaps = np.arange(1000) % 7 + 1
    assert said(judge(dated(calls, visit=gaps), time="day")) == {("visit",): "warning"}
    found = only(judge(dated(calls, visit=gaps + 9 * calls["y"]), time="day"))
    assert found.severity == "error"
    assert "the delay tells y" in found.message


def test_foreseen_earlier_and_single_late_times_are_left_alone(judge: Scan, calls: dict[str, Any]) -> None:
    once = np.where(np.arange(1000) == 500, 4, -4)
    assert said(judge(dated(calls, due_date=np.full(1000, 9), born=np.full(1000, -9), visit=once), time="day")) == {}


def test_later_times_are_seen_without_a_target(judge: Scan, calls: dict[str, Any]) -> None:
    table = dated({"u": calls["u"]}, closed=np.full(1000, 3))
    assert said(judge(table, target=None, time="day")) == {("closed",): "error"}


def test_few_rows_are_no_verdict(judge: Scan, calls: dict[str, Any]) -> None:
    table = {name: values[:40] for name, values in calls.items()} | {"call_duration": calls["telling"][:40]}
    assert [item.outcome.value for item in judge(table).examinations] == ["unavailable"]
