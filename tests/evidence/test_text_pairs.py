"""Rows whose texts are equal or nearly so, within and across splits."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from doctor.errors import NotApplicable
from doctor.evidence.near_rows import NearRows
from doctor.evidence.near_twins import NearTwins
from doctor.evidence.text_pairs import TextPairs
from fixtures.text_tables import letters

Measure = Callable[..., Any]


def exchanged(text: str, word: str = "certainly") -> str:
    words = text.split()
    words[len(words) // 2] = word
    return " ".join(words)


def test_equal_texts_are_counted_once_beyond_the_rows_that_are_equal_throughout(measure: Measure) -> None:
    texts = letters(80, 1)
    rows = [[place, text] for place, text in enumerate(texts)]
    rows += [[200 + place, text.upper()] for place, text in enumerate(texts[:5])]
    rows += [rows[0], rows[1], [300, texts[0].replace(".", " ;")]]
    (twins,) = measure(TextPairs, ["page", "letter"], {"all": rows}).splits
    assert twins.read_rows == 88
    assert twins.equal.rows == 6
    assert twins.equal.stay == 5
    assert twins.equal.surprising_share == 1.0
    assert twins.equal.numbers == (80, 81, 82, 83, 84, 85, 86, 87)
    assert twins.near.rows == 0
    assert {(example.row, example.stays) for example in twins.equal.examples} >= {(81, 1), (82, 2)}


def test_near_texts_stand_around_one_that_stays(measure: Measure) -> None:
    texts = letters(80, 2, sentences=6)
    rows = [[place, text] for place, text in enumerate(texts)]
    rows += [[100, exchanged(texts[0])], [101, exchanged(texts[0], "hardly")], [102, exchanged(texts[7])]]
    pairs = measure(TextPairs, ["page", "letter"], {"all": rows})
    (twins,) = pairs.splits
    assert twins.near.rows == 3
    assert twins.near.stay == 2
    assert twins.near.numbers == (80, 81, 82)
    assert twins.equal.rows == 0
    shown = twins.near.examples[0].excerpts
    assert [shown[1].text[begin:end] for begin, end in shown[1].spans] == ["certainly"]
    assert pairs.all_compared
    assert pairs.drawn_one_of == 1


def test_all_columns_of_texts_must_be_alike(measure: Measure) -> None:
    contexts, questions = letters(40, 3, sentences=6), letters(80, 4, sentences=1)
    rows = [[contexts[place % 40], questions[place]] for place in range(80)]
    rows.append([exchanged(contexts[0]), questions[0]])
    (twins,) = measure(TextPairs, ["context", "question"], {"all": rows}).splits
    assert twins.equal.rows == 0
    assert twins.near.numbers == (80,)


def test_across_splits_rows_are_told_that_are_no_copies_in_all_features(measure: Measure) -> None:
    train, test = letters(80, 5, sentences=6), letters(40, 6, sentences=6)
    first = [[place, text, place % 2] for place, text in enumerate(train)]
    second = [[place, text, place % 2] for place, text in enumerate(test)]
    second += [first[3], [900, train[4].upper(), 1], [901, exchanged(train[5]), 1], [902, exchanged(train[5], "no"), 0]]
    pairs = measure(TextPairs, ["pages", "letter", "kind"], {"train": first, "test": second}, target="kind")
    (crossing,) = pairs.crossings
    assert (crossing.earlier, crossing.later) == ("train", "test")
    assert crossing.alike.rows == 3
    assert crossing.equal_rows == 1
    assert crossing.alike.numbers == (4, 5)
    assert crossing.alike.surprising_share == 1.0
    assert [(example.row, example.stays) for example in crossing.alike.examples] == [(42, 5), (43, 6), (44, 6)]


def test_a_form_that_is_filled_in_is_no_near_copy(measure: Measure) -> None:
    draw = random.Random(0)
    form = " ".join(letters(1, 7, sentences=8))
    rows = [
        [place, f"Dear guest {draw.randrange(999)}, {form} You owe us {draw.randrange(9999)}."] for place in range(90)
    ]
    (twins,) = measure(TextPairs, ["page", "letter"], {"all": rows}).splits
    assert twins.near.rows == 0


def test_short_texts_are_said_twice_by_chance(measure: Measure) -> None:
    rows = [[place, text] for place, text in enumerate(letters(60, 8) + ["Thanks a lot!", "thanks a lot"] * 10)]
    (twins,) = measure(TextPairs, ["page", "letter"], {"all": rows}).splits
    assert twins.equal.rows == 19
    assert twins.equal.surprising_share == 0.0


def test_texts_without_blanks_between_words_are_compared(measure: Measure) -> None:
    draw = random.Random(1)
    texts = ["".join(chr(draw.randrange(0x4E00, 0x5E00)) for _ in range(60)) + "。" for _ in range(40)]
    rows = [[place, text] for place, text in enumerate([*texts, texts[0][:30] + "新" + texts[0][31:], texts[1]])]
    (twins,) = measure(TextPairs, ["page", "text"], {"all": rows}).splits
    assert twins.near.numbers == (40,)
    assert twins.equal.numbers == (41,)
    assert twins.near.surprising_share == twins.equal.surprising_share == 1.0


def test_secrets_in_examples_are_masked(measure: Measure) -> None:
    texts = letters(60, 9)
    told = f"{texts[0]} My key is sk-abcdefghijklmnop1234567890 by the way."
    rows = [[place, text] for place, text in enumerate([*texts, told, told.upper().replace("SK-ABC", "sk-abc")])]
    (twins,) = measure(TextPairs, ["page", "letter"], {"all": rows}).splits
    assert twins.equal.rows == 1
    for excerpt in twins.equal.examples[0].excerpts:
        assert "mnop1234567890" not in excerpt.text.lower()


def test_tables_that_differ_in_texts_alone_are_left_to_texts(measure: Measure) -> None:
    rows = [[text, place % 2] for place, text in enumerate(letters(60, 10))]
    splits = {"train": rows, "test": rows[:9]}
    with pytest.raises(NotApplicable, match="near-duplicate-texts"):
        measure(NearTwins, ["letter", "kind"], splits, target="kind")


def test_so_are_splits_that_differ_in_texts_alone(measure: Measure) -> None:
    rows = [[text, place % 2] for place, text in enumerate(letters(60, 10))]
    splits = {"train": rows, "test": rows[:9]}
    assert measure(NearRows, ["letter", "kind"], splits, target="kind").crossings == ()


def test_no_text_no_comparison(measure: Measure) -> None:
    with pytest.raises(NotApplicable):
        measure(TextPairs, ["a", "b"], {"all": [[place, place % 7] for place in range(50)]})


def test_of_too_many_letters_equal_texts_are_drawn_together(measure: Measure, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = letters(200, 11)
    rows = [[place, text] for place, text in enumerate(texts + texts)]
    monkeypatch.setattr("doctor.evidence.text_rows.MAX_ROWS", 100)
    pairs = measure(TextPairs, ["page", "letter"], {"all": rows})
    assert pairs.drawn_one_of == 4
    (twins,) = pairs.splits
    assert 20 < twins.read_rows < 200
    assert twins.equal.rows == twins.read_rows / 2
