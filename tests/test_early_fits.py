"""What is fitted before rows are split, beyond the programs in fixtures/reproducibility/preprocess_before_split."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench"))
try:
    import calibrate_preprocess as calibrate
finally:
    sys.path.pop(0)

SICK, HEALTHY = calibrate.FIXTURES / "sick", calibrate.FIXTURES / "healthy"
START = """
import numpy as np
import pandas as pd
from sklearn.model_selection import KFold, cross_val_score, train_test_split
from sklearn.preprocessing import StandardScaler
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC
X, y = pd.read_csv("x.csv"), pd.read_csv("y.csv")
"""
Judge = Callable[..., list[tuple[str, int]]]


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    """Scan the given programs and return kind and line of each finding, lines counted after the common start."""

    def run(**codes: str) -> list[tuple[str, int]]:
        for name, code in codes.items():
            (tmp_path / f"{name}.py").write_text(START + code)
        before = START.count("\n")
        return [(kind, line - before) for _, line, kind, _ in calibrate.found(tmp_path, calibrate.CHECK)]

    return run


def test_every_planted_fault_is_found_at_its_line_and_by_its_kind() -> None:
    faults = set(calibrate.planted(SICK))
    assert len(faults) >= 20
    found = {(Path(path).name, line, kind) for path, line, kind, _ in calibrate.found(SICK, calibrate.CHECK)}
    assert faults == found


def test_healthy_programs_give_no_finding() -> None:
    assert calibrate.programs(HEALTHY) >= 14
    assert calibrate.found(HEALTHY, calibrate.CHECK) == []


def test_line_and_character_are_those_of_the_fit(scan, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(START + "X = StandardScaler().fit_transform(X)\ncross_val_score(SVC(), X, y)\n")
    [finding] = [f for f in scan(tmp_path)["findings"] if f["check"] == calibrate.CHECK]
    assert (finding["at"]["line"], finding["at"]["character"]) == (START.count("\n") + 1, 5)
    assert finding["severity"] == "warning"


def test_a_helper_in_another_file_is_followed(judge: Judge) -> None:
    helper = "def ready(frame):\n    return StandardScaler().fit_transform(frame)\n"
    main = "from helper import ready\na, b = train_test_split(ready(X), random_state=0)\n"
    assert judge(helper=helper, main=main) == [("statistics", 2)]


def test_what_a_function_out_of_view_gives_is_new_data(judge: Judge) -> None:
    code = "from elsewhere import ready\nZ = StandardScaler().fit_transform(X)\na, b = train_test_split(ready(Z))\n"
    assert judge(main=code) == []


def test_fitting_again_on_the_training_rows_forgets_the_first_fit(judge: Judge) -> None:
    code = """
s = StandardScaler().fit(X)
a, b, c, d = train_test_split(X, y)
s.fit(a)
SVC().fit(s.transform(a), c).score(s.transform(b), d)
"""
    assert judge(main=code) == []
    assert judge(main=code.replace("s.fit(a)\n", "")) == [("statistics", 2)]


def test_branches_that_exclude_each_other_are_kept_apart(judge: Judge) -> None:
    code = "if len(X) > 9:\n    X = StandardScaler().fit_transform(X)\nelse:\n    a, b = train_test_split(X)\n"
    assert judge(main=code) == []
    assert judge(main=code + "c, d = train_test_split(X)\n") == [("statistics", 2)]


def test_rows_are_told_from_columns(judge: Judge) -> None:
    code = "cols = ['a', 'b']\nX[cols] = StandardScaler().fit_transform(X[cols])\na, b = train_test_split(X)\n"
    assert judge(main=code) == [("statistics", 2)]


def test_a_mean_along_the_row_is_the_rows_own(judge: Judge) -> None:
    code = "Z = X.values\nZ = Z - Z.mean({})\na, b = train_test_split(Z)\n"
    assert judge(main=code.format("axis=1, keepdims=True")) == []
    assert judge(main=code.format("1")) == []
    assert judge(main=code.format("axis=0")) == [("statistics", 2)]


def test_slices_are_a_split_only_by_their_names(judge: Judge) -> None:
    code = "Z = StandardScaler().fit_transform(X)\n{} = Z[:80]\n{} = Z[80:]\n"
    assert judge(main=code.format("head", "rest")) == []
    assert judge(main=code.format("train_x", "test_x")) == [("statistics", 1)]


def test_slices_are_a_split_by_what_is_done_with_them(judge: Judge) -> None:
    code = "Z = StandardScaler().fit_transform(X)\nm = SVC().fit(Z[:80], y[:80])\nprint(m.score(Z[80:], y[80:]))\n"
    assert judge(main=code) == [("statistics", 1)]


def test_all_rows_joined_again_are_all_rows(judge: Judge) -> None:
    code = """
a, b = train_test_split(X, random_state=0)
s = StandardScaler().fit(pd.concat([a, b]))
a, b = s.transform(a), s.transform(b)
"""
    assert judge(main=code) == [("statistics", 3)]


def test_the_training_part_may_be_scaled_before_it_is_split_again(judge: Judge) -> None:
    code = """
a, b = train_test_split(X, random_state=0)
a = StandardScaler().fit_transform(a)
c, d = train_test_split(a, random_state=0)
"""
    assert judge(main=code) == []


def test_a_function_that_nobody_calls_is_judged_by_itself(judge: Judge) -> None:
    code = "def prepare(data):\n    Z = StandardScaler().fit_transform(data)\n    return train_test_split(Z)\n"
    assert judge(main=code) == [("statistics", 2)]
    assert judge(main=code.replace("data", "train_data")) == []


def test_code_that_calls_itself_in_circles_comes_to_an_end(judge: Judge) -> None:
    code = "def a(x):\n    return b(x)\ndef b(x):\n    return a(StandardScaler().fit_transform(x))\n"
    assert judge(main=code + "c, d = train_test_split(a(X))\n") == []


def test_deep_code_is_not_judged_and_said_so(scan, tmp_path: Path) -> None:
    sums = " + ".join(["X"] * 2_000)
    (tmp_path / "train.py").write_text(START + f"Z = StandardScaler().fit_transform({sums})\n")
    report = scan(tmp_path)
    [done] = [e for e in report["examinations"] if e["check"] == calibrate.CHECK]
    assert done["outcome"] in ("unavailable", "healthy")


def test_code_is_told_once_where_there_are_several_tables(scan, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(START + "X = StandardScaler().fit_transform(X)\ncross_val_score(SVC(), X, y)\n")
    for name, column in (("one", "a"), ("two", "b")):
        (tmp_path / f"{name}.csv").write_text(f"{column},{column}2\n" + "1.5,2\n2.5,3\n" * 20)
    found = [f for f in scan(tmp_path)["findings"] if f["check"] == calibrate.CHECK]
    assert len(found) == 1
