"""The first screen: causes in order with their cost, and commands that exist."""

import html
import shlex

import click
import msgspec
import pytest
from report_examples import finding, healthy, make_report, missing, sick

from doctor.cli import command as doctor_command
from doctor.model import (
    ChangeTraining,
    Chart,
    Cost,
    Diagnosis,
    EditCode,
    Line,
    Location,
    Report,
    Severity,
    SubjectSummary,
    Verdict,
    Verification,
)
from doctor.registry import load_checks, load_renderer
from doctor_reports.causes import causes
from doctor_reports.charts import excerpts
from doctor_reports.manuals import why_it_matters
from doctor_reports.steps import next_steps

MANUAL = "A thing.\n\nWhy it matters\n    Scores are too good by .1. In use they fall.\n\nSource\n    None.\n"


def of_run(*findings: object, **more: object) -> Report:
    report = make_report(list(findings), [])
    subject = SubjectSummary(kind="run", path="my runs/1", facts={"steps": 200, "running": False})
    case = msgspec.structs.replace(report.case, path="my runs/1", subjects=[subject])
    return msgspec.structs.replace(report, case=case, **more)


def test_errors_come_first_and_warnings_fill_up_to_three() -> None:
    found, left = causes(sick())
    assert [cause.check for cause in found] == [
        "leakage/group-overlap",
        "leakage/label-leakage",
        "labels/class-imbalance",
    ]
    assert left == 5
    assert causes(healthy()) == ([], 0)


def test_findings_of_one_check_are_one_cause() -> None:
    [cause], left = causes(make_report([missing(name, 0.5) for name in "abc"], []))
    assert (len(cause.others), left) == (2, 0)


def test_a_diagnosis_holds_its_consequences_and_they_are_no_causes() -> None:
    report = sick()
    marks = [one.fingerprint for one in report.findings]
    diagnosis = Diagnosis(cause="the boat", because=[marks[0]], consequences=marks[1:3], prescription="leave it")
    found, _ = causes(msgspec.structs.replace(report, diagnoses=[diagnosis]))
    assert found[0].text == "the boat"
    assert found[0].repair == "leave it"
    assert [one.fingerprint for one in found[0].follows] == marks[1:3]
    assert not {cause.mark for cause in found[1:]} & set(marks[:3])


def test_the_cost_is_what_was_measured_else_what_a_model_makes_of_it_else_what_the_manual_says() -> None:
    report = msgspec.structs.replace(sick(), manuals={"leakage/label-leakage": MANUAL})
    cause = next(one for one in causes(report)[0] if one.check == "leakage/label-leakage")
    assert (cause.cost, cause.cost_word) == ("Scores are too good by .1.", "why it matters")
    cost = Cost(
        metric="AUC", before=0.97, after=0.81, low=0.79, high=0.83, change="without boat", model="a model,", rows=1309
    )
    diagnosis = Diagnosis(cause="the boat", because=[cause.mark], cost=cost)
    report = msgspec.structs.replace(report, diagnoses=[diagnosis])
    cause = next(one for one in causes(report)[0] if one.check == "leakage/label-leakage")
    sentence = "AUC 0.97 → 0.81 (95 % CI 0.79 to 0.83) without boat; a model, on 1,309 rows"
    assert (cause.cost, cause.cost_word) == (sentence, "estimated")
    assert sentence in " ".join(load_renderer("text")(report).split())
    assert sentence in html.unescape(load_renderer("html")(report))
    assert "costs: AUC 0.97" in load_renderer("markdown")(report)
    tried = Verification(
        fingerprint=cause.mark,
        check=cause.check,
        repair="drop boat",
        verdict=Verdict.VERIFIED,
        measure="gap",
        before=(0.4, 0.4),
        after=(0.1, 0.1),
        effect=0.3,
    )
    cause = next(
        one for one in causes(msgspec.structs.replace(report, verifications=[tried]))[0] if one.cost_word == "measured"
    )
    assert cause.cost == "gap: 0.4 → 0.1, better by 0.3"
    refuted = msgspec.structs.replace(tried, verdict=Verdict.REFUTED)
    assert not any(
        one.cost_word == "measured" for one in causes(msgspec.structs.replace(report, verifications=[refuted]))[0]
    )


