"""The programs by which watching is judged are complete, and expect what exists."""

import ast
import tomllib
from pathlib import Path
from typing import Any

import pytest

from doctor.registry import load_checks

PROGRAMS = Path(__file__).resolve().parent.parent / "fixtures" / "programs"
HOMES = sorted(path for path in PROGRAMS.iterdir() if path.is_dir())
SICK = [home for home in HOMES if not home.name.startswith("healthy_")]
FILES = sorted(PROGRAMS.glob("*/*.py"))

each_home = pytest.mark.parametrize("home", HOMES, ids=lambda home: home.name)
each_sick = pytest.mark.parametrize("home", SICK, ids=lambda home: home.name)
each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")


def expected(home: Path) -> dict[str, Any]:
    return tomllib.loads((home / "expected.toml").read_text("utf-8"))


def imported(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


@each_home
def test_a_program_has_its_files(home: Path) -> None:
    assert (home / "healthy.py").is_file()
    assert (home / "sick.py").is_file() == (home in SICK)


@each_home
def test_what_is_expected_uses_known_words(home: Path) -> None:
    written = expected(home)
    assert written.keys() <= {"cause", "equally", "also", "framework", "command", "seconds", "rank"}
    assert written["framework"] in {"torch", "transformers", "lightning", "deepspeed", "torch, 2 ranks"}
    assert 0 < written["seconds"] <= 90
    assert ("cause" in written) == (home in SICK)


@each_sick
def test_what_is_expected_is_a_check(home: Path) -> None:
    written = expected(home)
    named = [written["cause"], *written.get("equally", ()), *written.get("also", ())]
    assert set(named) <= {check.id for check in load_checks()}
    assert len(named) == len(set(named))


@each_file
def test_a_program_is_written_as_by_a_user(file: Path) -> None:
    assert not imported(file) & {"doctor", "doctor_probe", "doctor_checks"}
    assert '"--seed"' in file.read_text("utf-8")
    assert len(file.read_text("utf-8").splitlines()) <= 95


@each_sick
def test_the_twins_differ_in_little(home: Path) -> None:
    sick, healthy = ((home / f"{twin}.py").read_text("utf-8").splitlines() for twin in ("sick", "healthy"))
    assert sick != healthy
    assert sick[0] == healthy[0]
    assert len(set(sick) ^ set(healthy)) <= 24


def test_there_are_enough_of_them() -> None:
    assert len(SICK) >= 28
    assert len(HOMES) - len(SICK) >= 10
    assert len({expected(home)["framework"] for home in SICK}) == 5
