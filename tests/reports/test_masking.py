"""Secrets and personal data are masked in every format."""

from importlib.metadata import entry_points

import msgspec
import pytest
from report_examples import healthy_examinations, make_report, missing

from doctor.model import Diagnosis, Guess, Location, Report
from doctor.registry import load_renderer
from doctor_reports.masking import mask, masked

SECRETS = [
    "ada.lovelace@example.org",
    "+49 30 1234 5678",
    "(030) 123 4567",
    "555-867-5309",
    "13812345678",
    "4111 1111 1111 1111",
    "4111-1111-1111-1111",
    "sk-proj-Zm9vYmFyYmF6cXV4MTIz",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "hf_QhZkBcDfGhJkLmNpQrStVwXz",
    "AKIAIOSFODNN7EXAMPLE",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzQ1w8Ep3rT",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    "hunter2hunter2",
]

HARMLESS = [
    "2024-01-31 12:00:05",
    "1609459200000",
    "0.4111111111111111",
    "1,309 rows × 14 columns",
    "leakage/missingness-leakage",
    "d41d8cd98f00b204e9800998ecf8427e",
    "123e4567-e89b-12d3-a456-426614174000",
    "/home/me/data/My-Very-Long-Dataset-Name-From-2023-Final/train-00000-of-00012.parquet",
    "n_tokens: 512",
    "token_length=12",
    "1234567890123456",
    "10.0.0.255",
    "3.141592653589793",
    "user@host",
    "thisIsAQuiteLongCamelCaseColumnName2",
]


def report_with(words: str) -> Report:
    finding = msgspec.structs.replace(
        missing("a", 0.5),
        message=f"for example {words}",
        evidence={"examples": [words], "by_user": {words: 1, "b": 2}, "each": {"check": {"fingerprint": words}}},
        at=Location(path="a.csv", columns=(words,)),
    )
    return make_report([finding], healthy_examinations())


FORMATS = sorted(point.name for point in entry_points(group="doctor.reports"))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_in_no_report(secret: str, name: str) -> None:
    render = load_renderer(name)
    words = f"password={secret}" if secret.startswith("hunter") else secret
    shown = render(report_with(words))
    assert secret not in shown
    assert "•••" in shown


@pytest.mark.parametrize("words", HARMLESS)
def test_ordinary_words_and_numbers_are_left_alone(words: str) -> None:
    assert mask(words) == words


def test_a_huge_cell_is_cut_before_it_is_searched() -> None:
    cut = mask("a@b.example " * 1_000_000)
    assert len(cut) < 600
    assert cut.endswith("(12,000,000 characters)")


def test_names_that_masking_makes_alike_stay_apart() -> None:
    users = {"ann@x.org": 1, "abe@x.org": 2}
    report = make_report([msgspec.structs.replace(missing("a", 0.5), evidence={"by": users})], [])
    assert masked(report).findings[0].evidence == {"by": {"a•••@x.org": 1, "a•••@x.org (2)": 2}}


def test_a_report_without_secrets_stays_as_it_is() -> None:
    report = report_with("nothing to hide")
    assert masked(report) == report


def test_the_reason_of_a_guess_is_masked_and_a_diagnosis_keeps_its_fingerprints() -> None:
    guess = Guess(
        subject="t.csv", what="target", value="y", because="password=hunter2secret \udcff", override="--target"
    )
    diagnosis = Diagnosis(cause="c", because=["0123456789abcdef0123456789ABCDEFaZ"])
    report = msgspec.structs.replace(make_report([], [], guesses=[guess]), diagnoses=[diagnosis])
    shown = masked(report)
    assert shown.case.guesses[0].because == "password=••• \\udcff"
    assert shown.diagnoses == report.diagnoses


def test_masking_twice_changes_nothing_more() -> None:
    once = masked(make_report([msgspec.structs.replace(missing("a", 0.5), message="x" * 9000)], []))
    assert masked(once) == once
