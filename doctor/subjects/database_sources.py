"""How rows come out of databases: as Arrow, batch by batch, from a connection that can only read.

SQLite and PostgreSQL are reached through ADBC, whose drivers are imported when they are needed.
"""

import importlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote

import duckdb

from doctor.errors import CannotOpen, UsageError
from doctor.subjects import sql
from doctor.subjects.database import DUCKDB, POSTGRES, SQLITE, Address

CONNECT_SECONDS = 10
LOCK_SECONDS = 30
"""How long to wait for a table that somebody else has locked."""
ROWS_AT_ONCE = 65_536
COLUMNS_AT_ONCE = 300
"""Whose kinds of value are counted in one statement; SQLite allows 2,000 columns in an answer."""
WAL = b"\x02\x02"
"""What the header of a SQLite file says at byte 18 of one that is written through a log beside it."""
EXTRA = "pip install 'training-doctor[databases]'"

Rows = tuple[Any, Iterator[Any]]


class Name(NamedTuple):
    """The name of a table, with its schema where that is not the usual one."""

    schema: str
    table: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}" if self.schema else self.table

    @property
    def quoted(self) -> str:
        """As it stands in a statement."""
        return ".".join(map(sql.name, filter(None, self)))


class Source(Protocol):
    """A database that is open for reading."""

    address: Address

    def tables(self) -> list[Name]:
        """Return the user's tables that may be read."""

    def views(self) -> list[Name]:
        """Return the user's views that may be read."""

    def reads(self, query: str) -> Rows:
        """Ask, and return the schema of the answer and an iterator of its batches, of which each may still fail."""

    def close(self) -> None:
        """End the connection."""


@contextmanager
def connected(address: Address, *, memory_limit: str | None = None, threads: int | None = None) -> Iterator[Source]:
    """Open a database until the block ends.

    Raises
    ------
    UsageError
        When it cannot be reached or is none, in one line.
    """
    try:
        source: Source = (
            DuckdbFile(address, memory_limit, threads) if address.dialect == DUCKDB else _ADBC[address.dialect](address)
        )
    except (UsageError, CannotOpen):
        raise
    except Exception as error:  # each driver has errors of its own
        raise UsageError(f"{address.shown}: cannot be opened: {address.told(error)}") from None
    try:
        yield source
    finally:
        with suppress(Exception):
            source.close()


class DuckdbFile:
    """A file of DuckDB, opened by the library that reads all other files too."""

    def __init__(self, address: Address, memory_limit: str | None, threads: int | None) -> None:
        self.address = address
        config: dict[str, Any] = {
            "TimeZone": "UTC",
            "autoinstall_known_extensions": False,
            "python_enable_replacements": False,  # else a name in a query might mean a variable of ours
        }
        config |= {"memory_limit": memory_limit} if memory_limit else {}
        config |= {"threads": threads} if threads else {}
        self._connection = duckdb.connect(str(address.path), read_only=True, config=config)

    def tables(self) -> list[Name]:
        """Return the user's tables."""
        return self._names("duckdb_tables()", "table_name")

    def views(self) -> list[Name]:
        """Return the user's views."""
        return self._names("duckdb_views()", "view_name")

    def _names(self, function: str, name: str) -> list[Name]:
        listed = self._connection.execute(
            f"SELECT CASE schema_name WHEN 'main' THEN '' ELSE schema_name END, {name} FROM {function} "
            "WHERE NOT internal AND database_name = current_database() ORDER BY ALL"
        )
        return [Name(*map(str, row)) for row in listed.fetchall()]

    def reads(self, query: str) -> Rows:
        """Ask."""
        answer: Any = self._connection.sql(query)
        # Its name from version 1.5 on, and before.
        reader = getattr(answer, "to_arrow_reader", None) or answer.fetch_arrow_reader
        batches = reader(ROWS_AT_ONCE)
        return batches.schema, iter(batches)

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


