"""Knows the formats of tables by the names of their files."""

from collections.abc import Sequence
from pathlib import Path

import duckdb

from doctor.errors import CannotOpen, Unavailable
from doctor.model import Problem
from doctor.subjects.batch import Batch, Entry, ReadingOptions
from doctor.subjects.columnar import read_arrow, read_parquet
from doctor.subjects.csv_table import read_csv
from doctor.subjects.json_table import NoRecords, read_json
from doctor.subjects.table import Engine

COMPRESSIONS = (".gz", ".zst")
TEXT_SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".data")
JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
WRITTEN_AS_TEXT = (*TEXT_SUFFIXES, *JSON_SUFFIXES)
READERS = {
    **dict.fromkeys(TEXT_SUFFIXES, read_csv),
    **dict.fromkeys(JSON_SUFFIXES, read_json),
    **dict.fromkeys((".parquet", ".pq"), read_parquet),
    **dict.fromkeys((".arrow", ".feather", ".ipc"), read_arrow),
}
UNCOMPRESSED_ONLY = (".parquet", ".pq", ".arrow", ".feather", ".ipc")

__all__ = ["NoRecords", "is_table", "named_stem", "named_suffix", "read", "stem_of", "suffix_of"]


def suffix_of(path: Path) -> str:
    """Return the suffix that names the format, compression left out."""
    return named_suffix(path.name)


def named_suffix(name: str) -> str:
    """Return what `suffix_of` returns, of a file's name alone; folders may have a million of them."""
    parts = name.lower().lstrip(".").split(".")[1:]
    if not parts or not parts[-1]:
        return ""
    if f".{parts[-1]}" not in COMPRESSIONS:
        return f".{parts[-1]}"
    suffix = f".{parts[-2]}" if len(parts) > 1 else ""
    return "" if suffix in UNCOMPRESSED_ONLY else suffix


def stem_of(path: Path) -> str:
    """Return a file's name without the suffixes of format and compression."""
    return named_stem(path.name)


def named_stem(name: str) -> str:
    """Return what `stem_of` returns, of a file's name alone."""
    lowered = name.lower()
    for known in (*COMPRESSIONS, named_suffix(name)):
        if known and lowered.endswith(known):
            name, lowered = name[: -len(known)], lowered[: -len(known)]
    return name.removesuffix(".snappy").removesuffix(".zstd").removesuffix(".c000")


def is_table(path: Path) -> bool:
    """Whether a file's name says that it holds a table."""
    return named_suffix(path.name) in READERS


def read(engine: Engine, entries: Sequence[Entry], options: ReadingOptions) -> tuple[list[Batch], list[Problem]]:
    """Bring files of one format into the engine.

    Parameters
    ----------
    engine : Engine
        Takes the rows.
    entries : sequence of Entry
        Files that may belong together.
    options : ReadingOptions
        What the user said of text files.

    Returns
    -------
    list of Batch
        The rows, by split; a split may come in several batches.
    list of Problem
        Files that cannot be read.

    Raises
    ------
    CannotOpen
        When nothing of them can be used.
    """
    suffix = suffix_of(entries[0].path)
    readable, problems = [], []
    for entry in entries:
        if trouble := _trouble(entry.path):
            problems.append(Problem(path=str(entry.path), reason=trouble))
        else:
            readable.append(entry)
    if not readable:
        return [], problems
    try:
        batches, more = READERS[suffix](engine, readable, suffix, options)
    except (CannotOpen, OSError, duckdb.Error, Unavailable) as error:
        if len(readable) == 1:
            raise _named(error, readable[0].path) from error
        batches, more = _one_by_one(engine, readable, options)
    return batches, [*problems, *more]


def _one_by_one(engine: Engine, entries: Sequence[Entry], options: ReadingOptions) -> tuple[list[Batch], list[Problem]]:
    """Find the file that spoils the reading of all."""
    batches: list[Batch] = []
    problems: list[Problem] = []
    for entry in entries:
        try:
            found, trouble = read(engine, [entry], options)
        except CannotOpen as error:
            problems.append(Problem(path=str(error.path), reason=error.reason, line=error.line))
            continue
        batches += found
        problems += trouble
    return batches, problems


def _named(error: Exception, path: Path) -> CannotOpen:
    if isinstance(error, CannotOpen):
        return error
    if isinstance(error, OSError):
        return CannotOpen(path, error.strerror or str(error))
    return CannotOpen(path, str(error).splitlines()[0])


def _trouble(path: Path) -> str:
    try:
        if path.stat().st_size == 0:
            return "the file is empty"
        with path.open("rb"):
            return ""
    except OSError as error:
        return error.strerror or str(error)
