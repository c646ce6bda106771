"""What changed from one visit to the next."""

import re

import msgspec
import pytest
from hostile_examples import report_of, texts
from hypothesis import given, settings
from markdown_it import MarkdownIt
from report_examples import examination, finding, make_report, missing, sick

from doctor.model import Examination, Finding, Location, Outcome, Report, Severity
from doctor_reports import html, markdown, text
from doctor_reports.comparison import Kind, compare

CHECK = "quality/missing-values"
RENDERERS = {"text": text.render_changes, "markdown": markdown.render_changes, "html": html.render_changes}


def report(*columns: str, outcome: Outcome | None = None, reason: str = "", check: str = CHECK) -> Report:
    """A visit that found missing values in some columns, with the outcome of the check."""
    ended = outcome or (Outcome.FOUND if columns else Outcome.HEALTHY)
    examinations = [examination(check, ended, reason)]
    return make_report([missing(column, 0.5) for column in columns], examinations)


def kinds(*reports: Report) -> dict[str, Kind]:
    seen = compare([(f"{number}.json", one) for number, one in enumerate(reports)])
    return {change.finding.at.column: change.kind for change in seen.changes}


def test_findings_are_new_gone_or_stayed() -> None:
    assert kinds(report("a", "b"), report("b", "c")) == {"a": Kind.GONE, "b": Kind.STAYED, "c": Kind.NEW}


@pytest.mark.parametrize(
    "after",
    [
        report(outcome=Outcome.UNAVAILABLE, reason="too few rows"),
        report(outcome=Outcome.CRASHED, reason="ValueError"),
        report(outcome=Outcome.NOT_APPLICABLE),
        report(check="other/check"),
        report("b", reason="of c nothing could be told"),
    ],
    ids=["unavailable", "crashed", "not applicable", "not run", "in part"],
)
def test_a_finding_is_gone_only_where_its_check_looked_again(after: Report) -> None:
    assert kinds(report("a"), after)["a"] is Kind.UNKNOWN


def test_a_finding_is_new_only_where_its_check_looked_before() -> None:
    assert kinds(report(outcome=Outcome.UNAVAILABLE), report("a")) == {"a": Kind.FIRST_LOOK}
    assert kinds(report(check="other/check"), report("a")) == {"a": Kind.FIRST_LOOK}


def test_the_outcome_on_the_findings_own_table_counts() -> None:
    def two(*outcomes: Outcome) -> list[Examination]:
        return [
            msgspec.structs.replace(examination(CHECK, outcome), subject=subject)
            for subject, outcome in zip(("titanic3.csv", "other.csv"), outcomes, strict=True)
        ]

    before = make_report([missing("a", 0.5)], two(Outcome.FOUND, Outcome.HEALTHY))
    assert kinds(before, make_report([], two(Outcome.HEALTHY, Outcome.CRASHED))) == {"a": Kind.GONE}
    assert kinds(before, make_report([], two(Outcome.CRASHED, Outcome.HEALTHY))) == {"a": Kind.UNKNOWN}


def ignored(found: Finding) -> Finding:
    return msgspec.structs.replace(found, suppressed="on purpose")


def test_what_is_ignored_now_is_neither_gone_nor_open() -> None:
    examinations = [examination(CHECK, Outcome.IGNORED)]
    quiet = make_report([ignored(missing("a", 0.5))], examinations)
    assert kinds(report("a"), quiet) == {"a": Kind.IGNORED}
    assert kinds(quiet, quiet) == {}


def test_of_three_visits_the_first_and_the_last_are_compared() -> None:
    found = kinds(report("a", "b"), report("b", "c", "d"), report("a", "d"))
    assert found == {"a": Kind.RELAPSED, "b": Kind.GONE, "c": Kind.GONE, "d": Kind.NEW}


@pytest.mark.parametrize("name", list(RENDERERS))
def test_every_format_tells_what_changed(name: str) -> None:
    before = make_report([missing("a", 0.5), missing("b", 0.4)], [examination(CHECK, Outcome.FOUND)])
    after = make_report([missing("b", 0.6), missing("c", 0.7)], [examination(CHECK, Outcome.FOUND)])
    shown = RENDERERS[name]([("old.json", before), ("new.json", after)])
    if name == "markdown":
        shown = MarkdownIt("commonmark").enable("table").render(shown)
    words = " ".join(re.sub(r"<!--.*?-->|<[^>]*>", " ", shown).split())
    assert "1 new, 1 gone, 1 stayed" in words
    assert "before: b: 40.0% missing" in words.replace("b : ", "b: ")
    for column in "abc":
        assert re.search(rf"\b{column} ?: \d0\.0% missing", words)
    assert "old.json" in words


def test_visits_of_different_places_are_told_apart() -> None:
    other = report("a")
    other = msgspec.structs.replace(other, case=msgspec.structs.replace(other.case, path="v2.csv"))
    seen = compare([("1", report("a")), ("2", other)])
    assert seen.aside == "Note: they speak of different places (titanic3.csv, v2.csv)."
    assert "different places" in text.render_changes([("1", report("a")), ("2", other)])


def test_the_text_reads_like_this() -> None:
    at = Location(path="titanic3.csv", columns=("x",))
    before = make_report([missing("a", 0.5), finding("b/c", Severity.ERROR, "old one", at)], [])
    after = report("a", "d")
    assert text.render_changes([("old.json", before), ("new.json", after)]) == (
        "  old.json  Do not train on this yet: 1 error, 1 warning.\n"
        "  new.json  Look before you train: 2 warnings.\n"
        "\n"
        "Found at the first look\n"
        "warning  d: 50.0% missing (allowed: 30%)  quality/missing-values\n"
        "         → drop d (unsafe, look first)\n"
        "         because the check was not run\n"
        "\n"
        "Not looked for again\n"
        "error    old one  b/c\n"
        "         because the check was not run\n"
        "\n"
        "Stayed\n"
        "warning  a: 50.0% missing (allowed: 30%)  quality/missing-values\n"
        "         → drop a (unsafe, look first)\n"
        "\n"
        "1 first looked for, 1 not looked for again, 1 stayed.\n"
    )


@pytest.mark.parametrize("name", list(RENDERERS))
@settings(max_examples=15, deadline=None)
@given(hostile=texts)
def test_any_text_can_be_compared(name: str, hostile: str) -> None:
    shown = RENDERERS[name]([(hostile, report_of(hostile)), ("b", sick()), (hostile, report_of(hostile))])
    assert "<script>alert" not in shown or name == "text"
    assert "\x00" not in shown
    shown.encode("utf-8")
