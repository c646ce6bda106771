"""The command as its users see it: verbs, exit status, streams and files."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from conftest import FIXTURES, ROOT, Doctor

from doctor.version import VERSION

SICK = FIXTURES / "quality" / "missing_values" / "sick"
HEALTHY = FIXTURES / "quality" / "missing_values" / "healthy"
ONLY = ("--select", "missing-values")
DEAR = {
    "torch",
    "deepspeed",
    "pandas",
    "polars",
    "duckdb",
    "numpy",
    "scipy",
    "sklearn",
    "pyarrow",
    "sqlglot",
    "jinja2",
    "rich",
}


def loaded_after(code: str) -> set[str]:
    """Run code in a fresh interpreter and return the top-level modules it loaded."""
    telling = f"import sys\ntry:\n    {code}\nexcept SystemExit:\n    pass\nprint('\\n' + ' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", telling], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}


@pytest.mark.parametrize(
    "code",
    [
        "import doctor",
        "from doctor.cli import main; sys.argv = ['doctor', '--help']; main()",
        "from doctor.cli import main; sys.argv = ['doctor', '--version']; main()",
        "from doctor.cli import main; sys.argv = ['doctor', 'scan', '--help']; main()",
        "from doctor.cli import main; sys.argv = ['doctor', 'report', '--help']; main()",
        "from doctor.cli import main; sys.argv = ['doctor', 'train', '--help']; main()",
        "from doctor.cli import main; sys.argv = ['doctor', 'verify', '--help']; main()",
        "from doctor.cli import main; sys.argv = ['doctor', 'estimate', '--help']; main()",
        "from doctor.cli import main; sys.argv = ['doctor', 'clinic', '--help']; main()",
    ],
)
def test_asking_for_help_loads_nothing_dear(code: str) -> None:
    modules = loaded_after(code)
    assert "doctor" in modules
    assert not modules & DEAR


def test_loading_all_checks_brings_in_nothing_that_takes_longer_than_a_scan() -> None:
    modules = loaded_after("from doctor.registry import load_checks; load_checks()")
    assert "doctor_checks" in modules
    assert not modules & {"torch", "pandas", "deepspeed", "transformers", "scipy", "sklearn", "pyarrow"}


def test_help_names_every_verb(doctor: Doctor) -> None:
    done = doctor("--help")
    assert done.returncode == 0
    for verb in ("scan", "report", "list", "explain"):
        assert f"  {verb} " in done.stdout


def test_version(doctor: Doctor) -> None:
    assert doctor("--version").stdout == f"doctor, version {VERSION}\n"


def test_list_shows_every_check_in_one_line(doctor: Doctor) -> None:
    done = doctor("list")
    files = {
        f"{path.parent.name}/{path.stem}".replace("_", "-")
        for path in (ROOT / "checks").glob("*/*.py")
        if path.stem != "__init__"
    }
    assert {line.split()[0] for line in done.stdout.splitlines()} == files


def test_explain_prints_the_manual_page(doctor: Doctor) -> None:
    done = doctor("explain", "missing-values")
    assert done.stdout.startswith("quality/missing-values (warning)\n\nColumns in which many values are missing.\n")
    assert "What to do\n" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["explain", "mising-values"], "did you mean 'quality/missing-values'?"),
        (["scna"], "No such command 'scna'"),
        (["scan"], "Missing argument 'PATHS...'"),
        (["scan", "."], "found here"),
        (["scan", "nowhere.csv"], "nowhere.csv: there is no such file or folder"),
        (["scan", ".", "--target"], "Option '--target' requires an argument"),
        (["scan", ".", "--threads", "0"], "0 is not in the range"),
        (["scan", ".", "--target-column", "y"], "No such option"),
    ],
)
def test_a_wrong_call_ends_in_status_2_and_says_what_is_wrong(
    arguments: list[str], said: str, tmp_path: Path, doctor: Doctor
) -> None:
    done = doctor(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("patient", "bound", "status"),
    [
        (SICK, "error", 0),
        (SICK, "warning", 1),
        (SICK, "info", 1),
        (SICK, "never", 0),
        (HEALTHY, "info", 0),
    ],
)
def test_the_exit_status_follows_fail_on(patient: Path, bound: str, status: int, doctor: Doctor) -> None:
    assert doctor("scan", patient, *ONLY, "--fail-on", bound).returncode == status


def test_a_file_that_cannot_be_read_makes_the_scan_incomplete(tmp_path: Path, doctor: Doctor) -> None:
    (tmp_path / "good.csv").write_text("a,b\n1,2\n3,4\n", "utf-8")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 this is none")
    done = doctor("scan", tmp_path)
    assert done.returncode == 3
    assert "bad.parquet" in done.stdout
    assert "good.csv: 2 rows" in done.stdout


def test_the_json_report_keeps_to_the_published_schema(scan: Callable[..., dict[str, Any]]) -> None:
    schema = json.loads((ROOT / "docs" / "report.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    report = scan(SICK)
    jsonschema.validate(report, schema)
    assert report["findings"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**report, "findings": [{"check": "acme/rust"}]}, schema)


@pytest.mark.parametrize(("name", "start"), [("a.json", "{"), ("a.JSON", "{"), ("a.html", "<"), ("a.txt", str(SICK))])
def test_the_suffix_of_the_output_picks_the_format(name: str, start: str, tmp_path: Path, doctor: Doctor) -> None:
    done = doctor("scan", SICK, "--output", tmp_path / name)
    assert done.stdout == ""
    assert (tmp_path / name).read_text("utf-8").startswith(start)


def test_a_given_format_wins_over_the_suffix(tmp_path: Path, doctor: Doctor) -> None:
    doctor("scan", SICK, "--output", tmp_path / "a.html", "--format", "json")
    assert json.loads((tmp_path / "a.html").read_text("utf-8"))["format"] == 1


@pytest.mark.parametrize("place", ["missing/report.json", "file/report.json"])
def test_an_output_that_cannot_be_written_is_named(place: str, tmp_path: Path, doctor: Doctor) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    done = doctor("scan", HEALTHY, "--output", tmp_path / place)
    assert done.returncode == 2
    assert done.stderr.startswith(f"doctor: {tmp_path / place}: ")
    assert len(done.stderr.splitlines()) == 1


def test_standard_output_carries_only_the_report(doctor: Doctor) -> None:
    # A visit of more than a few seconds tells on standard error how far it is, and machines may be slow.
    done = doctor("scan", SICK, *ONLY, "--format", "json")
    assert json.loads(done.stdout)["case"]["path"] == str(SICK)
    assert done.stderr == ""


def test_nothing_is_written_beside_the_data(tmp_path: Path, doctor: Doctor) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "wine.csv").write_bytes((SICK / "wine.csv").read_bytes())
    before = sorted(tmp_path.rglob("*"))
    doctor("scan", data, cwd=data)
    assert sorted(tmp_path.rglob("*")) == before


def test_scratch_files_are_gone_afterwards(tmp_path: Path, doctor: Doctor) -> None:
    doctor("scan", SICK, TMPDIR=str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_fault_of_our_own_is_no_finding(tmp_path: Path, doctor: Doctor) -> None:
    (tmp_path / "sqlglot.py").write_text("raise OSError('disk on fire')", "utf-8")
    done = doctor("scan", SICK, PYTHONPATH=str(tmp_path))
    assert done.returncode == 3
    assert done.stderr.startswith("doctor: a fault of doctor itself: OSError: disk on fire (at <module>, ")
    assert len(done.stderr.splitlines()) == 1


def test_a_reader_who_leaves_early_is_no_error() -> None:
    command = Path(sys.executable).parent / "doctor"
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([command, "list"], stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert "Traceback" not in done.stderr
