"""What all tests share."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "fixtures"

Doctor = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def doctor() -> Doctor:
    """Run the installed command as a user does, in a process of its own."""

    def run(*arguments: object, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [Path(sys.executable).parent / "doctor", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=cwd,
            env={**os.environ, **environment},
            timeout=300,
            check=False,
        )

    return run


@pytest.fixture
def scan(doctor: Doctor) -> Callable[..., dict[str, Any]]:
    """Scan through the command line and return the JSON report."""

    def run(
        *arguments: object, status: int | None = None, cwd: Path | None = None, **environment: str
    ) -> dict[str, Any]:
        done = doctor("scan", *arguments, "--format", "json", cwd=cwd, **environment)
        assert done.returncode in ((0, 1) if status is None else (status,)), done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    return run


Install = Callable[[str, Mapping[str, str]], dict[str, str]]


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """Install a third party's checks beside ours and return the environment in which they are seen."""
    site = tmp_path / "site"

    def run(package: str, modules: Mapping[str, str]) -> dict[str, str]:
        (site / package).mkdir(parents=True)
        for name, source in {"__init__": "", **modules}.items():
            (site / package / f"{name}.py").write_text(source, "utf-8")
        metadata = site / f"{package}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n", "utf-8")
        (metadata / "entry_points.txt").write_text(f"[doctor.checks]\n{package} = {package}\n", "utf-8")
        return {"PYTHONPATH": str(site)}

    return run
