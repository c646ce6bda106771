"""Answers statements on Spark, in the words and the types of the embedded engine."""

import re
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np

from doctor.errors import BudgetSpent, DoctorError, Unavailable
from doctor.model import Problem
from doctor.subjects import sql
from doctor.subjects.spark_dialect import distinct_counts, to_spark
from doctor.subjects.spark_session import Session, executors, work_with_this_python
from doctor.subjects.table import ROWS_AT_ONCE, Asked

if TYPE_CHECKING:
    import pyarrow as pa

SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_WITHOUT_EXECUTORS = 30.0
"""After which a cluster is taken for lost: a standalone one replaces an executor in a few seconds."""
MAX_EXPANDED_ROWS = 5_000_000
"""Rows that COUNT(DISTINCT …) may make of those of one statement, one for each of them and row."""
UNREADABLE = re.compile(r"(?:FAILED_READ_FILE|PATH_NOT_FOUND|FileNotFoundException|FILE_NOT_EXIST)")
UNABLE = re.compile(r"ModuleNotFoundError|PYTHON_VERSION_MISMATCH|Cannot run program")
"""What a machine says that cannot do our work."""
PATH = re.compile(r"(?:file:)?(?://)?(/[^\s'\"`]+?\.parquet)")


class SparkEngine:
    """Spark, asked as the embedded engine is.

    Attributes
    ----------
    deadline : float or None
        As of `Engine`.
    gathers : bool
        Spark does not hold many rows in one value.
    max_rows_fetched : int
        Rows that are brought to this process where it could do in Spark's stead.
    files : Asked
        The embedded engine, which opened the files.
    """

    deadline: float | None = None
    gathers = False
    max_rows_fetched = 200_000

    def __init__(self, session: Session, files: Asked) -> None:
        self.files = files
        self.problems = files.problems  # those that were noted on opening too
        self.session = session
        self._spark = session.spark
        self._names = 0
        self._rows: dict[str, int] = {}
        self._kept: dict[str, Any] = {}
        self._lost = ""
        self._interrupted = False

    def fresh_name(self, stem: str) -> str:
        """Return a name for a relation that is not yet taken."""
        self._names += 1
        return f"{stem}_{self._names}"

    def rows(self, statement: sql.Expression | str) -> list[tuple[Any, ...]]:
        """Return the answer as a list of tuples."""
        several = self._apart(statement)
        if several:
            return [tuple(value for part in several for value in self._fetched(part)[0])]
        return self._fetched(statement)

    def arrays(self, statement: sql.Expression | str) -> dict[str, np.ndarray[Any, Any]]:
        """Return the answer as arrays by column name; missing values are masked or None."""
        table = self._arrow(statement)
        with duckdb.connect() as local:
            local.register("answer", table)
            arrays: dict[str, np.ndarray[Any, Any]] = local.execute("SELECT * FROM answer").fetchnumpy()
        return arrays

    def mapped(
        self, statement: sql.Expression | str, work: "Callable[[pa.RecordBatch], pa.RecordBatch]", schema: "pa.Schema"
    ) -> "Iterator[pa.RecordBatch]":
        """Do work on the rows of an answer on the machines that hold them, or here where those lack `doctor`."""
        from pyspark.errors import PySparkException
        from pyspark.sql.pandas.types import from_arrow_schema

        def each(batches: "Iterator[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
            return map(work, batches)

        work_with_this_python(self._spark)
        try:
            with self._at_work():
                answer = self._spark.sql(to_spark(statement)).mapInArrow(each, from_arrow_schema(schema)).toArrow()
        except PySparkException as error:
            if not UNABLE.search(str(error)):
                raise
            yield from map(work, self._arrow(statement).combine_chunks().to_batches(ROWS_AT_ONCE))
        else:
            yield from answer.to_batches()

    def keep(self, stem: str, statement: sql.Expression | str) -> str:
        """Store an intermediate answer, in memory or on the disks of the workers, and return its name."""
        from pyspark import StorageLevel

        name = self.fresh_name(stem)
        with self._at_work():
            frame = self._spark.sql(to_spark(statement)).persist(StorageLevel.MEMORY_AND_DISK)
            self._kept[name] = frame
            self._rows[name] = frame.count()
            frame.createOrReplaceTempView(name)
        return name

    @contextmanager
    def lent(self, stem: str, arrays: Mapping[str, np.ndarray[Any, Any]]) -> Iterator[str]:
        """Let statements read arrays of one length as the columns of a relation, under the name returned."""
        import pyarrow as pa

        name = self.fresh_name(stem)
        columns = {key: pa.array(values) for key, values in arrays.items()}
        table = pa.table({key: _signed(column) for key, column in columns.items()})
        with self._at_work():
            self._spark.createDataFrame(table).createOrReplaceTempView(name)
        try:
            yield name
        finally:
            self._spark.catalog.dropTempView(name)

    def drop(self, name: str) -> None:
        """Forget a stored table."""
        self._rows.pop(name, None)
        frame = self._kept.pop(name, None)
        if frame is not None and not self._lost:
            frame.unpersist()
            self._spark.catalog.dropTempView(name)

    @property
    def reader(self) -> Any:
        """What reads files."""
        return self._spark.read

    @property
    def lost(self) -> bool:
        """Whether the cluster is gone."""
        return bool(self._lost)

    def frame(self, query: str) -> Any:
        """Return the frame of a query in the dialect of Spark."""
        with self._at_work():
            return self._spark.sql(query)

    def view(self, name: str, frame: Any, rows: int) -> None:
        """Let statements read a frame of so many rows under a name."""
        self._rows[name] = rows
        frame.createOrReplaceTempView(name)

    def close(self) -> None:
        """Forget everything that was measured, and end Spark if it was started for that."""
        broken = bool(self._lost) or self._interrupted
        if not broken:
            with suppress(Exception):
                for frame in self._kept.values():
                    frame.unpersist()
        self.session.close(now=broken)

    def _apart(self, statement: sql.Expression | str) -> list[str] | None:
        parts = distinct_counts(statement)
        if parts is None:
            return None
        text = statement if isinstance(statement, str) else sql.text(statement)
        rows = max((rows for name, rows in self._rows.items() if f'"{name}"' in text), default=MAX_EXPANDED_ROWS)
        return None if rows * len(parts) <= MAX_EXPANDED_ROWS else parts

    def _fetched(self, statement: sql.Expression | str) -> list[tuple[Any, ...]]:
        table = self._arrow(statement)
        # Two columns of an answer may have one name.
        numbered = table.rename_columns([f"c{number}" for number in range(table.num_columns)])
        with duckdb.connect() as local:
            local.register("answer", numbered)
            return local.execute("SELECT * FROM answer").fetchall()

    def _arrow(self, statement: sql.Expression | str) -> Any:
        with self._at_work():
            table = self._spark.sql(to_spark(statement)).toArrow()
        return _unsigned(table)

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        """Stop what runs beyond the deadline or without a cluster, and say in our words what went wrong."""
        from py4j.protocol import Py4JError, Py4JNetworkError
        from pyspark.errors import PySparkException

        if self._lost:
            raise Unavailable(self._lost)
        if self.deadline is not None and time.monotonic() >= self.deadline:
            raise BudgetSpent
        done = threading.Event()
        group = self.fresh_name("doctor")
        context = self._spark.sparkContext
        stopped: list[DoctorError] = []
        watch = threading.Thread(target=self._watch, args=(context, group, done, stopped), daemon=True)
        try:
            context.setJobGroup(group, "doctor", interruptOnCancel=True)
            watch.start()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # of libraries newer than Spark was tried with
                yield
        except (Py4JNetworkError, OSError, EOFError) as error:
            raise self._cluster_lost("Spark ended") from error
        except (Py4JError, PySparkException) as error:
            raise (stopped[0] if stopped else self._in_our_words(error)) from error
        except KeyboardInterrupt:
            self._interrupted = True  # the answer is still to come, so nothing more can be asked
            raise
        finally:
            done.set()
            if watch.is_alive():
                watch.join(SECONDS_BETWEEN_LOOKS)

    def _watch(self, context: Any, group: str, done: threading.Event, stopped: list[DoctorError]) -> None:
        alone_since: float | None = None
        while not done.wait(self._pause()):
            now = time.monotonic()
            if self.deadline is not None and now >= self.deadline:
                stopped.append(BudgetSpent())
            elif not self.session.local:
                with suppress(Exception):
                    alone_since = None if executors(context) else alone_since or now
                if alone_since is not None and now - alone_since >= SECONDS_WITHOUT_EXECUTORS:
                    stopped.append(self._cluster_lost(f"it lent no executor for {SECONDS_WITHOUT_EXECUTORS:.0f} s"))
            if stopped:
                # Repeated, because a cancellation between two jobs of a statement is forgotten.
                with suppress(Exception):
                    context.cancelJobGroup(group)

    def _pause(self) -> float:
        """Return the seconds until something is to be looked at again."""
        left = SECONDS_BETWEEN_LOOKS if self.deadline is None else self.deadline - time.monotonic()
        return min(SECONDS_BETWEEN_LOOKS, left if left > 0 else SECONDS_BETWEEN_LOOKS / 10)

    def _cluster_lost(self, why: str) -> Unavailable:
        self._lost = f"the Spark cluster was lost: {why}"
        problem = Problem(path=self.session.engine, reason=f"the cluster was lost during the scan: {why}")
        if problem not in self.problems:
            self.problems.append(problem)
        return Unavailable(self._lost)

    def _in_our_words(self, error: Exception) -> Exception:
        text = str(error)
        if not self.session.alive or "SparkContext was shut down" in text or "stopped SparkContext" in text:
            return self._cluster_lost("Spark ended")
        if "ExecutorLostFailure" in text or "Master removed our application" in text:
            return self._cluster_lost("its executors ended")
        if "OutOfMemoryError" in text or "UNABLE_TO_ACQUIRE_MEMORY" in text:
            return Unavailable("not enough memory for Spark; give it more with --memory-limit")
        if UNREADABLE.search(text):
            found = PATH.search(text)
            path = found[1] if found else "a file"
            problem = Problem(path=path, reason="Spark cannot read it to its end")
            if problem not in self.problems:
                self.problems.append(problem)
            return Unavailable(f"{path} cannot be read to its end by Spark")
        return error


def _is_hash(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_decimal(kind) and kind.precision == 20 and kind.scale == 0)


def _unsigned(table: Any) -> Any:
    """Write hashes, which Spark holds as decimal numbers of 20 digits, as the whole numbers that they are."""
    import pyarrow as pa

    for number, field in enumerate(table.schema):
        if _is_hash(field.type):
            table = table.set_column(number, field.name, table.column(number).cast(pa.uint64()))
    return table


def _signed(column: Any) -> Any:
    import pyarrow as pa

    return column.cast(pa.decimal128(20, 0)) if column.type == pa.uint64() else column
