"""Living with findings: `doctor baseline` accepts today's, later scans show what is new and say what is not."""

import datetime
import json
import random
import re
import shutil
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import pytest
from conftest import FIXTURES, Doctor, write_csv
from hypothesis import given, settings
from hypothesis import strategies as st

import doctor as doctor_package
from doctor import baseline
from doctor.accepting import Update, updated
from doctor.baseline import Stored, with_baseline
from doctor.case import open_case
from doctor.cli import command
from doctor.engine import examine
from doctor.errors import UsageError
from doctor.model import Report, Severity
from doctor.registry import load_renderer
from doctor.settings import settings_for

SICK = FIXTURES / "quality" / "missing_values" / "sick"
PROGRAM = FIXTURES / "reproducibility" / "unseeded_code" / "sick" / "torch_loader.py"
TODAY = datetime.date.today()
YESTERDAY, TOMORROW = (TODAY + datetime.timedelta(days) for days in (-1, 1))
HEADER = ("alcohol", "ash", "origin", "label")
CHOSEN = ("missing-values", "constant", "unseeded-code")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of a user's, with data in which `ash` is mostly missing and `origin` is always the same."""
    monkeypatch.chdir(tmp_path)
    write_csv(tmp_path / "data.csv", HEADER, rows())
    return tmp_path


def rows(*, ash: float = 0.5, origin: Sequence[str] = ("here",), seed: int = 0) -> list[list[object]]:
    draw = random.Random(seed)
    made: list[list[object]] = [
        [round(draw.gauss(13, 1), 2), round(draw.gauss(2, 0.2), 2), origin[number % len(origin)], f"c{number % 2}"]
        for number in range(120)
    ]
    for row in made[: round(ash * len(made))]:
        row[1] = ""
    draw.shuffle(made)
    return made


def visit(*paths: str | Path, **options: Any) -> Report:
    options = {"select": CHOSEN, "sample_seed": 0, **options}
    return doctor_package.scan(*paths, **options)


def accept(
    *paths: str | Path, file: str = baseline.FILE, reason: str = "", expires: Any = None, **options: Any
) -> Update:
    places = [Path(path) for path in paths]
    wishes = settings_for(places[0], {"select": CHOSEN, **options})
    known = baseline.read(Path(file)) if Path(file).exists() else []
    with open_case(places, wishes) as case:
        report = examine(case, wishes)
        update = updated(known, Path(file), report, case, reason=reason, expires=expires)
    baseline.write(update.entries, Path(file))
    return update


def open_checks(report: Report) -> list[str]:
    return sorted(finding.check for finding in report.findings if not finding.suppressed)


def edited(**changes: object) -> None:
    """Change what the file says of each entry, as a person would."""
    entries = [Stored(**{**{f: getattr(e, f) for f in e.__struct_fields__}, **changes}) for e in baseline.read(FILE)]
    baseline.write(entries, FILE)


FILE = Path(baseline.FILE)


def test_what_was_accepted_is_not_found_again_and_is_counted(home: Path) -> None:
    assert open_checks(visit("data.csv")) == ["quality/constant", "quality/missing-values"]
    update = accept("data.csv")
    assert (len(update.added), update.kept, update.gone) == (2, (), ())
    report = visit("data.csv")
    assert open_checks(report) == []
    assert report.baseline is not None
    assert len(report.baseline.accepted) == 2
    assert report.baseline.file == baseline.FILE
    assert all(finding.suppressed == f"accepted {TODAY} in {baseline.FILE}" for finding in report.findings)
    assert open_checks(visit("data.csv", baseline=False)) == ["quality/constant", "quality/missing-values"]


def test_only_what_is_new_is_shown(home: Path) -> None:
    accept("data.csv", select=("constant",))
    report = visit("data.csv")
    assert open_checks(report) == ["quality/missing-values"]
    assert report.at_least("info")[0].at.columns == ("ash",)


@pytest.mark.parametrize("seed", [1, 2])
def test_rows_in_another_order_and_other_counts_are_known_again(seed: int, home: Path) -> None:
    accept("data.csv")
    write_csv(home / "data.csv", HEADER, rows(ash=0.45, seed=seed))
    assert open_checks(visit("data.csv")) == []


