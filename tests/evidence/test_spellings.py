"""What the texts of columns are taken for."""

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from doctor.evidence.cell_texts import date_form, dress_of, folded, is_number, stands_for_nothing
from doctor.evidence.spellings import Spelling, Spellings, spelling_of

Measure = Callable[..., Any]


@pytest.mark.parametrize(
    ("text", "dress", "number"),
    [
        ("12", "", "12"),
        ("-1.5e3", "", "-1.5e3"),
        ("9%", "%", "9"),
        ("$1,200.50", "$", "1200.50"),
        ("5 €", "€", "5"),
        ("1,234,567", "thousands", "1234567"),
        ("1.234,5", "decimal comma", "1234.5"),
        ("3,14", "decimal comma", "3.14"),
        ("12 kg", "kg", "12"),
        ("00501", "", ""),
        ("12a4", "", ""),
        ("", "", ""),
        ("%", "", ""),
    ],
)
def test_a_number_is_told_from_its_dress(text: str, dress: str, number: str) -> None:
    assert (dress, number) == dress_of(text)


def test_codes_dates_and_words_are_no_numbers() -> None:
    assert not any(map(is_number, ("007", "1-2", "ten", "1 2", "0x1f", "")))
    assert [date_form(text) for text in ("2021-03-04 10:00", "3/4/2021", "4-Mar-2021", "2021")] == [
        "YYYY-MM-DD",
        "D/M/YYYY",
        "D Month YYYY",
        "",
    ]
    assert folded("  New-York\u00a0City ") == folded("new_york city")


def test_none_and_na_are_levels_and_marks_are_not() -> None:
    assert not any(map(stands_for_nothing, ("None", "NA", "none", "no", "0", "+")))
    assert all(map(stands_for_nothing, ("?", " ? ", "#REF!", "Unknown", "N/A", "ERROR")))


def test_numbers_marks_and_remarks_are_counted_apart() -> None:
    found = spelling_of("c", Counter({"1": 40, "2.5": 40, "9%": 10, "?": 5, " ": 3, "ca. 7": 2, " 4 ": 1}))
    assert (
        found.numbers,
        found.dressed,
        found.nothing,
        found.blank,
        found.others,
        found.padded,
    ) == (81, {"%": 10}, {"?": 5}, {" ": 3}, {"ca. 7": 2}, 1)
    assert found.numeric


def test_levels_that_only_look_like_marks_are_levels() -> None:
    for levels in ("+ - +/-", "INFO WARNING ERROR", "pass fail error", "* ** *** ns"):
        assert not spelling_of("c", Counter(dict.fromkeys(levels.split(), 50))).nothing
    assert spelling_of("c", Counter({"tea": 50, "cake": 50, "ERROR": 5})).nothing


def test_letters_behind_numbers_are_units_only_where_they_are_few() -> None:
    weights = spelling_of("c", Counter(f"{i} {'kg' if i % 3 else 'g'}" for i in range(90)))
    assert weights.dressed == {"kg": 60, "g": 30}
    for codes in ([f"{i}{'ABCDEF'[i % 6]}" for i in range(90)], [f"{1000 + i} {'ABCDE'[i % 5]}X" for i in range(90)]):
        assert not spelling_of("c", Counter(codes)).numeric


def test_ticket_numbers_of_which_a_part_has_letters_are_no_numbers() -> None:
    draw = random.Random(0)
    counts = Counter(f"PC {i}" if draw.random() < 0.3 else str(10_000 + i) for i in range(500))
    assert not spelling_of("ticket", counts).numeric


def test_codes_that_count_on_beyond_a_power_of_ten_keep_their_form() -> None:
    assert spelling_of("c", Counter(f"N{i}" for i in range(900, 1_100))).shapes is None
    odd = spelling_of("c", Counter([*(f"N{i}" for i in range(900, 1_100)), "N-7"]))
    assert odd.shapes
    assert odd.shapes.odd == {"N-7": 1}


def spelled(measure: Measure, rows: list[list[object]], **options: Any) -> dict[str, Spelling]:
    found: Spellings = measure(Spellings, ["c", "x"], {"data": rows}, **options)
    return {column.name: column for column in found.columns}


def test_telephone_numbers_with_a_digit_too_few_are_seen(measure: Measure) -> None:
    rows: list[list[object]] = [[13_000_000_000 + 7_919 * i, i % 7] for i in range(200)]
    assert "c" not in spelled(measure, rows)
    rows[5][0] = 1_300_000_123
    shapes = spelled(measure, rows)["c"].shapes
    assert shapes
    assert shapes.odd == {"1300000123": 1}


def test_a_serial_number_that_grows_longer_is_no_telephone_number(measure: Measure) -> None:
    rows: list[list[object]] = [[999_999_990 + i, i % 7] for i in range(300)]
    assert "c" not in spelled(measure, rows)


def test_what_the_drawn_rows_hint_at_is_counted_over_all_rows(measure: Measure) -> None:
    rows: list[list[object]] = [["?" if i % 100 == 7 else str(i % 50), i] for i in range(4_000)]
    drawn = spelled(measure, rows, sample_rows=400)["c"]
    assert drawn.nothing == {"?": 40}
    assert drawn.rows == 4_000


def test_a_city_that_swallowed_its_state_is_seen(measure: Measure) -> None:
    towns, states = ("Salem", "Dover", "Troy"), ("OR", "DE", "NY")
    rows = [
        [f"{towns[i % 3]} {states[i % 3]}", ""] if i % 10 == 0 else [towns[i % 3], states[i % 3]] for i in range(200)
    ]
    (joined,) = measure(Spellings, ["town", "state"], {"data": rows}).joined
    assert (joined.column, joined.other, joined.rows) == ("town", "state", 20)
