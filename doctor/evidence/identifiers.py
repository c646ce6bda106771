"""Columns whose values name rows rather than describe them."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from msgspec import Struct
from sqlglot import exp

from doctor.evidence.keys import words_of
from doctor.evidence.profile import ColumnProfile, Profile
from doctor.evidence.roles import Roles
from doctor.evidence.sample import Sample
from doctor.evidence.targets import Target, Task
from doctor.subjects import sql
from doctor.subjects.table import Kind, Table

MIN_DISTINCT_SHARE = 0.95
"""Looked at from here on; a check may ask for more."""
NEAR_STEPS = 5
TIME_WORDS = frozenset(("t", "ts", "date", "datetime", "day", "epoch", "hour", "minute", "month", "period", "quarter",
                        "second", "seconds", "time", "timestamp", "week", "year"))  # fmt: skip
"""A column whose name ends so holds times, also in a notation that is not read as such (20150131, 2015-W05)."""

FORMS = {
    "uuid": r"^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$",
    "hash": r"^[0-9a-fA-F]{16,}$",
    "serial": r"^[^0-9\s.,/:]{0,12}[-_#]?[0-9]+(?:[-_][0-9]+)?$",
    "token": r"^[A-Za-z0-9_=-]*(?:[A-Za-z][A-Za-z_=-]*[0-9]|[0-9][0-9_=-]*[A-Za-z])[A-Za-z0-9_=-]*$",
}
MIN_TOKEN_LENGTH = 6


class Identifier(Struct, frozen=True, kw_only=True):
    """A column of which nearly all values differ.

    Attributes
    ----------
    forms : dict of str to float
        For text, the share of drawn values that have the form of an identifier, by name of the form.
    step_share : float
        For whole numbers, the share of neighbours in sorted order that differ by exactly one unit.
    expected_repeats, repeats : float, int
        For whole numbers, how many repeats chance would give at the density of the values, and how many there are. A
        quantity repeats; numbers that were given out do not. In large tables, within a range in the middle.
    row_correlation : float
        For whole numbers, Spearman's rank correlation with the position in the file, among drawn rows.
    """

    name: str
    kind: Kind
    distinct_share: float
    distinct: int
    forms: dict[str, float] = {}
    step_share: float = 0.0
    expected_repeats: float = 0.0
    repeats: int = 0
    row_correlation: float = 0.0


class Identifiers(Struct, frozen=True, kw_only=True):
    """All columns that may identify rows; floats, times and nested values never do."""

    rows: int
    columns: tuple[Identifier, ...]

    @classmethod
    def measure(cls, table: Table, profile: Profile) -> "Identifiers":
        """Look closer at whole numbers and text with nearly as many values as rows."""
        wanted = [column for column in profile.columns if _may_identify(column)]
        found = [_number(table, profile, c) if c.kind is Kind.INTEGER else _text(table, profile, c) for c in wanted]
        return cls(rows=profile.rows, columns=tuple(found))


class LabelOrders(Struct, frozen=True, kw_only=True):
    """How far the order of an identifier tells the target.

    Attributes
    ----------
    scores : dict of str to float
        By column: how often neighbours in the column's order share their class, 0 for chance and 1 for always; for a
        quantity the squared rank correlation with that order. (Neighbours of a quantity are alike in every series.)
    p : dict of str to float
        The probability of such a score by chance (normal approximation).
    quantity : bool
        Whether the target is a quantity.
    timely : bool
        Whether the table has a time column: along time neighbours are alike by nature.
    """

    scores: dict[str, float]
    p: dict[str, float]
    quantity: bool = False
    timely: bool = False

    @classmethod
    def measure(cls, identifiers: Identifiers, roles: Roles, sample: Sample, target: Target) -> "LabelOrders":
        """Walk the drawn rows in the order of each identifier."""
        scores: dict[str, float] = {}
        p: dict[str, float] = {}
        quantity = target.task is Task.REGRESSION
        for column in identifiers.columns:
            values = sample.columns[column.name][target.rows]
            known = np.array([value is not None and value == value for value in values], dtype=bool)
            labels = target.values[known][np.argsort(values[known], kind="stable")]
            judge = _ranking if quantity else _neighbours
            scores[column.name], p[column.name] = judge(labels) if len(set(labels)) > 1 else (0.0, 1.0)
        return cls(scores=scores, p=p, quantity=quantity, timely=roles.time is not None)


def _neighbours(labels: np.ndarray[Any, Any]) -> tuple[float, float]:
    """Return the score of neighbours' likeness and its one-sided p."""
    chance = float(np.sum((np.bincount(labels) / len(labels)) ** 2))
    score = (float(np.mean(labels[1:] == labels[:-1])) - chance) / (1 - chance)
    deviation = math.sqrt(chance / (1 - chance) / (len(labels) - 1))
    return score, 0.5 * math.erfc(score / deviation / math.sqrt(2))


