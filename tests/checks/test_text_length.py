"""Texts that a training cuts off."""

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from doctor.errors import UsageError
from doctor.model import Outcome, Severity
from doctor.testing import judge
from doctor_checks.text import length
from fixtures.text_tables import letters


def written(folder: Path, rows: list[dict[str, Any]]) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def letters_of_the_alphabet(folder: Path) -> Path:
    """Write a tokenizer to which every letter is a token."""
    tokenizer = Tokenizer(models.WordLevel({chr(i): i for i in range(128)}, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    path = folder / "tokenizer.json"
    tokenizer.save(str(path))
    return path


def test_without_a_length_nothing_is_said_and_that_is_said(tmp_path: Path) -> None:
    judged = judge(length, written(tmp_path, [{"text": text} for text in letters(30, 1)]))
    assert judged.outcome is Outcome.NOT_APPLICABLE
    assert "--max-length" in judged.reason


def test_a_word_is_at_least_one_token_and_with_a_tokenizer_they_are_counted(tmp_path: Path) -> None:
    texts = letters(40, 2)
    path = written(tmp_path, [{"text": text} for text in texts])
    words = max(len(text.split()) for text in texts)
    assert judge(length, path, max_length=words).outcome is Outcome.HEALTHY
    (finding,) = judge(length, path, max_length=words - 1).findings
    assert "at least" in finding.message
    tokenizer = letters_of_the_alphabet(tmp_path)
    (finding,) = judge(length, path, max_length=words, tokenizer=str(tokenizer)).findings
    assert finding.evidence["most"] == max(map(len, texts))
    assert finding.evidence["longer_share"] == 1.0


def test_few_long_texts_are_a_remark(tmp_path: Path) -> None:
    texts = [*letters(400, 3), " ".join(["word"] * 500)]
    (finding,) = judge(length, written(tmp_path, [{"text": text} for text in texts]), max_length=400).findings
    assert finding.severity is Severity.INFO
    assert finding.evidence["longer"] == 1


def test_of_two_answers_the_longer_one_counts(tmp_path: Path) -> None:
    rows = [{"prompt": f"what is it {i}?", "chosen": "yes " * 50, "rejected": "no " * 5} for i in range(20)]
    path = written(tmp_path, rows)
    assert judge(length, path, max_length=60).outcome is Outcome.HEALTHY
    (finding,) = judge(length, path, max_length=50).findings
    assert finding.evidence["longer"] == 20
    assert finding.evidence["lost"] == 0


def test_the_last_answer_of_a_conversation_is_lost(tmp_path: Path) -> None:
    turns = [
        {"role": "user", "content": "tell me " * 40},
        {"role": "assistant", "content": "no"},
        {"role": "user", "content": "please"},
        {"role": "assistant", "content": "all right then, here it is"},
    ]
    path = written(tmp_path, [{"id": i, "messages": turns} for i in range(10)])
    (finding,) = judge(length, path, max_length=82).findings
    assert finding.evidence["lost"] == 10
    (finding,) = judge(length, path, max_length=84).findings
    assert (finding.evidence["kind"], finding.evidence["lost"]) == ("cut", 0)


@pytest.mark.parametrize("name", ["nowhere.json", "."])
def test_a_tokenizer_that_is_none_is_a_misuse(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, [{"text": text} for text in letters(30, 1)])
    with pytest.raises(UsageError, match="tokenizer"):
        judge(length, path, max_length=9, tokenizer=str(tmp_path / name))


def test_a_length_of_nothing_is_a_misuse(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="max-length"):
        judge(length, written(tmp_path, [{"text": text} for text in letters(30, 1)]), max_length=0)
