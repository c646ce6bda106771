"""Authors of checks run their check alone and are told what it lacks."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pytest
from conftest import FIXTURES

from doctor.errors import DoctorError, NotApplicable, UsageError
from doctor.evidence.profile import Profile
from doctor.evidence.splits import Splits
from doctor.model import Outcome, Severity
from doctor.registry import load_checks
from doctor.testing import faults, judge, measure

TABLE = pa.table({"a": [1, 2, None, 4], "y": [0, 1, 0, 1]})
GOOD = '''"""Tables with holes.

What it finds
    Holes.

Why it matters
    They do.

What to do
    Fill them.

Thresholds
    max_holes: how many (0).

Calibration
    None.

Limits
    None.

Source
    None.
"""
from doctor.evidence.profile import Profile
from doctor.model import Check, Severity

CHECK = Check("acme/holes", Severity.WARNING, "{holes} holes")


def examine(profile: Profile, *, max_holes: int = 0):
    holes = sum(column.missing for column in profile.columns)
    if profile.rows < 4:
        yield CHECK.unavailable("too few rows")
    elif holes > max_holes:
        yield CHECK.finding(holes=holes)
'''

Load = Callable[..., ModuleType]


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    """Import a check from its source, as its author's test does."""
    loaded: list[str] = []

    def imported(source: str = GOOD, name: str = "holes") -> ModuleType:
        file = tmp_path / f"{name}.py"
        file.write_text(source, "utf-8")
        spec = importlib.util.spec_from_file_location(f"acme_{name}", file)
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        loaded.append(spec.name)
        spec.loader.exec_module(module)
        return module

    yield imported
    for name in loaded:
        sys.modules.pop(name, None)


def test_one_check_is_judged_on_a_frame_without_being_installed(load: Load) -> None:
    said = judge(load(), TABLE)
    (finding,) = said.findings
    assert (finding.message, finding.severity, said.outcome) == ("1 holes", Severity.WARNING, Outcome.FOUND)
    assert "acme/holes" not in {check.id for check in load_checks()}


def test_thresholds_and_data_decide_the_outcome(load: Load) -> None:
    check = load()
    assert judge(check, TABLE, thresholds={"max_holes": 1}).outcome is Outcome.HEALTHY
    short = judge(check, TABLE.slice(0, 2))
    assert (short.outcome, short.reason) == (Outcome.UNAVAILABLE, "too few rows")
    broken = judge(load(GOOD.replace("holes = sum(", "holes = 1 / 0 + sum(")), TABLE)
    assert broken.outcome is Outcome.CRASHED
    assert "ZeroDivisionError" in broken.reason


def test_a_check_of_ours_is_judged_on_its_patient() -> None:
    from doctor_checks.leakage import split_duplicates

    home = FIXTURES / "leakage" / "split_duplicates"
    assert judge(split_duplicates, home / "sick").outcome is Outcome.FOUND
    assert judge(split_duplicates, home / "healthy").outcome is Outcome.HEALTHY


def test_evidence_is_measured_from_a_frame_and_from_a_folder() -> None:
    profile = measure(Profile, TABLE)
    assert [(column.name, column.missing) for column in profile.columns] == [("a", 1), ("y", 0)]
    assert measure(Profile, FIXTURES / "leakage" / "split_duplicates" / "sick").rows > 60
    with pytest.raises(NotApplicable):
        measure(Splits, TABLE)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda check: judge(check, TABLE, target="z"), "there is no column 'z'"),
        (lambda check: judge(check, TABLE, targe="y"), "has no option 'targe'"),
        (lambda check: judge(check, TABLE, thresholds={"most": 1}), "acme/holes has no threshold 'most'"),
        (lambda check: judge(check, "nowhere.csv"), "nowhere.csv: there is no such file"),
        (lambda check: measure(Profile, 3), "int cannot be examined"),
    ],
)
def test_wrong_use_is_named(call: Callable[[ModuleType], object], said: str, load: Load) -> None:
    asks_for_the_target = GOOD.replace("Profile, *", "Profile, roles: Roles, *").replace(
        "import Profile\n", "import Profile\nfrom doctor.evidence.roles import Roles\n"
    )
    with pytest.raises(UsageError, match=said):
        call(load(asks_for_the_target))


def test_what_is_no_check_is_said_to_be_none(load: Load) -> None:
    with pytest.raises(DoctorError, match="is no check"):
        judge(load("CHECK = 1\n"), TABLE)


def test_a_good_check_has_no_faults(load: Load) -> None:
    assert faults(load()) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("acme/holes", "Acme/holes", "the id 'Acme/holes' is not family/name"),
        ("acme/holes", "acme/gaps", "the file holes.py is not called gaps.py"),
        ("Why it matters\n", "Why\n", "the manual page lacks Why it matters"),
        ("What to do\n", "Limits\n", "the manual page lacks What to do"),
        ("Tables with holes.", "Tables with holes", "the first line of the manual page is not a sentence"),
        ("max_holes: how", "most: how", "does not describe the threshold max_holes"),
        ("many (0)", "many", "does not give the default 0 of max_holes"),
        ("max_holes: int = 0", "max_holes: int", "the threshold max_holes has no default"),
        ("    holes = sum", "    print()\n    holes = sum", "it calls print(), but a check only judges"),
        ("    They do.", "    TODO", "something is left to be done: TODO"),
        ("    They do.", "\n" * 200, "lines; more than 180 are hard to read"),
    ],
)
def test_each_fault_is_named(old: str, new: str, said: str, load: Load) -> None:
    assert old in GOOD
    found = faults(load(GOOD.replace(old, new)))
    assert any(said in fault for fault in found), found


def test_headings_out_of_order_are_named(load: Load) -> None:
    swapped = GOOD.replace("Limits\n", "Later\n").replace("Source\n", "Limits\n").replace("Later\n", "Source\n")
    assert faults(load(swapped)) == ["the headings are out of order"]


@pytest.mark.parametrize("check", load_checks(), ids=lambda check: check.id)
def test_our_own_checks_have_no_faults(check: object) -> None:
    assert faults(check) == []  # type: ignore[arg-type]  # parametrized with loaded checks
