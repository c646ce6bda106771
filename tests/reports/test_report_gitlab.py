"""The report as GitLab's Code Quality JSON."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hostile_examples import report_of, texts
from hypothesis import given, settings
from report_examples import healthy, make_report, sick

from doctor.model import Report
from doctor_reports.gitlab import render

SCHEMA = json.loads((Path(__file__).parent / "schemas" / "gitlab-code-quality.json").read_text("utf-8"))


def issues(report: Report) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(render(report))
    jsonschema.validate(found, SCHEMA)
    marks = [issue["fingerprint"] for issue in found]
    assert len(set(marks)) == len(marks)
    return found


def test_open_findings_and_troubles_are_issues() -> None:
    found = {(issue["check_name"], issue["severity"]) for issue in issues(sick())}
    assert ("leakage/label-leakage", "critical") in found
    assert ("quality/missing-values", "major") in found
    assert ("duplicates/duplicate-rows", "info") in found
    assert ("doctor/unreadable", "major") in found
    assert ("quality/redundant-columns", "major") in found
    assert "quality/constant" not in {check for check, _ in found}


def test_the_line_is_that_of_the_finding_else_the_first() -> None:
    lines = {issue["check_name"]: issue["location"] for issue in issues(sick())}
    assert lines["reproducibility/unseeded-code"] == {"path": "train.py", "lines": {"begin": 14}}
    assert lines["leakage/label-leakage"] == {"path": "titanic3.csv", "lines": {"begin": 1}}


def test_a_healthy_visit_is_an_empty_list() -> None:
    assert issues(healthy()) == []


def test_findings_that_share_a_fingerprint_are_all_listed() -> None:
    assert len(issues(make_report([sick().findings[0]] * 3, []))) == 3


def test_the_schema_refuses_what_gitlab_would_not_show() -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate([{**issues(sick())[0], "severity": "error"}], SCHEMA)


@settings(max_examples=60, deadline=None)
@given(texts)
def test_any_text_gives_valid_json(text: str) -> None:
    issues(report_of(text))
