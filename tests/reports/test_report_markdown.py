"""The report as Markdown, rendered by a parser of CommonMark with GitHub's tables."""

import re
from html.parser import HTMLParser

import msgspec
import pytest
from hostile_examples import NASTY, report_of, texts
from hypothesis import example, given, settings
from markdown_it import MarkdownIt
from report_examples import healthy, make_report, missing, sick

from doctor.model import Diagnosis, Verdict, Verification
from doctor.wording import printable
from doctor_reports.markdown import escaped, render

TAGS = {"h3", "p", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "br", "details", "summary", "code"}
MAX_CHARACTERS = 65_536


class Page(HTMLParser):
    def __init__(self, markdown: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.pieces: list[str] = []
        self.feed(MarkdownIt("commonmark").enable("table").render(markdown))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)

    @property
    def text(self) -> str:
        return "".join(self.pieces)


def test_the_verdict_leads_and_the_findings_stand_in_a_table() -> None:
    page = Page(render(sick()))
    assert page.text.startswith("Do not train on this yet: 2 errors, 6 warnings, 1 remark.\n")
    assert page.tags == TAGS
    rows = re.findall(r"^\| (error|warning|remark) \|", render(sick()), re.MULTILINE)
    assert rows == ["error"] * 2 + ["warning"] * 6 + ["remark"]
    assert "cannot read notes.csv:3: not UTF-8" in page.text
    assert "quality/redundant-columns crashed: ValueError" in page.text


def test_details_hold_the_numbers_and_the_repair() -> None:
    page = Page(render(sick()))
    assert "score: 0.999" in page.text
    assert "repair: drop boat (safe: can be applied as it stands)" in page.text
    assert "doctor explain leakage/label-leakage" in page.text


def test_causes_stand_before_what_follows_from_them() -> None:
    first, second = sick().findings[:2]
    diagnosis = Diagnosis(cause=first.message, because=[first.fingerprint], consequences=[second.fingerprint])
    page = Page(render(msgspec.structs.replace(sick(), diagnoses=[diagnosis])))
    assert re.search(rf"cause: {re.escape(first.message)}\s+hence: {re.escape(second.message)}\n", page.text)
    assert page.tags == TAGS | {"strong"}


def test_a_healthy_visit_has_no_table() -> None:
    page = Page(render(healthy()))
    assert "table" not in page.tags
    assert page.text.startswith("Healthy: 3 checks ran and found nothing.")


def test_what_training_said_of_a_repair_is_shown() -> None:
    proof = Verification(
        fingerprint="0" * 16,
        check="leakage/label-leakage",
        repair="drop boat",
        verdict=Verdict.VERIFIED,
        effect=0.31,
        interval=(0.25, 0.4),
    )
    page = Page(render(msgspec.structs.replace(sick(), verifications=[proof])))
    assert "drop boat\nverified\n0.31 (0.25 to 0.4)" in re.sub(r"\n+", "\n", page.text)


@settings(max_examples=100, deadline=None)
@given(texts)
@example("<details><summary>")
@example("-->")
@example("```")
@example("1. a")
@example("10) a")
@example("www.evil.example :smile: $x$ GH-12")
def test_any_text_stays_text(text: str) -> None:
    markdown = render(report_of(text))
    page = Page(markdown)
    assert page.tags <= TAGS
    assert not page.attributes
    shown = " ".join(printable(text, limit=120).split())
    if text.isascii() and text.isprintable():
        assert shown in " ".join(page.text.split())


@pytest.mark.parametrize("text", ["@everyone", "#1", "a@b.example", "http://evil.example", "www.evil.example", "GH-1"])
def test_nobody_is_called_and_nothing_is_linked(text: str) -> None:
    # What GitHub links or calls is found in the text between tags and comments.
    pieces = Page(escaped(text)).pieces
    assert text not in pieces
    assert "".join(pieces).strip() == text


@pytest.mark.parametrize("word", ["column", "年龄" * 40, "<&|" * 40], ids=["short", "wide", "escaped"])
@pytest.mark.parametrize("count", [10, 1000])
def test_a_comment_is_never_too_long_and_counts_what_it_leaves_out(word: str, count: int) -> None:
    report = make_report([missing(f"{word}{number}", 0.5) for number in range(count)], [])
    markdown = render(report)
    assert len(markdown.encode("utf-16-le")) // 2 <= MAX_CHARACTERS
    assert len(markdown.encode()) <= MAX_CHARACTERS
    shown = len(re.findall(r"^\| warning \|", markdown, re.MULTILINE))
    left = re.search(r"and ([\d,]+) more finding", markdown)
    assert shown + (int(left[1].replace(",", "")) if left else 0) == count
    assert markdown.count("<details>") == markdown.count("</details>")


@pytest.mark.parametrize("text", NASTY)
def test_a_page_of_hostile_text_is_bounded_too(text: str) -> None:
    report = report_of(text)
    problems = report.case.problems * 100
    report = msgspec.structs.replace(report, case=msgspec.structs.replace(report.case, problems=problems))
    assert len(render(report)) <= MAX_CHARACTERS
