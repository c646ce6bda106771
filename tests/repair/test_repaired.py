"""Every repair cures its finding and brings no other, in every format."""

import csv
import json
import random
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from conftest import FIXTURES, write_csv
from msgspec import structs
from sick_data import FORMATS, hashes, save_to_disk, sick_rows, write_rows

from doctor.case import Case, open_case
from doctor.engine import examine
from doctor.model import Report
from doctor.repair.comparing import Comparison
from doctor.repair.copying import Written, write_copy
from doctor.repair.plan import Plan
from doctor.repair.proving import repair
from doctor.settings import Settings, settings_for
from doctor.subjects import sql


class Treated(NamedTuple):
    before: Report
    plan: Plan
    written: Written
    after: Report
    comparison: Comparison


def treated(folder: Path, output: Path, settings: Settings) -> Treated:
    with open_case([folder], settings) as case:
        before = examine(case, settings)
        proof = repair(before, case, settings, output, unsafe=True)
    return Treated(before, proof.plan, proof.written, proof.after, proof.comparison)


PATIENTS = sorted(
    path.parent.relative_to(FIXTURES)
    for family in ("leakage", "labels", "quality", "duplicates", "drift", "text")
    for path in FIXTURES.glob(f"{family}/*/sick*/expected.toml")
)


@pytest.mark.parametrize("patient", PATIENTS, ids=str)
def test_a_repaired_patient_scans_clean_and_catches_nothing_new(patient: Path, tmp_path: Path) -> None:
    home = tmp_path / "data"
    shutil.copytree(FIXTURES / patient, home)
    original = hashes(home)
    done = treated(home, tmp_path / "copy", settings_for(home, {}))
    assert original == hashes(home)
    assert done.comparison.unsolved == ()
    # Rows that were moved stand at the end of their new file, which is said of files whose order tells the label.
    assert [one for one in done.comparison.came if one.check != "leakage/shortcut" or one.severity != "info"] == []
    assert done.comparison.unknown == {}
    wanted = [edit for edit in done.plan.edits if edit.wanted]
    left = {(finding.check, finding.evidence.get("kind")) for finding in done.comparison.stayed}
    known = {finding.fingerprint: finding for finding in done.before.findings}
    # What shows only once the first edits are made was not there before.
    cured = [known[mark] for edit in wanted if edit.applied for mark in edit.findings if mark in known]
    assert not left & {(finding.check, finding.evidence.get("kind")) for finding in cured}
    untouched = set(done.written.copied)
    assert {name: mark for name, mark in original.items() if name in untouched} == {
        name: mark for name, mark in hashes(tmp_path / "copy").items() if name in untouched
    }


@pytest.fixture(scope="module")
def of_csv(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Treated]:
    """A data set with faults of many kinds, and its repaired copy."""
    folder = tmp_path_factory.mktemp("csv")
    for split, rows in sick_rows().items():
        write_rows(rows, folder / "data" / f"{split}.csv", "csv")
    (folder / "data" / "notes").mkdir()
    (folder / "data" / "notes" / "how.md").write_text("from the ward\n")
    return folder, treated(folder / "data", folder / "copy", Settings(target="label"))


def test_many_faults_are_cured_together(of_csv: tuple[Path, Treated]) -> None:
    _, done = of_csv
    kinds = [type(edit.repair).__name__ for edit in done.plan.edits if edit.applied]
    assert {"DropRows", "Resplit", "FillMissing", "DropColumns"} == set(kinds)
    assert done.comparison.unsolved == ()
    assert done.comparison.came == ()
    assert done.written.copied == ("notes/how.md",)


def test_a_copy_repaired_again_stays_as_it_is(of_csv: tuple[Path, Treated], tmp_path: Path) -> None:
    folder, done = of_csv
    again = treated(folder / "copy", tmp_path / "again", Settings(target="label"))
    assert tuple(edit for edit in again.plan.edits if edit.applied) == ()
    assert again.written.rewritten == ()
    papers = set(done.written.papers)
    first = {name: mark for name, mark in hashes(folder / "copy").items() if name not in papers}
    second = {name: mark for name, mark in hashes(tmp_path / "again").items() if name not in set(again.written.papers)}
    assert first == second


