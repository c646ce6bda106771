"""Whether the texts of two splits are of one kind."""

import json
import random
from pathlib import Path

from doctor.model import Finding, Outcome
from doctor.testing import judge
from doctor_checks.drift import text_shift
from fixtures.text_tables import letters


def write(folder: Path, train: list[str], test: list[str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, texts in (("train", train), ("test", test)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return folder


def told(folder: Path, train: list[str], test: list[str]) -> list[Finding]:
    return judge(text_shift, write(folder, train, test)).findings


def test_texts_of_one_kind_are_not_told_apart(tmp_path: Path) -> None:
    texts = letters(300, 1)
    assert told(tmp_path, texts[:200], texts[200:]) == []


def test_another_subject_another_length_and_another_script_are(tmp_path: Path) -> None:
    draw = random.Random(2)
    texts = letters(300, 2)
    subjects = [
        f"{draw.choice(['the tumour', 'a lesion'])} of {draw.randrange(90)} mm was {i} seen" for i in range(100)
    ]
    (finding,) = told(tmp_path / "a", texts[:200], subjects)
    assert "mm" in finding.evidence["commoner_later"]
    (finding,) = told(tmp_path / "b", texts[:200], [" ".join(letters(4, i)) for i in range(100)])
    assert finding.evidence["median_words"][1] > 2 * finding.evidence["median_words"][0]
    chinese = [f"我们昨天去了第{i}个图书馆看了很多书" for i in range(100)]
    (finding,) = told(tmp_path / "c", texts[:200], chinese)
    assert finding.evidence["beyond_ascii_share"][1] > 0.5


def test_texts_of_both_splits_count_for_neither(tmp_path: Path) -> None:
    texts = letters(200, 3)
    judged = judge(text_shift, write(tmp_path, texts, texts[:100]))
    assert judged.outcome is Outcome.UNAVAILABLE


def test_few_texts_give_no_verdict_and_one_split_no_question(tmp_path: Path) -> None:
    texts = letters(240, 4)
    assert judge(text_shift, write(tmp_path / "a", texts[:200], texts[200:])).outcome is Outcome.UNAVAILABLE
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "rows.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    assert judge(text_shift, tmp_path / "b").outcome is Outcome.NOT_APPLICABLE
