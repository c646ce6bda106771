"""The report as SARIF."""

import json
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema
import msgspec
import pytest
from hostile_examples import NASTY, report_of, texts
from hypothesis import example, given, settings
from report_examples import finding, healthy, make_report, sick

from doctor.model import Location, Report, Severity, SubjectSummary, Verdict, Verification
from doctor_reports.sarif import render

SCHEMAS = Path(__file__).parent / "schemas"


@cache
def validators() -> list[Any]:
    schemas = [json.loads(path.read_text("utf-8")) for path in sorted(SCHEMAS.glob("sarif-*.json"))]
    assert len(schemas) == 2
    return [jsonschema.validators.validator_for(schema)(schema) for schema in schemas]


def run_of(report: Report) -> dict[str, Any]:
    log = json.loads(render(report))
    for validator in validators():
        validator.validate(log)
    (run,) = log["runs"]
    found: dict[str, Any] = run
    return found


def result_of(at: Location) -> dict[str, Any]:
    result: dict[str, Any] = run_of(make_report([finding("a/b", Severity.ERROR, "m", at)], []))["results"][0]
    return result


def physical(at: Location) -> dict[str, Any]:
    place: dict[str, Any] = result_of(at)["locations"][0]["physicalLocation"]
    return place


@pytest.mark.parametrize("report", [sick(), healthy(), make_report([], [])], ids=["sick", "healthy", "empty"])
def test_it_keeps_to_both_published_schemas(report: Report) -> None:
    run = run_of(report)
    assert len(run["results"]) == len(report.findings)
    assert run["columnKind"] == "unicodeCodePoints"


def test_the_schemas_refuse_what_is_no_sarif() -> None:
    log = json.loads(render(sick()))
    log["runs"][0]["results"][0]["level"] = "grave"
    for validator in validators():
        with pytest.raises(jsonschema.ValidationError):
            validator.validate(log)


@settings(max_examples=40, deadline=None)
@given(texts)
@example("\udcff")
@example("\x00\ufffe")
def test_any_text_gives_valid_sarif(text: str) -> None:
    run_of(report_of(text))


def test_levels_follow_the_severity_and_results_name_their_rule() -> None:
    run = run_of(sick())
    levels = {"error": "error", "warning": "warning", "info": "note"}
    for result, found in zip(run["results"], sick().findings, strict=True):
        assert result["level"] == levels[found.severity.value]
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == found.check


def test_the_manual_page_is_the_help_of_the_rule_and_the_family_its_tag() -> None:
    rule = next(rule for rule in run_of(sick())["tool"]["driver"]["rules"] if rule["id"] == "leakage/label-leakage")
    assert rule["shortDescription"]["text"] == "One feature predicts the label too well."
    assert rule["fullDescription"]["text"].startswith("Columns whose out-of-fold score")
    assert "Thresholds\n    max_score" in rule["help"]["text"]
    assert "## Thresholds\n\n- `max_score`: rescaled out-of-fold score" in rule["help"]["markdown"]
    assert "leakage" in rule["properties"]["tags"]


def test_a_suppressed_finding_is_marked_with_its_reason() -> None:
    results = run_of(sick())["results"]
    (marked,) = (result for result in results if "suppressions" in result)
    assert marked["suppressions"] == [
        {"kind": "external", "status": "accepted", "justification": "one ship only, on purpose"}
    ]


def test_a_row_is_anchored_at_its_line_and_code_at_its_own() -> None:
    data = physical(Location(path="forms", file="forms/train.csv", file_line=9, rows=(8,)))
    assert data == {
        "artifactLocation": {"uri": "forms/train.csv", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 9},
    }
    assert physical(Location(path="train.py", line=14))["region"] == {"startLine": 14}


def test_a_parquet_row_names_its_row_group_and_no_line() -> None:
    result = result_of(Location(path="t.parquet", file="t.parquet", row_group=2, rows=(5,)))
    assert "region" not in result["locations"][0]["physicalLocation"]
    assert result["locations"][0]["logicalLocations"] == [
        {"name": "row group 2", "fullyQualifiedName": "t.parquet/row group 2", "kind": "row group"}
    ]


