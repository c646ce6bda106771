"""Brings annotations of any layout into the engine and pools items with the same labels from the same annotators."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlglot import exp

from doctor.errors import Unavailable, UsageError
from doctor.evidence.annotators import MAX_LABELS, AnnotatorRoles, label_text
from doctor.evidence.raters import Votes
from doctor.evidence.scales import Scale, read_scale
from doctor.subjects import sql
from doctor.subjects.table import Asked, Table

Array = np.ndarray[Any, Any]

MAX_VOTES = 5_000_000
"""Labels of pooled items that are brought out of the engine; beyond it every n-th pattern is taken."""
MAX_VOTE_PAIRS = 50_000_000
MAX_MEMBERS = 200


@dataclass(frozen=True, kw_only=True)
class Stored:
    """Annotations in the engine, and their pooled form outside.

    Attributes
    ----------
    names : tuple of str
        The annotators, sorted; empty where nobody knows who said what.
    position : ndarray of int64, shape (annotators,)
        Where each annotator's column stands among them.
    relation : str
        Stored table of the votes: `id` (pattern), `items`, `annotator`, `code`.
    item_relation, pattern_relation : str
        Stored tables of items, pooled already where the layout is wide, and of patterns.
    rows_of_items : str
        Statement that returns `item` and `row`.
    """

    votes: Votes
    scale: Scale
    names: tuple[str, ...]
    position: Array
    items: int
    ratings: int
    paired_items: int
    rating_pairs: int
    contradictions: int
    table: Table
    item: str | None
    relation: str
    item_relation: str
    pattern_relation: str
    rows_of_items: str
    stride: int

    def members(self, patterns: Sequence[int]) -> list[tuple[int, int, str | None, list[int]]]:
        """Return pattern, first row, item and label codes of at most `MAX_MEMBERS` items of each pattern."""
        if not patterns:
            return []
        chosen = ", ".join(str(pattern * self.stride) for pattern in patterns)
        found = self.table.ask(
            f'SELECT id, place."row", pattern FROM ({self.rows_of_items}) AS place '
            f'JOIN "{self.item_relation}" USING (item) JOIN "{self.pattern_relation}" USING (pattern) '
            f'WHERE id IN ({chosen}) QUALIFY row_number() OVER (PARTITION BY id ORDER BY place."row") <= {MAX_MEMBERS}'
        )
        names: dict[int, str | None] = {}
        if self.item is not None:
            place = sql.column(sql.ROW)
            wanted = self.table.select(place, sql.cast_text(sql.column(self.item)))
            names = dict(self.table.ask(wanted.where(place.isin(*sorted(row for _, row, _ in found)))))
        size = self.votes.categories
        return [
            (id // self.stride, row, names.get(row), [code % size for code in pattern]) for id, row, pattern in found
        ]


def store_votes(table: Table, found: AnnotatorRoles, declared_scale: str | None) -> Stored:
    """Read the annotations once and pool them.

    Raises
    ------
    Unavailable
        Where the labels are too many to be categories, or there are none.
    """
    engine = table.engine
    names: tuple[str, ...] = ()
    position = np.zeros(1, dtype=np.int64)
    contradictions = 0
    if found.layout == "counts":
        scale = read_scale(found.annotators, declared_scale)
        items = engine.keep("items", _counted(table, scale))
        rows = f'SELECT item, item AS "row" FROM "{items}"'
    elif found.layout == "wide":
        names = tuple(sorted(found.annotators))
        position = np.array([found.annotators.index(name) for name in names])
        cells, rows = _wide_cells(table, names)
        scale = _scale(engine, f'SELECT DISTINCT label FROM "{cells}"', declared_scale)
        label = f'"{cells}" JOIN "{_codes(engine, scale)}" USING (label)'
        items = engine.keep("items", _itemised(label, scale))
    else:
        cells, contradictions = _long_cells(table, found)
        people = _people(table, found)
        names = tuple(str(who) for (who,) in engine.rows(f'SELECT who FROM "{people}" ORDER BY annotator'))
        position = np.arange(len(names))
        scale = _scale(engine, sql.text(_labels(table, found)), declared_scale)
        codes = f'(SELECT hash(label) AS label, code FROM "{_codes(engine, scale)}") USING (label)'
        items = engine.keep("items", _itemised(f'"{cells}" JOIN {codes} JOIN "{people}" USING (person)', scale))
        rows = f'SELECT item, "row" FROM "{items}"'
    return _pooled(table, found, scale, names, position, items, rows, contradictions)


def _wide_cells(table: Table, names: Sequence[str]) -> tuple[str, str]:
    """Store the cells of rows with equal labels once, and return how rows are found again."""
    labels = sql.call("list_value", *(label_text(table.column(name)) for name in names))
    each = table.select(labels.as_("labels"), sql.column(sql.ROW).as_("row"))
    rows = f'SELECT hash(labels) AS item, "row" FROM ({sql.text(each)})'
    apart = ", ".join(f"label_{place}" for place in range(len(names)))
    spread = table.select(*(label_text(table.column(name)).as_(f"label_{i}") for i, name in enumerate(names)))
    pooled = f"SELECT {apart}, count(*) AS times FROM ({sql.text(spread)}) GROUP BY ALL"
    listed = f"SELECT hash([{apart}]) AS item, times, [{apart}] AS labels FROM ({pooled})"
    cells = table.engine.keep(
        "cells",
        f'SELECT * FROM (SELECT item, times, 0 AS "row", unnest(range({len(names)})) AS annotator, '
        f"unnest(labels) AS label FROM ({listed})) WHERE label IS NOT NULL",
    )
    return cells, rows


def _long_cells(table: Table, found: AnnotatorRoles) -> tuple[str, int]:
    """Store one label per annotator and item, by hashes; who gave an item different labels gave it none."""
    who, item, label = _long_columns(table, found)
    given = table.select(
        sql.call("hash", item).as_("item"),
        sql.column(sql.ROW).as_("row"),
        sql.call("hash", who).as_("person"),
        sql.call("hash", label).as_("label"),
    ).where(*(part.copy().is_(exp.null()).not_() for part in (who, item, label)))
    single = sql.select(
        sql.column("item"),
        sql.column("person"),
        sql.call("min", sql.column("row")).as_("row"),
        sql.call("min", sql.column("label")).as_("label"),
        sql.call("max", sql.column("label")).as_("other"),
        sql.call("count", sql.column("label")).as_("times"),
        source=given,
    ).group_by(sql.column("item"), sql.column("person"))
    stored = table.engine.keep("annotations", single)
    lost = table.ask(f'SELECT coalesce(sum(times), 0)::BIGINT FROM "{stored}" WHERE label <> other')[0][0]
    cells = table.engine.keep(
        "cells", f'SELECT item, person, "row", label, 1 AS times FROM "{stored}" WHERE label = other'
    )
    return cells, int(lost)


def _long_columns(table: Table, found: AnnotatorRoles) -> tuple[sql.Expression, sql.Expression, sql.Expression]:
    who = sql.call("trim", sql.cast_text(sql.column(found.annotators[0])))
    return who, sql.column(found.item or ""), label_text(table.column(found.label or ""))


def _people(table: Table, found: AnnotatorRoles) -> str:
    """Store the annotators by name and number, in the order of their names."""
    who, item, label = _long_columns(table, found)
    present = (part.copy().is_(exp.null()).not_() for part in (who, item, label))
    named = sql.text(table.select(who.as_("who")).where(*present).distinct())
    return table.engine.keep(
        "people",
        f"SELECT hash(who) AS person, who, row_number() OVER (ORDER BY who) - 1 AS annotator FROM ({named})",
    )


def _labels(table: Table, found: AnnotatorRoles) -> sql.Select:
    who, item, label = _long_columns(table, found)
    present = (part.copy().is_(exp.null()).not_() for part in (who, item, label))
    return table.select(label.as_("label")).where(*present).distinct()


def _counted(table: Table, scale: Scale) -> sql.Select:
    """Write each category as often as it was given."""
    lists = [
        sql.call("repeat", sql.call("list_value", code), sql.call("greatest", sql.column(label), 0))
        for code, label in enumerate(scale.labels)
    ]
    codes = sql.call("flatten", sql.call("list_value", *lists))
    return table.select(sql.column(sql.ROW).as_("item"), sql.literal(1).as_("times"), codes.as_("pattern"))


def _scale(engine: Asked, distinct_labels: str, declared: str | None) -> Scale:
    labels = [label for (label,) in engine.rows(f"{distinct_labels} LIMIT {MAX_LABELS + 1}")]
    if not labels:
        raise Unavailable("the annotators' columns hold no label")
    if len(labels) > MAX_LABELS:
        raise Unavailable(f"more than {MAX_LABELS:,} different labels are no categories to agree on")
    return read_scale(labels, declared)


def _codes(engine: Asked, scale: Scale) -> str:
    labels = sql.text(sql.call("list_value", *scale.labels))
    return engine.keep("codes", f"SELECT unnest({labels}) AS label, unnest(range({len(scale.labels)})) AS code")


def _itemised(cells: str, scale: Scale) -> str:
    """Write what was said of each item as one sorted list of numbers, annotator and code in one."""
    return (
        f"SELECT item, any_value(times) AS times, list_sort(list(annotator * {len(scale.labels)} + code)) AS pattern"
        f', min("row") AS "row" FROM {cells} GROUP BY item'
    )


def _pooled(
    table: Table,
    found: AnnotatorRoles,
    scale: Scale,
    names: tuple[str, ...],
    position: Array,
    item_relation: str,
    rows_of_items: str,
    contradictions: int,
) -> Stored:
    engine, size = table.engine, len(scale.labels)
    patterns = engine.keep(
        "patterns",
        "SELECT pattern, sum(times)::BIGINT AS items, row_number() OVER (ORDER BY pattern) - 1 AS id "
        f'FROM "{item_relation}" WHERE array_length(pattern) > 0 GROUP BY pattern',
    )
    totals = engine.rows(
        "SELECT sum(items), sum(items * array_length(pattern)), sum(if(array_length(pattern) > 1, items, 0)), "
        "sum(items * array_length(pattern) * (array_length(pattern) - 1) // 2), sum(array_length(pattern)), "
        f'sum(array_length(pattern) * (array_length(pattern) - 1) // 2) FROM "{patterns}"'
    )[0]
    items, ratings, paired_items, rating_pairs, pooled_votes, pooled_pairs = (int(total or 0) for total in totals)
    if items == 0:
        raise UsageError(f"{table.shown}: the columns given as --annotators hold no label")
    stride = max(1, -(-pooled_votes // MAX_VOTES), -(-pooled_pairs // MAX_VOTE_PAIRS))
    relation = engine.keep(
        "votes",
        f"SELECT id, items, vote // {size} AS annotator, vote % {size} AS code FROM "
        f'(SELECT id // {stride} AS id, items, unnest(pattern) AS vote FROM "{patterns}" WHERE id % {stride} = 0)',
    )
    votes = engine.arrays(f'SELECT id, annotator, code FROM "{relation}" ORDER BY id, annotator, code')
    times = engine.arrays(f'SELECT items FROM "{patterns}" WHERE id % {stride} = 0 ORDER BY id')["items"]
    return Stored(
        votes=Votes(
            pattern=np.asarray(votes["id"]).astype(np.int64),
            annotator=np.asarray(votes["annotator"]).astype(np.int64),
            category=np.asarray(votes["code"]).astype(np.int64),
            items=np.asarray(times).astype(np.int64),
            annotators=max(1, len(names)),
            categories=size,
        ),
        scale=scale,
        names=names,
        position=position,
        items=items,
        ratings=ratings,
        paired_items=paired_items,
        rating_pairs=rating_pairs,
        contradictions=contradictions,
        table=table,
        item=found.item,
        relation=relation,
        item_relation=item_relation,
        pattern_relation=patterns,
        rows_of_items=rows_of_items,
        stride=stride,
    )
