"""Databases as sources: the same findings as files give, nothing written, and one clear line for what goes wrong."""

import datetime
import json
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import duckdb
import pyarrow as pa
import pytest
from conftest import FIXTURES, Doctor
from postgres_server import PASSWORD, Server, binaries, running

import doctor as doctor_package
from doctor.case import open_case
from doctor.cli import command
from doctor.errors import UsageError
from doctor.model import Report
from doctor.registry import load_renderer
from doctor.settings import Settings, as_options
from doctor.subjects import database_sources, sql
from doctor.subjects.database import address_of, check_query
from doctor.wording import masked_address

FORMATS = ("text", "json", "html", "markdown", "sarif", "junit", "github", "gitlab")
ALONE = FIXTURES / "quality" / "missing_values" / "sick"
DIVIDED = FIXTURES / "leakage" / "split_duplicates" / "sick"
TEXT_ONLY = frozenset({"quality/encoding", "quality/malformed-rows", "quality/missing-header"})


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    if binaries() is None:
        pytest.skip("PostgreSQL is not installed")
    with running() as started:
        yield started


def tables_of(folder: Path) -> dict[str, pa.Table]:
    """Return the table of a fixture, one for each split, with the types that the scan of the files finds."""
    with open_case([folder], Settings()) as case:
        (table,) = case.tables
        listed = ", ".join(sql.name(column.name) for column in table.columns)
        return {
            "wine" if split == "all" else split: table.engine.connection.sql(
                f"SELECT {listed} FROM {sql.name(table.relation)} WHERE {sql.SPLIT} = '{split}' ORDER BY {sql.ROW}"
            ).to_arrow_table()
            for split in table.splits
        }


def put_into_duckdb(tables: dict[str, pa.Table], folder: Path) -> dict[str, Any]:
    with duckdb.connect(str(folder / "shop.duckdb")) as connection:
        for name, table in tables.items():
            connection.register("given", table)
            connection.execute(f'CREATE TABLE "{name}" AS SELECT * FROM given')
    return {"data": folder / "shop.duckdb"}


def put_into_sqlite(tables: dict[str, pa.Table], folder: Path) -> dict[str, Any]:
    with sqlite3.connect(folder / "shop.sqlite") as connection:
        for name, table in tables.items():
            connection.execute(
                f'CREATE TABLE "{name}" ({", ".join(sql.name(column) for column in table.column_names)})'
            )
            marks = ", ".join("?" * table.num_columns)
            connection.executemany(
                f'INSERT INTO "{name}" VALUES ({marks})', zip(*table.to_pydict().values(), strict=True)
            )
    connection.close()
    return {"data": folder / "shop.sqlite"}


def findings_of(report: Report) -> list[tuple[object, ...]]:
    """Return what is said of the data, wherever it lies."""
    return sorted(
        (f.check, f.severity.value, f.message, f.at.split or "", f.at.columns, f.at.rows, f.fingerprint)
        for f in report.findings
    )


def outcomes_of(report: Report) -> dict[str, str]:
    return {e.check: e.outcome.value for e in report.examinations if e.check not in TEXT_ONLY}


@pytest.mark.parametrize("fixture", [ALONE, DIVIDED], ids=["alone", "divided"])
def test_a_table_gives_the_same_findings_from_every_database(fixture: Path, server: Server, tmp_path: Path) -> None:
    tables = tables_of(fixture)
    expected = doctor_package.scan(fixture, target="cultivar")
    assert expected.findings
    for name, table in tables.items():
        server.run(f'DROP TABLE IF EXISTS "{name}"', rows=None)
        server.run(rows=(name, table))
    asked: list[dict[str, Any]] = [
        put_into_duckdb(tables, tmp_path),
        put_into_sqlite(tables, tmp_path),
        {"data": server.uri, "table": tuple(tables)},
    ]
    for options in asked:
        report = doctor_package.scan(options.pop("data"), target="cultivar", **options)
        assert findings_of(expected) == findings_of(report)
        assert not report.case.problems
        same = outcomes_of(expected)
        assert {check: outcome for check, outcome in outcomes_of(report).items() if outcome != same[check]} == {}


