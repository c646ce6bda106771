"""The contract that every check keeps."""

import ast
import inspect
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from doctor.registry import LoadedCheck, load_checks
from doctor.testing import HEADINGS

CHECKS = Path(__file__).resolve().parent.parent / "checks"

every_check = pytest.mark.parametrize("check", load_checks(), ids=lambda check: check.id)


@every_check
def test_the_id_is_the_file(check: LoadedCheck) -> None:
    family, name = check.id.split("/")
    file = Path(inspect.getfile(check.examine)).resolve()
    assert file == CHECKS / family / f"{name.replace('-', '_')}.py"


@every_check
def test_the_manual_page_has_all_headings_in_order(check: LoadedCheck) -> None:
    found = [line for line in check.manual.splitlines() if line in HEADINGS]
    assert tuple(found) == HEADINGS
    assert check.summary.endswith(".")


@every_check
def test_the_manual_page_names_every_threshold_with_its_default(check: LoadedCheck) -> None:
    page = check.manual.partition("Thresholds\n")[2].partition("\nCalibration")[0]
    for name, parameter in check.thresholds.items():
        line = re.search(rf"^    {name}: .*", page, re.MULTILINE)
        assert line, f"{name} is not described"
        assert str(parameter.default) in page, f"{name}: the page does not give the default {parameter.default}"


@every_check
def test_every_threshold_has_a_default_and_a_type(check: LoadedCheck) -> None:
    for parameter in check.thresholds.values():
        assert parameter.default is not parameter.empty
        assert parameter.annotation is not parameter.empty


@every_check
def test_a_check_only_judges(check: LoadedCheck) -> None:
    tree = ast.parse(Path(inspect.getfile(check.examine)).read_text("utf-8"))
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert not called & {"open", "print", "exec", "eval", "input"}


@every_check
def test_nothing_is_left_to_fill_in(check: LoadedCheck) -> None:
    assert "TODO" not in Path(inspect.getfile(check.examine)).read_text("utf-8")


def test_consequences_name_checks_and_never_come_back_to_their_cause() -> None:
    leads_to = {check.id: (*check.check.leads_to, *check.check.spreads_to) for check in load_checks()}
    unknown = {target for targets in leads_to.values() for target in targets} - leads_to.keys()
    assert not unknown, f"no such check: {sorted(unknown)}"
    TopologicalSorter(leads_to).prepare()
