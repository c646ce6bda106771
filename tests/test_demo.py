"""The demonstration shows what it promises."""

import os
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / "fixtures" / "demo"
PLANTED = tomllib.loads((HOME / "planted.toml").read_text("utf-8"))["fault"]


@pytest.fixture(scope="module")
def forms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "forms"
    runpy.run_path(str(HOME / "forms.py"))["build"](folder)
    return folder


@pytest.fixture(scope="module")
def findings(forms: Path) -> list[dict[str, Any]]:
    from doctor.case import open_case
    from doctor.engine import examine
    from doctor.settings import settings_for
    from doctor.wording import plain

    settings = settings_for(forms, {})
    with open_case([forms], settings) as case:
        return [
            {"check": f.check, "severity": f.severity.value, "columns": plain(f.at.columns), "path": f.at.path or ""}
            for f in examine(case, settings).findings
        ]


@pytest.mark.parametrize("fault", PLANTED, ids=lambda fault: fault["check"])
def test_a_planted_fault_is_found_where_it_is(fault: dict[str, Any], findings: list[dict[str, Any]]) -> None:
    assert any(
        finding["check"] == fault["check"]
        and finding["severity"] == fault.get("severity", finding["severity"])
        and set(fault.get("columns", ())) <= set(finding["columns"])
        and finding["path"].endswith(fault.get("file", ""))
        for finding in findings
    )


def test_the_training_script_of_the_demonstration_runs(forms: Path) -> None:
    done = subprocess.run([sys.executable, "train.py"], cwd=forms, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("accuracy 0.")


def test_the_data_are_the_same_each_time(forms: Path, tmp_path: Path) -> None:
    runpy.run_path(str(HOME / "forms.py"))["build"](tmp_path / "again")
    for path in forms.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


@pytest.mark.slow
def test_the_report_is_written_and_every_fault_named(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fixtures.demo"]
    there = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=there, capture_output=True, text=True, check=True)
    page = (tmp_path / "demo" / "report.html").read_text("utf-8")
    for fault in PLANTED:
        assert done.stdout.count(fault["check"]) >= 2
        assert fault["check"] in page
