"""`doctor clinic` as its users call it, on patients that take seconds."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import FIXTURES, Doctor

UNSEEDED = FIXTURES / "reproducibility" / "unseeded_code"


@pytest.fixture
def patients(tmp_path: Path) -> Path:
    """One disease and one control."""
    home = tmp_path / "patients" / "reproducibility" / "unseeded_code"
    home.mkdir(parents=True)
    for name in ("clinic.py", "clinic.toml", "clinic_wrong.toml"):
        shutil.copy(UNSEEDED / name, home)
    return tmp_path / "patients"


def test_a_round_goes_from_the_symptom_to_the_verdict(patients: Path, tmp_path: Path, doctor: Doctor) -> None:
    done = doctor("clinic", "--patients", patients, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "verified      unseeded pipeline" in done.stdout
    assert "refuted       unseeded pipeline, the wrong generator seeded" in done.stdout
    assert "All as expected: 1 of 1 disease cured, 1 of 1 control as they must be" in done.stdout
    page = doctor("clinic", "--patients", patients, "--output", "round.html", cwd=tmp_path)
    assert page.returncode == 0
    assert page.stdout == ""
    assert "two builds of the data set differ" in (tmp_path / "round.html").read_text("utf-8")


def test_a_patient_without_the_symptom_fails_the_round(patients: Path, tmp_path: Path, doctor: Doctor) -> None:
    file = patients / "reproducibility" / "unseeded_code" / "clinic.toml"
    file.write_text(file.read_text().replace("clinic generate", "clinic seeded"))
    done = doctor("clinic", "--patients", patients, "--only", "unseeded-code", "--format", "json", cwd=tmp_path)
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert told["summary"]["passed"] is False
    sick = next(visit for visit in told["visits"] if visit["expected"] == "verified")
    assert sick["trouble"] == "reproducibility/unseeded-code found nothing"


def test_a_verdict_other_than_the_expected_one_fails_the_round(patients: Path, tmp_path: Path, doctor: Doctor) -> None:
    file = patients / "reproducibility" / "unseeded_code" / "clinic_wrong.toml"
    file.write_text(file.read_text().replace('"refuted"', '"verified"'))
    done = doctor("clinic", "--patients", patients, cwd=tmp_path)
    assert done.returncode == 1
    assert "FAILED" in done.stdout
    assert "refuted where verified was expected" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--patients", "nowhere"), "nowhere: no patients here"),
        (("--only", "nothing-of-that-name"), "no patient for nothing-of-that-name; there are patients for: leakage/"),
        (("--format", "pdf"), "there is no report format 'pdf'"),
        (("--workers", "0"), "0 is not in the range"),
    ],
)
def test_a_wrong_call_ends_in_status_2(arguments: tuple[str, ...], said: str, tmp_path: Path, doctor: Doctor) -> None:
    given = arguments if "--patients" in arguments else (*arguments, "--patients", str(FIXTURES / "leakage"))
    done = doctor("clinic", *given, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind = 'data'\n", "missing required field `disease`"),
        ("kind = 'magic'\ndisease = 'd'\ncheck = 'a/b'\nsymptom = 's'\n", "magic"),
        ("kind = \n", "Invalid value"),
    ],
)
def test_a_wrong_patient_is_named_with_its_file(text: str, said: str, tmp_path: Path, doctor: Doctor) -> None:
    (tmp_path / "clinic.toml").write_text(text)
    done = doctor("clinic", "--patients", tmp_path)
    assert done.returncode == 2
    assert f"{tmp_path / 'clinic.toml'}: " in done.stderr
    assert said in done.stderr


def test_whoever_is_not_seen_in_time_has_failed(patients: Path, doctor: Doctor) -> None:
    done = doctor("clinic", "--patients", patients, "--budget", "0")
    assert done.returncode == 1
    assert "the time budget was spent before" in done.stdout


def test_an_interruption_ends_what_runs_and_leaves_nothing(tmp_path: Path) -> None:
    home, scratch, mark = tmp_path / "patients", tmp_path / "scratch", tmp_path / "mark"
    home.mkdir()
    scratch.mkdir()
    shutil.copy(UNSEEDED / "clinic.toml", home)
    slow = f"def make():\n    import pathlib, time; pathlib.Path({str(mark)!r}).touch(); time.sleep(600)"
    text = (UNSEEDED / "clinic.py").read_text("utf-8")
    assert "def make():" in text
    (home / "clinic.py").write_text(text.replace("def make():", slow), "utf-8")
    command = [Path(sys.executable).with_name("doctor"), "clinic", "--patients", home]
    with subprocess.Popen(command, env=os.environ | {"TMPDIR": str(scratch)}, stderr=subprocess.PIPE) as running:
        while not mark.exists() and running.poll() is None:
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=120) == 130
        assert running.stderr
        # A slow machine may have said before how far it was.
        assert running.stderr.read().strip().splitlines()[-1] == b"doctor: interrupted"
    assert list(scratch.iterdir()) == []
