"""A file of fixed-size records that outlives the process that writes it.

The file is memory-mapped: what was written is in the kernel's hands at once and stays there when the writer is killed.
It describes itself (names of the fields, capacities), so a newer reader needs no knowledge of the writer.

Layout: magic (8 bytes), length of the header (4 bytes), header in JSON; from `data`: the state (one float64 per state
field), the recent records (the last `recent` of them, record n at slot n mod `recent`) and the thinned ones (every
`stride`-th record; when they are full, every other one is dropped and the stride doubles). A record is its number, a
mask that says which fields were given, the fields, and its number again: a record whose two numbers differ was being
written when the writer died, and does not count. All are float64 in the machine's own byte order.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import sys
from collections.abc import Mapping, Sequence
from typing import Any

MAGIC = b"DOCRING1"
FORMAT = 1
PAGE = 4096
MAX_FIELDS = 1000
MASK_BITS = 48
"""Fields per mask word: a float64 holds integers exactly up to 2**53."""
STILL_OPEN = 8
"""Records to which a late value (from a device, a step later) can still be added."""


class Ring:
    """Writer of records; one per file, one process per file.

    Parameters
    ----------
    path : str
        Where the file shall be; it must not exist.
    fields : sequence of str
        Names of a record's fields, at most `MAX_FIELDS`.
    state_fields : sequence of str, optional
        Names of values of which only the latest counts.
    recent, thinned : int
        How many records are kept in full, and how many (even) of the whole history.
    about : dict, optional
        What else the header shall say.

    Raises
    ------
    OSError
        When the file cannot be made, for instance on a full disk: all of its blocks are reserved at once.
    """

    def __init__(
        self,
        path: str,
        fields: Sequence[str],
        state_fields: Sequence[str] = (),
        recent: int = 16384,
        thinned: int = 8192,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        if len(fields) > MAX_FIELDS:
            raise ValueError("%d fields are too many for a ring" % len(fields))
        self.fields = {name: place for place, name in enumerate(fields)}
        self.state_fields = {name: place for place, name in enumerate(state_fields)}
        self._masks = (len(fields) + MASK_BITS - 1) // MASK_BITS or 1
        self._width = 2 + self._masks + len(fields)
        self._recent, self._thinned = recent, thinned
        header: dict[str, Any] = {
            "format": FORMAT,
            "byteorder": sys.byteorder,
            "fields": list(fields),
            "state_fields": list(state_fields),
            "masks": self._masks,
            "mask_bits": MASK_BITS,
            "recent": recent,
            "thinned": thinned,
            "about": about or {},
        }
        text = json.dumps(header).encode()
        start = (len(MAGIC) + 4 + len(text) + 32 + PAGE) // PAGE * PAGE
        header["data"] = start
        text = json.dumps(header).encode()
        self._state_at = start
        self._recent_at = start + 8 * len(state_fields)
        self._thinned_at = self._recent_at + 8 * self._width * recent
        size = self._thinned_at + 8 * self._width * thinned
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.posix_fallocate(handle, 0, size)
            self._map = mmap.mmap(handle, size)
        except BaseException:
            os.unlink(path)
            raise
        finally:
            os.close(handle)
        self._map[len(MAGIC) : len(MAGIC) + 4] = struct.pack("<I", len(text))
        self._map[len(MAGIC) + 4 : len(MAGIC) + 4 + len(text)] = text
        self._map[: len(MAGIC)] = MAGIC
        self._one = struct.Struct("=d")
        self._row = struct.Struct("=%dd" % self._width)
        self._stride = 1
        self._open: dict[int, list[float]] = {}
        """The newest records, to which fields may still be added."""

    def state(self, name: str, value: float) -> None:
        """Set one value of the state."""
        self._one.pack_into(self._map, self._state_at + 8 * self.state_fields[name], value)

    def states(self, first: str, values: Sequence[float]) -> None:
        """Set values of the state that follow each other, beginning with the one called `first`."""
        at = self._state_at + 8 * self.state_fields[first]
        struct.pack_into("=%dd" % len(values), self._map, at, *values)

    def write_all(self, number: int, values: Sequence[float | None]) -> None:
        """Write record `number` with all fields in their order; None where one is not known.

        Records with many fields are written much faster so; nothing can be added to them later.
        """
        words = [0] * self._masks
        for place, value in enumerate(values):
            if value is not None:
                words[place // MASK_BITS] |= 1 << place % MASK_BITS
        row = [float(number), *map(float, words), *(0.0 if one is None else one for one in values), float(number)]
        self._store(number, row)

    def write(self, number: int, values: Mapping[str, float]) -> None:
        """Write record `number` (from 1, rising), or add fields to it while it is still among the recent ones.

        Parameters
        ----------
        number : int
        values : dict of str to float
            May be NaN or infinite; a field that is not named is told apart from NaN by the mask.
        """
        row = self._open.get(number)
        if row is None:
            row = [0.0] * self._width
            row[0] = row[-1] = float(number)
            self._open[number] = row
            if len(self._open) > STILL_OPEN:
                del self._open[next(iter(self._open))]
        for name, value in values.items():
            place = self.fields[name]
            word, bit = divmod(place, MASK_BITS)
            row[1 + word] = float(int(row[1 + word]) | 1 << bit)
            row[1 + self._masks + place] = float(value)
        self._store(number, row)

    def _store(self, number: int, row: Sequence[float]) -> None:
        self._put(self._recent_at, number % self._recent, row)
        if self._thinned and number % self._stride == 0:
            self._thin(number, row)

    def _put(self, start: int, slot: int, row: Sequence[float]) -> None:
        at = start + 8 * self._width * slot
        self._one.pack_into(self._map, at, -1.0)
        self._one.pack_into(self._map, at + 8 * (self._width - 1), -2.0)
        self._row.pack_into(self._map, at, *row)

    def _thin(self, number: int, row: Sequence[float]) -> None:
        slot = number // self._stride
        if slot >= self._thinned:
            size = 8 * self._width
            for kept in range(self._thinned // 2):
                source = self._thinned_at + 2 * kept * size
                target = self._thinned_at + kept * size
                self._map[target : target + size] = self._map[source : source + size]
            self._stride *= 2
            if number % self._stride:
                return
            slot = number // self._stride
        self._put(self._thinned_at, slot, row)

    def close(self) -> None:
        """Let go of the file."""
        self._map.close()
