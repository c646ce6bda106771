"""Which texts are garbled: what was decoded wrongly, and what only looks so."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doctor.evidence.garbling import CONTROL, ESCAPED, MARKUP, MOJIBAKE, REPLACED, excerpt, faults_of, mended
from doctor.model import Severity
from doctor.testing import judge
from doctor_checks.text import garbled

CLEAN = (
    "Grünerløkka på våren: «rød grøt med fløte», sa han.",
    "NÃO É POSSÍVEL — à disposição, São João!",
    "L’été dernier, où étiez-vous ?",  # with a no-break space
    "Вчера мы гуляли по Москве, гр. В» и Р\u00a0стр. 5",
    "我们昨天去了北京大学的图书馆，看了很多书。",
    "20 °C ± 2 °C, ½ l @ 3 €/kg — “quotes” … © 2020 ™ 🙂👍🏽",
    "FUß“ und Ö” am Ende",
)


@pytest.mark.parametrize("text", CLEAN)
def test_clean_text_beyond_ascii_is_healthy(text: str) -> None:
    assert faults_of(text) == {}


@pytest.mark.parametrize("text", CLEAN)
def test_text_read_as_windows_1252_is_found_and_mended(text: str) -> None:
    wrong = text.encode("utf-8").decode("latin-1")
    faults = faults_of(wrong)
    assert MOJIBAKE in faults
    assert all(not wrong[start:end].isascii() for start, end in faults[MOJIBAKE])
    assert faults_of(mended(wrong, [MOJIBAKE])) == {}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("the caf\ufffd was closed", REPLACED),
        ("the cafï¿½ was closed", REPLACED),
        ("that\x92s it", CONTROL),
        ("salt &amp; pepper", MARKUP),
        ("one<br />two", MARKUP),
        ("caf\\u00e9", ESCAPED),
    ],
)
def test_each_kind_of_fault_is_told_by_itself(text: str, kind: str) -> None:
    assert set(faults_of(text)) == {kind}


def test_controls_of_windows_1252_are_mended_to_what_they_stand_for() -> None:
    assert mended("that\x92s \x00it", [CONTROL]) == "that’s it"


@pytest.mark.parametrize("text", ["a < b & c > d", "AT&T", "x &y; z <i>", "<john@x.org>", "#39; 5%"])
def test_signs_that_are_no_markup(text: str) -> None:
    assert ESCAPED not in faults_of(text)
    assert all("<i>" in text for _ in faults_of(text))


@given(st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=300), st.data())
def test_an_excerpt_shows_the_same_span(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, max(0, len(text) - 1)))
    end = min(len(text), start + 5)
    piece, ((first, last),) = excerpt(text, ((start, end),), letters=40)
    assert piece[first:last] == text[start:end]


def rows(tmp_path: Path, texts: list[str], name: str = "text") -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"n": i, name: text}) + "\n" for i, text in enumerate(texts)))
    return path


def test_rows_are_counted_and_one_alone_is_no_finding(tmp_path: Path) -> None:
    texts = [f"we met at the café number {i}" for i in range(40)]
    one = texts[7].encode().decode("latin-1")
    assert judge(garbled, rows(tmp_path, [*texts, one])).findings == []
    (finding,) = judge(garbled, rows(tmp_path, [*texts, one, one, one])).findings
    assert finding.evidence["cells"] == 3
    assert finding.excerpts[0].place == "row 41, text"
    start, end = finding.excerpts[0].spans[0]
    assert finding.excerpts[0].text[start:end] == "Ã©"


def test_few_among_many_are_a_remark(tmp_path: Path) -> None:
    texts = [f"number {i} of many" for i in range(4_000)] + ["caf\u00c3\u00a9 noir"] * 3
    (finding,) = judge(garbled, rows(tmp_path, texts)).findings
    assert finding.severity is Severity.INFO


def test_conversations_are_read_turn_by_turn(tmp_path: Path) -> None:
    said = "the café is closed".encode().decode("latin-1")
    turns = [{"role": "user", "content": "is it open?\nreally?"}, {"role": "assistant", "content": said}]
    path = tmp_path / "chats.jsonl"
    path.write_text(
        "".join(json.dumps({"messages": [*turns, {"role": "user", "content": str(i)}]}) + "\n" for i in range(5))
    )
    (finding,) = judge(garbled, path).findings
    assert finding.evidence["cells"] == 5
    assert "cafÃ©" in finding.excerpts[0].text
    assert finding.repair is not None
    assert type(finding.repair).__name__ == "Advise"  # in JSON the letters may stand escaped
