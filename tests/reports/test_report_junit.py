"""The report as JUnit XML, read by a parser of others."""

import msgspec
import pytest
from hostile_examples import NASTY, report_of, texts
from hypothesis import example, given, settings
from junitparser import Error, Failure, JUnitXml, Skipped, TestCase
from report_examples import examination, finding, healthy, make_report, sick

from doctor.model import Location, Outcome, Report, Severity
from doctor_reports.junit import render


def parsed(report: Report) -> JUnitXml:
    return JUnitXml.fromstring(render(report).encode("utf-8"))


def cases(report: Report) -> dict[str, TestCase]:
    found = {case.name: case for suite in parsed(report) for case in suite}
    assert len(found) == sum(len(list(suite)) for suite in parsed(report))
    return found


def failing_on(report: Report, fail_on: str) -> Report:
    return msgspec.structs.replace(report, doctor=msgspec.structs.replace(report.doctor, fail_on=fail_on))


def kinds(case: TestCase) -> list[type]:
    return [type(result) for result in case.result]


def test_there_is_a_suite_per_family_and_a_case_per_check() -> None:
    suites = {suite.name: [case.name for case in suite] for suite in parsed(sick())}
    assert suites["quality"] == ["quality/constant", "quality/missing-values", "quality/redundant-columns"]
    assert set(suites) == {"drift", "duplicates", "labels", "leakage", "quality", "reproducibility", "reading"}


def test_each_outcome_has_its_result() -> None:
    found = cases(sick())
    assert kinds(found["leakage/label-leakage"]) == [Failure]
    assert kinds(found["leakage/id-like"]) == []
    assert kinds(found["labels/no-signal"]) == [Skipped]
    assert found["labels/no-signal"].result[0].message == "not applicable: no target is known"
    assert kinds(found["drift/label-drift"]) == [Skipped]
    assert kinds(found["quality/redundant-columns"]) == [Error]
    assert kinds(found["quality/constant"]) == [Skipped]
    assert kinds(found["notes.csv"]) == [Error]


@pytest.mark.parametrize(
    ("fail_on", "failures"), [("error", 2), ("warning", 6), ("info", 7), ("never", 0)], ids=lambda value: str(value)
)
def test_findings_at_or_above_fail_on_are_failures(fail_on: str, failures: int) -> None:
    xml = parsed(failing_on(sick(), fail_on))
    assert (xml.failures, xml.errors, xml.tests) == (failures, 2, len(sick().examinations) + 1)


def test_what_does_not_fail_is_told_all_the_same() -> None:
    case = cases(sick())["quality/missing-values"]
    assert "warning: body: 90.8% missing (allowed: 30%) (at titanic3.csv" in (case.system_out or "")
    assert "[ignored: one ship only, on purpose]" in (cases(sick())["quality/constant"].system_out or "")


def test_a_healthy_visit_has_cases_and_no_failure() -> None:
    xml = parsed(healthy())
    assert (xml.tests, xml.failures, xml.errors, xml.skipped) == (3, 0, 0, 0)


def test_findings_go_to_the_case_of_their_table() -> None:
    at = Location(path="b.csv", columns=("x",))
    examinations = [
        msgspec.structs.replace(examination("a/b", outcome), subject=subject)
        for subject, outcome in (("a.csv", Outcome.HEALTHY), ("b.csv", Outcome.FOUND))
    ]
    found = cases(make_report([finding("a/b", Severity.ERROR, "m", at)], examinations))
    assert {name: kinds(case) for name, case in found.items()} == {"a/b [a.csv]": [], "a/b [b.csv]": [Failure]}


def test_a_finding_without_an_examination_is_not_lost() -> None:
    report = make_report([finding("a/b", Severity.ERROR, "m", Location(path="t.csv"))], [])
    assert kinds(cases(report)["a/b"]) == [Failure]


@settings(max_examples=60, deadline=None)
@given(texts)
@example("\ufffe\x00")
def test_any_text_gives_valid_xml(text: str) -> None:
    assert parsed(report_of(text)).tests == 5


@pytest.mark.parametrize("text", [text for text in NASTY if len(text) < 100])
def test_a_message_comes_back_as_it_was_or_spelled_out(text: str) -> None:
    failure = next(case for case in cases(report_of(text)).values() if Failure in kinds(case)).result[0]
    if text.isascii() and text.isprintable() and text:
        assert failure.message == text
    assert "\n" not in (failure.message or "")
