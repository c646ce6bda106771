"""How often rows agree by nature."""

import math
from typing import Any

import numpy as np
import pytest

from doctor.evidence.coincidences import Steps, natural_bits


def columns(table: Any) -> list[Steps]:
    return [Steps.of(column) for column in table.T]


def test_copies_do_not_make_agreement_natural() -> None:
    table = np.random.default_rng(0).normal(size=(2000, 8)).round(3)
    assert natural_bits(columns(np.vstack([table, table]))) == natural_bits(columns(table))


@pytest.mark.parametrize("levels", [50, 100, 300])
def test_functions_of_two_numbers_have_the_bits_of_two_numbers(levels: int) -> None:
    one, other = np.random.default_rng(0).integers(0, levels, size=(2, 4000)) / levels
    table = np.column_stack([one, other, one + other, one - other, one * other, one / (1 + other), other**3])
    assert -1 < natural_bits(columns(table)) - 2 * math.log2(levels) < 5


def test_categories_that_two_of_them_determine_have_the_bits_of_two() -> None:
    one, other = np.random.default_rng(0).integers(0, 40, size=(2, 3000))
    shuffled = np.random.default_rng(1).permutation(1600)
    table = np.column_stack([one, other, (one + other) % 40, shuffled[40 * one + other], (3 * one + other) % 37])
    assert natural_bits(columns(table)) < 2 * math.log2(40) + 1


def test_independent_columns_keep_their_bits() -> None:
    table = np.random.default_rng(0).normal(size=(3000, 5)).round(2)
    alone = sum(column.bits for column in columns(table))
    assert natural_bits(columns(table)) > 0.85 * alone


def test_nothing_limits_rows_that_never_come_close() -> None:
    assert natural_bits(columns(np.random.default_rng(0).normal(size=(500, 40)))) == math.inf
    assert natural_bits([]) == math.inf
