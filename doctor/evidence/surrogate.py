"""What a small model scores on the data as it is, and as it will be without a fault.

A stand-in for the user's model, to say what a fault is worth: it is fitted on the seeded sample, without and with the
repair, and both are scored by what people report: AUC, accuracy, R².
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from msgspec import Struct

from doctor.evidence.boosting import ROUNDS, each_out, numbered, out_of_fold
from doctor.evidence.chronology import auc_of
from doctor.evidence.one_feature import folds_of
from doctor.evidence.roles import Roles
from doctor.evidence.sample import Sample, codes_of
from doctor.evidence.targets import Target, Task, as_numbers
from doctor.model import Cost

FOLDS = 3
MAX_ROWS = 5_000
MAX_FEATURES = 200
MIN_ROWS = 60
"""Fewer rows give an interval that says nothing."""
MIN_GAIN = 0.05
"""A model that is no better than this over chance learns nothing here that could be lost."""
LATEST_SHARE = 0.2
DRAWS = 200
"""Of rows, or groups of rows, with replacement, for the interval."""

Array = np.ndarray[Any, Any]
Metric = Callable[[Array, Array], float]


@dataclass(frozen=True, kw_only=True)
class _Arm:
    """Predictions of rows of the sample, and the truth of them."""

    predicted: Array
    truth: Array
    units: Array
    """What is drawn for the interval: numbers of the rows, or of their groups."""


class Surrogate(Struct, frozen=True, kw_only=True):
    """A small boosted model of the target.

    Attributes
    ----------
    hidden : tuple of str
        Columns that are no features: the target, and what its annotators said.
    """

    COST: ClassVar[int] = 100

    sample: Sample
    target: Target
    hidden: tuple[str, ...]

    @classmethod
    def measure(cls, sample: Sample, target: Target, roles: Roles) -> "Surrogate":
        """Take what is needed; nothing is fitted before it is asked for."""
        hidden = (target.name, *roles.annotators, *([roles.item] if roles.item else []))
        return cls(sample=sample, target=target, hidden=hidden)

    def of_columns(self, columns: Sequence[str], beside: Iterable[str], *, filled: bool = False) -> Cost | None:
        """Score with and without columns, or with and without their missing values where `filled`.

        Parameters
        ----------
        columns : sequence of str
            What the repair takes away.
        beside : iterable of str
            What other faults are about; no arm sees them, so that each fault is told by itself.
        filled : bool
            Whether the columns stay and their missing values become their commonest.
        """
        rows = self._rows()
        fold = folds_of(self.sample.key[rows])
        before = self._arm(rows, self._features(rows, (), beside), each_out(fold % FOLDS, FOLDS))
        features = self._features(rows, () if filled else columns, beside, columns if filled else ())
        after = self._arm(rows, features, each_out(fold % FOLDS, FOLDS))
        named = ", ".join(columns)
        return self._cost(
            before, after, f"where no {named} is missing" if filled else f"without {named}", "out of fold"
        )

    def of_groups(self, column: str, pattern: str, beside: Iterable[str]) -> Cost | None:
        """Score with the rows of a group in several folds, as they fall, and with each group in one."""
        rows = self._rows()
        groups = _groups(self.sample.columns[column][rows], pattern)
        features = self._features(rows, (), [*beside, column])
        before = self._arm(rows, features, each_out(np.arange(len(rows)) % FOLDS, FOLDS))
        order = np.random.default_rng(0).permutation(int(groups.max(initial=0)) + 1)
        after = self._arm(rows, features, each_out(order[groups] % FOLDS, FOLDS), units=groups)
        return self._cost(before, after, f"on groups of {column} that it has not seen", "out of fold")

    def of_time(self, column: str, beside: Iterable[str]) -> Cost | None:
        """Score the latest rows by a model of rows of all times, and by one of the rows before them."""
        rows = self._rows()
        times = self.sample.columns[column][rows]
        if times.dtype == object:
            return None
        rows, times = rows[~np.isnan(times)], times[~np.isnan(times)]
        if len(rows) < MIN_ROWS:
            return None
        latest = times >= np.quantile(times, 1 - LATEST_SHARE)
        features = self._features(rows, (), [*beside, column])
        before = self._arm(rows, features, each_out(folds_of(self.sample.key[rows]) % FOLDS, FOLDS), seen=latest)
        after = self._arm(rows, features, iter([(~latest, latest)]), seen=latest)
        return self._cost(
            before, after, f"on the latest rows by {column}, learnt from those before", "a fifth of the rows"
        )

    def of_copies(
        self, earlier: str, later: str, same: Sequence[str], folded: Sequence[str], beside: Iterable[str]
    ) -> Cost | None:
        """Score the later split, learnt from the earlier one, with and without the rows that have a copy there."""
        rows, truth = self._labelled((earlier, later))
        first = self.sample.split[rows] == earlier
        if first.sum() < MIN_ROWS or (~first).sum() < MIN_ROWS:
            return None
        marks = _marks(self.sample, rows, same or sorted(set(self.sample.columns) - set(self.hidden)), folded)
        copied = np.isin(marks, np.unique(marks[first]))
        features = self._features(rows, (), beside)
        fold = iter([(first, ~first)])
        predicted = self._predict(features, truth, fold)
        every, clean = (
            _Arm(predicted=predicted[seen], truth=truth[seen], units=np.arange(int(seen.sum())))
            for seen in (~first, ~first & ~copied)
        )
        return self._cost(every, clean, f"on the rows of {later} without a copy in {earlier}", f"learnt from {earlier}")

    def _rows(self) -> Array:
        return self.target.rows[:MAX_ROWS]

    def _truth(self, rows: Array) -> Array:
        """Return class numbers without a gap, or the quantity itself."""
        if self.target.task is Task.REGRESSION:
            raw = self.sample.columns[self.target.name][rows]
            numbers = as_numbers(raw) if raw.dtype == object else raw
            return np.asarray(numbers, dtype=np.float64)
        place = np.full(self.sample.rows, -1, dtype=np.int64)
        place[self.target.rows] = self.target.values
        return codes_of(place[rows].astype(np.float64))

    def _labelled(self, splits: tuple[str, ...]) -> tuple[Array, Array]:
        """Return the rows of splits whose label the earlier split knows, and their labels."""
        raw = self.sample.columns[self.target.name]
        if self.target.task is Task.REGRESSION:
            numbers = as_numbers(raw) if raw.dtype == object else raw
            values = np.full(len(raw), np.nan) if numbers is None else numbers
        else:
            names = {
                str(value): float(code) for value, code in zip(raw[self.target.rows], self.target.values, strict=True)
            }
            values = np.array([names.get(str(value), np.nan) for value in raw])
        parts = [np.flatnonzero((self.sample.split == split) & ~np.isnan(values))[:MAX_ROWS] for split in splits]
        rows = np.sort(np.concatenate(parts))
        return rows, values[rows] if self.target.task is Task.REGRESSION else codes_of(values[rows])

    def _features(
        self, rows: Array, without: Iterable[str], beside: Iterable[str], filled: Sequence[str] = ()
    ) -> tuple[Array, list[bool]]:
        out = {*self.hidden, *without, *beside}
        names = [name for name in sorted(self.sample.columns) if name not in out][:MAX_FEATURES]
        inputs = [numbered(self.sample.columns[name][rows]) for name in names]
        columns = [
            _without_gaps(values, named) if name in filled else values
            for name, (values, named) in zip(names, inputs, strict=True)
        ]
        matrix = np.column_stack(columns) if columns else np.zeros((len(rows), 0))
        return matrix, [named for _, named in inputs]

    def _predict(self, features: tuple[Array, list[bool]], truth: Array, folds: Iterator[tuple[Array, Array]]) -> Array:
        matrix, named = features
        classes = 1 if self.target.task is Task.REGRESSION else int(truth.max()) + 1
        if not matrix.shape[1]:
            matrix, named = np.zeros((len(truth), 1)), [False]
        rounds = max(8, ROUNDS * 2 // max(2, classes))
        return out_of_fold(matrix, named, truth, self.target.task, folds, shares=classes > 1, rounds=rounds)

    def _arm(
        self,
        rows: Array,
        features: tuple[Array, list[bool]],
        folds: Iterator[tuple[Array, Array]],
        *,
        seen: Array | None = None,
        units: Array | None = None,
    ) -> _Arm:
        truth = self._truth(rows)
        predicted = self._predict(features, truth, folds)
        seen = np.ones(len(rows), dtype=bool) if seen is None else seen
        units = np.arange(int(seen.sum())) if units is None else units[seen]
        return _Arm(predicted=predicted[seen], truth=truth[seen], units=units)

    def _cost(self, before: _Arm, after: _Arm, change: str, how: str) -> Cost | None:
        name, metric, chance = self._metric(before)
        if min(len(before.truth), len(after.truth)) < MIN_ROWS:
            return None
        was, now = metric(before.predicted, before.truth), metric(after.predicted, after.truth)
        drawn = [value for value in _drawn(after, metric) if np.isfinite(value)]
        if not np.isfinite([was, now]).all() or was < chance + MIN_GAIN or len(drawn) < DRAWS / 2:
            return None
        low, high = np.quantile(drawn, (0.025, 0.975))
        return Cost(
            metric=name,
            before=float(was),
            after=float(now),
            low=float(min(low, now)),
            high=float(max(high, now)),
            change=change,
            model=f"a small boosted model, {how},",
            rows=len(after.truth),
        )

    def _metric(self, arm: _Arm) -> tuple[str, Metric, float]:
        """Return the metric's name, its function of predictions and truth, and what chance reaches."""
        if self.target.task is Task.REGRESSION:
            return "R²", _explained, 0.0
        if arm.predicted.shape[1] == 2:
            return "AUC", _area, 0.5
        return "accuracy", _right, float(np.bincount(arm.truth).max() / len(arm.truth))


