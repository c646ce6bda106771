"""Labels of several annotators, and what an arm learns of them."""

import csv
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from doctor.case import open_case
from doctor.model import Consensus, DropAnnotators, DropColumns, Finding, Severity
from doctor.settings import Settings
from doctor.subjects.table import Table
from doctor.verify.deployment import Labels, Untestable
from doctor.verify.labels import checked_labels, concerns_labels, drawn, with_one_label

NAMES = ("ada", "ben", "cyd")
ROWS = 300


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Table]:
    with (tmp_path / "wine.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["size", *NAMES, "truth"])
        for row in range(ROWS):
            true = "good" if row % 3 else "bad"
            writer.writerow([row % 17, true, true, "good", true if row < 60 else ""])
    with open_case([tmp_path], Settings()) as case:
        yield case.tables[0]


def finding(check: str, repair: object) -> Finding:
    return Finding(check=check, severity=Severity.WARNING, message="", repair=repair)  # type: ignore[arg-type]


POOR = finding("labels/low-agreement", Consensus(annotators=NAMES))


def test_rows_with_a_checked_label_are_in_no_arm(table: Table) -> None:
    made = checked_labels(table, POOR, "truth", NAMES, 0)
    assert table.ask(f"SELECT count(*), count(truth) FROM ({made.kept})") == [(240, 0)]
    assert table.ask(f"SELECT count(*), count(truth) FROM ({made.deployments['checked']})") == [(60, 60)]
    assert not {name for name, *_ in table.ask(f"DESCRIBE {made.deployments['checked']}")} & set(NAMES)
    # Of the three, one is wrong in a third of the rows.
    assert 0.03 < float(str(made.details["wrong_share"])) < 0.2


def test_where_all_were_checked_a_part_is_held_out(table: Table) -> None:
    made = checked_labels(table, POOR, "ada", ("ben", "cyd"), 0)
    ((held,),) = table.ask(f"SELECT count(*) FROM ({made.deployments['checked']})")
    assert ROWS // 10 < held < ROWS // 3


@pytest.mark.parametrize(
    ("target", "annotators", "why"),
    [
        ("ada", NAMES, "no labels were checked by hand"),
        ("truth", ("ada",), "a column each"),
        ("truth", ("annotator", "label"), "a column each"),
    ],
)
def test_what_cannot_be_judged_is_said(table: Table, target: str, annotators: tuple[str, ...], why: str) -> None:
    with pytest.raises(Untestable, match=why):
        checked_labels(table, POOR, target, annotators, 0)


def test_a_label_is_drawn_among_those_given_and_follows_the_seed() -> None:
    rows = "(SELECT range AS number, CASE WHEN range % 2 = 0 THEN 'a' END AS one, 'b' AS two FROM range(200))"

    def labels(seed: int) -> list[str]:
        asked = f"SELECT {drawn(['one', 'two'], 'number', seed)} FROM {rows} ORDER BY number"
        return [label for (label,) in duckdb.sql(asked).fetchall()]

    assert set(labels(0)[1::2]) == {"b"}
    assert set(labels(0)[::2]) == {"a", "b"}
    assert labels(0) == labels(0) != labels(1)
    nobody = drawn(["one"], "number", 0)
    assert duckdb.sql(f"SELECT {nobody} FROM {rows} WHERE number = 1").fetchall() == [(None,)]


def test_an_arm_learns_what_the_repair_added_else_a_label_of_those_left() -> None:
    labels = Labels(target="truth", annotators=NAMES, known=("size", *NAMES, "truth"))
    assert with_one_label(["size", "truth", "consensus"], labels, "n", 0) == '"size", "consensus" AS "truth"'
    left = with_one_label(["size", "ada", "ben", "truth"], labels, "n", 0)
    assert left.startswith('"size", (list_filter(["ada", "ben"]')
    assert left.endswith('AS "truth"')
    with pytest.raises(Untestable, match="no annotator"):
        with_one_label(["size", "truth"], labels, "n", 0)


def test_repairs_of_labels_are_told_from_those_of_features() -> None:
    assert concerns_labels(POOR)
    assert concerns_labels(finding("labels/low-agreement", DropColumns(columns=("eve",))))
    assert concerns_labels(finding("labels/low-agreement", DropAnnotators(annotators=("eve",), column="who")))
    assert not concerns_labels(finding("leakage/label-leakage", DropColumns(columns=("refund",))))
