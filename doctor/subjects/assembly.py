"""Puts batches together into one table whose columns have canonical types."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from doctor.model import Declared, Guess
from doctor.subjects import sql
from doctor.subjects.batch import MAX_STORED_COLUMNS, Batch
from doctor.subjects.column_types import (
    BY_NAME,
    Reading,
    TextFacts,
    canonical,
    joined,
    kind_of,
    may_overflow,
)
from doctor.subjects.table import Column, Engine, Kind, Part, Table

ENGINE_TYPES = {
    Kind.INTEGER: "BIGINT",
    Kind.NUMBER: "DOUBLE",
    Kind.BOOLEAN: "BOOLEAN",
    Kind.TIME: "TIMESTAMP",
    Kind.TEXT: "VARCHAR",
    Kind.OTHER: "VARCHAR",
}
MAX_WHOLE = 2**63 - 1
BATCHES_PER_STATEMENT = 16


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """A column of the table to be: its name, its kind, and the reading of its text."""

    name: str
    kind: Kind
    reading: Reading | None
    spelled: Mapping[int, str]
    """The column's name in each batch that has it."""


def assemble(
    engine: Engine, batches: Sequence[Batch], *, path: Path, shown: str, label: str, declared: Declared
) -> Table:
    """Make a table of batches.

    Parameters
    ----------
    engine : Engine
        Where their rows are.
    batches : sequence of Batch
        In the order in which their rows are to be numbered.
    path, shown, label : Path, str, str
        As in `Table`.
    declared : Declared
        The roles that the user gave.
    """
    columns = _columns(engine, batches)
    first_rows = list(accumulate((batch.rows for batch in batches), initial=0))
    name = engine.fresh_name("table")
    # Many columns make a view with an expression for each slow to bind, at every statement.
    if all(batch.stored for batch in batches) or len(columns) > MAX_STORED_COLUMNS:
        relation = _stored(engine, name, columns, batches, first_rows)
        for batch in batches:
            engine.forget(batch.scratch)
    else:
        selects = _selects(columns, batches, first_rows)
        engine.rows(f'CREATE VIEW "{name}" AS {" UNION ALL ".join(selects)}')
        relation = name
    splits: dict[str, int] = {}
    for batch in batches:
        splits[batch.split] = splits.get(batch.split, 0) + batch.rows
    holders = {
        column.name: {batch.split for number, batch in enumerate(batches) if number in column.spelled}
        for column in columns
    }
    return Table(
        path=path,
        shown=shown,
        label=label,
        engine=engine,
        relation=relation,
        columns=tuple(
            Column(name=column.name, kind=column.kind, splits=tuple(s for s in splits if s in holders[column.name]))
            for column in columns
        ),
        splits=splits,
        parts=_parts(batches, first_rows[:-1]),
        declared=declared,
        guesses=tuple(_guesses(batches) + _ambiguous_dates(batches, columns, shown)),
        malformed=tuple(fault for batch in batches for fault in batch.malformed),
    )


def _columns(engine: Engine, batches: Sequence[Batch]) -> list[_Wanted]:
    """Match columns by name, in whatever case, and find the kind that holds all their values."""
    spelled: dict[str, dict[int, str]] = {}
    for number, batch in enumerate(batches):
        for name in batch.types:
            spelled.setdefault(name.lower(), {})[number] = name
    overflowing = [_fitting_whole(engine, batch) for batch in batches]
    wanted = []
    for names in spelled.values():
        facts = [batches[number].facts[name] for number, name in names.items() if name in batches[number].facts]
        reading = joined(facts).best if facts else None
        kinds = []
        for number, name in names.items():
            known = batches[number].facts.get(name)
            if known is not None:
                kinds += [reading.kind if reading else Kind.TEXT] if known.values or len(names) == 1 else []
            elif may_overflow(batches[number].types[name]):
                kinds.append(Kind.INTEGER if name in overflowing[number] else Kind.TEXT)
            else:
                kinds.append(kind_of(batches[number].types[name]))
        kind = _common(kinds)
        name = next(iter(names.values()))
        fitting = reading if reading and (reading.kind is kind or kind is Kind.NUMBER) else None
        wanted.append(_Wanted(name=name, kind=kind, reading=fitting, spelled=names))
    return wanted


def _fitting_whole(engine: Engine, batch: Batch) -> set[str]:
    """Return the columns of wide whole numbers whose values fit 64 bits."""
    names = [name for name, kind in batch.types.items() if may_overflow(kind)]
    if not names:
        return set()
    facts = [
        f"coalesce(min({sql.name(name)}) >= -{MAX_WHOLE} AND max({sql.name(name)}) <= {MAX_WHOLE}, true)"
        for name in names
    ]
    answer = engine.rows(f"SELECT {', '.join(facts)} FROM {batch.relation}")[0]
    return {name for name, fits in zip(names, answer, strict=True) if fits}


