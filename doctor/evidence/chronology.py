"""When the rows of each split happened, whether the splits overlap in time, and whether time matters at all."""

import math
from numbers import Number
from typing import Any

import numpy as np
from msgspec import Struct
from sqlglot import exp

from doctor.evidence.dates import date_format, time_of
from doctor.evidence.groups import p_value
from doctor.evidence.keys import Keys
from doctor.evidence.profile import Profile
from doctor.evidence.roles import Roles
from doctor.evidence.sample import Sample
from doctor.evidence.splits import pairs_of
from doctor.subjects import sql
from doctor.subjects.table import Kind, Table

Array = np.ndarray[Any, Any]

MAX_COLUMNS = 3
MAX_LEVELS = 50
ROWS_JUDGED = 5_000
MIN_ROWS = 100
MIN_TIMES = 10
STRETCHES = 40
"""Into which the time of all splits is cut to show how their rows lie."""
FOLDS = 3
MIN_HINT = 0.03
"""Distance of a column's own early/late AUC from 0.5 below which it hints at nothing."""


class Period(Struct, frozen=True, kw_only=True):
    """Two splits on one time axis.

    Attributes
    ----------
    earlier_first, earlier_last, later_first, later_last : str
        The first and the last time of each.
    late_rows : int
        Rows of the earlier split that are later than the first row of the later one.
    early_rows : int
        Rows of the later split that are not after the last row of the earlier one.
    """

    earlier: str
    later: str
    earlier_first: str
    earlier_last: str
    later_first: str
    later_last: str
    late_rows: int
    earlier_rows: int
    early_rows: int
    later_rows: int

    @property
    def late_share(self) -> float:
        """Late rows per row of the earlier split."""
        return self.late_rows / self.earlier_rows if self.earlier_rows else 0.0


class Relevance(Struct, frozen=True, kw_only=True):
    """Whether time matters to the label or the features.

    Attributes
    ----------
    neighbour_gain : float
        How much more alike the labels of neighbours in time are than chance gives: 0 to 1.
    neighbour_z : float
        The same in standard deviations under permutation.
    numeric_label : bool
        Whether the gain is the correlation of ranks.
    domain_auc : float or None
        Out-of-fold AUC of telling the early half from the late half by the features; None where no feature by itself
        hints at a change.
    domain_auc_low : float or None
        Its lower bound at p = .001.
    judged_rows : int
        Rows judged.
    """

    neighbour_gain: float = 0.0
    neighbour_z: float = 0.0
    numeric_label: bool = False
    domain_auc: float | None = None
    domain_auc_low: float | None = None
    judged_rows: int = 0

    def matters(self, *, min_gain: float, min_correlation: float, min_auc: float, max_p: float) -> bool:
        """Whether the effect and its significance pass the bounds."""
        bound = min_correlation if self.numeric_label else min_gain
        alike = self.neighbour_gain >= bound and p_value(self.neighbour_z) <= max_p
        return alike or (self.domain_auc_low is not None and self.domain_auc_low >= min_auc)


class Course(Struct, frozen=True, kw_only=True):
    """Rows of each split over time, in stretches of equal length from `first` to `last`."""

    first: str
    last: str
    rows: dict[str, tuple[int, ...]]


class TimeAxis(Struct, frozen=True, kw_only=True):
    """One column that says when; `relevance` is None where splits do not overlap or there are too few rows to tell.

    `course` is None where they do not overlap.
    """

    column: str
    form: str | None
    declared: bool
    periods: tuple[Period, ...]
    relevance: Relevance | None
    course: Course | None = None


class Chronology(Struct, frozen=True, kw_only=True):
    """The time axes of a table with several splits."""

    axes: tuple[TimeAxis, ...]

    @classmethod
    def measure(cls, table: Table, profile: Profile, roles: Roles, keys: Keys, sample: Sample) -> "Chronology":
        """Find the time columns, dates written as text included, and read them once."""
        pairs = pairs_of(table)
        event = roles.time
        forms = time_columns(table, profile, roles, keys, event)
        declared = "time" in roles.declared
        names = [event] if declared and event else sorted(forms, key=lambda name: name != event)
        shared = [name for name in names if set(table.column(name).splits) == set(table.splits)]
        axes = tuple(_axis(table, name, forms[name], pairs, roles, keys, sample) for name in shared[:MAX_COLUMNS])
        return cls(axes=axes)


def time_columns(table: Table, profile: Profile, roles: Roles, keys: Keys, event: str | None) -> dict[str, str | None]:
    """Return each time column with the format of its text; a declared one may be a number."""
    forms: dict[str, str | None] = {}
    for column in profile.columns:
        if column.name == roles.target:
            continue
        shape = keys.shapes.get(column.name)
        if column.kind is Kind.TIME:
            forms[column.name] = None
        elif column.kind is Kind.TEXT and (column.name == event or (shape is not None and shape.dated)):
            form = date_format(table, column.name)
            if form:
                forms[column.name] = form
        elif column.name == event:
            forms[column.name] = None
    if event is not None:
        forms.setdefault(event, None)
    return forms


