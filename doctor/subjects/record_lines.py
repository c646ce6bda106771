"""Finds the lines of a text file at which its records begin; a field between quotes may go over several lines."""

import io
from array import array
from bisect import bisect_left
from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import cast

from doctor.errors import CannotOpen
from doctor.subjects.text_file import TextFile, opened

MAX_LINES_WALKED = 5_000_000
"""Of longer files that are not one record per line no line is named: to walk them takes more than ten seconds."""
MAX_LEFT_OUT = 10_000


@dataclass(frozen=True, kw_only=True, eq=False)
class RecordLines:
    """How the records of a file lie in its lines, as far as its reader knows.

    Attributes
    ----------
    records : int
        How many the table has of this file.
    header : bool
        Whether the first record names the columns.
    delimiter : str
        What separates fields.
    quote, escape : str
        What encloses a field, empty where nothing does, and what stands before a quote inside of it.
    left_out_bytes : tuple of int
        Where records begin that were left out; the reader may be one byte early.
    left_out_records : tuple of int
        Numbers of records that were left out, from 0, blank lines not counted.
    """

    text: TextFile
    records: int
    header: bool = False
    delimiter: str = ","
    quote: str = ""
    escape: str = ""
    left_out_bytes: tuple[int, ...] = ()
    left_out_records: tuple[int, ...] = ()

    def line_of(self, record: int) -> int | None:
        """Return the line at which a record, counted from 1, begins; None where that cannot be told for certain."""
        if not 1 <= record <= self.records:
            return None
        if self._one_per_line:
            return record + self.header
        return self._starts[record - 1] if self._starts is not None else None

    @property
    def names_line(self) -> int | None:
        """The line that names the columns, if there is one."""
        if not self.header:
            return None
        if self._one_per_line:
            return 1
        return next((number for number, _, line in self._numbered() if line.strip(b"\r\n")), None)

    @property
    def _one_per_line(self) -> bool:
        left_out = self.left_out_bytes or self.left_out_records
        return not left_out and self.text.lines == self.records + self.header

    @cached_property
    def _starts(self) -> "array[int] | None":
        """The line of each record; None unless there are as many as the table has."""
        if self.text.lines > MAX_LINES_WALKED or len(self.left_out_bytes) > MAX_LEFT_OUT:
            return None
        try:
            starts = array("I", self._walk())
        except (CannotOpen, OSError):
            return None
        return starts if len(starts) == self.records else None

    def _walk(self) -> Iterator[int]:
        left_out, counted = set(self.left_out_records), -1
        header, inside = self.header, False
        for number, byte, line in self._numbered():
            begins, inside = not inside, self._open_after(line, inside)
            if not begins or not line.strip(b"\r\n"):
                continue
            counted += 1
            if counted in left_out or self._is_left_out(byte, len(line)):
                header = header and counted > 0  # a header with more or fewer fields than the rows
            elif header:
                header = False
            else:
                yield number

    def _is_left_out(self, byte: int, length: int) -> bool:
        # Where lines end in two characters the reader counts the second of them to the next line.
        place = bisect_left(self.left_out_bytes, byte - 1)
        return place < len(self.left_out_bytes) and self.left_out_bytes[place] < byte + max(1, length - 1)

    def _numbered(self) -> Iterator[tuple[int, int, bytes]]:
        """Give each line with its number and the byte at which it begins."""
        byte = 0
        with opened(self.text.readable) as stream, io.BufferedReader(cast(io.RawIOBase, stream)) as lines:
            for number, line in enumerate(lines, start=1):
                yield number, byte, line.removeprefix(BOM_UTF8) if number == 1 else line
                byte += len(line)

    def _open_after(self, line: bytes, inside: bool) -> bool:
        """Whether a quoted field is still open at the end of a line."""
        quote, escape = self.quote.encode(), self.escape.encode()
        if not quote or quote not in line:
            return inside
        place = 0
        while True:
            if inside:
                place = _closing(line, place, quote, escape)
                if place < 0:
                    return True
            elif line[place : place + 1] == quote:
                inside, place = True, place + 1
                continue
            inside, place = False, line.find(self.delimiter.encode(), place)
            if place < 0:
                return False
            place += len(self.delimiter.encode())


def _closing(line: bytes, begin: int, quote: bytes, escape: bytes) -> int:
    """Return the place behind the quote that closes a field, or -1."""
    place = line.find(quote, begin)
    while place >= 0:
        if escape == quote:
            if line[place + 1 : place + 2] != quote:
                return place + 1
            place += 1
        else:
            before = line[begin:place]
            if (len(before) - len(before.rstrip(escape))) % 2 == 0:
                return place + 1
        place = line.find(quote, place + 1)
    return -1
