"""The report as a page, read as a parser reads it."""

import base64
import hashlib
import re
from collections import Counter
from html.parser import HTMLParser
from itertools import pairwise

import msgspec
import pytest
from report_examples import MANUAL, healthy, healthy_examinations, make_report, missing, sick

from doctor.model import Diagnosis, Finding, Location, Report, Severity, Verdict, Verification
from doctor.registry import load_checks
from doctor_reports.html import render
from doctor_reports.manuals import passages

VOID = {"meta", "br", "link", "img", "input", "hr", "rect", "circle", "line"}
HOSTILE = (
    "</style></title><script>alert(1)</script><img src=x onerror=alert(2)>\"'><svg onload=alert(3)>\x00\u202e\n{{7*7}}"
)


class Page(HTMLParser):
    """What a page is made of; refuses tags that do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.styles = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), (tag, attrs)
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] == ["style"]:
            self.styles += data
        else:
            self.text += data

    def all(self, *names: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag in names]


def hostile() -> Report:
    """Let a stranger write every word that a stranger can write."""
    finding = Finding(
        check="quality/missing-values",
        severity=Severity.ERROR,
        message=HOSTILE,
        at=Location(path=HOSTILE, split=HOSTILE, columns=(HOSTILE,), rows=(1,)),
        evidence={
            HOSTILE: 0.5,
            "top": {HOSTILE: 1, "b": 2},
            "pairs": {HOSTILE: {HOSTILE: 1.0, "b": 0.5}, "b": {HOSTILE: 0.5, "b": 1.0}},
            "cell": HOSTILE * 100_000,
            "stacks": [{"who": HOSTILE, "doing": HOSTILE, "frames": [HOSTILE, "train.py:1"]}],
            "confusion": {"rows": HOSTILE, "columns": HOSTILE, "labels": [HOSTILE, "b"], "counts": [[1, 2], [3, 4]]},
            "before_share": 0.5,
            "after_share": 0.4,
            "bins": {HOSTILE: [0.5, 0.4], "b": [0.5, 0.6]},
            f"{HOSTILE}_mb": 1.0,
            "b_mb": 1.0,
            "c_mb": 1.0,
            "peak_mb": 3.0,
            "earlier": HOSTILE,
            **{f"{name}_{end}": "2024-01-08" for name in ("earlier", HOSTILE) for end in ("first", "last")},
        },
        repair=missing(HOSTILE, 0.5).repair,
        fingerprint='x" onclick="alert(4)',
    )
    report = sick()
    subject = msgspec.structs.replace(report.case.subjects[0], path=HOSTILE, roles={"target": HOSTILE})
    guesses = [msgspec.structs.replace(guess, value=HOSTILE, subject=HOSTILE) for guess in report.case.guesses]
    problems = [msgspec.structs.replace(problem, path=HOSTILE, reason=HOSTILE) for problem in report.case.problems]
    examinations = [msgspec.structs.replace(item, reason=HOSTILE, subject=HOSTILE) for item in report.examinations]
    case = msgspec.structs.replace(report.case, path=HOSTILE, subjects=[subject], guesses=guesses, problems=problems)
    suppressed = msgspec.structs.replace(finding, suppressed=HOSTILE)
    return msgspec.structs.replace(
        report, case=case, findings=[finding, suppressed, *report.findings], examinations=examinations
    )


REPORTS = {
    "sick": sick,
    "healthy": healthy,
    "nothing": lambda: make_report([], []),
    "hostile": hostile,
}
every_report = pytest.mark.parametrize("make", REPORTS.values(), ids=REPORTS.keys())


@every_report
def test_the_page_nests_and_every_id_is_unique_and_every_link_arrives(make) -> None:
    page = Page(render(make()))
    ids = Counter(attributes["id"] for _, attributes in page.tags if "id" in attributes)
    assert [name for name, count in ids.items() if count > 1] == []
    targets = {attributes["href"] for attributes in page.all("a")}
    assert {target[1:] for target in targets if target} <= set(ids)
    named = {word for _, attributes in page.tags for word in (attributes.get("aria-labelledby") or "").split()}
    assert named <= set(ids)


@every_report
def test_nothing_is_fetched_and_nothing_runs(make) -> None:
    page = Page(render(make()))
    assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
    for tag, attributes in page.tags:
        assert not {"src", "srcset", "style", "action", "data"} & set(attributes), tag
        assert not [name for name in attributes if name.startswith("on")], tag
        assert (attributes.get("href") or "#").startswith("#"), attributes
    assert not re.search(r"url\(|@import", page.styles)


@every_report
def test_the_policy_allows_this_style_sheet_and_nothing_else(make) -> None:
    page = Page(render(make()))
    policy = next(meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    digest = base64.b64encode(hashlib.sha256(page.styles.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


@every_report
def test_headings_step_down_one_at_a_time(make) -> None:
    levels = [int(tag[1]) for tag, _ in Page(render(make())).tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


@every_report
def test_readers_who_do_not_see_are_told_what_is_what(make) -> None:
    page = Page(render(make()))
    assert {"header", "nav", "main", "footer"} <= {tag for tag, _ in page.tags}
    assert all(heading.get("scope") in ("row", "col") for heading in page.all("th"))
    told = [drawing for drawing in page.all("svg") if drawing.get("role") == "img"]
    assert all(drawing.get("aria-label") for drawing in told)
    aside = [drawing for drawing in page.all("svg") if drawing not in told]
    assert all(drawing.get("aria-hidden") == "true" or set(drawing) >= {"x", "y"} for drawing in aside)  # or nested
    assert page.all("html")[0]["lang"] == "en"


def test_hostile_words_are_shown_as_words() -> None:
    page = Page(render(hostile()))
    assert "<script>alert(1)</script>" in page.text
    assert "{{7*7}}" in page.text
    assert not set(page.text) & set("\x00\u202e")
    assert "\\x00\\u202e\\n" in page.text


def test_a_huge_cell_does_not_make_a_huge_page() -> None:
    finding = msgspec.structs.replace(missing("a", 0.5), evidence={"cell": "x y " * 2_500_000})
    assert len(render(make_report([finding], healthy_examinations()))) < 60_000


def test_the_verdict_comes_first_then_the_causes_then_what_to_do_then_the_findings() -> None:
    text = " ".join(Page(render(sick())).text.split())
    places = [
        text.index(words)
        for words in (
            "Diagnosis of titanic3.csv Do not train on this yet: 2 errors, 6 warnings, 1 remark.",
            "Moreover 1 file could not be read",
            "3 healthy",
            "Root causes ticket: 31.4% of the test rows",
            "drop boat (safe)",
            "and 5 more findings below",
            "Make notes.csv readable",
            "doctor fix titanic3.csv --sample-seed 7 --output repaired --unsafe",
            "doctor verify titanic3.csv",
            "doctor explain labels/low-agreement",
            "Manual page",
            "only 16 rows of the rarest class; 30 are needed",
            "Seed 7; up to 50,000 rows",
            "by doctor 0.1.0, Python 3.11.7",
        )
    ]
    assert places == sorted(places)


def test_everything_in_the_report_is_on_the_page() -> None:
    report = sick()
    text = " ".join(Page(render(report)).text.split())
    for finding in report.findings:
        assert finding.message in text
        assert finding.check in text
        assert not finding.repair or finding.repair.summary in text
        assert not finding.suppressed or finding.suppressed in text
    for examination in report.examinations:
        assert examination.check in text
        assert examination.reason in text
    for guess in report.case.guesses:
        assert guess.override in text
    assert "Kaufman et al., Leakage in data mining, 2012." in text
    assert "Profile0.041" in text


def test_root_causes_link_to_what_they_rest_on_and_proofs_stand_by_the_repair() -> None:
    report = sick()
    mark = report.findings[0].fingerprint
    told = msgspec.structs.replace(
        report,
        diagnoses=[Diagnosis(cause="The boat is the rescue", because=[mark], prescription="leave it out")],
        verifications=[Verification(fingerprint=mark, check="quality/x", repair="r", verdict=Verdict.VERIFIED)],
    )
    page = Page(render(told))
    assert {"href": f"#finding-{mark}"} in page.all("a")
    assert "The boat is the rescue" in page.text
    assert "verified" in page.text


def test_findings_with_the_same_fingerprint_keep_anchors_of_their_own() -> None:
    twins = [missing("a", 0.5), missing("a", 0.5)]
    page = Page(render(make_report(twins, healthy_examinations())))
    anchors = [attributes["id"] for attributes in page.all("article")]
    assert anchors == [f"finding-{twins[0].fingerprint}", f"finding-{twins[0].fingerprint}-2"]


def test_a_thousand_findings_are_all_there() -> None:
    report = make_report([missing(f"c{number}", 0.5) for number in range(1000)], healthy_examinations())
    assert len(Page(render(report)).all("article")) == 1000


def test_a_manual_page_is_cut_at_its_headings() -> None:
    lead, finds, thresholds, source = passages(MANUAL)
    assert lead.text == "One feature predicts the label too well."
    assert finds.text.endswith("can reach. Missing values are a value of their own.")
    assert [name for name, _ in thresholds.terms] == ["max_score", "min_gap"]
    assert source.heading == "Source"


@pytest.mark.parametrize("check", load_checks(), ids=lambda check: check.id)
def test_every_manual_page_keeps_all_its_words(check) -> None:
    kept = " ".join(
        f"{part.heading} {part.text} " + " ".join(f"{name}: {text}" for name, text in part.terms)
        for part in passages(check.manual)
    )
    assert kept.split() == check.manual.split()


def _luminance(color: str) -> float:
    channels = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("ink", "paper"),
    [(ink, "paper") for ink in ("ink", "soft", "error", "warning", "info", "calm")]
    + [("ink", "wash"), ("soft", "wash"), ("ink", "h0"), ("ink", "h1"), ("ink", "h2"), ("ink", "h3")]
    + [("paper", "h4"), ("paper", "h5")],
)
def test_words_stand_out_as_wcag_aa_asks(scheme: str, ink: str, paper: str) -> None:
    blocks = re.findall(r":root \{(.*?)\}", Page(render(healthy())).styles, re.DOTALL)
    colors = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", blocks[0 if scheme == "light" else 1]))
    lights = sorted((_luminance(colors[ink]), _luminance(colors[paper])))
    assert (lights[1] + 0.05) / (lights[0] + 0.05) >= 4.5