def _axis(
    table: Table, name: str, form: str | None, pairs: list[tuple[str, str]], roles: Roles, keys: Keys, sample: Sample
) -> TimeAxis:
    time = time_of(name, form)
    split = sql.column(sql.SPLIT)
    bounds = {
        str(which): (first, last)
        for which, first, last in table.ask(
            table.select(split, sql.call("min", time), sql.call("max", time)).group_by(split)
        )
    }
    periods = []
    for earlier, later in pairs:
        last, first = bounds[earlier][1], bounds[later][0]
        if last is None or first is None:
            continue
        late = early = 0
        if last > first:
            is_late = exp.and_(split.eq(sql.literal(earlier)), exp.GT(this=time, expression=_moment(first)))
            is_early = exp.and_(split.eq(sql.literal(later)), exp.LTE(this=time, expression=_moment(last)))
            late, early = table.ask(table.select(sql.count_if(is_late), sql.count_if(is_early)))[0]
        periods.append(
            Period(
                earlier=earlier,
                later=later,
                earlier_first=str(bounds[earlier][0]),
                earlier_last=str(last),
                later_first=str(first),
                later_last=str(bounds[later][1]),
                late_rows=int(late),
                earlier_rows=table.splits[earlier],
                early_rows=int(early),
                later_rows=table.splits[later],
            )
        )
    overlapping = any(period.late_rows for period in periods)
    relevance = relevance_of(table, name, form, roles, keys, sample) if overlapping else None
    return TimeAxis(
        column=name,
        form=form,
        declared=name == roles.time and "time" in roles.declared,
        periods=tuple(periods),
        relevance=relevance,
        course=_course(table, time, list(bounds.values())) if overlapping else None,
    )


def _course(table: Table, time: sql.Expression, bounds: list[tuple[Any, Any]]) -> Course | None:
    """Count the rows of each split in stretches of time."""
    first, last = min(low for low, _ in bounds if low is not None), max(high for _, high in bounds if high is not None)
    dated = hasattr(first, "isoformat")
    if not dated and not isinstance(first, Number):
        return None
    place = sql.call("epoch", time) if dated else time
    low, high = map(float, table.ask(table.select(sql.call("min", place), sql.call("max", place)))[0])
    if not (high > low and math.isfinite(high - low)):
        return None
    split = sql.column(sql.SPLIT)
    scaled = exp.Mul(
        this=exp.paren(exp.Sub(this=place, expression=sql.literal(low))),
        expression=sql.literal(STRETCHES / (high - low)),
    )
    stretch = sql.call("least", sql.call("floor", scaled), sql.literal(STRETCHES - 1))
    rows: dict[str, list[int]] = {str(name): [0] * STRETCHES for name in table.splits}
    counted = table.ask(table.select(split, stretch.as_("stretch"), exp.Count(this=exp.Star())).group_by("1", "2"))
    for name, number, count in counted:
        if number is not None:
            rows[str(name)][int(number)] = int(count)
    return Course(first=str(first), last=str(last), rows={name: tuple(counts) for name, counts in rows.items()})


def _moment(value: object) -> sql.Expression:
    if hasattr(value, "isoformat"):
        return exp.cast(sql.literal(value.isoformat(" ")), "TIMESTAMP")
    return sql.literal(value)


def relevance_of(
    table: Table, name: str, form: str | None, roles: Roles, keys: Keys, sample: Sample
) -> Relevance | None:
    """Judge by the drawn rows whether time matters; None where there are too few rows or times to tell."""
    when = sampled_times(table, name, form, sample.columns)
    once = np.unique(sample.key, return_index=True)[1]
    kept = once[~np.isnan(when[once])][:ROWS_JUDGED]
    if len(kept) < MIN_ROWS or len(np.unique(when[kept])) < MIN_TIMES:
        return None
    # The sample stands in the order of its hash, so ties in time are broken by content, not by storage.
    order = kept[np.argsort(when[kept], kind="stable")]
    gain, z, numeric = (0.0, 0.0, False)
    if roles.target is not None:
        gain, z, numeric = _neighbours(sample.columns[roles.target][order])
    auc, low = _early_late(table, sample, order, when[order], name, roles, keys)
    return Relevance(
        neighbour_gain=gain,
        neighbour_z=z,
        domain_auc=auc,
        domain_auc_low=low,
        judged_rows=len(order),
        numeric_label=numeric,
    )


def sampled_times(table: Table, name: str, form: str | None, columns: dict[str, Array]) -> Array:
    """Read drawn values of a time column as seconds, NaN where they are no time; text by its format."""
    if form is None:
        values = columns[name]
        return values if values.dtype != object else np.full(len(values), np.nan)
    distinct = table.select(sql.column(name).as_("said"), sql.call("epoch", time_of(name, form)).as_("read")).distinct()
    read = {said: np.nan if moment is None else float(moment) for said, moment in table.ask(distinct)}
    return np.array([read.get(value, np.nan) for value in columns[name]])


