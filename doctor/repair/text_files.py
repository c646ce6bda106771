"""Writes text tables anew, record by record; what no edit touches keeps its bytes."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from doctor.repair.changes import GONE, Changes, Known, Unsure
from doctor.repair.state import Added
from doctor.repair.text_records import (
    BLANK,
    HEADER,
    MALFORMED,
    Encoding,
    Splitter,
    first_line,
    form_of,
    records,
    writing,
)
from doctor.subjects.staging import MISSING_SPELLINGS
from doctor.subjects.table import Kind, Part, TextForm


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
    first = first_line(part)
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
    homes = changes.homes(part)
    cells = {name: donors.by_row() for name, donors in changes.cells(part).items()}
    texts = changes.texts(part)
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
        new = {place[name]: own[row] for name, own in texts.items() if row in own}
        new |= {place[name]: given[name][donors[row]] for name, donors in cells.items() if row in donors}
        own = raw[len(raw.rstrip("\r\n")) :]
        end = own if homes[row] == number else out.end
        try:
            if not new and not changes.columns_change and (out.form is form or _alike(out.form, form)):
                out.write(raw[: len(raw) - len(own)] + end)
                continue
            for where, value in new.items():
                fields[where] = splitter.field(value)
            labels = [_label(added, part.first_row + row) for added in changes.added]
            out.write(_record(out, form, splitter, fields, labels) + end)
        except UnicodeEncodeError as error:
            raise Unsure(part.path, f"row {row + 1} has letters that the file it goes to cannot hold") from error
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
