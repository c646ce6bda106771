"""Rows of one or several files that were read together, before they become part of a table."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from doctor.model import Guess
from doctor.subjects.column_types import TextFacts
from doctor.subjects.record_lines import RecordLines
from doctor.subjects.table import Malformed, TextForm

MAX_STORED_COLUMNS = 500
"""Wider text is staged in a Parquet file: naming thousands of a stored table's columns in a statement takes seconds."""


@dataclass(frozen=True, kw_only=True)
class ReadingOptions:
    """How the user says that text is to be read; None is found out."""

    header: bool | None = None
    delimiter: str | None = None
    encoding: str | None = None


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A file and the split it belongs to."""

    path: Path
    split: str


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Rows of one split that the engine can read.

    Attributes
    ----------
    relation : str
        What stands after FROM; it has the columns and `sql.ROW`, counted from 0 in the order of the files.
    types : dict of str to str
        The engine's type of each column.
    files : tuple of (Path, int)
        The files in order, with their rows.
    facts : dict of str to TextFacts
        What the columns of text can be read as; they are still text in the relation.
    stored : bool
        Whether the rows lie in the scratch folder and not in the user's files.
    sound : frozenset of str
        Columns known to hold no NaN and no empty text, so that reading them need not look for one each time.
    scratch : str
        The stored table beneath, which can be dropped once the rows are part of a table.
    forms : tuple of TextForm
        How each file is written, of text.
    lines : tuple of RecordLines
        Where the records of each file stand in it, in the order of `files`; empty where files have no such lines.
    """

    split: str
    relation: str
    types: Mapping[str, str]
    files: tuple[tuple[Path, int], ...]
    facts: Mapping[str, TextFacts] = field(default_factory=dict)
    stored: bool = True
    sound: frozenset[str] = frozenset()
    scratch: str = ""
    malformed: tuple[Malformed, ...] = ()
    forms: tuple[TextForm, ...] = ()
    guesses: tuple[Guess, ...] = ()
    lines: tuple[RecordLines, ...] = ()

    @property
    def rows(self) -> int:
        """Rows in all files."""
        return sum(rows for _, rows in self.files)
