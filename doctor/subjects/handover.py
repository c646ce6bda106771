"""Hands tables that were opened by the embedded engine on to Spark.

Parquet is read by Spark from where it lies, if both read its types alike; anything else is written once, as Parquet,
into the scratch folder.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import sqlglot
from sqlglot import exp

from doctor.errors import DoctorError, Unavailable, UsageError
from doctor.subjects import sql
from doctor.subjects.spark_dialect import to_spark
from doctor.subjects.spark_engine import SparkEngine
from doctor.subjects.table import Engine, Table

MAX_COLUMNS = 1_000
"""Spark plans a statement in time that grows with the square of its columns, and compiles none so wide."""
ROWS_PER_GROUP = 250_000
"""Of what is staged: Spark deals out work by groups of rows."""
READ_ALIKE = re.compile(
    r"TINYINT|SMALLINT|INTEGER|BIGINT|UTINYINT|USMALLINT|UINTEGER|FLOAT|DOUBLE|BOOLEAN|VARCHAR|DATE|TIMESTAMP|"
    r"DECIMAL\((?:[1-9]|1[0-5]),\d+\)"
)
"""Types that both read alike, and decimals that a float holds to the last digit."""


def hand_over(spark: SparkEngine, table: Table) -> Table:
    """Return the same table, asked on Spark.

    Parameters
    ----------
    spark : SparkEngine
        Which will answer.
    table : Table
        As opened by the embedded engine.

    Raises
    ------
    UsageError
        When it has more columns than Spark takes.
    DoctorError
        When Spark cannot read what it is to read.
    """
    if len(table.columns) > MAX_COLUMNS:
        raise UsageError(
            f"{table.shown}: {len(table.columns):,} columns are more than the {MAX_COLUMNS:,} that Spark takes; "
            "--engine duckdb takes them"
        )
    engine = table.engine
    if not isinstance(engine, Engine):
        return table
    place = _in_place(engine, spark, table)
    if place is None:
        place = _staged(engine, spark, table)
    name, path = place
    _see_that_it_is_read(spark, engine, table, name, path)
    return table.replaced(engine=spark, relation=name)


def _staged(engine: Engine, spark: SparkEngine, table: Table) -> tuple[str, Path]:
    path = engine.scratch / f"{engine.fresh_name('staged')}.parquet"
    from pyspark.sql.functions import col

    names = [*(column.name for column in table.columns), sql.ROW, sql.SPLIT]
    wanted = ", ".join(f"{sql.name(name)} AS c{number}" for number, name in enumerate(names))
    engine.rows(
        f"COPY (SELECT {wanted} FROM {sql.name(table.relation)}) TO {sql.quoted(path)} "
        f"(FORMAT parquet, ROW_GROUP_SIZE {ROWS_PER_GROUP})"
    )
    if not spark.session.local:
        path.parent.chmod(0o755)  # workers may be another user's
    frame = _read(spark, table, [path])
    renamed = frame.select(*(col(f"c{number}").alias(name) for number, name in enumerate(names)))
    name = spark.fresh_name("table")
    spark.view(name, renamed, table.rows)
    return name, path


def _read(spark: SparkEngine, table: Table, paths: list[Path]) -> Any:
    from pyspark.errors import PySparkException

    try:
        return spark.reader.parquet(*(path.absolute().as_uri() for path in paths))
    except PySparkException as error:
        raise DoctorError(f"{table.shown}: Spark cannot read {paths[0]}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__


def _see_that_it_is_read(spark: SparkEngine, engine: Engine, table: Table, name: str, path: Path) -> None:
    """Read a column to its end, so that a worker that does not see the files is found before anything is judged.

    The numbers of the rows are summed: Spark holds them for known, and would count them without a look.
    """
    query = f"SELECT count(*), sum({sql.ROW})::BIGINT FROM {{}}"
    try:
        rows, numbers = spark.rows(query.format(sql.name(name)))[0]
    except Unavailable as error:
        if spark.session.local or spark.lost:
            raise DoctorError(f"{table.shown}: {error}") from error
        raise DoctorError(
            f"{table.shown}: the workers of {spark.session.engine} cannot read {path}: data and TMPDIR must lie where "
            "every worker sees them"
        ) from error
    if (rows, numbers) != engine.rows(query.format(sql.name(table.relation)))[0]:
        raise DoctorError(f"{table.shown}: Spark reads {rows:,} rows from {path} where {table.rows:,} were found")


@dataclass(frozen=True, kw_only=True)
class _Source:
    """A call of `read_parquet` in a view: its files, and its columns with their types."""

    paths: list[Path]
    types: dict[str, str]


def _in_place(engine: Engine, spark: SparkEngine, table: Table) -> tuple[str, Path] | None:
    """Write the view of the embedded engine for Spark; None where it reads anything but Parquet of simple types."""
    from pyspark.errors import PySparkException

    if not table.parts or any(part.form is not None or part.path.suffix.lower() != ".parquet" for part in table.parts):
        return None
    query = _definition(engine, table.relation)
    if query is None or not _all_alike(query):
        return None
    calls = [found for found in query.find_all(exp.Table) if not isinstance(found.this, exp.Identifier)]
    if not calls or len(list(query.find_all(exp.Table))) != len(calls):
        return None
    sources = [_source(engine, call) for call in calls]
    for call, source in zip(calls, sources, strict=True):
        if source is None:
            return None
        named = sql.relation(_source_view(spark, table, source))
        call.replace(exp.alias_(named, call.alias, table=True) if call.alias else named)
    name = spark.fresh_name("table")
    try:
        spark.view(name, spark.frame(to_spark(query.sql(dialect="duckdb"))), table.rows)
    except PySparkException:  # names or types that Spark does not take
        return None
    return name, table.parts[0].path


def _definition(engine: Engine, relation: str) -> exp.Query | None:
    """Return the query of a view, with the views that it reads written out; None where there is a stored table."""
    found = engine.rows(f"SELECT sql FROM duckdb_views() WHERE view_name = {sql.quoted(relation)}")
    if not found:
        return None
    created = sqlglot.parse_one(str(found[0][0]), read="duckdb")
    query = created.args.get("expression")
    if not isinstance(query, exp.Query):
        return None
    for inner in list(query.find_all(exp.Table)):
        if isinstance(inner.this, exp.Identifier):
            below = _definition(engine, inner.name)
            if below is None:
                return None
            inner.replace(below.subquery(inner.alias_or_name))
    return query


def _all_alike(query: exp.Query) -> bool:
    """Whether values are only brought to their canonical type; text that is read as times both may read otherwise."""
    functions = {str(call.this).lower() for call in query.find_all(exp.Anonymous)}
    times = any(cast.to.this == exp.DataType.Type.TIMESTAMPTZ for cast in query.find_all(exp.Cast))
    return not times and functions <= {"read_parquet"}


def _source(engine: Engine, call: exp.Table) -> _Source | None:
    text = call.this.sql(dialect="duckdb")
    listed = call.find(exp.Array)
    paths = [Path(word.this) for word in listed.find_all(exp.Literal) if word.is_string] if listed else []
    described = engine.rows(f"DESCRIBE SELECT * FROM {text}")
    types = {str(name): str(kind) for name, kind, *_ in described}
    types.pop("file_row_number", None)
    if not paths or not all(READ_ALIKE.fullmatch(kind) for kind in types.values()):
        return None
    if len({name.lower() for name in types}) != len(types) or any("=" in str(path.parent) for path in paths):
        return None
    files = ", ".join(sql.quoted(path) for path in paths)
    shapes = engine.rows(
        "SELECT count(DISTINCT shape) FROM (SELECT file_name, string_agg(concat_ws(' ', name, type, logical_type), ',' "
        f"ORDER BY column_id) AS shape FROM parquet_schema([{files}]) GROUP BY file_name)"
    )
    return _Source(paths=paths, types=types) if shapes[0][0] == 1 else None


def _source_view(spark: SparkEngine, table: Table, source: _Source) -> str:
    """Show files to Spark as `read_parquet` does, with the number of the file and of the row in it."""
    from pyspark.sql.functions import col, create_map, lit

    frame = _read(spark, table, source.paths)
    spelled = {Path(unquote(urlparse(name).path)): name for name in frame.inputFiles()}
    if set(spelled) != {path.absolute() for path in source.paths}:
        raise DoctorError(f"{table.shown}: Spark sees other files than there are")
    # One file is spelled file:///x and file:/x, as it pleases Spark.
    places = [
        lit(word)
        for n, path in enumerate(source.paths)
        for rest in [spelled[path.absolute()].removeprefix("file:").lstrip("/")]
        for word in (f"file:///{rest}", n, f"file:/{rest}", n)
    ]
    number = create_map(*places)[col("_metadata.file_path")].cast("bigint")
    row = col("_metadata.row_index").cast("bigint")
    shown = frame.select("*", number.alias("file_index"), row.alias("file_row_number"))
    name = spark.fresh_name("files")
    spark.view(name, shown, table.rows)
    return name
