"""Divides a table by a column that names each row's split."""

from msgspec import structs

from doctor.errors import UsageError
from doctor.model import Guess
from doctor.subjects import sql
from doctor.subjects.split_words import SPLIT_WORDS, split_named, split_rank
from doctor.subjects.table import Column, Kind, Table

MAX_SPLITS = 20
SAMPLE_ROWS = 1000
USUAL_NAMES = ("split", "set", "subset", "fold", "partition", "usage", "case", "phase", "dataset")
UNNAMED = "unnamed"
"""The split of rows whose split column is empty."""


def divide(table: Table, declared: str | None) -> Table:
    """Take a column for the split: the declared one, or one all of whose values are words for splits.

    Parameters
    ----------
    table : Table
        With one split.
    declared : str or None
        What the user gave.

    Raises
    ------
    UsageError
        When there is no such column, or it has too many values.
    """
    if declared is not None:
        name = table.resolve(declared)
        values = _values(table, name)
        if len(values) > MAX_SPLITS:
            raise UsageError(f"{table.shown}: --split-column {name}: it has more than {MAX_SPLITS} different values")
        return _divided(table, name, values, None)
    found = [(column.name, values) for column in _candidates(table) if (values := _split_words(table, column.name))]
    if not found:
        return table
    found.sort(key=lambda item: item[0].lower() not in USUAL_NAMES)
    name, values = found[0]
    because = "all its values are words for splits"
    guess = Guess(
        subject=table.shown, what="split column", value=name, because=because, override="--split-column COLUMN"
    )
    return _divided(table, name, values, guess)


def _candidates(table: Table) -> list[Column]:
    """Leave out what a few rows already refute."""
    text = [column for column in table.columns if column.kind is Kind.TEXT]
    if not text:
        return []
    listed = ", ".join(sql.name(column.name) for column in text)
    rows = table.engine.rows(f"SELECT {listed} FROM {sql.name(table.relation)} LIMIT {SAMPLE_ROWS}")
    return [
        column
        for column, values in zip(text, zip(*rows, strict=True), strict=False)
        if all(value is not None and value.strip().lower() in SPLIT_WORDS for value in set(values))
    ]


def _values(table: Table, name: str) -> dict[str | None, int]:
    """Count the rows of each value, of one more than the most that are allowed."""
    value = f"CAST({sql.name(name)} AS VARCHAR)"
    return dict(
        table.engine.rows(
            f"SELECT {value} AS value, count(*) FROM {sql.name(table.relation)} GROUP BY 1 ORDER BY 1 "
            f"LIMIT {MAX_SPLITS + 1}"
        )
    )


def _split_words(table: Table, name: str) -> dict[str | None, int]:
    values = _values(table, name)
    words = [SPLIT_WORDS.get(value.strip().lower()) if value else None for value in values]
    return (
        values if len(values) <= MAX_SPLITS and "train" in words and None not in words and len(set(words)) > 1 else {}
    )


def _divided(table: Table, name: str, values: dict[str | None, int], guess: Guess | None) -> Table:
    named = {value: split_named(value) if value and value.strip() else UNNAMED for value in values}
    counts: dict[str, int] = {}
    for value in sorted(values, key=lambda value: split_rank(named[value])):
        counts[named[value]] = counts.get(named[value], 0) + values[value]
    kept = [column for column in table.columns if column.name != name]
    cases = " ".join(
        f"WHEN {sql.quoted(value)} THEN {sql.quoted(split)}" for value, split in named.items() if value is not None
    )
    split = f"CASE CAST({sql.name(name)} AS VARCHAR) {cases} ELSE {sql.quoted(UNNAMED)} END"
    listed = ", ".join([sql.name(column.name) for column in kept] + [sql.ROW, f"{split} AS {sql.SPLIT}"])
    view = table.engine.fresh_name("divided")
    table.engine.rows(f'CREATE VIEW "{view}" AS SELECT {listed} FROM {sql.name(table.relation)}')
    return table.replaced(
        relation=view,
        columns=tuple(structs.replace(column, splits=tuple(counts)) for column in kept),
        splits=counts,
        split_column=name,
        guesses=table.guesses + ((guess,) if guess else ()),
    )
