"""A table that has been opened: its columns, its splits, and a connection that answers questions about it."""

import re
import shutil
import tempfile
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import duckdb
import numpy as np
from msgspec import Struct

from doctor.errors import BudgetSpent, Unavailable, UsageError
from doctor.model import Declared, Guess, Problem
from doctor.subjects import sql
from doctor.subjects.record_lines import RecordLines
from doctor.wording import printable

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS_NAMED = 30


class Kind(StrEnum):
    """What the values of a column are, whatever the file called it."""

    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TIME = "time"
    TEXT = "text"
    OTHER = "other"
    """Nested or binary, seen as its text."""


class Column(Struct, frozen=True, kw_only=True):
    """A column, and the splits that have it (a published test split often lacks the target)."""

    name: str
    kind: Kind
    splits: tuple[str, ...]

    @property
    def numeric(self) -> bool:
        """Whether its values are numbers."""
        return self.kind in (Kind.INTEGER, Kind.NUMBER)


class TextForm(Struct, frozen=True, kw_only=True):
    """How the records of a text file were read, so that a copy can be written in the same way.

    Attributes
    ----------
    encoding : str
        Of its bytes.
    columns, fields : tuple of str
        The columns in the order of the file, by the table's names and as the file has them; JSON has keys for fields.
    width : int
        Fields of a record; a header may have one fewer or more.
    delimiter, quote, escape : str
        As the engine was told; empty quotes are part of the text. Empty in JSON.
    header : bool
        Whether the first record names the columns.
    left_out : tuple of int
        Of JSON: which of its records are no rows, counted from 0.
    whole : bool
        Whether the file is a document: one row, whose only cell is its text.
    """

    encoding: str
    columns: tuple[str, ...]
    fields: tuple[str, ...] = ()
    width: int = 0
    delimiter: str = ""
    quote: str = ""
    escape: str = ""
    header: bool = False
    left_out: tuple[int, ...] = ()
    whole: bool = False


class Part(Struct, frozen=True, kw_only=True):
    """One file of a table. Its rows bear numbers from `first_row` on.

    Of text, `form` says how it is written and `lines` where its rows stand.
    """

    path: Path
    split: str
    rows: int
    first_row: int
    form: TextForm | None = None
    lines: RecordLines | None = None


class Malformed(Struct, frozen=True, kw_only=True):
    """Rows of a file that could not be read as they stand.

    Attributes
    ----------
    fault : str
        What is wrong with them.
    rows : int
        How many there are.
    lines : tuple of int
        The first of them, counted from 1.
    kept : bool
        Whether they are part of the table all the same.
    of : int
        Rows of the file, these included.
    """

    path: str
    fault: str
    rows: int
    lines: tuple[int, ...]
    kept: bool
    of: int


class Asked(Protocol):
    """What answers statements on a table.

    Attributes
    ----------
    deadline : float or None
        Reading of `time.monotonic` after which a running statement is stopped and none is begun.
    problems : list of Problem
        What showed only when rows were read.
    gathers : bool
        Whether many rows can be held in one value, beside counts of the same pass.
    max_rows_fetched : int
        Rows that are brought to this process where it is faster than a statement.
    files : Asked
        What opened the files, for questions on the files themselves.
    """

    deadline: float | None
    problems: list[Problem]
    gathers: bool
    max_rows_fetched: int

    @property
    def files(self) -> "Asked":
        """Return what opened the files."""

    def fresh_name(self, stem: str) -> str:
        """Return a name for a relation that is not yet taken."""

    def rows(self, statement: sql.Expression | str) -> list[tuple[Any, ...]]:
        """Return the answer as a list of tuples."""

    def arrays(self, statement: sql.Expression | str) -> dict[str, np.ndarray[Any, Any]]:
        """Return the answer as arrays by column name; missing values are masked or None."""

    def mapped(
        self, statement: sql.Expression | str, work: "Callable[[pa.RecordBatch], pa.RecordBatch]", schema: "pa.Schema"
    ) -> "Iterator[pa.RecordBatch]":
        """Do work on the rows of an answer where they are, some thousand at a time; yield what it makes of them."""

    def keep(self, stem: str, statement: sql.Expression | str) -> str:
        """Store an intermediate answer and return its name."""

    def lent(self, stem: str, arrays: Mapping[str, np.ndarray[Any, Any]]) -> AbstractContextManager[str]:
        """Let statements read arrays of one length as the columns of a relation, under the name returned."""

    def drop(self, name: str) -> None:
        """Forget a stored table."""


SECONDS_BETWEEN_INTERRUPTIONS = 0.05
ROWS_AT_ONCE = 10_000


_UNREADABLE = re.compile(r'Failed to read file "(?P<path>.+?)"')


