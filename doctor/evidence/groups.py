"""Which entities (patients, users, folders) stand in several splits, and whether an entity tells the label."""

import math
from typing import Any

import numpy as np
from msgspec import Struct
from sqlglot import exp

from doctor.evidence.keys import Key, Keys
from doctor.evidence.roles import Roles
from doctor.evidence.splits import pairs_of
from doctor.subjects import sql
from doctor.subjects.table import Kind, Table

Array = np.ndarray[Any, Any]

ROWS_JUDGED = 20_000
PERMUTATIONS = 200
MAX_CLASSES = 50
MAX_CELLS = 1_000_000
"""Of entity and class, of which most are empty where there are more."""
MAX_ROWS_OF_ONE = 2_000
MAX_EXAMPLES = 5
MIN_GAIN = 0.02
"""Entities found, not declared, that tell less of the label than this are not counted across the splits."""


class Informative(Struct, frozen=True, kw_only=True):
    """Whether rows of one entity have labels more alike than rows of different ones.

    Attributes
    ----------
    gain : float
        How much of the possible likeness they share: 0 by chance, 1 where an entity has one label. For numbers the
        share of the variance of ranks that lies between entities, chance removed.
    z : float
        Standard deviations above the labels permuted.
    rows : int
        Rows judged, of whole entities drawn by the hash of their key.
    """

    gain: float
    z: float
    rows: int


class Overlap(Struct, frozen=True, kw_only=True):
    """Entities in two splits.

    Attributes
    ----------
    keys : int
        Entities in both.
    later_keys : int
        Entities of the later split.
    rows : int
        Rows of the later split whose entity is also in the earlier one.
    """

    earlier: str
    later: str
    keys: int
    later_keys: int
    rows: int
    later_rows: int

    @property
    def share(self) -> float:
        """Rows of shared entities per row of the later split."""
        return self.rows / self.later_rows if self.later_rows else 0.0


class KeyOverlap(Struct, frozen=True, kw_only=True):
    """What one key shows across the splits; `informative` is None where no label is known or no entity repeats."""

    key: Key
    overlaps: tuple[Overlap, ...]
    informative: Informative | None
    examples: tuple[str, ...] = ()


class Groups(Struct, frozen=True, kw_only=True):
    """All keys, declared and discovered, across all pairs of splits."""

    keys: tuple[KeyOverlap, ...]

    @classmethod
    def measure(cls, table: Table, keys: Keys, roles: Roles) -> "Groups":
        """Count per key first, then per pair of splits; a key that owns half of the table costs one row."""
        pairs = pairs_of(table)
        shared = [key for key in keys.entities if set(table.column(key.column).splits) == set(table.splits)]
        return cls(keys=tuple(_overlap(table, key, pairs, roles.target) for key in shared))


def _overlap(table: Table, key: Key, pairs: list[tuple[str, str]], target: str | None) -> KeyOverlap:
    splits = list(table.splits)
    split = sql.column(sql.SPLIT)
    value = key.expression()
    counts = [sql.count_if(split.eq(sql.literal(name))).as_(f"rows_{i}") for i, name in enumerate(splits)]
    marked = sql.row_hash([value])
    told = informative_of(table, key, target) if target is not None else None
    if not key.declared and told is not None and told.gain < MIN_GAIN:
        return KeyOverlap(key=key, overlaps=(), informative=told)
    per_key = table.select(marked.as_("mark"), *counts).where(value.is_(exp.null()).not_()).group_by("mark")
    kept = table.engine.keep("entities", per_key)
    overlaps = []
    for earlier, later in pairs:
        a, b = f"rows_{splits.index(earlier)}", f"rows_{splits.index(later)}"
        both = f"{a} > 0 AND {b} > 0"
        shared, mine, rows = table.ask(
            f'SELECT count_if({both}), count_if({b} > 0), coalesce(sum({b}) FILTER ({both}), 0) FROM "{kept}"'
        )[0]
        overlaps.append(
            Overlap(
                earlier=earlier,
                later=later,
                keys=int(shared),
                later_keys=int(mine),
                rows=int(rows),
                later_rows=table.splits[later],
            )
        )
    shown = _examples(table, key, kept, len(splits)) if key.declared or (told is not None and told.z > 3) else ()
    return KeyOverlap(key=key, overlaps=tuple(overlaps), informative=told, examples=shown)


