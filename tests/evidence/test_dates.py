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
    assert axis.course is None


@pytest.mark.parametrize("write", [month_first, lambda day: (day - DAYS[0]).days], ids=["text", "number"])
def test_splits_that_overlap_are_counted_over_time(
    measure: Callable[..., Any], write: Callable[[date], object]
) -> None:
    rows = [[write(day), i % 7, i % 2] for i, day in enumerate(DAYS)]
    splits = {"train": rows[:200], "test": rows[160:]}
    chronology = measure(Chronology, ["day", "x", "y"], splits, target="y", time="day")
    (axis,) = chronology.axes
    assert axis.course is not None
    train, test = (axis.course.rows[name] for name in ("train", "test"))
    assert (len(train), sum(train), sum(test)) == (40, 200, 80)
    assert (train[0], train[-1], test[0], test[-1]) == (6, 0, 0, 6)


def test_a_time_that_is_neither_a_date_nor_a_number_is_not_counted(measure: Callable[..., Any]) -> None:
    rows = [[f"week {i % 60:02d}", i % 7, i % 2] for i in range(240)]
    chronology = measure(Chronology, ["week", "x", "y"], {"train": rows, "test": rows[:90]}, target="y", time="week")
    assert [axis.course for axis in chronology.axes] == [None]
