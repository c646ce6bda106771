"""Columns that hold means of the target itself: categories encoded by the labels of the rows that they are in."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
from msgspec import Struct
from sqlglot import exp

from doctor.evidence.decimals import quantum_of
from doctor.evidence.profile import MAX_FINITE
from doctor.evidence.roles import Roles
from doctor.evidence.sample import Sample, codes_of
from doctor.evidence.targets import Target, Task, as_numbers
from doctor.subjects import sql
from doctor.subjects.table import Column, Kind, Table

MIN_LEVELS = 5
MIN_VARIED_ROWS = 30
"""Rows of levels in which the target varies: only there is a mean more than the target's copy."""
MIN_AGREEMENT = 0.99
MIN_LIKENESS = 0.3
"""Correlation of a level's value with its mean among the drawn rows, below which all rows are not asked."""
MAX_ASKED = 8
MAX_KEYS = 20
MAX_PRIOR_ROWS = 1e4
FLOAT_NOISE = 3e-7

Array = np.ndarray[Any, Any]


class Encoding(Struct, frozen=True, kw_only=True):
    """A column that is the target's mean by level.

    Attributes
    ----------
    form : str
        "mean", "smoothed" or "leave-one-out".
    label : str or None
        The class whose share it holds; None for a quantity.
    split : str or None
        The split whose rows were averaged; None for all rows.
    key : str or None
        A column each value of which has one value here: what was encoded.
    levels, rows : int
        Different values, and rows that have one.
    prior_rows : float
        Of a smoothed mean: how many rows' weight the overall mean has.
    log10_chance : float
        Logarithm of the probability that an honest estimate of the same means would meet them so closely.
    """

    column: str
    form: str
    label: str | None
    split: str | None
    key: str | None
    levels: int
    rows: int
    prior_rows: float = 0.0
    log10_chance: float = 0.0


class Encodings(Struct, frozen=True, kw_only=True):
    """All such columns."""

    COST: ClassVar[int] = 10

    target: str
    rows: int
    encodings: tuple[Encoding, ...]

    @classmethod
    def measure(cls, table: Table, roles: Roles, sample: Sample, target: Target) -> "Encodings":
        """Compare every column of fractions with the target's means, on all rows where the drawn ones are like them."""
        told = {target.name, *roles.annotators}
        columns = [column for column in table.columns if column.numeric and column.name not in told]
        found: dict[str, Encoding] = {}
        for split in dict.fromkeys((target.split, None)):
            rows = target.rows if split == target.split else _labelled(sample, target)
            for label, told_by, truth in _views(sample, target, rows):
                if np.abs(truth).max(initial=0.0) >= MAX_FINITE:
                    continue
                names = [column for column in columns if column.name not in found]
                inputs = {column.name: sample.columns[column.name][rows] for column in names}
                inputs = {name: values for name, values in inputs.items() if _within(values, truth)}
                for name in _likely(inputs, truth):
                    key = _key_of(name, table, sample, told)
                    if sample.rows < table.rows:
                        groups = _asked(table, target, name, key, told_by, split)
                    else:
                        groups = _grouped(inputs[name], truth, sample.columns[key][rows] if key else None)
                    encoding = _judged(name, label, split, key, groups)
                    if encoding is not None:
                        found[name] = encoding
                if sample.rows == table.rows:
                    rest = {name: values for name, values in inputs.items() if name not in found}
                    found |= _left_out(table, sample, rows, rest, truth, label, split, told)
        return cls(target=target.name, rows=len(target.rows), encodings=tuple(found.values()))


class Groups(Struct, frozen=True, kw_only=True):
    """The levels of a column: their value, and the number, sum and sum of squares of the target's values in each.

    Where what was encoded is known its levels are these, else the different values: two levels of equal mean are one.
    """

    value: Array
    rows: Array
    total: Array
    squares: Array

    @property
    def varied(self) -> Array:
        """Whether the target varies within a level."""
        spread = self.squares - self.total**2 / self.rows
        return np.asarray(spread > 1e-9 * np.maximum(1.0, np.abs(self.squares)))


def _labelled(sample: Sample, target: Target) -> Array:
    raw = sample.columns[target.name]
    present = np.array([value is not None for value in raw]) if raw.dtype == object else ~np.isnan(raw)
    return np.flatnonzero(present)


