"""Reads tables: numbers standardised, categories numbered, both by what train holds. Loads no torch."""

import zlib
from dataclasses import dataclass, field

import numpy as np
from sqlglot import exp

from doctor.case import Case
from doctor.errors import NoVerdict, UsageError
from doctor.evidence.roles import Roles
from doctor.evidence.sample import coded
from doctor.measurements import Measurements, Scope, Silent
from doctor.settings import Settings
from doctor.subjects import sql
from doctor.subjects.table import Column, Kind, Table
from doctor.trainer.data import Array, Data, Rows, Sizes, divided
from doctor.trainer.recipe import Recipe
from doctor.trainer.targets import read_targets
from doctor.wording import printable

MAX_LEVELS = 200
"""A text with more values than this in train is hashed into `BUCKETS`."""
BUCKETS = 1024
UNKNOWN, MISSING = 0, 1
"""The entries of a category for what train does not hold, and for no value."""


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A table in memory, in the order of its files.

    Attributes
    ----------
    values : dict of str to ndarray, shape (rows,)
        As `doctor.evidence.sample.coded` gives them.
    """

    shown: str
    columns: tuple[Column, ...]
    values: dict[str, Array]
    splits: Array
    target: str | None
    notes: list[str] = field(default_factory=list)


def load(case: Case, settings: Settings) -> Loaded:
    """Fetch all rows of the case's table, and find its target."""
    (table,) = case.tables
    query = sql.select(exp.Star(), source=table.relation).order_by(sql.column(sql.ROW))
    answer = table.engine.arrays(query)
    target, notes = _target(case, table, settings)
    return Loaded(
        shown=table.shown,
        columns=table.columns,
        values={column.name: coded(answer[column.name], column) for column in table.columns},
        splits=np.asarray(answer[sql.SPLIT], dtype=object),
        target=target,
        notes=notes,
    )


def _target(case: Case, table: Table, settings: Settings) -> tuple[str | None, list[str]]:
    if table.declared.target:
        return table.resolve(table.declared.target), []
    try:
        scope = Scope({**case.singles(settings), Table: table}, "", table.shown)
        roles: Roles = Measurements(Silent(), None).get(Roles, scope)
    except NoVerdict:
        return None, []
    guessed = [guess for guess in roles.guesses if guess.what == "target"]
    return roles.target, [f"target {printable(guess.value)}: {guess.because}" for guess in guessed]


def features(table: Loaded, recipe: Recipe) -> list[Column]:
    """Return the columns to learn from."""
    unknown = set(recipe.without) - {column.name for column in table.columns}
    if unknown:
        raise UsageError(f"{table.shown}: there is no column {printable(min(unknown))!r} to do without")
    return [column for column in table.columns if column.name != table.target and column.name not in recipe.without]


def encode(table: Loaded, recipe: Recipe) -> Data:
    """Turn a table into arrays for a model.

    Raises
    ------
    UsageError
        When there is no target, or nothing to learn it from.
    """
    if table.target is None:
        raise UsageError(f"{table.shown}: which column is to be predicted? Name it with --target COLUMN")
    column = next(column for column in table.columns if column.name == table.target)
    usable = np.isin(table.splits, column.splits)
    first = next((name for name in ("train", "all") if name in column.splits), column.splits[0])
    targets = read_targets(
        table.target, table.values[table.target], column.kind, usable & (table.splits == first), recipe.task
    )
    kept = np.flatnonzero(targets.known & usable)
    parts, said = divided(table.splits[kept], recipe.held_out)
    train = kept[parts["train"]]
    numbers, categories, levels, told = _inputs(table, recipe, train)
    if not numbers.shape[1] and not levels:
        raise UsageError(f"{table.shown}: there is no column to learn {printable(table.target)} from")

    def rows(which: Array) -> Rows:
        inputs = {"numbers": numbers[which], "categories": categories[which]}
        return Rows(inputs=inputs, targets=targets.values[which], numbers=which)

    return Data(
        kind="table",
        task=targets.task,
        train=rows(train),
        evaluated={name: rows(kept[part]) for name, part in parts.items() if name != "train"},
        sizes=Sizes(outputs=len(targets.classes) or 1, numbers=numbers.shape[1], levels=levels),
        classes=targets.classes,
        centre=targets.centre,
        spread=targets.spread,
        notes=[*table.notes, *said, *targets.notes, *told],
    )


def _inputs(table: Loaded, recipe: Recipe, train: Array) -> tuple[Array, Array, tuple[int, ...], list[str]]:
    numbers: list[Array] = []
    categories: list[Array] = []
    levels: list[int] = []
    notes: list[str] = []
    for column in features(table, recipe):
        values = table.values[column.name]
        if column.kind in (Kind.TEXT, Kind.OTHER):
            codes, count, hashed = numbered(values, train)
            categories.append(codes)
            levels.append(count)
            notes += [f"{printable(column.name)}: hashed, it has more than {MAX_LEVELS} values"] * hashed
        else:
            numbers += measured(values, train, standardise=recipe.standardise)
    shape = (len(table.splits), 0)
    return (
        np.stack(numbers, axis=1).astype(np.float32) if numbers else np.zeros(shape, np.float32),
        np.stack(categories, axis=1) if categories else np.zeros(shape, np.int64),
        tuple(levels),
        notes,
    )


def measured(values: Array, train: Array, *, standardise: bool) -> list[Array]:
    """Return a column, with mean 0 and deviation 1 in train, and a second one that flags where there is no number.

    A missing number becomes the mean. The flag is left out where train misses none, and both where it has none.
    """
    known = np.isfinite(values)
    learnt = values[train][known[train]]
    if not len(learnt):
        return []
    spread = float(learnt.std())
    filled = np.where(known, values, learnt.mean())
    columns = [(filled - learnt.mean()) / (spread if spread > 0 else 1.0) if standardise else filled]
    return [*columns, ~known] if not known[train].all() else columns


def numbered(values: Array, train: Array) -> tuple[Array, int, bool]:
    """Number the values of a text column.

    Returns
    -------
    ndarray of int64, shape (rows,)
        0 for a value that train does not hold, 1 for none.
    int
        Entries of the embedding.
    bool
        Whether the values were hashed.
    """
    known = sorted({value for value in values[train] if value is not None})
    if len(known) > MAX_LEVELS:
        places = {value: _bucket(value) for value in set(values) if value is not None}
    else:
        places = {value: MISSING + 1 + number for number, value in enumerate(known)}
    codes = [MISSING if value is None else places.get(value, UNKNOWN) for value in values]
    hashed = len(known) > MAX_LEVELS
    return np.array(codes, dtype=np.int64), MISSING + 1 + (BUCKETS if hashed else len(known)), hashed


def _bucket(value: str) -> int:
    return MISSING + 1 + zlib.crc32(value.encode("utf-8", "surrogatepass")) % BUCKETS
