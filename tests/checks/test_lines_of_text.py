"""Files with a text in each line, and records for instruction: what is no fault of theirs."""

import json
from pathlib import Path

import pytest

import doctor

SAID = ["The", "old", "ferry", "crosses", "before", "noon", "and", "nobody", "waits", "for", "it", "."]


def saying(number: int) -> str:
    return " ".join(SAID[(number * step) % len(SAID)] for step in range(3, 7 + number % 5)) + f" {number}?"


@pytest.mark.parametrize("first", ["The cat sat on the mat.", "Chapter 1"])
def test_the_first_line_of_a_text_is_a_text_and_needs_no_name(tmp_path: Path, first: str) -> None:
    (tmp_path / "lines.txt").write_text("\n".join([first, *map(saying, range(60))]))
    report = doctor.scan(tmp_path / "lines.txt")
    assert report.case.subjects[0].rows == 61
    assert "quality/missing-header" not in {finding.check for finding in report.findings}


def test_a_single_word_above_the_lines_is_their_name(tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("\n".join(["text", *map(saying, range(60))]))
    assert doctor.scan(tmp_path / "lines.txt").case.subjects[0].rows == 60


def test_records_for_instruction_without_any_input_are_only_remarked(tmp_path: Path) -> None:
    records = [{"instruction": saying(n), "input": "", "output": saying(n + 80)} for n in range(60)]
    (tmp_path / "records.jsonl").write_text("\n".join(map(json.dumps, records)))
    (finding,) = doctor.scan(tmp_path / "records.jsonl", select="quality/missing-values").findings
    assert (finding.severity, finding.at.columns) == ("info", ("input",))
