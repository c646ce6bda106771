"""Reads tables that name images, and what they say of each: its class, its split."""

import csv
import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from doctor.subjects.formats import suffix_of
from doctor.subjects.image_tree import is_image
from doctor.subjects.split_words import SPLIT_WORDS

LINED = (".jsonl", ".ndjson")
WRITTEN = (".csv", ".tsv", ".tab", ".txt")
HEAD_BYTES = 65_536
HEAD_ROWS = 200
MIN_NAMING_SHARE = 0.9
"""Of the values of a column that names images, in the first rows."""
MIN_STEMS = 5
"""Rows that name images without their suffix by more than chance."""
_LABELS = """
    class_name label_name category_name label labels class category target diagnosis dx species breed y class_id
    label_id
"""
LABELS = tuple(_LABELS.split())
"""What a column of classes is called, the telling names first."""
SPLITS = ("split", "subset", "set", "partition", "usage", "phase")
_PLAIN = """
    id index idx no nr number width height xmin ymin xmax ymax x y w h x1 y1 x2 y2 bbox filename file_name image_name
    path filepath image md5 sha1 sha256 size bytes
"""
PLAIN = frozenset(_PLAIN.split())
"""Columns that say nothing that a check of tables would look for."""
DELIMITERS = ",\t;|"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row: the image it names, its class and its split."""

    name: str
    label: str | None
    split: str | None


@dataclass(frozen=True, kw_only=True)
class ImageList:
    """A table that names images.

    Attributes
    ----------
    column, label, split : str
        The columns that were read; the latter two are empty where there are none.
    alone : bool
        Whether the table says nothing else, so that it need not be looked at as a table too.
    """

    path: Path
    rows: tuple[Row, ...]
    column: str
    label: str = ""
    split: str = ""
    alone: bool = True


def may_list(path: Path) -> bool:
    """Whether a file's name allows that it lists images."""
    return path.suffix.lower() in (*LINED, *WRITTEN) and suffix_of(path) in (*LINED, *WRITTEN)


def first_names(path: Path, stems: Collection[str]) -> list[str]:
    """Return the images that the first rows of a table name; none where it names none, or cannot be read.

    Parameters
    ----------
    path : Path
        A text table, or one JSON object per line.
    stems : collection of str
        Names of images that are there, without their suffix: some tables name them so.
    """
    try:
        head = list(islice(_rows(path), HEAD_ROWS))
    except (OSError, ValueError, csv.Error, RecursionError):
        return []
    column = _naming(head, stems)
    if column is None:
        return []
    return [row[column].strip() for row in head if len(row) > column and is_naming(row[column], stems)]


def read_list(path: Path, stems: Collection[str], wanted: Sequence[str | None] = ()) -> ImageList | None:
    """Read a table if it names images.

    Parameters
    ----------
    path : Path
        A text table, or one JSON object per line.
    stems : collection of str
        Names of images that are there, without their suffix: some tables name them so.
    wanted : sequence of str
        Columns that hold the classes, as the user says.

    Returns
    -------
    ImageList or None
        None where it names none, or cannot be read; then it is whatever else it may be.
    """
    try:
        head = list(islice(_rows(path), HEAD_ROWS))
        column = _naming(head, stems)
        if column is None:
            return None
        rows = list(_rows(path))
    except (OSError, ValueError, csv.Error, RecursionError):
        return None
    has_header = path.suffix.lower() in LINED or not is_naming(head[0][column], stems)
    names = list(head[0]) if has_header else [f"column {number + 1}" for number in range(len(head[0]))]
    body = rows[1:] if has_header else rows
    label, split = _roles(names, body, column, wanted)
    others = {names[number].strip().lower() for number in range(len(names)) if number not in (column, label, split)}
    return ImageList(
        path=path,
        rows=tuple(
            Row(name=row[column].strip(), label=_cell(row, label), split=_split(row, split))
            for row in body
            if len(row) > column and row[column].strip()
        ),
        column=names[column],
        label=names[label] if label is not None else "",
        split=names[split] if split is not None else "",
        alone=path.suffix.lower() == ".txt" or others <= PLAIN | set(LABELS) | {"", "unnamed: 0"},
    )


def is_naming(value: str, stems: Collection[str]) -> bool:
    """Whether a value is the name of an image."""
    value = value.strip()
    return is_image(value) or value in stems