def test_the_answer_to_a_query_is_divided_by_its_split_column(server: Server, tmp_path: Path) -> None:
    tables = tables_of(DIVIDED)
    expected = findings_of(doctor_package.scan(DIVIDED, target="cultivar", select="split-duplicates"))
    query = "SELECT *, 'train' AS split FROM train UNION ALL SELECT *, 'test' FROM test;"
    for name, table in tables.items():
        server.run(f'DROP TABLE IF EXISTS "{name}"')
        server.run(rows=(name, table))
    for place in (put_into_duckdb(tables, tmp_path)["data"], put_into_sqlite(tables, tmp_path)["data"], server.uri):
        report = doctor_package.scan(place, query=query, target="cultivar", select="split-duplicates")
        assert [finding[:4] for finding in findings_of(report)] == [finding[:4] for finding in expected]
        assert report.case.subjects[0].splits == {name: table.num_rows for name, table in tables.items()}


# PostgreSQL.


def test_types_of_postgresql_are_those_of_files(server: Server) -> None:
    server.run(
        "DROP TABLE IF EXISTS kinds",
        "DROP TYPE IF EXISTS mood",
        "CREATE TYPE mood AS ENUM ('calm', 'wild')",
        "CREATE TABLE kinds (i int2, n numeric(10, 2), m money, r real, b bool, t timestamptz, d date, u uuid, "
        "j jsonb, a int[], e mood, y bytea, s text, ip inet)",
        "INSERT INTO kinds VALUES (1, 2.5, 5, 0.1, true, '2020-01-01 10:00+02', '2020-01-02', gen_random_uuid(), "
        """'{"a": 1}', '{1,2}', 'calm', '\\x00ff', 'x', '1.2.3.4')""",
        "INSERT INTO kinds DEFAULT VALUES",
    )
    with open_case([], Settings(uri=server.uri, table=("kinds",))) as case:
        (table,) = case.tables
        kinds = {column.name: column.kind.value for column in table.columns}
        assert kinds == {
            **dict.fromkeys(("n", "m", "r"), "number"),
            **dict.fromkeys(("t", "d"), "time"),
            **dict.fromkeys(("u", "j", "e", "s", "ip"), "text"),
            **dict.fromkeys(("a", "y"), "other"),
            "i": "integer",
            "b": "boolean",
        }
        (row, empty) = table.ask(f'SELECT n, m, r, t, e, ip, a FROM "{table.relation}" ORDER BY {sql.ROW}')
        assert row == (2.5, 5.0, 0.1, datetime.datetime(2020, 1, 1, 8), "calm", "1.2.3.4/32", "[1,2]")
        assert set(empty) == {None}


def test_the_order_of_a_query_is_that_of_the_rows(server: Server, tmp_path: Path) -> None:
    put = sqlite3.connect(tmp_path / "n.sqlite")
    put.execute(
        "CREATE TABLE n AS WITH RECURSIVE s(v) AS (SELECT 0 UNION ALL SELECT v + 1 FROM s LIMIT 3000) SELECT * FROM s"
    )
    put.commit()
    put.close()
    with duckdb.connect(str(tmp_path / "n.duckdb")) as connection:
        connection.execute("CREATE TABLE n AS SELECT range AS v FROM range(3000)")
    server.run("DROP TABLE IF EXISTS n", "CREATE TABLE n AS SELECT v FROM generate_series(0, 2999) v")
    for given in (
        {"uri": server.uri},
        {"uri": f"sqlite:///{tmp_path}/n.sqlite"},
        {"uri": f"duckdb:///{tmp_path}/n.duckdb"},
    ):
        with open_case([], Settings(query="SELECT v, v + 0.5 AS w FROM n ORDER BY v DESC", **given)) as case:
            (table,) = case.tables
            assert table.guesses == ()
            rows = table.ask(f'SELECT v FROM "{table.relation}" ORDER BY {sql.ROW}')
            assert [row[0] for row in rows] == list(range(2999, -1, -1))


def test_without_an_order_it_is_said_what_row_numbers_are(server: Server) -> None:
    server.run("DROP TABLE IF EXISTS n", "CREATE TABLE n AS SELECT v FROM generate_series(0, 99) v")
    report = doctor_package.scan(server.uri, table="n", select="constant")
    assert [guess.what for guess in report.case.guesses] == ["row numbers"]


