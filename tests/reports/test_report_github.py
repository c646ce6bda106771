"""The report as workflow commands of GitHub Actions, read as its runner reads them."""

import re
from dataclasses import dataclass

import msgspec
import pytest
from hostile_examples import NASTY, report_of, texts
from hypothesis import example, given, settings
from report_examples import finding, healthy, make_report, missing, sick

from doctor.model import Location, Report, Severity
from doctor_reports.github import MAX_OF_A_KIND, render


@dataclass(frozen=True)
class Command:
    name: str
    properties: dict[str, str]
    text: str


def unescaped(text: str) -> str:
    for written, sign in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(written, sign)
    return text


def commands(report: Report) -> list[Command]:
    """Read a step's output by the rules of actions/runner, ActionCommand.TryParseV2."""
    found = []
    for line in re.split(r"\r\n|\r|\n", render(report)):
        if not line.lstrip().startswith("::"):
            assert "##[" not in line
            continue
        head, _, text = line.lstrip()[2:].partition("::")
        name, _, listed = head.partition(" ")
        pairs = [pair.partition("=")[::2] for pair in listed.split(",")]
        found.append(Command(name, {key: unescaped(value) for key, value in pairs}, unescaped(text)))
    return found


def test_a_finding_stands_at_its_file_and_line() -> None:
    at = Location(path="forms", file="forms/train.csv", file_line=9, rows=(8,))
    (command,) = commands(make_report([finding("a/b", Severity.ERROR, "50% of a: b, c", at)], []))
    assert command == Command(
        "error", {"file": "forms/train.csv", "line": "9", "title": "a/b"}, "50% of a: b, c (at row 8)"
    )


def test_severities_have_their_commands_and_troubles_are_errors() -> None:
    found = commands(sick())
    assert [command.name for command in found].count("error") == 4
    assert found[0] == Command(
        "error",
        {"file": "notes.csv", "line": "3", "title": "doctor"},
        "cannot read it: not UTF-8: byte 0xff at offset 12",
    )
    assert {command.name for command in found} == {"error", "warning", "notice"}
    assert "ship has one value only" not in render(sick())


def test_github_is_not_given_more_than_it_shows() -> None:
    report = make_report([missing(f"c{number}", 0.5) for number in range(25)], [])
    assert len(commands(report)) == MAX_OF_A_KIND
    assert "15 more annotations left out" in render(report)


def test_a_healthy_visit_annotates_nothing() -> None:
    assert commands(healthy()) == []
    assert render(healthy()).startswith("doctor: Healthy")


def test_a_file_elsewhere_is_named_in_words() -> None:
    (command,) = commands(make_report([finding("a/b", Severity.ERROR, "m", Location(path="/data/t.csv"))], []))
    assert "file" not in command.properties
    assert command.text == "/data/t.csv: m"


@settings(max_examples=100, deadline=None)
@given(texts)
@example("\n::error::owned")
@example("\u2028::error::owned")
@example("\x85##[error]owned")
def test_no_text_becomes_a_command_of_its_own(text: str) -> None:
    found = commands(report_of(text))
    assert len(found) == 5
    assert {command.name for command in found} <= {"error", "warning", "notice"}
    assert all(set(command.properties) <= {"file", "line", "title"} for command in found)


@pytest.mark.parametrize("text", [text for text in NASTY if text and text.isascii() and text.isprintable()])
def test_a_message_comes_back_as_it_was(text: str) -> None:
    report = make_report([msgspec.structs.replace(missing("a", 0.5), message=text, repair=None)], [])
    if len(text) < 4000:
        assert commands(report)[0].text == text
