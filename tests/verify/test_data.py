"""Repairs of data sets, tried with the real trainer on small patients."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import FIXTURES

from doctor.errors import UsageError
from doctor.model import Advise, DropColumns, Finding, Location, Report, Severity, Verdict, Verification
from doctor.settings import Settings
from doctor.verify.cache import Cache
from doctor.verify.data import verify_data

SICK = FIXTURES / "leakage" / "label_leakage" / "sick"
SETTINGS = Settings(target="cancelled")
STEPS = 60


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def proven(cache: Path) -> Report:
    return leak(cache)


def leak(cache: Path | None, **given: object) -> Report:
    return verify_data([SICK], SETTINGS, checks=["label-leakage"], steps=STEPS, cache=Cache(cache), **given)  # type: ignore[arg-type]


def told(report: Report) -> Verification:
    (one,) = report.verifications
    return one


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where anything is trained."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("something was trained")

    monkeypatch.setattr("doctor.trainer.jobs.run_jobs", refuse)


@pytest.mark.slow
def test_the_repair_of_a_leak_is_verified_by_what_deployment_brings(proven: Report) -> None:
    one = told(proven)
    assert one.verdict is Verdict.VERIFIED
    assert one.fingerprint == proven.findings[0].fingerprint
    assert one.repair == "drop refund"
    assert one.seeds == (0, 1, 2)
    assert one.steps == STEPS
    assert one.effect is not None
    assert one.effect > 0.2
    assert one.interval is not None
    assert one.interval[0] > 0
    assert min(value for value in one.before if value is not None) > 0.1
    assert set(one.details["without_the_repair"]) == {"promise", "absent", "permuted"}


def test_what_was_trained_once_is_not_trained_again(proven: Report, cache: Path, no_training: None) -> None:
    again = told(leak(cache))
    assert replace_seconds(again) == replace_seconds(told(proven))


def replace_seconds(item: Verification) -> Verification:
    import msgspec

    return msgspec.structs.replace(item, seconds=0.0)


def test_an_interrupted_verification_goes_on_with_what_is_missing(proven: Report, cache: Path) -> None:
    files = sorted(path for path in cache.rglob("*") if path.is_file())
    lost = files[0]
    kept = {path: path.stat().st_mtime_ns for path in files[1:]}
    lost.unlink()
    again = told(leak(cache))
    assert replace_seconds(again) == replace_seconds(told(proven))
    assert lost.is_file()
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_a_wrong_repair_is_refuted(cache: Path) -> None:
    one = told(leak(cache, instead=DropColumns(columns=("region",), summary="drop region")))
    assert one.verdict is Verdict.REFUTED
    assert one.repair == "drop region"


def test_a_spent_budget_runs_nothing_and_says_so(no_training: None) -> None:
    one = told(leak(None, deadline=time.monotonic()))
    assert one.verdict is Verdict.NOT_RUN
    assert one.reason == "the time budget was spent"


def supposed(**given: object) -> Finding:
    fields = {"check": "leakage/label-leakage", "severity": Severity.INFO, "message": "supposed"}
    return Finding(**{**fields, "fingerprint": "supposed", **given})  # type: ignore[arg-type]


def test_what_only_a_person_can_do_is_not_run(no_training: None) -> None:
    report = verify_data(
        [SICK.parent / "healthy"], SETTINGS, checks=["label-leakage"], suppose=[supposed(repair=Advise(summary="ask"))]
    )
    assert told(report).verdict is Verdict.NOT_RUN
    assert "only a person" in told(report).reason


def test_without_a_target_nothing_can_be_trained(tmp_path: Path, no_training: None) -> None:
    (tmp_path / "data.csv").write_text("a,b\n" + "".join(f"{number},{number % 7}\n" for number in range(300)))
    finding = supposed(repair=DropColumns(columns=("a",)), at=Location(columns=("a",)))
    report = verify_data([tmp_path], Settings(), checks=["label-leakage"], suppose=[finding])
    assert told(report).verdict is Verdict.NOT_TESTABLE
    assert "--target COLUMN" in told(report).reason


def test_the_original_stays_as_it_is(proven: Report) -> None:
    assert sorted(path.name for path in SICK.iterdir()) == ["customers.csv", "doctor.toml", "expected.toml"]


def test_two_seeds_are_too_few() -> None:
    with pytest.raises(UsageError, match="too few to tell chance"):
        verify_data([SICK], SETTINGS, seeds=(0, 1))


def test_a_recipe_with_an_unknown_field_is_wrong_use() -> None:
    with pytest.raises(UsageError, match="stepps"):
        verify_data([SICK], replace(SETTINGS, select=("label-leakage",)), recipe={"stepps": 3})
