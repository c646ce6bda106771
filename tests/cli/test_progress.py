"""Progress goes to standard error only: a bar on a terminal, a few lines elsewhere."""

import json
import os
import pty
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import FIXTURES, Doctor

from doctor.cli import progress

SICK = FIXTURES / "quality/missing_values/sick"
DOCTOR = Path(sys.executable).parent / "doctor"


def test_a_short_visit_leaves_no_line_in_a_log(doctor: Doctor) -> None:
    assert doctor("scan", SICK, "--select", "missing-values").stderr == ""


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
    drawn: list[bytes] = []
    # A terminal that nobody reads holds the program up as soon as its few kilobytes are full.
    reader = threading.Thread(target=_read_to_the_end, args=(ours, drawn), daemon=True)
    reader.start()
    with subprocess.Popen(
        [DOCTOR, "scan", SICK, "--format", "json"],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm"},
    ) as running:
        assert running.stdout
        report = json.loads(running.stdout.read())
    os.close(theirs)
    reader.join(30)
    os.close(ours)
    shown = b"".join(drawn).decode()
    assert report["format"] == 1
    assert "measuring" in shown or "opening" in shown


def _read_to_the_end(terminal: int, drawn: list[bytes]) -> None:
    with suppress(OSError):  # so the end of a terminal shows
        while piece := os.read(terminal, 65536):
            drawn.append(piece)


def test_long_names_are_cut_at_the_front() -> None:
    assert progress.measure_name("Profile", "/a" * 50) == f"profile of …{('/a' * 50)[-39:]}"
