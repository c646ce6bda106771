"""What the README shows is what happens."""

import re
import runpy
import shlex
import shutil
from pathlib import Path

import pytest
from conftest import ROOT, Doctor, Install

README = (ROOT / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def tour() -> list[tuple[str, list[str]]]:
    steps = re.split(r"^\$ ", "".join(blocks("console")), flags=re.MULTILINE)[1:]
    return [(step.splitlines()[0], step.splitlines()[1:]) for step in steps]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    runpy.run_path(str(ROOT / "fixtures" / "demo" / "forms.py"))["build"](home / "demo" / "forms")
    return home


@pytest.mark.parametrize(("command", "shown"), tour(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_step_of_the_tour_prints_what_is_shown(command: str, shown: list[str], home: Path, doctor: Doctor) -> None:
    program, *arguments = shlex.split(command)
    assert program == "doctor"
    assert shown
    done = doctor(*arguments, cwd=home)
    printed = " ".join((done.stdout + done.stderr).split())
    for line in shown:
        assert " ".join(line.split()) in printed


def test_the_settings_file_is_a_valid_one(home: Path, tmp_path: Path, doctor: Doctor) -> None:
    settings = next(block for block in blocks("toml") if "[[suppress]]" in block)
    shutil.copytree(home / "demo" / "forms", tmp_path / "forms")
    (tmp_path / "forms" / "doctor.toml").write_text(settings, "utf-8")
    done = doctor("scan", "forms", "--select", "id-like", "--format", "json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert '"suppressed": "dropped by the loader"' in done.stdout


def test_the_check_of_ones_own_runs(tmp_path: Path, doctor: Doctor, install: Install) -> None:
    (source,) = blocks("python")
    (tmp_path / "wide.csv").write_text("a,b,c\n1,2,3\n4,5,6\n", "utf-8")
    there = install("acme_checks", {"wide_table": source})
    assert "acme/wide-table" in doctor("list", **there).stdout
    done = doctor("scan", "wide.csv", "--select", "acme", cwd=tmp_path, **there)
    assert "2 rows for 3 columns (wanted: 1 each)" in done.stdout


def test_the_two_commands_are_targets_of_make() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for command in ("make demo", "make test"):
        assert f"\n{command}\n" in README
        assert re.search(rf"^{command.split()[1]}:", makefile, re.MULTILINE)


def test_the_pictures_are_there_small_and_of_one_size() -> None:
    sizes = set()
    for name in re.findall(r"(?:src|srcset)=\"(docs/[^\"]+)\"", README):
        picture = (ROOT / name).read_bytes()
        assert picture.startswith(b"\x89PNG\r\n")
        assert len(picture) < 100_000
        sizes.add(picture[16:24])
    assert len(sizes) == 1


def test_every_figure_of_the_comparison_is_one_that_was_kept() -> None:
    section = README.partition("## How it compares\n")[2].partition("\n## ")[0]
    kept = " ".join(path.read_text("utf-8") for path in (ROOT / "bench" / "results").glob("*.md")).replace("**", "")
    rounded = {f"{float(number):.{digits}f}" for number in re.findall(r"\d+\.\d+", kept) for digits in (1, 2)}
    figures = set(re.findall(r"\d+(?:\.\d+)?", re.sub(r"`[^`]*`|deepchecks [\d.]+", "", section)))
    assert len(figures) > 20
    for figure in figures:
        assert figure in rounded or re.search(rf"(?<![\d.]){re.escape(figure)}(?![\d.]*\d)", kept), figure
