"""The pytest plugin as its users see it: pytest is run on data, on tests that use the fixtures, and on wrong use."""

import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import FIXTURES, Install

import doctor.assertions
import doctor.pytest_items  # noqa: F401 - imported here, since pytester forgets what an inner run imported
from doctor import baseline
from doctor.accepting import updated
from doctor.case import open_case
from doctor.engine import examine
from doctor.settings import settings_for
from doctor_reports import html, text  # noqa: F401 - the same

pytest_plugins = ("pytester",)

SICK = FIXTURES / "leakage" / "split_duplicates" / "sick"
ONLY = ("--doctor-select", "split-duplicates")
COPIES = "10 of 60 rows of test (16.7%) are also in train, 10 of them with the same label"
SPY = '''"""Rows that are counted in a file beside the data."""
from pathlib import Path
from doctor.evidence.profile import Profile
from doctor.model import Check, Severity
CHECK = Check("acme/spy", Severity.ERROR, "{words}")
def examine(profile: Profile):
    with Path("looked").open("a") as file:
        file.write("once ")
    BODY
'''

Run = Callable[..., pytest.RunResult]


@pytest.fixture
def data(pytester: pytest.Pytester) -> Path:
    """Copy a sick patient to `data` in the folder in which pytest runs."""
    return Path(shutil.copytree(SICK, pytester.path / "data"))


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run pytest in a process of its own, with more environment where it is given."""

    def ran(*arguments: str, **environment: str) -> pytest.RunResult:
        for name, value in environment.items():
            monkeypatch.setenv(name, value, prepend=os.pathsep if name == "PYTHONPATH" else None)
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments, timeout=300)

    return ran


@pytest.fixture
def spying(install: Install, data: Path) -> Callable[[str], dict[str, str]]:
    """Install a check that leaves a trace each time it is run."""

    def installed(body: str = "return []") -> dict[str, str]:
        return install("acme", {"spy": SPY.replace("BODY", body)})

    return installed


def test_each_check_is_a_test_with_a_name_and_a_reason(pytester: pytest.Pytester, data: Path) -> None:
    result = pytester.runpytest("--doctor", "data", "-v", "-rsf")
    result.stdout.fnmatch_lines(
        [
            "doctor: [1-9]* checks of data, failing on error",
            "data::everything-can-be-read PASSED*",
            "data::leakage/group-overlap SKIPPED (no column names an entity*",
            "data::leakage/split-duplicates FAILED*",
            "data::quality/missing-values PASSED*",
            "data::reproducibility/unseeded-code SKIPPED (there is no source here)*",
            "SKIPPED * data: no column names an entity; --group COLUMN declares one",
            "FAILED data::leakage/split-duplicates - Failed: error: 10 of 60 rows*",
        ],
    )
    assert result.ret == 1
    assert result.parseoutcomes()["failed"] == 1


def test_a_failure_is_what_was_found_without_a_traceback(pytester: pytest.Pytester, data: Path) -> None:
    result = pytester.runpytest("--doctor", "data", *ONLY)
    failure = result.stdout.str().partition("_ leakage/split-duplicates _")[2].partition("short test summary")[0]
    told = failure.splitlines()[1:5]
    assert told[0] == f"error: {COPIES}"
    assert told[1].startswith("  at data, split test, rows ")
    assert told[2].startswith("  → drop the copies")
    assert told[3] == "What it means: doctor explain leakage/split-duplicates"
    assert ".py" not in failure


def test_the_data_stands_alone_unless_tests_are_named(pytester: pytest.Pytester, data: Path) -> None:
    pytester.makepyfile(test_own="def test_own(): pass")
    pytester.makeini("[pytest]\ntestpaths = .\n")
    alone = pytester.runpytest("--doctor", "data", *ONLY)
    assert alone.parseoutcomes() == {"failed": 1, "passed": 1}
    alone.stdout.no_fnmatch_line("*testpaths*")
    beside = pytester.runpytest("test_own.py", "--doctor", "data", *ONLY)
    assert beside.parseoutcomes() == {"failed": 1, "passed": 2}
    assert pytester.runpytest().parseoutcomes() == {"passed": 1}


@pytest.mark.parametrize(
    ("bound", "outcomes"),
    [("never", {"passed": 2}), ("error", {"passed": 2}), ("warning", {"failed": 1, "passed": 1})],
)
def test_fail_on_says_what_fails_a_test(pytester: pytest.Pytester, bound: str, outcomes: dict[str, int]) -> None:
    shutil.copytree(FIXTURES / "quality" / "missing_values" / "sick", pytester.path / "data")
    result = pytester.runpytest("--doctor", "data", "--doctor-select", "missing-values", "--doctor-fail-on", bound)
    assert result.parseoutcomes() == outcomes
    result.stdout.fnmatch_lines(["doctor: data: * × warning*"])  # told, whether or not it fails


def test_the_settings_of_pytest_say_the_same(pytester: pytest.Pytester, data: Path) -> None:
    pytester.makeini(
        "[pytest]\ndoctor_paths = data\ndoctor_select = split-duplicates\ndoctor_fail_on = never\n"
        "doctor_report = found.json\n"
    )
    pytester.makepyfile(test_own="def test_own(): pass")
    assert pytester.runpytest("test_own.py").parseoutcomes() == {"passed": 1}
    assert pytester.runpytest("test_own.py", "--doctor").parseoutcomes() == {"passed": 3}
    assert json.loads((pytester.path / "found.json").read_text("utf-8"))["findings"]
    result = pytester.runpytest("test_own.py", "--doctor", "--doctor-fail-on", "error")
    assert result.parseoutcomes() == {"failed": 1, "passed": 2}


@pytest.mark.parametrize(("name", "start"), [("a.json", "{"), ("a.html", "<!"), ("a.txt", "data: ")])
def test_the_suffix_says_the_format_of_the_report(pytester: pytest.Pytester, data: Path, name: str, start: str) -> None:
    result = pytester.runpytest("--doctor", "data", *ONLY, "--doctor-report", name)
    written = (pytester.path / name).read_text("utf-8")
    assert written.lower().startswith(start)
    assert COPIES in written
    result.stdout.fnmatch_lines([f"doctor: data: 1 × error; report written to *{name}"])
    assert [path.name for path in pytester.path.iterdir() if path.name.startswith(".a")] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--doctor", "nowhere"], "doctor: nowhere: there is no such file or folder"),
        (["--doctor", "notes.md"], "doctor: notes.md: not a table that can be read; known are *"),
        (["--doctor"], "doctor: --doctor names no path, and there is no doctor_paths in the settings of pytest"),
        (["--doctor", "data", "--doctor-select", "split-duplicate"], "*did you mean 'leakage/split-duplicates'?"),
        (["--doctor", "data", "--doctor-fail-on", "rain"], "doctor: fail-on: 'rain' is none of error, warning, *"),
        (["--doctor", "data", "--doctor-report", "a.doc"], "doctor: *a.doc: no format goes with the suffix '.doc'*"),
        (["--doctor", "data", "--doctor-report", "no/a.json"], "doctor: *no: there is no such folder to write *"),
        (["--doctor-select", "quality"], "--doctor-select says nothing without --doctor PATH"),
        (["--doctor-report", "a.json"], "--doctor-report says nothing without --doctor PATH"),
    ],
)
def test_wrong_use_is_one_line(pytester: pytest.Pytester, data: Path, arguments: list[str], said: str) -> None:
    (pytester.path / "notes.md").touch()
    result = pytester.runpytest(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = filter(None, result.stderr.lines)
    result.stderr.fnmatch_lines([f"ERROR: {said}"])
    assert line.startswith("ERROR: ")


@pytest.mark.parametrize("distributed", [(), ("-n", "2")])
def test_a_column_that_is_not_there_ends_the_session_in_one_line(run: Run, data: Path, distributed: tuple[str]) -> None:
    (data / "doctor.toml").write_text('target = "nix"\n', "utf-8")
    result = run("--doctor", "data", *distributed)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = filter(None, result.stderr.lines)
    assert line.startswith("ERROR: doctor: data: there is no column 'nix'; it has: ")


def test_without_the_plugin_nothing_is_left_of_it(run: Run, data: Path) -> None:
    result = run("--doctor", "data", "-p", "no:doctor")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*unrecognized arguments: --doctor*"])


def test_workers_are_sent_what_was_found_and_examine_nothing(
    run: Run, pytester: pytest.Pytester, spying: Callable[..., dict[str, str]]
) -> None:
    pytester.makepyfile(test_own="import pytest\n@pytest.mark.parametrize('n', range(6))\ndef test_own(n): pass")
    arguments = ("test_own.py", "--doctor", "data", "-n", "2", "--doctor-report", "a.json")
    result = run(*arguments, **spying())
    assert (pytester.path / "looked").read_text() == "once "
    outcomes = result.parseoutcomes()
    assert outcomes["failed"] == 1
    assert outcomes["passed"] >= 6 + 3
    result.stdout.fnmatch_lines([f"error: {COPIES}", "FAILED data::leakage/split-duplicates - *"])
    assert json.loads((pytester.path / "a.json").read_text("utf-8"))["findings"]


@pytest.mark.parametrize("arguments", [("--collect-only",), ("-k", "test_own")])
def test_nothing_is_examined_where_no_check_is_run(
    run: Run, pytester: pytest.Pytester, spying: Callable[..., dict[str, str]], arguments: tuple[str]
) -> None:
    pytester.makepyfile(test_own="def test_own(): pass")
    result = run("test_own.py", "--doctor", "data", *arguments, **spying())
    assert result.ret == 0
    assert not (pytester.path / "looked").exists()
    if "--collect-only" in arguments:
        result.stdout.fnmatch_lines(["<ExaminedData data>", "  <Examined acme/spy>"])


def test_a_check_that_crashes_fails_its_test(run: Run, spying: Callable[..., dict[str, str]]) -> None:
    result = run("--doctor", "data", "--doctor-select", "spy", "--doctor-fail-on", "never", **spying("1 / 0"))
    assert result.parseoutcomes() == {"failed": 1, "passed": 1}
    result.stdout.fnmatch_lines(["the check crashed: ZeroDivisionError: division by zero (at examine, *spy.py:*"])


def test_secrets_are_masked_in_a_failure(run: Run, spying: Callable[..., dict[str, str]]) -> None:
    result = run(
        "--doctor", "data", "--doctor-select", "spy", **spying('yield CHECK.finding(words="api_key=qwertz123")')
    )
    result.stdout.fnmatch_lines(["error: api_key=*"])
    assert "qwertz123" not in result.stdout.str()


def test_a_suppressed_finding_is_an_expected_failure(pytester: pytest.Pytester, data: Path) -> None:
    with (data / "doctor.toml").open("a") as file:
        file.write('\n[[suppress]]\ncheck = "leakage/split-duplicates"\nreason = "published so"\n')
    result = pytester.runpytest("--doctor", "data", *ONLY, "-rx")
    assert result.parseoutcomes() == {"xfailed": 1, "passed": 1}
    result.stdout.fnmatch_lines(["XFAIL data::leakage/split-duplicates - ignored: published so"])


def test_what_the_baseline_accepts_is_an_expected_failure(pytester: pytest.Pytester, data: Path) -> None:
    settings = settings_for(data, {})
    with open_case([Path("data")], settings) as case:
        update = updated([], Path("doctor-baseline.toml"), examine(case, settings), case, reason="published so")
    baseline.write(update.entries, Path("doctor-baseline.toml"))
    result = pytester.runpytest("--doctor", "data", *ONLY, "-rx")
    assert result.parseoutcomes() == {"xfailed": 1, "passed": 1}
    result.stdout.fnmatch_lines(
        [
            "doctor: data: nothing new; accepted in doctor-baseline.toml: 1",
            "XFAIL data::leakage/split-duplicates - ignored: published so (accepted *",
        ]
    )
    pytester.makepyfile("def test_it(doctor_scan):\n    doctor_scan('data').raise_for_errors()")
    assert pytester.runpytest().parseoutcomes() == {"passed": 1}


def test_a_file_that_cannot_be_read_fails_a_test(pytester: pytest.Pytester, data: Path) -> None:
    (data / "bad.parquet").write_bytes(b"PAR1 this is none")
    result = pytester.runpytest("--doctor", "data", "--doctor-select", "missing-values", "-v")
    result.stdout.fnmatch_lines(["data::everything-can-be-read FAILED*", "cannot read data/bad.parquet: *"])


def test_junit_xml_names_the_checks(pytester: pytest.Pytester, data: Path) -> None:
    pytester.runpytest("--doctor", "data", *ONLY, "--junitxml", "a.xml")
    cases = {case.get("name"): case for case in ElementTree.parse(pytester.path / "a.xml").iter("testcase")}
    failure = cases["leakage/split-duplicates"].find("failure")
    assert failure is not None
    assert COPIES in (failure.get("message") or "")
    assert cases["leakage/split-duplicates"].get("classname") == "data"


def test_the_folder_in_which_pytest_runs_may_be_the_data(pytester: pytest.Pytester, data: Path) -> None:
    for path in data.iterdir():
        path.rename(pytester.path / path.name)
    result = pytester.runpytest("--doctor", ".", *ONLY, "-v")
    result.stdout.fnmatch_lines(["*::leakage/split-duplicates FAILED*"])
    result = pytester.runpytest("--doctor", str(SICK), *ONLY, "-v")  # which lies elsewhere
    result.stdout.fnmatch_lines([f"*{SICK.parent.name}/{SICK.name}::leakage/split-duplicates FAILED*"])


def test_what_failed_last_is_run_again_alone(pytester: pytest.Pytester, data: Path) -> None:
    assert pytester.runpytest("--doctor", "data").ret == 1
    result = pytester.runpytest("--doctor", "data", "--lf", "-v")
    assert result.parseoutcomes()["failed"] == 1
    assert "passed" not in result.parseoutcomes()


def test_doctor_scan_examines_and_the_marker_selects_and_allows(pytester: pytest.Pytester, data: Path) -> None:
    pytester.makepyfile(
        """
        import pytest

        def test_plain(doctor_scan):
            report = doctor_scan("data")
            assert [finding.check for finding in report.findings] == ["leakage/split-duplicates"]
            report.raise_for_errors()

        @pytest.mark.doctor(select="quality")
        def test_selected(doctor_scan):
            assert {e.check.partition("/")[0] for e in doctor_scan("data").examinations} == {"quality"}

        @pytest.mark.doctor(select=["leakage"], allow={"split-duplicates": "published so"})
        def test_allowed(doctor_scan):
            report = doctor_scan("data", target="cultivar")
            report.raise_for_errors()
            assert report.findings[0].suppressed == "published so"

        @pytest.mark.doctor(allow="leakage")
        class TestThem:
            def test_of_a_class(self, doctor_scan):
                assert doctor_scan("data").findings[0].suppressed == "allowed by test_of_a_class"
        """
    )
    result = pytester.runpytest()
    assert result.parseoutcomes() == {"failed": 1, "passed": 3}
    result.stdout.fnmatch_lines(["E *NotHealthy: data is not healthy:", f"E *{COPIES} (leakage/split-duplicates)"])


@pytest.mark.parametrize(
    ("marker", "call", "said"),
    [
        ("", "doctor_scan('nowhere')", "doctor_scan: nowhere: there is no such file or folder"),
        ("", "doctor_scan('data', targe='y')", "doctor_scan: scan() has no option 'targe'; known: *annotators, *"),
        ("", "doctor_scan('data', target='nix')", "doctor_scan: data: there is no column 'nix'; it has: *"),
        ("select='split-duplicate'", "doctor_scan('data')", "doctor_scan: no check is called 'split-duplicate'; *"),
        ("allow='split-duplicate'", "doctor_scan('data')", "doctor_scan: no check is called 'split-duplicate'; *"),
        ("permit='leakage'", "doctor_scan('data')", "@pytest.mark.doctor: 'permit' is none of select, allow"),
        ("'leakage'", "doctor_scan('data')", "@pytest.mark.doctor: an argument without a name is none of *"),
    ],
)
def test_wrong_use_of_a_fixture_is_one_line(
    pytester: pytest.Pytester, data: Path, marker: str, call: str, said: str
) -> None:
    pytester.makepyfile(f"import pytest\n@pytest.mark.doctor({marker})\ndef test_it(doctor_scan):\n    {call}\n")
    result = pytester.runpytest()
    result.stdout.fnmatch_lines([f"E  *UsageError: {said}"])
    assert "assertions.py" not in result.stdout.str() or "permit" in marker or marker == "'leakage'"


def test_doctor_deterministic_compares_two_builds(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        building="""
        import random

        def steady():
            return [1, 2, 3]

        def shaky():
            return [1, random.random()]

        def broken():
            raise OSError("disk on fire")
        """,
        test_building="""
        import building

        def own():
            return "abc"

        def test_steady(doctor_deterministic):
            assert not doctor_deterministic(building.steady).findings
            doctor_deterministic("building:steady")
            doctor_deterministic(own)

        def test_shaky(doctor_deterministic):
            doctor_deterministic(building.shaky)

        def test_broken(doctor_deterministic):
            doctor_deterministic(building.broken)

        def test_inner(doctor_deterministic):
            doctor_deterministic(lambda: [1])
        """,
    )
    result = run()
    assert result.parseoutcomes() == {"failed": 3, "passed": 1}
    result.stdout.fnmatch_lines(
        [
            "error: built twice, 1 of 2 items differ, the first at item 2: *",
            "cannot tell: the first build by building.py:broken failed: OSError: disk on fire *",
            "E  *UsageError: doctor_deterministic: test_inner.<locals>.<lambda> cannot be named to a fresh process: *",
        ]
    )


@pytest.mark.slow
def test_doctor_watch_fails_a_sick_training_with_its_diagnosis(run: Run, pytester: pytest.Pytester) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    pytester.makepyfile(
        """
        import pytest
        import torch
        from torch import nn

        def train(rate, steps=30):
            torch.manual_seed(0)
            model = nn.Linear(4, 1)
            optimizer = torch.optim.SGD(model.parameters(), lr=rate)
            features = torch.randn(64, 4)
            for _ in range(steps):
                optimizer.zero_grad()
                nn.functional.mse_loss(model(features), features.sum(1, keepdim=True)).backward()
                optimizer.step()

        def test_healthy(doctor_watch):
            with doctor_watch() as run:
                train(0.05)
            assert run.report.findings == []

        def test_sick(doctor_watch):
            with doctor_watch():
                train(1e6)

        @pytest.mark.doctor(allow={"numerics": "a test of the alarm", "learning": "the same"})
        def test_allowed(doctor_watch):
            with doctor_watch():
                train(1e6)

        def test_broken(doctor_watch):
            with doctor_watch():
                train(0.05)
                raise ValueError("no more data")

        def test_idle(doctor_watch):
            with doctor_watch():
                pass

        def test_wrong(doctor_watch):
            with doctor_watch(fail_on="rain"):
                train(0.05)
        """
    )
    result = run("-v", OMP_NUM_THREADS="1")
    result.stdout.fnmatch_lines(
        [
            "test_*::test_healthy PASSED*",
            "test_*::test_sick FAILED*",
            "test_*::test_allowed PASSED*",
            "test_*::test_broken FAILED*",
            "test_*::test_idle FAILED*",
            "test_*::test_wrong FAILED*",
            "* the loss became *",
            "This run is ill: *",
            "The whole report: *report.html",
            "E  *ValueError: no more data",
            "E  * the run ended with ValueError *",
            "cannot tell: no training step was seen inside doctor_watch",
            "E  *UsageError: doctor_watch: fail-on: 'rain' is none of error, warning, info, never",
        ]
    )
    assert not (pytester.path / ".doctor").exists()


def test_unused_it_imports_nothing_dear() -> None:
    code = (
        "import sys, pytest; before = set(sys.modules); import doctor.pytest_plugin;"
        " print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["doctor", "doctor.pytest_plugin", "doctor.version"]


def test_a_run_without_it_asked_for_loads_nothing_of_it(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import sys\ndef test_own():\n"
        "    ours = {name for name in sys.modules if name.partition('.')[0].startswith('doctor')}\n"
        "    assert ours == {'doctor', 'doctor.pytest_plugin', 'doctor.version'}\n"
        "    assert not {'duckdb', 'numpy', 'msgspec', 'torch'} & set(sys.modules)\n"
    )
    assert run().parseoutcomes() == {"passed": 1}
