"""Draws splits anew with as many rows as they had: whole groups, along time, with every class's share, or at random."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from doctor.evidence.dates import date_format, time_of
from doctor.evidence.keys import Key
from doctor.model import Resplit
from doctor.repair.rows import require
from doctor.repair.state import Array, Effect, Refused, State
from doctor.subjects import sql
from doctor.subjects.formats import JSON_SUFFIXES, TEXT_SUFFIXES, suffix_of
from doctor.subjects.table import Kind

KINDS = ("time", "random", "group", "stratified")


def resplit(state: State, repairs: Sequence[Resplit]) -> Effect:
    """Draw the splits along all that is asked for: along time first, then no group on both sides.

    Raises
    ------
    Refused
        When a column is not there, rows of one split lack what others have, or a split would be left empty.
    """
    if len(state.splits) < 2:
        raise Refused("there is only one split")
    require(state, tuple(repair.column for repair in repairs if repair.column))
    for column in state.table.columns:
        if set(column.splits) != set(state.splits):
            lacking = next(name for name in state.splits if name not in column.splits)
            raise Refused(f"{lacking} has no column {column.name}, so rows cannot move")
    families = {_family(suffix_of(part.path)) for part in state.table.parts}
    if len(families) > 1 and state.table.split_column is None:
        raise Refused(f"its splits lie in different formats ({' and '.join(sorted(families))}), so rows cannot move")
    by = {kind: [repair for repair in repairs if repair.by == kind] for kind in KINDS}
    groups = [Key(column=repair.column or "", pattern=repair.pattern, because="") for repair in by["group"]]
    if by["time"]:
        effect = state.move(_along_time(state, by["time"][0].column or ""))
        return _with_groups_apart(state, groups, effect) if groups else effect
    if by["random"]:
        keys = [Key(column=one.column, pattern=one.pattern, because="") for one in by["random"] if one.column]
        return state.move(_at_random(state, [*keys, *groups]))
    if groups:
        return state.move(_whole_groups(state, _entities(state, groups)))
    return state.move(_stratified(state, by["stratified"][0].column or ""))


def _family(suffix: str) -> str:
    return "text" if suffix in TEXT_SUFFIXES else "JSON" if suffix in JSON_SUFFIXES else "columns"


def _along_time(state: State, name: str) -> Array:
    """Cut between two times, where the splits keep their sizes best; rows without a time stay where they are."""
    form = date_format(state.table, name) if state.table.column(name).kind is Kind.TEXT else None
    moment = sql.text(time_of(name, form))
    numeric = state.table.column(name).numeric
    known = f"CASE WHEN {moment} IS NULL THEN NULL ELSE {moment if numeric else f'epoch_us({moment})'} END"
    present = state.values(f"({known}) IS NOT NULL").astype(bool) & state.kept
    when = state.values(f"coalesce({known}, 0)")
    times, rows_at = np.unique(when[present], return_counts=True)
    if len(times) < len(state.splits):
        raise Refused(f"{name} has {len(times)} different times for {len(state.splits)} splits")
    upto = np.cumsum(rows_at)
    sizes = np.bincount(state.split[present], minlength=len(state.splits))
    filled = [number for number in range(len(state.splits)) if sizes[number]]
    split = state.split.copy()
    first = 0
    place = np.searchsorted(times, when)
    for position, number in enumerate(filled):
        later = len(filled) - 1 - position
        wanted = sizes[filled[: position + 1]].sum()
        last = len(times) - 1 if not later else int(np.abs(upto - wanted).argmin())
        last = min(max(last, first), len(times) - 1 - later)
        split[present & (place >= first) & (place <= last)] = number
        first = last + 1
    state.resplit_by = name
    return split


def _entities(state: State, keys: Sequence[Key]) -> Array:
    """Number the entities, those that share a row through several keys joined; -1 where a row has none."""
    marks = []
    for key in keys:
        value = sql.text(key.expression())
        present = state.values(f"({value}) IS NOT NULL").astype(bool)
        marks.append(np.where(present, 1 + np.unique(state.values(f"hash({value})"), return_inverse=True)[1], 0))
    if len(marks) == 1:
        return np.asarray(marks[0] - 1)
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    offsets = np.cumsum([0, *(mark.max() + 1 for mark in marks)])
    nodes = np.stack([mark + offset for mark, offset in zip(marks, offsets, strict=False)])
    known = np.stack([mark > 0 for mark in marks])
    ends: list[tuple[Any, Any]] = []
    for other in range(1, len(marks)):
        both = known[0] & known[other]
        ends.append((nodes[0][both], nodes[other][both]))
    rows, columns = (np.concatenate([end[side] for end in ends]) for side in (0, 1))
    links = coo_matrix((np.ones(len(rows), dtype=bool), (rows, columns)), shape=(offsets[-1], offsets[-1]))
    _, component = connected_components(links, directed=False)
    found = np.full(len(state.kept), -1, dtype=np.int64)
    for mark, node in zip(known, nodes, strict=True):
        found = np.where((found < 0) & mark, component[node], found)
    return found


def _whole_groups(state: State, entity: Array) -> Array:
    """Put each group that stands in several splits into one of them, the largest first, where most rows are wanting."""
    wanted = state.sizes.astype(float)
    known = state.kept & (entity >= 0)
    names, group = np.unique(entity[known], return_inverse=True)
    count = np.zeros((len(names), len(state.splits)), dtype=np.int64)
    np.add.at(count, (group, state.split[known]), 1)
    torn = np.flatnonzero((count > 0).sum(axis=1) > 1)
    have = state.sizes - count[torn].sum(axis=0)
    home = count.argmax(axis=1)
    size = count.sum(axis=1)
    for number in torn[np.lexsort((torn, -size[torn]))]:
        lack = np.where(count[number] > 0, wanted - have, -np.inf)
        home[number] = int(lack.argmax())
        have[home[number]] += size[number]
    split = state.split.copy()
    moving = np.isin(group, torn)
    split[np.flatnonzero(known)[moving]] = home[group[moving]]
    return split


def _with_groups_apart(state: State, keys: Sequence[Key], effect: Effect) -> Effect:
    """After a cut in time a group may stand on both sides: take its rows out of the earlier side."""
    entity = _entities(state, keys)
    last = np.full(int(entity.max()) + 1 if len(entity) else 0, -1)
    known = state.kept & (entity >= 0)
    np.maximum.at(last, entity[known], state.split[known])
    torn = np.flatnonzero(known)
    torn = torn[state.split[torn] < last[entity[torn]]]
    gone = state.drop(torn)
    note = "the rows of groups on both sides of a cut are taken out of the earlier split"
    return Effect(moved=effect.moved, rows=gone.rows, examples=effect.examples, note=note if gone.rows else "")


def _at_random(state: State, keys: Sequence[Key]) -> Array:
    """Deal out all rows by a hash: of their entity, else of their content, so that what is alike stays together."""
    content = f"hash({', '.join(sql.name(column.name) for column in state.table.columns)})"
    if keys:
        entity = _entities(state, keys)
        alone = entity < 0
        entity = np.where(alone, entity.max() + 1 + np.arange(len(entity)), entity)
        unit = np.unique(entity, return_inverse=True)[1]
    else:
        unit = np.unique(state.values(content), return_inverse=True)[1]
    rows_of = np.bincount(unit[state.kept], minlength=int(unit.max()) + 1)
    order = np.random.default_rng(0).permutation(len(rows_of))
    cuts = np.cumsum(state.sizes)
    middle = np.cumsum(rows_of[order]) - rows_of[order] / 2
    home = np.empty(len(rows_of), dtype=np.int64)
    home[order] = np.minimum(np.searchsorted(cuts, middle, side="right"), len(cuts) - 1)
    split = state.split.copy()
    split[state.kept] = home[unit[state.kept]]
    return split


def _stratified(state: State, name: str) -> Array:
    """Give every split its share of every class, and move no more rows than that takes."""
    label = f"CAST({sql.name(name)} AS VARCHAR)"
    present = state.values(f"{label} IS NOT NULL").astype(bool) & state.kept
    codes = np.unique(state.values(f"hash({label})"), return_inverse=True)[1]
    share = state.sizes / state.sizes.sum()
    split = state.split.copy()
    for code in np.unique(codes[present]):
        rows = np.flatnonzero(present & (codes == code))
        exact = share * len(rows)
        quota = np.floor(exact).astype(int)
        short = len(rows) - quota.sum()
        quota[np.argsort(-(exact - quota), kind="stable")[:short]] += 1
        here = split[rows]
        surplus = np.concatenate(
            [rows[here == number][quota[number] :] for number in range(len(state.splits))] or [rows[:0]]
        )
        for number in range(len(state.splits)):
            missing = max(0, int(quota[number]) - int(np.count_nonzero(here == number)))
            split[surplus[:missing]] = number
            surplus = surplus[missing:]
    return split
