"""Levels, noise and trends of what is recorded over steps."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from doctor.evidence.curves import curve, medians_before, trend
from doctor.subjects.run import NOTHING, Series


def series(values: object) -> Series:
    known = np.asarray(values, dtype=float)
    return Series(np.arange(1, len(known) + 1), known)


def test_a_curve_of_nothing_has_no_level_and_no_trend() -> None:
    assert np.isnan(curve(NOTHING).end)
    assert trend(curve(NOTHING)) is None


def test_blocks_hold_equal_numbers_of_steps_where_old_records_were_thinned() -> None:
    steps = np.concatenate([np.arange(1, 1000, 10), np.arange(1000, 2000)])
    known = curve(Series(steps, np.where(steps < 1000, 1.0, 2.0)))
    assert (known.levels == 1.0).sum() == (known.levels == 2.0).sum()


@given(st.floats(-5, 5), st.integers(0, 50))
def test_the_slope_of_a_line_is_found_in_noise(slope: float, seed: int) -> None:
    noise = np.random.default_rng(seed).standard_t(3, 400) * 0.5
    found = trend(curve(series(slope * np.arange(400) / 400 + noise)))
    assert found is not None
    assert abs(found.change - slope) < 0.6
    assert found.low <= found.change <= found.high


def test_noise_has_a_trend_no_more_often_than_the_test_allows() -> None:
    random = np.random.default_rng(0)
    found = [trend(curve(series(random.normal(size=300)))) for _ in range(300)]
    assert sum(one is not None and one.p_value < 0.05 for one in found) < 0.09 * 300


def test_noise_is_told_from_the_fall() -> None:
    values = 5 * np.exp(-np.arange(500) / 100) + np.random.default_rng(1).normal(0, 0.2, 500)
    assert abs(curve(series(values)).noise - 0.2) < 0.03


def test_medians_before_a_place_pass_over_what_is_not_finite() -> None:
    values = np.array([1.0, np.nan, 3.0, np.inf, 5.0, 100.0])
    assert np.isnan(medians_before(values, np.array([0]), 4)).all()
    assert medians_before(values, np.array([1, 3, 5]), 4).tolist() == [1.0, 2.0, 4.0]
