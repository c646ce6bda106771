"""Numbers that are scaled as if by all splits together: the mark of a scaler that saw the test rows."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from doctor.evidence.decimals import quantum_of
from doctor.evidence.profile import ColumnProfile, Profile
from doctor.evidence.sample import Sample
from doctor.evidence.splits import pairs_of
from doctor.subjects import sql
from doctor.subjects.table import Kind, Table

MIN_ROWS = 20
MAX_OFF = 0.25
"""How far the drawn rows' mean may be from 0 and their variance from 1 for all rows to be asked."""
MAX_LIKENESS = 0.5
"""Correlation from which two columns do not count as two."""
DOUBLE_NOISE, FLOAT_NOISE = 1e-9, 2e-6
ROUNDING_SIGMAS = 6.0
MAX_END_SHARE = 0.01
"""A value that more rows have than this is a natural bound, not the largest of a quantity."""

Array = np.ndarray[Any, Any]


class JointScale(Struct, frozen=True, kw_only=True):
    """Columns that splits together have brought to one scale, and the first split alone has not.

    Attributes
    ----------
    form : str
        "standardised" (mean 0, variance 1) or "range" (least and greatest value are exactly the ends).
    splits : tuple of str
        Whose rows together give it, the training rows first.
    columns : tuple of str
        The columns that show it.
    asked : int
        Columns that look scaled so.
    log10_chance : float
        Logarithm of the probability that a scale taken from the first split alone would show in so many; of a range 0.
    misses : int
        Of a range: how many ends no row of the first split reaches.
    train_mean : float
        Of the standardised column that tells most: its mean over the first split.
    """

    form: str
    splits: tuple[str, ...]
    columns: tuple[str, ...]
    asked: int
    log10_chance: float = 0.0
    misses: int = 0
    train_mean: float = 0.0


class JointScales(Struct, frozen=True, kw_only=True):
    """All of them in a table."""

    scales: tuple[JointScale, ...]

    @classmethod
    def measure(cls, table: Table, profile: Profile, sample: Sample) -> "JointScales":
        """Sum columns that look scaled by split, in one pass; tables without such columns are not read.

        Raises
        ------
        NotApplicable
            When there is only one split.
        """
        pairs_of(table)
        numbers = [column for column in profile.columns if _in_all(table, column)]
        standard = [column.name for column in numbers if _looks_standardised(column, sample)]
        ranged = [column for column in numbers if _looks_ranged(column, sample)]
        if not (standard or ranged):
            return cls(scales=())
        facts = [fact for name in standard for fact in _moments(name)]
        facts += [fact for column in ranged for fact in _ends(column)]
        answer = table.ask(table.select(sql.column(sql.SPLIT), *facts).group_by(sql.column(sql.SPLIT)))
        by_split = {row[0]: np.array([value or 0.0 for value in row[1:]], dtype=float) for row in answer}
        order = [split for split, rows in table.splits.items() if rows]
        sums = np.stack([by_split[split] for split in order])
        found = list(_standardised(sample, order, standard, sums[:, : 3 * len(standard)].reshape(len(order), -1, 3)))
        found += list(_ranged(order, [column.name for column in ranged], sums[:, 3 * len(standard) :]))
        return cls(scales=tuple(found))


def _in_all(table: Table, column: ColumnProfile) -> bool:
    filled = {split for split, rows in table.splits.items() if rows}
    return column.kind is Kind.NUMBER and filled <= set(table.column(column.name).splits)


def _looks_standardised(column: ColumnProfile, sample: Sample) -> bool:
    if not (column.low or 0.0) < 0.0 < (column.high or 0.0) or not math.isfinite(
        (column.low or 0.0) + (column.high or 0.0)
    ):
        return False
    values = sample.columns[column.name]
    known = values[np.isfinite(values)]
    return len(known) >= MIN_ROWS and abs(known.mean()) < MAX_OFF and abs(known.var() - 1.0) < MAX_OFF


def _looks_ranged(column: ColumnProfile, sample: Sample) -> bool:
    """Whether the values span 0 to 1 or -1 to 1 exactly and are written to more digits than anyone rounds to."""
    return (column.low, column.high) in ((0.0, 1.0), (-1.0, 1.0)) and quantum_of(sample.columns[column.name]) == 0.0


def _moments(name: str) -> Iterator[sql.Expression]:
    column = sql.column(name)
    yield sql.call("count", column)
    yield sql.call("sum", column)
    yield sql.call("sum", column * column)


def _ends(column: ColumnProfile) -> Iterator[sql.Expression]:
    for end in (column.low, column.high):
        yield sql.count_if(sql.column(column.name).eq(sql.literal(end)))
    yield sql.call("count", sql.column(column.name))