class _Adbc:
    """A connection through ADBC, whose cursor is kept until the next question."""

    DRIVER = ""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._cursor: Any = None
        self._connection: Any = self._driver().connect(self._uri())
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    @classmethod
    def _driver(cls) -> Any:
        try:
            return importlib.import_module(f"{cls.DRIVER}.dbapi")
        except ImportError as error:
            raise UsageError(f"{cls.DRIVER.replace('_', '-')} is not installed: {EXTRA}") from error

    def _uri(self) -> str:
        raise NotImplementedError

    def _begin(self) -> None:
        raise NotImplementedError

    @contextmanager
    def _fresh_cursor(self) -> Iterator[Any]:
        """Give a cursor; a statement that fails ends the transaction, so another is begun for what is asked next."""
        if self._cursor is not None:
            self._cursor.close()
        self._cursor = self._connection.cursor()
        try:
            yield self._cursor
        except Exception:
            with suppress(Exception):
                self._cursor.close()
                self._cursor = None
                self._connection.rollback()
                self._begin()
            raise

    def _ask(self, query: str) -> Any:
        with self._fresh_cursor() as cursor:
            cursor.execute(query)
        return cursor

    def _listed(self, query: str) -> list[Name]:
        return [Name(*map(str, row)) for row in self._ask(query).fetchall()]

    def _stream(self, query: str) -> Rows:
        reader = self._ask(query).fetch_record_batch()
        return reader.schema, iter(reader)

    def close(self) -> None:
        """End the connection."""
        with suppress(Exception):
            if self._cursor is not None:
                self._cursor.close()
        self._connection.close()


class SqliteFile(_Adbc):
    """A file of SQLite, whose values have types and whose columns have none to rely on."""

    DRIVER = "adbc_driver_sqlite"

    def _uri(self) -> str:
        """Open it so that nothing is written beside it either."""
        path = self.address.path
        assert path is not None  # noqa: S101 - a file has one
        with path.open("rb") as file:
            logged = file.read(20)[18:20] == WAL
        log = path.with_name(f"{path.name}-wal")
        # To read through a log, SQLite makes files beside the data; where the log is empty there is nothing in it.
        still = logged and not (log.exists() and log.stat().st_size)
        return f"file:{quote(str(path.absolute()))}?mode=ro{'&immutable=1' if still else ''}"

    def _begin(self) -> None:
        self._ask("PRAGMA query_only = on")
        self._ask("SELECT count(*) FROM sqlite_master").fetchall()

    def tables(self) -> list[Name]:
        """Return the user's tables."""
        return self._listed(_SQLITE_NAMES.format("table"))

    def views(self) -> list[Name]:
        """Return the user's views."""
        return self._listed(_SQLITE_NAMES.format("view"))

    def reads(self, query: str) -> Rows:
        """Ask, each column in the one type that holds all of its values; text among numbers makes text of them."""
        names = self._ask(f"SELECT * FROM (\n{query}\n) AS q LIMIT 0").fetch_record_batch().schema.names
        width = len(names)
        if not width:
            return self._stream(query)
        listed = ", ".join(f"c{number}" for number in range(width))
        given = f"WITH q({listed}) AS (\n{query}\n)"
        kinds = self._kinds(given, width)
        # The driver takes the types from the first rows, so a row that has them goes first and is left out again.
        example = ", ".join(f"{_EXAMPLES[kind]} AS c{number}" for number, kind in enumerate(kinds))
        wanted = ", ".join(_SQLITE_VALUES[kind].format(f"c{number}") for number, kind in enumerate(kinds))
        schema, batches = self._stream(f"{given} SELECT {example} UNION ALL SELECT {wanted} FROM q")
        import pyarrow as pa

        named = pa.schema([(name, field.type) for name, field in zip(names, schema, strict=True)])
        return named, _without_first(batches, named)

    def _kinds(self, given: str, width: int) -> list[str]:
        kinds: list[str] = []
        for start in range(0, width, COLUMNS_AT_ONCE):
            columns = [f"c{number}" for number in range(start, min(width, start + COLUMNS_AT_ONCE))]
            facts = [
                f"max(typeof({name}) = 'text' AND {name} <> ''), max(typeof({name}) = 'blob'), "
                f"max(typeof({name}) = 'real'), max(typeof({name}) = 'integer'), max(typeof({name}) = 'text')"
                for name in columns
            ]
            answer = [bool(value) for value in self._ask(f"{given} SELECT {', '.join(facts)} FROM q").fetchone()]
            for place in range(0, len(answer), 5):
                kinds.append(_sqlite_kind(*answer[place : place + 5]))
        return kinds


