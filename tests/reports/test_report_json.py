"""The report as JSON."""

import json
import math

import jsonschema
import msgspec
from report_examples import healthy_examinations, make_report, missing, sick

from doctor_reports.json import render, schema


def test_it_keeps_to_its_schema_and_its_keys() -> None:
    report = json.loads(render(sick()))
    jsonschema.validate(report, schema())
    assert report["format"] == 1
    assert set(report) >= {"doctor", "case", "findings", "diagnoses", "examinations", "coverage", "verifications"}
    assert set(report["case"]) >= {"path", "subjects", "guesses"}
    assert set(report["findings"][0]) >= {"check", "severity", "message", "at", "evidence", "repair", "fingerprint"}


def test_what_is_not_a_finite_number_is_null() -> None:
    bad = {"score": math.nan, "by": {"a": math.inf, "b": [-math.inf, 1.0]}}
    text = render(make_report([msgspec.structs.replace(missing("a", 0.5), evidence=bad, confidence=math.nan)], []))

    def refuse(word: str) -> None:
        raise AssertionError(word)

    finding = json.loads(text, parse_constant=refuse)["findings"][0]
    assert finding["evidence"] == {"score": None, "by": {"a": None, "b": [None, 1.0]}}


def test_file_names_that_are_not_unicode_are_written_all_the_same() -> None:
    finding = msgspec.structs.replace(missing("a", 0.5), message="bad\udcffname\x00")
    report = json.loads(render(make_report([finding], healthy_examinations())))
    assert report["findings"][0]["message"] == "bad\\udcffname\x00"
