"""Which columns name rows or entities."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from doctor.evidence.keys import Keys, words_of

Measure = Callable[..., Any]


def test_words_of_a_name() -> None:
    assert words_of("MouseID") == ["mouse", "id"]
    assert words_of("customer_id") == ["customer", "id"]
    assert words_of("Unnamed: 0") == ["unnamed", "0"]


def table(column: str, values: list[object]) -> tuple[list[str], dict[str, Any]]:
    draw = np.random.default_rng(0)
    return [column, "size", "y"], {
        "data": [[value, f"{draw.normal():.4f}", int(draw.random() < 0.5)] for value in values]
    }


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("city", [f"City {i % 60}" for i in range(600)]),
        ("product_id", [100 + i % 150 for i in range(600)]),
        ("age", [18 + i * 7 % 70 for i in range(600)]),
        ("income", [1000 * (i * 37 % 211) for i in range(600)]),
        ("month", [f"{1 + i % 12}/{1 + i % 28}/2011" for i in range(600)]),
        ("remark", [f"the part number {i % 50} of the set was late" for i in range(600)]),
    ],
)
def test_an_ordinary_column_is_no_entity(measure: Measure, name: str, values: list[object]) -> None:
    keys = measure(Keys, *table(name, values), target="y")
    assert keys.entities == ()


@pytest.mark.parametrize(
    ("name", "values", "pattern"),
    [
        ("patient_id", [4000 + i % 120 for i in range(600)], False),
        ("visitor", [f"user_{(i * 7919) % 200 + 1000}" for i in range(600)], False),
        ("sample", [f"{300 + i // 15}_{i % 15 + 1}" for i in range(600)], True),
        ("file", [f"scans/p{i // 10:03d}/slice{i % 10}.png" for i in range(600)], True),
    ],
)
def test_an_entity_is_found(measure: Measure, name: str, values: list[object], pattern: bool) -> None:
    keys = measure(Keys, *table(name, values), target="y")
    assert {key.column for key in keys.entities} == {name}
    assert any(key.pattern for key in keys.entities) == pattern


def test_a_unique_id_without_an_entity_names_only_its_row(measure: Measure) -> None:
    keys = measure(Keys, *table("customer", [f"{i * 7919 % 9973:04d}-XK{i * 31 % 97:02d}Q" for i in range(600)]))
    assert keys.row_ids == ("customer",)
    assert keys.entities == ()


def test_the_guessed_group_is_what_is_judged_as_an_entity(measure: Measure) -> None:
    keys = measure(Keys, *table("patient_id", [4000 + i % 120 for i in range(600)]), target="y")
    assert [(guess.what, guess.value, guess.because) for guess in keys.guesses] == [("group", "patient_id", "its name")]
    assert keys.owners == ("patient_id",)


def test_a_declared_group_is_no_guess(measure: Measure) -> None:
    keys = measure(Keys, *table("ward", [i % 7 for i in range(600)]), target="y", group=("ward",))
    assert keys.guesses == ()
    assert keys.owners == ("ward",)
