"""What is said of texts that stand in a table more than once."""

import csv
from pathlib import Path
from typing import Any

from doctor.case import open_case
from doctor.engine import examine
from doctor.model import DropRows, Finding, Severity
from doctor.settings import settings_for
from fixtures.text_tables import letters

CHECKS = ("duplicates", "leakage/split-duplicates", "leakage/benchmark-contamination", "labels/conflicting-labels")


def scan(folder: Path, header: list[str], splits: dict[str, list[list[Any]]], **options: Any) -> list[Finding]:
    for name, rows in splits.items():
        with (folder / f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            writer.writerows(rows)
    chosen = settings_for(folder, {"select": CHECKS, **options})
    with open_case([folder], chosen) as case:
        report = examine(case, chosen)
    assert not [item for item in report.examinations if item.outcome.value == "crashed"]
    return report.findings


def exchanged(text: str) -> str:
    words = text.split()
    words[len(words) // 3] = "certainly"
    return " ".join(words)


def told(findings: list[Finding]) -> list[tuple[str, str]]:
    return sorted((finding.check, finding.severity.value) for finding in findings)


def test_rows_that_are_equal_throughout_are_told_once(tmp_path: Path) -> None:
    texts = letters(90, 1)
    rows = [[place, text] for place, text in enumerate(texts)]
    assert told(scan(tmp_path, ["page", "letter"], {"data": rows + rows[:9]})) == [
        ("duplicates/duplicate-rows", "warning")
    ]


def test_a_text_under_two_names_is_told_once(tmp_path: Path) -> None:
    texts = letters(90, 2)
    rows = [[f"a{7 * place:05d}", text] for place, text in enumerate(texts + texts[:9])]
    assert told(scan(tmp_path, ["file", "letter"], {"data": rows})) == [("duplicates/duplicate-texts", "warning")]


def test_a_text_typed_otherwise_and_one_with_another_word_are_told_by_one_check_each(tmp_path: Path) -> None:
    texts = letters(90, 3, sentences=6)
    rows = [[place % 7, text] for place, text in enumerate([*texts, *map(str.upper, texts[:9])])]
    rows += [[place, exchanged(text)] for place, text in enumerate(texts[20:26])]
    findings = scan(tmp_path, ["day", "letter"], {"data": rows})
    assert told(findings) == [("duplicates/duplicate-texts", "warning"), ("duplicates/near-duplicate-texts", "warning")]
    by_check = {finding.check: finding for finding in findings}
    equal, near = by_check["duplicates/duplicate-texts"], by_check["duplicates/near-duplicate-texts"]
    assert isinstance(equal.repair, DropRows)
    assert isinstance(near.repair, DropRows)
    assert equal.repair.rows == tuple(range(90, 99))
    assert near.repair.rows == tuple(range(99, 105))
    assert [excerpt.group for excerpt in near.excerpts] == [group for group in range(5) for _ in range(2)]


def test_texts_of_test_that_nearly_stand_in_train_are_told_once(tmp_path: Path) -> None:
    texts = letters(200, 4, sentences=6)
    train = [[place % 9, text] for place, text in enumerate(texts[:120])]
    test = [[place % 9, text] for place, text in enumerate(texts[120:])]
    test += [[place, exchanged(text)] for place, text in enumerate(texts[:6])]
    (finding,) = scan(tmp_path, ["pages", "letter"], {"train": train, "test": test})
    assert finding.check == "leakage/split-duplicates"
    assert finding.severity is Severity.ERROR
    assert finding.evidence["kind"] == "near texts"
    assert finding.evidence["near_rows"] == 6
    assert isinstance(finding.repair, DropRows)
    assert finding.repair.rows == (0, 1, 2, 3, 4, 5)


def test_a_single_pair_is_a_remark(tmp_path: Path) -> None:
    texts = letters(300, 5)
    rows = [[place % 13, text] for place, text in enumerate([*texts, texts[0].upper()])]
    assert told(scan(tmp_path, ["day", "letter"], {"data": rows})) == [("duplicates/duplicate-texts", "info")]


def test_questions_about_the_same_page_are_no_copies(tmp_path: Path) -> None:
    pages, questions = letters(20, 6, sentences=9), letters(200, 7, sentences=1)
    rows = [[pages[place % 20], question] for place, question in enumerate(questions)]
    assert scan(tmp_path, ["context", "question"], {"data": rows}) == []


def test_documents_are_named_by_their_files(tmp_path: Path) -> None:
    texts = letters(60, 8, sentences=6)
    for place, text in enumerate([*texts, texts[3].upper(), texts[4].upper(), exchanged(texts[9])]):
        (tmp_path / f"{place:03d}.txt").write_text(text + "\n")
    chosen = settings_for(tmp_path, {"select": CHECKS})
    with open_case([tmp_path], chosen) as case:
        findings = examine(case, chosen).findings
    equal, near = sorted(findings, key=lambda finding: finding.check)
    assert equal.check == "duplicates/duplicate-texts"
    assert equal.message.endswith("such as 060.txt and 003.txt")
    assert equal.at.rows == ()
    assert near.check == "duplicates/near-duplicate-texts"
    assert [excerpt.place for excerpt in near.excerpts] == ["009.txt", "062.txt"]
