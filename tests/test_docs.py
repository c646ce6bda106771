"""What is generated into docs/ is what the code says today."""

import runpy
from pathlib import Path
from typing import Any

import pytest

from doctor.registry import load_checks

DOCS = Path(__file__).resolve().parent.parent / "docs"


@pytest.fixture(scope="module")
def generator() -> dict[str, Any]:
    return runpy.run_path(str(DOCS / "generate.py"))


@pytest.fixture(scope="module")
def made(generator: dict[str, Any]) -> dict[str, str]:
    pages: dict[str, str] = generator["pages"](load_checks())
    return pages


def test_the_stored_pages_are_those_that_would_be_written(generator: dict[str, Any], made: dict[str, str]) -> None:
    assert generator["stale"](made, DOCS) == [], "run `make docs`"


def test_every_check_has_a_page_that_the_list_links_to(made: dict[str, str]) -> None:
    for check in load_checks():
        page = f"{check.id.replace('-', '_')}.md"
        assert made[f"checks/{page}"].startswith(f"# {check.id}\n\n{check.summary}")
        assert f"[{check.id}]({page})" in made["checks/README.md"]


def test_a_changed_a_missing_and_a_leftover_page_are_all_noticed(
    generator: dict[str, Any], made: dict[str, str], tmp_path: Path
) -> None:
    generator["write"](made, tmp_path)
    assert generator["stale"](made, tmp_path) == []
    (tmp_path / "checks" / "README.md").write_text("old", "utf-8")
    (tmp_path / "report.schema.json").unlink()
    (tmp_path / "checks" / "gone.md").write_text("a check that is no more", "utf-8")
    assert generator["stale"](made, tmp_path) == ["checks/README.md", "checks/gone.md", "report.schema.json"]
    generator["write"](made, tmp_path)
    assert generator["stale"](made, tmp_path) == []
