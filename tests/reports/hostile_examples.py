"""Texts that have broken reports of other programs, and reports that hold them wherever a stranger's text can stand."""

from hypothesis import strategies as st
from report_examples import examination, finding, make_report

from doctor.model import DropColumns, Guess, Location, Outcome, Problem, Report, Severity

NASTY = (
    "<script>alert(1)</script>",
    "\"quotes' `ticks`",
    "]]>",
    "\u202eright to left\u2066",
    "\x00\x1b[2J\x7f",
    "\udcff lone \ud800 surrogates",
    "line\nbreak\r\n::error file=x::owned",
    "100% %0A%25 ::set-output name=a::b ##[error]x",
    "| a | b |\n|---|",
    "@everyone #1 [x](http://evil.example) ![](http://evil.example/x.png) <!-- -->",
    "\ufffe\uffff\x85\u2028",
    "```\n~~~\n# heading\n- item\n> quote",
    "&lt; &#60; &amp;",
    "../../etc/passwd",
    "C:\\temp\\a b.csv",
    "x" * 100_000,
    "&<@" * 30_000,
    "",
)
texts = st.one_of(st.sampled_from(NASTY), st.text(max_size=40), st.text(st.characters(categories=["Cc", "Cs", "Cf"])))


def report_of(text: str) -> Report:
    """Make a report that has a text in all places where data or names can stand."""
    at = Location(path=text, split=text, columns=(text, "b"), rows=(3, 4), file=text, file_line=7, module=text)
    findings = [
        finding("leakage/id-like", Severity.ERROR, text, at, DropColumns(columns=(text,), summary=text), value=text),
        finding("leakage/id-like", Severity.WARNING, text, Location(path=text, line=2, operation=text)),
        finding("quality/constant", Severity.INFO, text, Location(path="t.csv", columns=(text,)), texts=[text]),
    ]
    return make_report(
        findings,
        [
            examination("leakage/id-like", Outcome.FOUND, text),
            examination("labels/no-signal", Outcome.CRASHED, text),
            examination("drift/label-drift", Outcome.UNAVAILABLE, text),
        ],
        problems=[Problem(path=text, reason=text, line=3)],
        guesses=[Guess(subject=text, what=text, value=text, because=text, override=text)],
    )
