"""Which columns hold annotations: one column per annotator, one row per annotation, or counts per category."""

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from sqlglot import exp

from doctor.errors import UsageError
from doctor.evidence.profile import Profile
from doctor.model import Guess
from doctor.subjects import sql
from doctor.subjects.table import Column, Kind, Table

MAX_LABELS = 1000
MIN_SHARED_CELLS = 0.9
MIN_ROWS = 5
MIN_ROWS_WITHOUT_A_MATCH = 20
MAX_RATERS_COUNTED = 100

PERSON = "rater|annotator|coder|labell?er|labell?er|grader|assessor|judge|expert|crowd_?worker|radiologist|pathologist"
WIDE_NAME = re.compile(
    rf"(?:label|annotation|rating|score|answer|vote|code)?[_ .-]*(?:by|of|from)?[_ .-]*"
    rf"(?:{PERSON})[_ .#-]*(?:\d{{1,3}}|[a-z])(?:[_ .-]*(?:label|annotation|rating|answer|vote|code))?"
)
BY_NAME = re.compile(r"(?:label|labell?ed|annotation|annotated|rating|rated|coded|graded|judged)[_ .-]by[_ .-].+")
ANNOTATOR_NAMES = re.compile(rf"(?:{PERSON}|worker|turker)(?:[_ .-]?(?:id|name))?")
ITEM_NAMES = re.compile(
    r"(?:item|unit|units|task|example|sample|subject|document|doc|text|sentence|utterance|image|question|hit|case|instance)"
    r"(?:[_ .-]?(?:id|nr|no|number))?"
)
LABEL_NAMES = re.compile(r"(?:label|annotation|answer|rating|category|class|code|judge?ment|vote|response|target)s?")


class AnnotatorRoles(NamedTuple):
    """Where the annotations are.

    `annotators` are one column each (layouts "wide" and "counts", where each is a category) or the one column that
    names the annotator ("long"). `item` and `label` belong to the long layout. All empty where there are none.
    """

    annotators: tuple[str, ...] = ()
    item: str | None = None
    label: str | None = None
    layout: str | None = None
    guess: Guess | None = None


def infer_annotators(table: Table, profile: Profile) -> AnnotatorRoles:
    """Take the annotators that were declared, else look for columns that can be nothing else.

    Numbered columns alone (`x1`, `q7`, `pixel_0_1`, `r3`) are features: a name must speak of a person who judges, and
    the columns must share their labels. The table is asked only where names fit.

    Raises
    ------
    UsageError
        For a declared column that is not there, or a long layout whose item or label nobody named.
    """
    if table.declared.annotators:
        return _declared(table)
    for found in (_wide(table, profile), _long(table, profile), _counts(table, profile)):
        if found:
            return found
    return AnnotatorRoles()


def label_text(column: Column) -> sql.Expression:
    """Write the expression that spells a label alike in whole and in broken numbers (1 and 1.0)."""
    name = sql.column(column.name)
    if column.kind is not Kind.NUMBER:
        return sql.call("trim", sql.cast_text(name))
    whole = sql.call("floor", name).eq(name).and_(sql.call("abs", name) < sql.literal(1e15))
    return sql.call(
        "if", whole, sql.cast_text(exp.TryCast(this=name, to=exp.DataType.build("bigint"))), sql.cast_text(name)
    )


def _declared(table: Table) -> AnnotatorRoles:
    told = table.declared
    given = tuple(map(table.resolve, told.annotators))
    declared_item = table.resolve(told.item) if told.item else None
    declared_label = table.resolve(told.target) if told.target else None
    if len(set(given)) != len(given):
        raise UsageError(f"{table.shown}: --annotators names a column twice")
    if len(given) > 1:
        layout = "counts" if _are_counts(table, given) else "wide"
        return AnnotatorRoles(given, declared_item, None, layout, None)
    item = declared_item or _only(table, ITEM_NAMES, given)
    label = declared_label or _only(table, LABEL_NAMES, (*given, item or ""))
    if item is None or label is None:
        missing = "--item COLUMN" if item is None else "--target COLUMN"
        raise UsageError(f"{table.shown}: one row per annotation, by {given[0]!r}, also needs {missing}")
    return AnnotatorRoles(given, item, label, "long", None)


def _only(table: Table, pattern: re.Pattern[str], taken: Sequence[str]) -> str | None:
    fitting = [c.name for c in table.columns if c.name not in taken and pattern.fullmatch(c.name.lower().strip())]
    return fitting[0] if len(fitting) == 1 else None


def _wide(table: Table, profile: Profile) -> AnnotatorRoles | None:
    families: dict[str, list[Column]] = defaultdict(list)
    for column in table.columns:
        name = column.name.lower().strip()
        if BY_NAME.fullmatch(name):
            families[re.split(r"(?<=by)[_ .-]", name)[0]].append(column)
        elif WIDE_NAME.fullmatch(name):
            families[re.sub(r"(\d+|(?<![a-z])[a-z](?![a-z])|(?<=[ _.-])[a-z]$)", "#", name)].append(column)
    fitting = [columns for columns in families.values() if len(columns) > 1]
    if len(fitting) != 1:
        return None
    columns = fitting[0]
    if len({column.numeric for column in columns}) > 1 or not _share_labels(table, profile, columns):
        return None
    names = tuple(column.name for column in columns)
    because = "their names and the labels they share"
    return AnnotatorRoles(names, None, None, "wide", _guess(table, names, because, "--annotators A,B,…"))


