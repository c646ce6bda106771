"""One reader per file format: brings a file's rows into the engine as they are, without judging them."""

from pathlib import Path

import duckdb

from doctor.errors import CannotOpen
from doctor.model import Guess, Problem
from doctor.subjects.table import Engine

COMPRESSIONS = (".gz", ".zst")
TEXT_SUFFIXES = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".txt": None, ".data": None}
MISSING_SPELLINGS = ("", "NA", "N/A", "#N/A", "NaN", "nan", "null", "NULL", "<NA>")
"""Cells of text formats that stand for a missing value. "None" and "?" are not among them: both occur as levels."""


def suffix_of(path: Path) -> str:
    """Return the suffix that names the format, compression left out."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    while suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def is_table(path: Path) -> bool:
    """Whether a file's name says that it holds a table."""
    return suffix_of(path) in READERS


def read(engine: Engine, path: Path) -> tuple[str, list[Guess], list[Problem]]:
    """Bring a file into the engine.

    Returns
    -------
    str
        SQL of a relation with the file's columns and `__doctor_row` counted from 0.

    Raises
    ------
    CannotOpen
        When nothing of the file can be used.
    """
    try:
        if path.stat().st_size == 0:
            raise CannotOpen(path, "the file is empty")
        with path.open("rb"):
            pass
        return READERS[suffix_of(path)](engine, path)
    except OSError as error:
        raise CannotOpen(path, error.strerror or str(error)) from error
    except duckdb.Error as error:
        raise CannotOpen(path, str(error).splitlines()[0]) from error


def _quoted(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def _read_csv(engine: Engine, path: Path) -> tuple[str, list[Guess], list[Problem]]:
    missing = "[" + ", ".join(map(_quoted, MISSING_SPELLINGS)) + "]"
    source = f"read_csv({_quoted(path)}, nullstr={missing}, sample_size=-1)"
    return _stored(engine, f"SELECT *, row_number() OVER () - 1 AS __doctor_row FROM {source}"), [], []


def _read_json(engine: Engine, path: Path) -> tuple[str, list[Guess], list[Problem]]:
    source = f"read_json({_quoted(path)}, sample_size=-1)"
    return _stored(engine, f"SELECT *, row_number() OVER () - 1 AS __doctor_row FROM {source}"), [], []


def _read_parquet(engine: Engine, path: Path) -> tuple[str, list[Guess], list[Problem]]:
    source = f"read_parquet({_quoted(path)}, file_row_number=true)"
    return f"(SELECT * EXCLUDE (file_row_number), file_row_number AS __doctor_row FROM {source})", [], []


def _stored(engine: Engine, statement: str) -> str:
    return f'"{engine.keep("raw", statement)}"'


READERS = {
    **dict.fromkeys(TEXT_SUFFIXES, _read_csv),
    ".jsonl": _read_json,
    ".ndjson": _read_json,
    ".json": _read_json,
    ".parquet": _read_parquet,
}