def _explained(predicted: Array, truth: Array) -> float:
    spread = float(((truth - truth.mean()) ** 2).sum())
    return 1 - float(((truth - predicted) ** 2).sum()) / spread if spread > 0 else float("nan")


def _right(shares: Array, truth: Array) -> float:
    return float((shares.argmax(axis=1) == truth).mean())


def _area(shares: Array, truth: Array) -> float:
    positive = truth == 1
    return float("nan") if positive.all() or not positive.any() else auc_of(shares[:, 1], positive)


def _drawn(arm: _Arm, metric: Metric) -> Iterator[float]:
    """Score as many rows, or groups of rows, drawn with replacement."""
    generator = np.random.default_rng(0)
    order = np.argsort(arm.units, kind="stable")
    starts = np.searchsorted(arm.units[order], np.arange(int(arm.units.max()) + 2))
    units = np.flatnonzero(np.diff(starts))
    for _ in range(DRAWS):
        chosen = generator.choice(units, len(units))
        rows = (
            np.concatenate([order[starts[unit] : starts[unit + 1]] for unit in chosen])
            if len(units) < len(order)
            else order[starts[chosen]]
        )
        yield metric(arm.predicted[rows], arm.truth[rows])


def _groups(values: Array, pattern: str) -> Array:
    """Number the groups of rows; a row without a value is a group of its own."""
    if values.dtype == object:
        if pattern:
            found = re.compile(pattern)
            matches = [None if value is None else found.search(value) for value in values]
            values = np.array(
                [match.group(1) if match else value for match, value in zip(matches, values, strict=True)], object
            )
        alone = np.array([f"\0{place}" if value is None else value for place, value in enumerate(values)], dtype=object)
    else:
        alone = np.where(np.isnan(values), -np.arange(1, len(values) + 1) - 1e18, values)
    return codes_of(alone)


def _marks(sample: Sample, rows: Array, same: Sequence[str], folded: Sequence[str]) -> Array:
    """Number the contents of rows: rows of one number are copies."""
    columns = []
    for name in same:
        values = sample.columns[name][rows]
        if name in folded and values.dtype == object:
            values = np.array([None if value is None else value.strip().lower() for value in values], dtype=object)
        columns.append(codes_of(values))
    marks: Array = np.unique(np.column_stack(columns), axis=0, return_inverse=True)[1]
    return marks.reshape(-1)


def _without_gaps(values: Array, named: bool) -> Array:
    missing = np.isnan(values)
    if missing.all():
        return np.zeros(len(values))
    known = values[~missing]
    usual = np.bincount(known.astype(np.int64)).argmax() if named else np.median(known)
    return np.where(missing, usual, values)
