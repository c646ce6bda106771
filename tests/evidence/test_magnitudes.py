"""Lone values and sizes of numbers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from doctor.errors import UsageError
from doctor.evidence.declarations import DeclaredPatterns, DeclaredRanges
from doctor.evidence.magnitudes import Lone, Magnitudes
from doctor.evidence.near_twins import stars
from doctor.evidence.redundancy import Redundancy

Measure = Callable[..., Any]


def low_end(measure: Measure, values: list[float]) -> Lone:
    found = measure(Magnitudes, ["v", "w"], {"data": [[value, i % 9] for i, value in enumerate(values)]})
    return next(lone for lone in next(c for c in found.columns if c.name == "v").lone if lone.low)


def test_zeros_far_from_all_other_values_stand_apart(measure: Measure) -> None:
    draw = np.random.default_rng(0)
    values = np.round(draw.normal(120, 15, 500)).tolist()
    lone = low_end(measure, [*values, *[0.0] * 20])
    assert lone.values == (0.0,)
    assert lone.rows == 20
    assert lone.spacings > 4.5
    assert lone.clear > 0.2


def test_zeros_of_a_count_do_not_stand_apart(measure: Measure) -> None:
    draw = np.random.default_rng(0)
    lone = low_end(measure, np.round(draw.exponential(30, 800)).tolist())
    assert lone.spacings < 4.5


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["normal", "lognormal", "pareto", "standard_cauchy", "uniform"])
def test_tails_however_heavy_hold_no_lone_values(measure: Measure, kind: str, seed: int) -> None:
    draw = np.random.default_rng(seed)
    values = (draw.pareto(1.0, 1_000) if kind == "pareto" else getattr(draw, kind)(size=1_000)).tolist()
    (column,) = measure(Magnitudes, ["v"], {"data": [[value] for value in values]}).columns
    assert max(lone.ranges for lone in column.lone) < 1.2


def test_declarations_that_make_no_sense_are_misuse(measure: Measure) -> None:
    rows = {"data": [[i, "ab"] for i in range(30)]}
    for given, words in {
        "n=5..1": "is no range",
        "n=low..high": "is no range",
        "n": "COLUMN=LOW..HIGH",
        "m=0..1": "there is no column",
        "t=0..1": "are no numbers",
    }.items():
        with pytest.raises(UsageError, match=words):
            measure(DeclaredRanges, ["n", "t"], rows, range=(given,))
    for given, words in {"t=[": "no regular expression", "t": "COLUMN=REGEX"}.items():
        with pytest.raises(UsageError, match=words):
            measure(DeclaredPatterns, ["n", "t"], rows, pattern=(given,))


def test_an_open_range_bounds_one_side(measure: Measure) -> None:
    rows = {"data": [[i - 2, "ab"] for i in range(30)]}
    (broken,) = measure(DeclaredRanges, ["n", "t"], rows, range=("n=0..",)).broken
    assert (broken.outside, broken.first_rows, broken.low) == (2, (1, 2), -2.0)
    assert not measure(DeclaredRanges, ["n", "t"], rows, range=("n=..27",)).broken


def test_a_total_is_found_with_its_parts_and_a_copy_by_itself(measure: Measure) -> None:
    draw = np.random.default_rng(1)
    a, b, c = (np.round(draw.gamma(2, 10, 200), 1) for _ in range(3))
    rows = [[x, y, z, round(x + 2 * y - z + 5, 1), x] for x, y, z in zip(a, b, c, strict=True)]
    found = measure(Redundancy, ["a", "b", "c", "sum", "again"], {"data": rows})
    assert [(pair.kind, pair.first, pair.second) for pair in found.pairs] == [("copy", "a", "again")]
    (combination,) = found.combinations
    assert combination.column == "sum"
    assert pytest.approx({"a": 1, "b": 2, "c": -1}) == combination.terms
    assert combination.constant == pytest.approx(5)


def test_no_chain_of_near_rows_makes_one_heap() -> None:
    assert stars([(2, 1), (3, 2), (4, 3)]) == {2: 1, 4: 3}
