"""Findings that share a cause are one story: what leads to what, where, and in what order."""

from doctor.diagnosis import join
from doctor.model import Check, Finding, Location, Severity
from doctor.registry import LoadedCheck


def check(id: str, *leads_to: str, spreads_to: tuple[str, ...] = ()) -> LoadedCheck:
    declared = Check(id, Severity.WARNING, "{column}", leads_to=leads_to, spreads_to=spreads_to)
    return LoadedCheck(check=declared, examine=lambda: (), manual="", evidence=(), thresholds={})


def found(check: LoadedCheck, *columns: str, severity: Severity | None = None, **place: object) -> Finding:
    return check.check.finding(at=Location(columns=columns, **{"path": "t.csv", **place}), severity=severity)


def stories(findings: list[Finding], *checks: LoadedCheck) -> list[tuple[list[str], list[str]]]:
    names = {one.fingerprint: f"{one.check} {one.at.column}".strip() for one in findings}
    return [
        ([names[mark] for mark in one.because], [names[mark] for mark in one.consequences])
        for one in join(findings, checks)
    ]


COPY, LEAK, GROUP, TWICE = check("copy", "leak"), check("leak"), check("group", spreads_to=("twice",)), check("twice")


def test_a_finding_follows_from_a_cause_in_the_same_column_alone() -> None:
    findings = [found(COPY, "a"), found(LEAK, "a"), found(LEAK, "b")]
    assert stories(findings, COPY, LEAK) == [(["copy a"], ["leak a"]), (["leak b"], [])]


def test_a_cause_of_several_columns_is_about_each_of_them() -> None:
    findings = [found(COPY, "a", "b"), found(LEAK, "b")]
    assert stories(findings, COPY, LEAK) == [(["copy a, b"], ["leak b"])]


def test_two_columns_with_consequences_of_their_own_are_two_causes() -> None:
    findings = [found(COPY, "a"), found(COPY, "b"), found(LEAK, "a"), found(LEAK, "b")]
    assert stories(findings, COPY, LEAK) == [(["copy a"], ["leak a"]), (["copy b"], ["leak b"])]


def test_columns_without_consequences_are_one_cause() -> None:
    assert stories([found(COPY, "a"), found(COPY, "b")], COPY, LEAK) == [(["copy a", "copy b"], [])]


def test_what_spreads_is_found_in_whatever_column() -> None:
    findings = [found(GROUP, "patient"), found(TWICE, "a"), found(TWICE)]
    assert stories(findings, GROUP, TWICE) == [(["group patient"], ["twice a", "twice"])]


def test_nothing_follows_in_another_table() -> None:
    findings = [found(COPY, "a"), found(LEAK, "a", path="other.csv")]
    assert len(stories(findings, COPY, LEAK)) == 2


def test_a_link_that_is_not_found_is_no_hindrance() -> None:
    first, second = check("first", "copy"), COPY
    assert stories([found(first, "a"), found(LEAK, "a")], first, second, LEAK) == [(["first a"], ["leak a"])]


def test_a_remark_follows_but_causes_nothing() -> None:
    grave = [found(COPY, "a"), found(LEAK, "a", severity=Severity.INFO)]
    assert stories(grave, COPY, LEAK) == [(["copy a"], ["leak a"])]
    slight = [found(COPY, "a", severity=Severity.INFO), found(LEAK, "a")]
    assert stories(slight, COPY, LEAK) == [(["leak a"], [])]


def test_what_began_before_its_cause_does_not_follow_from_it() -> None:
    late = [found(COPY, step=9), found(LEAK, step=3)]
    assert len(stories(late, COPY, LEAK)) == 2
    assert stories([found(COPY, step=3), found(LEAK, step=9)], COPY, LEAK) == [(["copy"], ["leak"])]
