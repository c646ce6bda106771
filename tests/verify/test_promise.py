"""Verdicts on what validation promises and deployment brings."""

import pytest

from doctor.model import Verdict
from doctor.verify.promise import Arm, judge_gap, judge_rarest, kindest, score_of

LEAKING = Arm(promises=(0.98, 0.97, 0.99), realities=(0.60, 0.62, 0.61))
HONEST = Arm(promises=(0.72, 0.71, 0.73), realities=(0.71, 0.72, 0.72))


def test_a_gap_that_closes_verifies_the_repair() -> None:
    judged = judge_gap(LEAKING, HONEST, deployed_worse=0.05)
    assert judged.verdict is Verdict.VERIFIED
    assert judged.effect == pytest.approx(0.37, abs=0.01)
    assert judged.interval is not None
    assert judged.interval[0] > 0
    assert "promises 0.98 and deployment brings 0.61; with it validation promises 0.72" in judged.reason


def test_a_gap_that_stays_refutes_it() -> None:
    assert judge_gap(LEAKING, LEAKING, deployed_worse=0.05).verdict is Verdict.REFUTED


def test_without_a_gap_there_is_nothing_to_test() -> None:
    judged = judge_gap(HONEST, HONEST, deployed_worse=0.05)
    assert judged.verdict is Verdict.NOT_TESTABLE
    assert "the symptom does not show" in judged.reason


def test_a_gap_in_some_seeds_only_is_no_symptom() -> None:
    wavering = Arm(promises=(0.9, 0.9, 0.7), realities=(0.6, 0.6, 0.71))
    assert judge_gap(wavering, HONEST, deployed_worse=0.05).verdict is Verdict.NOT_TESTABLE


def test_honesty_bought_with_a_useless_model_is_refuted() -> None:
    useless = Arm(promises=(0.5, 0.5, 0.5), realities=(0.5, 0.5, 0.5))
    assert judge_gap(LEAKING, useless, deployed_worse=0.05).verdict is Verdict.REFUTED
    assert judge_gap(LEAKING, useless, deployed_worse=float("inf")).verdict is Verdict.VERIFIED


def test_a_promise_that_is_now_too_low_by_as_much_is_no_cure() -> None:
    pessimist = Arm(promises=(0.25, 0.26, 0.24), realities=(0.60, 0.62, 0.61))
    assert judge_gap(LEAKING, pessimist, deployed_worse=0.05).verdict is Verdict.REFUTED


def test_runs_without_numbers_prove_nothing() -> None:
    nan = float("nan")
    broken = Arm(promises=(nan, nan, 0.7), realities=(nan, nan, 0.7))
    assert judge_gap(LEAKING, broken, deployed_worse=0.05).verdict is Verdict.NOT_TESTABLE
    assert judge_gap(broken, HONEST, deployed_worse=0.05).verdict is Verdict.NOT_TESTABLE


def test_the_kindest_deployment_is_the_one_where_the_model_does_best() -> None:
    assert kindest({"absent": [0.6, 0.7, 0.5], "permuted": [0.5, 0.5, 0.55]}) == "absent"


def test_the_rarest_class_must_have_been_missed() -> None:
    missed = [{"no": 0.99, "yes": 0.1}, {"no": 0.98, "yes": 0.2}, {"no": 0.99, "yes": 0.15}]
    found = [{"no": 0.9, "yes": 0.8}, {"no": 0.91, "yes": 0.75}, {"no": 0.9, "yes": 0.85}]

    def judged(before: list[dict[str, float]], after: list[dict[str, float]]) -> Verdict:
        means = [[sum(recalls.values()) / 2 for recalls in arm] for arm in (before, after)]
        return judge_rarest(*means, recalls_before=before, recalls_after=after, rarest="yes").verdict

    assert judged(missed, found) is Verdict.VERIFIED
    assert judged(missed, missed) is Verdict.REFUTED
    assert judged(found, found) is Verdict.NOT_TESTABLE
    assert judged(missed, [{"no": 0.0, "yes": 1.0}] * 3) is Verdict.REFUTED


def test_a_useless_regression_has_a_floor_and_a_missing_metric_is_none() -> None:
    assert score_of({"r2": -40.0}, "regression") == -1.0
    assert score_of({"balanced_accuracy": 0.7}, "classification") == 0.7
    assert score_of({}, "classification") != score_of({}, "classification")
