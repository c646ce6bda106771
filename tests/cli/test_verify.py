"""`doctor verify` as its users call it."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import FIXTURES, Doctor

SICK = FIXTURES / "leakage" / "label_leakage" / "sick"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name a data set, --config FILE, or a run and a command"),
        (("--",), "no command after --"),
        (("nowhere",), "nowhere: there is no such file or folder"),
        ((str(SICK), "--dataset", "x"), "--dataset goes with --config"),
        ((str(SICK), "--device-memory", "1GB"), "--device-memory goes with --config"),
        (("one", "two", "--", "python", "train.py"), "before -- stands the folder of one run"),
        (("--config", "ds.json", "--", "python"), "--config is for the reference trainer"),
        (("--config", "ds.json", "one", "--dataset", "two"), "--config takes one data set"),
        (("--stress",), "--stress takes a data set, or a command after --"),
        (("--stress", "data", "--", "python"), "--stress takes a data set, or a command after --"),
        ((str(SICK), "--seeds", "2"), "2 is not in the range"),
        ((str(SICK), "--check", "mising-values"), "did you mean 'quality/missing-values'?"),
        ((str(SICK), "--format", "pdf"), "there is no report format 'pdf'"),
        ((str(SICK), "--target", "nothing"), "there is no column 'nothing'"),
    ],
)
def test_a_wrong_call_ends_in_status_2_and_one_line(
    arguments: tuple[str, ...], said: str, tmp_path: Path, doctor: Doctor
) -> None:
    done = doctor("verify", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_spent_budget_is_told_and_nothing_fails(tmp_path: Path, doctor: Doctor) -> None:
    data = shutil.copytree(SICK, tmp_path / "data")
    done = doctor("verify", data, "--budget", "0", "--cache", tmp_path / "cache", "--format", "json")
    assert done.returncode == 0
    (told,) = json.loads(done.stdout)["verifications"]
    assert told["verdict"] == "not run"
    assert told["reason"] == "the time budget was spent"
    assert not (tmp_path / "cache").exists()


@pytest.mark.slow
def test_a_leak_is_proven_from_the_command_line(tmp_path: Path, doctor: Doctor) -> None:
    data = shutil.copytree(SICK, tmp_path / "data")
    begun = ("verify", data, "--check", "label-leakage", "--steps", "60", "--cache", tmp_path / "cache")
    done = doctor(*begun)
    assert done.returncode == 0, done.stderr
    assert "verified: without the repair validation promises" in done.stdout
    assert "3 seeds, 60 steps each" in done.stdout
    assert "Repairs tried: 1 verified." in done.stdout
    page = doctor(*begun, "--output", tmp_path / "proof.html")
    assert page.returncode == 0
    text = (tmp_path / "proof.html").read_text("utf-8")
    assert "without the repair" in text
    assert "seed 2" in text
    assert sorted(path.name for path in data.iterdir()) == sorted(path.name for path in SICK.iterdir())