def test_tables_of_other_schemas_and_odd_names_are_found(server: Server) -> None:
    server.run(
        "CREATE SCHEMA IF NOT EXISTS shop",
        'DROP TABLE IF EXISTS shop."Odd ""Name"""',
        'CREATE TABLE shop."Odd ""Name""" AS SELECT v FROM generate_series(0, 99) v',
    )
    for name in ('shop.Odd "Name"', 'odd "name"'):
        report = doctor_package.scan(server.uri, table=name, select="constant")
        assert [subject.path for subject in report.case.subjects] == [f'{server.shown}/shop/Odd "Name"']


def test_the_line_that_repeats_the_visit_is_true_but_for_the_password(server: Server) -> None:
    server.run("DROP TABLE IF EXISTS n", "CREATE TABLE n AS SELECT v FROM generate_series(0, 99) v")
    options = as_options(Settings(uri=f"{server.uri}?connect_timeout=5&password=x", query="SELECT * FROM n"))
    assert options[:4] == ("--uri", f"'{server.shown}?connect_timeout=5'", "--query", "'SELECT * FROM n'")
    text = str(doctor_package.scan(server.uri, query="SELECT *, 1 AS one FROM n", select="constant"))
    assert f"doctor scan --uri {server.shown} --query 'SELECT *, 1 AS one FROM n'" in " ".join(text.split())


def test_the_password_is_in_no_format(server: Server, doctor: Doctor) -> None:
    server.run("DROP TABLE IF EXISTS n", "CREATE TABLE n AS SELECT v, 1 AS one FROM generate_series(0, 99) v")
    report = doctor_package.scan(server.uri, table="n", select="constant")
    said = {name: load_renderer(name)(report, color=False) for name in FORMATS}
    done = doctor("scan", "--uri", server.uri.replace("doctor:", "nobody:"), "--table", "n")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert not any(PASSWORD in text for text in (*said.values(), done.stderr))
    location = json.loads(said["sarif"])["runs"][0]["results"][0]["locations"][0]
    assert location["physicalLocation"]["artifactLocation"] == {"uri": f"{server.shown}/n"}


def test_a_baseline_holds_for_a_table_of_a_server(
    server: Server, doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.run("DROP TABLE IF EXISTS n", "CREATE TABLE n AS SELECT v, 1 AS one FROM generate_series(0, 99) v")
    arguments = ("--uri", server.uri, "--table", "n", "--select", "constant")
    assert doctor("baseline", *arguments, cwd=tmp_path).returncode == 0
    assert f'path = "{server.shown}/n"' in (tmp_path / "doctor-baseline.toml").read_text("utf-8")
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    report = doctor_package.scan(server.uri, table="n", select="constant")
    assert report.baseline is not None
    assert len(report.baseline.accepted) == len(report.findings) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"query": "SELECT nix FROM n"}, 'column "nix" does not exist'),
        ({"query": "SELECT * FROM nowhere"}, 'relation "nowhere" does not exist'),
        ({"query": "SELECT * FROM n WHERE"}, "syntax error at "),
        ({"query": "SELECT 1; SELECT 2"}, "--query: give one statement, not several"),
        ({"query": "DROP TABLE n"}, "--query: DROP is no query"),
        ({"query": "WITH d AS (DELETE FROM n RETURNING v) SELECT * FROM d"}, "--query: it writes"),
        ({"query": " ; "}, "--query: it is empty"),
        ({"query": "SELECT 'open"}, "--query: it cannot be read: "),
        ({"table": "nowhere"}, "there is no table 'nowhere'; it has: "),
        ({}, "say what to look at, by --query or --table; it has: "),
        ({"query": "SELECT 1", "table": "n"}, "--query: its answer is one table"),
    ],
)
def test_what_a_server_refuses_is_one_line(options: dict[str, Any], said: str, server: Server) -> None:
    server.run(
        "DROP TABLE IF EXISTS n",
        "CREATE TABLE n AS SELECT v FROM generate_series(0, 99) v",
    )
    with pytest.raises(UsageError) as error:
        doctor_package.scan(server.uri, **options)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert PASSWORD not in str(error.value)
    assert server.run("SELECT count(*) FROM n") == [(100,)]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT nextval('counted')", "cannot execute nextval() in a read-only transaction"),
        (
            "SELECT set_config('transaction_read_only', 'off', false), nextval('counted')",
            "must be set before any query",
        ),
    ],
)
def test_a_function_that_writes_is_refused_by_the_server(query: str, said: str, server: Server) -> None:
    server.run("CREATE SEQUENCE IF NOT EXISTS counted")
    (problem,) = doctor_package.scan(server.uri, query=query).case.problems
    assert said in problem.reason
    assert server.run("SELECT is_called FROM counted") == [(False,)]


