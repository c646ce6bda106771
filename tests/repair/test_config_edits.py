"""Configurations are edited by position: what was not meant stays, to the letter."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from conftest import FIXTURES, Doctor
from hypothesis import given, settings
from hypothesis import strategies as st

from doctor.case import open_case
from doctor.engine import examine
from doctor.model import KeyEdit
from doctor.repair.config_edits import edited
from doctor.repair.proving import Proof, repair
from doctor.repair.state import Refused
from doctor.settings import Settings

JSON = """{
  // sizes
  "micro": 4,   # per device
  "zero": {
    "stage": 2,
    "old": true
  },
  "last": [1, 2]
}
"""
YAML = """# sizes
micro: 4   # per device
zero:
  stage: 2
  # the old way
  old: true

list:
  - a
  - b: 1
    c: 2
rate: 2e-5
"""
CASES = [
    ("set", ("micro",), 8, '"micro": 4', '"micro": 8', "micro: 4 ", "micro: 8 "),
    ("set", ("micro",), "auto", '"micro": 4', '"micro": "auto"', "micro: 4 ", "micro: auto "),
    ("set", ("zero", "stage"), 3, '"stage": 2', '"stage": 3', "stage: 2", "stage: 3"),
    ("set", ("zero", "new"), 1.5, '"old": true', '"old": true,\n    "new": 1.5', "old: true", "old: true\n  new: 1.5"),
    ("rename", ("zero", "old"), "newer", '"old": true', '"newer": true', "  old: true", "  newer: true"),
    ("remove", ("zero", "old"), None, ',\n    "old": true', "", "  old: true\n", ""),
    ("remove", ("micro",), None, '  "micro": 4,   # per device\n', "", "micro: 4   # per device\n", ""),
]


@pytest.mark.parametrize(("action", "key", "value", "old", "new", "old_yaml", "new_yaml"), CASES, ids=str)
def test_one_edit_changes_one_place(  # a table of cases
    action: str, key: tuple[str, ...], value: object, old: str, new: str, old_yaml: str, new_yaml: str
) -> None:
    edit = KeyEdit(action=action, key=key, value=value)  # type: ignore[arg-type]  # a scalar
    assert edited(Path("x.json"), JSON, [edit]) == JSON.replace(old, new)
    assert edited(Path("x.yaml"), YAML, [edit]) == YAML.replace(old_yaml, new_yaml)


def test_a_block_that_is_missing_is_made() -> None:
    edit = KeyEdit(action="set", key=("optimizer", "params", "lr"), value=0.001)
    made = json.loads(edited(Path("x.json"), '{\n    "a": 1\n}\n', [edit]))
    assert made == {"a": 1, "optimizer": {"params": {"lr": 0.001}}}
    assert edited(Path("x.json"), "{}", [edit]) == '{"optimizer": {"params": {"lr": 0.001}}}'
    assert edited(Path("x.yaml"), "a: 1\n", [edit]) == "a: 1\noptimizer:\n  params:\n    lr: 0.001\n"


REFUSED = [
    ("x.yaml", "a: &x 1\nb: *x\n", KeyEdit(action="remove", key=("b",))),
    ("x.yaml", "a: &x {p: 1}\nb:\n  <<: *x\n  q: 2\n", KeyEdit(action="set", key=("b", "p"), value=3)),
    ("x.yaml", "a:\n  only: 1\n", KeyEdit(action="remove", key=("a", "only"))),
    ("x.json", '{"a": 1, "b": 2}', KeyEdit(action="rename", key=("a",), value="b")),
    ("x.json", '{"a": 1, "a": 2}', KeyEdit(action="remove", key=("a",))),
    ("x.json", '{"a": 1}', KeyEdit(action="remove", key=("gone",))),
    ("x.json", '{"a": {"b": 1}}', KeyEdit(action="set", key=("a",), value=1)),
]


@pytest.mark.parametrize(("name", "text", "edit"), REFUSED, ids=str)
def test_what_would_change_more_is_refused(name: str, text: str, edit: KeyEdit) -> None:
    with pytest.raises(Refused):
        edited(Path(name), text, [edit])


SCALARS = (
    st.floats(1e-9, 1e9)
    | st.booleans()
    | st.integers(-1000, 1000)
    | st.sampled_from(["auto", "cosine", "yes", "a: b", "# c", ""])
)
KEYS = st.from_regex(r"[a-z]{1,6}", fullmatch=True)
TREES = st.dictionaries(KEYS, SCALARS | st.dictionaries(KEYS, SCALARS, min_size=1, max_size=4), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(
    TREES,
    st.data(),
    st.sampled_from(["compact", "lines", "yaml", "flow"]),
    st.sampled_from(["set", "remove", "rename"]),
)
def test_an_edited_file_holds_what_was_asked_for_and_all_else(
    tree: dict[str, object], data: st.DataObject, layout: str, action: str
) -> None:
    path = Path("x.json" if layout in ("compact", "lines") else "x.yaml")
    if path.suffix == ".json":
        text = json.dumps(tree, indent=2 if layout == "lines" else None)
    else:
        text = yaml.safe_dump(tree, default_flow_style=layout == "flow", sort_keys=False)
    load = json.loads if path.suffix == ".json" else yaml.safe_load
    first = data.draw(st.sampled_from(sorted(tree)))
    inner = tree[first]
    key = (first, data.draw(st.sampled_from(sorted(inner)))) if isinstance(inner, dict) else (first,)
    value = data.draw(SCALARS) if action == "set" else "renamed" if action == "rename" else None
    try:
        result = load(edited(path, text, [KeyEdit(action=action, key=key, value=value)]))
    except Refused:
        # The only key of a block of YAML, and the only one of a file.
        assert action == "remove"
        return
    holder, wanted = (result[key[0]], dict(inner)) if len(key) > 1 else (result, dict(tree))  # type: ignore[call-overload]
    if action == "set":
        assert holder[key[-1]] == value
        wanted[key[-1]] = value
    else:
        moved = wanted.pop(key[-1])
        wanted |= {"renamed": moved} if action == "rename" else {}
    assert holder == wanted


def repaired(folder: Path, output: Path) -> Proof:
    settings = Settings()
    with open_case([folder], settings) as case:
        return repair(examine(case, settings), case, settings, output, unsafe=True)


@pytest.mark.parametrize("patient", sorted(FIXTURES.glob("config/*/sick*")), ids=lambda path: path.parent.name)
def test_a_repaired_configuration_scans_clean_and_catches_nothing_new(patient: Path, tmp_path: Path) -> None:
    home = tmp_path / "data"
    shutil.copytree(patient, home)
    proof = repaired(home, tmp_path / "copy")
    assert proof.comparison.unsolved == ()
    assert proof.comparison.came == ()
    left = {finding.fingerprint for finding in proof.comparison.stayed}
    made = [edit for edit in proof.plan.edits if edit.applied]
    assert not left & {mark for edit in made for mark in edit.findings}
    assert [edit.why_not for edit in proof.plan.edits if edit.wanted and not edit.applied] == []
    changed = set(proof.written.rewritten)
    for path in patient.rglob("*"):
        name = str(path.relative_to(patient))
        if path.is_file() and name not in changed:
            assert path.read_bytes() == (tmp_path / "copy" / name).read_bytes()


def test_a_copy_keeps_remarks_line_ends_and_the_mark_of_utf_8(tmp_path: Path) -> None:
    home = tmp_path / "data"
    home.mkdir()
    text = (
        '{\r\n  "train_batch_size": 8, // eight\r\n  "gradient_cliping": 1.0,\r\n  "bf16": {"enabled": true}\r\n}\r\n'
    )
    (home / "ds.json").write_bytes(b"\xef\xbb\xbf" + text.encode())
    proof = repaired(home, tmp_path / "copy")
    assert [edit.applied for edit in proof.plan.edits] == [True]
    fixed = b"\xef\xbb\xbf" + text.replace("cliping", "clipping").encode()
    assert (tmp_path / "copy" / "ds.json").read_bytes() == fixed


def test_a_diff_shows_configurations_and_programs(tmp_path: Path, doctor: Doctor) -> None:
    (tmp_path / "ds.json").write_text(
        '{\n  // clipped\n  "train_batch_size": 64,\n  "zero_optimization": {},\n  "gradient_cliping": 1.0\n}\n'
    )
    (tmp_path / "train.py").write_text(
        "import random\nimport torch\n\nmodel = torch.nn.Linear(2, 1)\nmodel.load_state_dict(torch.load('w.pt'))\n"
    )
    told = doctor("fix", tmp_path, "--diff", "--unsafe").stdout.splitlines()
    assert '-  "gradient_cliping": 1.0' in told
    assert '+  "gradient_clipping": 1.0' in told
    assert told.index("--- a/ds.json") < told.index("--- a/train.py")
    assert "  // clipped" not in [line for line in told if line.startswith(("+", "-"))]
