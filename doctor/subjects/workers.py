"""Deals work on files out: over threads here, or over the machines of a Spark cluster."""

import os
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from doctor.errors import BudgetSpent, Unavailable

if TYPE_CHECKING:
    import pyarrow as pa

Work = Callable[["pa.RecordBatch"], "pa.RecordBatch"]
AHEAD = 4
"""Batches per thread that are dealt out before the first of them is taken back."""


class Workers:
    """Who does work on files.

    Threads, since decoding and numpy's loops run beside each other in them, and a program that calls `doctor.scan`
    need not be written so that it may be started again in other processes.

    Parameters
    ----------
    threads : int, optional
        [default: one per processor that this process may use]
    spark : pyspark.sql.SparkSession, optional
        Does the work instead; its machines must see the same files and have `doctor` installed.

    Attributes
    ----------
    deadline : float or None
        By `time.monotonic`, after which no further batch is begun.
    """

    def __init__(self, threads: int | None = None, spark: Any = None) -> None:
        self.threads = threads or available_processors()
        self.spark = spark
        self.deadline: float | None = None

    @property
    def here(self) -> bool:
        """Whether the work is done in this process."""
        return self.spark is None

    @property
    def spent(self) -> bool:
        """Whether no further batch may be begun."""
        return self.deadline is not None and time.monotonic() >= self.deadline

    def map(self, work: Work, batches: "Sequence[pa.RecordBatch]", schema: "pa.Schema") -> "Iterator[pa.RecordBatch]":
        """Do the same work on every batch.

        Parameters
        ----------
        work : callable
            A function of a module, where it is done elsewhere.
        schema : pyarrow.Schema
            Of what the work returns.

        Yields
        ------
        pyarrow.RecordBatch
            In any order.

        Raises
        ------
        BudgetSpent
            When the deadline passes before all is done.
        Unavailable
            When Spark fails.
        """
        if self.here:
            yield from self._in_threads(work, batches)
        else:
            yield from self._on_spark(work, batches, schema)

    def _in_threads(self, work: Work, batches: "Iterable[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        with ThreadPoolExecutor(self.threads, thread_name_prefix="doctor-files") as pool:
            waiting: deque[Any] = deque()
            try:
                for batch in batches:
                    waiting.append(pool.submit(work, batch))
                    if len(waiting) >= AHEAD * self.threads:
                        yield self._taken(waiting)
                while waiting:
                    yield self._taken(waiting)
            finally:
                for future in waiting:
                    future.cancel()

    def _taken(self, waiting: "deque[Any]") -> "pa.RecordBatch":
        if self.spent:
            raise BudgetSpent
        return waiting.popleft().result()

    def _on_spark(self, work: Work, batches: "Sequence[pa.RecordBatch]", schema: "pa.Schema") -> "Iterator[Any]":
        import pyarrow as pa
        from pyspark.errors import PySparkException
        from pyspark.sql.pandas.types import from_arrow_schema

        from doctor.subjects.spark_session import work_with_this_python

        def each(parts: Iterable[Any]) -> Iterator[Any]:
            return map(work, parts)

        if not batches:
            return
        work_with_this_python(self.spark)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of libraries newer than Spark was tried with
                frame = self.spark.createDataFrame(pa.Table.from_batches(batches)).repartition(len(batches), "index")
                found = frame.mapInArrow(each, from_arrow_schema(schema)).toArrow()
        except PySparkException as error:
            words = [line for line in str(error).splitlines() if line.strip()]
            raise Unavailable(
                f"Spark could not work on the files: {(words or ['it says nothing'])[-1][:200]}"
            ) from error
        yield from found.cast(schema).to_batches()


def available_processors() -> int:
    """Count the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1
