"""Reads the ring files that a probe or the monitor wrote (layout: `doctor.watching.probe.ring`)."""

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doctor.errors import CannotOpen

MAGIC = b"DOCRING1"
FORMAT = 1
MAX_HEADER_BYTES = 1_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class RingFile:
    """What a ring held when it was read.

    Attributes
    ----------
    numbers : ndarray of int64, shape (records,)
        Rising; gaps where old records were thinned out.
    values : ndarray of float64, shape (records, fields)
    given : ndarray of bool, shape (records, fields)
        False where the field was never written.
    state : dict of str to float
        The latest of what only counts now.
    about : dict
        What else the writer said of itself.
    """

    fields: tuple[str, ...]
    numbers: NDArray[np.int64]
    values: NDArray[np.float64]
    given: NDArray[np.bool_]
    state: dict[str, float]
    about: dict[str, Any]


def read_ring(path: Path) -> RingFile:
    """Read a ring, also while it is being written and after its writer was killed.

    Raises
    ------
    CannotOpen
        When it is no ring, is cut off or of a newer format.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CannotOpen(path, error.strerror or str(error)) from error
    if data[: len(MAGIC)] != MAGIC:
        raise CannotOpen(path, "not a recording of doctor")
    length = struct.unpack_from("<I", data, len(MAGIC))[0]
    if length > MAX_HEADER_BYTES:
        raise CannotOpen(path, f"damaged, its header claims {length} bytes")
    try:
        header = json.loads(data[len(MAGIC) + 4 : len(MAGIC) + 4 + length])
        if header["format"] > FORMAT:
            raise CannotOpen(path, f"format {header['format']} was written by a newer doctor, this one knows {FORMAT}")
        return _decode(data, header)
    except (KeyError, TypeError, ValueError) as error:
        raise CannotOpen(path, f"damaged: {error}") from error


def _decode(data: bytes, header: dict[str, Any]) -> RingFile:
    kind = np.dtype("<f8" if header["byteorder"] == "little" else ">f8")
    fields, states, masks = header["fields"], header["state_fields"], header["masks"]
    width = 2 + masks + len(fields)
    rows = header["recent"] + header["thinned"]
    start = header["data"]
    state = np.frombuffer(data, kind, len(states), start)
    table = np.frombuffer(data, kind, rows * width, start + 8 * len(states)).reshape(rows, width)
    table = table[(table[:, 0] == table[:, -1]) & (table[:, 0] > 0)]
    numbers = table[:, 0].astype(np.int64)
    # Recent records come first in the file, so of several copies the fullest is the one that is kept.
    numbers, first = np.unique(numbers, return_index=True)
    table = table[first].astype(np.float64)
    words = table[:, 1 : 1 + masks].astype(np.int64)
    places = np.arange(len(fields))
    given = (words[:, places // header["mask_bits"]] >> (places % header["mask_bits"])) & 1
    return RingFile(
        fields=tuple(fields),
        numbers=numbers,
        values=table[:, 1 + masks : 1 + masks + len(fields)],
        given=given.astype(bool),
        state=dict(zip(states, state.tolist(), strict=True)),
        about=header["about"],
    )
