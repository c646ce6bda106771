"""Has facts of images measured, wherever the work is done, and puts them into arrays."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from doctor.errors import Unavailable
from doctor.evidence.image_cache import ImageCache, places_of
from doctor.evidence.image_facts import FILES_PER_BATCH, FILES_PER_TASK
from doctor.evidence.image_measures import DESCRIPTOR, SMALL
from doctor.evidence.image_rows import FACTS, batch_of, facts_of
from doctor.subjects.images import ImageFile
from doctor.subjects.workers import Workers

Array = np.ndarray[Any, Any]

PACKED: Mapping[str, tuple[str, tuple[int, ...]]] = {
    "hashes": ("<u8", (8,)),
    "descriptor": ("<f4", (DESCRIPTOR,)),
    "small": ("u1", (SMALL, SMALL)),
}
"""Facts that are arrays themselves: their type and shape."""


def measured(files: Sequence[ImageFile], workers: Workers) -> Iterator[pa.RecordBatch]:
    """Yield the facts of all files, batch by batch in any order; what was measured before is not decoded again.

    Raises
    ------
    BudgetSpent, Unavailable
        As `Workers.map`, and where the workers of Spark do not see the files.
    """
    with ExitStack() as stack:
        cache = ImageCache.of(len(files))
        if cache is not None:
            stack.callback(cache.close)
        places = places_of(files) if cache is not None else []
        known = cache.untouched(places) if cache is not None else [None] * len(files)
        yield pa.RecordBatch.from_pylist([row | {"index": n} for n, row in enumerate(known) if row], schema=FACTS)
        missing = [n for n, row in enumerate(known) if row is None]
        size = FILES_PER_BATCH if workers.here else FILES_PER_TASK
        batches = [batch_of(files, missing[begin : begin + size]) for begin in range(0, len(missing), size)]
        work = partial(facts_of, known=cache.get) if cache is not None and workers.here else facts_of
        for batch in workers.map(work, batches, FACTS):
            if not workers.here:
                _see_that_files_are_seen(files, batch.to_pylist())
            if cache is not None:
                cache.put((places[row["index"]], row) for row in batch.to_pylist())
            yield batch


def _see_that_files_are_seen(files: Sequence[ImageFile], rows: Sequence[Mapping[str, Any]]) -> None:
    """Look whether a file that a worker elsewhere could not open can be opened here.

    Raises
    ------
    Unavailable
        When it can, since then nothing is wrong with the file.
    """
    lost = next((files[row["index"]] for row in rows if row["fault"] == "unopenable"), None)
    if lost is None:
        return
    with suppress(OSError):
        lost.read()
        raise Unavailable(f"the workers of Spark cannot read {lost.path}: images must lie where every worker sees them")


class Columns:
    """Arrays of facts that are filled batch by batch, in whatever order, so that nothing is held twice."""

    def __init__(self, files: int) -> None:
        self.fault = np.full(files, "", dtype=object)
        self.reason = np.full(files, "", dtype=object)
        self.arrays: dict[str, Array] = {
            name: np.zeros((files, *shape), dtype=kind) for name, (kind, shape) in PACKED.items()
        }
        for field in FACTS:
            if field.name not in ("index", "fault", "reason", *PACKED):
                self.arrays[field.name] = _empty(field.type, files)

    def fill(self, batch: pa.RecordBatch) -> None:
        """Put the rows of a batch in their places."""
        places = batch.column("index").to_numpy()
        for field in FACTS:
            column = batch.column(field.name)
            if field.name in PACKED:
                kind, shape = PACKED[field.name]
                for place, cell in zip(places, column.to_pylist(), strict=True):
                    if cell is not None:
                        self.arrays[field.name][place] = np.frombuffer(cell, dtype=kind).reshape(shape)
            elif field.name in ("fault", "reason"):
                getattr(self, field.name)[places] = column.fill_null("").to_numpy(zero_copy_only=False)
            elif field.name != "index":
                known = column.is_valid().to_numpy(zero_copy_only=False)
                self.arrays[field.name][places[known]] = column.drop_null().to_numpy(zero_copy_only=False)


def _empty(kind: pa.DataType, files: int) -> Array:
    if pa.types.is_string(kind):
        return np.full(files, "", dtype=object)
    return np.full(files, np.nan if pa.types.is_floating(kind) else 0, dtype=kind.to_pandas_dtype())
