"""A DeepSpeed configuration is judged by real trainings; what is wrongly asked is one line."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from doctor.errors import UsageError
from doctor.model import Advise, ChangeTraining, Examination, Finding, Outcome, Report, Severity, Verdict
from doctor.settings import Settings
from doctor.trainer.recipe import Recipe, Result
from doctor.verify.cache import Cache
from doctor.verify.config import verify_config
from doctor.verify.treatments import symptoms
from doctor.verify.trials import Trial
from doctor.verify.verdicts import verdict_on

FINDING = Finding(
    check="numerics/exploding-gradients",
    severity=Severity.ERROR,
    message="burst",
    repair=ChangeTraining(changes={"max_grad_norm": 1.0}),
    fingerprint="f",
)


def trial(seed: int, losses: list[float], *findings: Finding, outcome: Outcome = Outcome.HEALTHY) -> Trial:
    """Make a trial as a training of a regression would give it."""
    from doctor.model import About, CaseSummary

    report = Report(
        doctor=About(version="0", sample_seed=0, sample_rows=1),
        case=CaseSummary(path="ds.json"),
        findings=list(findings),
        examinations=[Examination(check=FINDING.check, outcome=Outcome.FOUND if findings else outcome)],
    )
    result = Result(losses=losses, task="regression", seconds=1.0)
    return Trial(recipe=Recipe(steps=len(losses), seed=seed), result=result, report=report)


FALLING = [1.0 - 0.02 * step for step in range(40)]
BROKEN = [1.0] * 10 + [math.nan] * 30
SICK = [trial(seed, BROKEN, FINDING) for seed in range(3)]


def test_a_silent_check_and_a_healthy_training_verify_a_repair() -> None:
    judged = verdict_on(FINDING, {"max_grad_norm": 1.0}, SICK, [trial(seed, FALLING) for seed in range(3)])
    assert (judged.verdict, judged.before, judged.after) == (Verdict.VERIFIED, (0.25,) * 3, (1.0,) * 3)
    assert (judged.effect, judged.repair) == (0.75, "max_grad_norm = 1")


def test_a_symptom_that_comes_back_refutes_a_repair_in_all_runs_and_leaves_it_open_in_some() -> None:
    again = [trial(seed, FALLING, FINDING) for seed in range(3)]
    assert verdict_on(FINDING, {}, SICK, again).verdict is Verdict.REFUTED
    some = [*again[:1], *(trial(seed, FALLING) for seed in (1, 2))]
    assert verdict_on(FINDING, {}, SICK, some).verdict is Verdict.NOT_TESTABLE


def test_a_training_that_learns_nothing_is_not_cured_though_the_check_is_silent() -> None:
    flat = [trial(seed, [1.0] * 40) for seed in range(3)]
    judged = verdict_on(FINDING, {}, SICK, flat)
    assert judged.verdict is Verdict.REFUTED
    assert "does not fall" in judged.reason


def test_a_check_that_could_not_look_is_not_silent() -> None:
    blind = [trial(seed, FALLING, outcome=Outcome.UNAVAILABLE) for seed in range(3)]
    assert verdict_on(FINDING, {}, SICK, blind).verdict is Verdict.NOT_TESTABLE


def test_consequences_are_told_apart_from_causes() -> None:
    from doctor.model import Diagnosis

    loss = Finding(
        check="numerics/non-finite-loss", severity=Severity.ERROR, message="NaN", repair=Advise(), fingerprint="g"
    )
    told = trial(0, BROKEN, FINDING, loss)
    diagnosed = Diagnosis(cause="burst", because=["f"], consequences=["g"])
    assert told.report is not None
    report = Report(
        doctor=told.report.doctor, case=told.report.case, findings=told.report.findings, diagnoses=[diagnosed]
    )
    found = symptoms([Trial(recipe=told.recipe, result=told.result, report=report)])
    assert [(one.finding.check, one.cause) for one in found] == [(FINDING.check, ""), (loss.check, FINDING.check)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1,}', "line 1, column 9"),
        ('{"train_batch_size": 7, "train_micro_batch_size_per_gpu": 2}', "train_batch_size 7 is not"),
        ("[]", "is an object"),
    ],
)
def test_a_wrong_configuration_is_named_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    config = tmp_path / "ds.json"
    config.write_text(text)
    with pytest.raises(UsageError, match=said) as raised:
        verify_config(config, None, Settings())
    assert "ds.json" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_missing_data_set_and_an_unknown_check_are_named(tmp_path: Path) -> None:
    config = tmp_path / "ds.json"
    config.write_text("{}")
    with pytest.raises(UsageError, match=r"nothing\.csv: there is no such file"):
        verify_config(config, tmp_path / "nothing.csv", Settings())
    with pytest.raises(UsageError, match="no check is called 'numerics/nonsense'"):
        verify_config(config, None, Settings(), checks=("numerics/nonsense",))


def written(folder: Path, **config: Any) -> Path:
    path = folder / "ds.json"
    path.write_text(json.dumps({"train_micro_batch_size_per_gpu": 64, "gradient_clipping": 0.0, **config}))
    return path


@pytest.mark.slow
def test_a_rate_that_is_too_high_is_cured_refuted_and_remembered(tmp_path: Path) -> None:
    from fixtures.shipped import diabetes

    diabetes(tmp_path / "data")
    config = written(tmp_path, optimizer={"type": "SGD", "params": {"lr": 0.27}})
    cache = Cache(tmp_path / "cache")
    given: dict[str, Any] = {"seeds": (0, 1), "steps": 100, "cache": cache, "recipe": {"layers": 0}}

    def verify(**more: Any) -> Any:
        report = verify_config(config, tmp_path / "data", Settings(target="progression"), **given, **more)
        (told,) = [one for one in report.verifications if one.check == "learning/divergence"]
        return told

    cured = verify()
    assert (cured.verdict, cured.repair, cured.seeds) == (Verdict.VERIFIED, "learning_rate_ratio = 0.1", (0, 1))
    assert cured.interval is not None
    assert cured.interval[0] > 0
    assert max(cured.after) < 1 < min(cured.before)
    assert verify(instead={"learning_rate_ratio": 1.0}).verdict is Verdict.REFUTED
    again = verify(deadline=0.0)  # nothing can be trained any more, so all comes from the cache
    assert (again.verdict, again.before, again.after) == (cured.verdict, cured.before, cured.after)


@pytest.mark.slow
def test_a_healthy_configuration_has_nothing_to_test(tmp_path: Path) -> None:
    config = written(tmp_path, optimizer={"type": "AdamW", "params": {"lr": 1e-3}})
    report = verify_config(config, None, Settings(), checks=("numerics/exploding-gradients",), seeds=(0, 1), steps=60)
    (told,) = report.verifications
    assert (told.verdict, told.check) == (Verdict.NOT_TESTABLE, "numerics/exploding-gradients")
    assert [finding for finding in report.findings if finding.severity is Severity.ERROR] == []


def test_without_time_nothing_is_run(tmp_path: Path) -> None:
    config = written(tmp_path)
    report = verify_config(config, None, Settings(), checks=("learning/divergence",), steps=5, deadline=0.0)
    (told,) = report.verifications
    assert (told.verdict, report.findings) == (Verdict.NOT_RUN, [])
