"""What the checks of learning and of numbers say of runs at the edge: empty, short, broken, with fields missing."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from doctor.case import case_of_run
from doctor.engine import examine
from doctor.model import Finding, Outcome, Report, Severity
from doctor.settings import settings_for
from doctor.subjects.run import Event, Process, Run, Series

SETTINGS = settings_for(Path(), {"select": ("learning", "numerics")})
CRITERION = Event(
    kind="criterion",
    step=1,
    facts={"name": "cross_entropy", "classes": 10, "prior_loss": 2.302, "targets": 5000, "reduction": "mean"},
)


def run_of(*events: Event, **quantities: Any) -> Run:
    series = {}
    for name, values in quantities.items():
        one = np.asarray(values, dtype=float)
        series[name] = Series(np.arange(1, len(one) + 1), one)
    return Run(path=Path(), shown="run", processes=(Process(series=series, events=events),), end={"status": 0})


def judged(run: Run, *sets: str) -> Report:
    chosen = settings_for(Path(), {"select": ("learning", "numerics"), "set": sets})
    return examine(case_of_run(run), chosen)


def alarms(report: Report) -> list[str]:
    return sorted({finding.check for finding in report.findings if finding.severity is not Severity.INFO})


def finding(report: Report, check: str) -> Finding:
    return next(one for one in report.findings if one.check == check)


def outcome(report: Report, check: str) -> Outcome:
    return next(one.outcome for one in report.examinations if one.check == check)


def falling(steps: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return (0.2 + 2 * np.exp(-np.arange(steps) / 50)) * np.exp(np.random.default_rng(seed).normal(0, 0.1, steps))


@pytest.mark.parametrize("values", [[], [1.0], [np.nan] * 40, [np.inf] * 40, [0.0] * 400, [-3.0] * 400])
def test_no_course_of_a_loss_breaks_a_check(values: list[float]) -> None:
    report = judged(run_of(loss=values, grad_norm=values, learning_rate=values, track=[0.0] * len(values)))
    assert not [one for one in report.examinations if one.outcome is Outcome.CRASHED]


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(
            ("loss", "grad_norm", "max_norm", "learning_rate", "loss_scale", "skipped", "evaluation_loss", "accuracy")
        ),
        arrays.arrays(np.float64, st.integers(1, 300), elements=st.floats(width=32)),
        min_size=1,
    )
)
def test_no_values_at_all_break_a_check(quantities: dict[str, Any]) -> None:
    report = judged(run_of(CRITERION, **quantities))
    assert not [one.reason for one in report.examinations if one.outcome is Outcome.CRASHED]


def test_twenty_steps_are_not_enough_for_a_verdict_on_the_loss() -> None:
    report = judged(run_of(loss=np.linspace(1, 30, 20)))
    assert outcome(report, "learning/divergence") is Outcome.UNAVAILABLE
    assert outcome(report, "learning/not-converging") is Outcome.UNAVAILABLE
    assert outcome(report, "learning/loss-spike") is Outcome.UNAVAILABLE


def test_a_loss_that_rises_slowly_to_twice_its_start_is_no_divergence() -> None:
    assert alarms(judged(run_of(loss=np.linspace(1, 2, 400)))) == []


def test_a_loss_that_comes_back_is_no_divergence() -> None:
    loss = falling(600)
    loss[200:] = 0.3 + 40 * np.exp(-np.arange(400) / 120)
    assert "learning/divergence" not in alarms(judged(run_of(loss=loss)))


def test_a_divergence_is_told_from_its_first_step_above_the_start() -> None:
    loss = np.concatenate([falling(100), 9 * np.exp(np.arange(200) / 20)])
    assert finding(judged(run_of(loss=loss)), "learning/divergence").at.step == 101


def test_the_losses_of_a_generator_may_rise() -> None:
    track = np.arange(600) % 2.0
    loss = np.where(track == 0, 0.69, np.linspace(0.7, 40, 600))
    assert alarms(judged(run_of(loss=loss, track=track))) == []


def test_a_classifier_that_guesses_is_found_whatever_its_noise() -> None:
    loss = 2.302 + np.random.default_rng(1).normal(0, 0.2, 500)
    report = judged(run_of(CRITERION, loss=loss, criterion_loss=loss))
    assert alarms(report) == ["learning/not-converging"]


def test_guessing_is_not_judged_while_the_rate_warms_up() -> None:
    loss = 2.302 + np.random.default_rng(1).normal(0, 0.02, 500)
    report = judged(run_of(CRITERION, loss=loss, criterion_loss=loss, learning_rate=np.linspace(0, 1, 500)))
    assert outcome(report, "learning/not-converging") is Outcome.UNAVAILABLE


def test_a_criterion_that_is_not_the_loss_is_not_judged_by() -> None:
    random = np.random.default_rng(1)
    loss, criterion = random.normal(0, 1, 500), 2.302 + random.normal(0, 0.02, 500)
    report = judged(run_of(CRITERION, loss=loss, criterion_loss=criterion))
    assert "learning/not-converging" not in alarms(report)


def test_an_accuracy_below_that_of_guessing_is_said_to_be_so() -> None:
    random = np.random.default_rng(2)
    binary = Event(kind="criterion", step=1, facts=CRITERION.facts | {"classes": 2, "prior_loss": 0.693})
    loss = 0.72 + random.normal(0, 0.02, 400)
    report = judged(run_of(binary, loss=loss, criterion_loss=loss, accuracy=random.binomial(64, 0.45, 400) / 64))
    assert finding(report, "learning/not-converging").evidence["kind"] == "worse"


def test_a_norm_that_is_nan_at_once_is_no_explosion() -> None:
    norms = np.ones(100)
    norms[60:] = np.nan
    loss = falling(100)
    loss[61:] = np.nan
    assert alarms(judged(run_of(loss=loss, grad_norm=norms))) == ["numerics/non-finite-loss"]


def test_bursts_that_clipping_catches_are_no_explosion() -> None:
    random = np.random.default_rng(3)
    norms = np.exp(random.normal(0, 0.3, 400))
    norms[200:204] *= 500
    assert alarms(judged(run_of(loss=falling(400), grad_norm=norms, max_norm=np.ones(400)))) == []


def test_an_explosion_names_its_first_step() -> None:
    norms, loss = np.ones(100), falling(100)
    norms[70:74] = 50, 4e3, 1e8, np.inf
    norms[74:], loss[73:] = np.nan, np.nan
    report = judged(run_of(loss=loss, grad_norm=norms))
    assert finding(report, "numerics/exploding-gradients").at.step == 71
    assert finding(report, "numerics/non-finite-loss").fingerprint in report.diagnoses[0].consequences


def test_a_bound_on_the_norm_holds_when_asked_for() -> None:
    run = run_of(loss=falling(100), grad_norm=[11.0 if step == 40 else 1.0 for step in range(100)])
    assert alarms(judged(run)) == []
    report = judged(run, "numerics/exploding-gradients.max_norm=10")
    assert finding(report, "numerics/exploding-gradients").at.step == 41


def test_a_jump_to_another_task_is_no_spike() -> None:
    loss = np.concatenate([falling(200), falling(200, seed=1) * 3])
    assert alarms(judged(run_of(loss=loss, grad_norm=loss))) == []


def test_a_spike_whose_update_was_clipped_is_information() -> None:
    loss, norms = falling(300), np.ones(300)
    loss[200], norms[200] = 90, 900
    clipped = judged(run_of(loss=loss, grad_norm=norms, max_norm=np.ones(300)))
    assert finding(clipped, "learning/loss-spike").severity is Severity.INFO
    assert finding(judged(run_of(loss=loss, grad_norm=norms)), "learning/loss-spike").severity is Severity.WARNING


def test_a_rate_of_zero_does_no_harm_where_other_groups_learn() -> None:
    run = run_of(loss=falling(200), learning_rate=np.zeros(200), update_norm=np.full(200, 0.1))
    assert alarms(judged(run)) == []


def test_clipping_does_not_matter_to_adam() -> None:
    clipped = {"loss": falling(200), "grad_norm": np.full(200, 50.0), "max_norm": np.full(200, 0.1)}
    model = Event(kind="model", step=1, facts={"root": "Net", "tensors": []})
    for kind, expected in (("AdamW", []), ("SGD", ["learning/clipping-always-active"])):
        optimizer = Event(kind="optimizer", step=1, facts={"track": 0, "class": kind})
        assert alarms(judged(run_of(model, optimizer, **clipped))) == expected


def test_gradients_accumulate_explains_the_divergence_that_follows() -> None:
    loss = 2 * np.exp(np.arange(200) / 40)
    report = judged(run_of(loss=loss, stale_gradients=np.ones(200)))
    assert alarms(report) == ["learning/divergence", "learning/gradients-accumulate"]
    assert report.diagnoses[0].because == [finding(report, "learning/gradients-accumulate").fingerprint]


def test_activations_that_stop_being_finite_are_no_drift() -> None:
    modules = [{"name": "0", "type": "Linear", "std": 1.0 * 50**place, "non_finite": 0.0} for place in range(3)]
    modules.append({"name": "0", "type": "Linear", "dtype": "float32", "non_finite": 1.0})
    looks = [
        Event(kind="activations", step=step, facts={"of_step": step, "modules": [module]})
        for step, module in enumerate(modules, 2)
    ]
    assert outcome(judged(run_of(*looks, loss=falling(100))), "numerics/activation-drift") is Outcome.HEALTHY
    assert alarms(judged(run_of(*looks[:3], loss=falling(100)))) == ["numerics/activation-drift"]


def test_only_the_lowest_rank_is_judged_for_what_all_share() -> None:
    loss = 2 * np.exp(np.arange(200) / 40)
    series = {"loss": Series(np.arange(1, 201), loss)}
    run = Run(path=Path(), shown="run", processes=tuple(Process(rank=rank, series=series) for rank in range(4)))
    assert [one.at.rank for one in judged(run).findings if one.check == "learning/divergence"] == [0]
