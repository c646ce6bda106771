"""Brings the records of text tables into the engine, every field as text, and notes what cannot be told apart."""

from codecs import BOM_UTF8
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from doctor.subjects import sql
from doctor.subjects.batch import MAX_STORED_COLUMNS
from doctor.subjects.dialect import NONE, Dialect
from doctor.subjects.table import Engine, Malformed
from doctor.subjects.text_file import LINES_NAMED, TextFile, blocks

MISSING_SPELLINGS = ("", "NA", "N/A", "#N/A", "NaN", "nan", "null", "NULL", "<NA>")
"""Cells of text formats that stand for a missing value. "None" and "?" are not among them: both occur as levels."""
MAX_LINE_BYTES = 1 << 25
FAULTS = {
    "MISSING COLUMNS": "too few fields",
    "TOO MANY COLUMNS": "too many fields",
    "UNQUOTED VALUE": "a quote that does not close where the field ends",
    "LINE SIZE OVER MAXIMUM": "more than 32 MiB in one line",
}


@dataclass(frozen=True, kw_only=True)
class Reject:
    """A record that is left out, and the byte at which it begins."""

    file: int
    byte: int
    fault: str


@dataclass(frozen=True, kw_only=True)
class Staged:
    """Records as text in columns c0, c1, …; `row` is the SQL of a record's number from 0.

    `quote` encloses fields, `escape` stands before a quote inside; both are empty where quotes are part of the text.
    """

    relation: str
    row: str
    width: int
    rows_of_files: tuple[int, ...]
    rejects: tuple[Reject, ...]
    quote: str = ""
    escape: str = ""

    @property
    def rows(self) -> int:
        """Records in all files."""
        return sum(self.rows_of_files)

    @property
    def lost_first_line(self) -> bool:
        """Whether the first line of the first file was rejected: a header may have more or fewer fields than rows."""
        return any(reject.file == 0 and reject.byte <= len(BOM_UTF8) for reject in self.rejects)

    @property
    def columns(self) -> list[str]:
        """Their names."""
        return [f"c{number}" for number in range(self.width)]

    def where(self, condition: str) -> str:
        """Write a subquery of the records whose number meets a condition."""
        return f"(SELECT * FROM {self.relation} WHERE {self.row} {condition})"


def stage(engine: Engine, texts: Sequence[TextFile], dialect: Dialect, *, skip_first: bool) -> tuple[Staged, bool]:
    """Read records, with quotes where they make sense.

    Quotes are part of the text, and not around it, where only so all lines are whole: without them more records can be
    read, no more are broken, and quotes at the beginning of fields have no partners at the end of fields.

    Returns
    -------
    Staged
        The records.
    bool
        Whether double quotes are part of the text although there are some.
    """
    if dialect.delimiter == NONE or not any(text.quotes for text in texts):
        return _read(engine, texts, dialect, "", "", skip_first), False
    quoted = _read(engine, texts, dialect, '"', '"', skip_first)
    if quoted.rejects and sum(text.backslash_quotes for text in texts):
        escaped = _read(engine, texts, dialect, '"', "\\", skip_first)
        # One record that is never closed swallows all that follow, and is then the only broken one.
        quoted, worse = sorted((quoted, escaped), key=lambda staged: len(staged.rejects) - sum(staged.rows_of_files))
        engine.forget(worse.relation)
    lines = sum(text.lines for text in texts) - skip_first * len(texts)
    if not quoted.rejects and quoted.rows == lines:
        return quoted, False
    plain = _read(engine, texts, dialect, "", "", skip_first)
    if len(plain.rejects) > len(quoted.rejects) or plain.rows <= quoted.rows or _quotes_pair(engine, plain):
        engine.forget(plain.relation)
        return quoted, False
    engine.forget(quoted.relation)
    return plain, True


def _quotes_pair(engine: Engine, staged: Staged) -> bool:
    """Whether as many fields begin with a quote as end with one, so that they enclose something."""
    # A quote inside quotes is doubled, so only odd numbers of quotes open or close.
    opening = [f"""count_if(regexp_matches({column}, '^("")*"([^"]|$)'))""" for column in staged.columns]
    closing = [f"""count_if(regexp_matches({column}, '(^|[^"])"("")*$'))""" for column in staged.columns]
    answer = engine.rows(f"SELECT {' + '.join(opening)}, {' + '.join(closing)} FROM {staged.relation}")[0]
    return int(answer[0]) == int(answer[1]) > 0


