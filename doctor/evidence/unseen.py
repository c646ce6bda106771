"""Categories that one split has and the split before it lacks, and how many chance would give."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from sqlglot import exp

from doctor.evidence.arrangement import Setting, setting_of
from doctor.evidence.chronology import Chronology
from doctor.evidence.classes import Classes
from doctor.evidence.keys import Keys
from doctor.evidence.profile import Profile
from doctor.evidence.roles import Roles
from doctor.evidence.sample import numbered
from doctor.evidence.shifts import features, held_by
from doctor.evidence.sides import Sides, both
from doctor.evidence.significance import wilson_lower
from doctor.evidence.split_schemas import respelled
from doctor.evidence.splits import pairs_of
from doctor.subjects import sql
from doctor.subjects.table import Kind, Table

Array = np.ndarray[Any, Any]

MAX_LEVELS_READ = 200
MAX_LEVELS_SHOWN = 10
MAX_P_READ = 0.05
"""Columns that chance explains so well are not counted over all rows."""
TILTS = np.geomspace(1e-4, 50, 80)


class Unseen(Struct, frozen=True, kw_only=True):
    """New categories of one column in one split.

    Attributes
    ----------
    rows, later_rows : int
        Rows of the later split with a category that no row of the earlier one has, and all that have a value.
    expected_share : float
        Share of such rows that a random cut of the drawn rows would give.
    lower : float
        Lower 95 % bound of the share, what chance gives taken off.
    p : float
        Bound of the probability of so many by chance.
    levels : dict of str to int
        The commonest of them with their rows.
    """

    column: str
    earlier: str
    later: str
    rows: int
    later_rows: int
    expected_share: float
    lower: float
    p: float
    level_count: int
    levels: dict[str, int]
    cut_in_time: str | None = None
    cut_by_entity: str | None = None
    entity_pattern: str = ""

    @property
    def share(self) -> float:
        """New rows per row of the later split that has a value."""
        return self.rows / self.later_rows if self.later_rows else 0.0


class UnseenCategories(Struct, frozen=True, kw_only=True):
    """What is new in the text columns of each later split; `compared` counts columns and splits that were looked at."""

    found: tuple[Unseen, ...]
    compared: int

    @classmethod
    def measure(
        cls, table: Table, sides: Sides, roles: Roles, keys: Keys, profile: Profile, chronology: Chronology
    ) -> "UnseenCategories":
        """Look at the drawn rows, and count what is new there over all rows."""
        names = [name for name in features(table, profile, roles, keys) if table.column(name).kind is Kind.TEXT]
        found: list[Unseen] = []
        compared = 0
        for pair in sides.pairs:
            setting = setting_of(table, pair, keys, chronology)
            shared = [name for name in names if held_by(pair, name)]
            compared += len(shared)
            for name in shared:
                if (new := unseen_in(table, setting, name)) is not None:
                    found.append(new)
        return cls(found=tuple(found), compared=compared)


def unseen_in(table: Table | None, setting: Setting, name: str) -> Unseen | None:
    """Look for new categories of a column; the table is asked where the sides do not hold all its rows."""
    late = setting.late
    codes, levels = numbered(both(setting.pair, name))
    known = codes >= 0
    early = np.bincount(codes[known & ~late], minlength=len(levels))
    total = np.bincount(codes[known], minlength=len(levels))
    new = [int(i) for i in np.flatnonzero(early == 0)]
    if not new:
        return None
    units = _units(setting, codes, len(levels)) if setting.cut_by_entity else (total, int(known[late].sum()))
    p, expected = chance_of_unseen(units[0], units[1], int(units[0][new].sum()))
    if p > MAX_P_READ:
        return None
    earlier, later = setting.pair
    rows = {str(levels[i]): int(total[i]) for i in new}
    later_rows = int(known[late].sum())
    if table is not None and (earlier.rows > earlier.drawn or later.rows > later.drawn):
        rows, later_rows = _counted(table, name, sorted(rows, key=lambda level: (-rows[level], level)), setting)
    if not rows:
        return None
    share = expected / max(1, units[1])
    count = sum(rows.values())
    shown = sorted(rows, key=lambda level: (-rows[level], level))[:MAX_LEVELS_SHOWN]
    return Unseen(
        column=name,
        earlier=earlier.name,
        later=later.name,
        rows=count,
        later_rows=later_rows,
        expected_share=share,
        lower=wilson_lower(count, later_rows) - share,
        p=p,
        level_count=len(rows),
        levels={level: rows[level] for level in shown},
        cut_in_time=setting.cut_in_time,
        cut_by_entity=setting.cut_by_entity,
        entity_pattern=setting.entity_pattern,
    )


def _units(setting: Setting, codes: Array, levels: int) -> tuple[Array, int]:
    """Count entities per category instead of rows, and those of the later side."""
    owner = setting.clusters[-1]
    known = codes >= 0
    pairs = np.unique(owner[known] * levels + codes[known])
    return np.bincount(pairs % levels, minlength=levels), len(np.unique(owner[known & setting.late]))


def chance_of_unseen(totals: Array, later: int, seen: int) -> tuple[float, float]:
    """Bound the probability that so many rows of the later side have a category that the earlier one lacks.

    Rows of both sides together are cut at random. A category of c rows falls wholly on the later side with the
    probability that c draws without replacement do; the sum over categories, which are negatively associated, is
    bounded by H. Chernoff's method (1952).

    Parameters
    ----------
    totals : ndarray of int
        Rows per category, of both sides.
    later : int
        Rows of the later side.
    seen : int
        Its rows of categories that the earlier side lacks.

    Returns
    -------
    p, expected : float
        The bound, and the rows that chance gives.
    """
    size, times = np.unique(totals[totals > 0], return_counts=True)
    rows = int((size * times).sum())
    within = size <= later
    size, times = size[within], times[within]
    logs = np.array([_log_chance(int(c), later, rows) for c in size])
    chance = np.exp(logs)
    expected = float((times * size * chance).sum())
    if seen <= expected:
        return 1.0, expected
    with np.errstate(divide="ignore"):
        none = np.log1p(-np.minimum(chance, 1.0))
    powers = [float((times * np.logaddexp(none, logs + t * size)).sum() - t * seen) for t in TILTS]
    return float(np.exp(min(0.0, *powers))), expected


def _log_chance(count: int, later: int, rows: int) -> float:
    return (
        math.lgamma(later + 1) - math.lgamma(later - count + 1) - math.lgamma(rows + 1) + math.lgamma(rows - count + 1)
    )


def _counted(table: Table, name: str, levels: Sequence[str], setting: Setting) -> tuple[dict[str, int], int]:
    """Count, over all rows, the levels that the earlier split indeed lacks."""
    earlier, later = (side.name for side in setting.pair)
    column, split = sql.column(name), sql.column(sql.SPLIT)
    listed = exp.In(this=column, expressions=[sql.literal(level) for level in levels[:MAX_LEVELS_READ]])
    sides = [sql.count_if(split.eq(sql.literal(side))).as_(f"side_{i}") for i, side in enumerate((earlier, later))]
    answer = table.ask(table.select(column.as_("level"), *sides).where(listed).group_by(exp.Literal.number(1)))
    present = table.ask(table.select(sql.call("count", column)).where(split.eq(sql.literal(later))))[0][0]
    return {str(level): int(after) for level, before, after in answer if not before and after}, int(present)


class UnseenClasses(Struct, frozen=True, kw_only=True):
    """Classes that one of two splits lacks.

    Attributes
    ----------
    new, lost : dict of str to int
        Those that only the later, and only the earlier split has, with their rows, the most frequent first.
    new_p, lost_p : float
        Bound of the probability of so many by chance.
    before, after : int
        Rows with a label.
    respelled : dict of str to str
        New ones that are classes of the earlier split in another spelling.
    """

    earlier: str
    later: str
    before: int
    after: int
    new: dict[str, int]
    new_p: float
    lost: dict[str, int]
    lost_p: float
    respelled: dict[str, str]


class UnseenLabels(Struct, frozen=True, kw_only=True):
    """The first split that has labels beside each later one; `columns` is empty where images have the labels."""

    target: str
    pairs: tuple[UnseenClasses, ...]
    columns: tuple[str, ...]
    unit: str

    @classmethod
    def measure(
        cls,
        table: Table | None,
        classes: Classes,
        sides: Sides | None,
        keys: Keys | None,
        chronology: Chronology | None,
    ) -> "UnseenLabels":
        """Compare the counts of all rows; where splits are cut by entity, chance deals out entities.

        Raises
        ------
        NotApplicable
            When there is only one split.
        """
        filled = [split for split, counts in classes.by_split.items() if counts]
        settings: dict[str, Setting] = {}
        if table is not None:
            pairs_of(table)
            if sides is not None and keys is not None and chronology is not None:
                settings = {pair[1].name: setting_of(table, pair, keys, chronology) for pair in sides.pairs}
        pairs = tuple(
            compared(
                (filled[0], later),
                (classes.by_split[filled[0]], classes.by_split[later]),
                settings.get(later),
                classes.target,
            )
            for later in filled[1:]
        )
        return cls(target=classes.target, pairs=pairs, columns=classes.columns, unit=classes.unit)


def compared(
    splits: tuple[str, str], counts: tuple[Mapping[str, int], Mapping[str, int]], setting: Setting | None, target: str
) -> UnseenClasses:
    """Compare the classes of two splits."""
    before, after = counts
    new, lost = _only_in(after, before), _only_in(before, after)
    chances = (_chance(before, after, new), _chance(after, before, lost))
    if setting is not None and setting.cut_by_entity and (new or lost):
        chances = _chances_by_entity(setting, target)
    return UnseenClasses(
        earlier=splits[0],
        later=splits[1],
        before=sum(before.values()),
        after=sum(after.values()),
        new=new,
        new_p=chances[0],
        lost=lost,
        lost_p=chances[1],
        respelled=respelled(new, before),
    )


def _only_in(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    only = {name: rows for name, rows in one.items() if rows and not other.get(name)}
    return {name: only[name] for name in sorted(only, key=lambda name: (-only[name], name))}


def _chance(lacking: Mapping[str, int], having: Mapping[str, int], only: Mapping[str, int]) -> float:
    names = list(dict.fromkeys((*lacking, *having)))
    totals = np.array([lacking.get(name, 0) + having.get(name, 0) for name in names])
    return chance_of_unseen(totals, sum(having.values()), sum(only.values()))[0]


def _chances_by_entity(setting: Setting, target: str) -> tuple[float, float]:
    """Return the chances of the classes that only the later, and only the earlier side has, counted in entities."""
    values = both(setting.pair, target)
    if values.dtype != object:
        values = np.array([None if value != value else value for value in values.tolist()], dtype=object)
    codes, levels = numbered(values)
    known = codes >= 0
    owner, side = setting.clusters[-1][known], setting.late[known].astype(int)
    met = np.unique(np.stack([owner, codes[known], side]), axis=1)
    counts = [np.bincount(met[1][met[2] == number], minlength=len(levels)) for number in (0, 1)]
    units = [len(np.unique(owner[side == number])) for number in (0, 1)]
    total = counts[0] + counts[1]
    chances = [
        chance_of_unseen(total, units[number], int(counts[number][counts[1 - number] == 0].sum()))[0]
        for number in (1, 0)
    ]
    return chances[0], chances[1]
