"""The commonest value of a column."""

import tracemalloc

import numpy as np

from doctor.evidence.dominance import _commonest


def test_one_long_text_does_not_take_the_memory_of_many() -> None:
    values = np.array(["x" * 1_000_000, *("short" for _ in range(200)), None], dtype=object)
    tracemalloc.start()
    try:
        assert _commonest(values) == ("short", 200 / 201)
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()


def test_of_equals_the_first_in_order_stands_for_both() -> None:
    assert _commonest(np.array(["b", "a", "b", "a"], dtype=object)) == ("a", 0.5)
    assert _commonest(np.array([2.0, 1.0, np.nan, 2.0, 1.0])) == (1.0, 0.5)
    assert _commonest(np.array([None], dtype=object)) == (None, 0.0)