def _read(
    engine: Engine, texts: Sequence[TextFile], dialect: Dialect, quote: str, escape: str, skip_first: bool
) -> Staged:
    name = engine.fresh_name("raw")
    missing = MISSING_SPELLINGS if dialect.width > 1 else MISSING_SPELLINGS[1:]  # else blank lines would become rows
    types = ", ".join(f"'c{number}': 'VARCHAR'" for number in range(dialect.width))
    options = {
        "auto_detect": "false",
        "header": str(skip_first).lower(),
        "columns": "{" + types + "}",
        "delim": sql.quoted(dialect.delimiter),
        "quote": sql.quoted(quote),
        "escape": sql.quoted(escape),
        "nullstr": "[" + ", ".join(map(sql.quoted, missing)) + "]",
        "compression": sql.quoted(_compression(texts[0])),
        "max_line_size": str(MAX_LINE_BYTES),
        "filename": "'origin'" if len(texts) > 1 else "false",
        "store_rejects": "true",
        "rejects_table": sql.quoted(f"{name}_errors"),
        "rejects_scan": sql.quoted(f"{name}_scans"),
    }
    paths = "[" + ", ".join(sql.quoted(text.readable) for text in texts) + "]"
    source = f"read_csv({paths}, {', '.join(f'{key}={value}' for key, value in options.items())})"
    relation, row = engine.store(name, f"SELECT * FROM {source}", wide=dialect.width > MAX_STORED_COLUMNS)
    return Staged(
        relation=relation,
        row=row,
        width=dialect.width,
        rows_of_files=_rows_of_files(engine, relation, texts),
        rejects=_rejects(engine, name, texts),
        quote=quote,
        escape=escape,
    )


def _compression(text: TextFile) -> str:
    return {".gz": "gzip", ".zst": "zstd"}.get(text.readable.suffix.lower(), "none")


def _rows_of_files(engine: Engine, relation: str, texts: Sequence[TextFile]) -> tuple[int, ...]:
    if len(texts) == 1:
        return (int(engine.rows(f"SELECT count(*) FROM {relation}")[0][0]),)
    counts = dict(engine.rows(f"SELECT origin, count(*) FROM {relation} GROUP BY origin"))
    return tuple(int(counts.get(str(text.readable), 0)) for text in texts)


def _rejects(engine: Engine, name: str, texts: Sequence[TextFile]) -> tuple[Reject, ...]:
    numbers = {str(text.readable): number for number, text in enumerate(texts)}
    answer = engine.rows(
        "SELECT file_path, line_byte_position, min(error_type) FROM "
        f"(SELECT DISTINCT file_id, line_byte_position, error_type::VARCHAR AS error_type FROM {name}_errors) "
        f"JOIN (SELECT DISTINCT file_id, file_path FROM {name}_scans) USING (file_id) GROUP BY ALL ORDER BY ALL"
    )
    engine.rows(f"DROP TABLE {name}_errors")
    engine.rows(f"DROP TABLE {name}_scans")
    return tuple(
        Reject(file=numbers[path], byte=max(0, int(byte or 1) - 1), fault=str(fault)) for path, byte, fault in answer
    )


def malformed(texts: Sequence[TextFile], staged: Staged, *, ignore_first_line: bool = False) -> tuple[Malformed, ...]:
    """Sum the rejected records up by file and fault, with the numbers of the first lines."""
    told = []
    for number, text in enumerate(texts):
        own = [reject for reject in staged.rejects if reject.file == number]
        if ignore_first_line:
            own = [reject for reject in own if reject.byte > len(BOM_UTF8)]
        of = staged.rows_of_files[number] + len(own)
        for fault in dict.fromkeys(reject.fault for reject in own):
            places = [reject.byte for reject in own if reject.fault == fault]
            lines = tuple(_line_at(text.readable, place) for place in places[:LINES_NAMED])
            words = FAULTS.get(fault, fault.lower())
            told.append(Malformed(path=str(text.path), fault=words, rows=len(places), lines=lines, kept=False, of=of))
        told += damaged(text, of)
    return tuple(told)


def damaged(text: TextFile, rows: int) -> list[Malformed]:
    """Note lines that are kept although some of their bytes make no sense."""
    faults = {"zero bytes": text.null_lines, "bytes that are no UTF-8": text.undecodable_lines}
    return [
        Malformed(path=str(text.path), fault=fault, rows=len(lines), lines=lines[:LINES_NAMED], kept=True, of=rows)
        for fault, lines in faults.items()
        if lines
    ]


def _line_at(path: Path, byte: int) -> int:
    """Return the number of the line that begins at a byte; records may span several lines, so they do not tell."""
    line, seen = 1, 0
    for block in blocks(path):
        if seen + len(block) > byte:
            piece = block[: byte - seen]
            # The engine counts a line's own leading line end to it where lines end in two characters.
            return line + piece.count(b"\n") + (block[byte - seen : byte - seen + 1] == b"\n")
        line += block.count(b"\n")
        seen += len(block)
    return line
