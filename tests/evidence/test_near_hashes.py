"""The search for hashes that differ in few bits misses none and makes none up."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doctor.evidence import near_hashes
from doctor.evidence.near_hashes import TooManyPairs, bits_set, near


def compared(hashes: np.ndarray, asked: np.ndarray, radius: int, itself: bool) -> list[tuple[int, int, int]]:
    """Compare all pairs, by Python's own integers."""
    return [
        (i, j, (int(asked[i]) ^ int(hashes[j])).bit_count())
        for i in range(len(asked))
        for j in range(i + 1 if itself else 0, len(hashes))
        if (int(asked[i]) ^ int(hashes[j])).bit_count() <= radius
    ]


def listed(found: near_hashes.Near) -> list[tuple[int, int, int]]:
    return list(zip(*(column.tolist() for column in found), strict=True))


def crowded(seed: int, count: int) -> np.ndarray:
    """Hashes of which many are near to each other, and some equal."""
    random = np.random.default_rng(seed)
    hashes = random.integers(0, 2**64, count, dtype=np.uint64)
    for bits in range(12):
        chosen = random.integers(0, count, count // 12)
        hashes[chosen] = hashes[0] ^ np.uint64(random.integers(0, 2**63)) & np.uint64((1 << bits) - 1)
    return hashes


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 120), st.integers(0, 64))
def test_all_pairs_within_the_distance_are_found(seed: int, count: int, radius: int) -> None:
    hashes = crowded(seed, count) if count else np.empty(0, np.uint64)
    assert compared(hashes, hashes, radius, itself=True) == listed(near(hashes, radius))


@pytest.mark.parametrize("radius", [0, 6, 10])
def test_tables_of_parts_find_what_comparing_all_finds(radius: int, monkeypatch: pytest.MonkeyPatch) -> None:
    hashes, asked = crowded(1, 2000), crowded(1, 2200)[1500:]
    assert near_hashes._parts(len(hashes), len(hashes), radius)
    by_parts = listed(near(hashes, radius)), listed(near(hashes, radius, asked))
    monkeypatch.setattr(near_hashes, "_parts", lambda *_: [])
    assert (listed(near(hashes, radius)), listed(near(hashes, radius, asked))) == by_parts
    assert len(by_parts[0]) > 500


def test_blocks_do_not_change_what_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = crowded(2, 2000)
    whole = listed(near(hashes, 6))
    monkeypatch.setattr(near_hashes, "BLOCK", 50)
    assert listed(near(hashes, 6)) == whole


def test_more_pairs_than_can_be_listed_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_hashes, "MAX_FOUND", 1000)
    with pytest.raises(TooManyPairs):
        near(np.zeros(100, np.uint64), 0)


def test_bits_are_counted_alike_without_numpy_2(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = crowded(3, 60).reshape(6, 10)
    counted = bits_set(numbers)
    monkeypatch.delattr(np, "bitwise_count", raising=False)
    assert (bits_set(numbers) == counted).all()
    assert counted[2, 3] == int(numbers[2, 3]).bit_count()