def test_the_same_table_in_another_format_is_known_again(home: Path) -> None:
    import pyarrow.csv
    import pyarrow.feather
    import pyarrow.parquet

    accept("data.csv")
    table = pyarrow.csv.read_csv(
        home / "data.csv", convert_options=pyarrow.csv.ConvertOptions(strings_can_be_null=True)
    )
    (home / "data.csv").unlink()
    pyarrow.parquet.write_table(table, home / "data.parquet")
    pyarrow.feather.write_feather(table, home / "data.feather")
    for name in ("data.parquet", "data.feather"):
        report = visit(name)
        assert open_checks(report) == []
        assert report.baseline is not None
        assert len(report.baseline.accepted) == 2


def test_a_table_is_known_again_alone_and_beside_others(home: Path) -> None:
    write_csv(home / "both" / "wine.csv", HEADER, rows())
    accept("both")
    write_csv(home / "both" / "beer.csv", ("hops", "malt"), [[number, number % 7] for number in range(90)])
    report = visit("both")
    assert open_checks(report) == []
    FILE.unlink()
    accept("both")  # with the label in the fingerprints
    assert open_checks(visit("both")) == []
    assert open_checks(visit("both/wine.csv")) == []


def test_other_data_with_the_same_columns_is_not_meant(home: Path) -> None:
    accept("data.csv")
    shutil.copy("data.csv", "more.csv")
    report = visit("more.csv")
    assert open_checks(report) == ["quality/constant", "quality/missing-values"]
    assert report.baseline is not None
    assert (report.baseline.gone, report.baseline.unseen) == ([], 2)


def test_the_paths_hold_from_every_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_csv(home / "deep" / "er" / "data.csv", HEADER, rows())
    accept("deep/er/data.csv")
    assert {entry.path for entry in baseline.read(FILE)} == {"deep/er/data.csv"}
    monkeypatch.chdir(home / "deep")
    assert open_checks(visit("er/data.csv")) == []
    assert open_checks(visit(home / "deep" / "er" / "data.csv")) == []


def test_an_entry_that_has_run_out_hides_nothing_and_is_told(home: Path) -> None:
    accept("data.csv", expires=TOMORROW)
    assert open_checks(visit("data.csv")) == []
    edited(expires=YESTERDAY)
    report = visit("data.csv")
    assert open_checks(report) == ["quality/constant", "quality/missing-values"]
    assert report.baseline is not None
    assert report.baseline.accepted == []
    assert {entry.expires for entry in report.baseline.expired} == {YESTERDAY.isoformat()}
    again = accept("data.csv")
    assert (len(again.renewed), again.kept) == (2, ())
    assert open_checks(visit("data.csv")) == []


def test_a_finding_that_became_graver_is_not_hidden(home: Path) -> None:
    accept("data.csv", reason="known")
    edited(severity=Severity.INFO)
    report = visit("data.csv")
    assert open_checks(report) == ["quality/constant", "quality/missing-values"]
    assert report.baseline is not None
    assert len(report.baseline.graver) == 2
    assert {entry.reason for entry in accept("data.csv").renewed} == {"known"}
    edited(severity=Severity.ERROR)
    assert open_checks(visit("data.csv")) == []


def test_an_entry_whose_finding_is_gone_is_told_and_taken_out(home: Path) -> None:
    accept("data.csv")
    write_csv(home / "data.csv", HEADER, rows(origin=("here", "there")))
    report = visit("data.csv")
    assert report.baseline is not None
    assert [entry.check for entry in report.baseline.gone] == ["quality/constant"]
    update = accept("data.csv")
    assert [entry.check for entry in update.gone] == ["quality/constant"]
    assert [entry.check for entry in baseline.read(FILE)] == ["quality/missing-values"]


