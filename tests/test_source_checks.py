"""What is said of training code, beyond the programs in fixtures/source."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import FIXTURES

from doctor.case import open_case
from doctor.engine import examine
from doctor.model import Outcome, Report
from doctor.settings import Settings

HOMES = sorted(path for path in (FIXTURES / "source").iterdir() if path.is_dir())
START = "import torch\nfrom torch import nn\nfrom torch.nn import functional as F\n"
LOOP = """
def train(model, loader):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for inputs, labels in loader:
        F.cross_entropy(model(inputs), labels).backward()
        optimizer.step()
"""
Judge = Callable[..., list[tuple[str, int]]]


def scanned(folder: Path) -> Report:
    settings = Settings(select=("source",))
    with open_case([folder], settings) as case:
        return examine(case, settings)


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    """Scan the given programs and return check and line of each finding, lines counted after the common start."""

    def run(**codes: str) -> list[tuple[str, int]]:
        for name, code in codes.items():
            (tmp_path / f"{name}.py").write_text(START + code)
        report = scanned(tmp_path)
        assert not [one for one in report.examinations if one.outcome is Outcome.CRASHED]
        before = START.count("\n")
        return [(item.check.partition("/")[2], (item.at.line or 0) - before) for item in report.findings]

    return run


def planted(patient: Path) -> Iterator[tuple[str, int]]:
    for path in sorted(patient.glob("*.py")):
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            if "# planted" in line:
                yield path.name, number


@pytest.mark.parametrize("home", HOMES, ids=lambda home: home.name)
def test_every_planted_fault_is_found_in_its_line_and_nothing_else(home: Path) -> None:
    found = {(Path(item.at.path or "").name, item.at.line) for item in scanned(home / "sick").findings}
    faults = set(planted(home / "sick"))
    assert len(faults) >= 3
    assert faults == found


@pytest.mark.parametrize("home", HOMES, ids=lambda home: home.name)
def test_near_misses_are_healthy(home: Path) -> None:
    assert len(list((home / "healthy").glob("*.py"))) >= 3
    assert scanned(home / "healthy").findings == []


def test_the_place_is_that_of_the_statement(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(START + LOOP)
    [finding] = scanned(tmp_path).findings
    assert (finding.at.line, finding.at.character) == (START.count("\n") + 6, 9)


def test_a_notebook_is_judged_over_its_cells(tmp_path: Path) -> None:
    cells = [
        ["import torch\n", "%matplotlib inline\n", "model = torch.nn.Linear(2, 1)"],
        ["optimizer = torch.optim.SGD(model.parameters(), lr=0.1)"],
        ["for x, y in loader:\n", "    (model(x) - y).pow(2).mean().backward()\n", "    optimizer.step()"],
    ]
    notebook = {"cells": [{"cell_type": "code", "source": cell} for cell in cells], "nbformat": 4, "metadata": {}}
    (tmp_path / "lesson.ipynb").write_text(json.dumps(notebook))
    [finding] = scanned(tmp_path).findings
    assert (finding.check, finding.at.cell, finding.at.line) == ("source/missing-zero-grad", 3, 3)


def test_python_2_and_broken_code_are_named_and_the_rest_is_scanned(tmp_path: Path) -> None:
    (tmp_path / "old.py").write_text("import torch\nprint 'epoch'\n")
    (tmp_path / "broken.py").write_text("def train(:\n")
    (tmp_path / "train.py").write_text(START + LOOP)
    report = scanned(tmp_path)
    assert {(Path(one.path).name, one.line) for one in report.case.problems} == {("old.py", 2), ("broken.py", 1)}
    assert [finding.check for finding in report.findings] == ["source/missing-zero-grad"]


def test_a_helper_in_another_file_is_followed(judge: Judge) -> None:
    helper = "def update(loss, optimizer):\n    loss.backward()\n    optimizer.step()\n"
    main = """
from helper import update
def train(model, loader):
    optimizer = torch.optim.Adam(model.parameters())
    for inputs, labels in loader:
        update(F.mse_loss(model(inputs), labels), optimizer)
"""
    assert judge(helper=helper, main=main) == [("missing-zero-grad", 3)]


def test_an_optimizer_handed_out_of_view_is_not_judged(judge: Judge) -> None:
    assert judge(main=LOOP.replace("optimizer.step()", "optimizer.step()\n        elsewhere(optimizer)")) == []


def test_tests_are_not_judged(judge: Judge) -> None:
    assert judge(test_training=LOOP) == []


def test_other_libraries_have_rules_of_their_own(judge: Judge) -> None:
    assert judge(main=f"import paddle\n{LOOP}") == []


def test_code_that_calls_itself_in_circles_comes_to_an_end(judge: Judge) -> None:
    code = """
def a(model, loader, optimizer):
    b(model, loader, optimizer)
    for x in loader:
        a(model, x, optimizer)
        model(x).sum().backward()
        optimizer.step()
def b(model, loader, optimizer):
    model, loader = loader, model
    a(loader, model, optimizer)
"""
    assert [check for check, _ in judge(main=code)] in ([], ["missing-zero-grad"])


def test_deep_code_is_not_judged_and_said_so(tmp_path: Path) -> None:
    sums = " + ".join(["F.relu(model(x))"] * 400)
    (tmp_path / "deep.py").write_text(f"{START}def f(model, x):\n    return {sums}\n")
    (tmp_path / "train.py").write_text(START + LOOP)
    report = scanned(tmp_path)
    assert [finding.check for finding in report.findings] == ["source/missing-zero-grad"]
    reasons = {one.reason for one in report.examinations if one.outcome is Outcome.UNAVAILABLE}
    assert reasons
    assert all(reason.startswith(f"{tmp_path}/deep.py is nested too deeply") for reason in reasons)
