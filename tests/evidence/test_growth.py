import numpy as np
import pytest

from doctor.evidence.growth import Growth, lasting_growth

SECONDS = np.arange(300.0)
NOISE = np.abs(np.random.default_rng(6).normal(0, 2e6, 300))


def seen(values: np.ndarray, seconds: np.ndarray = SECONDS) -> Growth | None:
    return lasting_growth(seconds, values, min_seconds=60, min_rise=32e6)


def test_a_straight_leak_is_measured_with_its_interval() -> None:
    growth = seen(1e9 + 3e6 * SECONDS + NOISE)
    assert growth
    assert growth.low <= 3e6 <= growth.high
    assert growth.slope == pytest.approx(3e6, rel=0.02)
    assert growth.seconds_until(6e9) == pytest.approx(2000, rel=0.02)


def test_a_leak_in_steps_is_seen() -> None:
    assert seen(1e9 + 30e6 * (SECONDS // 10) + NOISE)


def test_a_leak_below_bursts_of_evaluation_is_seen() -> None:
    bursts = np.where(SECONDS % 30 < 8, 500e6, 0)
    assert seen(1e9 + 2e6 * SECONDS + bursts + NOISE)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(NOISE, id="noise"),
        pytest.param(400e6 * (1 - np.exp(-SECONDS / 60)), id="cache that fills up exponentially"),
        pytest.param(np.minimum(3e6 * SECONDS, 500e6), id="cache that reaches its bound"),
        pytest.param(3e6 * (SECONDS % 50), id="garbage collected now and then"),
        pytest.param(np.where(SECONDS % 100 < 30, 600e6, 0), id="bursts"),
        pytest.param(np.where(SECONDS > 150, 600e6, 0), id="one jump"),
        pytest.param(200e6 * np.log1p(SECONDS), id="growth that slows down"),
        pytest.param(600e6 - 2e6 * SECONDS, id="fall"),
        pytest.param(0.05e6 * SECONDS, id="too little"),
    ],
)
def test_what_is_no_leak_is_silent(values: np.ndarray) -> None:
    assert seen(1e9 + values + NOISE) is None


def test_a_short_or_empty_series_is_silent() -> None:
    assert seen(3e6 * SECONDS[:50], SECONDS[:50]) is None
    assert seen(SECONDS[:0], SECONDS[:0]) is None


def test_samples_that_are_missing_do_not_matter() -> None:
    kept = np.random.default_rng(1).random(300) < 0.3
    assert seen(1e9 + 3e6 * SECONDS[kept] + NOISE[kept], SECONDS[kept])