def _share_labels(table: Table, profile: Profile, columns: Sequence[Column]) -> bool:
    """Whether nearly every label of a column occurs in another, and annotators sometimes agree."""
    if any(profile[column.name].distinct > 1.2 * MAX_LABELS for column in columns):
        return False
    spread = table.select(*(label_text(column).as_(f"label_{i}") for i, column in enumerate(columns)))
    labels = ", ".join(f"label_{i}" for i in range(len(columns)))
    pooled = table.engine.keep(
        "shared_labels",
        f"SELECT [{labels}] AS labels, count(*) AS times FROM ({sql.text(spread)}) GROUP BY {labels}",
    )
    counted = (
        f"SELECT label, place, sum(times)::BIGINT FROM (SELECT unnest(labels) AS label, times, "
        f'unnest(range({len(columns)})) AS place FROM "{pooled}") GROUP BY label, place'
    )
    columns_of: dict[str, set[int]] = defaultdict(set)
    cells_of: dict[str, int] = defaultdict(int)
    for label, column, count in table.ask(counted):
        if label is not None:
            columns_of[label].add(column)
            cells_of[label] += count
    total = sum(cells_of.values())
    shared = sum(count for label, count in cells_of.items() if len(columns_of[label]) > 1)
    if len(cells_of) > min(MAX_LABELS, total / 2) or shared < MIN_SHARED_CELLS * total:
        return False
    rated, apart = table.ask(
        "SELECT sum(times), sum(if(array_length(list_distinct(labels)) = list_count(labels), times, 0)) "
        f'FROM "{pooled}" WHERE list_count(labels) > 1'
    )[0]
    # Columns that name who annotated, not what they said, never hold the same value twice in a row.
    return bool(rated and (apart < rated or rated < MIN_ROWS_WITHOUT_A_MATCH))


def _long(table: Table, profile: Profile) -> AnnotatorRoles | None:
    who = _only(table, ANNOTATOR_NAMES, ())
    item = _only(table, ITEM_NAMES, (who or "",))
    declared = table.declared.target
    label = table.resolve(declared) if declared else _only(table, LABEL_NAMES, (who or "", item or ""))
    if who is None or item is None or label is None or label in (who, item) or label not in _names(table):
        return None
    rows = table.rows
    if profile[who].distinct < 2 or 2 * profile[who].distinct > rows or 1.25 * profile[item].distinct > rows:
        return None
    if profile[label].distinct > 1.2 * MAX_LABELS or 2 * profile[label].distinct > rows:
        return None
    because = f"its name, with {item} as the item and {label} as the label"
    guess = _guess(table, (who,), because, "--annotators COLUMN --item COLUMN --target COLUMN")
    return AnnotatorRoles((who,), item, label, "long", guess)


def _counts(table: Table, profile: Profile) -> AnnotatorRoles | None:
    """Find a table of nothing but one item column and counts that add up to the same number in each row."""
    if len(table.columns) < 3 or table.rows < MIN_ROWS:
        return None
    item, *rest = table.columns
    names = tuple(column.name for column in rest)
    plain = all(column.kind is Kind.INTEGER and profile[column.name].missing == 0 for column in rest)
    if not plain or not ITEM_NAMES.fullmatch(item.name.lower().strip()) or not _are_counts(table, names):
        return None
    guess = _guess(table, names, "counts that add up alike for each item", "--annotators A,B,…")
    return AnnotatorRoles(names, item.name, None, "counts", guess)


def _are_counts(table: Table, names: Sequence[str]) -> bool:
    columns = [table.column(name) for name in names]
    if any(column.kind is not Kind.INTEGER for column in columns):
        return False
    total = sql.call("list_sum", sql.call("list_value", *(sql.column(name) for name in names)))
    least = sql.call("list_min", sql.call("list_value", *(sql.column(name) for name in names)))
    present = sql.call("min", sql.call("list_count", sql.call("list_value", *(sql.column(name) for name in names))))
    answer = table.ask(
        table.select(
            sql.call("min", total), sql.call("max", total), sql.call("min", least), present, sql.call("max", least)
        )
    )
    low, high, smallest, filled, largest_least = answer[0]
    constant = low is not None and low == high and 2 <= low <= MAX_RATERS_COUNTED
    # A row of labels from 1 up has no zero; a row of counts over several categories nearly always has one.
    return bool(constant and smallest == 0 and largest_least < low and filled == len(names) and table.rows >= MIN_ROWS)


def _names(table: Table) -> set[str]:
    return {column.name for column in table.columns}


def _guess(table: Table, names: Sequence[str], because: str, override: str) -> Guess:
    return Guess(subject=table.shown, what="annotators", value=", ".join(names), because=because, override=override)
