"""Few texts in another script or language than the others."""

import json
from pathlib import Path

import pytest

from doctor.evidence.tongues import LATIN, language_of, script_of
from doctor.model import DropRows, Outcome, Severity
from doctor.testing import judge
from doctor_checks.text import language_mix
from fixtures.languages import PARTS, foreign_letters
from fixtures.text_tables import letters, write_jsonl


def write(folder: Path, texts: list[str], **columns: list[str]) -> Path:
    rows = [{"text": text, **{name: values[i] for name, values in columns.items()}} for i, text in enumerate(texts)]
    write_jsonl(rows, folder / "rows.jsonl")
    return folder


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("Вчера мы гуляли по Москве", "Cyrillic script"),
        ("昨日は友達と東京へ行きました", "Japanese"),
        ("我们昨天去了北京大学的图书馆", "Chinese"),
        ("我们用 Python 写了一个新的程序", "Chinese"),
        ("어제 우리는 서울에 갔다", "Korean"),
        ("The mean µ and the deviation σ of the sample", LATIN),
        ("https://example.org/some/page", ""),
        ("ok", ""),
        ("half of this is Latin, половина кириллицей написана", ""),
    ],
)
def test_a_script_is_told_by_most_letters(text: str, script: str) -> None:
    assert script_of(text) == script


@pytest.mark.parametrize("language", ["German", "Spanish", "French"])
def test_languages_are_told_by_their_function_words(language: str) -> None:
    assert {language_of(text) for text in foreign_letters(language, 20, 1)} <= {language, ""}
    assert language_of(" ".join(foreign_letters(language, 3, 1))) == language


def test_short_texts_and_texts_in_two_languages_are_undecided() -> None:
    assert language_of("El vecino no encontró la casa") == ""
    english = letters(2, 1)
    assert language_of(f"{' '.join(english)} {' '.join(foreign_letters('Spanish', 2, 1))}") == ""
    assert language_of("São Paulo de la Cruz e Silva dos Santos y Rio de Janeiro Los Angeles San Jose") == ""


def test_few_in_another_script_and_language_are_two_findings(tmp_path: Path) -> None:
    strange = [*foreign_letters("Spanish", 5, 2), *foreign_letters("Chinese", 2, 2)]
    script, language = sorted(
        judge(language_mix, write(tmp_path, [*letters(700, 2), *strange, *foreign_letters("Russian", 2, 2)])).findings,
        key=lambda finding: finding.evidence["main"] == "English",
    )
    assert script.evidence["tongues"] == {"Chinese": 2, "Cyrillic script": 2}
    assert script.severity is Severity.INFO
    assert set(language.evidence["tongues"]) == {"Spanish"}
    assert isinstance(script.repair, DropRows)
    assert script.repair.rows == (705, 706, 707, 708)


def test_several_languages_with_their_shares_are_healthy(tmp_path: Path) -> None:
    texts = [*letters(60, 3), *foreign_letters("German", 60, 3), *foreign_letters("Russian", 60, 3)]
    assert judge(language_mix, write(tmp_path, texts)).outcome is Outcome.HEALTHY


def test_a_column_that_says_the_language_makes_it_healthy(tmp_path: Path) -> None:
    texts = [*letters(200, 4), *foreign_letters("Russian", 8, 4)]
    said = ["en"] * 200 + ["ru"] * 8
    assert judge(language_mix, write(tmp_path / "a", texts, lang=said)).outcome is Outcome.HEALTHY
    (finding,) = judge(language_mix, write(tmp_path / "b", texts, lang=["en", "de"] * 104)).findings
    assert finding.severity is Severity.WARNING


def test_a_label_that_the_language_tells_is_named(tmp_path: Path) -> None:
    texts = [*letters(500, 5), *foreign_letters("Russian", 12, 5)]
    write(tmp_path, texts, label=["spam" if i % 5 == 0 or i >= 500 else "ham" for i in range(512)])
    judged = judge(language_mix, tmp_path, target="label")
    (finding,) = judged.findings
    assert finding.evidence["label"] == "spam"
    assert "100% of them are labelled spam" in finding.message


def test_shares_are_told_by_split(tmp_path: Path) -> None:
    write_jsonl([{"text": text} for text in letters(100, 6)], tmp_path / "train.jsonl")
    later = [*letters(90, 7), *foreign_letters("Chinese", 10, 7)]
    write_jsonl([{"text": text} for text in later], tmp_path / "test.jsonl")
    (finding,) = judge(language_mix, tmp_path).findings
    assert finding.evidence["by_split"] == {"train": 0.0, "test": 0.1}


def test_examples_are_masked(tmp_path: Path) -> None:
    strange = [f"{text} Пишите на иван.petrov@travellers-club.org" for text in foreign_letters("Russian", 5, 8)]
    (finding,) = judge(language_mix, write(tmp_path, [*letters(100, 8), *strange])).findings
    assert finding.excerpts
    assert "petrov@travellers-club.org" not in json.dumps([excerpt.text for excerpt in finding.excerpts])


def test_few_texts_give_no_verdict(tmp_path: Path) -> None:
    assert judge(language_mix, write(tmp_path, letters(20, 9))).outcome is Outcome.UNAVAILABLE


def test_every_language_of_the_letters_is_another_one() -> None:
    told = {language: script_of(foreign_letters(language, 1, 1)[0]) for language in PARTS}
    assert told == {
        "German": LATIN,
        "Spanish": LATIN,
        "French": LATIN,
        "Russian": "Cyrillic script",
        "Chinese": "Chinese",
    }
