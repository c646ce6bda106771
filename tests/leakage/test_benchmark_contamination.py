"""Texts that stand in what is trained on, through the whole scan."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import examined, write_csv

import doctor
from doctor.errors import UsageError
from doctor.evidence.word_runs import Index, words_of_text
from doctor.model import DropFiles, DropRows, Outcome, Report
from doctor.settings import Settings
from fixtures.image_files import save, scene, scenes

Scan = Callable[..., Report]
CHECK = "leakage/benchmark-contamination"
WORDS = np.array([f"{first}{last}" for first in "bdfgklmnprst" for last in ("ano", "eli", "iru", "oma", "uta")])


def texts(seed: int, count: int, words: int = 30) -> list[str]:
    random = np.random.default_rng(seed)
    return [" ".join(random.choice(WORDS, words)) for _ in range(count)]


@pytest.fixture
def judge(tmp_path: Path) -> Scan:
    def run(train: list[str], test: list[str] | None = None, **settings: Any) -> Report:
        home = tmp_path / "data"
        for name, said in (("train", train), ("test", test or [])):
            if said:
                rows = [[text, place % 7, place % 2] for place, text in enumerate(said)]
                write_csv(home / f"{name}.csv", ["text", "pages", "y"], rows)
        chosen = Settings(target="y", select=settings.pop("select", (CHECK,)), **settings)
        return examined(home, chosen)

    return run


def test_texts_inside_longer_ones_are_an_error_with_their_rows_and_a_repair(judge: Scan) -> None:
    train, test = texts(1, 80), texts(2, 30)
    train[10] = f"{train[10]} {test[4].upper()}!"
    train[20] = f"{test[5]}, {train[20]}"
    train[30] = f"{test[6].replace(' ', ', ')} {train[30]}"
    (finding,) = judge(train, test).findings
    assert finding.severity == "error"
    assert finding.at.rows == (5, 6, 7)
    assert isinstance(finding.repair, DropRows)
    assert finding.repair.rows == (10, 20, 30)
    assert (finding.evidence["texts"], finding.evidence["whole"]) == (3, 0)
    assert (finding.evidence["looked_for"], finding.evidence["read_rows"]) == (30, 80)


def test_one_text_is_a_warning_and_a_quotation_none(judge: Scan) -> None:
    train, test = texts(3, 80), texts(4, 30)
    train[0] += f" {test[0]}"
    (finding,) = judge(train, test).findings
    assert finding.severity == "warning"
    train[0] = f"{train[1]} {' '.join(test[0].split()[:14])}"
    assert judge(train, test).findings == []


def test_equal_rows_are_left_to_the_check_of_those(judge: Scan) -> None:
    train, test = texts(5, 84), texts(6, 28)
    train[:28] = test
    report = judge(train, test, select=(CHECK, "leakage/split-duplicates"))
    assert [finding.check for finding in report.findings] == ["leakage/split-duplicates"]


def test_so_are_equal_texts_beside_other_numbers(judge: Scan) -> None:
    train, test = texts(7, 80), texts(8, 30)
    train[1:5] = test[:4]
    (finding,) = judge(train, test, select=(CHECK, "leakage/split-duplicates")).findings
    assert finding.check == "leakage/split-duplicates"
    assert (finding.evidence["kind"], finding.evidence["equal_rows"]) == ("near texts", 4)


def test_templates_and_phrases_are_no_copies(judge: Scan) -> None:
    courtesy = " ".join(WORDS[:20])
    train, test = ([f"{text} {courtesy}" for text in texts(seed, count, 10)] for seed, count in ((9, 80), (10, 30)))
    assert judge(train, test).findings == []
    test = [*texts(11, 29), f"{courtesy} {texts(12, 1, 5)[0]}"]
    assert judge(train, test).findings == []


def test_short_texts_are_looked_for_as_a_whole(judge: Scan) -> None:
    train, test = texts(13, 80), texts(14, 30, 9)
    train[0] += f" {test[0]} {texts(15, 1)[0]}"
    train[1] += f" {' '.join(test[1].split()[:8])}"
    (finding,) = judge(train, test).findings
    assert finding.evidence["texts"] == 1
    assert judge(texts(16, 80), texts(17, 30, 5)).examinations[0].outcome is Outcome.NOT_APPLICABLE


def test_a_benchmark_is_looked_for_in_what_is_trained_on(judge: Scan, tmp_path: Path) -> None:
    train, questions = texts(18, 80), texts(19, 40)
    train[7] = questions[3]
    train[8] = f"question: {questions[4]} answer: none"
    path = tmp_path / "benchmark.jsonl"
    path.write_text("".join(json.dumps({"id": place, "question": said}) + "\n" for place, said in enumerate(questions)))
    (finding,) = judge(train, benchmark=(str(path),)).findings
    assert finding.severity == "warning"
    assert finding.at.rows == (8, 9)
    assert finding.evidence["benchmark"] == str(path)
    assert finding.evidence["whole"] == 1
    assert "1 of them word for word" in finding.message


def test_a_benchmark_that_is_not_there_is_said_in_one_line(judge: Scan, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--benchmark .*nowhere.csv: there is no such file"):
        judge(texts(20, 20), benchmark=(str(tmp_path / "nowhere.csv"),))


def test_without_texts_or_a_later_split_it_does_not_apply(judge: Scan) -> None:
    assert judge(texts(21, 40)).examinations[0].outcome is Outcome.NOT_APPLICABLE
    assert judge(["yes", "no"] * 30, ["no", "yes"] * 10).examinations[0].outcome is Outcome.NOT_APPLICABLE


def test_runs_do_not_reach_from_one_text_into_the_next() -> None:
    long = texts(22, 1, 26)[0].split()
    index = Index([" ".join(long)])
    index.look_up([" ".join(long[:12]), " ".join(long[12:24])], 0)
    assert index.contained([12, 12]) == []
    index.look_up([" ".join(long)], 2)
    (found,) = index.contained([12, 12, 26])
    assert (found.text, found.source, found.share, found.whole) == (0, 2, 1.0, True)


def test_words_are_letters_and_digits_in_lower_case() -> None:
    assert words_of_text("Ärger, über_all: 3.5 x!") == ["ärger", "über", "all", "3", "5", "x"]


def test_images_of_a_benchmark_are_told_where_they_are_trained_on_and_nowhere_else(tmp_path: Path) -> None:
    save(scenes(12, 1) | {"copy.jpg": scene(50).resize((120, 90))}, tmp_path / "data" / "train")
    save(scenes(4, 60) | {"test_copy.jpg": scene(51).resize((120, 90))}, tmp_path / "data" / "test")
    save(scenes(4, 50), tmp_path / "known")
    report = doctor.scan(tmp_path / "data", select=CHECK, benchmark=str(tmp_path / "known"))
    (finding,) = report.findings
    assert (finding.evidence["images"], finding.evidence["looked_for"]) == (1, 4)
    assert finding.severity == "warning", "fewer than three"
    assert isinstance(finding.repair, DropFiles)
    assert finding.repair.files == ("train/copy.jpg",)
    assert (finding.at.file, finding.at.split) == ("train/copy.jpg", "train")
    assert len(finding.thumbnails) == 2


def test_a_benchmark_that_lies_within_the_data_is_no_part_of_it(tmp_path: Path) -> None:
    save(scenes(12, 1), tmp_path / "images" / "data")
    save(scenes(4, 50), tmp_path / "images" / "known")
    report = doctor.scan(tmp_path / "images", benchmark=str(tmp_path / "images" / "known"))
    assert [subject.files for subject in report.case.subjects] == [12]
    assert report.findings == []
    for name, seed in (("train", 1), ("quiz", 2)):
        rows = [[text, place % 7, place % 2] for place, text in enumerate(texts(seed, 40))]
        write_csv(tmp_path / "texts" / f"{name}.csv", ["text", "pages", "y"], rows)
    report = doctor.scan(tmp_path / "texts", target="y", select=CHECK, benchmark=str(tmp_path / "texts" / "quiz.csv"))
    assert [subject.rows for subject in report.case.subjects] == [40]
    assert report.findings == []


def test_images_too_small_to_be_compared_are_said_to_be_so(tmp_path: Path) -> None:
    save(scenes(12, 1), tmp_path / "data")
    save(scenes(3, 50, 16, 12), tmp_path / "known")
    report = doctor.scan(tmp_path / "data", select=CHECK, benchmark=str(tmp_path / "known"))
    (examination,) = report.examinations
    assert examination.outcome is Outcome.UNAVAILABLE
    assert "fewer than 32 pixels" in examination.reason


def test_a_benchmark_cannot_be_what_is_scanned(tmp_path: Path) -> None:
    save(scenes(4, 50), tmp_path / "data" / "train")
    for named in ("data", "data/train"):
        with pytest.raises(UsageError, match=r"--benchmark .*data: it is what is scanned, or holds it"):
            doctor.scan(tmp_path / named, benchmark=str(tmp_path / "data"))