def plan_for(case: Case, plan: Plan) -> Plan:
    """Take the plan of the same table in another format: findings do not depend on it."""
    (table,) = case.tables
    return Plan(path=case.shown, edits=tuple(structs.replace(edit, table=table.shown) for edit in plan.edits))


def content(folder: Path) -> list[tuple[Any, ...]]:
    """Read a table as text, in order, with its splits."""
    with open_case([folder], Settings()) as case:
        (table,) = case.tables
        names = ", ".join(f"CAST({sql.name(column.name)} AS VARCHAR)" for column in table.columns)
        header = tuple(column.name for column in table.columns)
        rows = table.engine.rows(
            f"SELECT {sql.SPLIT}, {names} FROM {sql.name(table.relation)} ORDER BY {sql.SPLIT}, {sql.ROW}"
        )
        return [header, *rows]


@pytest.mark.parametrize("form", [form for form in FORMATS if form != "csv"])
def test_a_copy_says_the_same_in_every_format(form: str, of_csv: tuple[Path, Treated], tmp_path: Path) -> None:
    home, copy = tmp_path / "data", tmp_path / "copy"
    for split, rows in sick_rows().items():
        write_rows(rows, home / f"{split}.{form.removeprefix('stream.')}", form)
    original = hashes(home)
    with open_case([home], Settings(target="label")) as case:
        write_copy(plan_for(case, of_csv[1].plan), case, copy)
    assert original == hashes(home)
    assert set(original) <= set(hashes(copy))
    assert content(of_csv[0] / "copy") == content(copy)


def test_a_parquet_copy_keeps_compression_and_row_groups(of_csv: tuple[Path, Treated], tmp_path: Path) -> None:
    from pyarrow import parquet

    home, copy = tmp_path / "data", tmp_path / "copy"
    for split, rows in sick_rows().items():
        write_rows(rows, home / f"{split}.parquet", "parquet")
    with open_case([home], Settings(target="label")) as case:
        write_copy(plan_for(case, of_csv[1].plan), case, copy)
    before, after = (parquet.ParquetFile(folder / "train.parquet") for folder in (home, copy))
    assert {"ZSTD"} == {after.metadata.row_group(0).column(number).compression for number in range(7)}
    assert 100 == before.metadata.row_group(0).num_rows == after.metadata.row_group(0).num_rows
    kept = [field for field in before.schema_arrow if field.name in after.schema_arrow.names]
    assert kept == [field for field in after.schema_arrow if field.name in before.schema_arrow.names]


def test_the_words_of_a_split_column_change_where_rows_change_their_split(tmp_path: Path) -> None:
    home, copy = tmp_path / "data", tmp_path / "copy"
    words = {"train": "TRAIN", "test": "Test"}
    rows = [{**row, "fold": words[split]} for split, some in sick_rows().items() for row in some]
    write_rows(rows, home / "wards.csv", "csv")
    done = treated(home, copy, Settings(target="label", select=("group-overlap",)))
    assert done.comparison.unsolved == ()
    assert [finding.check for finding in done.comparison.gone] == ["leakage/group-overlap"]
    assert {"TRAIN", "Test"} == {line.rpartition(",")[2] for line in (copy / "wards.csv").read_text().split("\n")[1:-1]}


def test_shards_and_folders_stay_as_they_are(of_csv: tuple[Path, Treated], tmp_path: Path) -> None:
    home, copy = tmp_path / "data", tmp_path / "copy"
    splits = sick_rows()
    for number in range(3):
        write_rows(splits["train"][number::3], home / "train" / f"part-{number}.parquet", "parquet")
    write_rows(splits["test"], home / "test" / "part-0.parquet", "parquet")
    done = treated(home, copy, Settings(target="label", select=("group-overlap", "label-leakage")))
    assert done.comparison.unsolved == ()
    assert {"train/part-0.parquet", "train/part-1.parquet", "train/part-2.parquet", "test/part-0.parquet"} == set(
        done.written.rewritten
    )


