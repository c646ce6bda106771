"""Judges whether the first row of a text table names its columns."""

import re
from collections.abc import Sequence
from itertools import pairwise

from msgspec import Struct, structs

from doctor.subjects import sql
from doctor.subjects.column_types import TextFacts, find_readings
from doctor.subjects.table import Engine


class FirstRow(Struct, frozen=True, kw_only=True):
    """What the first field of a column has in common with the rest of the column.

    Attributes
    ----------
    field : str or None
        The first row's field; None where it is a spelling of "missing".
    type : str
        What all other values are: "text", "integer", "number", "boolean", "time"; empty where there is none.
    fits : bool
        Whether the field is of that type too.
    repeated : int
        How often the field occurs among the other values.
    values, distinct : int
        How many other values there are, and how many different ones.
    name_like_share : float
        Share of the other values that could be a column's name.
    """

    field: str | None
    type: str
    fits: bool
    values: int
    repeated: int = 0
    distinct: int = 0
    name_like_share: float = 0.0


NAME_LIKE = r"[\p{L}_][^,;:?!]*"
"""What could be a column's name, for the engine: it begins with a letter and holds no sentence."""
MAX_NAME_LENGTH = 60
MAX_NAME_WORDS = 6
_NAME_LIKE = re.compile(NAME_LIKE.replace(r"[\p{L}_]", r"[^\W\d]"))
_INTEGER = re.compile(r"[+-]?\d{1,9}")


def is_name_like(field: str) -> bool:
    """Whether a field could be a column's name."""
    name = field.strip()
    return bool(_NAME_LIKE.fullmatch(name)) and len(name) <= MAX_NAME_LENGTH and len(name.split()) <= MAX_NAME_WORDS


def judge_header(columns: Sequence[FirstRow], *, by_default: bool, lines: bool = False) -> tuple[bool, str]:
    """Say whether the first row names the columns, and why.

    A name differs from what it stands above: it is no number above numbers, and no value that comes again.

    Parameters
    ----------
    columns : sequence of FirstRow
        One per column.
    by_default : bool
        The answer where nothing speaks for either.
    lines : bool
        Whether the file is one in which each line may be a text, which nobody heads with more than a word.
    """
    if lines and columns[0].type == "text" and len((columns[0].field or "").split()) > 1:
        return False, "each line is a text"
    fields = [column.field for column in columns]
    if counted := _counted(fields):
        return True, f"its fields count {counted}"
    typed = [column for column in columns if column.type not in ("", "text") and column.field is not None]
    alien = [column for column in typed if not column.fits]
    alike = [column for column in typed if column.fits]
    if len(alien) != len(alike):
        if alien and len(alien) > len(alike):
            return True, f"{alien[0].field!r} is no {alien[0].type}, as all below it are"
        article = "an" if alike[0].type[0] in "aeiou" else "a"
        return False, f"{alike[0].field!r} is {article} {alike[0].type}, as all below it are"
    text = [column for column in columns if column.type == "text" and column.field]
    again = [column for column in text if column.repeated]
    if again:
        return False, f"{again[0].field!r} comes {again[0].repeated:,} more times in its column"
    if len(set(fields)) < len(fields) and all(fields):
        return False, "its fields are not different from each other"
    levels = [column for column in text if 2 * column.distinct < column.values]
    if levels:
        return True, f"{levels[0].field!r} does not occur below, where values repeat"
    words = [column for column in text if is_name_like(column.field or "")]
    prose = [column for column in words if column.name_like_share < 0.5]
    if prose:
        return True, f"{prose[0].field!r} reads like a name, and the values below do not"
    if text and not words:
        return False, "its fields do not read like names"
    return by_default, "nothing speaks against it" if by_default else "nothing speaks for a header"


def _counted(fields: Sequence[str | None]) -> str:
    """Recognise names that a program made by counting, such as 0, 1, 2 … or 1990, 1991 …."""
    numbers = [int(field) for field in fields if field and _INTEGER.fullmatch(field)]
    run = len(numbers) >= 3 and all(b - a == 1 for a, b in pairwise(numbers))
    beside = [field for field in fields if field and not _INTEGER.fullmatch(field)]
    from_start = run and numbers[0] in (0, 1) and len(numbers) >= len(fields) - 1
    years = run and 1800 <= numbers[0] <= 2200 and all(map(is_name_like, beside)) and beside
    return f"{numbers[0]}, {numbers[1]}, … {numbers[-1]}" if from_start or years else ""


def first_rows(
    engine: Engine, first: str, rest: str, columns: Sequence[str], facts: Sequence[TextFacts]
) -> list[FirstRow]:
    """Compare the first row with the rest of the table, over all rows.

    Parameters
    ----------
    first, rest : str
        What stands after FROM.
    columns : sequence of str
        Their columns, all of text.
    facts : sequence of TextFacts
        What the columns of `rest` can be read as.
    """
    names = [sql.name(column) for column in columns]
    fields = engine.rows(f"SELECT {', '.join(names)} FROM {first}")[0]
    readings = [fact.best for fact in facts]
    alone = find_readings(engine, first, columns)
    fits = [
        reading is not None and alone[column].values > 0 and reading.name in alone[column].holding
        for column, reading in zip(columns, readings, strict=True)
    ]
    rows = [
        FirstRow(
            field=field,
            type=reading.kind.value if reading else "text" if fact.values else "",
            fits=fit,
            values=fact.values,
        )
        for field, reading, fit, fact in zip(fields, readings, fits, facts, strict=True)
    ]
    balance = sum(1 if row.fits else -1 for row in rows if row.type not in ("", "text") and row.field is not None)
    return rows if balance else _with_text_facts(engine, rest, names, rows)


def _with_text_facts(engine: Engine, rest: str, names: Sequence[str], rows: Sequence[FirstRow]) -> list[FirstRow]:
    """Count the first fields among the other values; only needed where types do not tell."""
    text = [(name, row) for name, row in zip(names, rows, strict=True) if row.type == "text"]
    if not text:
        return list(rows)
    wanted = [
        f"count_if({name} = {sql.quoted(row.field or '')}), approx_count_distinct({name}), "
        f"count_if(length({name}) <= {MAX_NAME_LENGTH} AND regexp_full_match(trim({name}), {sql.quoted(NAME_LIKE)}))"
        for name, row in text
    ]
    answer = engine.rows(f"SELECT {', '.join(wanted)} FROM {rest}")[0]
    known = {}
    for i, (name, row) in enumerate(text):
        repeated, distinct, name_like = answer[3 * i : 3 * i + 3]
        known[name] = structs.replace(
            row, repeated=repeated, distinct=distinct, name_like_share=name_like / max(1, row.values)
        )
    return [known.get(name, row) for name, row in zip(names, rows, strict=True)]
