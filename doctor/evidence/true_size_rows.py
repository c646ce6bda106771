"""Decodes images whole and tells those that were enlarged: a pure function that runs wherever work is dealt out."""

import os
from pathlib import Path

import numpy as np
import pyarrow as pa

from doctor.evidence.image_measures import eight_bits
from doctor.evidence.image_opening import MAX_BYTES, Fault, length_of, load, opened, quiet
from doctor.evidence.true_size import true_size
from doctor.subjects.images import ImageFile

FOUND = pa.schema([("index", pa.int64()), ("width", pa.int32()), ("height", pa.int32())])


def true_sizes_of(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the true size of each image of a batch, 0 where it was not enlarged.

    Parameters
    ----------
    batch : pyarrow.RecordBatch
        Of the schema `image_rows.WANTED`.

    Returns
    -------
    pyarrow.RecordBatch
        Of the schema `FOUND`, as the pixels are stored.
    """
    rows = []
    with quiet():
        for one in batch.to_pylist():
            index, path = one.pop("index"), Path(os.fsdecode(one.pop("path")))
            width, height = _of_file(ImageFile(path=path, name="", **one)) or (0, 0)
            rows.append({"index": index, "width": width, "height": height})
    return pa.RecordBatch.from_pylist(rows, schema=FOUND)


def _of_file(file: ImageFile) -> tuple[int, int] | None:
    try:
        if length_of(file) > MAX_BYTES:
            return None
        image = opened(file.read())
        if image.format in ("JPEG", "MPO") and image.mode == "RGB":
            image.draft("L", image.size)  # colour is not even decoded
        load(image)
        grey = eight_bits(image).convert("L")
    except (Fault, OSError, ValueError, MemoryError):
        return None
    return true_size(np.asarray(grey))
