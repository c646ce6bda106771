"""Tails of distributions, against SciPy's."""

import pytest
from scipy.stats import binom, poisson

from doctor.evidence.significance import binomial_upper_tail, poisson_lower_tail


@pytest.mark.parametrize(
    ("hits", "rows", "share"),
    [
        (3, 10, 0.01),
        (9, 10, 0.5),
        (10, 10, 0.5),
        (1, 1_000_000, 1e-9),
        (60, 1_000, 0.04),
        (400, 1_000, 0.04),
        (999, 1_000, 0.97),
        (1_205_000, 4_000_000, 0.3),
        (3_999_990, 4_000_000, 0.999),
    ],
)
def test_binomial_upper_tail(hits: int, rows: int, share: float) -> None:
    assert binomial_upper_tail(hits, rows, share) == pytest.approx(
        binom.sf(hits - 1, rows, share), rel=1e-6, abs=1e-300
    )


def test_what_is_expected_is_no_evidence() -> None:
    assert binomial_upper_tail(0, 10, 0.0) == 1.0
    assert binomial_upper_tail(1, 10, 0.0) == 0.0
    assert binomial_upper_tail(50, 100, 0.5) == 1.0
    assert binomial_upper_tail(10, 10, 1.0) == 1.0
    assert poisson_lower_tail(0, 0.0) == 1.0


@pytest.mark.parametrize(
    ("hits", "expected"),
    [(0, 0.1), (0, 50.0), (3, 3.0), (200, 3.0), (5_000_000, 3.0), (60, 100.0), (140, 100.0), (990_000, 1e6), (7, 2e6)],
)
def test_poisson_lower_tail(hits: int, expected: float) -> None:
    assert poisson_lower_tail(hits, expected) == pytest.approx(poisson.cdf(hits, expected), rel=1e-6, abs=1e-300)
