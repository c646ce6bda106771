"""Vocabularies that do not grow, and test words that are never trained on."""

import json
import random
from pathlib import Path

from doctor.evidence.vocabulary import words_of_text
from doctor.model import Outcome
from doctor.testing import judge
from doctor_checks.text import low_diversity
from fixtures.text_tables import letters


def test_words_of_scripts_with_and_without_blanks() -> None:
    assert words_of_text("Don't go to New-York in 1999!") == ["don", "t", "go", "to", "new", "york", "in", "1999"]
    assert words_of_text("Grünerløkka на") == ["grünerløkka", "на"]
    assert words_of_text("北京大学 and tea") == ["北京", "京大", "大学", "and", "tea"]


def write(folder: Path, **splits: list[str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, texts in splits.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return folder


def named(count: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    return [f"{text} {' '.join(f'n{draw.randrange(50_000)}' for _ in range(12))}" for text in letters(count, seed)]


def test_templates_are_narrow_and_names_are_not(tmp_path: Path) -> None:
    (finding,) = judge(low_diversity, write(tmp_path / "a", rows=letters(520, 1))).findings
    assert finding.evidence["exponent"] < 0.1
    assert judge(low_diversity, write(tmp_path / "b", rows=named(420, 1))).outcome is Outcome.HEALTHY


def test_few_words_give_no_verdict(tmp_path: Path) -> None:
    judged = judge(low_diversity, write(tmp_path, rows=letters(60, 1)))
    assert judged.outcome is Outcome.UNAVAILABLE


def test_copies_of_a_text_count_once(tmp_path: Path) -> None:
    judged = judge(low_diversity, write(tmp_path, rows=[*letters(60, 1)] * 10))
    assert judged.outcome is Outcome.UNAVAILABLE


def test_words_of_the_test_that_are_never_trained_on(tmp_path: Path) -> None:
    other = [f"Patient {i} shows oedema, dyspnoea and tachycardia after furosemide." for i in range(100)]
    alike = judge(low_diversity, write(tmp_path / "a", train=named(300, 2), test=named(100, 3)))
    assert alike.outcome is Outcome.HEALTHY
    (finding,) = judge(low_diversity, write(tmp_path / "b", train=named(300, 2), test=other)).findings
    assert finding.evidence["kind"] == "uncovered"
    assert "dyspnoea" in finding.evidence["examples"]
    assert finding.at.split == "test"