def test_what_nobody_looked_for_is_not_gone(home: Path) -> None:
    accept("data.csv")
    write_csv(home / "data.csv", HEADER, rows(ash=0, origin=("here", "there")))
    write_csv(home / "other.csv", HEADER, rows())
    for report in (
        visit("data.csv", select="leakage"),
        visit("data.csv", budget=0.0),
        visit("other.csv"),
        visit("data.csv", ignore=("constant", "missing-values")),
    ):
        assert report.baseline is not None
        assert report.baseline.gone == []
        assert report.baseline.unseen == 2
    assert len(accept("other.csv").entries) == 4


def test_a_file_that_cannot_be_read_any_more_is_not_healed(home: Path) -> None:
    write_csv(home / "both" / "wine.csv", HEADER, rows())
    write_csv(home / "both" / "beer.csv", ("hops", "malt"), [[number, number % 7] for number in range(90)])
    accept("both")
    (home / "both" / "wine.csv").write_bytes(b"")
    report = visit("both")
    assert report.baseline is not None
    assert report.baseline.gone == []
    (home / "both" / "wine.csv").unlink()
    assert len(accept("both").gone) == 2


def test_a_second_acceptance_keeps_reasons_and_dates(home: Path) -> None:
    accept("data.csv", select=("constant",), reason="one importer", expires=TOMORROW)
    edited(accepted=YESTERDAY)
    accept("data.csv", reason="later")
    known = {entry.check: entry for entry in baseline.read(FILE)}
    assert (known["quality/constant"].reason, known["quality/constant"].accepted) == ("one importer", YESTERDAY)
    assert known["quality/constant"].expires == TOMORROW
    assert (known["quality/missing-values"].reason, known["quality/missing-values"].accepted) == ("later", TODAY)
    before = FILE.read_bytes()
    accept("data.csv")
    assert FILE.read_bytes() == before


