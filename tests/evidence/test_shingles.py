"""Runs of words of texts, and sketches of them."""

from unittest.mock import patch

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from doctor.evidence import shingles
from doctor.evidence.shingles import BANDS, ROWS, run_sets, runs_of, sketch, words_hashed

TEXTS = st.lists(st.text(max_size=60), max_size=12)


def plain_words(text: str) -> list[str]:
    words, latest = [], ""
    for letter in [*text.lower(), " "]:
        if letter.isascii() and letter.isalnum():
            latest += letter
        elif latest:
            words.append(latest)
            latest = ""
    return words


@settings(deadline=None)  # the first call fills tables
@given(st.lists(st.text(alphabet="ab c.\n,Z9", max_size=40), min_size=1, max_size=8))
def test_runs_are_those_that_a_plain_loop_finds(texts: list[str]) -> None:
    by_hash: dict[int, tuple[str, ...]] = {}
    for text, found in zip(texts, run_sets(texts), strict=True):
        words = plain_words(text)
        size = min(5, len(words))
        runs = {tuple(words[place : place + size]) for place in range(len(words) - size + 1)} if words else set()
        assert len(found) == len(runs)
        for number, run in enumerate(sorted(runs)):
            alone = runs_of([" ".join(run)]).hashes.tolist()
            assert len(alone) == 1, (number, run)
            assert alone[0] in found
            assert by_hash.setdefault(alone[0], run) == run


@settings(deadline=None)  # the first call fills tables
@given(TEXTS)
def test_a_text_has_the_same_runs_whatever_texts_stand_before_it(texts: list[str]) -> None:
    together = sketch(texts)
    for place, text in enumerate(texts):
        alone = sketch([text])
        assert alone.words[0] == together.words[place]
        assert alone.whole[0] == together.whole[place]
        assert (alone.least[0] == together.least[place]).all()


def test_case_punctuation_and_blanks_do_not_matter_but_where_words_end_does() -> None:
    told = sketch(["The boat, near Porto!", "the  BOAT\nnear (Porto)", "theb oat near porto", "the boat near"]).whole
    assert told[0] == told[1]
    assert len(set(told.tolist())) == 3


def test_scripts_without_blanks_are_read_letter_by_letter() -> None:
    assert words_hashed(["我们在海边看到了一艘船", "Wir sahen 一艘船 am Ufer", "สวัสดี"]).counts.tolist() == [11, 7, 6]
    one, other = run_sets(["我们昨天在海边看到了一艘很大的绿色的木船", "我们昨天在海边看到了一艘很大的蓝色的木船"])
    assert 0 < len(one & other) < len(one)


def test_a_word_of_hindi_is_not_cut_at_its_vowel_signs() -> None:
    assert words_hashed(["हिन्दी में लिखा"]).counts.tolist() == [3]


def test_a_text_without_words_has_no_runs() -> None:
    assert sketch(["", " … ", "🙂🙂"]).words.tolist() == [0, 0, 0]
    assert run_sets(["", "one"]) == [frozenset(), run_sets(["one"])[0]]
    assert sketch([]).least.shape == (0, BANDS * ROWS)


def test_least_values_agree_as_often_as_runs_are_shared() -> None:
    draw = np.random.default_rng(0)
    words = np.array([f"w{number}" for number in range(5_000)])
    true, estimated = [], []
    for _ in range(150):
        own = draw.integers(0, len(words), 120)
        changed = own.copy()
        changed[draw.integers(0, 120, 4)] = draw.integers(0, len(words), 4)
        texts = [" ".join(words[own]), " ".join(words[changed])]
        one, other = run_sets(texts)
        least = sketch(texts).least
        true.append(len(one & other) / len(one | other))
        estimated.append(float((least[0] == least[1]).mean()))
    error = np.array(estimated) - np.array(true)
    assert abs(error.mean()) < 3 * error.std() / np.sqrt(150)
    assert error.std() < 1.3 * np.sqrt(np.mean(np.array(true) * (1 - np.array(true))) / (BANDS * ROWS))


def test_a_lone_surrogate_is_no_trouble() -> None:
    assert sketch(["broken \ud83d emoji"]).words.tolist() == [2]


def test_a_text_longer_than_a_batch_is_read_whole() -> None:
    words = [f"word{number}" for number in range(100_000)]
    assert sketch([" ".join(words)]).words.tolist() == [100_000]
    assert len(run_sets([" ".join(words)])[0]) == 99_996


@settings(deadline=None)  # the first call fills tables
@given(st.text(max_size=300), st.integers(1, 30))
def test_a_long_text_read_in_pieces_has_the_words_that_it_has_at_once(text: str, letters: int) -> None:
    at_once = runs_of([text])
    with patch.object(shingles, "LETTERS_AT_ONCE", letters), patch.object(shingles, "LETTERS_LOOKED_THROUGH", 3):
        in_pieces = runs_of([text])
    assert in_pieces.words.tolist() == at_once.words.tolist()
    assert in_pieces.whole.tolist() == at_once.whole.tolist()
    assert in_pieces.hashes.tolist() == at_once.hashes.tolist()


def test_a_long_text_is_a_batch_by_itself() -> None:
    with patch.object(shingles, "LETTERS_AT_ONCE", 10):
        assert [len(batch) for batch in shingles.in_batches(["ab", "cd", "x" * 40, "e", "f"])] == [2, 1, 2]
