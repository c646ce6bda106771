"""Writes text tables anew, record by record; what no edit touches keeps its bytes."""

import gzip
import io
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

from doctor.repair.changes import GONE, Changes, Known, Unsure
from doctor.repair.state import Added
from doctor.subjects.staging import MISSING_SPELLINGS
from doctor.subjects.table import Kind, Part, TextForm
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


def rewrite(changes: Changes, numbers: Sequence[int], targets: Mapping[int, Path]) -> dict[int, list[str]]:
    """Write parts that exchange rows.

    Parameters
    ----------
    changes : Changes
        What becomes of the table.
    numbers : sequence of int
        The parts.
    targets : mapping of int to Path
        The new file of each.

    Returns
    -------
    dict of int to list of str
        By part, the records that are no rows and are left out, for with other columns they might become some.

    Raises
    ------
    Unsure
        When the rows are not found as they were read.
    """
    parts = changes.table.parts
    given = _donated(changes)
    left: dict[int, list[str]] = {}
    with ExitStack() as stack:
        outs: dict[int, _Out] = {}
        receiving = {int(home) for number in numbers for home in set(changes.homes(parts[number])) - {number, GONE}}
        for number in sorted(receiving):
            outs[number] = stack.enter_context(_opened(changes, parts[number], targets[number]))
        for number in numbers:
            with ExitStack() as own:
                if number not in outs:
                    outs[number] = own.enter_context(_opened(changes, parts[number], targets[number]))
                left[number] = _through(changes, number, outs, given)
                if number not in receiving:
                    del outs[number]
    return {number: lines for number, lines in left.items() if lines}


def _donated(changes: Changes) -> dict[str, dict[int, str]]:
    """Read the values that cells take from other rows, by column and row of the table."""
    given: dict[str, dict[int, str]] = {}
    for part in changes.table.parts:
        wanted = changes.donors(part)
        if not wanted:
            continue
        form = form_of(part)
        splitter, place = Splitter(form), _places(form)
        last = max(max(rows) for rows in wanted.values())
        for record in records(part):
            if record.row > last:
                break
            for name, rows in wanted.items():
                if record.row in rows and record.fields is not None:
                    value = splitter.value(record.fields[place[name]])
                    given.setdefault(name, {})[part.first_row + record.row] = value
    return given


def _places(form: TextForm) -> dict[str, int]:
    """Return the field of each column, by its name in lower case."""
    return {name.lower(): place for place, name in enumerate(form.columns)}


@dataclass(kw_only=True)
class _Out:
    """A file being written."""

    form: TextForm
    stream: IO[str]
    end: str
    keeps: list[int]
    whole: bool = True

    def write(self, raw: str) -> None:
        """Write a record, after ending the one before where the file had no end for it."""
        self.stream.write(raw if self.whole else self.end + raw)
        self.whole = raw.endswith(("\n", "\r"))


@contextmanager
def _opened(changes: Changes, part: Part, target: Path) -> Iterator[_Out]:
    """Open the new file and write the names of its columns."""
    form = form_of(part)
    first = next(iter(_split(lines_of(part.path, form), Splitter(form))))[0]
    end = first[len(first.rstrip("\r\n")) :] or "\n"
    keeps = [place for place, name in enumerate(form.columns[: form.width]) if name.lower() not in changes.dropped]
    with writing(target, Encoding.of(part.path, form)) as stream:
        out = _Out(form=form, stream=stream, end=end, keeps=keeps)
        for record in records(part) if form.header else ():
            if record.row == HEADER and record.fields is not None:
                out.write(_header(changes, form, record.raw, record.fields))
            if record.row not in (HEADER, BLANK):
                break
        yield out


