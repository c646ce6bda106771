"""`make new` gives an author two places to fill in, and the tests say what is missing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("checks", "reports", "doctor", "fixtures", "scaffold", "tests", "typings")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for folder in COPIED:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, tmp_path / folder, symlinks=True, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def run(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(tree), str(tree / "typings")])
    command = [sys.executable, *arguments]
    environment = {**os.environ, "PYTHONPATH": paths}
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)


def contract_tests(tree: Path) -> subprocess.CompletedProcess[str]:
    files = ("tests/test_checks.py", "tests/test_fixtures.py")
    return run(tree, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "foo_bar or foo-bar", *files)


def fill_in(tree: Path) -> None:
    """Do what the scaffold asks of an author: a check for columns with two values alone."""
    check = tree / "checks" / "quality" / "foo_bar.py"
    code = check.read_text("utf-8")
    code = code.replace(
        "share = 0.0  # TODO: read it off the column, or ask for other evidence in the signature",
        "share = float(column.distinct == 2)",
    )
    check.write_text(code.replace("TODO", "columns whose two values say little"), "utf-8")
    patient = tree / "fixtures" / "quality" / "foo_bar"
    generator = patient / "generate.py"
    made = generator.read_text("utf-8").replace(
        "row = row  # TODO: plant the fault", 'row[1] = "1.00" if values[1] < 2 else "3.00"'
    )
    generator.write_text(made.replace("TODO", "wine"), "utf-8")
    for twin in ("sick", "healthy"):
        expected = patient / twin / "expected.toml"
        expected.write_text(expected.read_text("utf-8").replace("TODO", "malic_acid"), "utf-8")


@pytest.mark.slow
def test_a_scaffold_fails_until_it_is_filled_in(tree: Path) -> None:
    done = run(tree, "scaffold/new_check.py", "quality/foo-bar")
    assert done.returncode == 0, done.stderr
    for name in ("checks/quality/foo_bar.py", "fixtures/quality/foo_bar/generate.py"):
        assert name in done.stdout.splitlines()
        assert (tree / name).is_file()

    empty = contract_tests(tree)
    assert empty.returncode == 1, empty.stdout
    assert "test_nothing_is_left_to_fill_in[quality/foo-bar]" in empty.stdout
    assert "test_a_patient_has_exactly_the_expected_findings[quality/foo_bar/sick]" in empty.stdout
    assert "[quality/foo_bar/healthy]" not in empty.stdout

    fill_in(tree)
    assert run(tree, "fixtures/regenerate.py", "quality/foo_bar").returncode == 0
    filled = contract_tests(tree)
    assert filled.returncode == 0, filled.stdout


def test_a_new_family_gets_its_package(tree: Path) -> None:
    done = run(tree, "scaffold/new_check.py", "weather/rain")
    assert "checks/weather/__init__.py" in done.stdout.splitlines()


@pytest.mark.parametrize("id", ["", "foo", "Quality/foo", "quality/foo_bar", "quality/../foo", "a/b/c"])
def test_a_wrong_name_is_refused(id: str, tree: Path) -> None:
    done = run(tree, "scaffold/new_check.py", id)
    assert done.returncode == 2
    assert "family/name" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_existing_check_is_not_overwritten(tree: Path) -> None:
    kept = (tree / "checks" / "quality" / "missing_values.py").read_text("utf-8")
    done = run(tree, "scaffold/new_check.py", "quality/missing-values")
    assert done.returncode == 2
    assert (tree / "checks" / "quality" / "missing_values.py").read_text("utf-8") == kept
