"""The benches judge as they say they do."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from doctor.model import (
    About,
    CaseSummary,
    Finding,
    Guess,
    Location,
    Report,
    Severity,
)
from doctor.registry import load_checks

BENCH = Path(__file__).resolve().parent.parent / "bench"

EXPECT = """
- file: people.csv
  target: label
  expect:
  - {kind: missing_values, columns: [age, wage], level: must, why: half of them}
  - {kind: missing_values, columns: [3], level: should, why: a column without a name}
  - {kind: temporal_order, columns: [day], level: must, why: one row per day}
  must_not:
  - {kind: missing_values, columns: [town], why: complete}
  - {kind: exact_duplicate_rows, columns: [], why: none}
- file: pairs
  pair: {train: pairs/train.csv, test: pairs/test.csv}
  target: 2
  expect: []
  must_not:
  - {kind: missing_values, columns: [town], why: complete}
"""


@pytest.fixture
def expectations(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(BENCH))
    import expectations

    yield expectations
    for name in ("expectations", "score", "scanning", "published", "tables"):
        sys.modules.pop(name, None)


@pytest.fixture
def cases(expectations: ModuleType, tmp_path: Path) -> list:
    (tmp_path / "EXPECT.yaml").write_text(EXPECT, "utf-8")
    return expectations.read_cases(tmp_path)


def missing(*columns: str, severity: Severity = Severity.WARNING) -> Finding:
    return Finding(check="quality/missing-values", severity=severity, message="", at=Location(columns=columns))


def report(*findings: Finding, guesses: tuple[Guess, ...] = ()) -> Report:
    about = About(version="0", sample_seed=0, sample_rows=1000)
    return Report(doctor=about, case=CaseSummary(path="", guesses=list(guesses)), findings=list(findings))


def test_a_case_has_the_files_of_its_splits_and_its_target_as_text(cases: list, tmp_path: Path) -> None:
    single, pair = cases
    assert single.paths == (tmp_path / "people.csv",)
    assert pair.paths == (tmp_path / "pairs/train.csv", tmp_path / "pairs/test.csv")
    assert pair.target == "2"


def test_an_expectation_is_met_only_when_every_column_is_named(expectations: ModuleType, cases: list) -> None:
    entry = cases[0].expect[0]
    assert not expectations.met(report(missing("age")), entry)
    assert expectations.met(report(missing("age"), missing("wage")), entry)
    assert expectations.met(report(missing("town", "wage", "age")), entry)


def test_another_check_does_not_answer(expectations: ModuleType, cases: list) -> None:
    other = Finding(check="leakage/id-like", severity=Severity.ERROR, message="", at=Location(columns=("age", "wage")))
    assert not expectations.met(report(other), cases[0].expect[0])


def test_a_column_given_by_number_is_the_headerless_one(expectations: ModuleType, cases: list) -> None:
    entry = cases[0].expect[1]
    assert expectations.met(report(missing("column3")), entry)
    assert expectations.met(report(missing("column03")), entry)
    assert not expectations.met(report(missing("column13")), entry)
    assert not expectations.met(report(missing("3")), entry)


def test_an_error_on_what_must_not_be_accused_is_a_violation(expectations: ModuleType, cases: list) -> None:
    case = cases[0]
    alarm = missing("town", severity=Severity.ERROR)
    assert [alarm] == expectations.false_alarms(report(alarm, missing("age")), case.must_not[0])
    assert expectations.is_violation(alarm, case.must_not[0], case)


def test_a_warning_counts_only_where_there_is_nothing_of_the_kind(expectations: ModuleType, cases: list) -> None:
    mixed, clean = cases
    assert not expectations.is_violation(missing("town"), mixed.must_not[0], mixed)
    assert expectations.is_violation(missing("town"), clean.must_not[0], clean)
    copies = Finding(check="duplicates/duplicate-rows", severity=Severity.WARNING, message="")
    assert [copies] == expectations.false_alarms(report(copies), mixed.must_not[1])
    assert expectations.is_violation(copies, mixed.must_not[1], mixed)
    remark = Finding(check="duplicates/duplicate-rows", severity=Severity.INFO, message="")
    assert not expectations.is_violation(remark, mixed.must_not[1], mixed)


def test_near_copies_are_no_false_alarm_where_exact_ones_are_absent(expectations: ModuleType, cases: list) -> None:
    near = Finding(
        check="duplicates/duplicate-rows", severity=Severity.WARNING, message="", evidence={"kind": "near rows"}
    )
    assert expectations.false_alarms(report(near), cases[0].must_not[1]) == []


def test_an_error_of_which_nothing_is_said_is_listed(expectations: ModuleType, cases: list) -> None:
    stray = missing("height", severity=Severity.ERROR)
    expected = missing("age", "wage", severity=Severity.ERROR)
    assert [stray] == expectations.unlisted(report(stray, expected), cases[0])


def test_reach_depends_on_what_is_installed(expectations: ModuleType, cases: list) -> None:
    single = cases[0]
    needs = expectations.read_needs(BENCH / "out_of_reach.toml")
    values, _, order = single.expect

    def why(entry: object, *installed: str) -> str | None:
        return expectations.out_of_reach(entry, single, needs, installed)

    assert why(values, "leakage/id-like") == "needs quality/missing-values"
    assert why(values, "quality/missing-values") is None
    assert "one file has no split" in (why(order, "leakage/temporal-overlap") or "")
    assert why(order, "leakage/time-ordered") is None


def test_a_split_column_is_met_by_the_guess_that_names_it(expectations: ModuleType) -> None:
    entry = expectations.Entry(file="a.csv", kind="split_column", columns=("case",), why="")
    guess = Guess(subject="a.csv", what="splits", value="case", because="its values", override="--split-column COLUMN")
    assert not expectations.met(report(), entry)
    assert expectations.met(report(guesses=(guess,)), entry)


def test_a_missing_header_is_met_by_the_word_that_there_is_none(expectations: ModuleType) -> None:
    entry = expectations.Entry(file="a.txt", kind="no_header", columns=(), why="")
    guess = Guess(subject="a.txt", what="header", value="no", because="each line is a text", override="--header yes")
    assert not expectations.met(report(), entry)
    assert expectations.met(report(guesses=(guess,)), entry)


def test_every_exception_names_a_check_that_answers_for_its_kind(expectations: ModuleType) -> None:
    for need in expectations.read_needs(BENCH / "out_of_reach.toml"):
        assert set(need.needs) <= set(expectations.KINDS[need.kind])
        assert need.why


def test_the_score_fails_on_a_missed_must_and_passes_without(
    expectations: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import score

    assert "quality/missing-values" in {check.id for check in load_checks()}
    folder = tmp_path / "tabular"
    folder.mkdir()
    (folder / "half.csv").write_text("a,b\n" + "".join(f"{i},{i % 7 if i % 2 else ''}\n" for i in range(400)), "utf-8")
    expect = "- {{file: half.csv, target: null, expect: [{{kind: missing_values, columns: [{}], level: must}}]}}\n"
    (folder / "EXPECT.yaml").write_text(expect.format("b"), "utf-8")
    assert score.main([str(tmp_path), "--checks", "quality/missing-values"]) == 0
    (folder / "EXPECT.yaml").write_text(expect.format("a"), "utf-8")
    assert score.main([str(tmp_path), "--checks", "quality/missing-values"]) == 1
    assert "must missed: 1\n  half.csv: missing_values: a" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        score.main([str(tmp_path), "--file", "another.csv"])
    assert "no case another.csv" in capsys.readouterr().err


def test_in_process_and_by_command_say_the_same(expectations: ModuleType, tmp_path: Path) -> None:
    import scanning

    data = tmp_path / "half.csv"
    data.write_text("a,b\n" + "".join(f"{i},{i % 7 if i % 2 else ''}\n" for i in range(400)), "utf-8")
    only = ["quality/missing-values"]
    mine = scanning.in_process([data], select=only)
    assert mine.findings == scanning.by_command([data], select=only).findings
    assert [finding.at.column for finding in mine.findings] == ["b"]
    with pytest.raises(scanning.ScanFailed, match="no column 'c'"):
        scanning.in_process([data], target="c", select=only)
    with pytest.raises(scanning.ScanFailed, match="no column 'c'"):
        scanning.by_command([data], target="c", select=only)


def test_the_tables_of_the_bench_depend_on_the_seed_alone(expectations: ModuleType, tmp_path: Path) -> None:
    import duckdb
    import tables

    digests = []
    for name in ("first", "second"):
        folder = tables.write_large(tmp_path / name, 20_000)
        source = f"read_parquet('{folder}/*.parquet')"
        digests.append(duckdb.sql(f"SELECT bit_xor(hash(t)), count(*) FROM {source} AS t").fetchall())
    assert digests[0] == digests[1]
    described = duckdb.sql(f"DESCRIBE SELECT * FROM {source}").fetchall()
    kinds = [str(row[1]) for row in described]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {"DOUBLE": 12, "BIGINT": 9, "VARCHAR": 8, "TIMESTAMP": 1}
    rows, different, labels = duckdb.sql(
        f"SELECT count(*), (SELECT count(*) FROM (SELECT DISTINCT * FROM {source})), count(label) FROM {source}"
    ).fetchall()[0]
    assert rows == labels == 20_000
    assert 0 < rows - different < 40
    gaps = ", ".join(f"abs(corr(({row[0]} IS NULL)::INT, label))" for row in described)
    correlations = [value or 0.0 for value in duckdb.sql(f"SELECT {gaps} FROM {source}").fetchall()[0]]
    assert max(correlations) < 0.05


RATINGS = """item,rater1,rater2,rater3
1,1,1,2
2,2,6,2
3,3,3,4
4,6,4,6
5,2,2,1
6,4,3,4
7,1,2,6
8,6,6,6
9,3,4,4
10,2,1,2
"""


def test_figures_are_compared_to_the_published_digits(expectations: ModuleType, tmp_path: Path) -> None:
    import published
    from sklearn.metrics import cohen_kappa_score

    (tmp_path / "ratings.csv").write_text(RATINGS, "utf-8")
    second, third = zip(*((int(line[-3]), int(line[-1])) for line in RATINGS.splitlines()[1:]), strict=True)
    plain = round(cohen_kappa_score(second, third), 4)
    spaced = round(cohen_kappa_score(second, third, labels=range(1, 7), weights="linear"), 4)
    (tmp_path / "EXPECT.yaml").write_text(
        "- file: ratings.csv\n  layout: wide\n  expect:\n    band: fair\n"
        f"    cohen_kappa_rater2_rater3: {plain}\n    cohen_kappa_linear_numeric_distance: {spaced}\n"
        f"    fleiss_kappa: 0.999\n    no_such_figure: 0.5\n",
        "utf-8",
    )
    found = {figure.name: figure for figure in published.figures(tmp_path)}
    assert {name: figure.equal for name, figure in found.items()} == {
        "cohen_kappa_rater2_rater3": True,
        "cohen_kappa_linear_numeric_distance": True,
        "fleiss_kappa": False,
        "no_such_figure": False,
    }
    assert found["no_such_figure"].measured is None


def test_a_disputed_figure_is_met_by_its_correction_alone(expectations: ModuleType) -> None:
    import published

    def figure(measured: float) -> object:
        return published.Figure(file="a", name="b", published=0.15, measured=measured, disputed=(0.13, "computed anew"))

    assert figure(0.1302).equal
    assert not figure(0.1502).equal
    assert "computed anew" in str(figure(0.1302))
