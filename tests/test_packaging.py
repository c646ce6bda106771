"""The wheel is what users get: built, installed in a clean environment and run from there."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import FIXTURES, ROOT, Install

FOLDERS = {"doctor": "doctor", "doctor_checks": "checks", "doctor_reports": "reports"}
SICK = FIXTURES / "quality" / "missing_values" / "sick"

Installed = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build from a copy, so that nothing is left in the tree."""
    source, made = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    copy_sources(source)
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", made, source]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(made.glob("*.whl"))


def copy_sources(target: Path) -> None:
    for folder in FOLDERS.values():
        shutil.copytree(ROOT / folder, target / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, target)


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Run a program of a fresh environment that holds the wheel.

    The libraries that it depends on are lent by the environment of the tests, after its own.
    """
    home = tmp_path_factory.mktemp("user")
    venv.create(home, with_pip=False)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(home), "platbase": str(home)}))
    pip = [sys.executable, "-m", "pip", "--python", str(home / "bin" / "python"), "install", "--no-deps", "--quiet"]
    subprocess.run([*pip, wheel], check=True, capture_output=True)
    lent = [path for path in sys.path if path.endswith("site-packages")]
    (site / "lent.pth").write_text("\n".join(lent) + "\n", "utf-8")

    def run(program: str, *arguments: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return subprocess.run(
            [home / "bin" / program, *map(str, arguments)],
            cwd=cwd,
            env={**clean, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    return run


def test_the_wheel_holds_what_the_tree_holds(wheel: Path) -> None:
    expected = {
        f"{package}/{path.relative_to(ROOT / folder).as_posix()}"
        for package, folder in FOLDERS.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == expected
    assert "doctor/py.typed" in names


def test_the_wheel_carries_licence_name_and_light_requirements(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = {name.partition(".dist-info/")[2]: name for name in archive.namelist() if ".dist-info/" in name}
        metadata = archive.read(inside["METADATA"]).decode()
        assert "Apache License" in archive.read(inside["licenses/LICENSE"]).decode()
    assert "Name: training-doctor\n" in metadata
    core = {
        re.split(r"[^\w-]", line.removeprefix("Requires-Dist: "))[0]
        for line in metadata.splitlines()
        if line.startswith("Requires-Dist: ") and "extra ==" not in line
    }
    assert not core & {"torch", "pandas", "deepspeed", "pyspark", "transformers"}
    assert "duckdb" in core


def test_the_command_runs_from_the_wheel_and_not_from_the_tree(installed: Installed, tmp_path: Path) -> None:
    code = "import doctor, doctor_checks, doctor_reports; print(doctor.__file__, doctor_checks.__file__)"
    done = installed("python", "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert str(ROOT) not in done.stdout
    assert installed("doctor", "--version", cwd=tmp_path).stdout.startswith("doctor, version ")


def test_the_installed_command_lists_and_scans(installed: Installed, tmp_path: Path) -> None:
    listed = installed("doctor", "list", cwd=tmp_path)
    assert "quality/missing-values" in listed.stdout
    done = installed("doctor", "scan", SICK, "--format", "json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {finding["check"] for finding in json.loads(done.stdout)["findings"]} == {"quality/missing-values"}


@pytest.mark.parametrize("format", ["text", "json", "html"])
def test_every_report_is_written_from_the_wheel(format: str, installed: Installed, tmp_path: Path) -> None:
    done = installed("doctor", "scan", SICK, "--format", format, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "missing" in done.stdout


def test_folders_of_the_user_shadow_nothing(installed: Installed, tmp_path: Path) -> None:
    for name in ("checks", "reports", "fixtures"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('shadowed')", "utf-8")
    (tmp_path / "train.py").write_text("from doctor.registry import load_checks\nprint(len(load_checks()))\n", "utf-8")
    listed = installed("doctor", "list", cwd=tmp_path).stdout.splitlines()
    assert len(listed) >= 1
    assert installed("python", "train.py", cwd=tmp_path).stdout == f"{len(listed)}\n"
    assert installed("python", "-m", "doctor", "list", cwd=tmp_path).stdout.splitlines() == listed


def test_checks_of_a_third_party_are_listed_and_run(installed: Installed, install: Install, tmp_path: Path) -> None:
    source = (
        '"""Rows that rust."""\n'
        "from doctor.evidence.profile import Profile\n"
        "from doctor.model import Check, Severity\n"
        'CHECK = Check("acme/rust", Severity.ERROR, "{count} rows rust")\n'
        "def examine(profile: Profile, *, max_rows: int = 3):\n"
        "    if profile.rows > max_rows:\n"
        "        yield CHECK.finding(count=profile.rows)\n"
    )
    there = install("acme", {"rust": source})
    listed = installed("doctor", "list", cwd=tmp_path, **there)
    assert re.search(r"^acme/rust +error +Rows that rust\.$", listed.stdout, re.MULTILINE)
    done = installed("doctor", "scan", SICK, cwd=tmp_path, **there)
    assert done.returncode == 1
    assert "178 rows rust" in done.stdout
