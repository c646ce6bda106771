"""The index without what chance adds, its bound, and rows that are not independent."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from doctor.evidence.divergences import (
    Divergence,
    chi_square_tail,
    design_effect,
    distances,
    least_noncentrality,
    needed_index,
)


@pytest.mark.parametrize("freedom", [1, 4, 9, 30])
@pytest.mark.parametrize("noncentrality", [0.0, 2.0, 50.0, 2000.0])
@pytest.mark.parametrize("tail", [0.2, 0.01, 0.001])
def test_tails_are_those_of_scipy(freedom: int, noncentrality: float, tail: float) -> None:
    known = stats.ncx2(freedom, noncentrality) if noncentrality else stats.chi2(freedom)
    assert tail == pytest.approx(chi_square_tail(known.isf(tail), freedom, noncentrality), rel=0.25)


def test_the_bound_is_where_the_value_is_as_rare_as_one_in_a_hundred() -> None:
    value = 40.0
    bound = least_noncentrality(value, 9)
    assert chi_square_tail(value, 9, bound) == pytest.approx(0.01, rel=1e-3)
    assert least_noncentrality(9.0, 9) == 0.0


def test_what_is_needed_is_what_just_passes() -> None:
    noise = 1 / 400 + 1 / 100
    needed = needed_index(0.1, noise, 4)
    for extra, passes in ((0.01, True), (-0.01, False)):
        value = (needed + extra) / noise + 4
        assert passes == (noise * least_noncentrality(value, 4) > 0.1)


def test_chance_alone_gives_no_index_on_average() -> None:
    draw = np.random.default_rng(3)
    shares = np.full(10, 0.1)
    pairs = [Divergence.of(draw.multinomial(1001, shares), draw.multinomial(100, shares)) for _ in range(300)]
    assert np.mean([found.psi_lower > 0.1 for found in pairs]) < 0.01
    assert np.median([found.psi for found in pairs]) < 0.02


counts = st.lists(st.integers(0, 400), min_size=2, max_size=8)


@settings(max_examples=60, deadline=None)
@given(counts, st.integers(0, 2**32 - 1))
def test_divergences_are_none_below_zero_and_do_not_know_the_order_of_bins(before: list[int], seed: int) -> None:
    draw = np.random.default_rng(seed)
    first, second = np.array(before, float), draw.permutation(before).astype(float)
    found = Divergence.of(first, second)
    assert min(found.psi, found.psi_lower, found.js, found.p) >= 0
    assert found.kl >= -1e-12
    assert found.js <= 1
    assert found.psi_lower <= max(found.psi, 0.0) + 1e-9
    order = draw.permutation(len(before))
    assert found.psi_lower == pytest.approx(Divergence.of(first[order], second[order]).psi_lower)
    assert found.psi == pytest.approx(Divergence.of(second, first).psi)


def test_copies_of_rows_count_once() -> None:
    draw = np.random.default_rng(5)
    owner = np.repeat(np.arange(400), 5)
    codes, side = np.repeat(draw.integers(0, 4, 400), 5), (owner >= 200).astype(int)
    assert design_effect(codes, owner, side, 4) == pytest.approx(5, rel=0.15)
    loose = design_effect(draw.integers(0, 4, 2000), owner, side, 4)
    assert loose == pytest.approx(1, abs=0.2)


def test_distances_are_those_of_scipy() -> None:
    draw = np.random.default_rng(6)
    first, second = draw.normal(size=300), draw.normal(0.7, 1.3, 120).round(1)
    ks, moved = distances(first, second)
    assert ks == pytest.approx(stats.ks_2samp(first, second).statistic)
    assert moved == pytest.approx(stats.wasserstein_distance(first, second) / first.std())
    assert distances(first, np.array([])) == (0.0, 0.0)
    assert distances(np.array([np.inf, 1.0]), np.array([-np.inf, 1e308]))[0] == 0.5
