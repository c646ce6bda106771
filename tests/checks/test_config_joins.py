"""Configurations are judged with the data where one table is scanned, and not where nobody can say which is read."""

import shutil
from pathlib import Path

import pytest
from conftest import FIXTURES

import doctor
from doctor.model import Outcome


@pytest.fixture
def project(tmp_path: Path) -> Path:
    home = tmp_path / "project"
    shutil.copytree(FIXTURES / "config" / "labels_vs_head" / "sick", home)
    (home / "run.sh").write_text("accelerate launch --num_processes 64 train.py --per_device_train_batch_size 16\n")
    return home


def said(home: Path, **options: object) -> dict[str, Outcome]:
    report = doctor.scan(home, select=("batch-arithmetic", "labels-vs-head"), **options)
    return {one.check.partition("/")[2]: one.outcome for one in report.examinations}


def test_one_table_is_what_is_trained_on(project: Path) -> None:
    assert said(project) == {"batch-arithmetic": Outcome.FOUND, "labels-vs-head": Outcome.FOUND}


def test_of_two_tables_nobody_knows(project: Path) -> None:
    shutil.copy(FIXTURES / "config" / "moe_too_little_data" / "sick" / "rows.csv", project / "other.csv")
    assert said(project) == {"batch-arithmetic": Outcome.HEALTHY, "labels-vs-head": Outcome.UNAVAILABLE}


def test_a_finding_keeps_its_fingerprint_when_lines_move_and_the_folder_is_called_otherwise(tmp_path: Path) -> None:
    text = '{"train_batch_size": 30,\n "train_micro_batch_size_per_gpu": 4, "bf16": {"enabled": true}}'
    marks = []
    for folder, content in (("one", text), ("two", f"// moved\n\n{text}")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "ds.json").write_text(content)
        report = doctor.scan(tmp_path / folder, select=("config",))
        marks.append([(finding.check, finding.fingerprint) for finding in report.findings])
    assert marks[0] == marks[1] != []


def test_two_findings_of_one_kind_in_one_file_have_two_fingerprints(tmp_path: Path) -> None:
    (tmp_path / "ds.json").write_text('{"train_batch_size": 8, "bf16": {"enabled": true}, "fooo": 1, "barr": 2}')
    (tmp_path / "train.py").write_text("import torch\n")
    report = doctor.scan(tmp_path, select=("unknown-keys",))
    assert len({finding.fingerprint for finding in report.findings}) == 2
