"""Repairs tried on real programs: one that helps, one that does not, one with nothing to cure."""

import sys
import time
from pathlib import Path

import msgspec
import pytest

from doctor.errors import UsageError
from doctor.model import (
    About,
    CaseSummary,
    ChangeTraining,
    EditCode,
    Finding,
    Location,
    Report,
    Severity,
    SubjectSummary,
    Verdict,
)
from doctor.settings import Settings
from doctor.verify.cache import Cache
from doctor.verify.command import bounded_steps, verify_command

CHECK = "learning/gradients-accumulate"
PROGRAM = """
import argparse, torch
parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
torch.manual_seed(parser.parse_args().seed)
inputs = torch.randn(256, 8)
targets = inputs.sum(1, keepdim=True)
model = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
for step in range(10000):
    rows = torch.randint(256, (32,))
    loss = torch.nn.functional.mse_loss(model(inputs[rows]), targets[rows])
    loss.backward()
    optimizer.step(){clear}
    open("steps.txt", "w").write(str(step))
"""
CLEARED = "\n    optimizer.zero_grad()"
SETTINGS = Settings()


def recorded(folder: Path, *findings: Finding, steps: int = 10000) -> Path:
    """A run folder with these findings."""
    folder.mkdir()
    subject = SubjectSummary(kind="run", path="run", facts={"steps": steps, "seconds": 5.0})
    report = Report(
        doctor=About(version="0", sample_seed=0, sample_rows=0),
        case=CaseSummary(path="run", subjects=[subject]),
        findings=list(findings),
    )
    (folder / "diagnosis.json").write_bytes(msgspec.json.encode(report))
    return folder


def finding(step: int | None = 2, **changes: float | str | bool) -> Finding:
    repair = ChangeTraining(changes=changes, summary="change")
    at = Location(step=step)
    return Finding(check=CHECK, severity=Severity.ERROR, message="", at=at, fingerprint="f", repair=repair)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return Cache(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "train.py"


def verified(program: Path, run: Path, cache: Cache | None, **more: object) -> Report:
    given = {"seeds": (0, 1), "steps": 60, "workers": 2} | more
    return verify_command(run, [sys.executable, program.name], SETTINGS, cache=cache, **given)  # type: ignore[arg-type]


@pytest.mark.slow
def test_the_repair_of_a_sick_program_is_verified_and_not_run_twice(program: Path, cache: Cache) -> None:
    program.write_text(PROGRAM.format(clear=""))
    run = recorded(program.parent.with_name(f"{program.parent.name}-run"), finding(zero_grad=True))
    report = verified(program, run, cache)
    (told,) = report.verifications
    assert told.verdict is Verdict.VERIFIED, told
    assert told.details["symptom_before"] == [True, True]
    assert told.details["symptom_after"] == [False, False]
    assert len(report.charts[0].lines) == 4
    assert sorted(path.name for path in program.parent.iterdir()) == ["train.py"]
    begin = time.process_time()
    assert verified(program, run, cache, deadline=time.monotonic()).verifications[0].verdict is Verdict.VERIFIED
    assert time.process_time() - begin < 5


@pytest.mark.slow
def test_a_repair_of_something_else_is_refuted(program: Path, cache: Cache) -> None:
    program.write_text(PROGRAM.format(clear=""))
    run = recorded(program.parent.with_name(f"{program.parent.name}-run"), finding(max_grad_norm=1.0))
    (told,) = verified(program, run, cache).verifications
    assert told.verdict is Verdict.REFUTED, told


@pytest.mark.slow
def test_on_a_healthy_program_there_is_nothing_to_test(program: Path) -> None:
    program.write_text(PROGRAM.format(clear=CLEARED))
    run = recorded(program.parent.with_name(f"{program.parent.name}-run"), finding(zero_grad=True))
    (told,) = verified(program, run, None).verifications
    assert told.verdict is Verdict.NOT_TESTABLE
    assert "did not show again" in told.reason
    assert len(told.before) == 1


def test_when_the_time_is_up_nothing_is_run(program: Path) -> None:
    program.write_text("raise SystemExit('must not be run')")
    run = recorded(program.parent.with_name(f"{program.parent.name}-run"), finding(zero_grad=True))
    (told,) = verified(program, run, None, deadline=time.monotonic()).verifications
    assert told.verdict is Verdict.NOT_RUN


def test_a_program_that_does_not_train_is_not_testable_with_its_last_words(program: Path) -> None:
    program.write_text("raise SystemExit('no data here')")
    run = recorded(program.parent.with_name(f"{program.parent.name}-run"), finding(zero_grad=True))
    (told,) = verified(program, run, None).verifications
    assert told.verdict is Verdict.NOT_TESTABLE
    assert "no data here" in told.reason


def test_an_edit_whose_line_is_gone_is_not_run(program: Path) -> None:
    program.write_text("pass\n")
    edit = EditCode(line=7, code="del seen[:-100]", summary="bound")
    at = Location(path=str(program), line=7)
    leak = Finding(check="memory/host-leak", severity=Severity.ERROR, message="", at=at, repair=edit)
    run = recorded(program.parent.with_name(f"{program.parent.name}-run"), leak)
    (told,) = verified(program, run, None).verifications
    assert told.verdict is Verdict.NOT_RUN
    assert "1 lines" in told.reason


def test_wrong_use_is_told_in_one_line(program: Path, tmp_path: Path) -> None:
    run = recorded(tmp_path / "run", finding(zero_grad=True))
    with pytest.raises(UsageError, match="name the command"):
        verify_command(run, [], SETTINGS)
    with pytest.raises(UsageError, match=r"nothing/such.*gradients-accumulate"):
        verify_command(run, ["python"], SETTINGS, checks=["nothing/such"])
    with pytest.raises(UsageError, match=r"neither run\.json"):
        verify_command(tmp_path, ["python"], SETTINGS)
    (tmp_path / "torn.json").write_text('{"format": 1')
    with pytest.raises(UsageError, match=r"torn\.json: not a diagnosis"):
        verify_command(tmp_path / "torn.json", ["python"], SETTINGS)


def test_a_run_goes_a_little_past_the_failure_and_never_past_the_recorded_end() -> None:
    assert bounded_steps(finding(step=100), 10000) == 400
    assert bounded_steps(finding(step=100), 150) == 150
    assert bounded_steps(finding(step=None), 150) == 150