def _examples(table: Table, key: Key, kept: str, splits: int) -> tuple[str, ...]:
    several = " + ".join(f"(rows_{i} > 0)::INT" for i in range(splits))
    marks = table.ask(f'SELECT mark FROM "{kept}" WHERE {several} > 1 ORDER BY mark LIMIT {MAX_EXAMPLES}')
    listed = exp.In(this=sql.row_hash([key.expression()]), expressions=[sql.literal(mark) for (mark,) in marks])
    found = table.ask(table.select(key.expression()).where(listed).distinct()) if marks else []
    return tuple(sorted(str(value) for (value,) in found))


def informative_of(table: Table, key: Key, target: str) -> Informative | None:
    """Judge on whole entities, drawn by hash; one that owns a large part of the rows is no entity and is left out."""
    every = max(1, table.rows // ROWS_JUDGED)
    value, label = key.expression(), sql.column(target)
    mark = sql.row_hash([value])
    chosen = sql.call("mod", mark, every).eq(0)
    present = exp.and_(value.is_(exp.null()).not_(), label.is_(exp.null()).not_(), chosen)
    rows = table.select(mark.copy().as_("mark"), label.as_("label")).where(present).order_by("mark", "label")
    answer = table.engine.arrays(rows)
    _, marks, sizes = np.unique(np.asarray(answer["mark"]), return_inverse=True, return_counts=True)
    small = sizes[marks] <= MAX_ROWS_OF_ONE
    labels = np.ma.getdata(answer["label"])[small]
    marks = np.unique(marks[small], return_inverse=True)[1]
    if len(marks) < 2 or marks.max() + 1 == len(marks):
        return None
    column = table.column(target)
    classes, coded = np.unique(labels.astype(str) if column.kind is Kind.TEXT else labels, return_inverse=True)
    if column.numeric and len(classes) > MAX_CLASSES:
        return _between(marks, _ranks(labels.astype(float)))
    return _alike(marks, coded, len(classes)) if len(classes) > 1 else None


def _ranks(values: Array) -> Array:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts - 1) / 2
    return np.asarray((middle[place] - middle[place].mean()) / (middle[place].std() or 1.0))


def _alike(marks: Array, labels: Array, classes: int) -> Informative:
    """Share of equal labels among pairs of rows of one entity, against the same with labels permuted."""
    sizes = np.bincount(marks).astype(float)
    pairs = float((sizes * (sizes - 1)).sum())
    overall = np.bincount(labels, minlength=classes).astype(float)
    n = len(labels)
    chance = float((overall * (overall - 1)).sum() / (n * (n - 1)))

    few = len(sizes) * classes <= MAX_CELLS

    def agreement(given: Array) -> float:
        place = marks * classes + given
        cells = (np.bincount(place) if few else np.unique(place, return_counts=True)[1]).astype(float)
        return float((cells * (cells - 1)).sum() / pairs)

    return _against_chance(agreement, labels, chance, n)


def _between(marks: Array, ranks: Array) -> Informative:
    """Mean product of ranks among pairs of rows of one entity (the intraclass correlation)."""
    sizes = np.bincount(marks).astype(float)
    pairs = float((sizes * (sizes - 1)).sum())

    def agreement(given: Array) -> float:
        sums = np.bincount(marks, weights=given)
        squares = np.bincount(marks, weights=given**2)
        return float((sums**2 - squares).sum() / pairs)

    return _against_chance(agreement, ranks, 0.0, len(ranks))


def _against_chance(agreement: Any, labels: Array, chance: float, rows: int) -> Informative:
    draw = np.random.default_rng(0)
    null = np.array([agreement(draw.permutation(labels)) for _ in range(PERMUTATIONS)])
    seen = agreement(labels)
    spread = max(float(null.std(ddof=1)), 1e-12)
    gain = (seen - chance) / (1 - chance) if chance < 1 else 0.0
    return Informative(gain=gain, z=min((seen - float(null.mean())) / spread, 1e6), rows=rows)


def p_value(z: float) -> float:
    """Return the upper tail of the normal distribution."""
    return 0.5 * math.erfc(z / math.sqrt(2))