def _common(kinds: Sequence[Kind]) -> Kind:
    different = set(kinds)
    if not different:
        return Kind.TEXT
    if len(different) == 1:
        return different.pop()
    return Kind.NUMBER if different == {Kind.INTEGER, Kind.NUMBER} else Kind.TEXT


def _selects(
    columns: Sequence[_Wanted], batches: Sequence[Batch], first_rows: Sequence[int], *, numbered: bool = True
) -> list[str]:
    """Write each batch in the columns and types of the table, and with the service columns if numbered."""
    selects = []
    for number, (batch, first) in enumerate(zip(batches, first_rows, strict=False)):
        wanted = [f"{_value(column, number, batch)} AS {sql.name(column.name)}" for column in columns]
        if numbered:
            wanted.append(f"CAST({sql.ROW} + {first} AS BIGINT) AS {sql.ROW}")
            wanted.append(f"{sql.quoted(batch.split)} AS {sql.SPLIT}")
        selects.append(f"SELECT {', '.join(wanted)} FROM {batch.relation}")
    return selects


def _value(column: _Wanted, number: int, batch: Batch) -> str:
    engine_type = ENGINE_TYPES[column.kind]
    name = column.spelled.get(number)
    if name is None:
        return f"CAST(NULL AS {engine_type})"
    own = batch.types[name]
    if name in batch.sound and not column.reading and ENGINE_TYPES[kind_of(own)] == engine_type:
        return sql.name(name)
    if name in batch.facts:
        value = column.reading.cast.format(sql.name(name)) if column.reading else f"nullif({sql.name(name)}, '')"
        return value if not column.reading or column.reading.kind is column.kind else f"CAST({value} AS {engine_type})"
    whole = may_overflow(own) and column.kind in (Kind.INTEGER, Kind.NUMBER)
    value = f"CAST({sql.name(name)} AS BIGINT)" if whole else canonical(name, own)
    kind = Kind.INTEGER if whole else kind_of(own)
    return value if ENGINE_TYPES[kind] == engine_type else f"CAST({value} AS {engine_type})"


def _stored(
    engine: Engine, name: str, columns: Sequence[_Wanted], batches: Sequence[Batch], first_rows: Sequence[int]
) -> str:
    """Store the rows; very many columns in pieces, since the engine's time for a statement grows with their square."""
    if len(columns) <= MAX_STORED_COLUMNS:
        return _filled(engine, name, _selects(columns, batches, first_rows), temporary=False)
    pieces = []
    for start in range(0, len(columns), MAX_STORED_COLUMNS):
        some = columns[start : start + MAX_STORED_COLUMNS]
        selects = _selects(some, batches, first_rows, numbered=start == 0)
        pieces.append(_filled(engine, engine.fresh_name("piece"), selects, temporary=True))
    beside = " POSITIONAL JOIN ".join(f'"{piece}"' for piece in pieces)
    engine.rows(f'CREATE TABLE "{name}" AS SELECT * FROM {beside}')
    for piece in pieces:
        engine.drop(piece)
    return name


def _filled(engine: Engine, name: str, selects: Sequence[str], *, temporary: bool) -> str:
    create = "CREATE TEMP TABLE" if temporary else "CREATE TABLE"
    for start in range(0, len(selects), BATCHES_PER_STATEMENT):
        rows = " UNION ALL ".join(selects[start : start + BATCHES_PER_STATEMENT])
        engine.rows(f'INSERT INTO "{name}" {rows}' if start else f'{create} "{name}" AS {rows}')
    return name


def _parts(batches: Sequence[Batch], first_rows: Sequence[int]) -> tuple[Part, ...]:
    parts = []
    for batch, first in zip(batches, first_rows, strict=True):
        for number, (path, rows) in enumerate(batch.files):
            form = batch.forms[number] if batch.forms else None
            lines = batch.lines[number] if batch.lines else None
            parts.append(Part(path=path, split=batch.split, rows=rows, first_row=first, form=form, lines=lines))
            first += rows
    return tuple(parts)


def _guesses(batches: Sequence[Batch]) -> list[Guess]:
    """Say once what was guessed for several files alike."""
    said: dict[tuple[str, str], Guess] = {}
    for batch in batches:
        for guess in batch.guesses:
            said.setdefault((guess.what, guess.value), guess)
    return list(said.values())


def _ambiguous_dates(batches: Sequence[Batch], columns: Sequence[_Wanted], shown: str) -> list[Guess]:
    said = []
    for column in columns:
        if column.reading is not BY_NAME["time, month first"]:
            continue
        facts: list[TextFacts] = [batches[number].facts[name] for number, name in column.spelled.items()]
        if "time, day first" in joined(facts).holding:
            said.append(
                Guess(
                    subject=shown,
                    what=f"dates in {column.name}",
                    value="month first",
                    because="no value tells, none is above 12",
                    override="write dates as YYYY-MM-DD",
                )
            )
    return said
