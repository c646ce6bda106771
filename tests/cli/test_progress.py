"""Progress goes to standard error only: a bar on a terminal, a few lines elsewhere."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import FIXTURES, Doctor

from doctor.cli import progress

SICK = FIXTURES / "quality/missing_values/sick"
DOCTOR = Path(sys.executable).parent / "doctor"


def test_a_short_visit_leaves_no_line_in_a_log(doctor: Doctor) -> None:
    assert doctor("scan", SICK).stderr == ""


def test_a_long_visit_names_its_measures_on_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", 0)
    with progress.progress() as observer:
        observer.planned(2)
        observer.measuring("RowHashes", "train\x1b[2J.csv")
        observer.finished()
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == "doctor: 0 s, measuring row hashes of train\\x1b[2J.csv\n"


def test_a_bar_on_the_terminal_leaves_standard_output_clean() -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [DOCTOR, "scan", SICK, "--format", "json"],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm"},
    ) as running:
        assert running.stdout
        report = json.loads(running.stdout.read())
    os.close(theirs)
    drawn = os.read(ours, 65536).decode()
    os.close(ours)
    assert report["format"] == 1
    assert "measuring" in drawn or "opening" in drawn


def test_long_names_are_cut_at_the_front() -> None:
    assert progress.measure_name("Profile", "/a" * 50) == f"profile of …{('/a' * 50)[-39:]}"
