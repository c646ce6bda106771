"""Dates written as text."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from doctor.evidence.chronology import Chronology

DAYS = [date(2009, 11, 3) + timedelta(days=5 * i) for i in range(240)]


def month_first(day: date) -> str:
    return f"{day.month}/{day.day}/{day.year}"


@pytest.mark.parametrize(
    "write",
    [
        month_first,
        lambda day: f"{day.day}/{day.month}/{day.year}",
        lambda day: day.strftime("%b %d %Y").replace(" 0", " "),
        lambda day: day.strftime("%d-%b-%y"),
        lambda day: day.strftime("%B %d, %Y"),
        lambda day: day.isoformat(),
    ],
    ids=["m/d/yyyy", "d/m/yyyy", "month name", "short year", "long month name", "ISO"],
)
def test_a_cut_by_date_is_seen_as_one_however_dates_are_written(
    measure: Callable[..., Any], write: Callable[[date], str]
) -> None:
    rows = [[write(day), i % 7, i % 2] for i, day in enumerate(DAYS)]
    chronology = measure(Chronology, ["day", "x", "y"], {"train": rows[:180], "test": rows[180:]}, target="y")
    (axis,) = chronology.axes
    (period,) = axis.periods
    assert period.late_rows == 0
    assert period.earlier_last.startswith(DAYS[179].isoformat())
    assert period.later_first.startswith(DAYS[180].isoformat())