def _neighbours(labels: Array) -> tuple[float, float, bool]:
    """Compare each label with the next in time; the gain over chance, and its z under permutation."""
    if labels.dtype == object:
        present = np.array([label for label in labels if label is not None], dtype=str)
    else:
        present = labels[~np.isnan(labels)]
    n = len(present)
    if n < MIN_ROWS:
        return 0.0, 0.0, False
    classes, coded, counts = np.unique(present, return_inverse=True, return_counts=True)
    if present.dtype.kind == "f" and len(classes) > MAX_LEVELS:
        ranks = coded - coded.mean()
        return *_serial(ranks / (ranks.std() or 1.0), n), True
    chance = float((counts * (counts - 1.0)).sum() / (n * (n - 1.0)))
    if chance >= 1:
        return 0.0, 0.0, False
    # Permuted draws rather than a formula: agreements of neighbours share rows.
    draw = np.random.default_rng(0)
    null = np.array(
        [np.mean(shuffled[1:] == shuffled[:-1]) for shuffled in (draw.permutation(coded) for _ in range(200))]
    )
    seen = float(np.mean(coded[1:] == coded[:-1]))
    z = (seen - float(null.mean())) / max(float(null.std(ddof=1)), 1e-12)
    return (seen - chance) / (1 - chance), z, False


def _serial(standard: Array, n: int) -> tuple[float, float]:
    """Correlation of each rank with the next; its standard deviation under permutation is 1/sqrt(n)."""
    correlation = float(np.mean(standard[1:] * standard[:-1]))
    return correlation, correlation * float(np.sqrt(n))


def _early_late(
    table: Table, sample: Sample, order: Array, when: Array, name: str, roles: Roles, keys: Keys
) -> tuple[float | None, float | None]:
    """Tell the early half from the late half by features that are not themselves a clock."""
    late = when > np.median(when)
    if not 0.25 <= late.mean() <= 0.75:
        return None, None
    skipped = {name, roles.target, *keys.names}
    columns = []
    for column in table.columns:
        if column.name in skipped or column.kind is Kind.TIME:
            continue
        values = sample.columns[column.name][order]
        if values.dtype == object:
            levels, coded = np.unique([str(value) for value in values], return_inverse=True)
            if len(levels) > MAX_LEVELS:
                continue
            values = coded.astype(float)
        if not _is_clock(values, when):
            columns.append(values)
    if not any(_drifts(values, late) for values in columns):
        return None, None
    return _out_of_fold(np.column_stack(columns), late, sample.key[order])


def _drifts(values: Array, late: Array) -> bool:
    """Whether a column alone hints at a change: in level, in spread or in what is missing.

    Where none does, a model on all columns has nothing to go by, and fitting one is dear.
    """
    known = ~np.isnan(values)
    missing = abs(float((~known)[late].mean()) - float((~known)[~late].mean()))
    if missing > 2 * MIN_HINT or known.sum() < MIN_ROWS or not 0 < late[known].sum() < known.sum():
        return missing > 2 * MIN_HINT
    present = values[known]
    return any(abs(auc_of(part, late[known]) - 0.5) > MIN_HINT for part in (present, abs(present - np.median(present))))


def auc_of(values: Array, late: Array) -> float:
    """Return the probability that a late value exceeds an early one, ties counted half."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    ones = int(late.sum())
    return float((ranks[late].sum() - ones * (ones + 1) / 2) / (ones * (len(values) - ones)))


def _is_clock(values: Array, when: Array) -> bool:
    """Whether a column counts time itself, such as a year or a running number."""
    present = ~np.isnan(values)
    if present.sum() < MIN_ROWS or np.ptp(values[present]) == 0:
        return False
    ranks = [np.unique(part[present], return_inverse=True)[1].astype(float) for part in (values, when)]
    return abs(float(np.corrcoef(ranks[0], ranks[1])[0, 1])) > 0.9


def _out_of_fold(features: Array, late: Array, key: Array) -> tuple[float, float]:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score

    fold = (key % FOLDS).astype(int)
    scores = np.zeros(len(late))
    for held in range(FOLDS):
        train, test = fold != held, fold == held
        if not test.any() or len(np.unique(late[train])) < 2:
            continue
        model = HistGradientBoostingClassifier(max_iter=40, max_leaf_nodes=8, early_stopping=False, random_state=0)
        scores[test] = model.fit(features[train], late[train]).predict_proba(features[test])[:, 1]
    auc = float(roc_auc_score(late, scores))
    # 3.09 is the normal quantile of p = .001.
    return auc, auc - 3.09 * auc_deviation(auc, int((~late).sum()), int(late.sum()))


def auc_deviation(auc: float, zeros: int, ones: int) -> float:
    """Return the standard deviation of an AUC. Source: J. Hanley and B. McNeil, Radiology 143 (1982)."""
    first, second = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (ones - 1) * (first - auc**2) + (zeros - 1) * (second - auc**2)
    return float(np.sqrt(variance / (ones * zeros)))