@pytest.mark.parametrize("check", load_checks(), ids=lambda check: check.id)
def test_every_manual_page_says_why_it_matters_in_a_sentence_that_fits(check) -> None:
    assert why_it_matters(check.manual).endswith((".", ":"))


def test_every_command_of_every_step_is_one_that_the_program_reads() -> None:
    training = finding(
        "learning/divergence",
        Severity.ERROR,
        "the loss rose",
        Location(step=5),
        ChangeTraining(changes={"max_grad_norm": 1.0}, summary="clip"),
    )
    reports = [sick(), of_run(training), make_report([missing("a", 0.5)], [])]
    commands = [step.command for report in reports for step in next_steps(report) if step.command]
    assert len(commands) >= 8
    for command in commands:
        program, verb, *words = shlex.split(command)
        assert program == "doctor"
        words = words[: words.index("--")] if "--" in words else words
        context = click.Context(doctor_command)
        doctor_command.get_command(context, verb).make_parser(context).parse_args(words)
    assert "doctor verify 'my runs/1' -- COMMAND" in commands


def test_what_was_chosen_to_be_examined_is_what_is_verified() -> None:
    report = make_report([missing("a", 0.5)], [])
    about = msgspec.structs.replace(report.doctor, repeat=("--target", "'the y'", "--select", "quality"))
    commands = [step.command for step in next_steps(msgspec.structs.replace(report, doctor=about))]
    assert commands[:2] == [
        "doctor fix titanic3.csv --target 'the y' --select quality --output repaired --unsafe",
        "doctor verify titanic3.csv --target 'the y' --check quality",
    ]


def test_what_was_declared_of_the_values_is_declared_of_the_copy_too() -> None:
    report = make_report([missing("a", 0.5)], [])
    declared = ("--range", "age=0..120", "--pattern", "'code=^[A-Z]+$'")
    about = msgspec.structs.replace(report.doctor, repeat=(*declared, "--against", "old"))
    commands = [step.command for step in next_steps(msgspec.structs.replace(report, doctor=about))]
    words = " ".join(declared)
    assert commands[:2] == [
        f"doctor fix titanic3.csv {words} --against old --output repaired --unsafe",
        f"doctor verify titanic3.csv {words}",
    ]


def test_code_is_mended_by_hand_and_offered_no_copy() -> None:
    code = finding(
        "reproducibility/unseeded-code",
        Severity.WARNING,
        "unseeded",
        Location(path="train.py", line=3),
        EditCode(line=3, code="seed(0)", summary="write seed(0)"),
    )
    commands = [step.command for step in next_steps(make_report([code], []))]
    assert commands[0] == "doctor explain reproducibility/unseeded-code"


def test_data_in_memory_has_no_copy_to_repair() -> None:
    report = make_report([missing("a", 0.5)], [])
    report = msgspec.structs.replace(report, case=msgspec.structs.replace(report.case, in_memory=True))
    assert not any(step.command.startswith(("doctor fix", "doctor verify")) for step in next_steps(report))


def test_a_finding_is_shown_with_the_chart_of_which_it_speaks_first() -> None:
    charts = [
        Chart(title=title, x_label="step", lines=[Line(name="", points=[(1.0, 1.0), (9.0, 2.0)])])
        for title in ("Loss", "Gradient norm before clipping", "Loss scale", "Memory")
    ]
    said = {
        "gradient norms burst; afterwards the loss lay high": "Gradient norm before clipping",
        "the loss rose, and gradients with it": "Loss",
        "the loss scale fell from 65536": "Loss scale",
        "device memory ran out": None,  # the chart is the host's
        "the process grew by 3 MB/s of memory": "Memory",
        "a rank died": None,
    }
    for message, title in said.items():
        one = finding("crash/exit-cause", Severity.ERROR, message, Location(step=5))
        drawn = excerpts(charts, [one]).get(one.fingerprint)
        assert (drawn.title if drawn else None) == title
        if drawn:
            assert drawn.sentence.endswith("; marked: step 5, exit cause")
