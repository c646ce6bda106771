"""The engine, seen from outside: third-party checks are installed and a folder is scanned."""

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Doctor, Install

Scan = Callable[..., dict[str, Any]]

IMPORTS = """\
from pathlib import Path
from typing import ClassVar

from msgspec import Struct

from doctor.errors import NotApplicable, Unavailable
from doctor.evidence.profile import Profile
from doctor.model import Check, Finding, Location, Severity
from doctor.subjects.table import Table
"""


def check(name: str, body: str, signature: str = "table: Table", before: str = "") -> str:
    """Write the source of a check `acme/NAME`."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return (
        f'"""{name}."""\n{IMPORTS}\n{before}\n'
        f'CHECK = Check("acme/{name}", Severity.WARNING, "{name} of {{column}}")\n\n'
        f"def examine({signature}):\n{lines}\n"
    )


FOUND = 'yield CHECK.finding(at=Location(columns=("height",)))'
BROKEN = 'raise ZeroDivisionError("no rows at all")'


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    rows = [f"{150 + 7 * i % 41},{50 + 11 * i % 37},{'ab'[i % 2]}" for i in range(60)]
    (folder / "people.csv").write_text("\n".join(["height,weight,label", *rows]) + "\n", "utf-8")
    return folder


def outcomes(report: dict[str, Any]) -> dict[str, str]:
    return {examination["check"]: examination["outcome"] for examination in report["examinations"]}


def reasons(report: dict[str, Any]) -> dict[str, str]:
    return {examination["check"]: examination.get("reason", "") for examination in report["examinations"]}


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if "seconds" not in key}
    return [without_times(item) for item in value] if isinstance(value, list) else value


def test_every_examination_ends_in_one_of_six_outcomes(data: Path, install: Install, scan: Scan) -> None:
    there = install(
        "acme",
        {
            "healthy": check("healthy", "return iter(())"),
            "found": check("found", FOUND),
            "not_applicable": check("not-applicable", 'yield CHECK.not_applicable("there is no second split")'),
            "unavailable": check("unavailable", 'yield CHECK.unavailable("60 rows are too few")'),
            "ignored": check("ignored", FOUND),
            "crashed": check("crashed", BROKEN),
        },
    )
    suppression = '[[suppress]]\ncheck = "acme/ignored"\nreason = "known since March"\n'
    (data / "doctor.toml").write_text(suppression, "utf-8")
    report = scan(data, "--select", "acme", status=3, **there)
    assert outcomes(report) == {
        "acme/crashed": "crashed",
        "acme/found": "found",
        "acme/healthy": "healthy",
        "acme/ignored": "ignored",
        "acme/not-applicable": "not applicable",
        "acme/unavailable": "unavailable",
    }
    assert report["coverage"]["outcomes"] == dict.fromkeys(
        ["healthy", "found", "not applicable", "unavailable", "ignored", "crashed"], 1
    )
    assert reasons(report)["acme/ignored"] == "known since March"
    assert reasons(report)["acme/unavailable"] == "60 rows are too few"


def test_a_crashing_check_is_contained_and_named(data: Path, install: Install, doctor: Doctor) -> None:
    there = install("acme", {"broken": check("broken", BROKEN), "found": check("found", FOUND)})
    done = doctor("scan", data, "--select", "acme", **there)
    assert done.returncode == 3
    assert "found of height" in done.stdout
    told = " ".join(done.stdout.split())
    assert re.search(r"acme/broken crashed: ZeroDivisionError: no rows at all \(at examine, .*broken\.py:\d+\)", told)
    assert "Traceback" not in done.stdout + done.stderr


def test_a_crash_while_measuring_touches_only_the_checks_that_need_the_measure(
    data: Path, install: Install, scan: Scan
) -> None:
    before = f"class Sheet(Struct):\n    @classmethod\n    def measure(cls, table: Table):\n        {BROKEN}\n"
    there = install(
        "acme",
        {"needs": check("needs", FOUND, "sheet: Sheet", before), "found": check("found", FOUND)},
    )
    report = scan(data, "--select", "acme", status=3, **there)
    assert outcomes(report) == {"acme/found": "found", "acme/needs": "crashed"}
    assert "at measure" in reasons(report)["acme/needs"]


def test_a_measure_that_gives_no_verdict_says_why(data: Path, install: Install, scan: Scan) -> None:
    before = (
        'class Sheet(Struct):\n    @classmethod\n    def measure(cls, table: Table):\n        raise {}("no clock")\n'
    )
    there = install(
        "acme",
        {
            "closed": check("closed", FOUND, "sheet: Sheet", before.format("Unavailable")),
            "pointless": check("pointless", FOUND, "sheet: Sheet", before.format("NotApplicable")),
        },
    )
    report = scan(data, "--select", "acme", **there)
    assert outcomes(report) == {"acme/closed": "unavailable", "acme/pointless": "not applicable"}
    assert reasons(report) == {"acme/closed": "no clock", "acme/pointless": "no clock"}


def test_evidence_is_measured_once_however_many_checks_ask(data: Path, install: Install, scan: Scan) -> None:
    sheet = (
        f"{IMPORTS}\nclass Sheet(Struct):\n    @classmethod\n    def measure(cls, table: Table):\n"
        f"        with Path({str(data.parent / 'log')!r}).open('a') as log:\n            log.write('measured ')\n"
        "        return cls()\n"
    )
    asking = "from acme.sheet import Sheet"
    there = install(
        "acme",
        {
            "sheet": sheet,
            "first": check("first", FOUND, "sheet: Sheet", asking),
            "second": check("second", FOUND, "sheet: Sheet, table: Table", asking),
        },
    )
    scan(data, "--select", "acme", **there)
    assert (data.parent / "log").read_text() == "measured "


def test_a_family_of_findings_over_most_columns_is_told_once(data: Path, install: Install, scan: Scan) -> None:
    names = [f"c{i}" for i in range(8)]
    (data / "people.csv").write_text(",".join(names) + "\n" + ",".join("1" * 8) + "\n" + ",".join("2" * 8) + "\n")
    body = "for column in profile.columns[:{}]:\n    yield CHECK.finding(at=Location(columns=(column.name,)))"
    there = install(
        "acme",
        {
            "most": check("most", body.format(6), "profile: Profile"),
            "half": check("half", body.format(4), "profile: Profile"),
        },
    )
    report = scan(data, "--select", "acme", **there)
    found = Counter(finding["check"] for finding in report["findings"])
    assert found == {"acme/most": 1, "acme/half": 4}
    (most,) = (finding for finding in report["findings"] if finding["check"] == "acme/most")
    assert most["at"]["columns"] == names[:6]
    assert most["evidence"]["columns"] == 6


THRESHOLDS = "table: Table, *, max_share: float = 0.5, min_rows: int = 10"
JUDGE = 'yield CHECK.finding(at=Location(columns=("height",)), max_share=max_share, min_rows=min_rows)'


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], {"max_share": 0.5, "min_rows": 10}),
        (["--set", "acme/judge.max_share=0.25"], {"max_share": 0.25, "min_rows": 10}),
        (["--set", "acme/judge.max-share=1", "--set", "acme/judge.min_rows=7"], {"max_share": 1.0, "min_rows": 7}),
    ],
)
def test_a_threshold_is_set_by_name(
    given: list[str], expected: dict[str, Any], data: Path, install: Install, scan: Scan
) -> None:
    report = scan(data, "--select", "acme", *given, **install("acme", {"judge": check("judge", JUDGE, THRESHOLDS)}))
    assert report["findings"][0]["evidence"] == expected


def test_the_command_line_wins_over_the_settings_file(data: Path, install: Install, scan: Scan) -> None:
    (data / "doctor.toml").write_text('[set."acme/judge"]\nmax-share = 0.1\nmin_rows = 3\n', "utf-8")
    there = install("acme", {"judge": check("judge", JUDGE, THRESHOLDS)})
    report = scan(data, "--select", "acme", "--set", "acme/judge.max_share=0.9", **there)
    assert report["findings"][0]["evidence"] == {"max_share": 0.9, "min_rows": 3}


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--set", "acme/judge.max_rows=1", "acme/judge has no threshold 'max_rows'; it has: max_share, min_rows"),
        ("--set", "acme/judge.max_share=lots", "acme/judge.max_share: 'lots' is not of type float"),
        ("--set", "acme/judge.min_rows=2.5", "acme/judge.min_rows: '2.5' is not of type int"),
        ("--set", "acme/jugde.max_share=1", "no check is called 'acme/jugde'"),
        ("--set", "max_share=1", "--set 'max_share=1' is not of the form CHECK.THRESHOLD=VALUE"),
        ("--set", "acme/judge.max_share", "is not of the form CHECK.THRESHOLD=VALUE"),
        ("--select", "jugde", "no check is called 'jugde'; 'doctor list' shows them all; did you mean 'acme/judge'?"),
        ("--ignore", "nothing", "no check is called 'nothing'"),
        ("--fail-on", "doom", "'doom' is not one of"),
        ("--format", "pdf", "there is no report format 'pdf'; known: github, gitlab, html, json, junit, markdown"),
        ("--budget", "-1", "-1"),
        ("--sample-rows", "3", "sample-rows: 3 is less than 100"),
    ],
)
def test_a_wrong_option_ends_in_one_line_and_status_2(
    option: str, value: str, said: str, data: Path, install: Install, doctor: Doctor
) -> None:
    there = install("acme", {"judge": check("judge", JUDGE, THRESHOLDS)})
    done = doctor("scan", data, option, value, **there)
    assert done.returncode == 2
    assert done.stdout == ""
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("given", "run"),
    [
        (["--select", "acme"], {"acme/one", "acme/two"}),
        (["--select", "acme/one"], {"acme/one"}),
        (["--select", "two"], {"acme/two"}),
        (["--select", "acme", "--ignore", "one"], {"acme/two"}),
        (["--select", "one", "--select", "two"], {"acme/one", "acme/two"}),
    ],
)
def test_checks_are_chosen_by_id_family_and_name(
    given: list[str], run: set[str], data: Path, install: Install, scan: Scan
) -> None:
    there = install("acme", {"one": check("one", FOUND), "two": check("two", FOUND)})
    assert set(outcomes(scan(data, *given, **there))) == run


def test_a_spent_budget_skips_measures_and_says_which(data: Path, install: Install, scan: Scan) -> None:
    there = install("acme", {"cheap": check("cheap", FOUND), "needs": check("needs", FOUND, "profile: Profile")})
    report = scan(data, "--select", "acme", "--budget", "0", **there)
    assert outcomes(report) == {"acme/cheap": "found", "acme/needs": "unavailable"}
    assert reasons(report)["acme/needs"] == "Profile was not measured: the time budget was spent"
    assert report["coverage"]["skipped"]["Profile"] == "the time budget was spent"


def test_all_built_in_checks_stand_back_when_there_is_no_time(data: Path, scan: Scan) -> None:
    report = scan(data, "--target", "label", "--budget", "0")
    assert report["coverage"]["outcomes"]["crashed"] == 0
    assert report["coverage"]["skipped"]


SLOW = (
    "class Slow(Struct):\n    @classmethod\n    def measure(cls, table: Table):\n"
    '        table.ask("SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b")\n'
    "        return cls()\n"
)


def test_a_running_statement_is_stopped_when_the_budget_is_spent(data: Path, install: Install, scan: Scan) -> None:
    there = install(
        "acme",
        {"slow": check("slow", FOUND, "slow: Slow", SLOW), "found": check("found", FOUND)},
    )
    report = scan(data, "--select", "acme", "--budget", "0.5", **there)
    assert outcomes(report) == {"acme/found": "found", "acme/slow": "unavailable"}
    assert report["coverage"]["skipped"]["Slow"] == "the time budget was spent"


def test_the_dearest_measures_come_last(data: Path, install: Install, scan: Scan) -> None:
    log = data.parent / "log"
    sheet = (
        "class Sheet(Struct):\n    COST: ClassVar[int] = {cost}\n\n    @classmethod\n"
        "    def measure(cls, table: Table):\n"
        f"        with Path({str(log)!r}).open('a') as log:\n            log.write('{{name}} ')\n"
        "        return cls()\n"
    )
    there = install(
        "acme",
        {
            name: check(name, FOUND, "sheet: Sheet", sheet.format(cost=cost, name=name))
            for name, cost in {"a": 100, "b": 1, "c": 10}.items()
        },
    )
    scan(data, "--select", "acme", **there)
    assert log.read_text() == "b c a "


def test_the_same_seed_gives_the_same_report(data: Path, doctor: Doctor) -> None:
    reports = [
        doctor("scan", data, "--target", "label", "--format", "json", "--sample-seed", "3", PYTHONHASHSEED=seed).stdout
        for seed in ("1", "2")
    ]
    first, second = (without_times(json.loads(report)) for report in reports)
    assert first["doctor"]["sample_seed"] == 3
    assert first == second


def test_two_checks_with_one_id_are_an_error(data: Path, install: Install, doctor: Doctor) -> None:
    there = install("acme", {"one": check("same", FOUND), "two": check("same", FOUND)})
    done = doctor("scan", data, **there)
    assert done.returncode == 3
    assert done.stderr == "doctor: two checks are called acme/same: acme.one and acme.two\n"


def test_no_check_at_all_is_an_error(data: Path, tmp_path: Path, doctor: Doctor) -> None:
    metadata = tmp_path / "broken" / "training_doctor-0.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: training-doctor\nVersion: 0.0\n", "utf-8")
    (metadata / "entry_points.txt").write_text("[doctor.reports]\ntext = doctor_reports.text\n", "utf-8")
    done = doctor("scan", data, PYTHONPATH=str(metadata.parent))
    assert done.returncode == 3
    assert done.stderr == "doctor: no check is installed: the entry-point group 'doctor.checks' is empty\n"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import nowhere_to_be_found", "checks of acme: acme.bad does not load: ModuleNotFoundError"),
        ("1 +", "checks of acme: acme.bad does not load: SyntaxError"),
        (check("bad", FOUND, "table"), "acme.bad is no check: examine gives no type for table"),
        (check("bad", FOUND).replace("def examine", "def inspect"), "acme.bad is no check: "),
        (check("bad", FOUND, "table: Tabel"), "acme.bad "),
    ],
    ids=["missing import", "syntax", "untyped", "no examine", "unknown type"],
)
def test_a_check_that_does_not_load_is_named(
    source: str, said: str, data: Path, install: Install, doctor: Doctor
) -> None:
    done = doctor("scan", data, **install("acme", {"bad": source}))
    assert done.returncode == 3
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