def _ranking(ranks: np.ndarray[Any, Any]) -> tuple[float, float]:
    """Return the squared correlation of ranks with their order and its two-sided p."""
    correlation = float(np.corrcoef(ranks, np.arange(len(ranks)))[0, 1])
    return correlation**2, math.erfc(abs(correlation) * math.sqrt(len(ranks) - 1) / math.sqrt(2))


def _may_identify(column: ColumnProfile) -> bool:
    if column.kind not in (Kind.INTEGER, Kind.TEXT) or TIME_WORDS.intersection(words_of(column.name)[-1:]):
        return False
    return column.present > 1 and column.distinct_share >= MIN_DISTINCT_SHARE


def _text(table: Table, profile: Profile, column: ColumnProfile) -> Identifier:
    name = sql.column(column.name)
    long_enough = exp.Length(this=name) >= MIN_TOKEN_LENGTH
    tests: Iterable[sql.Expression] = (
        exp.and_(sql.call("regexp_matches", name, form), long_enough)
        if key == "token"
        else sql.call("regexp_matches", name, form)
        for key, form in FORMS.items()
    )
    shares = table.ask(sql.select(*(sql.call("avg", exp.cast(test, "int")) for test in tests), source=profile.drawn))[0]
    return Identifier(
        name=column.name,
        kind=column.kind,
        distinct=column.distinct,
        distinct_share=column.distinct_share,
        forms={form: share or 0.0 for form, share in zip(FORMS, shares, strict=True)},
    )


def _number(table: Table, profile: Profile, column: ColumnProfile) -> Identifier:
    name = sql.column(column.name)
    ordered = exp.Window(this=sql.call("lag", name), order=exp.Order(expressions=[name]))
    present = _window(table, profile, column)
    gaps = table.engine.keep("gaps", table.select((name - ordered).as_("gap")).where(present))
    gap = exp.column("gap")
    unit = table.ask(sql.select(sql.call("min", gap), source=gaps).where(gap > 0))[0][0]
    wanted = (gap.eq(unit), gap.between(1, unit * NEAR_STEPS), gap.eq(0))
    total, *found = table.ask(
        sql.select(sql.call("count", exp.Star()), *map(sql.count_if, wanted), source=gaps),
    )[0]
    one, near, repeats = found
    table.engine.drop(gaps)
    return Identifier(
        name=column.name,
        kind=column.kind,
        distinct=column.distinct,
        distinct_share=column.distinct_share,
        step_share=one / max(1, total - 1),
        # Among independent draws from a smooth distribution, pairs that are equal are half as frequent as pairs that
        # differ by one unit, because the latter come in two orders.
        expected_repeats=max(one / 2, near / (2 * NEAR_STEPS)),
        repeats=repeats,
        row_correlation=_row_correlation(table, profile, column),
    )


def _window(table: Table, profile: Profile, column: ColumnProfile) -> sql.Expression:
    """Return the condition for values from the middle of the range on, about as many as rows were drawn."""
    name = sql.column(column.name)
    share = profile.drawn_rows / profile.rows
    if share == 1:
        return name.is_(exp.null()).not_()
    bounds = exp.Array(expressions=[sql.literal(0.5), sql.literal(min(1.0, 0.5 + share))])
    low, high = table.ask(sql.select(sql.call("quantile_disc", name, bounds), source=profile.drawn))[0][0]
    return name.between(low, high)


def _row_correlation(table: Table, profile: Profile, column: ColumnProfile) -> float:
    name = sql.column(column.name)
    rank = exp.Window(this=sql.call("rank"), order=exp.Order(expressions=[name]))
    place = exp.Window(this=sql.call("rank"), order=exp.Order(expressions=[sql.column(sql.ROW)]))
    ranks = sql.select(rank.as_("rank"), place.as_("place"), source=profile.drawn).where(name.is_(exp.null()).not_())
    correlation = table.ask(sql.select(sql.call("corr", exp.column("rank"), exp.column("place")), source=ranks))[0][0]
    return float(correlation) if correlation is not None and np.isfinite(correlation) else 0.0