_SQLITE_NAMES = (
    "SELECT '', name FROM sqlite_master WHERE type = '{}' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY 2"
)
_EXAMPLES = {"integer": "0", "real": "0.5", "text": "'x'", "blob": "x'00'"}
_SQLITE_VALUES = {
    "integer": "CAST(nullif({0}, '') AS INTEGER)",
    "real": "CAST(nullif({0}, '') AS REAL)",
    "text": "CASE typeof({0}) WHEN 'blob' THEN hex({0}) ELSE CAST({0} AS TEXT) END",
    "blob": "{0}",
}


def _sqlite_kind(text: bool, blob: bool, real: bool, integer: bool, empty: bool) -> str:
    if text or (blob and (real or integer or empty)):
        return "text"
    return "blob" if blob else "real" if real else "integer" if integer else "text"


def _without_first(batches: Iterator[Any], schema: Any) -> Iterator[Any]:
    """Leave the first row out, and mend text that is no UTF-8."""
    import pyarrow as pa

    first = True
    for batch in batches:
        columns = [_readable(column) for column in batch.columns]
        made = pa.RecordBatch.from_arrays(columns, schema=schema)
        yield made.slice(1) if first and made.num_rows else made
        first = first and not made.num_rows


def _readable(column: Any) -> Any:
    import pyarrow as pa

    if not pa.types.is_string(column.type):
        return column
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        plain = column.view(pa.binary()).to_pylist()
        return pa.array([None if value is None else value.decode("utf-8", "replace") for value in plain], pa.string())
    return column


class PostgresServer(_Adbc):
    """A PostgreSQL server; all is read in one snapshot."""

    DRIVER = "adbc_driver_postgresql"

    def _uri(self) -> str:
        uri = self.address.uri
        if "connect_timeout=" in uri or "PGCONNECT_TIMEOUT" in os.environ:
            return uri
        return f"{uri}{'&' if '?' in uri else '?'}connect_timeout={CONNECT_SECONDS}"

    def _begin(self) -> None:
        self._ask("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        self._ask(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")

    def tables(self) -> list[Name]:
        """Return the user's tables that may be read."""
        return self._listed(_POSTGRES_NAMES.format("'r', 'p', 'f'"))

    def views(self) -> list[Name]:
        """Return the user's views that may be read."""
        return self._listed(_POSTGRES_NAMES.format("'v', 'm'"))

    def reads(self, query: str) -> Rows:
        """Ask; what Arrow has no type for comes as text, and exact numbers as DOUBLE."""
        with self._fresh_cursor() as cursor:
            fields = list(cursor.adbc_execute_schema(query))
        casts = [_postgres_cast(field) for field in fields]
        if not any(casts):
            return self._stream(query)
        listed = ", ".join(f"c{number}" for number in range(len(fields)))
        wanted = ", ".join(f"c{number}{cast}" for number, cast in enumerate(casts))
        schema, batches = self._stream(f"WITH q({listed}) AS (\n{query}\n) SELECT {wanted} FROM q")
        import pyarrow as pa

        named = pa.schema([(own.name, field.type) for own, field in zip(fields, schema, strict=True)])
        return named, (pa.RecordBatch.from_arrays(batch.columns, schema=named) for batch in batches)


_POSTGRES_NAMES = (
    "SELECT CASE WHEN n.nspname = current_schema() THEN '' ELSE n.nspname END, c.relname "
    "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.relkind IN ({}) AND NOT c.relispartition AND n.nspname NOT LIKE 'pg\\_%' "
    "AND n.nspname <> 'information_schema' AND has_table_privilege(c.oid, 'SELECT') ORDER BY 1, 2"
)
_EXACT = (b"numeric", b"money")
_OWN_ARROW = (b"uuid", b"json", b"jsonb")
"""Types that have an Arrow type which would come in as bytes, or as another kind of text."""


def _postgres_cast(field: Any) -> str:
    kind = (field.metadata or {}).get(b"POSTGRESQL:type", b"")
    if kind in _EXACT:
        return "::numeric::float8"
    return "::text" if kind in _OWN_ARROW or b"ADBC:postgresql:typname" in (field.metadata or {}) else ""


_ADBC: dict[str, Callable[[Address], Source]] = {SQLITE: SqliteFile, POSTGRES: PostgresServer}