def _views(sample: Sample, target: Target, rows: Array) -> Iterator[tuple[str | None, Any, Array]]:
    """Yield the target as numbers: a quantity itself, each class as 1 against 0."""
    raw = sample.columns[target.name][rows]
    if target.task is Task.REGRESSION:
        read = as_numbers(raw) if raw.dtype == object else raw
        if read is not None and np.isfinite(read).all():
            yield None, None, read
        return
    count = len(target.classes) - int(target.lumped)
    for number in range(count if len(target.classes) > 2 else 2):
        level = sample.columns[target.name][target.rows[np.flatnonzero(target.values == number)[0]]]
        yield target.classes[number], level, (raw == level).astype(np.float64)


def _within(values: Array, truth: Array) -> bool:
    """Whether a column could hold means of the target: between its bounds, several levels, and not whole numbers."""
    known = values[np.isfinite(values)]
    if len(known) < MIN_VARIED_ROWS or known.min() < truth.min() - 1e-6 or known.max() > truth.max() + 1e-6:
        return False
    return not np.array_equal(known, np.round(known))


def _likely(inputs: Mapping[str, Array], truth: Array) -> list[str]:
    """Return the columns whose levels have means like their values, the most alike first."""
    likeness = {}
    for name, values in inputs.items():
        groups = _grouped(values, truth)
        varied = groups.varied
        if len(groups.value) < MIN_LEVELS or groups.rows[varied].sum() < MIN_VARIED_ROWS:
            continue
        means = groups.total / groups.rows
        weight = groups.rows / groups.rows.sum()
        one, other = groups.value - weight @ groups.value, means - weight @ means
        spread = math.sqrt(float(weight @ one**2) * float(weight @ other**2))
        likeness[name] = float(weight @ (one * other)) / spread if spread > 0 else 0.0
    ranked = sorted(sorted(likeness), key=lambda name: -likeness[name])
    return [name for name in ranked if likeness[name] >= MIN_LIKENESS][:MAX_ASKED]


def _grouped(values: Array, truth: Array, key: Array | None = None) -> Groups:
    known = np.isfinite(values)
    levels, codes = np.unique(values[known], return_inverse=True)
    if key is not None:
        names = codes_of(key[known])
        pairs, codes = np.unique(names * len(levels) + codes, return_inverse=True)
        levels = levels[pairs % len(levels)]
    return Groups(
        value=levels,
        rows=np.bincount(codes).astype(np.float64),
        total=np.bincount(codes, weights=truth[known]),
        squares=np.bincount(codes, weights=truth[known] ** 2),
    )


def _asked(table: Table, target: Target, name: str, key: str | None, level: Any, split: str | None) -> Groups:
    """Group all rows by a statement."""
    label, value = sql.column(target.name), sql.column(name)
    number: sql.Expression = exp.cast(label, "double")
    if level is not None:
        number = sql.call("if", label.eq(sql.literal(level)), 1.0, 0.0)
    elif table.column(target.name).kind is Kind.TEXT:
        number = exp.TryCast(this=sql.call("replace", label, ",", ""), to=exp.DataType.build("DOUBLE"))
    where = exp.and_(label.is_(exp.null()).not_(), value.is_(exp.null()).not_())
    if split is not None:
        where = where.and_(sql.column(sql.SPLIT).eq(sql.literal(split)))
    facts = [
        value.as_("value"),
        sql.call("count", exp.Star()).as_("rows"),
        sql.call("sum", number).as_("total"),
        sql.call("sum", exp.Mul(this=number.copy(), expression=number.copy())).as_("squares"),
    ]
    by = [value.copy(), *([sql.column(key)] if key else [])]
    answer = table.engine.arrays(table.select(*facts).where(where).group_by(*by))
    read = {part: np.ma.getdata(column).astype(np.float64) for part, column in answer.items()}
    return Groups(**read)


def _judged(name: str, label: str | None, split: str | None, key: str | None, groups: Groups) -> Encoding | None:
    varied = groups.varied
    if varied.sum() < MIN_LEVELS or groups.rows[varied].sum() < MIN_VARIED_ROWS:
        return None
    slack = quantum_of(groups.value) / 2 * (1 + 1e-6) + FLOAT_NOISE * max(1.0, float(np.abs(groups.value).max()))
    chance = _log10_chance(groups, slack)
    means = groups.total / groups.rows
    found: dict[str, Any] = {"column": name, "label": label, "split": split, "levels": len(groups.value)}
    found |= {"rows": int(groups.rows.sum()), "log10_chance": chance, "key": key}
    if _meets(groups, means, slack):
        return Encoding(form="mean", **found)
    prior_rows, prior = _smoothing(groups)
    overall = float(groups.total.sum() / groups.rows.sum())
    spread = math.sqrt(max(0.0, float(groups.squares.sum() / groups.rows.sum()) - overall**2))
    if not 0.01 <= prior_rows <= MAX_PRIOR_ROWS or abs(prior - overall) > 0.1 * spread:
        return None
    if _meets(groups, (groups.total + prior_rows * prior) / (groups.rows + prior_rows), slack):
        return Encoding(form="smoothed", prior_rows=prior_rows, **found)
    return None