def _unions(order: Sequence[str]) -> Iterator[tuple[int, ...]]:
    """Yield the splits whose rows may have been scaled together: all, or the first and one other."""
    yield tuple(range(len(order)))
    if len(order) > 2:
        yield from ((0, other) for other in range(1, len(order)))


def _standardised(sample: Sample, order: Sequence[str], names: Sequence[str], sums: Array) -> Iterator[JointScale]:
    """Compare mean and variance of joined splits with 0 and 1; `sums` has the shape (splits, columns, 3)."""
    noises = [_noise(sample.columns[name]) for name in names]
    counted = _unlike(sample, names)
    for union in _unions(order):
        met, chances = [], []
        for at, noise in enumerate(noises):
            joint, train = sums[list(union), at].sum(axis=0), sums[0, at]
            if _is_standard(joint, noise) and not _is_standard(train, noise) and train[0] and joint[0] > train[0]:
                met.append(at)
                chances.append(_chance(joint[0], joint[0] - train[0], noise))
        telling = [at for at in met if at in counted]
        if len(telling) < 2 or 2 * len(telling) < len(counted):
            continue
        from scipy.stats import binom

        chance = float(binom.logsf(len(telling) - 1, len(counted), max(chances))) / math.log(10.0)
        best = max(met, key=lambda at: abs(sums[0, at, 1] / sums[0, at, 0]))
        yield JointScale(
            form="standardised",
            splits=tuple(order[at] for at in union),
            columns=tuple(names[at] for at in met),
            asked=len(names),
            log10_chance=chance,
            train_mean=float(sums[0, best, 1] / sums[0, best, 0]),
        )
        return


class _Noise(Struct, frozen=True):
    """What rounding leaves of a mean of 0 and a variance of 1: of each value's error, and of how many independent."""

    quantum: float
    floor: float
    levels: int

    def allowed(self, rows: float) -> tuple[float, float]:
        """Return how far the mean and the variance of so many rows may be off."""
        spread = ROUNDING_SIGMAS * self.quantum / math.sqrt(12.0 * max(1.0, min(rows, self.levels)))
        mean = max(self.floor, min(spread, self.quantum / 2))
        return mean, max(self.floor, 2.0 * spread + self.quantum**2)


def _noise(values: Array) -> _Noise:
    known = values[np.isfinite(values)]
    narrow = bool(np.all(known == known.astype(np.float32)))
    return _Noise(quantum_of(known), FLOAT_NOISE if narrow else DOUBLE_NOISE, len(np.unique(known)))


def _is_standard(sums: Array, noise: _Noise) -> bool:
    rows, total, squares = map(float, sums)
    if rows < MIN_ROWS:
        return False
    mean_off, variance_off = noise.allowed(rows)
    spread = squares - total * total / rows
    # Some divide by the rows, others by one fewer.
    return abs(total / rows) <= mean_off and min(abs(spread / rows - 1), abs(spread / (rows - 1) - 1)) <= variance_off


def _chance(rows: float, others: float, noise: _Noise) -> float:
    """Return how likely the joined rows come so close to mean 0 and variance 1 where the first split alone is there."""
    mean_off, variance_off = noise.allowed(rows)
    mean_spread = math.sqrt(others) / rows
    density = 2.0 / math.sqrt(2.0 * math.pi)
    mean = min(1.0, density * mean_off / mean_spread)
    variance = min(1.0, 2.0 * density * variance_off / (math.sqrt(2.0) * mean_spread))
    return mean * variance


def _unlike(sample: Sample, names: Sequence[str]) -> set[int]:
    """Choose columns no two of which are closely correlated."""
    if not names:
        return set()
    values = np.stack([np.nan_to_num(sample.columns[name], nan=0.0, posinf=0.0, neginf=0.0) for name in names])
    values = values - values.mean(axis=1, keepdims=True)
    values /= np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-300)
    chosen: list[int] = []
    for at in range(len(names)):
        if not chosen or np.abs(values[chosen] @ values[at]).max() < MAX_LIKENESS:
            chosen.append(at)
    return set(chosen)


def _ranged(order: Sequence[str], names: Sequence[str], sums: Array) -> Iterator[JointScale]:
    """Count the ends of ranges that only later splits reach; `sums` has low, high and present rows per column."""
    missed: dict[str, int] = {}
    for at, name in enumerate(names):
        ends = sums[:, 3 * at : 3 * at + 2]
        present = sums[:, 3 * at + 2]
        if ends.sum(axis=0).max() > max(1.0, MAX_END_SHARE * present.sum()) or not present[0]:
            continue
        missed[name] = int(np.sum(ends[0] == 0))
    if sum(missed.values()):
        yield JointScale(
            form="range",
            splits=tuple(order),
            columns=tuple(name for name, ends in missed.items() if ends),
            asked=len(missed),
            misses=sum(missed.values()),
        )
