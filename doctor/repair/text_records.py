"""Reads text as it stands, record by record and field by field, and opens files to write it in the same way."""

import gzip
import io
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

from doctor.repair.changes import Unsure
from doctor.subjects.table import Part, TextForm
from doctor.subjects.text_file import opened

HEADER, BLANK, MALFORMED = -1, -2, -3
"""Stand for the row number of what is no row."""
MARKS = {"utf-8": b"\xef\xbb\xbf", "utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}
MAX_RECORD_CHARACTERS = 1 << 25


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """The bytes of a text file: its encoding, the mark it begins with, and what is done with bytes that do not fit."""

    name: str
    mark: bytes
    errors: str

    @classmethod
    def of(cls, path: Path, form: TextForm) -> "Encoding":
        """Look at the first bytes."""
        with opened(path) as stream:
            head = stream.read(4)
        name = {"utf-8-sig": "utf-8", "ascii": "utf-8"}.get(form.encoding, form.encoding)
        for known, mark in MARKS.items():
            if head.startswith(mark) and name.startswith(known[:6]):
                return cls(name=known, mark=mark, errors="surrogateescape" if known == "utf-8" else "strict")
        # Bytes that are broken go through as they are.
        return cls(name=name, mark=b"", errors="surrogateescape" if name == "utf-8" else "strict")


def lines_of(path: Path, form: TextForm) -> Iterator[str]:
    """Read lines with their ends, whatever these are."""
    encoding = Encoding.of(path, form)
    with opened(path) as stream:
        stream.read(len(encoding.mark))
        with io.TextIOWrapper(stream, encoding.name, encoding.errors, newline="") as lines:
            yield from lines


@contextmanager
def writing(path: Path, encoding: Encoding) -> Iterator[IO[str]]:
    """Open a new text file, compressed as its name says."""
    with ExitStack() as stack:
        if path.suffix.lower() == ".gz":
            plain = stack.enter_context(path.open("wb"))
            # Without name and time the same rows make the same bytes.
            stream: Any = stack.enter_context(gzip.GzipFile("", "wb", fileobj=plain, mtime=0))
        elif path.suffix.lower() == ".zst":
            import pyarrow as pa

            stream = stack.enter_context(pa.output_stream(str(path), compression="zstd"))
        else:
            stream = stack.enter_context(path.open("wb"))
        stream.write(encoding.mark)
        text = io.TextIOWrapper(stream, encoding.name, encoding.errors, newline="")
        yield text
        text.flush()
        text.detach()


class Splitter:
    """Takes the records of one way of writing apart into fields as they stand, quotes included."""

    def __init__(self, form: TextForm) -> None:
        self._delimiter, self._quote, self._escape = form.delimiter, form.quote, form.escape or form.quote

    def fields(self, body: str) -> list[str] | None:
        """Return the fields of a record, None where something stands behind a closing quote.

        Raises
        ------
        EOFError
            When a quote does not close.
        """
        if not self._quote or self._quote not in body:
            return body.split(self._delimiter)
        found, begin = [], 0
        while True:
            end = self._closing(body, begin) if body.startswith(self._quote, begin) else -1
            if end < 0:
                end = body.find(self._delimiter, begin)
                end = len(body) if end < 0 else end
            elif end < len(body) and body[end] != self._delimiter:
                return None
            found.append(body[begin:end])
            if end == len(body):
                return found
            begin = end + 1

    def _closing(self, body: str, begin: int) -> int:
        """Return the place behind the quote that closes the field that begins here."""
        place = begin + 1
        while True:
            quote = body.find(self._quote, place)
            if quote < 0:
                raise EOFError
            if self._escape != self._quote:
                slashes = quote - len(body[begin + 1 : quote].rstrip(self._escape)) - begin - 1
                if slashes % 2:
                    place = quote + 1
                    continue
            elif body.startswith(self._quote, quote + 1):
                place = quote + 2
                continue
            return quote + 1

    def value(self, field: str) -> str:
        """Return what a field says."""
        if not self._quote or not field.startswith(self._quote):
            return field
        inner = field[1:-1]
        if self._escape == self._quote:
            return inner.replace(self._quote * 2, self._quote)
        return inner.replace(self._escape + self._quote, self._quote).replace(self._escape * 2, self._escape)

    def field(self, value: str) -> str:
        """Write a value as a field.

        Raises
        ------
        ValueError
            When it cannot be written without quotes and the file has none.
        """
        risky = self._delimiter in value or "\n" in value or "\r" in value
        if not self._quote:
            if risky:
                raise ValueError(value)
            return value
        if not (risky or self._quote in value):
            return value
        if self._escape != self._quote:
            value = value.replace(self._escape, self._escape * 2)
        return self._quote + value.replace(self._quote, self._escape + self._quote) + self._quote


def form_of(part: Part) -> TextForm:
    """Return how a part is written.

    Raises
    ------
    Unsure
        When nobody knows.
    """
    if part.form is None:
        raise Unsure(part.path, "it is not known how it is written")
    return part.form


class Record(NamedTuple):
    """A record: its row from 0 in the file, or what it is instead; its text with its end; its fields if it has any."""

    row: int
    raw: str
    fields: list[str] | None


def records(part: Part) -> Iterator[Record]:
    """Read a part record by record.

    Raises
    ------
    Unsure
        When there are not as many rows as were read before.
    """
    form = form_of(part)
    header, row = form.header, 0
    for raw, fields in _split(lines_of(part.path, form), Splitter(form)):
        if fields == [""]:
            yield Record(BLANK, raw, None)
        elif header:
            header = False
            yield Record(HEADER, raw, fields)
        elif fields is None or len(fields) != form.width:
            yield Record(MALFORMED, raw, None)
        else:
            yield Record(row, raw, fields)
            row += 1
    if row != part.rows:
        raise Unsure(part.path, f"{row:,} records are found in it where {part.rows:,} were read")


def _split(lines: Iterator[str], splitter: Splitter) -> Iterator[tuple[str, list[str] | None]]:
    """Join lines until every quote is closed; where one never closes, its line stands for itself."""
    again: deque[str] = deque()
    while (line := again.popleft() if again else next(lines, "")) != "":
        whole, read = line, [line]
        while True:
            try:
                fields = splitter.fields(whole.rstrip("\r\n"))
                break
            except EOFError:
                more = again.popleft() if again else next(lines, "")
                if not more or len(whole) > MAX_RECORD_CHARACTERS:
                    again.extendleft(reversed([*read[1:], more] if more else read[1:]))
                    whole, fields = line, None
                    break
                read.append(more)
                whole += more
        yield whole, fields


def first_line(part: Part) -> str:
    """Return the first line of a part, with its end."""
    return next(lines_of(part.path, form_of(part)), "")