def _header(changes: Changes, form: TextForm, raw: str, fields: list[str]) -> str:
    if not changes.columns_change:
        return raw
    # R leaves out the name of the row names, so there the first name belongs to the second field.
    shift = 1 if len(fields) == form.width - 1 and form.columns[1:] == tuple(form.fields) else 0
    kept = []
    for place, name in enumerate(fields):
        column = form.columns[place + shift] if place + shift < len(form.columns) else ""
        if column.lower() not in changes.dropped:
            kept.append(name)
    splitter = Splitter(form)
    kept += [splitter.field(added.name) for added in changes.added]
    return form.delimiter.join(kept) + raw[len(raw.rstrip("\r\n")) :]


def _through(
    changes: Changes, number: int, outs: Mapping[int, _Out], given: Mapping[str, Mapping[int, str]]
) -> list[str]:
    """Write the records of a part where they go; return those that are no rows and cannot stay."""
    part = changes.table.parts[number]
    form = form_of(part)
    splitter, place = Splitter(form), _places(form)
    homes, cells = changes.homes(part), changes.cells(part)
    known = Known.of(changes.table, part)
    left = []
    for row, raw, fields in records(part):
        if row < 0:
            if row == MALFORMED and changes.columns_change:
                left.append(raw)
            elif row != HEADER:
                outs[number].write(raw)
            continue
        fields = fields or []
        if row in known.rows:
            _compare(known, row, fields, splitter, place, part)
        if homes[row] == GONE:
            continue
        out = outs[homes[row]]
        new = {place[name]: given[name][donors[row]] for name, donors in cells.items() if row in donors}
        if not new and not changes.columns_change and (out.form is form or _alike(out.form, form)):
            out.write(raw)
            continue
        for where, value in new.items():
            fields[where] = splitter.field(value)
        labels = [_label(added, part.first_row + row) for added in changes.added]
        try:
            out.write(_record(out, form, splitter, fields, labels) + (raw[len(raw.rstrip("\r\n")) :]))
        except ValueError as error:
            raise Unsure(part.path, f"row {row + 1} cannot be written without quotes, and the file has none") from error
    return left


def _alike(one: TextForm, other: TextForm) -> bool:
    same = ("columns", "width", "delimiter", "quote", "escape")
    return all(getattr(one, name) == getattr(other, name) for name in same)


def _label(added: Added, row: int) -> str:
    code = int(added.codes[row])
    return added.labels[code] if code >= 0 else ""


def _record(out: _Out, form: TextForm, splitter: Splitter, fields: list[str], labels: list[str]) -> str:
    """Write the fields of a row in the columns of the file it goes to."""
    target = Splitter(out.form)
    if _alike(out.form, form):
        kept = [fields[where] for where in out.keeps]
    else:
        place = _places(form)
        sources = [place.get(out.form.columns[where].lower(), -1) for where in out.keeps]
        kept = [target.field(splitter.value(fields[where])) if 0 <= where < len(fields) else "" for where in sources]
    return out.form.delimiter.join(kept + [target.field(label) for label in labels])


def _compare(
    known: Known, row: int, fields: list[str], splitter: Splitter, place: Mapping[str, int], part: Part
) -> None:
    """See that a row says what the engine read in it.

    Raises
    ------
    Unsure
        When it does not.
    """
    for column, value in zip(known.columns, known.rows[row], strict=True):
        where = place.get(column.name.lower(), len(fields))
        said = splitter.value(fields[where]) if where < len(fields) else ""
        if not _says(said, value, column.kind):
            raise Unsure(part.path, f"row {row + 1} has {said!r} as {column.name}, where {value!r} was read")


def _says(said: str, value: Any, kind: Kind) -> bool:
    if value is None:
        return said in MISSING_SPELLINGS or kind is Kind.NUMBER
    try:
        return _plain(said) == _plain(value) if kind is Kind.TEXT else float(said) == float(value)
    except ValueError:
        return False


def _plain(text: str) -> str:
    """Write text as the engine reads it: broken bytes replaced, line ends alike."""
    sound = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return sound.replace("\r\n", "\n").replace("\r", "\n")
