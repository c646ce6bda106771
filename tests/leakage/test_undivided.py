"""How grouped-rows and time-ordered say that a table must be divided."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from doctor.model import Outcome
from doctor.testing import judge
from doctor_checks.leakage import grouped_rows, time_ordered

ROWS = 400


@pytest.fixture
def visits() -> pd.DataFrame:
    random = np.random.default_rng(6)
    patient = random.integers(0, 80, ROWS)
    day = random.permutation(ROWS)
    return pd.DataFrame(
        {
            "patient_id": [f"P{1000 + number}" for number in patient],
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(day, unit="D"),
            "weight": random.normal(70, 9, ROWS),
            "by_patient": (random.random(80) < 0.5)[patient].astype(int),
            "by_day": np.round(50 * np.sin(day / 60) + 9 * random.normal(size=ROWS), 2),
            "by_chance": random.integers(0, 2, ROWS),
        }
    )


def of(check: Any, visits: pd.DataFrame, target: str, **options: Any) -> Any:
    columns = ["patient_id", "day", "weight", target]
    return judge(check, visits[columns], target=target, **options)


def test_an_entity_that_tells_the_label_is_named(visits: pd.DataFrame) -> None:
    (finding,) = of(grouped_rows, visits, "by_patient").findings
    assert (finding.at.columns, finding.severity) == (("patient_id",), "info")
    assert (finding.evidence["rows"], finding.evidence["entities"]) == (ROWS, visits["patient_id"].nunique())


def test_an_entity_that_tells_nothing_is_named_only_where_declared(visits: pd.DataFrame) -> None:
    assert of(grouped_rows, visits, "by_chance").outcome is Outcome.HEALTHY
    (finding,) = of(grouped_rows, visits, "by_chance", group=("patient_id",)).findings
    assert finding.evidence["kind"] == "declared"


def test_a_time_that_tells_the_label_is_named_with_a_cut(visits: pd.DataFrame) -> None:
    (finding,) = of(time_ordered, visits, "by_day").findings
    assert finding.at.columns == ("day",)
    before = (visits["day"] < pd.Timestamp(finding.evidence["cut"])).mean()
    assert before == pytest.approx(0.8, abs=0.01)


def test_a_time_that_tells_nothing_is_named_only_where_declared(visits: pd.DataFrame) -> None:
    assert of(time_ordered, visits, "by_chance").outcome is Outcome.HEALTHY
    (finding,) = of(time_ordered, visits, "by_chance", time="day").findings
    assert finding.evidence["kind"] == "declared"


def test_what_is_divided_already_is_another_check_s_concern(visits: pd.DataFrame) -> None:
    halves = {"train": visits.iloc[:200], "test": visits.iloc[200:]}
    for check in (grouped_rows, time_ordered):
        assert judge(check, halves, target="by_patient").outcome is Outcome.NOT_APPLICABLE


def test_too_few_times_give_no_verdict(visits: pd.DataFrame) -> None:
    assert of(time_ordered, visits.iloc[:50], "by_chance").outcome is Outcome.UNAVAILABLE
