"""Copies within and across splits."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from doctor.errors import NotApplicable
from doctor.evidence.near_rows import NearRows
from doctor.evidence.repeated_rows import RepeatedRows
from doctor.evidence.splits import Splits

Measure = Callable[..., Any]
HEADER = ["a", "b", "c", "d", "note", "y"]


def rows(n: int, seed: int = 0) -> list[list[object]]:
    draw = np.random.default_rng(seed)
    return [
        [*(round(float(value), 4) for value in draw.normal(size=4)), "ab cd"[draw.integers(5)] + "x", int(i % 2)]
        for i in range(n)
    ]


def test_rows_equal_but_for_blanks_case_and_the_dot_of_the_label_are_copies(measure: Measure) -> None:
    train = [[i, 1000 + i * i, " Private", " <=50K"] for i in range(300)]
    test = [[i, 1000 + i * i, "private ", "<=50K."] for i in range(20)]
    test += [[-i, -i * i, "State", ">50K."] for i in range(1, 80)]
    splits = measure(Splits, ["i", "square", "work", "pay"], {"train": train, "test": test}, target="pay")
    (crossing,) = splits.crossings
    assert crossing.copied_rows == 20
    assert crossing.same_label_rows == 20
    assert crossing.verbatim_share == 0.0


def test_hashes_of_too_many_rows_to_sort_are_grouped_by_the_engine(
    measure: Measure, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, test = rows(300), rows(100, seed=1)
    test[:9] = train[:9]
    sorted_ = measure(RepeatedRows, HEADER, {"train": [*train, *train[:5]], "test": test}, target="y")
    monkeypatch.setattr("doctor.subjects.table.Engine.max_rows_fetched", 100)
    grouped = measure(RepeatedRows, HEADER, {"train": [*train, *train[:5]], "test": test}, target="y")
    assert sorted_.whole == grouped.whole
    assert sorted_.meetings == grouped.meetings
    assert [repeats.extra_rows for repeats in grouped.whole] == [5, 0]
    assert len(grouped.meetings["train", "test"]) == 9


def test_copies_with_another_label_are_counted_apart(measure: Measure) -> None:
    train, test = rows(300), rows(100, seed=1)
    test[:9] = [[*row[:-1], 1 - row[-1]] for row in train[:9]]
    test[9:14] = train[9:14]
    (crossing,) = measure(Splits, HEADER, {"train": train, "test": test}, target="y").crossings
    assert crossing.copied_rows == 14
    assert crossing.same_label_rows == 5
    assert crossing.surprising_share == 1.0
    assert crossing.verbatim_share == 1.0


def test_a_table_of_few_levels_repeats_without_surprise(measure: Measure) -> None:
    draw = np.random.default_rng(0)
    table = [[*draw.integers(0, 3, size=4), int(draw.random() < 0.5)] for _ in range(400)]
    repeated = measure(RepeatedRows, ["a", "b", "c", "d", "y"], {"data": table}, target="y")
    assert repeated.whole[0].extra_rows > 100
    assert repeated.whole[0].surprising_share == 0.0


def test_one_hot_columns_do_not_make_a_small_domain_surprising(measure: Measure) -> None:
    draw = np.random.default_rng(0)
    table = [[*(int(kind == i) for i in range(30)), i % 2] for i, kind in enumerate(draw.integers(0, 30, size=600))]
    repeated = measure(RepeatedRows, [*(f"is_{i}" for i in range(30)), "y"], {"data": table}, target="y")
    assert repeated.whole[0].extra_rows > 500
    assert repeated.whole[0].surprising_share == 0.0


def test_missing_values_equal_missing_values(measure: Measure) -> None:
    table = [*rows(200), ["", 0.1234, "", -1.4321, "q", 1], ["", 0.1234, "", -1.4321, "q", 1]]
    repeated = measure(RepeatedRows, HEADER, {"data": table}, target="y")
    assert repeated.whole[0].extra_rows == 1
    assert repeated.whole[0].examples[0].rows == (201, 202)


def test_one_split_has_nothing_to_share(measure: Measure) -> None:
    with pytest.raises(NotApplicable, match="only one split"):
        measure(Splits, HEADER, {"data": rows(50)}, target="y")


@pytest.mark.parametrize("noise", [1e-6, 1e-4, 2e-3])
def test_nearly_all_jittered_copies_are_found_and_nothing_else(measure: Measure, noise: float) -> None:
    train, test = rows(1000), rows(300, seed=1)
    draw = np.random.default_rng(2)
    for i in range(60):
        moved = [value + noise * draw.uniform(-1, 1) for value in train[i][:4]]
        test[i] = [*moved, *train[i][4:]]
    (crossing,) = measure(NearRows, HEADER, {"train": train, "test": test}, target="y").crossings
    assert 57 <= crossing.near_rows <= 60
    assert crossing.surprising_share > 0.75
    assert crossing.ring_pairs == 0


def test_text_is_near_without_case_and_punctuation(measure: Measure) -> None:
    words = [
        "please",
        "call",
        "the",
        "number",
        "below",
        "before",
        "friday",
        "to",
        "claim",
        "your",
        "prize",
        "and",
        "win",
        "again",
    ]
    draw = np.random.default_rng(0)
    texts = [" ".join(draw.choice(words, size=12)) for _ in range(300)]
    train = [[text, i * i, i % 2] for i, text in enumerate(texts[:250])]
    test = [[text, -i * i, 0] for i, text in enumerate(texts[250:])] + [
        [text.capitalize().replace(" ", ", ", 2) + "!", i * i, 1] for i, text in enumerate(texts[:7])
    ]
    (crossing,) = measure(NearRows, ["text", "square", "y"], {"train": train, "test": test}, target="y").crossings
    assert crossing.near_rows == 7


def test_a_key_that_owns_half_of_the_rows_does_not_explode(measure: Measure) -> None:
    train = [*rows(200), *([[0.0, 0.0, 0.0, 0.0, "x", 1]] * 3000)]
    test = [*rows(100, seed=1), *([[0.0, 0.0, 0.0, 0.0, "x", 1]] * 1500)]
    (exact,) = measure(Splits, HEADER, {"train": train, "test": test}, target="y").crossings
    assert exact.copied_rows == 1500
    (near,) = measure(NearRows, HEADER, {"train": train, "test": test}, target="y").crossings
    assert near.skipped_bins > 0
    assert near.near_pairs == 0


def test_pairs_that_were_not_compared_are_told(measure: Measure, monkeypatch: pytest.MonkeyPatch) -> None:
    train, test = rows(400), rows(100, seed=1)
    for i in range(40):
        test[i] = [*(value + 1e-4 for value in train[i][:4]), *train[i][4:]]
    (whole,) = measure(NearRows, HEADER, {"train": train, "test": test}, target="y").crossings
    assert (whole.compared_pairs, whole.all_compared) == (40, True)
    monkeypatch.setattr("doctor.evidence.near_rows.MAX_PAIRS", 10)
    (capped,) = measure(NearRows, HEADER, {"train": train, "test": test}, target="y").crossings
    assert (capped.compared_pairs, capped.all_compared) == (11, False)


def functions_of(numbers: Any) -> list[list[object]]:
    one, other = numbers.T
    columns = [one, other, one + other, one - other, one * other, one**2]
    return [[*(round(float(value), 7) for value in row), i % 2] for i, row in enumerate(np.column_stack(columns))]


def test_functions_of_two_short_numbers_repeat_without_surprise(measure: Measure) -> None:
    table = functions_of(np.random.default_rng(0).random((3000, 2)).round(2))
    repeated = measure(RepeatedRows, [*"abcdef", "y"], {"data": table}, target="y")
    assert repeated.whole[0].extra_rows > 100
    assert repeated.whole[0].surprising_share == 0.0


def test_copies_of_functions_of_two_long_numbers_surprise(measure: Measure) -> None:
    table = functions_of(np.random.default_rng(0).random((3000, 2)))
    repeated = measure(RepeatedRows, [*"abcdef", "y"], {"data": [*table, *table[:40]]}, target="y")
    assert repeated.whole[0].extra_rows == 40
    assert repeated.whole[0].surprising_share == 1.0
