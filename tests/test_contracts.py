"""Which folder imports which: the contracts hold, and each is seen to break."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {"doctor": "doctor", "checks": "doctor_checks", "reports": "doctor_reports"}
LAYERS = "evidence is measured from subjects, judged by the engine"
FREE = "doctor imports no check and no report"
CHECKS = "checks read evidence and the model"
APART = "no check imports another"
REPORTS = "reports read the model alone"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the packages under the names by which they are imported."""
    root = tmp_path_factory.mktemp("tree")
    shutil.copy(ROOT / "pyproject.toml", root)
    for folder, package in FOLDERS.items():
        shutil.copytree(ROOT / folder, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    return root


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as lint; lint()", "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": str(tree), "COLUMNS": "200"}
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)


def test_the_contracts_hold(tree: Path) -> None:
    done = lint(tree)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("doctor/subjects/table.py", "import doctor.evidence.profile", LAYERS),
        ("doctor/evidence/profile.py", "import doctor.engine", LAYERS),
        ("doctor/model.py", "import doctor.settings", LAYERS),
        ("doctor/engine.py", "import doctor.cli.scan", LAYERS),
        ("doctor/engine.py", "import doctor.scanning", LAYERS),
        ("doctor/rendering.py", "import doctor.model", LAYERS),
        ("doctor/engine.py", "import doctor_checks.quality.missing_values", FREE),
        ("doctor/cli/scan.py", "import doctor_reports.text", FREE),
        ("doctor_checks/quality/missing_values.py", "import doctor.engine", CHECKS),
        ("doctor_checks/quality/missing_values.py", "import doctor.subjects.sql", CHECKS),
        ("doctor_checks/quality/missing_values.py", "import doctor_reports.text", CHECKS),
        ("doctor_checks/quality/missing_values.py", "import doctor_checks.quality.other", APART),
        ("doctor_reports/text.py", "import doctor.evidence.profile", REPORTS),
        ("doctor_reports/text.py", "import doctor_checks.quality.missing_values", REPORTS),
    ],
)
def test_a_contract_breaks_when_violated(file: str, line: str, contract: str, tree: Path) -> None:
    path = tree / file
    kept = path.read_text("utf-8")
    other = tree / "doctor_checks" / "quality" / "other.py"
    other.write_text("", "utf-8")
    try:
        path.write_text(f"{kept}\n{line}\n", "utf-8")
        done = lint(tree)
    finally:
        path.write_text(kept, "utf-8")
        other.unlink()
    assert done.returncode == 1
    assert f"{contract} BROKEN" in done.stdout


def test_every_contract_is_seen_to_break() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    assert {contract["name"] for contract in contracts} == {LAYERS, FREE, CHECKS, APART, REPORTS}