def test_a_line_of_a_notebook_cell_is_not_called_a_line_of_the_file() -> None:
    result = result_of(Location(path="a.ipynb", cell=2, line=3))
    assert "region" not in result["locations"][0]["physicalLocation"]
    assert "cell 2" in result["locations"][0]["message"]["text"]


def test_paths_below_the_working_folder_are_relative_and_others_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    inside = physical(Location(path=str(tmp_path / "work" / "a b%é.csv")))["artifactLocation"]
    assert inside == {"uri": "a%20b%25%C3%A9.csv", "uriBaseId": "%SRCROOT%"}
    for path in ("../other.csv", str(tmp_path / "other.csv")):
        outside = physical(Location(path=path))["artifactLocation"]
        assert outside == {"uri": f"file://{tmp_path}/other.csv"}
    assert physical(Location(path="a:b.csv"))["artifactLocation"]["uri"] == "a%3Ab.csv"


def test_fingerprints_are_distinct_and_the_same_when_rows_and_numbers_move() -> None:
    def marks(report: Report) -> list[str]:
        return [result["partialFingerprints"]["doctor/v1"] for result in run_of(report)["results"]]

    again = [
        msgspec.structs.replace(found, message="else", at=msgspec.structs.replace(found.at, rows=(99,), file_line=100))
        for found in sick().findings
    ]
    assert marks(sick()) == marks(msgspec.structs.replace(sick(), findings=again))
    twice = make_report([sick().findings[0]] * 3, [])
    assert len(set(marks(twice))) == 3


def test_what_could_not_be_read_or_examined_is_told() -> None:
    (invocation,) = run_of(sick())["invocations"]
    assert invocation["executionSuccessful"] is False
    assert invocation["exitCode"] == 3
    notes = {note["message"]["text"].partition(":")[0]: note for note in invocation["toolExecutionNotifications"]}
    assert notes["cannot read notes.csv"]["locations"][0]["physicalLocation"]["region"] == {"startLine": 3}
    assert notes["quality/redundant-columns crashed on titanic3.csv"]["level"] == "error"
    assert notes["drift/label-drift could not tell on titanic3.csv"]["level"] == "note"
    assert len(invocation["toolConfigurationNotifications"]) == 2


@pytest.mark.parametrize(("fail_on", "status"), [("error", 0), ("warning", 1), ("never", 0)])
def test_the_exit_code_follows_fail_on(fail_on: str, status: int) -> None:
    report = make_report([finding("a/b", Severity.WARNING, "m", Location(path="t.csv"))], [])
    about = msgspec.structs.replace(report.doctor, fail_on=fail_on)
    (invocation,) = run_of(msgspec.structs.replace(report, doctor=about))["invocations"]
    assert (invocation["executionSuccessful"], invocation["exitCode"]) == (True, status)


def test_a_watched_command_has_an_exit_status_of_its_own() -> None:
    report = healthy()
    run = SubjectSummary(kind="run", path="runs/1", facts={"steps": 3})
    report = msgspec.structs.replace(report, case=msgspec.structs.replace(report.case, subjects=[run]))
    assert "exitCode" not in run_of(report)["invocations"][0]


def test_a_result_says_what_training_said_of_its_repair() -> None:
    found = sick().findings[0]
    proof = Verification(fingerprint=found.fingerprint, check=found.check, repair="r", verdict=Verdict.REFUTED)
    results = run_of(msgspec.structs.replace(sick(), verifications=[proof]))["results"]
    assert [result["properties"].get("repairVerdict") for result in results[:2]] == ["refuted", None]


def test_secrets_are_masked() -> None:
    secret = "password=hunter2secret"
    assert "hunter2" not in render(report_of(secret))


@pytest.mark.parametrize("text", NASTY)
def test_uris_lead_back_to_the_path(text: str) -> None:
    uri = run_of(report_of(text))["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri.isascii()
    assert "\n" not in unquote(uri) or "\n" in text
