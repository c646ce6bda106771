"""The command line that a report gives says the same again."""

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

from conftest import FIXTURES, Doctor

from doctor.settings import Settings, as_options
from doctor_reports.verdict import repeat


def test_the_printed_command_repeats_the_visit(doctor: Doctor, tmp_path: Path) -> None:
    shutil.copy(FIXTURES / "quality/missing_values/sick/wine.csv", tmp_path / "it's wine.csv")
    given = ("--target", "cultivar", "--sample-seed", "3", "--set", "quality/missing-values.max_share=0.02")

    def scan(*arguments: str) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(doctor("scan", *arguments, "--format", "json", cwd=tmp_path).stdout)
        return report

    first = scan("it's wine.csv", *given)
    again = scan(*shlex.split(" ".join([first["case"]["path"], *first["doctor"]["repeat"]])))
    assert first["findings"]
    assert again["findings"] == first["findings"]
    assert again["doctor"] == first["doctor"]


def test_every_setting_that_decides_findings_is_among_the_options() -> None:
    settings = Settings(
        target="a b",
        group=("g", "h"),
        annotators=("x", "y"),
        split=("test=t/*.csv",),
        ignore=("quality",),
        sample_rows=500,
        thresholds={"a/b": {"max_share": 0.1}},
    )
    words = shlex.split(" ".join(as_options(settings)))
    assert words == [
        *("--target", "a b", "--group", "g", "--group", "h", "--annotators", "x,y", "--split", "test=t/*.csv"),
        *("--ignore", "quality", "--sample-seed", "0", "--sample-rows", "500", "--set", "a/b.max_share=0.1"),
    ]


def test_the_page_comes_whole_from_the_command(doctor: Doctor, tmp_path: Path) -> None:
    done = doctor("scan", FIXTURES / "quality/missing_values/sick", "--output", tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert done.stdout == ""
    assert page.startswith("<!doctype html>")
    assert page.rstrip().endswith("</html>")
    assert "Columns in which many values are missing." in page


def test_options_stand_behind_the_path() -> None:
    from report_examples import healthy

    assert repeat(healthy(), "--fail-on", "a b") == "doctor scan titanic3.csv --sample-seed 7 --fail-on 'a b'"
