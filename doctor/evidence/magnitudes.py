"""The size of numbers: bounds, infinities, lone values at either end, what a shorter format would lose."""

import math
from collections.abc import Callable, Iterator

import numpy as np
from msgspec import Struct

from doctor.evidence.profile import MAX_FINITE, ColumnProfile, Profile, chunks
from doctor.evidence.sample import Array, Sample
from doctor.subjects import sql
from doctor.subjects.table import Kind, Table

MIN_DIFFERENT = 20
"""Different values besides the lone one, below which ends cannot be told from levels."""
MIN_ROWS = 200
NEIGHBOURS = 4
NEIGHBOUR_SHARE = 0.05
MAX_PEELED = 3
MIN_RANGES_COUNTED = 0.8
MIN_SPACINGS_COUNTED = 4.0
"""From which lone values of large tables are counted over all rows."""

SENTINELS = {
    *(float(sign * int(str(digit) * length)) for sign in (1, -1) for digit in (7, 8, 9) for length in (2, 3, 4, 5, 6)),
    *(-1.0, -2.0, -9.0, 9.0, -32768.0, -999.25, -9999.9, 1e20, -1e20, 1e30, -1e30, 2147483647.0, -2147483648.0),
}
"""Numbers that people and programs write for "nothing"."""


class Lone(Struct, frozen=True, kw_only=True):
    """A value, or a few, at one end of a column, apart from all others.

    Attributes
    ----------
    values : tuple of float
        From the outermost inwards.
    rows : int
        Rows that hold them.
    nearest : float
        The value next to them.
    spacings : float
        Distance to it, in mean distances of the values next to it.
    crowding : float
        Rows of the value per row of the values next to it; 0 where there are several.
    ranges : float
        Distance to the rest in ranges of its middle 99.8 %, on a scale of ratios: of logarithms where all are positive.
    clear : float
        How far the rest (its 0.1 % quantile) stands from zero, in ranges of its middle 99.8 %.
    """

    low: bool
    values: tuple[float, ...]
    rows: int
    nearest: float
    other_low: float
    other_high: float
    spacings: float
    crowding: float
    ranges: float
    clear: float


class Magnitude(Struct, frozen=True, kw_only=True):
    """The size of a column's numbers.

    Attributes
    ----------
    low, high : float
        Of all rows, infinities included; NaN where there is no value.
    infinite : int
        Rows with an infinite value.
    spread : float
        Range of the middle 90 %, of the drawn rows.
    middle : float
        Median of the drawn rows.
    whole : bool
        Whether all its numbers are whole.
    different, different32 : int
        Different values of the drawn rows, and how many are left as 32-bit floats.
    """

    name: str
    rows: int
    low: float
    high: float
    whole: bool
    infinite: int = 0
    spread: float = 0.0
    middle: float = 0.0
    different: int = 0
    different32: int = 0
    lone: tuple[Lone, ...] = ()


class Magnitudes(Struct, frozen=True, kw_only=True):
    """The size of the numbers of every numeric column that has any."""

    columns: tuple[Magnitude, ...]

    @classmethod
    def measure(cls, table: Table, profile: Profile, sample: Sample) -> "Magnitudes":
        """Take bounds from the profile and the rest from the drawn rows; count over all rows what is rare."""
        numeric = [column for column in profile.columns if column.numeric and column.present]
        infinite = _infinite(table, numeric)
        lone = {column.name: tuple(_lone_ends(column, sample.columns[column.name])) for column in numeric}
        if sample.rows < table.rows:
            lone = _recounted(table, lone)
        return cls(
            columns=tuple(
                _magnitude(column, sample.columns[column.name], infinite.get(column.name, 0), lone[column.name])
                for column in numeric
            )
        )


def _magnitude(column: ColumnProfile, values: Array, infinite: int, lone: tuple[Lone, ...]) -> Magnitude:
    finite = values[np.abs(values) < MAX_FINITE]
    low, high = bounds_of(column)
    different = np.unique(finite)
    with np.errstate(over="ignore"):
        different32 = len(np.unique(different.astype(np.float32)))
    edges = np.quantile(finite, [0.05, 0.5, 0.95]) if len(finite) else np.zeros(3)
    return Magnitude(
        name=column.name,
        rows=column.present,
        low=low,
        high=high,
        whole=column.kind is Kind.INTEGER,
        infinite=infinite,
        spread=float(edges[2] - edges[0]),
        middle=float(edges[1]),
        different=len(different),
        different32=different32,
        lone=lone,
    )


def bounds_of(column: ColumnProfile) -> tuple[float, float]:
    """Return the smallest and the largest value of a numeric column over all rows."""
    low = column.minimum if column.minimum is not None else column.low
    high = column.maximum if column.maximum is not None else column.high
    return (math.nan if low is None else float(low)), (math.nan if high is None else float(high))


