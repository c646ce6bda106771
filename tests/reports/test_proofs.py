"""What pairs of runs said, as every format tells it."""

import json
import math

import jsonschema
import msgspec
import pytest
from report_examples import sick
from test_report_html import Page

from doctor.model import Report, Verdict, Verification
from doctor.rounds import Round, Visit
from doctor_reports import html, proofs, text
from doctor_reports import json as json_report


def proof(verdict: Verdict = Verdict.VERIFIED, **given: object) -> Verification:
    fields = {
        "fingerprint": "f",
        "check": "leakage/label-leakage",
        "repair": "drop boat",
        "verdict": verdict,
        "reason": "validation promises 0.99 and deployment brings 0.61",
        "measure": "validation minus deployment, balanced accuracy",
        "before": (0.38, 0.40, 0.36),
        "after": (0.01, 0.02, 0.0),
        "effect": 0.37,
        "interval": (0.36, 0.38),
        "seeds": (0, 1, 2),
        "steps": 300,
        "seconds": 12.0,
    }
    return msgspec.convert({**fields, **given}, Verification)


def proven(**given: object) -> Report:
    report = sick()
    return msgspec.structs.replace(report, verifications=[proof(fingerprint=report.findings[0].fingerprint, **given)])


def test_a_proof_stands_beside_its_repair() -> None:
    told = text.render(proven())
    place = told.index("→ drop boat")
    assert told.index("verified: validation promises 0.99", place) - place < 200
    assert "balanced accuracy: 0.38 → 0.01, better by 0.37 (0.36 to 0.38)" in " ".join(told.split())
    assert "3 seeds, 300 steps each, 12.0 s" in " ".join(told.split())
    assert "Repairs tried: 1 verified." in told


def test_a_proof_without_its_finding_is_told_all_the_same() -> None:
    report = msgspec.structs.replace(sick(), verifications=[proof(fingerprint="of another finding")])
    assert "repair   drop boat leakage/label-leakage" in text.render(report)
    assert "Other repairs tried" in Page(html.render(report)).text


def test_the_page_draws_every_pair_of_runs() -> None:
    page = Page(html.render(proven()))
    labels = [attributes["aria-label"] for attributes in page.all("svg") if "aria-label" in attributes]
    assert [label for label in labels if label.startswith("seed ")] == [
        "seed 0: 0.38 → 0.01",
        "seed 1: 0.4 → 0.02",
        "seed 2: 0.36 → 0",
    ]


@pytest.mark.parametrize("broken", [math.nan, math.inf, None])
def test_a_run_without_a_number_is_said_to_be_one(broken: float | None) -> None:
    one = proof(before=(broken, broken, 3.0))
    assert proofs.change(one).startswith("validation minus deployment, balanced accuracy: not finite → 0.01")
    drawn = proofs.picture(one)
    assert drawn is not None
    assert drawn.pairs[0].before is None
    assert "not finite → 0.01" in Page(html.render(proven(before=(broken, broken, 3.0)))).text
    told = json.loads(json_report.render(proven(before=(broken, broken, 3.0))))
    jsonschema.validate(told, json_report.schema())
    assert told["verifications"][0]["before"] == [None, None, 3.0]


def test_a_repair_that_makes_it_worse_is_said_to_do_so() -> None:
    one = proof(Verdict.REFUTED, after=(0.5, 0.5, 0.5), effect=-0.12, interval=(-0.14, -0.1))
    assert proofs.change(one).endswith("0.38 → 0.5, worse by 0.12 (0.1 to 0.14)")


def test_runs_that_are_all_alike_are_drawn_too() -> None:
    drawn = proofs.picture(proof(before=(0.5, 0.5, 0.5), after=(0.5, 0.5, 0.5)))
    assert drawn is not None
    assert {pair.before for pair in drawn.pairs} == {pair.after for pair in drawn.pairs}


def made(**given: object) -> Round:
    one = Visit(
        name="leakage/label_leakage",
        disease="label <leakage>",
        check="leakage/label-leakage",
        kind="data",
        symptom="validation is nearly perfect",
        expected=Verdict.VERIFIED,
        finding="boat alone predicts survived",
        verification=proof(details={"deployment": "rows of validation"}),
        seconds=12.0,
    )
    wrong = msgspec.structs.replace(
        one, name="leakage/label_leakage (wrong)", expected=Verdict.REFUTED, verification=proof(Verdict.REFUTED)
    )
    return Round(version="1", visits=[msgspec.structs.replace(one, **given), wrong], workers=2, seconds=30.0)


def test_a_round_says_what_came_of_every_patient() -> None:
    for told in (text.render_round(made()), Page(html.render_round(made())).text):
        flat = " ".join(told.split())
        assert "All as expected: 1 of 1 disease cured, 1 of 1 control as they must be, in 30.0 s." in flat
        assert "label <leakage>" in flat
        assert "boat alone predicts survived" in flat
        assert "0.38 → 0.01" in flat
    assert "label &lt;leakage&gt;" in html.render_round(made())


def test_a_failed_patient_stands_out_with_the_reason() -> None:
    failed = made(trouble="leakage/label-leakage found nothing", verification=None, finding="")
    told = text.render_round(failed)
    assert "FAILED        label <leakage>" in told
    assert "why      leakage/label-leakage found nothing" in told
    assert "1 patient failed: 0 of 1 disease cured" in told
    assert "leakage/label-leakage found nothing" in Page(html.render_round(failed)).text
    assert json.loads(json_report.render_round(failed))["summary"] == {"passed": False, "diseases": 1, "controls": 1}