def test_a_server_that_is_not_there_or_refuses_is_one_line(server: Server) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        closed = taken.getsockname()[1]
        wrong = {
            f"postgresql://doctor:{PASSWORD}@127.0.0.1:{closed}/postgres": "Connection refused",
            server.uri.replace(PASSWORD, "wr0ng"): 'password authentication failed for user "doctor"',
            server.uri.replace("/postgres", "/nowhere"): 'database "nowhere" does not exist',
            f"postgresql://doctor:{PASSWORD}%zz@127.0.0.1/x": "invalid percent-encoded token",
        }
        for uri, said in wrong.items():
            with pytest.raises(UsageError) as error:
                doctor_package.scan(uri, query="SELECT 1")
            assert said in str(error.value)
            assert "\n" not in str(error.value)
            assert "wr0ng" not in str(error.value)
            assert PASSWORD not in str(error.value)


def test_a_server_that_says_nothing_is_not_waited_for_without_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(UsageError, match="timeout expired"):
            doctor_package.scan(f"postgresql://doctor@127.0.0.1:{port}/x?connect_timeout=2", query="SELECT 1")


def test_rows_that_end_early_are_no_table(server: Server) -> None:
    report = doctor_package.scan(server.uri, query="SELECT 1 / (90000 - v) AS w FROM generate_series(1, 100000) v")
    assert report.case.subjects == []
    assert [problem.reason for problem in report.case.problems] == ["not read to its end: division by zero"]
    assert report.incomplete


def test_a_connection_that_is_lost_half_way_leaves_no_table(server: Server) -> None:
    slow = "SELECT v, repeat('x', 1000) AS wide, pg_sleep(0.001)::text AS slept FROM generate_series(1, 600000) v"
    found = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'COPY%repeat%' AND pid <> pg_backend_pid()"

    def cut() -> None:
        while not server.run(found):
            time.sleep(0.05)
        time.sleep(0.2)
        server.run(f"SELECT pg_terminate_backend(pid) FROM ({found}) AS running")

    cutting = threading.Thread(target=cut)
    cutting.start()
    report = doctor_package.scan(server.uri, query=slow, select="constant")
    cutting.join()
    assert report.case.subjects == []
    (problem,) = report.case.problems
    assert problem.path == server.shown
    assert "terminating connection due to administrator command" in problem.reason
    assert report.incomplete


