"""The report for a terminal."""

import re

import msgspec
import pytest
from report_examples import healthy, healthy_examinations, make_report, missing, sick

from doctor.model import Examination, Location, Outcome, Report, SubjectSummary
from doctor_reports.text import cells, render
from doctor_reports.verdict import size

SICK = """\
titanic3.csv: 1,309 rows × 14 columns (train 981, validation 131, test 197)
cannot read notes.csv:3: not UTF-8: byte 0xff at offset 12
Taken for granted:
  target  survived, by its name (else --target COLUMN)
  splits  train, validation, test, by the column split (else --split-column COLUMN)

error    ticket: 31.4% of the test rows belong to groups that were trained on  leakage/group-overlap
         at split test
         → split by ticket (unsafe, look first)

error    boat predicts survived with a score of 0.999 (others together: 0.62)  leakage/label-leakage
         → drop boat (safe)

warning  outcome: 'stowaway' is 1.2% of the rows (wanted: 5%)  labels/class-imbalance
         → weigh the classes, or draw the rare ones more often (unsafe, look first)

warning  annotators agree little: Krippendorff's α is 0.41 (wanted: 0.6)  labels/low-agreement
         → have the most disputed items reviewed (by hand)

warning  body: 90.8% missing (allowed: 30%)  quality/missing-values
         → drop body (unsafe, look first)
warning  cabin: 77.5% missing (allowed: 30%)  quality/missing-values
         → drop cabin (unsafe, look first)
warning  home.dest: 43.1% missing (allowed: 30%)  quality/missing-values
         → drop home.dest (unsafe, look first)

warning  numpy.random.shuffle is called and no seed is set before it  reproducibility/unseeded-code
         at train.py:14
         → make one numpy.random.default_rng(seed) and hand it on (by hand)

info     19 rows are copies of others (1.5%)  duplicates/duplicate-rows
         at rows 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18 and 7 more
         → drop all but the first of each (safe)

Do not train on this yet: 2 errors, 6 warnings, 1 remark. Moreover 1 file could not be read in full
and 1 check crashed.
14 checks in 0.4 s (seed 7): 3 healthy, 7 found something, 1 did not apply, 1 could not tell, 1
ignored, 1 crashed.
  quality/redundant-columns  crashed: ValueError: zero-size array (at examine,
                             redundant_columns.py:41)
  drift/label-drift          could not tell: only 16 rows of the rarest class; 30 are needed
  quality/constant           ignored: ship has one value only (reason: one ship only, on purpose)

What it means:  doctor explain leakage/group-overlap
With pictures:  doctor scan titanic3.csv --sample-seed 7 --output report.html
"""


def test_a_sick_data_set_reads_like_this() -> None:
    assert render(sick()).splitlines() == SICK.splitlines()


def test_colour_adds_nothing_but_escape_sequences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = render(sick(), color=True)
    assert "\x1b[1;31merror\x1b[0m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == SICK


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_without_colour_gets_none(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert "\x1b" not in render(sick(), color=True)


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_lines_fit_the_terminal_unless_one_word_does_not(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    for line in render(sick(), color=True).splitlines():
        assert cells(line) <= columns or len(line.split()) == 1


def test_wide_letters_take_two_columns() -> None:
    assert cells("年龄") == 4
    assert cells("e\u0301") == 1


@pytest.mark.parametrize(
    ("outcomes", "sentence"),
    [
        ([Outcome.HEALTHY] * 3, "Healthy: 3 checks ran and found nothing."),
        (
            [Outcome.HEALTHY, Outcome.UNAVAILABLE],
            "Healthy as far as could be told: 1 check ran and found nothing; 1 could not tell.",
        ),
        ([Outcome.UNAVAILABLE, Outcome.NOT_APPLICABLE], "Cannot tell: no check could look at this."),
        ([], "Cannot tell: no check could look at this."),
        ([Outcome.HEALTHY, Outcome.CRASHED], "Cannot tell: 1 check crashed."),
    ],
)
def test_not_looking_is_not_called_healthy(outcomes: list[Outcome], sentence: str) -> None:
    examinations = [Examination(check=f"a/{number}", outcome=end) for number, end in enumerate(outcomes)]
    assert sentence in render(make_report([], examinations)).splitlines()


def test_all_six_outcomes_are_counted_even_where_none() -> None:
    assert "3 healthy, 0 found something, 0 did not apply, 0 could not tell, 0 ignored, 0 crashed." in " ".join(
        render(healthy()).split()
    )


def test_every_one_of_a_thousand_findings_is_shown() -> None:
    report = make_report([missing(f"c{number}", 0.5) for number in range(1000)], healthy_examinations())
    assert render(report).count("warning  c") == 1000


def test_a_strangers_text_cannot_steer_the_terminal() -> None:
    nasty = "\x1b[2J\x00\u202egnp.exe\r\n[red]"
    finding = msgspec.structs.replace(missing("a", 0.5), message=nasty, at=Location(path=nasty, line=3))
    text = render(make_report([finding], healthy_examinations()))
    assert not set(text) & set("\x1b\x00\u202e\r")
    assert "\\x1b[2J\\x00\\u202egnp.exe\\r\\n[red]" in text


def test_the_path_is_named_where_there_are_several() -> None:
    report = sick()
    two = msgspec.structs.replace(report.case, subjects=report.case.subjects * 2)
    assert "at titanic3.csv, split test" in render(msgspec.structs.replace(report, case=two))


def test_code_is_counted_in_files() -> None:
    assert size(SubjectSummary(kind="source", path="train", files=3)) == "source, 3 files"
    assert size(SubjectSummary(kind="pipeline", path="make:data")) == "pipeline"


def test_the_report_itself_is_not_changed() -> None:
    report = sick()
    render(report)
    assert report == sick()
    assert isinstance(report, Report)
