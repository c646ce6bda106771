"""Bad input ends in a finding or in one line that names file and place; the rest is examined; nothing is written."""

import gzip
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from doctor.case import open_case
from doctor.engine import examine
from doctor.errors import UsageError
from doctor.model import Outcome, Report
from doctor.settings import Settings

GOOD = "a,b,y\n" + "".join(f"{row * 7 % 31},{row * 13 % 17}.5,{'xy'[row % 2]}\n" for row in range(200))


def parquet(rows: str = "SELECT i AS a, 'x' || i AS b FROM range(5000) t(i)") -> bytes:
    import duckdb
    import pyarrow as pa
    from pyarrow import parquet

    sink = pa.BufferOutputStream()
    with duckdb.connect() as connection:
        table = connection.sql(rows).to_arrow_table()
    parquet.write_table(table, sink, use_dictionary=False)
    return bytes(sink.getvalue())


def damaged(content: bytes) -> bytes:
    return content[:100] + bytes(byte ^ 0x5A for byte in content[100:2000]) + content[2000:]


def look(path: Path, **options: object) -> Report:
    settings = Settings(**options)  # type: ignore[arg-type]  # options by name
    with open_case([path], settings) as case:
        return examine(case, settings)


UNREADABLE = {
    "empty.csv": (b"", "the file is empty"),
    "blank.csv": (b"\n\n\n", "nothing but blank space"),
    "header.csv": (b"a,b,c\n", "columns but no rows"),
    "binary.csv": (bytes(range(256)) * 20 + b"\0" * 9000, "binary data"),
    "cut.csv.gz": (gzip.compress(GOOD.encode() * 50)[:300], "cut off"),
    "plain.csv.gz": (GOOD.encode(), "compressed file is broken"),
    "plain.csv.zst": (GOOD.encode(), ""),
    "cut.parquet": (parquet()[:-300], "not a sound Parquet file"),
    "damaged.parquet": (damaged(parquet()), "damaged inside"),
    "none.parquet": (parquet("SELECT 1 AS a WHERE false"), "columns but no rows"),
    "junk.feather": (b"this is no arrow", "not a sound Arrow file"),
    "cut.json": (b'[{"a": 1},\n{"a": 2', "cut.json:2: not JSON"),
    "strings.jsonl": (b'"a"\n"b"\n', "no row of it can be read"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_file_that_cannot_be_read_is_named_and_the_rest_is_examined(tmp_path: Path, name: str) -> None:
    content, words = UNREADABLE[name]
    (tmp_path / name).write_bytes(content)
    (tmp_path / "sound.csv").write_text(GOOD)
    report = look(tmp_path)
    assert [str(problem) for problem in report.case.problems if name in problem.path and words in str(problem)]
    assert len(report.case.problems) == 1
    assert report.incomplete
    assert not [ended for ended in report.examinations if ended.outcome is Outcome.CRASHED]
    assert [subject.rows for subject in report.case.subjects if subject.path.endswith("sound.csv")] == [200]


def test_one_broken_shard_does_not_hide_the_others(tmp_path: Path) -> None:
    for number in range(3):
        content = parquet(f"SELECT i + {number * 100} AS a FROM range(100) t(i)")
        (tmp_path / f"part-{number}.parquet").write_bytes(content[: 50 if number == 1 else None])
    report = look(tmp_path)
    assert [Path(problem.path).name for problem in report.case.problems] == ["part-1.parquet"]
    assert [subject.rows for subject in report.case.subjects] == [200]


def test_a_link_to_nowhere_is_named(tmp_path: Path) -> None:
    (tmp_path / "gone.csv").symlink_to(tmp_path / "nowhere")
    (tmp_path / "sound.csv").write_text(GOOD)
    assert [str(problem) for problem in look(tmp_path).case.problems] == [
        f"{tmp_path / 'gone.csv'}: No such file or directory"
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_without_permission_is_named(tmp_path: Path) -> None:
    path = tmp_path / "secret.csv"
    path.write_text(GOOD)
    path.chmod(0)
    assert [problem.reason for problem in look(path).case.problems] == ["Permission denied"]


def test_a_folder_with_a_table_s_name_is_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "out.csv"
    folder.mkdir()
    (folder / "part-0.csv").write_text(GOOD)
    assert [subject.rows for subject in look(folder).case.subjects] == [200]


@pytest.mark.parametrize("name", ["missing.csv", "folder", "notes.docx"])
def test_where_there_is_no_data_the_user_asked_wrongly(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "readme.md").write_text("no data")
    (tmp_path / "notes.docx").write_bytes(b"PK")
    with pytest.raises(UsageError, match=name):
        look(tmp_path / name)


@pytest.mark.parametrize("role", ["target", "time", "group"])
def test_a_role_for_a_column_that_is_not_there_is_wrong_use(tmp_path: Path, role: str) -> None:
    (tmp_path / "data.csv").write_text(GOOD)
    with pytest.raises(UsageError, match=r"data\.csv: .*'nothing'.*a, b, y"):
        look(tmp_path / "data.csv", **{role: ("nothing",) if role == "group" else "nothing"})


ODD = {
    "all missing": "a,b\n" + "".join(f",{row}\n" for row in range(50)),
    "constant target": "a,target\n" + "".join(f"{row},1\n" for row in range(50)),
    "one row": "a,target\n1,x\n",
    "one column": "a\n" + "".join(f"{row}\n" for row in range(50)),
    "mixed types": "a,target\n" + "".join(f"{row if row % 5 else 'x'},{row % 2}\n" for row in range(50)),
    "odd names": '"a\nb","q""q",A,a,,__doctor_row,rowid,target\n'
    + "".join(f"{r},x,1,2,3,4,{r},t\n" for r in range(50)),
    "far dates": "a,target\n" + "".join(f"{'9999-12-31' if r else '0001-01-01'},{r % 2}\n" for r in range(50)),
    "infinite": "a,target\n" + "".join(f"{'inf' if row % 9 == 0 else row},{row % 2}\n" for row in range(50)),
    "zero bytes": GOOD.replace("5.5", "5\0.5", 3),
    "ragged": GOOD + "1,2\n1,2,3,4\n",
    "one quote": 'a,b\n1,"open\n' + "".join(f"{row},x\n" for row in range(50)),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_tables_break_no_check(tmp_path: Path, name: str) -> None:
    path = tmp_path / "data.csv"
    path.write_text(ODD[name])
    report = look(path)
    assert [f"{ended.check}: {ended.reason}" for ended in report.examinations if ended.outcome is Outcome.CRASHED] == []
    assert report.case.problems == []


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("width", [1200, pytest.param(10_000, marks=pytest.mark.slow)])
def test_thousands_of_columns_are_opened(tmp_path: Path, kind: str, width: int) -> None:
    names = [f"c{number}" for number in range(width)]
    rows = [[(row * number) % 97 / 7 for number in range(width)] for row in range(30)]
    path = tmp_path / f"wide.{kind}"
    if kind == "csv":
        path.write_text("\n".join(",".join(map(str, row)) for row in [names, *rows]) + "\n")
    else:
        import pyarrow as pa
        from pyarrow import parquet

        parquet.write_table(pa.table(dict(zip(names, zip(*rows, strict=True), strict=True))), path)
    with open_case([path], Settings()) as case:
        (table,) = case.tables
        assert (table.rows, [column.name for column in table.columns]) == (30, names)
        last = table.ask(f'SELECT "{names[-1]}" FROM "{table.relation}" ORDER BY __doctor_row')
        assert [value for (value,) in last] == [row[-1] for row in rows]


def test_broken_rows_are_a_finding_and_no_incomplete_scan(doctor: Callable[..., object], tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text(GOOD + "1,2,3,4\n")
    done = doctor("scan", tmp_path / "data.csv", "--format", "json")
    assert done.returncode == 1  # type: ignore[attr-defined]  # a completed process
    found = json.loads(done.stdout)["findings"]  # type: ignore[attr-defined]  # a completed process
    assert [item["evidence"]["lines"] for item in found if item["check"] == "quality/malformed-rows"] == [[202]]


def test_nothing_is_written_beside_the_data(doctor: Callable[..., object], tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for name, (content, _) in UNREADABLE.items():
        (folder / name).write_bytes(content)
    for name, text in ODD.items():
        (folder / f"{name}.csv").write_text(text, "utf-16")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    before = listing(folder)
    done = doctor("scan", folder, cwd=folder, TMPDIR=str(scratch))
    assert done.returncode == 3  # type: ignore[attr-defined]  # a completed process
    assert "Traceback" not in done.stderr  # type: ignore[attr-defined]  # a completed process
    assert listing(folder) == before
    assert list(scratch.iterdir()) == []


def listing(folder: Path) -> dict[str, str]:
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}
