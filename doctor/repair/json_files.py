"""Writes JSON records anew: one object per line, or one array; what no edit touches keeps its bytes."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from json.decoder import scanstring  # type: ignore[attr-defined]  # there for whoever subclasses the decoder
from pathlib import Path
from typing import IO, NamedTuple

from doctor.repair.changes import GONE, Changes, Known, Unsure
from doctor.repair.state import Added
from doctor.repair.text_records import Encoding, form_of, lines_of, writing
from doctor.subjects.table import Kind, Part

_DECODER = json.JSONDecoder()
_BLANKS = " \t\r\n"
_JSON_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")


class Member(NamedTuple):
    """A key of an object and where it and its value stand in the text."""

    key: str
    begin: int
    value: int
    end: int


def members(text: str, begin: int = 0) -> list[Member]:
    """Find the members of the object that begins in a text.

    Raises
    ------
    ValueError
        When there is none.
    """
    place = _skip(text, begin)
    if text[place : place + 1] != "{":
        raise ValueError("no object")
    place = _skip(text, place + 1)
    found: list[Member] = []
    while text[place : place + 1] != "}":
        if found:
            if text[place] != ",":
                raise ValueError("no comma")
            place = _skip(text, place + 1)
        start = place
        key, place = scanstring(text, place + 1, False)
        place = _skip(text, _skip(text, place) + 1)
        _, end = _DECODER.raw_decode(text, place)
        found.append(Member(key, start, place, end))
        place = _skip(text, end)
    return found


def _skip(text: str, place: int) -> int:
    while place < len(text) and text[place] in _BLANKS:
        place += 1
    return place


class Item(NamedTuple):
    """An object, or what is none; the row is counted from 0 in the file, -1 for none; `gap` stands before it."""

    row: int
    gap: str
    raw: str


def items(part: Part) -> tuple[Iterator[Item], bool]:
    """Read the records of a part, and say whether they stand in one array."""
    form = form_of(part)
    first = next((line for line in lines_of(part.path, form) if line.strip()), "")
    array = first.lstrip().startswith("[")
    return (_of_array(part) if array else _of_lines(part)), array


def _of_lines(part: Part) -> Iterator[Item]:
    form = form_of(part)
    left_out = set(form.left_out)
    number = row = 0
    for line in lines_of(part.path, form):
        if not line.rstrip("\r\n"):
            yield Item(-1, "", line)
            continue
        sound = number not in left_out
        yield Item(row if sound else -1, "", line)
        number += 1
        row += sound
    if row != part.rows:
        raise Unsure(part.path, f"{row:,} records are found in it where {part.rows:,} were read")


def _of_array(part: Part) -> Iterator[Item]:
    """Read the elements of an array; the last item is what stands behind them."""
    text = "".join(lines_of(part.path, form_of(part)))
    place = text.index("[") + 1
    gap, row = text[:place], 0
    while True:
        begin = _skip(text, place)
        gap += text[place:begin]
        if text[begin] == "]":
            break
        if text[begin] == ",":
            gap, place = gap + ",", begin + 1
            continue
        _, end = _DECODER.raw_decode(text, begin)
        is_row = text[begin] == "{"
        yield Item(row if is_row else -1, gap, text[begin:end])
        row, gap, place = row + is_row, "", end
    if row != part.rows:
        raise Unsure(part.path, f"{row:,} records are found in it where {part.rows:,} were read")
    yield Item(-1, gap + text[begin:], "")


def rewrite(changes: Changes, numbers: Sequence[int], targets: Mapping[int, Path]) -> dict[int, list[str]]:
    """Write parts that exchange rows; what is no record stays, for no other column makes it one.

    Raises
    ------
    Unsure
        When the rows are not found as they were read.
    """
    parts = changes.table.parts
    given = _donated(changes)
    arrays = {number: items(parts[number])[1] for number in numbers}
    if len(set(arrays.values())) > 1 or (len(numbers) > 1 and any(arrays.values())):
        return _arrays(changes, numbers, targets, given)
    with ExitStack() as stack:
        outs: dict[int, _Out] = {}
        for number in numbers:
            stream = stack.enter_context(writing(targets[number], _encoding(parts[number])))
            outs[number] = _Out(stream, array=arrays[number])
        for number in numbers:
            for home, item in _through(changes, number, given):
                outs[home].write(item)
    return {}


def _arrays(
    changes: Changes, numbers: Sequence[int], targets: Mapping[int, Path], given: Mapping[str, Mapping[int, str]]
) -> dict[int, list[str]]:
    """Write parts of which some are arrays: these are held in memory, as they are when read."""
    parts = changes.table.parts
    held: dict[int, list[Item]] = {number: [] for number in numbers}
    tails: dict[int, Item] = {}
    for number in numbers:
        array = items(parts[number])[1]
        for home, item in _through(changes, number, given):
            if array and item.row < 0 and not item.raw:
                tails[number] = item
            else:
                held[home].append(item)
    for number in numbers:
        with writing(targets[number], _encoding(parts[number])) as stream:
            out = _Out(stream, array=number in tails)
            for item in held[number]:
                out.write(item)
            if number in tails:
                out.write(tails[number])
    return {}


def _encoding(part: Part) -> Encoding:
    return Encoding.of(part.path, form_of(part))


class _Out:
    """A file being written."""

    def __init__(self, stream: IO[str], *, array: bool) -> None:
        self._stream, self._array = stream, array
        self._ended = True
        self._first = ""
        self._begun = False

    def write(self, item: Item) -> None:
        """Write a line, or an element with what separates it from the one before."""
        if not self._array:
            raw = item.raw.strip() if item.gap else item.raw
            self._stream.write(raw if self._ended else "\n" + raw)
            self._ended = raw.endswith(("\n", "\r"))
        elif not item.raw:
            self._stream.write(item.gap if self._begun else "[" + item.gap.lstrip(", \t\r\n"))
        elif not self._begun:
            opening = item.gap if "[" in item.gap else "[" + item.gap.replace(",", "", 1)
            self._stream.write(opening + item.raw.strip())
            self._begun = True
        else:
            separator = item.gap if item.gap.lstrip().startswith(",") else ", "
            self._stream.write(separator + item.raw.strip())


def _donated(changes: Changes) -> dict[str, dict[int, str]]:
    """Read the values that cells take from other rows, as they are written there."""
    given: dict[str, dict[int, str]] = {}
    for part in changes.table.parts:
        wanted = changes.donors(part)
        if not wanted:
            continue
        keys = _keys(part)
        last = max(max(rows) for rows in wanted.values())
        for item in items(part)[0]:
            if item.row > last:
                break
            names = [name for name, rows in wanted.items() if item.row in rows]
            if names:
                values = {member.key: item.raw[member.value : member.end] for member in members(item.raw)}
                for name in names:
                    given.setdefault(name, {})[part.first_row + item.row] = values[keys[name]]
    return given


def _keys(part: Part) -> dict[str, str]:
    """Return the key of each column, by its name in lower case."""
    form = form_of(part)
    return {name.lower(): key for name, key in zip(form.columns, form.fields, strict=True)}


def _through(changes: Changes, number: int, given: Mapping[str, Mapping[int, str]]) -> Iterator[tuple[int, Item]]:
    """Give each record of a part, as it is to be, with the part that it goes to."""
    part = changes.table.parts[number]
    homes, keys = changes.homes(part), _keys(part)
    cells = {name: donors.by_row() for name, donors in changes.cells(part).items()}
    texts = changes.texts(part)
    known = Known.of(changes.table, part)
    gone = {keys[name] for name in changes.dropped if name in keys}
    for item in items(part)[0]:
        if item.row < 0:
            yield number, item
            continue
        if item.row in known.rows:
            _compare(known, item, keys, part)
        if homes[item.row] == GONE:
            continue
        new = {keys[name]: _literal(own[item.row], changes, name) for name, own in texts.items() if item.row in own}
        new |= _bare_numbers(changes, item, keys, new)
        new |= {keys[name]: given[name][rows[item.row]] for name, rows in cells.items() if item.row in rows}
        if new or changes.columns_change:
            added = {added.name: _label(added, part.first_row + item.row) for added in changes.added}
            yield homes[item.row], item._replace(raw=edited(item.raw, gone, new, added))
        else:
            yield homes[item.row], item


def edited(text: str, gone: set[str], new: Mapping[str, str], added: Mapping[str, str]) -> str:
    """Change an object in its text: members that go, values that change, members that come at the end.

    Parameters
    ----------
    text : str
        An object, with whatever stands around it.
    gone : set of str
        Keys.
    new, added : mapping of str to str
        Values as JSON, by key; `new` also holds those of keys that the object lacks.
    """
    found = members(text)
    kept = [member for member in found if member.key not in gone]
    pieces = []
    for member in kept:
        value = new.get(member.key, text[member.value : member.end])
        pieces.append(text[member.begin : member.value] + value)
    colon = text[found[0].begin + len(_key(text, found[0])) : found[0].value] if found else ": "
    lacking = {key: value for key, value in new.items() if key not in {member.key for member in kept} | gone}
    for key, value in {**lacking, **added}.items():
        pieces.append(json.dumps(key, ensure_ascii=False) + colon + value)
    comma = text[found[0].end : found[1].begin] if len(found) > 1 else ", " if colon.endswith(" ") else ","
    begin = found[0].begin if found else text.index("{") + 1
    end = found[-1].end if found else text.rindex("}")
    return text[:begin] + comma.join(pieces) + text[end:]


def _key(text: str, member: Member) -> str:
    _, end = scanstring(text, member.begin + 1, False)
    return text[member.begin : end]


def _label(added: Added, row: int) -> str:
    code = int(added.codes[row])
    if code < 0:
        return "null"
    return added.labels[code] if added.numeric else json.dumps(added.labels[code], ensure_ascii=False)


def _literal(text: str, changes: Changes, name: str) -> str:
    """Write a new text as JSON: null, a number where the column becomes one, else a string."""
    if not text:
        return "null"
    numeric = name in changes.retyped or any(c.name.lower() == name and c.numeric for c in changes.table.columns)
    return _number(text) if numeric else json.dumps(text, ensure_ascii=False)


def _number(text: str) -> str:
    """Write a number as JSON has it: no plus in front, a digit on both sides of the point."""
    bare = text.strip().removeprefix("+")
    return bare if _JSON_NUMBER.fullmatch(bare) else repr(float(bare))


def _bare_numbers(changes: Changes, item: Item, keys: Mapping[str, str], new: Mapping[str, str]) -> dict[str, str]:
    """Write as numbers what a column that becomes one still holds as strings."""
    wanted = {keys[name] for name in changes.retyped if name in keys} - set(new)
    if not wanted:
        return {}
    said = json.loads(item.raw)
    strings = {key: said[key] for key in wanted if isinstance(said.get(key), str) and said[key].strip()}
    return {key: _number(text) for key, text in strings.items()}


def _compare(known: Known, item: Item, keys: Mapping[str, str], part: Part) -> None:
    """See that a row says what the engine read in it.

    Raises
    ------
    Unsure
        When it does not.
    """
    said = json.loads(item.raw)
    for column, value in zip(known.columns, known.rows[item.row], strict=True):
        here = said.get(keys.get(column.name.lower(), ""))
        if isinstance(here, str) and isinstance(value, str) and column.kind is Kind.TEXT and here != value:
            raise Unsure(part.path, f"row {item.row + 1} has {here!r} as {column.name}, where {value!r} was read")
        numbers = isinstance(here, (int, float)) and isinstance(value, (int, float))
        if numbers and here == here and float(here) != float(value):
            raise Unsure(part.path, f"row {item.row + 1} has {here!r} as {column.name}, where {value!r} was read")
