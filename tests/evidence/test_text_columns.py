"""Which columns hold free text, and how their cells hold it."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from doctor.errors import NotApplicable
from doctor.evidence.messages import Form, text_of
from doctor.evidence.text_columns import TextColumns
from doctor.testing import measure as measured

Measure = Callable[..., Any]

PLACES = ("France", "Spain", "Norway", "Peru", "Chile", "Kenya", "Nepal", "Ghana", "Japan", "Malta", "Oman", "Fiji")
SENTENCES = [f"we went to {place} last year and came back with a cold" for place in PLACES]


def columns(measure: Measure, **values: Sequence[object]) -> list[str]:
    rows = list(zip(*values.values(), strict=True))
    try:
        return list(measure(TextColumns, list(values), {"data": rows}).names)
    except NotApplicable:
        return []


def test_sentences_are_text_and_names_codes_levels_and_addresses_are_not(measure: Measure) -> None:
    found = columns(
        measure,
        said=SENTENCES,
        name=[f"Owen {place} Harris, Mr. William" for place in PLACES],
        code=[f"A-{i:04d}-{place[:2]}" for i, place in enumerate(PLACES)],
        opinion=["agree somewhat with the statement made", "disagree with it in every respect"] * 6,
        address=[f"{i} {place} Street, Springfield, IL 627{i:02d}" for i, place in enumerate(PLACES)],
        genres=["Action, Adventure, Drama, Family, Comedy", "Horror, Drama, Family, Crime, War"] * 6,
    )
    assert found == ["said"]


def test_text_without_blanks_between_words_is_text(measure: Measure) -> None:
    rows = [[f"我今天去了北京大学的图书馆第{i}次看书", i] for i in range(20)]
    table = measure(TextColumns, ["letter", "stars"], {"data": rows})
    assert table["letter"].unspaced
    assert table["letter"].words > 5


def test_a_table_of_numbers_holds_no_text(measure: Measure) -> None:
    with pytest.raises(NotApplicable):
        measure(TextColumns, ["a", "b"], {"data": [[i, i % 3] for i in range(50)]})


def written(folder: Path, records: list[dict[str, Any]]) -> Path:
    path = folder / "records.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


@pytest.mark.parametrize(
    ("key", "turns"),
    [
        ("messages", [{"role": "user", "content": "Who are you?"}, {"role": "assistant", "content": "Nobody"}]),
        ("conversations", [{"from": "human", "value": "Who are you?"}, {"from": "gpt", "value": "Nobody"}]),
        (
            "messages",
            [
                {"role": "user", "content": [{"type": "text", "text": "Who are you?"}, {"type": "image"}]},
                {"role": "assistant", "content": "Nobody"},
            ],
        ),
    ],
)
def test_conversations_of_every_shape_are_read(tmp_path: Path, key: str, turns: list[dict[str, Any]]) -> None:
    path = written(tmp_path, [{"id": i, key: [*turns, turns[0] | {}]} for i in range(5)])
    (column,) = measured(TextColumns, path).columns
    assert (column.name, column.form) == (key, Form.CHAT)
    assert text_of(json.dumps(turns), Form.CHAT) == "Who are you?\n\nNobody"


def test_prompts_and_answers_are_known_by_their_names(tmp_path: Path) -> None:
    records = [{"prompt": f"what is {i}?", "chosen": f"it is {i} indeed", "rejected": f"no idea {i}"} for i in range(6)]
    known = measured(TextColumns, written(tmp_path, records))
    assert {column.name: column.part for column in known.columns} == {
        "prompt": "prompt",
        "chosen": "answer",
        "rejected": "answer",
    }


def test_lists_of_sentences_are_text_and_other_nested_values_are_not(tmp_path: Path) -> None:
    records = [
        {
            "turns": [f"good morning to you all {i}", "how are you this fine day"],
            "box": {"x": i, "label": "a b c d e f"},
        }
        for i in range(12)
    ]
    (column,) = measured(TextColumns, written(tmp_path, records)).columns
    assert (column.name, column.form) == ("turns", Form.LIST)