class Engine:
    """The embedded database that reads the files, with its scratch folder; nothing is written beside the data.

    Attributes
    ----------
    deadline : float or None
        Reading of `time.monotonic` after which a running statement is stopped and none is begun.
    """

    deadline: float | None = None
    gathers = True
    max_rows_fetched = 10_000_000
    """At eight bytes each and twice over; more are left to the engine, which can spill."""

    def __init__(self, *, memory_limit: str | None = None, threads: int | None = None) -> None:
        self.problems: list[Problem] = []
        self.scratch = Path(tempfile.mkdtemp(prefix="doctor-"))
        config: dict[str, Any] = {
            "temp_directory": str(self.scratch / "spill"),
            "autoinstall_known_extensions": False,
            "TimeZone": "UTC",
        }
        if memory_limit:
            config["memory_limit"] = memory_limit
        if threads:
            config["threads"] = threads
        try:
            self.connection = duckdb.connect(str(self.scratch / "visit.duckdb"), config=config)
        except duckdb.ParserException as error:
            shutil.rmtree(self.scratch, ignore_errors=True)
            raise UsageError(f"memory-limit: {memory_limit!r} is no size, such as 500MB or 4GB") from error
        self._names = 0

    @property
    def files(self) -> "Engine":
        """Return itself, which opens the files."""
        return self

    def fresh_name(self, stem: str) -> str:
        """Return a name for a relation that is not yet taken."""
        self._names += 1
        return f"{stem}_{self._names}"

    def rows(self, statement: sql.Expression | str) -> list[tuple[Any, ...]]:
        """Return the answer as a list of tuples."""
        with self._answer(statement) as answer:
            rows: list[tuple[Any, ...]] = answer.fetchall()
        return rows

    def arrays(self, statement: sql.Expression | str) -> dict[str, np.ndarray[Any, Any]]:
        """Return the answer as arrays by column name; missing values are masked or None."""
        with self._answer(statement) as answer:
            arrays: dict[str, np.ndarray[Any, Any]] = answer.fetchnumpy()
        return arrays

    def mapped(
        self, statement: sql.Expression | str, work: "Callable[[pa.RecordBatch], pa.RecordBatch]", schema: "pa.Schema"
    ) -> "Iterator[pa.RecordBatch]":
        """Do work on the rows of an answer, some thousand at a time; nothing else may be asked meanwhile.

        Parameters
        ----------
        work : callable
            Given a batch, returns one with the columns of `schema`.
        """
        with self._answer(statement, self.connection.sql) as answer:
            # Its name from version 1.5 on, and before.
            reader = getattr(answer, "to_arrow_reader", None) or answer.fetch_arrow_reader
            for batch in reader(ROWS_AT_ONCE):
                if self.deadline is not None and time.monotonic() >= self.deadline:
                    raise BudgetSpent
                yield work(batch)

    def keep(self, stem: str, statement: sql.Expression | str) -> str:
        """Store an intermediate answer, spilled to the scratch folder where memory is short, and return its name."""
        name = self.fresh_name(stem)
        body = statement if isinstance(statement, str) else sql.text(statement)
        # Rows bear their numbers, so an answer need not be put back into the order of the files, which is dear.
        self._run("SET preserve_insertion_order = false")
        try:
            self._run(f'CREATE TEMP TABLE "{name}" AS {body}')
        finally:
            self._run("SET preserve_insertion_order = true")
        return name

    @contextmanager
    def lent(self, stem: str, arrays: Mapping[str, np.ndarray[Any, Any]]) -> Iterator[str]:
        """Let statements read arrays of one length as the columns of a relation, under the name returned."""
        name = self.fresh_name(stem)
        self.connection.register(name, dict(arrays))
        try:
            yield name
        finally:
            self.connection.unregister(name)

    def store(self, name: str, statement: str, *, wide: bool = False) -> tuple[str, str]:
        """Store the answer in the scratch folder, in its order.

        Parameters
        ----------
        name : str
            A fresh name.
        statement : str
            What to store.
        wide : bool
            Whether to store it as a Parquet file: binding thousands of columns of a table takes seconds per statement.

        Returns
        -------
        tuple of str
            What stands after FROM, and the SQL of a row's number from 0.
        """
        if not wide:
            self._run(f'CREATE TEMP TABLE "{name}" AS {statement}')
            return f'"{name}"', "rowid"
        path = self.scratch / f"{name}.parquet"
        self._run(f"COPY ({statement}) TO {sql.quoted(path)} (FORMAT parquet)")
        return f"read_parquet({sql.quoted(path)}, file_row_number=true)", "file_row_number"

    def forget(self, relation: str) -> None:
        """Drop what `store` stored as a table; files go with the scratch folder."""
        if relation.startswith('"'):
            self._run(f"DROP TABLE IF EXISTS {relation}")

    def drop(self, name: str) -> None:
        """Forget a stored table."""
        self._run(f'DROP TABLE "{name}"')

    def _run(self, statement: sql.Expression | str) -> None:
        with self._answer(statement):
            pass

    @contextmanager
    def _answer(self, statement: sql.Expression | str, ask: Callable[[str], Any] | None = None) -> Iterator[Any]:
        with self._stopped_in_time():
            try:
                yield (ask or self.connection.execute)(statement if isinstance(statement, str) else sql.text(statement))
            except duckdb.OutOfMemoryException as error:
                raise Unavailable(f"not enough memory: {str(error).splitlines()[0]}") from error
            except duckdb.InvalidInputException as error:
                found = _UNREADABLE.search(str(error))
                if not found:
                    raise
                self._note_damage(found["path"], str(error).rpartition('": ')[2].splitlines()[0])
                raise Unavailable(f"{found['path']} cannot be read to its end") from error
            except duckdb.InterruptException as error:
                if self.deadline is None:
                    raise
                raise BudgetSpent from error
            except RuntimeError as error:
                # So the engine reports a signal that came while it was at work.
                if type(error) is RuntimeError and "interrupted" in str(error):
                    raise KeyboardInterrupt from error
                raise

    def _note_damage(self, path: str, reason: str) -> None:
        problem = Problem(path=path, reason=f"it is damaged inside: {reason}")
        if problem not in self.problems:
            self.problems.append(problem)

    @contextmanager
    def _stopped_in_time(self) -> Iterator[None]:
        if self.deadline is None:
            yield
            return
        if time.monotonic() >= self.deadline:
            raise BudgetSpent
        done = threading.Event()
        watch = threading.Thread(target=self._interrupt, args=(self.deadline, done), daemon=True)
        watch.start()
        try:
            yield
        finally:
            done.set()
            watch.join()

    def _interrupt(self, deadline: float, done: threading.Event) -> None:
        pause = max(0.0, deadline - time.monotonic())
        # Repeated, because an interruption between two steps of a statement is forgotten.
        while not done.wait(pause):
            self.connection.interrupt()
            pause = SECONDS_BETWEEN_INTERRUPTIONS

    def close(self) -> None:
        """Forget everything that was measured, and the scratch folder with it."""
        self.connection.close()
        shutil.rmtree(self.scratch, ignore_errors=True)


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """Rows in one or several splits, seen through one relation whose columns have canonical types.

    Attributes
    ----------
    relation : str
        A view with the columns plus the service columns `sql.ROW` and `sql.SPLIT`. Whole numbers are BIGINT, other
        numbers DOUBLE, times TIMESTAMP, the rest VARCHAR or BOOLEAN; NaN and the empty string are NULL.
    splits : dict of str to int
        Rows per split, in the order train, validation, test; one split called "all" where there is no division.
    label : str
        A name that stays the same when the same table is stored in another format or in more files.
    split_column : str or None
        The column that names each row's split, which is then none of `columns`.
    database : str
        Of which kind the database is that holds it; empty where none does.
    """

    path: Path
    shown: str
    label: str
    engine: Asked
    relation: str
    columns: tuple[Column, ...]
    splits: dict[str, int]
    parts: tuple[Part, ...]
    declared: Declared = field(default_factory=Declared)
    guesses: tuple[Guess, ...] = field(default=())
    malformed: tuple[Malformed, ...] = field(default=())
    split_column: str | None = None
    database: str = ""

    @property
    def rows(self) -> int:
        """Rows in all splits."""
        return sum(self.splits.values())

    def column(self, name: str) -> Column:
        """Return a column by its name."""
        return next(column for column in self.columns if column.name == name)

    def replaced(self, **changes: Any) -> "Table":
        """Return a copy with other values."""
        return replace(self, **changes)

    def resolve(self, name: str) -> str:
        """Return the column that a user means: by its name, or by its number from 0 where the file has no names.

        Raises
        ------
        UsageError
            Naming the file and the columns.
        """
        names = [column.name for column in self.columns]
        if name in names:
            return name
        same = [known for known in names if known.strip().lower() == name.strip().lower()]
        same += [known for known in names if name.isdecimal() and known == f"column{int(name)}"]
        if len(same) == 1:
            return same[0]
        shown = ", ".join(map(printable, names[:COLUMNS_NAMED])) + (", …" if len(names) > COLUMNS_NAMED else "")
        raise UsageError(f"{self.shown}: there is no column {printable(name)!r}; it has: {shown}")

    def select(self, *wanted: sql.Expression) -> sql.Select:
        """Begin a query on this table."""
        return sql.select(*wanted, source=self.relation)

    def ask(self, statement: sql.Expression | str) -> list[tuple[Any, ...]]:
        """Return the answer to a query as a list of tuples."""
        return self.engine.rows(statement)

    def place(self, row: int) -> tuple[Path, int]:
        """Return the file a row comes from and its number there, counted from 1 without the header."""
        number = bisect_right(self.parts, row, key=lambda part: part.first_row) - 1
        if number < 0:
            raise IndexError(row)
        part = self.parts[number]
        return part.path, row - part.first_row + 1

    def numbers(self, rows: Sequence[int]) -> tuple[int, ...]:
        """Return row numbers as a person counts them: from 1, within the row's file."""
        return tuple(self.place(row)[1] for row in rows)