def test_a_cut_in_time_leaves_no_group_on_both_sides(tmp_path: Path) -> None:
    home, copy = tmp_path / "data", tmp_path / "copy"
    splits = sick_rows()
    for split, rows in splits.items():
        dated = [
            {**row, "day": f"2021-{1 + (7 * n + len(rows)) % 12:02d}-{1 + n % 28:02d}"} for n, row in enumerate(rows)
        ]
        write_rows(dated, home / f"{split}.csv", "csv")
    settings = Settings(target="label", time="day", group=("patient_id",), select=("leakage",))
    done = treated(home, copy, settings)
    assert done.comparison.unsolved == ()
    gone = {finding.check for finding in done.comparison.gone}
    assert {"leakage/temporal-overlap", "leakage/group-overlap"} <= gone


def test_a_saved_data_set_keeps_its_notes_in_step(of_csv: tuple[Path, Treated], tmp_path: Path) -> None:
    import pyarrow as pa

    home, copy = tmp_path / "data", tmp_path / "copy"
    splits = sick_rows()
    for split, rows in splits.items():
        save_to_disk(rows, home, split, {name: len(some) for name, some in splits.items()})
    with open_case([home], Settings(target="label")) as case:
        written = write_copy(plan_for(case, of_csv[1].plan), case, copy)
    assert content(of_csv[0] / "copy") == content(copy)
    assert written.copied == ("dataset_dict.json",)
    with pa.OSFile(str(copy / "train" / "data-00000-of-00001.arrow")) as stream:
        table = pa.ipc.open_stream(stream).read_all()
    info = json.loads((copy / "train" / "dataset_info.json").read_text())
    inner = json.loads(table.schema.metadata[b"huggingface"])["info"]
    assert table.column_names == list(info["features"]) == list(inner["features"])
    assert table.num_rows == info["splits"]["train"]["num_examples"]
    state = json.loads((copy / "train" / "state.json").read_text())
    assert state["_fingerprint"] != "abctrain"
    assert state["_split"] == "train"


def test_rows_for_a_person_are_listed_the_most_suspicious_first(tmp_path: Path) -> None:
    home = FIXTURES / "labels" / "low_agreement" / "sick"
    settings = Settings(select=("low-agreement",))
    done = treated(home, tmp_path / "copy", settings)
    assert done.written.papers[2:] == (".review/01-labels-low-agreement.csv",)
    with (tmp_path / "copy" / done.written.papers[2]).open(newline="") as file:
        listed = list(csv.DictReader(file))
    assert list(range(1, 201)) == [int(row["rank"]) for row in listed]
    looks = [row["look"] for row in listed]
    assert sorted(looks, key=("first", "next", "later").index) == looks
    assert looks.count("first") == 28  # 5 % of 569
    assert len({listed[0][f"expert{number}"] for number in (1, 2, 3)}) == 3
    with open_case([tmp_path / "copy"], settings) as case:
        assert len(case.tables) == 1  # no loader takes the list for data


def test_roles_of_columns_that_are_gone_leave_the_settings_beside_the_data(tmp_path: Path) -> None:
    home = tmp_path / "data"
    header = ("n", "a", "b", "c")
    draw = random.Random(2)
    truth = [draw.choice("xy") for _ in range(300)]
    rows = [(n, label, label if n % 9 else "x", draw.choice("xy")) for n, label in enumerate(truth)]
    write_csv(home / "votes.csv", header, rows)
    (home / "doctor.toml").write_text('annotators = ["a", "b", "c"]\nfail-on = "warning"\n')
    done = treated(home, tmp_path / "copy", settings_for(home, {"select": ("low-agreement",)}))
    assert done.comparison.unsolved == ()
    assert (tmp_path / "copy/doctor.toml").read_text() == 'annotators = [\n    "a",\n    "b",\n]\nfail-on = "warning"\n'
