"""Finds out how a text table is written: what separates its fields."""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

DELIMITERS = (",", "\t", ";", "|")
NONE = "\x01"
"""Stands for "no delimiter": a byte that no text holds."""
USUAL_DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
DELIMITER_NAMES = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar", " ": "space", NONE: "none, one column"}

MIN_AGREEING_SHARE = 0.9
"""Share of lines with the same number of fields that makes a delimiter believable."""
MIN_AGREEING_SHARE_USUAL = 0.5
"""The same for the delimiter that the file's suffix promises: broken lines must not hide it."""
NAMED_BONUS = 0.05
"""Weight of a first line with as many fields as the rest, in shares of lines."""
USUAL_BONUS = 0.02
"""Weight of being the delimiter that the suffix promises."""
HEAD_RECORDS = 1000
MAX_WORDS_PER_FIELD = 3.0
"""Mean words of a field in a file of one line, from which that line is a text with punctuation and no record."""
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[nN]a[nN]|NA")


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How the fields of a text table are set apart.

    Attributes
    ----------
    width : int
        Fields in most lines.
    first : tuple of str
        The first record's fields.
    """

    delimiter: str
    width: int
    first: tuple[str, ...]


def find_dialect(head: str, suffix: str, delimiter: str | None = None) -> Dialect:
    """Choose the delimiter by which the most lines have the same number of fields, at least two.

    Parameters
    ----------
    head : str
        The first lines.
    suffix : str
        The suffix that names the format; it promises a delimiter, which then may miss in some lines.
    delimiter : str, optional
        Declared.
    """
    usual = USUAL_DELIMITERS.get(suffix)
    if delimiter:
        return _split_by(head, delimiter)[1]
    best: tuple[tuple[float, int], Dialect] | None = None
    alone = "\n" not in head.strip()
    for candidate in DELIMITERS if usual else (*DELIMITERS, " "):
        share, dialect = _split_by(head, candidate)
        named = NAMED_BONUS * (len(dialect.first) == dialect.width)
        bound = 1.0 if candidate == " " else MIN_AGREEING_SHARE_USUAL if candidate == usual else MIN_AGREEING_SHARE
        if dialect.width < (3 if candidate == " " else 2) or share < bound or (alone and _is_text(dialect)):
            continue
        score = (round(share + named + USUAL_BONUS * (candidate == usual), 3), dialect.width)
        if best is None or score > best[0]:
            best = (score, dialect)
    if best:
        return best[1]
    first = next(line for line in head.splitlines() if line.strip())
    return Dialect(delimiter=NONE, width=1, first=(first,))


def _is_text(dialect: Dialect) -> bool:
    """Whether the only line of a file is a text: what parts words, or sentences, parts no fields."""
    if dialect.delimiter == " ":
        return True
    return sum(len(field.split()) for field in dialect.first) >= MAX_WORDS_PER_FIELD * dialect.width


def fields_by_blanks(head: str) -> int:
    """Count the fields of lines that blanks of varying number set apart; 0 where lines are no such records.

    They are where all lines have as many, three or more, and most of these are numbers.
    """
    lines = [line.split() for line in head.splitlines()[:HEAD_RECORDS] if line.strip()]
    widths = {len(fields) for fields in lines}
    if len(lines) < 3 or len(widths) > 1 or min(widths) < 3:
        return 0
    below = [field for fields in lines[1:] for field in fields]
    numbers = sum(bool(_NUMBER.fullmatch(field)) for field in below)
    return widths.pop() if 2 * numbers > len(below) else 0


def _split_by(head: str, delimiter: str) -> tuple[float, Dialect]:
    """Return the share of records with the commonest number of fields, with quotes or without, whichever is larger."""
    found = []
    escapes: tuple[str | None, ...] = (None, "\\") if '\\"' in head else (None,)
    for quoting, escape in [(csv.QUOTE_MINIMAL, escape) for escape in escapes] + [(csv.QUOTE_NONE, None)]:
        records = split_records(head, delimiter, quoting, escape)
        width, agreeing = max(Counter(map(len, records)).items(), key=lambda item: (item[1], item[0]))
        found.append((agreeing / len(records), Dialect(delimiter=delimiter, width=width, first=tuple(records[0]))))
    return max(found, key=lambda item: item[0] + NAMED_BONUS * (len(item[1].first) == item[1].width))


def split_records(
    text: str, delimiter: str, quoting: int = csv.QUOTE_MINIMAL, escape: str | None = None
) -> list[list[str]]:
    """Split text into records of fields, blank lines left out."""
    if quoting == csv.QUOTE_NONE:
        lines = (line for line in text.splitlines() if line)
        return [line.split(delimiter) for line, _ in zip(lines, range(HEAD_RECORDS), strict=False)] or [[""]]
    csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))
    reader = csv.reader(io.StringIO(text.replace("\0", " "), newline=""), delimiter=delimiter, escapechar=escape)
    records = []
    for record in reader:
        if record:
            records.append(record)
        if len(records) == HEAD_RECORDS:
            break
    return records or [[""]]


def clean_names(fields: Sequence[str], reserved: Sequence[str]) -> list[str]:
    """Give every column a name of its own; the engine does not tell upper from lower case.

    Parameters
    ----------
    fields : sequence of str
        As the file has them; an empty one becomes `column` and its number from 0.
    reserved : sequence of str
        Names that the engine itself uses.
    """
    taken = {name.lower() for name in reserved}
    names = []
    wanted = {field.lower() for field in fields}
    for number, field in enumerate(fields):
        name = stem = field if field.strip() else f"column{number}"
        copy = 1
        while name.lower() in taken or (copy > 1 and name.lower() in wanted):
            copy += 1
            name = f"{stem}_{copy}"
        taken.add(name.lower())
        names.append(name)
    return names
