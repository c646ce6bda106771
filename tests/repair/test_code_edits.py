"""Edits of programs and notebooks: every sick program is cured, and all else stays as it was written."""

import ast
import difflib
import json
import shutil
from pathlib import Path

import pytest
from conftest import FIXTURES

from doctor.case import open_case
from doctor.engine import examine
from doctor.model import CodeChange, EditCode
from doctor.repair.code_edits import edited, edited_code
from doctor.repair.code_files import in_code
from doctor.repair.proving import repair
from doctor.repair.state import Refused
from doctor.settings import settings_for

SICK = sorted(path.parent for path in FIXTURES.glob("source/*/sick*/expected.toml"))


def change(action: str, line: int, character: int = 1, **more: object) -> CodeChange:
    return CodeChange(action=action, path="train.py", line=line, character=character, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("patient", SICK, ids=lambda path: path.parent.name)
def test_a_sick_program_is_cured_and_catches_nothing_new(patient: Path, tmp_path: Path) -> None:
    home = tmp_path / "code"
    shutil.copytree(patient, home)
    before = {path.name: path.read_text() for path in home.glob("*.py")}
    settings = settings_for(home, {})
    with open_case([home], settings) as case:
        report = examine(case, settings)
        proof = repair(report, case, settings, tmp_path / "copy", unsafe=True)
    assert before == {path.name: path.read_text() for path in home.glob("*.py")}
    assert proof.comparison.unsolved == ()
    assert proof.comparison.came == ()
    wanted = [edit for edit in proof.plan.edits if isinstance(edit.repair, EditCode)]
    assert [edit.why_not for edit in wanted if not edit.applied] == []
    by_hand = {mark for edit in proof.plan.edits if not edit.applied for mark in edit.findings}
    assert {finding.fingerprint for finding in proof.comparison.stayed} == by_hand
    for path in (tmp_path / "copy").glob("*.py"):
        ast.parse(path.read_text())


@pytest.mark.parametrize("patient", SICK, ids=lambda path: path.parent.name)
def test_lines_that_no_edit_is_about_stay_as_they_are(patient: Path) -> None:
    settings = settings_for(patient, {})
    with open_case([patient], settings) as case:
        report = examine(case, settings)
    repairs = [finding.repair for finding in report.findings if in_code(finding.repair)]
    changes = [one for repair in repairs if in_code(repair) for one in repair.changes]
    for path in sorted(patient.glob("*.py")):
        own = [one for one in changes if Path(one.path).name == path.name]
        before = path.read_text().splitlines()
        after = edited(path, own).splitlines()
        told = {one.line for one in own} | {one.to_line for one in own}
        opcodes = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
        wraps = any(one.action == "wrap" for one in own)
        lost = [line for tag, a, b, *_ in opcodes if tag in ("replace", "delete") for line in range(a + 1, b + 1)]
        spans = {line for line in lost if line not in told}
        assert wraps or len(spans) <= 4 * len(own)
        assert after != before or not own


def test_comments_blank_lines_and_quotes_are_kept() -> None:
    text = "# first\nfor x in xs:   # go\n\n    total += loss   # keep 'this'\n\ny = f( 'a',b )\n"
    result = edited_code(text, [change("replace", 4, 14, old="loss", code="loss.item()")], "train.py")
    assert text.replace("+= loss", "+= loss.item()") == result


def test_an_argument_keeps_the_way_it_is_written() -> None:
    text = "z = F.softmax( net( x,'y' ), dim=1)\n"
    result = edited_code(text, [change("replace", 1, 5, old="F.softmax(net(x, 'y'), dim=1)", code="{0}")], "t.py")
    assert result == "z = net( x,'y' )\n"


def test_places_are_counted_as_the_parser_counts_them() -> None:
    text = "ä = {'ö': 1}; total += loss\n"
    column = ast.parse(text).body[1].value.col_offset + 1  # type: ignore[attr-defined]
    result = edited_code(text, [change("replace", 1, column, old="loss", code="loss.item()")], "t.py")
    assert result == "ä = {'ö': 1}; total += loss.item()\n"


def test_line_ends_of_windows_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_bytes(b"import torch\r\nfor x in xs:\r\n    step()\r\n")
    result = edited(path, [change("after", 3, 5, code="zero()")])
    assert result == "import torch\r\nfor x in xs:\r\n    step()\r\n    zero()\r\n"


def test_what_was_written_above_a_loop_stays_above_it() -> None:
    text = "a = 1\n\n# evaluate\nfor x in xs:\n    go(x)\n"
    result = edited_code(text, [change("before", 4, code="m.eval()"), change("wrap", 4, code="with n():")], "t.py")
    assert result == "a = 1\n\n# evaluate\nm.eval()\nwith n():\n    for x in xs:\n        go(x)\n"


def test_a_keyword_is_added_or_replaced_in_calls_of_several_lines() -> None:
    text = "torch.load(\n    path,\n    map_location='cpu',\n)\ntorch.load(p, weights_only=False)\n"
    changes = [change("keyword", line, code="weights_only=True") for line in (1, 5)]
    told = (
        "torch.load(\n    path,\n    map_location='cpu',\n    weights_only=True,\n)\ntorch.load(p, weights_only=True)\n"
    )
    assert told == edited_code(text, changes, "t.py")


def test_magics_of_a_notebook_stay_where_they_are(tmp_path: Path) -> None:
    code = ["%matplotlib inline\n", "for x in xs:\n", "    !echo {x}\n", "    total += loss\n", "files = !ls"]
    cells = [{"cell_type": "markdown", "source": ["# é"]}, {"cell_type": "code", "source": code, "outputs": []}]
    path = tmp_path / "n.ipynb"
    path.write_text(json.dumps({"cells": cells, "nbformat": 4}, indent=1, ensure_ascii=False) + "\n", "utf-8")
    result = edited(path, [change("replace", 4, 14, old="loss", code="loss.item()", cell=2)])
    assert path.read_text("utf-8").replace("+= loss", "+= loss.item()") == result


@pytest.mark.parametrize("text", ["print 'two'\n", "for x in xs: step()\n", "step(\n"])
def test_what_cannot_be_edited_is_refused_with_its_reason(text: str) -> None:
    with pytest.raises(Refused, match=r"^train\.py: "):
        edited_code(text, [change("after", 1, 14, code="zero()")], "train.py")


def test_a_place_that_holds_something_else_is_refused() -> None:
    with pytest.raises(Refused, match="does not hold"):
        edited_code("total += other\n", [change("replace", 1, 10, old="loss", code="loss.item()")], "train.py")