def named_lines(path: Path, stems: Collection[str]) -> Iterator[tuple[bytes, str | None]]:
    """Yield each record of a table as it is written, with the image that it names; None for a header."""
    listed = path.suffix.lower() in LINED
    column = _naming(list(islice(_rows(path), HEAD_ROWS)), stems)
    head = next(_rows(path), [])
    delimiter = "" if listed else _delimiter(path)
    with path.open("rb") as file:
        for record in _records(file, quoted=bool(delimiter)):
            text = record.decode("utf-8-sig", "replace")
            if column is None or not text.strip():
                yield record, None
            elif listed:
                yield record, str(json.loads(text).get(head[column], ""))
            else:
                row = next(csv.reader([text], delimiter=delimiter)) if delimiter else text.rsplit(maxsplit=1)
                name = row[column].strip() if len(row) > column else ""
                yield record, name if is_naming(name, stems) else None


def _records(lines: Iterable[bytes], *, quoted: bool) -> Iterator[bytes]:
    """Join the lines of a record that a quoted line break divides."""
    held = b""
    for line in lines:
        held += line
        if not quoted or held.count(b'"') % 2 == 0:
            yield held
            held = b""
    if held:
        yield held


def _delimiter(path: Path) -> str:
    """Return what separates the fields; empty where it is the last blank."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        line = next((line for line in file if line.strip()), "")
    delimiter = max(DELIMITERS, key=line.count)
    return delimiter if line.count(delimiter) else ""


def _rows(path: Path) -> Iterator[list[str]]:
    """Yield the rows of a table as text; of JSON lines the keys of the first come first."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        if path.suffix.lower() in LINED:
            yield from _objects(file)
            return
        head = file.read(HEAD_BYTES)
        file.seek(0)
        if "\0" in head:
            return
        delimiter = _delimiter(path)
        if delimiter:
            yield from (row for row in csv.reader(file, delimiter=delimiter) if row)
        else:
            yield from (line.rsplit(maxsplit=1) for line in file if line.strip())


def _objects(lines: Iterator[str]) -> Iterator[list[str]]:
    keys: list[str] = []
    for line in lines:
        if not line.strip():
            continue
        found = json.loads(line)
        if not isinstance(found, dict):
            raise ValueError("not an object")
        if not keys:
            keys = list(map(str, found))
            yield keys
        yield ["" if (value := found.get(key)) is None else str(value) for key in keys]


def _naming(head: Sequence[Sequence[str]], stems: Collection[str]) -> int | None:
    """Return the number of the column that names images."""
    if not head:
        return None
    # The first row may be a header; a table of one row has none.
    body = head[1:] or head
    for number in range(len(head[0])):
        values = [row[number].strip() for row in body if len(row) > number and row[number].strip()]
        whole = sum(map(is_image, values))
        bare = sum(value in stems for value in values)
        if values and (
            whole >= MIN_NAMING_SHARE * len(values) or bare >= max(MIN_STEMS, MIN_NAMING_SHARE * len(values))
        ):
            return number
    return None


def _roles(
    names: Sequence[str], body: Sequence[Sequence[str]], column: int, wanted: Sequence[str | None]
) -> tuple[int | None, int | None]:
    """Return the columns of the class and of the split."""
    lowered = [name.strip().lower() for name in names]
    splits = [number for number, name in enumerate(lowered) if name in SPLITS and _are_splits(body, number)]
    split = splits[0] if splits else None
    for name in wanted:
        if name in names:
            return names.index(name), split
    others = [number for number in range(len(names)) if number not in (column, split)]
    for known in LABELS:
        for number in others:
            if lowered[number] == known and _repeats(body, number):
                return number, split
    unnamed = [number for number in others if lowered[number] not in PLAIN]
    alone = unnamed[0] if len(unnamed) == 1 and _repeats(body, unnamed[0]) else None
    return alone, split


def _are_splits(body: Sequence[Sequence[str]], number: int) -> bool:
    values = {row[number].strip().lower() for row in body if len(row) > number}
    return bool(values) and values <= set(SPLIT_WORDS)


def _repeats(body: Sequence[Sequence[str]], number: int) -> bool:
    """Whether a column has so few values that they may be classes."""
    values = [row[number] for row in body if len(row) > number]
    return bool(values) and 2 * len(set(values)) <= max(len(values), 4)


def _cell(row: Sequence[str], number: int | None) -> str | None:
    return (row[number].strip() or None) if number is not None and len(row) > number else None


def _split(row: Sequence[str], number: int | None) -> str | None:
    value = _cell(row, number)
    return SPLIT_WORDS.get(value.lower(), value) if value else None


def distinct_rows(rows: Sequence[Row]) -> dict[str, Row]:
    """Join the rows that name one image; where they differ in its class, it has none."""
    joined: dict[str, Row] = {}
    for row in rows:
        known = joined.setdefault(row.name, row)
        if known.label != row.label:
            joined[row.name] = Row(name=row.name, label=None, split=known.split)
    return joined
