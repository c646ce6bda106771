"""Columns that say what other columns say already: copies, recodings, exact linear combinations, near equals."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np
from msgspec import Struct

from doctor.evidence.decimals import quantum_of
from doctor.evidence.keys import Keys
from doctor.evidence.profile import MAX_FINITE, Profile
from doctor.evidence.roles import Roles
from doctor.evidence.sample import Array, Sample, codes_of
from doctor.subjects.table import Kind, Table

MIN_ROWS = 30
MAX_ROWS = 5_000
"""Rows that correlations and combinations are looked for on; what is found is confirmed on all drawn rows."""
MAX_NUMERIC = 1_000
MAX_COMBINED = 200
MAX_LEVELS = 200
MIN_ROWS_PER_LEVEL = 10.0
MAX_TERMS = 6
EXACT = 1e-9
"""Of the variance: what is left of it once an exact function is taken away, rounding apart."""
NOTED_CORRELATION = 0.97
NEARLY_EXACT = 0.999
MAX_JUDGED = 300
"""Pairs that are looked at on all drawn rows, the most alike first."""

MIN_RARER_ROWS = 10
"""Rows outside the commonest level, below which two flags agree by chance."""
CLIPPED = 0.005
"""Share of the rows at either end whose values are drawn in to the rest, so that a single error hides nothing."""


class Pair(Struct, frozen=True, kw_only=True):
    """Two columns of which one settles the other.

    Attributes
    ----------
    kind : str
        "copy" (equal in every row), "recoding" (one to one), "affine" (a multiple plus a constant, rounding apart),
        "correlated" (nearly affine).
    correlation : float
        Pearson's, of numbers; NaN of recodings.
    levels : int
        Different values, of recodings.
    """

    kind: str
    first: str
    second: str
    rows: int
    correlation: float = float("nan")
    levels: int = 0


class Combination(Struct, frozen=True, kw_only=True):
    """A column that is the sum of multiples of others, plus a constant, in every row."""

    column: str
    terms: dict[str, float]
    constant: float
    rows: int


class Redundancy(Struct, frozen=True, kw_only=True):
    """What is said twice among the features; the target, names of rows and of entities, and constants left out."""

    COST: ClassVar[int] = 3

    rows: int
    pairs: tuple[Pair, ...]
    combinations: tuple[Combination, ...]

    @classmethod
    def measure(cls, table: Table, profile: Profile, roles: Roles, keys: Keys, sample: Sample) -> "Redundancy":
        """Compare all columns with each other on the drawn rows."""
        aside = {roles.target, roles.item, *roles.annotators, *keys.names}
        names = [c.name for c in profile.columns if c.name not in aside and c.distinct > 1 and c.present >= MIN_ROWS]
        kinds = {column.name: column.kind for column in table.columns}
        numeric = [name for name in names if kinds[name] in (Kind.INTEGER, Kind.NUMBER, Kind.TIME)][:MAX_NUMERIC]
        recoded = list(_recodings([name for name in names if kinds[name] is not Kind.NUMBER], sample))
        same = {frozenset((pair.first, pair.second)) for pair in recoded}
        correlated = [pair for pair in _correlated(numeric, sample) if frozenset((pair.first, pair.second)) not in same]
        gone = {pair.second for pair in (*recoded, *correlated) if pair.kind != "correlated"}
        quantities = [name for name in numeric if name not in gone and kinds[name] is not Kind.TIME]
        return cls(
            rows=sample.rows,
            pairs=(*recoded, *correlated),
            combinations=tuple(_combinations(quantities, sample)) if len(quantities) <= MAX_COMBINED else (),
        )


def _recodings(names: Sequence[str], sample: Sample) -> Iterator[Pair]:
    """Find columns with the same number of levels of which each settles the other."""
    by_levels: dict[int, list[tuple[str, Array]]] = defaultdict(list)
    for name in names:
        codes = codes_of(sample.columns[name])
        levels = int(codes.max()) + 1
        rarer = len(codes) - int(np.bincount(codes).max())
        if 1 < levels <= min(MAX_LEVELS, sample.rows / MIN_ROWS_PER_LEVEL) and rarer >= MIN_RARER_ROWS:
            by_levels[levels].append((name, codes))
    for levels, group in sorted(by_levels.items()):
        heads: list[tuple[str, Array]] = []
        for name, codes in group:
            head = next((known for known in heads if _one_to_one(known[1], codes, levels)), None)
            if head is None:
                heads.append((name, codes))
                continue
            equal = bool((_words(sample.columns[head[0]]) == _words(sample.columns[name])).all())
            yield Pair(
                kind="copy" if equal else "recoding", first=head[0], second=name, rows=sample.rows, levels=levels
            )


def _one_to_one(one: Array, other: Array, levels: int) -> bool:
    return len(np.unique(one * levels + other)) == levels


def _words(values: Array) -> Array:
    filled: Array = np.where(values == None, "", values) if values.dtype == object else np.nan_to_num(values)  # noqa: E711  # element by element
    return filled


def _correlated(names: Sequence[str], sample: Sample) -> Iterator[Pair]:
    """Find numbers that nearly rise and fall together, by all pairs of rows that have both."""
    if len(names) < 2:
        return
    rows = slice(0, MAX_ROWS)
    raw = np.column_stack([_drawn_in(_numbers(sample, name)[rows]) for name in names])
    present = np.isfinite(raw)
    centre = np.where(present, raw, 0).sum(axis=0) / np.maximum(1, present.sum(axis=0))
    values = np.where(present, raw - centre, 0.0)
    scale = np.sqrt((values**2).sum(axis=0))
    values /= np.where(scale > 0, scale, 1)
    seen = present.astype(np.float64)
    both = seen.T @ seen
    sums, squares = values.T @ seen, (values**2).T @ seen
    with np.errstate(invalid="ignore", divide="ignore"):
        covariance = values.T @ values - sums * sums.T / both
        spread = (squares - sums**2 / both) * (squares.T - sums.T**2 / both)
        correlation = covariance / np.sqrt(spread)
    high = np.abs(np.nan_to_num(correlation)) >= NOTED_CORRELATION
    # Where one column is mostly missing, few rows have both.
    high &= both >= np.maximum(MIN_ROWS, 0.5 * np.minimum(seen.sum(axis=0)[:, None], seen.sum(axis=0)[None, :]))
    strength = np.abs(np.nan_to_num(correlation))
    found = np.argwhere(np.triu(high, 1))
    found = found[np.argsort(-strength[found[:, 0], found[:, 1]], kind="stable")]
    judged = 0
    for first, second in found.tolist():
        pair = None
        if strength[first, second] >= NEARLY_EXACT and judged < MAX_JUDGED:
            judged += 1
            pair = _related(names[first], names[second], sample)
        yield pair or Pair(
            kind="correlated",
            first=names[first],
            second=names[second],
            rows=int(both[first, second]),
            correlation=float(correlation[first, second]),
        )


def _numbers(sample: Sample, name: str) -> Array:
    """Return a column without infinities and numbers whose squares overflow."""
    values = sample.columns[name]
    sound: Array = np.where(np.abs(values) < MAX_FINITE, values, np.nan)
    return sound


def _drawn_in(values: Array) -> Array:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return values
    low, high = np.quantile(finite, [CLIPPED, 1 - CLIPPED])
    clipped: Array = np.clip(values, low, high)
    return clipped


def _related(first: str, second: str, sample: Sample) -> Pair | None:
    """Judge a pair on all drawn rows: equal, or a multiple plus a constant; None where it is neither."""
    x, y = _numbers(sample, first), _numbers(sample, second)
    equal = bool(np.array_equal(x, y, equal_nan=True))
    both = np.isfinite(x) & np.isfinite(y)
    x, y = x[both], y[both]
    if len(np.unique(x)) < 3 or len(np.unique(y)) < 3:
        return None
    r = float(np.corrcoef(x, y)[0, 1])
    slope, constant = np.polyfit(x - x.mean(), y, 1)
    off = np.abs(y - constant - slope * (x - x.mean())).max()
    exact = off <= max(1e-9 * np.abs(y).max(), 0.51 * (quantum_of(y) + abs(slope) * quantum_of(x)) * (np.std(y) > 0))
    if not equal and not (exact and abs(r) > 0.99999):
        return None
    return Pair(kind="copy" if equal else "affine", first=first, second=second, rows=len(x), correlation=r)


def _combinations(names: Sequence[str], sample: Sample) -> Iterator[Combination]:
    """Find columns that are sums of multiples of the others, by taking one column after the other out of the rest."""
    if len(names) < 3:
        return
    raw = np.column_stack([_numbers(sample, name)[:MAX_ROWS] for name in names])
    whole = raw[np.isfinite(raw).all(axis=1)]
    if len(whole) < max(MIN_ROWS, 3 * len(names)):
        return
    centred = whole - whole.mean(axis=0)
    scale = centred.std(axis=0)
    usable = [i for i in range(len(names)) if scale[i] > 0]
    centred = centred[:, usable] / scale[usable]
    for place in _dependent(centred):
        others = [i for i in range(len(usable)) if i != place]
        found = _sparse(centred, place, others)
        if found is None:
            continue
        columns = [usable[i] for i in found]
        target = usable[place]
        design = np.column_stack([whole[:, columns], np.ones(len(whole))])
        weights = np.linalg.lstsq(design, whole[:, target], rcond=None)[0]
        snapped = np.where(np.abs(weights - np.round(weights, 3)) < 1e-6, np.round(weights, 3), weights)
        off = np.abs(whole[:, target] - design @ snapped).max()
        if off <= 1e-6 * max(1.0, np.abs(whole[:, target]).max()):
            terms = {names[i]: float(weight) for i, weight in zip(columns, snapped, strict=False)}
            yield Combination(column=names[target], terms=terms, constant=float(snapped[-1]), rows=len(whole))


def _dependent(values: Array) -> Iterator[int]:
    """Give the columns in which nothing is left once those before them are taken out."""
    basis: list[Array] = []
    for place in range(values.shape[1]):
        rest = values[:, place].copy()
        for _ in range(2):
            for direction in basis:
                rest -= direction * (direction @ rest)
        size = float(rest @ rest)
        if size <= EXACT * len(values):
            yield place
        else:
            basis.append(rest / np.sqrt(size))


def _sparse(values: Array, place: int, others: Sequence[int]) -> list[int] | None:
    """Choose the few columns that settle one, greedily, then leave out those that are not needed."""
    rest, chosen = values[:, place], list[int]()
    design = values[:, list(others)]
    for _ in range(MAX_TERMS):
        chosen.append(int(np.argmax(np.abs(design.T @ rest))))
        fit = np.linalg.lstsq(design[:, chosen], values[:, place], rcond=None)[0]
        rest = values[:, place] - design[:, chosen] @ fit
        if rest @ rest <= EXACT * len(values):
            kept = [i for i, weight in zip(chosen, fit, strict=True) if abs(weight) > 1e-6]
            return sorted(others[i] for i in kept)
    return None
