"""What is repeated word for word in texts that are otherwise different."""

import json
from pathlib import Path

from doctor.evidence.boilerplate import mark_of, pieces_of, without_pieces
from doctor.model import Outcome, RewriteCells, Severity
from doctor.testing import judge
from doctor_checks.text import boilerplate
from fixtures.text_tables import letters

FOOTER = "All letters belong to the club.\nWrite to the board at board@travellers-club.org before you copy them."


def write(folder: Path, texts: list[str], column: str = "text") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "rows.jsonl").write_text("".join(json.dumps({column: text}) + "\n" for text in texts))
    return folder


def test_pieces_are_lines_and_sentences() -> None:
    text = "Dear all,\n\n  it rained. Was it wet? 下雨了。很湿。"
    pieces = ["Dear all,", "it rained.", "Was it wet?", "下雨了。", "很湿。"]
    assert [text[begin:end] for begin, end in pieces_of(text)] == pieces


def test_marks_of_a_chat_template_are_no_pieces() -> None:
    text = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\nHi there<|im_end|>"
    assert [text[begin:end].strip() for begin, end in pieces_of(text)] == ["user", "Hi there"]


def test_a_piece_is_cut_out_and_a_text_that_is_nothing_else_stays() -> None:
    notice = "We use cookies to improve this page."
    assert without_pieces(f"{notice}\nIt rained.  {notice}", {mark_of(notice)}) == "It rained."
    assert without_pieces(notice, {mark_of(notice)}) == notice
    assert without_pieces("It  rained.\n\n\n\n", {mark_of(notice)}) == "It  rained.\n\n\n\n"


def test_a_footer_is_graded_by_how_much_of_the_text_it_is(tmp_path: Path) -> None:
    texts = letters(200, 4)
    many = [f"{text}\n{FOOTER}" if i % 5 else text for i, text in enumerate(texts)]
    (finding,) = judge(boilerplate, write(tmp_path / "a", many)).findings
    assert (finding.severity, finding.evidence["holding"]) == (Severity.WARNING, 160)
    (less,) = judge(boilerplate, write(tmp_path / "b", [*letters(200, 5, 6), *many[:100]])).findings
    assert less.severity is Severity.INFO
    assert judge(boilerplate, write(tmp_path / "c", [*texts, f"{texts[0]}\n{FOOTER}"])).outcome is Outcome.HEALTHY


def test_what_is_told_is_masked_and_cut_by_its_hash(tmp_path: Path) -> None:
    (finding,) = judge(boilerplate, write(tmp_path, [f"{text}\n{FOOTER}" for text in letters(60, 4)])).findings
    assert "board@travellers-club.org" not in json.dumps(finding.evidence) + str(finding.excerpts)
    assert isinstance(finding.repair, RewriteCells)
    assert mark_of("All letters belong to the club.") in finding.repair.cut
    (excerpt,) = finding.excerpts
    (span,) = excerpt.spans
    assert excerpt.text[slice(*span)].startswith("All letters belong to the club.\nWrite to")


def test_copies_and_near_copies_are_no_boilerplate(tmp_path: Path) -> None:
    texts = letters(300, 6, 8)
    copies = [text for text in texts[:10] for _ in range(20)]
    near = [f"{text} Signed on day {i}." for text in texts[:10] for i in range(12)]
    assert judge(boilerplate, write(tmp_path, [*texts, *copies, *near])).outcome is Outcome.HEALTHY


def test_logs_and_questions_that_begin_alike_are_healthy(tmp_path: Path) -> None:
    logs = [f"2024-05-01 12:00:{i % 60:02} ERROR worker {i} lost the connection" for i in range(300)]
    assert judge(boilerplate, write(tmp_path / "a", logs)).outcome is Outcome.HEALTHY
    asked = [f"Translate the following sentence into German: {text}" for text in letters(200, 7, 1)]
    assert judge(boilerplate, write(tmp_path / "b", asked, "prompt")).outcome is Outcome.HEALTHY


def test_a_template_of_all_prompts_is_a_remark(tmp_path: Path) -> None:
    form = "Below is an instruction that describes a task.\nWrite a response that completes the request."
    (finding,) = judge(boilerplate, write(tmp_path, [f"{form}\n{x}" for x in letters(60, 8)], "prompt")).findings
    assert finding.severity is Severity.INFO


def test_system_turns_do_not_count(tmp_path: Path) -> None:
    system = {"role": "system", "content": "You are a patient teacher who answers in short sentences."}
    chats = [
        [system, {"role": "user", "content": text}, {"role": "assistant", "content": f"Answer {i}"}]
        for i, text in enumerate(letters(60, 9))
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps({"messages": chat}) + "\n" for chat in chats))
    assert judge(boilerplate, tmp_path).outcome is Outcome.HEALTHY


def test_few_texts_give_no_verdict(tmp_path: Path) -> None:
    few = [f"{text}\n{FOOTER}" for text in letters(12, 4)]
    assert judge(boilerplate, write(tmp_path, few)).outcome is Outcome.UNAVAILABLE
