"""`doctor report`: stored reports in other formats, and what changed between them."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from conftest import FIXTURES, ROOT, Doctor
from junitparser import JUnitXml

from doctor.cli import command
from doctor.errors import UsageError

SICK = FIXTURES / "quality" / "missing_values" / "sick"
HEALTHY = FIXTURES / "quality" / "missing_values" / "healthy"
ONLY = ("--select", "missing-values")
FORMATS = ("text", "json", "html", "markdown", "sarif", "junit", "github", "gitlab")


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run a verb in this process, which spares the start of an interpreter."""

    def run(*arguments: object) -> Done:
        try:
            status = command.main([*map(str, arguments)], standalone_mode=False)
        except UsageError as error:
            return Done(2, capsys.readouterr().out, f"doctor: {error}\n")
        out, err = capsys.readouterr()
        return Done(status, out, err)

    return run


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the reports of a sick and a healthy data set."""
    folder = tmp_path_factory.mktemp("reports")
    for patient in (SICK, HEALTHY):
        arguments = ["scan", str(patient), *ONLY, "--output", str(folder / f"{patient.name}.json")]
        assert command.main(arguments, standalone_mode=False) == 0
    return folder


@pytest.mark.parametrize("name", FORMATS)
def test_a_stored_report_is_what_the_scan_itself_writes(name: str, stored: Path, here: Callable[..., Done]) -> None:
    again = here("report", stored / "sick.json", "--format", name)
    assert (again.returncode, again.stderr) == (0, "")
    report = json.loads((stored / "sick.json").read_text("utf-8"))
    message = report["findings"][0]["message"]
    assert message.partition(":")[0] in again.stdout
    if name == "json":
        assert again.stdout == (stored / "sick.json").read_text("utf-8")


def test_the_json_that_is_written_keeps_to_the_schema(stored: Path, here: Callable[..., Done]) -> None:
    schema = json.loads((ROOT / "docs" / "report.schema.json").read_text("utf-8"))
    jsonschema.validate(json.loads(here("report", stored / "sick.json", "--format", "json").stdout), schema)


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("a.sarif", '{\n  "$schema"'),
        ("a.sarif.json", '{\n  "$schema"'),
        ("a.json", '{\n  "format"'),
        ("a.md", "### "),
        ("a.xml", "<?xml"),
        ("a.html", "<!doctype"),
        ("gl-code-quality-report.json", "[\n"),
        ("a.txt", ""),
    ],
)
def test_the_suffix_picks_the_format(
    name: str, start: str, stored: Path, tmp_path: Path, here: Callable[..., Done]
) -> None:
    done = here("report", stored / "sick.json", "--output", tmp_path / name)
    assert (done.returncode, done.stdout) == (0, "")
    assert (tmp_path / name).read_text("utf-8").lstrip().startswith(start)


def test_the_scan_anchors_its_finding_at_the_line_of_the_header(tmp_path: Path, here: Callable[..., Done]) -> None:
    done = here("scan", SICK, *ONLY, "--format", "sarif")
    results = json.loads(done.stdout)["runs"][0]["results"]
    for result in results:
        where = result["locations"][0]["physicalLocation"]
        column = result["locations"][0]["logicalLocations"][0]["name"]
        path = Path(where["artifactLocation"]["uri"].removeprefix("file://"))
        path = path if path.is_absolute() else ROOT / path
        assert column in path.read_text("utf-8").splitlines()[where["region"]["startLine"] - 1]


def test_a_duplicated_row_is_anchored_at_its_line(tmp_path: Path, doctor: Doctor) -> None:
    lines = ["name,note,size"]
    lines += [f'n{number},"first {number * 7919}\nsecond",{number * 31}' for number in range(300)]
    text = "\n".join([*lines, lines[150], lines[151], lines[152]]) + "\n"
    (tmp_path / "t.csv").write_text(text, "utf-8")
    done = doctor("scan", "t.csv", "--select", "duplicate-rows", "--format", "github", cwd=tmp_path)
    line = int(done.stdout.partition("line=")[2].partition(",")[0])
    row = int(done.stdout.partition("(at rows ")[2].partition(",")[0])
    assert text.split("\n")[line - 1].startswith(f"n{row - 1},")


def test_a_copy_in_a_shard_is_anchored_in_its_shard(tmp_path: Path, doctor: Doctor) -> None:
    lines = [f"n{number},{number * 7919},{number * 31}" for number in range(300)]
    for name, rows in (("part-0", lines[:150]), ("part-1", [*lines[150:], *lines[200:203]])):
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / "data" / f"{name}.csv").write_text("\n".join(["name,note,size", *rows]) + "\n", "utf-8")
    done = doctor("scan", "data", "--select", "duplicate-rows", "--format", "github", cwd=tmp_path)
    place = done.stdout.partition("file=")[2].partition(",title")[0]
    assert place in {f"data/part-1.csv,line={200 + i - 150 + 2}" for i in range(3)}


@pytest.mark.parametrize(
    ("name", "status"), [("error", 0), ("warning", 1), ("info", 1), ("never", 0)], ids=lambda value: str(value)
)
def test_the_exit_status_follows_fail_on_where_it_is_given(
    name: str, status: int, stored: Path, tmp_path: Path, here: Callable[..., Done]
) -> None:
    done = here("report", stored / "sick.json", "--fail-on", name, "--output", tmp_path / "a.xml")
    assert done.returncode == status
    failures = JUnitXml.fromfile(str(tmp_path / "a.xml")).failures
    assert bool(failures) == bool(status)


def test_an_incomplete_visit_ends_in_status_3_where_it_is_asked(
    stored: Path, tmp_path: Path, here: Callable[..., Done]
) -> None:
    report = json.loads((stored / "healthy.json").read_text("utf-8"))
    report["case"]["problems"] = [{"path": "a.csv", "reason": "broken"}]
    (tmp_path / "a.json").write_text(json.dumps(report), "utf-8")
    assert here("report", tmp_path / "a.json").returncode == 0
    assert here("report", tmp_path / "a.json", "--fail-on", "error").returncode == 3


def test_several_reports_are_compared(stored: Path, tmp_path: Path, here: Callable[..., Done]) -> None:
    gone = here("report", stored / "sick.json", stored / "healthy.json")
    assert gone.returncode == 0
    assert "\nGone\n" in gone.stdout
    new = here("report", stored / "healthy.json", stored / "sick.json", "--fail-on", "warning")
    assert new.returncode == 1
    assert "\nNew\n" in new.stdout
    page = here("report", stored / "sick.json", stored / "healthy.json", "--output", tmp_path / "a.html")
    assert page.returncode == 0
    assert "What changed" in (tmp_path / "a.html").read_text("utf-8")


def test_a_format_for_one_report_refuses_several(stored: Path, here: Callable[..., Done]) -> None:
    done = here("report", stored / "sick.json", stored / "sick.json", "--format", "sarif")
    assert done.returncode == 2
    assert done.stderr == (
        "doctor: the report format 'sarif' cannot write this; those that can: html, markdown, text\n"
    )


def test_a_run_folder_is_read_by_its_diagnosis(stored: Path, tmp_path: Path, here: Callable[..., Done]) -> None:
    (tmp_path / "diagnosis.json").write_bytes((stored / "sick.json").read_bytes())
    assert here("report", tmp_path).stdout == here("report", stored / "sick.json").stdout


def changed(**changes: Any) -> bytes:
    report = {"format": 1, "doctor": {"version": "0", "sample_seed": 0, "sample_rows": 1}, "case": {"path": "x"}}
    return json.dumps({**report, "findings": [], **changes}).encode()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "r.json: the file is empty"),
        (b" \n", "r.json: the file is empty"),
        (b'{"format": 1,\n "doc', "r.json:2: not JSON: it is cut off"),
        (b'{"format": 1,\n oops}', "r.json:2: not JSON: Expecting property name"),
        (b"\xff\xfe{}", "r.json:1: not JSON"),
        (b"[" * 100_000, "r.json: not JSON"),
        (b"[]", "r.json: no report of doctor"),
        (b'{"a": 1}', "r.json: no report of doctor"),
        (changed(format=2), "the report has format 2, and this doctor reads format 1; a newer one wrote it"),
        (changed(format="x\n\x1b"), "the report has format x\\n\\x1b, and this doctor reads format 1"),
        (changed(findings=[{"check": 3}]), "r.json: a damaged report: Expected `str`, got `int`"),
        (
            changed(findings=[{"check": "a/b", "severity": "grave", "message": ""}]),
            "a damaged report: Invalid enum value",
        ),
        (changed(case=None), "r.json: a damaged report: Expected `object`, got `null` - at `$.case`"),
    ],
    ids=lambda value: str(value)[:30] if isinstance(value, str) else "",
)
def test_what_is_no_report_is_named_in_one_line(
    content: bytes, said: str, tmp_path: Path, here: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.json").write_bytes(content)
    done = here("report", "r.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Missing argument 'FILE...'"),
        (["nowhere.json"], "nowhere.json: there is no such file"),
        (["."], ".: a folder without diagnosis.json"),
        (["nowhere.json", "--format", "pdf"], "there is no report format 'pdf'; known: github, gitlab, html"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(arguments: list[str], said: str, tmp_path: Path, doctor: Doctor) -> None:
    done = doctor("report", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_verification_without_a_measure_can_be_read_back(tmp_path: Path, here: Callable[..., Done]) -> None:
    proof = {"fingerprint": "f", "check": "a/b", "repair": "r", "verdict": "not testable", "before": [1.5, None]}
    (tmp_path / "r.json").write_bytes(changed(verifications=[proof]))
    done = here("report", tmp_path / "r.json", "--format", "json")
    assert json.loads(done.stdout)["verifications"][0]["before"] == [1.5, None]
