"""Every patient is scanned by every check, through the loader of the command line."""

import importlib.util
import tomllib
from pathlib import Path

import pytest

from doctor.case import open_case
from doctor.engine import examine
from doctor.model import Finding, Outcome
from doctor.registry import load_checks
from doctor.settings import settings_for

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"


def patients() -> list[Path]:
    found = (expected.parent for expected in FIXTURES.rglob("expected.toml"))
    return sorted(patient for patient in found if not patient.is_relative_to(FIXTURES / "programs"))


def seen(finding: Finding) -> tuple[object, ...]:
    at = finding.at
    return (finding.check, finding.severity.value, at.columns, at.split, at.line, at.step, at.rank, at.module)


@pytest.mark.parametrize("patient", patients(), ids=lambda patient: str(patient.relative_to(FIXTURES)))
def test_a_patient_has_exactly_the_expected_findings(patient: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = tomllib.loads((patient / "expected.toml").read_text("utf-8"))
    expected = written.get("finding", [])
    # What runs code may stand on the command line only, so a patient cannot bring it in its doctor.toml.
    monkeypatch.chdir(patient)
    settings = settings_for(patient, written.get("options", {}))
    with open_case([patient], settings) as case:
        report = examine(case, settings)
    wanted = [
        (
            item["check"],
            item["severity"],
            tuple(item.get("columns", ())),
            *(item.get(name) for name in ("split", "line", "step", "rank", "module")),
        )
        for item in expected
    ]
    assert sorted(wanted, key=str) == sorted(map(seen, report.findings), key=str)
    assert not [e for e in report.examinations if e.outcome is Outcome.CRASHED]


@pytest.mark.parametrize("check", [check.id for check in load_checks()])
def test_each_check_has_a_sick_and_a_healthy_twin(check: str) -> None:
    home = FIXTURES / check.replace("-", "_")
    sick = [patient for patient in patients() if patient.is_relative_to(home) and patient.name.startswith("sick")]
    healthy = [patient for patient in patients() if patient.is_relative_to(home) and patient.name.startswith("healthy")]
    assert sick
    assert healthy
    for patient in sick:
        expected = tomllib.loads((patient / "expected.toml").read_text("utf-8"))
        assert check in {item["check"] for item in expected["finding"]}
    for patient in healthy:
        expected = tomllib.loads((patient / "expected.toml").read_text("utf-8"))
        assert check not in {item["check"] for item in expected.get("finding", [])}


@pytest.mark.parametrize(
    "generator", sorted(FIXTURES.rglob("generate.py")), ids=lambda path: str(path.parent.relative_to(FIXTURES))
)
def test_a_generator_still_makes_the_data_that_is_stored(generator: Path, tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("generate", generator)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.generate(tmp_path)
    made = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert made
    for path in made:
        assert path.read_bytes() == (generator.parent / path.relative_to(tmp_path)).read_bytes()