def test_code_is_known_again_when_lines_move_and_the_path_is_told_otherwise(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = home / "code" / "train.py"
    program.parent.mkdir()
    shutil.copy(PROGRAM, program)
    accept("code")
    assert [entry.path for entry in baseline.read(FILE)] == ["code/train.py"]
    program.write_text(f'"""A head of lines."""\n\n# one\n\n{program.read_text("utf-8")}', "utf-8")
    assert open_checks(visit("code")) == []
    assert open_checks(visit(program.parent.absolute())) == []
    monkeypatch.chdir(program.parent)
    assert open_checks(visit(".")) == []
    monkeypatch.chdir(home)
    program.write_text("import torch\n\ntorch.manual_seed(0)\n" + program.read_text("utf-8"), "utf-8")
    report = visit("code")
    assert report.baseline is not None
    assert [entry.check for entry in report.baseline.gone] == ["reproducibility/unseeded-code"]


def test_a_list_of_libraries_is_known_again_when_its_lines_move(home: Path) -> None:
    (home / "code").mkdir()
    (home / "code" / "train.py").write_text("import torch\ntorch.manual_seed(0)\ntorch.rand(3).backward()\n", "utf-8")
    shutil.copy(PROGRAM, home / "code" / "loader.py")
    (home / "code" / "requirements.txt").write_text("torch\n", "utf-8")
    accept("code", select=("unpinned-dependencies",))
    assert [entry.path for entry in baseline.read(FILE)] == ["code/requirements.txt"]
    (home / "code" / "requirements.txt").write_text("# what it needs\n\ntorch\n", "utf-8")
    assert open_checks(visit((home / "code").absolute(), select="unpinned-dependencies")) == []


def test_a_frame_is_held_against_a_baseline_that_is_named(home: Path) -> None:
    import pandas

    accept("data.csv")
    frame = pandas.read_csv("data.csv")
    assert len(open_checks(visit(frame))) == 2
    report = visit(frame, baseline=FILE)
    assert open_checks(report) == []
    report.raise_for_errors("info")
    assert report.baseline is not None
    assert report.baseline.gone == []


def test_the_settings_file_may_name_the_baseline_or_do_without(home: Path) -> None:
    (home / "kept").mkdir()
    accept("data.csv", file="kept/known.toml")
    assert len(open_checks(visit("data.csv"))) == 2
    (home / "doctor.toml").write_text('baseline = "kept/known.toml"\n', "utf-8")
    assert open_checks(visit("data.csv")) == []
    (home / "doctor.toml").write_text("baseline = false\n", "utf-8")
    accept("data.csv")
    assert len(open_checks(visit("data.csv"))) == 2


def test_a_suppression_in_the_settings_keeps_its_reason(home: Path) -> None:
    accept("data.csv")
    (home / "doctor.toml").write_text('[[suppress]]\ncheck = "quality/constant"\nreason = "by design"\n', "utf-8")
    report = visit("data.csv")
    assert report.baseline is not None
    assert len(report.baseline.accepted) == 1
    assert {f.suppressed for f in report.findings if f.check == "quality/constant"} == {"by design"}
    assert sorted(entry.check for entry in accept("data.csv").entries) == ["quality/constant", "quality/missing-values"]


def test_checks_of_others_that_are_not_installed_are_left_alone(home: Path) -> None:
    accept("data.csv")
    text = FILE.read_text("utf-8")
    FILE.write_text(text.replace("quality/constant", "acme/rust"), "utf-8")
    report = visit("data.csv")
    assert open_checks(report) == ["quality/constant"]
    assert report.baseline is not None
    assert report.baseline.unseen == 1
    assert {entry.check for entry in accept("data.csv").entries} == {
        "quality/constant",
        "quality/missing-values",
        "acme/rust",
    }


def test_secrets_do_not_get_into_the_file(home: Path) -> None:
    write_csv(home / "data.csv", ("ash", "ghp_abcdefghijklmnopqrst"), [[number, "x"] for number in range(60)])
    accept("data.csv", select=("constant",))
    assert "ghp_" in FILE.read_text("utf-8")
    assert "abcdefghij" not in FILE.read_text("utf-8")


ENTRY = (
    '[[accepted]]\ncheck = "quality/constant"\npath = "data.csv"\nseverity = "warning"\n'
    f'fingerprint = "0123456789abcdef"\naccepted = {TODAY}\n'
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("format = 1\naccepted = [", "doctor-baseline.toml: not a baseline: "),
        ("<<<<<<< HEAD\n", "not a baseline: Invalid statement (at line 1, column 1)"),
        ("\x00", "not a baseline: "),
        ("", "doctor-baseline.toml: it does not say its format, and this doctor reads format 1"),
        ("format = 2\n", "it has format 2, and this doctor reads format 1"),
        ("format = 1\nacepted = []\n", "unknown key 'acepted'; known: format, accepted"),
        ("format = 1\naccepted = 3\n", "accepted: write each entry under [[accepted]]"),
        (f"format = 1\n{ENTRY}colour = 3\n", "doctor-baseline.toml:2: entry 1: Object contains unknown field `colour`"),
        (
            f"format = 1\n{ENTRY.replace('warning', 'dire')}",
            "doctor-baseline.toml:2: entry 1: Invalid enum value 'dire'",
        ),
        (f"format = 1\n{ENTRY}expires = 'soon'\n", "doctor-baseline.toml:2: entry 1: Invalid RFC3339"),
        (f"format = 1\n{ENTRY.replace('check', 'chck')}", "entry 1: Object"),
        (
            f"format = 1\n\n{ENTRY}\n{ENTRY}",
            "doctor-baseline.toml:10: entry 2 is there twice (see entry 1, doctor-baseline.toml:3); delete one of them",
        ),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_place(text: str, said: str, home: Path) -> None:
    FILE.write_text(text, "utf-8")
    with pytest.raises(UsageError) as error:
        visit("data.csv")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_baseline_that_is_not_there_is_wrong_use(home: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.toml: No such file or directory"):
        visit("data.csv", baseline="nowhere.toml")


texts = st.text(st.characters(codec="utf-8"), max_size=30)
entries = st.builds(
    Stored,
    check=texts,
    message=texts,
    path=texts,
    severity=st.sampled_from(Severity),
    fingerprint=texts,
    accepted=st.dates(),
    reason=texts,
    expires=st.none() | st.dates(),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(entries, max_size=4, unique_by=lambda entry: (entry.check, entry.path, entry.fingerprint)))
def test_what_is_written_reads_back(some: list[Stored]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "known.toml"
        baseline.write(some, file)
        key = lambda entry: (entry.path, entry.check, entry.fingerprint)  # noqa: E731
        assert baseline.read(file) == sorted(some, key=key)
        assert [path.name for path in Path(folder).iterdir()] == ["known.toml"]


# As its users see it.


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return shutil.copytree(SICK, tmp_path / "data")


def test_the_command_accepts_and_the_scan_ends_well(doctor: Doctor, data: Path, tmp_path: Path) -> None:
    chosen = ("data", "--select", "missing-values")
    assert doctor("scan", *chosen, "--fail-on", "warning", cwd=tmp_path).returncode == 1
    done = doctor("baseline", *chosen, "--reason", "old sensors", "--expires", "90d", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("data/doctor-baseline.toml: 3 findings accepted (3 new)\nnew      ash: 59.6% missing")
    until = TODAY + datetime.timedelta(90)
    assert f'reason = "old sensors"\nexpires = {until}\n' in (data / baseline.FILE).read_text("utf-8")
    shown = doctor("scan", *chosen, "--fail-on", "warning", cwd=tmp_path)
    assert shown.returncode == 0
    assert "Nothing new: 3 findings accepted before.\n" in shown.stdout
    assert "data/doctor-baseline.toml: 3 findings accepted.\n" in shown.stdout
    assert "magnesium" not in shown.stdout
    full = doctor("scan", *chosen, "--no-baseline", cwd=tmp_path)
    assert "ash: 59.6% missing" in full.stdout
    assert "--no-baseline" in full.stdout
    again = doctor("baseline", *chosen, cwd=tmp_path)
    assert again.stdout == "data/doctor-baseline.toml: 3 findings accepted (3 known)\n"


def test_a_repair_is_made_although_its_finding_is_accepted(doctor: Doctor, data: Path, tmp_path: Path) -> None:
    chosen = ("data", "--select", "missing-values")
    doctor("baseline", *chosen, cwd=tmp_path)
    doctor("scan", *chosen, "--output", "found.json", cwd=tmp_path)
    for more in ((), ("--from", "found.json")):
        plan = doctor("fix", *chosen, "--dry-run", "--unsafe", *more, cwd=tmp_path).stdout
        assert "do         impute ash" in plan
        assert "suppressed" not in plan


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["baseline"], "Missing argument 'PATHS...'"),
        (["baseline", "nowhere"], "nowhere: there is no such file or folder"),
        (
            ["baseline", "data", "--expires", "soon"],
            "'soon' is neither a day, such as 2027-01-31, nor a number of days",
        ),
        (["baseline", "data", "--expires", "2020-01-01"], "2020-01-01 is over"),
        (["baseline", "data", "--expires", "99999999999"], "'99999999999' is neither a day"),
        (["baseline", "data", "--output", "no/where.toml"], "no/where.toml: there is no such folder to write it to"),
        (["scan", "data", "--baseline", "none.toml"], "none.toml: No such file or directory"),
        (["autopsy", "run.log", "--baseline", "none.toml"], "none.toml: No such file or directory"),
    ],
)
def test_wrong_use_is_one_line(
    arguments: list[str], said: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.log").write_text("step 1 loss 2.0\n", "utf-8")
    with pytest.raises((UsageError, click.UsageError)) as error:
        command.main(arguments, standalone_mode=False)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_folder_that_cannot_be_written_is_one_line(doctor: Doctor, data: Path, tmp_path: Path) -> None:
    done = doctor("baseline", "data", "--select", "missing-values", "--output", "/proc/known.toml", cwd=tmp_path)
    said = "doctor: /proc/known.toml: cannot be written: No such file or directory\n"
    assert (done.returncode, done.stderr) == (2, said)


def test_a_file_that_is_no_file_is_one_line_and_leaves_nothing(home: Path) -> None:
    (home / "full").mkdir()
    with pytest.raises(UsageError, match="full: cannot be written: "):
        baseline.write([], Path("full"))
    assert not list(home.glob(".full*"))


# In every format.


@pytest.fixture
def shown(home: Path) -> Report:
    """Of three findings one is accepted, one has run out, and the third is gone."""
    write_csv(home / "data.csv", (*HEADER, "crop"), [[*row, "grape"] for row in rows()])
    accept("data.csv", reason="old <sensors>")
    known = baseline.read(FILE)
    changed = [
        Stored(**{**{f: getattr(e, f) for f in e.__struct_fields__}, "expires": YESTERDAY}) if "ash" in e.message else e
        for e in known
    ]
    baseline.write(changed, FILE)
    write_csv(home / "data.csv", (*HEADER, "crop"), [[*row, f"g{number}"] for number, row in enumerate(rows())])
    report = visit("data.csv")
    assert report.baseline is not None
    told = report.baseline
    assert (len(told.accepted), len(told.expired), len(told.gone), told.unseen) == (1, 1, 1, 0)
    return report


SENTENCE = "doctor-baseline.toml: 1 finding accepted, 1 accepted until a day that is over, 1 gone."


def test_text_counts_and_names_what_wants_a_look(shown: Report) -> None:
    text = str(shown)
    assert SENTENCE in text
    assert f"accepted until {YESTERDAY}, so it counts again" in " ".join(text.split())
    assert f"accepted {TODAY} and gone; its entry can go too" in " ".join(text.split())
    assert "origin" not in text
    assert "Accept anew:    doctor baseline data.csv" in text


def test_json_keeps_to_its_schema_and_says_who_hid_what(shown: Report) -> None:
    told = json.loads(shown.to_json())
    (hidden,) = (finding for finding in told["findings"] if "suppressed" in finding)
    assert told["baseline"]["accepted"] == [hidden["fingerprint"]]
    assert hidden["suppressed"] == f"old <sensors> (accepted {TODAY})"
    assert [entry["check"] for entry in told["baseline"]["gone"]] == ["quality/constant"]


def test_html_has_a_chapter(shown: Report) -> None:
    page = load_renderer("html")(shown, color=False)
    assert '<section id="accepted"' in page
    assert "old &lt;sensors&gt;" in page
    assert SENTENCE in page
    assert "so it counts again" in page


def test_markdown_lists_the_entries(shown: Report) -> None:
    page = load_renderer("markdown")(shown, color=False)
    assert re.search(r"^doctor-baseline.toml: 1 finding accepted", page, re.MULTILINE)
    assert "so it counts again" in page
    assert "its entry can go too" in page


def test_sarif_marks_what_is_accepted_and_notes_the_rest(shown: Report) -> None:
    (run,) = json.loads(load_renderer("sarif")(shown, color=False))["runs"]
    marked = [result for result in run["results"] if "suppressions" in result]
    assert [result["suppressions"][0]["justification"] for result in marked] == [f"old <sensors> (accepted {TODAY})"]
    notes = run["invocations"][0]["toolExecutionNotifications"]
    texts = [note["message"]["text"] for note in notes if "accepted" in note["message"]["text"]]
    assert len(texts) == 2
    uris = {n["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for n in notes if "locations" in n}
    assert uris == {"doctor-baseline.toml"}


def test_junit_has_a_case_that_tells_it(shown: Report) -> None:
    root = ElementTree.fromstring(load_renderer("junit")(shown, color=False))
    (suite,) = (suite for suite in root.findall("testsuite") if suite.get("name") == "baseline")
    (case,) = suite.findall("testcase")
    assert case.findtext("system-out", "").splitlines()[0] == SENTENCE
    assert root.get("failures") == "0"


def test_github_and_gitlab_point_at_what_is_gone(shown: Report) -> None:
    commands = load_renderer("github")(shown, color=False)
    assert "::notice file=doctor-baseline.toml,title=quality/constant::" in commands
    assert f"doctor: {SENTENCE}" in commands
    issues = json.loads(load_renderer("gitlab")(shown, color=False))
    assert {issue["location"]["path"] for issue in issues} == {"data.csv", "doctor-baseline.toml"}
    assert "origin" not in commands


def test_nothing_is_looked_for_where_none_is_wanted(home: Path) -> None:
    wishes = settings_for(Path("data.csv"), {"baseline": False})
    accept("data.csv")
    assert with_baseline(wishes, [Path("data.csv")]) == wishes
