"""Pairs of texts that share most of their runs of words."""

from itertools import combinations

import numpy as np
import pytest

from doctor.evidence.shingles import run_sets, sketch
from doctor.evidence.text_matches import candidates, matches_of


def texts_of(count: int, seed: int, words: int = 80) -> list[str]:
    draw = np.random.default_rng(seed)
    vocabulary = np.array([f"w{number}" for number in range(3_000)])
    return [" ".join(vocabulary[draw.integers(0, len(vocabulary), words)]) for _ in range(count)]


def changed(text: str, every: int) -> str:
    return " ".join("other" if place % every == every - 1 else word for place, word in enumerate(text.split()))


def brute(texts: list[str], least: float) -> set[tuple[int, int]]:
    sets = run_sets(texts)
    pairs = combinations(range(len(texts)), 2)
    return {(a, b) for a, b in pairs if len(sets[a] & sets[b]) >= least * len(sets[a] | sets[b])}


def test_what_is_found_is_what_comparing_all_pairs_finds() -> None:
    texts = texts_of(300, 1)
    texts += [changed(text, 61 + place % 20) for place, text in enumerate(texts[:200])]
    found = matches_of(texts)
    pairs = set(zip(found.earlier.tolist(), found.later.tolist(), strict=True))
    true = brute(texts, 0.8)
    assert len(true) >= 190
    assert pairs <= true
    assert len(pairs) >= 0.99 * len(true)
    assert found.all_compared


def test_texts_that_share_less_are_compared_and_let_go() -> None:
    texts = texts_of(50, 2)
    half = [
        " ".join(text.split()[:60]) + " " + " ".join(texts_of(1, place + 9, 20)) for place, text in enumerate(texts)
    ]
    found = matches_of(texts + half)
    assert found.compared > 0
    assert len(found.later) == 0


def test_a_heap_of_near_copies_is_found_whole_without_comparing_each_with_each() -> None:
    (original,) = texts_of(1, 3, 200)
    words = original.split()
    heap = [" ".join([*words[: place % 200], f"x{place}", *words[place % 200 + 1 :]]) for place in range(3_000)]
    found = matches_of(heap)
    assert set(found.later.tolist()) | {0} == set(range(3_000))
    assert found.compared < 200_000
    assert found.all_compared


def test_the_pairs_that_were_left_out_are_owned_up_to(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = texts_of(60, 4)
    monkeypatch.setattr("doctor.evidence.text_matches.MAX_COMPARED", 20)
    found = matches_of(texts + [changed(text, 70) for text in texts])
    assert found.compared == 40, "twenty in each of two rounds"
    assert not found.all_compared


def test_no_texts_have_no_pairs() -> None:
    assert len(candidates(sketch([]).least, 3).later) == 0
    assert len(matches_of(["alone"]).later) == 0
