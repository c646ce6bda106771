"""Takes rows out of a table: copies, rows without a label, an annotator's rows, rows of classes that are too common."""

import numpy as np
from sqlglot import exp

from doctor.evidence.row_hashes import fold
from doctor.model import DropAnnotators, DropRows, Reweight
from doctor.repair.state import Effect, Refused, State
from doctor.subjects import sql

MIN_DRAWN_ROWS = 100
MIN_DRAWN_SHARE = 0.2
"""Of the training rows; drawing fewer would cost more than the imbalance does."""


def drop_rows(state: State, repair: DropRows) -> Effect:
    """Take out copies or rows without a value.

    Raises
    ------
    Refused
        When a column is not there, or a split would be left empty.
    """
    if repair.missing:
        return _drop_missing(state, repair)
    table = state.table
    if repair.rows:
        return _drop_named(state, repair)
    names = repair.duplicates_of or tuple(column.name for column in table.columns)
    require(state, names)
    for split in filter(None, (repair.split, repair.also_in)):
        if split not in state.splits:
            raise Refused(f"there is no split {split}")
    parts = [fold(sql.column(name)) if name in repair.folded else sql.column(name) for name in names]
    mark = sql.text(sql.row_hash(parts))
    every = f"SELECT {sql.ROW} AS number, {sql.SPLIT} AS split, {mark} AS mark FROM {sql.name(table.relation)}"
    own = f" WHERE split = {sql.quoted(repair.split)}" if repair.split else ""
    if repair.also_in:
        stored = table.engine.keep("marks", every)
        query = (
            f'SELECT number FROM (SELECT * FROM "{stored}"{own}) SEMI JOIN '
            f'(SELECT mark FROM "{stored}" WHERE split = {sql.quoted(repair.also_in)}) USING (mark)'
        )
    else:
        stored = table.engine.keep("marks", f"SELECT * FROM ({every}){own}")
        twice = f'SELECT split, mark FROM "{stored}" GROUP BY ALL HAVING count(*) > 1'
        query = (
            f'SELECT number FROM "{stored}" SEMI JOIN ({twice}) USING (split, mark) '
            "QUALIFY row_number() OVER (PARTITION BY split, mark ORDER BY number) > 1"
        )
    try:
        return state.drop(state.numbers(query))
    finally:
        table.engine.drop(stored)


def require(state: State, names: tuple[str, ...]) -> None:
    """Refuse an edit that speaks of a column that the table does not have, or no longer."""
    known = {column.name for column in state.table.columns}
    for name in names:
        if name not in known:
            raise Refused(f"there is no column {name}")
        if name in state.dropped:
            raise Refused(f"{name} is dropped")


def _drop_named(state: State, repair: DropRows) -> Effect:
    if max(repair.rows) >= len(state.kept) or min(repair.rows) < 0:
        raise Refused("there are not so many rows")
    return state.drop(np.array(sorted(set(repair.rows)), dtype=np.int64))


def _drop_missing(state: State, repair: DropRows) -> Effect:
    """Take out what has no label; a split without any label is one that is kept apart on purpose."""
    require(state, repair.missing)
    holes = " OR ".join(f"{sql.name(name)} IS NULL" for name in repair.missing)
    rows = state.numbers(f"SELECT {sql.ROW} AS number FROM {sql.name(state.table.relation)} WHERE {holes}")
    missing = np.bincount(state.split[rows], minlength=len(state.splits))
    unlabelled = [number for number, name in enumerate(state.splits) if missing[number] == state.table.splits[name] > 0]
    if len(unlabelled) == len(state.splits):
        raise Refused("no row would remain")
    effect = state.drop(rows[~np.isin(state.split[rows], unlabelled)])
    if not unlabelled:
        return effect
    kept = ", ".join(state.splits[number] for number in unlabelled)
    return Effect(rows=effect.rows, examples=effect.examples, note=f"{kept} has no label at all and is kept")


def drop_annotators(state: State, repair: DropAnnotators) -> Effect:
    """Take out all rows that these annotators wrote.

    Raises
    ------
    Refused
        When the column is not there, or no row is theirs.
    """
    require(state, (repair.column,))
    who = sql.call("trim", sql.cast_text(sql.column(repair.column)))
    theirs = exp.In(this=who, expressions=[sql.literal(name) for name in repair.annotators])
    rows = state.numbers(sql.text(state.table.select(sql.column(sql.ROW).as_("number")).where(theirs)))
    if not len(rows):
        raise Refused(f"no row is by {', '.join(repair.annotators)}")
    return state.drop(rows)


def draw_classes(state: State, repair: Reweight) -> Effect:
    """Leave out rows of common classes in train, at random, until none has more than three times the rarest's rows.

    Raises
    ------
    Refused
        When too few rows would remain; then the weights are the better way.
    """
    require(state, (repair.column,))
    table = state.table
    label = f"CAST({sql.name(repair.column)} AS VARCHAR)"
    known = f"SELECT {sql.ROW} AS number, {label} AS said FROM {sql.name(table.relation)}"
    found = table.engine.arrays(
        f"SELECT number, dense_rank() OVER (ORDER BY said) - 1 AS code, hash(number) AS draw FROM ({known}) "
        "WHERE said IS NOT NULL"
    )
    rows, codes = np.asarray(found["number"]).astype(np.int64), np.asarray(found["code"]).astype(np.int64)
    chosen = state.training[rows]
    rows, codes, draw = rows[chosen], codes[chosen], np.asarray(found["draw"])[chosen]
    counts = np.bincount(codes)
    present = counts[counts > 0]
    if len(present) < 2:
        raise Refused(f"train has one class of {repair.column} only")
    most = int(np.floor(repair.ratio * present.min()))
    left = int(np.minimum(counts, most).sum())
    if left < max(MIN_DRAWN_ROWS, MIN_DRAWN_SHARE * len(rows)):
        raise Refused(
            f"drawing the common classes down would leave {left:,} of {len(rows):,} rows; weight the classes instead"
        )
    order = np.lexsort((draw, codes))
    begins = np.concatenate(([0], np.cumsum(counts)[:-1]))
    rank = np.empty(len(rows), dtype=np.int64)
    rank[order] = np.arange(len(rows)) - begins[codes[order]]
    effect = state.drop(np.sort(rows[rank >= most]))
    return Effect(
        rows=effect.rows,
        examples=effect.examples,
        weights=repair.weights,
        note="other splits keep their shares; to train with class weights instead keeps all rows",
    )
