"""Pipelines that draw at random, built from the code as it is and with the seed set."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from conftest import FIXTURES

from doctor.model import EditCode, Finding, Location, Severity, Verdict, Verification
from doctor.subjects.pipeline import Pipeline
from doctor.verify.builds import verify_builds
from doctor.verify.deployment import Untestable

PLAIN = Verification(fingerprint="f", check="reproducibility/unseeded-code", repair="seed", verdict=Verdict.NOT_RUN)
SEEDED = EditCode(line=6, code="random.seed(0)")


def generator() -> ModuleType:
    file = FIXTURES / "reproducibility" / "unseeded_code" / "clinic.py"
    spec = importlib.util.spec_from_file_location("unseeded_patient", file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def verified(folder: Path, repair: EditCode = SEEDED, *, runs: bool = True) -> Verification:
    file = folder / "build.py"
    finding = Finding(check=PLAIN.check, severity=Severity.WARNING, message="", at=Location(path=str(file), line=10))
    return verify_builds(finding, repair, Pipeline.named(f"{file}:make") if runs else None, PLAIN)


def test_a_seed_makes_the_builds_equal(tmp_path: Path) -> None:
    generator().generate(tmp_path)
    before = (tmp_path / "build.py").read_bytes()
    told = verified(tmp_path)
    assert told.verdict is Verdict.VERIFIED
    assert set(told.after) == {0.0}
    assert all(share and share > 0.5 for share in told.before)
    assert (tmp_path / "build.py").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["build.py"]


def test_the_seed_of_another_generator_is_refuted(tmp_path: Path) -> None:
    generator().generate(tmp_path)
    assert verified(tmp_path, EditCode(line=6, code="import numpy; numpy.random.seed(0)")).verdict is Verdict.REFUTED


def test_what_is_seeded_already_is_not_testable(tmp_path: Path) -> None:
    generator().seeded(tmp_path)
    assert verified(tmp_path).verdict is Verdict.NOT_TESTABLE


def test_code_is_run_only_where_the_user_named_it(tmp_path: Path) -> None:
    told = verified(tmp_path, runs=False) if not generator().generate(tmp_path) else PLAIN
    assert told.verdict is Verdict.NOT_RUN
    assert "--pipeline MODULE:FUNCTION" in told.reason


def test_an_expression_to_be_replaced_is_left_to_a_person(tmp_path: Path) -> None:
    generator().generate(tmp_path)
    told = verified(tmp_path, EditCode(line=10, code="sorted(READINGS)", inserted=False))
    assert told.verdict is Verdict.NOT_RUN


def test_an_edit_that_breaks_the_code_is_not_run(tmp_path: Path) -> None:
    generator().generate(tmp_path)
    with pytest.raises(Untestable, match="no Python any more"):
        verified(tmp_path, EditCode(line=6, code="random.seed("))