def test_a_table_that_is_dropped_during_the_scan_is_told_of_and_the_rest_examined(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.run(
        "DROP TABLE IF EXISTS stays, goes",
        "CREATE TABLE stays AS SELECT v FROM generate_series(0, 99) v",
        "CREATE TABLE goes AS SELECT v AS w FROM generate_series(0, 99) v",
    )
    views = database_sources.PostgresServer.views

    def dropped(self: database_sources.PostgresServer) -> list[database_sources.Name]:
        listed = views(self)
        self._connection.commit()  # else the drop would wait for this transaction
        server.run("DROP TABLE goes")
        self._begin()
        return listed

    monkeypatch.setattr(database_sources.PostgresServer, "views", dropped)
    report = doctor_package.scan(server.uri, table=("goes", "stays"), select="constant")
    assert [str(problem) for problem in report.case.problems] == [
        f'{server.shown}/goes: relation "goes" does not exist'
    ]
    assert [subject.path for subject in report.case.subjects] == [f"{server.shown}/stays"]
    assert report.incomplete


def test_an_answer_without_rows_is_no_health(server: Server) -> None:
    report = doctor_package.scan(server.uri, query="SELECT 1 AS v WHERE false")
    assert [str(problem) for problem in report.case.problems] == [f"{server.shown}: the answer has no rows"]
    assert report.incomplete


# SQLite.


@pytest.fixture
def sqlite(tmp_path: Path) -> Callable[..., Path]:
    def made(*statements: str, name: str = "shop.sqlite", rows: list[tuple[Any, ...]] | None = None) -> Path:
        connection = sqlite3.connect(tmp_path / name)
        for statement in statements:
            if rows and "?" in statement:
                connection.executemany(statement, rows)
            else:
                connection.execute(statement)
        connection.commit()
        connection.close()
        return tmp_path / name

    return made


def test_no_row_is_lost_where_a_column_holds_values_of_several_types(sqlite: Callable[..., Path]) -> None:
    rows = [(None, None, None, None, None)] * 3000
    rows += [(1, 2, "", b"\x00\xff", 7), ("many", 2.5, 3, "text", None), (None, None, None, None, "")]
    path = sqlite(
        "CREATE TABLE t (a INTEGER, b INTEGER, c INTEGER, d, e INTEGER)",
        "INSERT INTO t VALUES (?, ?, ?, ?, ?)",
        rows=rows,
    )
    with open_case([path], Settings()) as case:
        (table,) = case.tables
        assert table.rows == 3003
        kinds = {column.name: column.kind.value for column in table.columns}
        assert kinds == {"a": "text", "b": "number", "c": "integer", "d": "text", "e": "integer"}
        last = table.ask(f'SELECT a, b, c, d, e FROM "{table.relation}" WHERE {sql.ROW} >= 3000 ORDER BY {sql.ROW}')
        assert last == [("1", 2.0, None, "00FF", 7), ("many", 2.5, 3, "text", None), (None,) * 5]


def test_text_that_is_no_utf8_is_read_all_the_same(sqlite: Callable[..., Path]) -> None:
    path = sqlite("CREATE TABLE t (a TEXT)", "INSERT INTO t VALUES (CAST(x'41ff42' AS TEXT)), ('b')")
    with open_case([path], Settings()) as case:
        (table,) = case.tables
        assert table.ask(f'SELECT a FROM "{table.relation}" ORDER BY {sql.ROW}') == [
            ("A\N{REPLACEMENT CHARACTER}B",),
            ("b",),
        ]


def test_nothing_is_written_beside_a_database(sqlite: Callable[..., Path], tmp_path: Path) -> None:
    path = sqlite("PRAGMA journal_mode = wal", "CREATE TABLE t AS SELECT 1 AS a", name="odd name%20.db")
    made = tmp_path / "made.duckdb"
    with duckdb.connect(str(made)) as connection:
        connection.execute("CREATE TABLE t AS SELECT 1 AS a")
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    for file in (path, made):
        assert doctor_package.scan(file, select="constant").case.subjects[0].rows == 1
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_log_that_a_writer_still_holds_is_read(sqlite: Callable[..., Path]) -> None:
    path = sqlite("PRAGMA journal_mode = wal", "CREATE TABLE t AS SELECT 1 AS a")
    writer = sqlite3.connect(path)
    writer.execute("INSERT INTO t VALUES (2)")
    writer.commit()
    assert doctor_package.scan(path, select="constant").case.subjects[0].rows == 2
    writer.close()


def test_every_table_is_examined_and_those_that_are_splits_together(
    sqlite: Callable[..., Path], tmp_path: Path
) -> None:
    path = sqlite(
        "CREATE TABLE wine_train AS SELECT 1 AS a, 2 AS b",
        "CREATE TABLE wine_test AS SELECT 3 AS a, 4 AS b",
        "CREATE TABLE beer AS SELECT 'x' AS c",
        "CREATE VIEW seen AS SELECT 5 AS d",
    )
    report = doctor_package.scan(path, select="quality/constant")
    assert {subject.path: subject.splits for subject in report.case.subjects} == {
        f"{path}/beer": {"all": 1},
        f"{path}/wine": {"train": 1, "test": 1},
    }
    assert "the names of the tables" in {guess.because for guess in report.case.guesses}
    assert {str(finding.at.file) for finding in report.findings} <= {str(path)}
    chosen = doctor_package.scan(path, table=("seen",), select="quality/constant")
    assert [subject.path for subject in chosen.case.subjects] == [f"{path}/seen"]
    divided = doctor_package.scan(path, split=("test=beer",), table=("beer", "wine_train"), select="quality/constant")
    assert len(divided.case.subjects) == 2


def test_columns_of_one_name_are_told_apart(sqlite: Callable[..., Path]) -> None:
    path = sqlite("CREATE TABLE t AS SELECT 1 AS a, 'x' AS b")
    with open_case([path], Settings(query="SELECT a, b, a FROM t")) as case:
        (table,) = case.tables
        assert len({column.name for column in table.columns}) == 3


# Files that are not what they say.


@contextmanager
def held(code: str) -> Iterator[None]:
    """Run code in another process, which keeps what it holds until the block ends."""
    holder = subprocess.Popen(
        [sys.executable, "-c", f"{code}; print(flush=True); input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    try:
        yield
    finally:
        holder.communicate(b"\n", timeout=60)


def test_a_database_of_duckdb_that_somebody_writes_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "busy.duckdb"
    with held(f"import duckdb; held = duckdb.connect({str(path)!r})"):
        with pytest.raises(UsageError) as error:
            doctor_package.scan(path)
        assert "cannot be opened: Could not set lock on file" in str(error.value)
        assert "\n" not in str(error.value)


def test_a_database_of_sqlite_that_somebody_writes_is_one_line(sqlite: Callable[..., Path]) -> None:
    path = sqlite("CREATE TABLE t AS SELECT 1 AS a")
    with held(f"import sqlite3; held = sqlite3.connect({str(path)!r}); held.execute('BEGIN EXCLUSIVE')"):
        with pytest.raises(UsageError) as error:
            doctor_package.scan(path)
        assert str(error.value) == f"{path}: cannot be opened: database is locked"


def test_a_file_and_a_database_are_told_apart_in_one_visit(tmp_path: Path) -> None:
    put_into_duckdb(tables_of(ALONE), tmp_path)
    report = doctor_package.scan(
        ALONE / "wine.csv", tmp_path / "shop.duckdb", target="cultivar", select="missing-values"
    )
    marks = [finding.fingerprint for finding in report.findings]
    assert len(marks) == len(set(marks)) == 6


def test_a_database_of_a_newer_version_or_a_damaged_one_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "new.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE t AS SELECT 1 AS a")
    content = bytearray(path.read_bytes())
    content[12:20] = (9999).to_bytes(8, "little")
    path.write_bytes(content)
    damaged = tmp_path / "bad.sqlite"
    damaged.write_bytes(b"SQLite format 3\0" + os.urandom(5000))
    for file in (path, damaged):
        with pytest.raises(UsageError) as error:
            doctor_package.scan(file)
        assert str(error.value).startswith(f"{file}: ")
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "the file is empty"), (b"just text\n" * 9, "neither a DuckDB nor a SQLite database")],
)
def test_a_file_that_is_no_database_is_one_line(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(content)
    with pytest.raises(UsageError, match=f"x.db: {said}"):
        doctor_package.scan(tmp_path / "x.db")


def test_a_database_is_known_by_its_first_bytes(sqlite: Callable[..., Path]) -> None:
    path = sqlite("CREATE TABLE t AS SELECT 1 AS a", name="data.bin")
    assert doctor_package.scan(path, select="constant").case.subjects[0].path == f"{path}/t"


def test_a_database_without_tables_or_rows_is_no_health(sqlite: Callable[..., Path]) -> None:
    path = sqlite("CREATE TABLE t (a)", "DROP TABLE t")
    with pytest.raises(UsageError, match="there is no table in it"):
        doctor_package.scan(path)
    report = doctor_package.scan(sqlite("CREATE TABLE t (a)"))
    assert [str(problem) for problem in report.case.problems] == [f"{path}/t: it has columns but no rows"]


def test_a_driver_that_is_not_installed_is_one_line(
    sqlite: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = sqlite("CREATE TABLE t AS SELECT 1 AS a")
    monkeypatch.setitem(sys.modules, "adbc_driver_sqlite", None)
    monkeypatch.delitem(sys.modules, "adbc_driver_sqlite.dbapi", raising=False)
    with pytest.raises(UsageError) as error:
        doctor_package.scan(path)
    assert str(error.value) == "adbc-driver-sqlite is not installed: pip install 'training-doctor[databases]'"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["data.csv", "--query", "SELECT 1"], "--query: name a database, by its file or by --uri"),
        (["data.csv", "--table", "t"], "--table: name a database, by its file or by --uri"),
        (["--query", "SELECT 1"], "Missing argument 'PATHS...'; only --pipeline and --uri do without."),
        (["a.sqlite", "b.sqlite", "--query", "SELECT 1"], "--query: name one database"),
        (["postgresql://x@y/z"], "a database is named by --uri, not as a path"),
        (["--uri", "mysql://root:hidden@h/d", "--query", "SELECT 1"], "--uri: mysql:// is not known; known are "),
        (["--uri", "host=h password=hidden"], "--uri: this is no address; known are "),
        (["--uri", "sqlite:///nowhere.db"], "--uri sqlite: nowhere.db: there is no such file"),
        (["a.sqlite", "--query", "SELECT nix FROM t"], "a.sqlite: no such column: nix"),
        (["a.sqlite", "--query", "PRAGMA user_version = 3"], "--query: PRAGMA is no query"),
    ],
)
def test_wrong_use_is_one_line(
    arguments: list[str],
    said: str,
    sqlite: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.csv").write_text("a,b\n1,2\n", "utf-8")
    for name in ("a.sqlite", "b.sqlite"):
        sqlite("CREATE TABLE t AS SELECT 1 AS a", name=name)
    with pytest.raises((UsageError, click.UsageError)) as error:
        command.main(["scan", *arguments], standalone_mode=False)
    assert said in str(error.value)
    assert "hidden" not in str(error.value)
    assert "\n" not in str(error.value)


def test_settings_beside_the_data_open_no_connection(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("a,b\n1,2\n", "utf-8")
    (tmp_path / "doctor.toml").write_text('uri = "postgresql://h/d"\n', "utf-8")
    with pytest.raises(UsageError, match="uri opens a connection, so it is given on the command line only"):
        doctor_package.scan(tmp_path / "data.csv")


def test_a_copy_of_a_database_is_refused_with_the_way_out(
    doctor: Doctor, sqlite: Callable[..., Path], tmp_path: Path
) -> None:
    sqlite("CREATE TABLE t AS SELECT 1 AS a")
    done = doctor("fix", "shop.sqlite", "--dry-run", cwd=tmp_path)
    assert done.returncode == 2
    said = "shop.sqlite: a database is only read; export the table to Parquet or CSV and repair that"
    assert done.stderr == f"doctor: {said}\n"
    with pytest.raises(UsageError, match=said):
        command.main(["verify", str(tmp_path / "shop.sqlite")], standalone_mode=False)


def test_an_older_version_may_be_a_database(tmp_path: Path) -> None:
    put_into_duckdb(tables_of(ALONE), tmp_path)
    report = doctor_package.scan(ALONE / "wine.csv", against=tmp_path / "shop.duckdb", select="version-diff")
    assert [item.outcome.value for item in report.examinations] == ["healthy"]


# What may be asked.


@pytest.mark.parametrize("dialect", ["postgres", "sqlite", "duckdb"])
@pytest.mark.parametrize(
    ("query", "statement", "ordered"),
    [
        ("SELECT 1;", "SELECT 1", False),
        (" /* a; b */ SELECT ';' AS x -- end; \n ; ", "SELECT ';' AS x", False),
        ("(SELECT a FROM t)", "(SELECT a FROM t)", False),
        (
            "WITH x AS (SELECT 1 AS a) SELECT * FROM x ORDER BY a",
            "WITH x AS (SELECT 1 AS a) SELECT * FROM x ORDER BY a",
            True,
        ),
        ("VALUES (1), (2)", "VALUES (1), (2)", False),
        ("SELECT a FROM (SELECT a FROM t ORDER BY a) AS q", "SELECT a FROM (SELECT a FROM t ORDER BY a) AS q", False),
    ],
)
def test_a_query_is_let_through_without_what_ends_it(query: str, statement: str, ordered: bool, dialect: str) -> None:
    assert check_query(query, dialect) == (statement, ordered)


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("postgresql://ann:pw@host:5432/db", "postgresql://ann@host:5432/db"),
        ("postgresql://ann:p%40w@host/db?password=pw&sslmode=require", "postgresql://ann@host/db?sslmode=require"),
        ("postgres://host/db", "postgres://host/db"),
        ("postgresql://ann:a:b@c@[::1]:5/db", "postgresql://ann@[::1]:5/db"),
        ("postgresql://[::1/db", ""),
    ],
)
def test_an_address_is_shown_without_its_secrets(uri: str, shown: str) -> None:
    assert masked_address(uri, options=True) == shown
    if shown:
        assert address_of(uri).shown == shown.partition("?")[0]


def test_the_user_of_an_address_is_no_mail_address() -> None:
    from doctor_reports.masking import mask

    assert mask("doctor scan --uri postgresql://ann@db.example.com/shop") == (
        "doctor scan --uri postgresql://ann@db.example.com/shop"
    )
    assert mask("write to ann@example.com") == "write to a•••@example.com"
