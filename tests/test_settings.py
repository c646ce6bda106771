"""What was asked for: command line over settings file over defaults."""

import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doctor.errors import UsageError
from doctor.model import Check, Location, Severity
from doctor.settings import Settings, Suppression, parse_threshold, settings_for

FINDING = Check("acme/rust", Severity.WARNING, "{column}").finding(at=Location(path="cars.csv", columns=("door",)))
YESTERDAY = datetime.date.today() - datetime.timedelta(days=1)
TOMORROW = datetime.date.today() + datetime.timedelta(days=1)  # today may end while the tests run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    inner = tmp_path / "project" / "data"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    return inner


def test_nothing_said_gives_the_defaults(folder: Path) -> None:
    assert settings_for(folder, {}) == Settings()


def test_the_file_is_read_and_the_command_line_wins(folder: Path) -> None:
    (folder / "doctor.toml").write_text('target = "price"\nfail-on = "warning"\nbudget = 5\n', "utf-8")
    settings = settings_for(folder, {"target": "rent", "time": None, "group": ()})
    assert settings.target == "rent"
    assert settings.fail_on == "warning"
    assert settings.budget == 5.0
    assert settings.origin == folder / "doctor.toml"


def test_a_single_word_may_stand_for_a_list_of_one(folder: Path) -> None:
    (folder / "doctor.toml").write_text('group = "patient"\nselect = ["quality"]\n', "utf-8")
    settings = settings_for(folder, {})
    assert settings.group == ("patient",)
    assert settings.select == ("quality",)


def test_the_nearest_file_above_governs(folder: Path) -> None:
    (folder.parent / "doctor.toml").write_text('target = "outer"\n', "utf-8")
    assert settings_for(folder, {}).target == "outer"
    (folder / "doctor.toml").write_text('target = "inner"\n', "utf-8")
    assert settings_for(folder, {}).target == "inner"


def test_pyproject_speaks_only_if_it_has_a_table_for_us(folder: Path) -> None:
    (folder.parent / "doctor.toml").write_text('target = "outer"\n', "utf-8")
    (folder / "pyproject.toml").write_text('[project]\nname = "x"\n', "utf-8")
    assert settings_for(folder, {}).target == "outer"
    (folder / "pyproject.toml").write_text('[tool.doctor]\ntarget = "inner"\n', "utf-8")
    assert settings_for(folder, {}).target == "inner"


def test_doctor_toml_goes_before_pyproject_in_one_folder(folder: Path) -> None:
    (folder / "pyproject.toml").write_text('[tool.doctor]\ntarget = "shared"\n', "utf-8")
    (folder / "doctor.toml").write_text('target = "own"\n', "utf-8")
    assert settings_for(folder, {}).target == "own"


def test_the_working_directory_governs_data_that_lie_elsewhere(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (folder / "doctor.toml").write_text('target = "price"\n', "utf-8")
    assert settings_for(elsewhere, {}).target == "price"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('targte = "price"', "unknown key 'targte'; known: against, annotators, available-at, baseline"),
        ("target = 3", "target: Expected `str | null`, got `int`"),
        ("budget = 'much'", "budget: Expected `float | null`, got `str`"),
        ('fail-on = "doom"', "'doom' is none of error, warning, info, never"),
        ("target = ", "Invalid value"),
        ('set = {"acme/rust" = 3}', 'write thresholds as [set."family/check"]'),
        ('[[suppress]]\ncheck = "acme/rust"', "missing required field `reason`"),
        ('[[suppress]]\ncheck = "acme/rust"\nreason = " "', "the suppression of acme/rust gives no reason"),
        ('[[suppress]]\ncheck = "acme/rust"\nreason = "old"\ncolum = "door"', "unknown field `colum`"),
        ('[[suppress]]\ncheck = "acme/rust"\nreason = "old"\nuntil = "soon"', "Invalid"),
    ],
)
def test_a_mistake_is_named_with_its_file(text: str, said: str, folder: Path) -> None:
    (folder / "doctor.toml").write_text(text + "\n", "utf-8")
    with pytest.raises(UsageError) as error:
        settings_for(folder, {})
    assert said in str(error.value)
    assert str(folder / "doctor.toml") in str(error.value)


@pytest.mark.parametrize(
    ("suppression", "covers"),
    [
        ({}, True),
        ({"column": "door"}, True),
        ({"column": "wheel"}, False),
        ({"path": "cars.csv"}, True),
        ({"path": "bikes.csv"}, False),
        ({"fingerprint": FINDING.fingerprint}, True),
        ({"fingerprint": "0000"}, False),
        ({"until": TOMORROW}, True),
        ({"until": YESTERDAY}, False),
        ({"check": "acme/dust"}, False),
    ],
)
def test_a_suppression_covers_what_it_names(suppression: dict[str, object], covers: bool) -> None:
    assert Suppression(**{"check": "acme/rust", "reason": "old car", **suppression}).covers(FINDING) is covers


def test_suppressions_and_thresholds_are_read_from_the_file(folder: Path) -> None:
    (folder / "doctor.toml").write_text(
        '[set."acme/rust"]\nmax-share = 0.2\n\n'
        '[[suppress]]\ncheck = "acme/rust"\nreason = "old car"\ncolumn = "door"\nuntil = 2999-12-31\n',
        "utf-8",
    )
    settings = settings_for(folder, {})
    assert settings.thresholds == {"acme/rust": {"max_share": 0.2}}
    assert settings.suppressions == (
        Suppression(check="acme/rust", reason="old car", column="door", until=datetime.date(2999, 12, 31)),
    )


@given(st.text().filter(lambda text: "=" not in text or "." not in text.partition("=")[0]))
def test_what_names_no_threshold_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not of the form"):
        parse_threshold(text)


@given(st.from_regex(r"[a-z]+/[a-z-]+", fullmatch=True), st.from_regex(r"[a-z_]+", fullmatch=True), st.floats())
def test_a_written_threshold_reads_back(id: str, name: str, value: float) -> None:
    assert parse_threshold(f"{id}.{name}={value}") == (id, name, str(value))
