"""How the values of columns are distributed."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from doctor.evidence.distributions import Distributions, Semantic

HEADER = ["height", "count", "code", "city", "note", "when", "one", "none"]


def rows(number: int) -> list[list[object]]:
    cities = ["Bern", "Chur", "Genf", "Bern"]
    return [
        [
            i + 0.5,
            i % 7,
            f"AB-{i:04d}",
            cities[i % 4],
            f"seen {i} times by {i + 1} people",
            f"2024-01-{i % 28 + 1:02d}",
            1,
            "",
        ]
        for i in range(number)
    ]


@pytest.fixture
def found(measure: Callable[..., Any]) -> Distributions:
    distributions = measure(Distributions, HEADER, {"data": rows(400)})
    assert isinstance(distributions, Distributions)
    return distributions


def test_columns_are_of_the_kind_their_values_seem_to_be(found: Distributions) -> None:
    assert [found[name].semantic for name in HEADER] == [
        Semantic.MEASURE,
        Semantic.COUNT,
        Semantic.CODE,
        Semantic.CATEGORY,
        Semantic.WORDS,
        Semantic.TIME,
        Semantic.CONSTANT,
        Semantic.EMPTY,
    ]


def test_numbers_have_range_mean_and_quantiles(found: Distributions) -> None:
    height = found["height"]
    assert (height.minimum, height.maximum, height.mean) == (0.5, 399.5, 200.0)
    assert height.std == pytest.approx(math.sqrt((400**2 - 1) / 12 * 400 / 399))
    assert height.quantiles[0.5] == pytest.approx(200, abs=1)
    assert height.quantiles[0.05] == pytest.approx(20, abs=1)
    assert found["when"].minimum.day == 1
    assert found["city"].minimum is None


def test_common_values_and_shapes_are_counted(found: Distributions) -> None:
    assert found["city"].top == (("Bern", 200), ("Chur", 100), ("Genf", 100))
    assert (found["code"].pattern, found["code"].pattern_share) == ("A-9", 1.0)
    assert (found["code"].token_share, found["note"].token_share) == (1.0, 0.0)
    assert found["code"].mean_length == 7
