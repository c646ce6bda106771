"""The same findings on Spark as on DuckDB, and one clear line where Spark is not to be had.

One cluster serves all tests of this file. `make spark` compares every patient.
"""

import datetime
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import psutil
import pytest
from sqlglot import exp

import doctor
from doctor.case import asked_of, open_case
from doctor.errors import DoctorError, UsageError
from doctor.evidence.dates import FORMATS
from doctor.model import Outcome
from doctor.settings import Settings
from doctor.subjects import spark_engine
from doctor.subjects.spark_dialect import distinct_counts, java_pattern
from doctor.subjects.spark_engine import SparkEngine
from doctor.subjects.table import Engine
from tests.conftest import FIXTURES, Doctor, write_csv
from tests.spark.parity import differences, scanned, spark_cluster
from tests.spark.standalone import CHEAP, Cluster

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("default::ResourceWarning"),  # of sockets of pyspark
    pytest.mark.skipif(not (shutil.which("java") or "JAVA_HOME" in os.environ), reason="Java is not installed"),
]

PATIENTS = (
    "drift/version_diff/sick",  # two versions, and a leak
    "labels/conflicting_labels/sick",  # duplicates too
    "labels/low_agreement/sick",  # lists
    "quality/disguised_missing/sick",  # text, and what is missing
    "text/garbled/sick",
    "text/boilerplate/sick",
    "text/language_mix/sick",
    "duplicates/near_duplicate_texts/sick_inside",
    "images/colour_mode_mix/sick",  # images, whose facts are measured by mapInArrow
    "images/unreadable/sick",
    "images/upscaled/sick",  # decoded whole
    "duplicates/near_duplicate_images/sick",
)
"""One of every family; dates, splits and several files are in `parts`."""
STATEMENTS = (
    "SELECT hash(t), hash(n), hash(w), hash(b), hash(d), hash(t, n, w, b, d), hash(NULL), hash(-3) FROM values",
    "SELECT hash(hash(t, w)), hash(t) < 9223372036854775808, hash(w) % 7 FROM values",
    "SELECT CAST(n AS VARCHAR), CAST(w AS VARCHAR), CAST(b AS VARCHAR), CAST(d AS VARCHAR) FROM values",
    "SELECT epoch(d), isinf(n), round(n / 3.0 + 0.5) + 0.0, n / 7, 0.1 * n, w // 3, w % 3 FROM values "
    "WHERE abs(n) < 1e12",
    r"SELECT regexp_matches(t, '^\S+$'), regexp_matches(t, 'b.$'), regexp_full_match(t, 'a|[^\[]+') FROM values",
    r"SELECT regexp_replace(t, '[^\p{L}\p{N}]+', ' ', 'g'), regexp_extract(t, '^(.*[^-\s])[-\s]+.$', 1) FROM values",
    "SELECT lower(t), trim(t), trim(t, ' \t\n'), rtrim(t, '.'), length(t), nullif(t, '') FROM values",
    "SELECT b, count(*), count_if(n > 0), sum(w % 9), min(t), max(d), count(DISTINCT t), bool_or(w > 3) "
    "FROM values GROUP BY ALL ORDER BY b",
    "SELECT t, row_number() OVER (ORDER BY n DESC, id) FROM values "
    "QUALIFY row_number() OVER (PARTITION BY b ORDER BY id) < 4",
    "SELECT id FROM values SEMI JOIN (SELECT w FROM values WHERE w > 2) USING (w)",
    "SELECT id FROM values WHERE w NOT IN (SELECT w FROM values WHERE w > 2) AND t IS DISTINCT FROM 'a'",
    "SELECT quantile_disc(n, [0.05, 0.5]), quantile_disc(w, 0.5), stddev_samp(w), corr(w, id) FROM values "
    "WHERE abs(n) < 9 AND abs(w) < 99",
    "SELECT id, unnest([t, 'x']) AS label, unnest(range(2)) AS place FROM values ORDER BY id, place",
    "SELECT array_length(list_distinct([t, t, NULL])), list_count([t, NULL]), list_sum([w, -1]), list_min([w, 1]) "
    "FROM values WHERE w > -9",
    "SELECT flatten([repeat([0], w), repeat([1], 2)]) FROM values WHERE w BETWEEN 0 AND 9",
    "SELECT b, list_sort(list(w)) FROM values WHERE w IS NOT NULL GROUP BY b ORDER BY b",
    "SELECT sum(w) FILTER (w BETWEEN 2 AND 9), any_value(b) FROM values WHERE b",
)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with spark_cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture(scope="module")
def table_of_values(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Text, numbers, whole numbers, truth values and times that are hard to write or to hash, missing ones too."""
    draw = random.Random(0)
    texts = [
        "",
        "a",
        "É",
        "𝄞" * 9,
        "a-1",
        "b\n",
        "ab\r",
        "x.",
        " y ",
        "\tz",
        "[",
        *(chr(97 + n) * n for n in range(26)),
    ]
    numbers = [0.0, -0.0, 0.1, 1e16, 1e15, 123456789012345678.0, 1e-5, 1e-4, 5e-324, 1.7976931348623157e308, -2.5, 3.0]
    numbers += [float("inf"), float("-inf"), 2.0**-44, *(draw.uniform(-9, 9) for _ in range(40))]
    wholes = [0, 1, -1, 2**63 - 1, -(2**63) + 1, *range(2, 9)]
    times = ["1970-01-01 00:00:00", "2020-02-29 13:14:15.5", "1899-12-31 23:59:59.000001", "2262-04-12 01:02:03.123"]
    rows = [
        (
            number,
            draw.choice([*texts, None]),
            draw.choice([*numbers, None]),
            draw.choice([*wholes, None]),
            draw.choice([True, False, None]),
            draw.choice([*times, None]),
        )
        for number in range(400)
    ]
    path = tmp_path_factory.mktemp("values") / "values.parquet"
    with duckdb.connect() as local:
        local.execute("CREATE TABLE v (id BIGINT, t VARCHAR, n DOUBLE, w BIGINT, b BOOLEAN, d TIMESTAMP)")
        local.executemany("INSERT INTO v VALUES (?, ?, ?, ?, ?, ?)", rows)
        local.execute(f"COPY v TO '{path}' (FORMAT parquet)")
    return path


@pytest.fixture(scope="module")
def engines(cluster: Cluster, table_of_values: Path) -> Iterator[tuple[Engine, SparkEngine]]:
    from doctor.subjects.spark_session import Session

    here = Engine()
    there = SparkEngine(Session(cluster.url, rows=400), here)
    here.rows(f"CREATE VIEW \"values\" AS SELECT * FROM read_parquet('{table_of_values}')")
    there.view("values", there.reader.parquet(str(table_of_values)), 400)
    yield here, there
    there.close()
    here.close()


def closely(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Round what may be summed in another order."""
    return sorted(
        (tuple(float(f"{value:.12g}") if isinstance(value, float) else value for value in row) for row in rows),
        key=repr,
    )


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_statement_has_the_same_answer(engines: tuple[Engine, SparkEngine], statement: str) -> None:
    here, there = engines
    statement = statement.replace("FROM values", 'FROM "values"')
    expected = here.rows(statement)
    assert expected
    assert closely(expected) == closely(there.rows(statement))


def test_arrays_are_of_the_same_types_with_the_same_holes(engines: tuple[Engine, SparkEngine]) -> None:
    here, there = (engine.arrays('SELECT *, hash(t) AS h FROM "values" ORDER BY id') for engine in engines)
    assert list(here) == list(there)
    for name in here:
        assert here[name].dtype == there[name].dtype
        np.testing.assert_array_equal(np.ma.getmaskarray(here[name]), np.ma.getmaskarray(there[name]))
        mine, yours = (np.ma.masked_array(engine[name]).compressed() for engine in (here, there))
        np.testing.assert_array_equal(mine, yours)


def test_dates_are_read_alike_in_every_form(engines: tuple[Engine, SparkEngine]) -> None:
    here, there = engines
    moment = datetime.datetime(2021, 3, 4, 15, 6, 7, 89)
    texts = [moment.strftime(form) for form in FORMATS]
    texts += [
        "2021-3-4",
        "13/04/2021",
        "4/31/2021",
        "29.02.2021",
        "Mar 4",
        "march 4 2021",
        " 2021-03-04 ",
        "2021-03-04x",
    ]
    texts += [
        "12:00",
        "2021-03-04 24:00",
        "2021-03-04 12:60",
        "03/04/99",
        "03/04/68",
        "03/04/69",
        "2021-03-04 12:00 AM",
        "2021-03-04  12:00",
        "2021-03-04 12:00am",
        "2021-03-04 01:02:03.1234567",
        "May 2020",
        "1 2 2021",
        "123-1-1",
        "20210-1-1",
    ]
    arrays = {"said": np.array(texts, dtype=object)}
    wanted = ", ".join(f"try_strptime(said, '{form}')" for form in FORMATS[::3])
    with here.lent("dates", arrays) as mine, there.lent("dates", arrays) as yours:
        expected = here.rows(f'SELECT {wanted} FROM "{mine}"')
        assert expected == there.rows(f'SELECT {wanted} FROM "{yours}"')
    assert any(value is not None for row in expected for value in row)


def test_what_is_lent_comes_back(engines: tuple[Engine, SparkEngine]) -> None:
    marks = np.array([2**64 - 1, 0, 2**63], dtype=np.uint64)
    for engine in engines:
        with engine.lent("marks", {"mark": marks}) as name:
            assert engine.rows(f'SELECT mark FROM "{name}" ORDER BY mark DESC') == [(2**64 - 1,), (2**63,), (0,)]


def test_many_distinct_counts_are_asked_one_by_one(
    engines: tuple[Engine, SparkEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spark_engine, "MAX_EXPANDED_ROWS", 100)
    here, there = engines
    statement = 'SELECT count(*), count(DISTINCT t), count(DISTINCT w) FROM "values" WHERE id > 3'
    assert distinct_counts(statement) is not None
    assert here.rows(statement) == there.rows(statement)


@pytest.mark.parametrize(
    ("pattern", "java"),
    [("a$", r"(?d)a\z"), (r"a\$", r"(?d)a\$"), ("[$]", "(?d)[$]"), ("[a[b]", r"(?d)[a\[b]"), ("[]&]$", r"(?d)[]\&]\z")],
)
def test_patterns_mean_the_same_to_java(pattern: str, java: str) -> None:
    assert java == java_pattern(pattern)


@pytest.mark.parametrize("patient", PATIENTS)
def test_a_patient_has_the_same_findings(cluster: Cluster, patient: str) -> None:
    assert differences(scanned(FIXTURES / patient, "duckdb"), scanned(FIXTURES / patient, cluster.url)) == []


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """A table in four Parquet files of two splits, with copies across them, NaN, 32-bit numbers and empty text."""
    with duckdb.connect() as local:
        for name, start in (("train-0", 0), ("train-1", 90), ("test-0", 60), ("test-1", 300)):
            local.execute(
                f"COPY (SELECT i AS id, sin(i) AS wave, (i * 0.1)::FLOAT AS small, "
                f"CASE WHEN i % 40 = 7 THEN 'nan'::DOUBLE ELSE cos(i) END AS holed, "
                f"CASE WHEN i % 30 = 3 THEN '' ELSE 'w' || (i % 7) END AS word, "
                f"DATE '2020-01-01' + (i % 50)::INT AS day, i % 2 AS label FROM range({start}, {start + 80}) r(i)) "
                f"TO '{tmp_path / name}.parquet' (FORMAT parquet)"
            )
    return tmp_path


def test_parquet_is_read_from_where_it_lies(cluster: Cluster, parts: Path) -> None:
    settings = Settings(engine=cluster.url, target="label")
    with open_case([parts], settings) as case, asked_of(case, settings) as asked:
        table = asked.tables[0]
        assert isinstance(table.engine, SparkEngine)
        frame = table.engine.frame(f"SELECT * FROM {table.relation}")
        assert {path.name for path in parts.iterdir()} == {name.rpartition("/")[2] for name in frame.inputFiles()}
        assert frame.rdd.getNumPartitions() > 1
        here, there = (one.ask(one.select(exp.Star()).order_by("__doctor_row")) for one in (case.tables[0], table))
        assert here == there


def test_findings_in_parquet_are_the_same(cluster: Cluster, parts: Path) -> None:
    here, there = (doctor.scan(parts, engine=engine, target="label") for engine in ("duckdb", cluster.url))
    assert "leakage/split-duplicates" in {finding.check for finding in here.findings}
    assert differences(here, there) == []


def test_rows_are_drawn_alike(cluster: Cluster, parts: Path) -> None:
    here, there = (
        doctor.scan(
            parts, engine=engine, target="label", sample_rows=100, select="leakage/label-leakage", sample_seed=3
        )
        for engine in ("duckdb", cluster.url)
    )
    assert differences(here, there) == []


def test_a_running_statement_is_stopped_when_the_budget_is_spent(engines: tuple[Engine, SparkEngine]) -> None:
    from doctor.errors import BudgetSpent

    there = engines[1]
    there.deadline = time.monotonic() + 2
    try:
        with pytest.raises(BudgetSpent):
            there.rows(
                f'SELECT count(*) FROM "values" a, "values" b, "values" c, "values" d WHERE {"a.n + b.n < c.n * d.n"}'
            )
        with pytest.raises(BudgetSpent):
            there.rows("SELECT 1")
    finally:
        there.deadline = None
    assert there.rows("SELECT 1") == [(1,)]


def test_five_thousand_columns_are_refused_in_one_line(cluster: Cluster, tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(5000)]
    write_csv(tmp_path / "wide.csv", names, [range(5000)] * 20)
    with pytest.raises(UsageError, match=r"wide\.csv: 5,000 columns are more than the 1,000 that Spark takes"):
        doctor.scan(tmp_path / "wide.csv", engine=cluster.url)


def test_what_the_workers_cannot_read_is_said_before_anything_is_judged(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_csv(tmp_path / "table.csv", ["a", "b"], [(n, n % 3) for n in range(50)])
    shown = SparkEngine.view

    def unseen(self: SparkEngine, name: str, frame: Any, rows: int) -> None:
        for path in frame.inputFiles():  # as on a worker that does not share the folder
            Path(path.removeprefix("file://")).unlink()
        shown(self, name, frame, rows)

    monkeypatch.setattr(SparkEngine, "view", unseen)
    with pytest.raises(
        DoctorError, match=r"the workers of spark://.* cannot read .*staged.*\.parquet: data and TMPDIR must"
    ):
        doctor.scan(tmp_path / "table.csv", engine=cluster.url)


def test_a_damaged_file_is_named(cluster: Cluster, parts: Path) -> None:
    path = parts / "train-1.parquet"
    content = bytearray(path.read_bytes())
    content[100:1500] = bytes(1400)
    path.write_bytes(content)
    report = doctor.scan(
        parts, engine=cluster.url, target="label", select=("quality/missing-values", "quality/constant")
    )
    assert report.incomplete
    assert any("train-1.parquet" in problem.path for problem in report.case.problems)


def test_a_cluster_that_dies_leaves_no_verdict_that_it_did_not_give(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last test of the cluster: it does not survive."""
    monkeypatch.setattr(spark_engine, "SECONDS_WITHOUT_EXECUTORS", 3.0)
    asked = SparkEngine.rows
    statements = 0

    def then_dies(self: SparkEngine, statement: Any) -> Any:
        nonlocal statements
        statements += 1
        if statements == 4:
            cluster.kill_workers()
        return asked(self, statement)

    monkeypatch.setattr(SparkEngine, "rows", then_dies)
    report = doctor.scan(FIXTURES / "quality" / "disguised_missing" / "sick", engine=cluster.url, select="quality")
    assert report.incomplete
    assert [problem.path for problem in report.case.problems] == [cluster.url]
    lost = [one for one in report.examinations if "the Spark cluster was lost" in one.reason]
    assert lost
    assert all(one.outcome is Outcome.UNAVAILABLE for one in lost)
    assert not any(one.outcome is Outcome.CRASHED for one in report.examinations)


def test_an_unknown_engine_is_wrong_use(doctor: Doctor, tmp_path: Path) -> None:
    write_csv(tmp_path / "table.csv", ["a", "b"], [(1, 2), (3, 4)])
    for name in ("dask", "spark:", "spark://host", "yarn"):
        done = doctor("scan", tmp_path, "--engine", name)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"doctor: engine: '{name}' is none of duckdb, spark, spark://HOST:PORT\n"
    (tmp_path / "doctor.toml").write_text('engine = "dask"\n', "utf-8")
    done = doctor("scan", tmp_path)
    assert done.returncode == 2
    assert "doctor.toml: engine: 'dask' is none of" in done.stderr


def test_no_cluster_at_an_address_is_one_line(doctor: Doctor, tmp_path: Path) -> None:
    write_csv(tmp_path / "table.csv", ["a", "b"], [(1, 2), (3, 4)])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        url = f"spark://127.0.0.1:{taken.getsockname()[1]}"
        done = doctor("scan", tmp_path, "--engine", url)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1] == f"doctor: engine {url}: no Spark cluster there: Connection refused"


def test_what_is_to_be_installed_is_said(doctor: Doctor, tmp_path: Path) -> None:
    write_csv(tmp_path / "table.csv", ["a", "b"], [(1, 2), (3, 4)])
    done = doctor("scan", tmp_path, "--engine", "spark", JAVA_HOME=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert "engine spark needs Java, and JAVA_HOME" in done.stderr
    assert "apt-get install openjdk-17-jre-headless" in done.stderr
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['pyspark'] = None\n", "utf-8")
    done = doctor("scan", tmp_path / "table.csv", "--engine", "spark", PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert "engine spark needs pyspark: pip install 'training-doctor[spark]'" in done.stderr


def test_the_command_is_quiet_and_leaves_nothing_behind(doctor: Doctor, tmp_path: Path) -> None:
    data, scratch = tmp_path / "data", tmp_path / "scratch"
    scratch.mkdir()
    write_csv(data / "table.csv", ["a", "b"], [(n, n % 3) for n in range(60)])
    done = doctor(
        *(
            "scan",
            "table.csv",
            "--engine",
            "spark",
            "--threads",
            "1",
            "--format",
            "json",
            "--select",
            "quality/constant",
        ),
        cwd=data,
        TMPDIR=str(scratch),
        JAVA_TOOL_OPTIONS=CHEAP,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert [examination["outcome"] for examination in report["examinations"]] == ["healthy"]
    assert all(line.startswith("doctor: ") for line in done.stderr.splitlines())
    assert [path.name for path in data.iterdir()] == ["table.csv"]
    assert list(scratch.iterdir()) == []


def test_ctrl_c_ends_spark(tmp_path: Path) -> None:
    write_csv(tmp_path / "data" / "table.csv", ["a", "b"], [(n, n % 3) for n in range(60)])
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    process = subprocess.Popen(
        [Path(sys.executable).parent / "doctor", "scan", tmp_path / "data", "--engine", "spark", "--threads", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(scratch), "JAVA_TOOL_OPTIONS": CHEAP},
    )
    end = time.monotonic() + 600
    started: list[psutil.Process] = []
    while not started and time.monotonic() < end:
        started = [child for child in psutil.Process(process.pid).children(recursive=True) if "java" in child.name()]
        time.sleep(0.05)
    assert started
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    assert process.wait(300) == 130
    assert process.stderr
    assert process.stdout
    assert process.stderr.read().decode().splitlines()[-1] == "doctor: interrupted"
    process.stderr.close()
    process.stdout.close()
    _, left = psutil.wait_procs(started, timeout=120)
    assert left == []
    assert list(scratch.iterdir()) == []