def _meets(groups: Groups, expected: Array, slack: float) -> bool:
    met = np.abs(expected - groups.value) <= slack
    weight = groups.rows * groups.varied
    return float(met @ groups.rows) >= MIN_AGREEMENT * groups.rows.sum() and float(
        met @ weight
    ) >= MIN_AGREEMENT * float(weight.sum())


def _log10_chance(groups: Groups, slack: float) -> float:
    """Return how unlikely it is that the sampled means of an honest estimate all lie so near it."""
    varied = groups.varied
    rows = groups.rows[varied]
    within = groups.squares[varied] - groups.total[varied] ** 2 / rows
    variance = float(within.sum() / max(1.0, float((rows - 1).sum())))
    errors = np.sqrt(variance / rows)
    return float(sum(math.log10(max(1e-12, math.erf(slack / error / math.sqrt(2)))) for error in errors))


def _smoothing(groups: Groups) -> tuple[float, float]:
    """Fit value × (rows + m) = total + m × prior, each level weighted by what its rounding allows."""
    matrix = np.column_stack((1 / groups.rows, -groups.value / groups.rows))
    offset = groups.value - groups.total / groups.rows
    fit = np.linalg.lstsq(matrix, offset, rcond=None)[0]
    prior_rows = float(fit[1])
    return prior_rows, float(fit[0]) / prior_rows if prior_rows else 0.0


def _left_out(
    table: Table,
    sample: Sample,
    rows: Array,
    inputs: Mapping[str, Array],
    truth: Array,
    label: str | None,
    split: str | None,
    told: set[str],
) -> dict[str, Encoding]:
    """Find columns that hold the mean of all other rows of a category."""
    found: dict[str, Encoding] = {}
    for key in _keys(table, sample, told) if inputs else []:
        codes = codes_of(sample.columns[key][rows])
        sizes = np.bincount(codes)[codes]
        others = (np.bincount(codes, weights=truth)[codes] - truth) / np.maximum(1, sizes - 1)
        for name, values in inputs.items():
            known = np.isfinite(values) & (sizes > 1)
            if name == key or known.sum() < max(MIN_VARIED_ROWS, 0.5 * len(values)):
                continue
            slack = quantum_of(values) / 2 * (1 + 1e-6) + FLOAT_NOISE * max(1.0, float(np.abs(truth).max()))
            spread = float(np.std(others[known]))
            met = np.abs(others - values)[known] <= slack
            if spread > 4 * slack and met.mean() >= MIN_AGREEMENT and len(np.unique(values[known])) >= MIN_LEVELS:
                found[name] = Encoding(
                    column=name,
                    form="leave-one-out",
                    label=label,
                    split=split,
                    key=key,
                    levels=int(codes.max()) + 1,
                    rows=int(known.sum()),
                    log10_chance=float(known.sum() * math.log10(min(1.0, slack / spread))),
                )
    return found


def _keys(table: Table, sample: Sample, told: set[str]) -> list[str]:
    """Return the columns that may have been encoded, those with fewest levels first."""
    levels = {}
    for column in table.columns:
        if column.name not in told and _may_be_key(column):
            count = int(codes_of(sample.columns[column.name]).max(initial=-1)) + 1
            if 2 <= count <= sample.rows / 2:
                levels[column.name] = count
    return sorted(levels, key=lambda name: (levels[name], name))[:MAX_KEYS]


def _may_be_key(column: Column) -> bool:
    return column.kind in (Kind.TEXT, Kind.INTEGER, Kind.BOOLEAN)


def _key_of(name: str, table: Table, sample: Sample, told: set[str]) -> str | None:
    """Return the column each value of which has one value of another: what was encoded, where it is still there."""
    raw = sample.columns[name]
    levels, values = np.unique(raw[np.isfinite(raw)], return_inverse=True)
    for key in _keys(table, sample, told | {name}):
        codes = codes_of(sample.columns[key][np.isfinite(raw)])
        pairs = np.unique(codes * len(levels) + values)
        if len(pairs) == int(codes.max()) + 1:
            return key
    return None
