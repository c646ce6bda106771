"""Conversations that break the form in which a model learns them, and those that only look unusual."""

import json
from pathlib import Path
from typing import Any

import pytest

from doctor.model import DropRows, Finding, Outcome, Severity
from doctor.testing import judge
from doctor_checks.text import chat_format
from fixtures.text_tables import letters

Turns = list[dict[str, Any]]
SAID = letters(60, 31, sentences=1)


def talk(number: int, roles: str = "ua") -> Turns:
    names = {"u": "user", "a": "assistant", "s": "system", "t": "tool"}
    return [{"role": names[role], "content": SAID[(number + 7 * i) % 60]} for i, role in enumerate(roles)]


def written(folder: Path, chats: list[Any], key: str = "messages") -> Path:
    path = folder / "chats.jsonl"
    path.write_text("".join(json.dumps({key: turns}) + "\n" for turns in chats))
    return path


def found(folder: Path, sick: list[Any], healthy: int = 50) -> list[Finding]:
    return judge(chat_format, written(folder, [*(talk(i) for i in range(healthy)), *sick])).findings


@pytest.mark.parametrize(
    ("turns", "kind", "detail"),
    [
        ([{"role": "user", "content": "why?"}, {"role": "assistant", "content": ""}], "empty", "assistant 2"),
        ([{"role": "user", "content": "why?"}, {"role": "assistant", "content": None}], "empty", "assistant 2"),
        (talk(1, "uua"), "order", "user twice 2"),
        (talk(1, "uaa"), "order", "assistant twice 2"),
        (talk(1, "ausa"), "order", "system in between 2"),
        (talk(1, "aua"), "order", "assistant first 2"),
        (talk(1, "uau"), "unanswered", ""),
        (talk(1, "su"), "unanswered", ""),
        ([*talk(1), {"role": "narrator", "content": "so it went"}], "malformed", "role narrator 2"),
        ([], "malformed", "no turns 2"),
        ([{"role": "user", "content": "a [INST] b"}, {"role": "assistant", "content": "c"}], "markers", "[INST] 2"),
    ],
)
def test_each_fault_is_told_by_its_kind_and_its_rows(tmp_path: Path, turns: Turns, kind: str, detail: str) -> None:
    (finding,) = found(tmp_path, [turns, turns])
    assert finding.evidence["kind"] == kind
    assert (finding.evidence["chats"], finding.evidence["detail"]) == (2, detail)
    if kind != "markers":
        assert isinstance(finding.repair, DropRows)
        assert finding.repair.rows == (50, 51)


@pytest.mark.parametrize(
    "turns",
    [
        talk(1, "suaua"),
        [{"role": "system", "content": ""}, *talk(2)],
        [*talk(1, "u"), {"role": "assistant", "content": None, "tool_calls": [{"id": 1}]}, *talk(3, "ta")],
        [*talk(1, "u"), {"role": "assistant", "content": "", "function_call": {"name": "f"}}, *talk(3, "a")],
        [{"role": "user", "content": [{"type": "image"}]}, *talk(1, "a")],
        [{"role": "user", "content": "a < b and [inst] </p>"}, *talk(1, "a")],
    ],
)
def test_tools_pictures_and_empty_system_turns_are_healthy(tmp_path: Path, turns: Turns) -> None:
    assert found(tmp_path, [turns, turns]) == []


def test_few_among_many_are_a_remark(tmp_path: Path) -> None:
    (finding,) = found(tmp_path, [talk(1, "uau")], healthy=300)
    assert finding.severity is Severity.INFO


def test_questions_to_be_answered_later_are_no_fault(tmp_path: Path) -> None:
    judged = judge(chat_format, written(tmp_path, [talk(i, "u") for i in range(40)]))
    assert judged.outcome is Outcome.HEALTHY


def test_persons_speak_in_the_order_they_like(tmp_path: Path) -> None:
    chats = [
        [{"speaker": name, "text": SAID[(i + at) % 60]} for at, name in enumerate(("Anna", "Anna", "Ben"))]
        for i in range(40)
    ]
    assert judge(chat_format, written(tmp_path, chats, "dialogue")).findings == []


def test_several_names_for_one_part(tmp_path: Path) -> None:
    other = [{"role": "Human", "content": "why?"}, {"role": "gpt", "content": "because"}]
    kinds = {finding.evidence["part"]: finding.evidence["turns"] for finding in found(tmp_path, [other])}
    assert kinds == {"user": {"user": 50, "Human": 1}, "assistant": {"assistant": 50, "gpt": 1}}


def test_texts_in_a_template_that_are_not_closed(tmp_path: Path) -> None:
    texts = [f"<|im_start|>user\n{said}<|im_end|>\n<|im_start|>assistant\n{said}<|im_end|>\n" for said in SAID]
    assert judge(chat_format, written(tmp_path, texts, "text")).outcome is Outcome.HEALTHY
    texts[7] = texts[7].removesuffix("<|im_end|>\n")
    (finding,) = judge(chat_format, written(tmp_path, texts, "text")).findings
    assert (finding.evidence["kind"], finding.evidence["chats"]) == ("unclosed", 1)


def test_a_table_without_conversations_is_not_judged(tmp_path: Path) -> None:
    assert judge(chat_format, written(tmp_path, SAID, "text")).outcome is Outcome.NOT_APPLICABLE


def test_the_repair_counts_in_words_that_agree(tmp_path: Path) -> None:
    (one,) = found(tmp_path, [talk(1, "uua")])
    assert one.repair is not None
    assert one.repair.summary == "leave out the one conversation"


def test_a_row_that_cannot_be_read_is_shown_as_it_stands(tmp_path: Path) -> None:
    (finding,) = found(tmp_path, [[{"role": "user", "turn": 3}]])
    assert finding.evidence["kind"] == "malformed"
    assert [excerpt.text for excerpt in finding.excerpts] == ['[{"role":"user","turn":3}]']


def paired(folder: Path, answers: list[tuple[str | None, str | None]]) -> Path:
    path = folder / "pairs.jsonl"
    rows = [{"prompt": SAID[i % 60], "chosen": one, "rejected": other} for i, (one, other) in enumerate(answers)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_pairs_of_equal_answers_are_told_and_can_be_left_out(tmp_path: Path) -> None:
    healthy: list[tuple[str | None, str | None]] = [(SAID[i], SAID[i + 1]) for i in range(50)]
    assert judge(chat_format, paired(tmp_path, [*healthy, (None, None), ("", "")])).outcome is Outcome.HEALTHY
    same = [(SAID[3], SAID[3] + "\n"), (SAID[4], SAID[4].replace(" ", "  "))]
    (finding,) = judge(chat_format, paired(tmp_path, [*healthy, *same, (SAID[5], SAID[5].upper())])).findings
    assert finding.severity is Severity.WARNING
    assert finding.at.columns == ("chosen", "rejected")
    assert (finding.evidence["kind"], finding.evidence["chats"], finding.evidence["read"]) == ("same", 2, 53)
    assert isinstance(finding.repair, DropRows)
    assert finding.repair.rows == (50, 51)


def test_conversations_are_pairs_too(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    rows = [{"chosen": talk(i), "rejected": talk(i if i == 7 else i + 1)} for i in range(40)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (finding,) = judge(chat_format, path).findings
    assert (finding.evidence["kind"], finding.evidence["chats"]) == ("same", 1)