def _infinite(table: Table, columns: list[ColumnProfile]) -> dict[str, int]:
    """Count infinities, in those columns alone whose bounds say that there are some."""
    names = {column.name for column in columns if math.inf in map(abs, bounds_of(column))}
    found: dict[str, int] = {}
    for chunk in chunks([column for column in table.columns if column.name in names]):
        facts = [sql.count_if(sql.call("isinf", sql.column(column.name))) for column in chunk]
        answer = table.ask(table.select(*facts))[0]
        found |= {column.name: int(count) for column, count in zip(chunk, answer, strict=True)}
    return found


def _lone_ends(column: ColumnProfile, values: Array) -> Iterator[Lone]:
    finite = values[np.abs(values) < MAX_FINITE]
    if len(finite) < MIN_ROWS:
        return
    levels, counts = np.unique(finite, return_counts=True)
    for bound in bounds_of(column):
        if abs(bound) < MAX_FINITE and bound not in (levels[0], levels[-1]):
            levels, counts = np.append(levels, bound), np.append(counts, 1)
    order = np.argsort(levels)
    levels, counts = levels[order], counts[order]
    for low in (True, False):
        best: Lone | None = None
        for peeled in range(1, MAX_PEELED + 1):
            if len(levels) - peeled < MIN_DIFFERENT:
                break
            found = _lone(levels, counts, peeled, low=low)
            if best is None or found.ranges > best.ranges:
                best = found
        if best:
            yield best


def _lone(levels: Array, counts: Array, peeled: int, *, low: bool) -> Lone:
    ends = slice(0, peeled) if low else slice(len(levels) - peeled, len(levels))
    rest, weights = np.delete(levels, ends), np.delete(counts, ends)
    end = levels[ends] if low else levels[ends][::-1]
    near = rest if low else rest[::-1]
    around = max(NEIGHBOURS, math.ceil(NEIGHBOUR_SHARE * len(rest)))
    step = abs(near[around] - near[0]) / around
    distance = abs(float(end[-1] - near[0]))
    beside = (weights if low else weights[::-1])[: around + 1].mean()
    q = _weighted_quantiles(rest, weights, (0.001, 0.999))
    middle = float(q[1] - q[0])
    positive = bool(rest[0] >= 0 and end.min() > 0)
    scaled = _scale(rest, weights, positive=positive)
    # Zeros are their own heap; how far apart the others lie is told by their ratios.
    inner = rest > 0 if positive else np.ones(len(rest), dtype=bool)
    bounds = _weighted_quantiles(scaled(rest[inner]), weights[inner], (0.001, 0.999))
    width = float(bounds[1] - bounds[0])
    gap = abs(float(scaled(end[-1:])[0] - scaled(near[:1])[0]))
    return Lone(
        low=low,
        values=tuple(map(float, end)),
        rows=int(counts[ends].sum()),
        nearest=float(near[0]),
        other_low=float(rest[0]),
        other_high=float(rest[-1]),
        spacings=distance / float(step),
        crowding=float(counts[ends][0] / beside) if peeled == 1 else 0.0,
        ranges=gap / width if width > 0 and math.isfinite(gap) else 0.0,
        clear=float(q[0]) / middle if middle > 0 else 0.0,
    )


def _scale(rest: Array, weights: Array, *, positive: bool) -> Callable[[Array], Array]:
    """Return the scale on which distances are judged: ratios of what is positive, else a scale that tames tails."""
    if positive:
        return lambda values: np.log(values)
    low, centre, high = _weighted_quantiles(rest, weights, (0.25, 0.5, 0.75))
    spread = float(high - low) or float(rest[-1] - rest[0]) or 1.0
    return lambda values: np.arcsinh((values - centre) / spread)


def _weighted_quantiles(levels: Array, weights: Array, shares: tuple[float, ...]) -> Array:
    reached = np.cumsum(weights) / weights.sum()
    return levels[np.minimum(np.searchsorted(reached, shares), len(levels) - 1)]


def _recounted(table: Table, lone: dict[str, tuple[Lone, ...]]) -> dict[str, tuple[Lone, ...]]:
    """Count over all rows the lone values that stand out, in one pass."""
    from msgspec.structs import replace

    asked = [
        (name, place, found)
        for name, several in lone.items()
        for place, found in enumerate(several)
        if found.ranges >= MIN_RANGES_COUNTED
        or (found.values[0] in (0.0, *SENTINELS) and len(found.values) == 1 and found.spacings >= MIN_SPACINGS_COUNTED)
    ]
    if not asked:
        return lone
    facts = [sql.count_if(sql.column(name).isin(*found.values)) for name, _, found in asked]
    answer = table.ask(table.select(*facts))[0]
    counted = {name: [*several] for name, several in lone.items()}
    for (name, place, found), rows in zip(asked, answer, strict=True):
        counted[name][place] = replace(found, rows=int(rows))
    return {name: tuple(several) for name, several in counted.items()}
