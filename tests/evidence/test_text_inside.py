"""Texts that stand in longer ones, and what only seems to."""

from collections.abc import Sequence

import numpy as np
import pytest

from doctor.evidence.shingles import sketch
from doctor.evidence.text_inside import said_in, texts_inside
from doctor.evidence.text_rows import TextRows


def prose(draw: np.random.Generator, words: int) -> str:
    return " ".join(f"w{number}" for number in draw.zipf(1.2, words) % 5_000)


def found(texts: Sequence[str], gone: Sequence[int] = ()) -> list[tuple[int, int]]:
    told = sketch(texts)
    count = len(texts)
    rows = TextRows(
        columns=(),
        row=np.arange(count),
        split=np.zeros(count, dtype=np.int64),
        words=told.words,
        text=np.arange(count),
        first=np.arange(count),
        whole=told.whole,
        least=told.least,
        kept=told.kept,
        kept_counts=told.kept_counts,
        drawn_one_of=1,
    )
    inside = texts_inside(rows, np.array(gone, dtype=np.int64), lambda _: lambda some: [[texts[i] for i in some]])
    assert inside.all_compared
    return sorted(zip(inside.inner.tolist(), inside.outer.tolist(), strict=True))


def others(draw: np.random.Generator) -> list[str]:
    return [prose(draw, 80) for _ in range(40)]


def test_a_part_is_found_in_the_longer_text_wherever_it_stands() -> None:
    draw = np.random.default_rng(1)
    part = prose(draw, 70)
    texts = [*others(draw), part, f"{prose(draw, 200)} {part.upper()}, {prose(draw, 200)}"]
    assert found(texts) == [(40, 41)]
    assert found(texts, gone=[40]) == []


def test_a_part_with_few_words_changed_is_found_and_one_with_many_is_not() -> None:
    draw = np.random.default_rng(2)
    words = prose(draw, 100).split()
    few, many = list(words), list(words)
    few[10] = few[60] = "changed"
    many[10:100:9] = ["changed"] * 10
    whole = f"{prose(draw, 200)} {' '.join(words)}"
    assert found([*others(draw), " ".join(few), whole]) == [(40, 41)]
    assert found([*others(draw), " ".join(many), whole]) == []


def test_short_texts_and_texts_of_about_one_length_are_no_parts() -> None:
    draw = np.random.default_rng(3)
    short, long = prose(draw, 40), prose(draw, 100)
    assert found([*others(draw), short, f"{prose(draw, 200)} {short}", long, f"{long} {prose(draw, 15)}"]) == []


def test_what_stands_in_many_texts_is_a_form() -> None:
    draw = np.random.default_rng(4)
    header = prose(draw, 70)
    assert found([header, *(f"{header} {prose(draw, 100)}" for _ in range(12))]) == []


def test_the_same_phrases_in_another_order_are_no_part() -> None:
    draw = np.random.default_rng(5)
    phrases = [prose(draw, 20) for _ in range(5)]
    scattered = " ".join(f"{phrase} {prose(draw, 60)}" for phrase in reversed(phrases))
    assert found([*others(draw), " ".join(phrases), scattered]) == []


@pytest.mark.parametrize(
    "quote",
    [
        "On Monday, Ann wrote:\n{}",
        "[quote=Ann]{}[/quote]",
        "<blockquote>{}</blockquote>",
        "-----Original Message-----\n{}",
        "From: ann\nTo: bob\n\n{}",
    ],
)
def test_what_a_reply_quotes_is_not_its_own(quote: str) -> None:
    draw = np.random.default_rng(6)
    mail = prose(draw, 70)
    reply = f"{prose(draw, 60)}\n\n{quote.format(mail)}"
    assert mail not in said_in(reply)
    assert found([*others(draw), mail, reply]) == []
    assert said_in(mail) == mail


def test_lines_that_are_marked_as_quoted_are_left_out() -> None:
    assert said_in("yes\n> one\n>> two\n| three\nno > sign").split() == ["yes", "no", ">", "sign"]
