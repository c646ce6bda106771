"""How well each feature alone predicts the target on rows that it was not fitted on."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
from msgspec import Struct

from doctor.evidence.keys import Keys
from doctor.evidence.one_feature import (
    Feature,
    folds_of,
    predict_class,
    predict_monotone,
    predict_quantity,
)
from doctor.evidence.profile import ColumnProfile, Profile
from doctor.evidence.roles import Roles
from doctor.evidence.sample import Sample, numbered
from doctor.evidence.significance import ONE_SIDED_95, binomial_upper_tail, false_discovery, wilson_upper
from doctor.evidence.targets import Target, Task, as_numbers, mid_ranks
from doctor.subjects.table import Kind, Table

MIN_NOTED_BOUND = 0.90
"""Views below it are noted only where they are the feature's best."""
MAX_FIRST_WORDS = 20
"""A text that begins in more ways is not read by its first word: that would be the name of a group."""
SAME_SHARE = 0.995
"""Two features are one where each settles the other in this share of rows."""
SAME_RANK = 0.999
"""Two numeric features are one from this rank correlation on."""

Array = np.ndarray[Any, Any]


class Association(Struct, frozen=True, kw_only=True):
    """One feature against one view of the target.

    Attributes
    ----------
    view : str or None
        The class told from all others; None for the target as a whole.
    form : str
        What of the column was used: "value", "first word", "length" or "missing" (whether there is a value).
    score : float
        Out of fold, 0 for the best constant guess and 1 for no error. For classes the share of the constant guess's
        errors that is avoided; for a quantity 1 - squared error / variance of its ranks.
    lower : float
        Lower one-sided 95 % bound of `score` (Wilson for classes, delta method for ranks).
    baseline : float
        Share of rows that the constant guess has right; 0 for a quantity.
    errors : int or None
        Rows predicted wrongly; None for a quantity.
    support : int
        Rows of the class, or rows that the constant guess has wrong; all rows for a quantity.
    recoding : bool
        Whether the feature's values stand for the classes one to one without exception.
    """

    column: str
    view: str | None
    form: str
    score: float
    lower: float
    baseline: float
    errors: int | None
    rows: int
    support: int
    p: float
    q: float = 1.0
    recoding: bool = False
    classes: int = 0


class Associations(Struct, frozen=True, kw_only=True):
    """All features of a table against its target, on the sample.

    Attributes
    ----------
    noted : tuple of Association
        For each feature the view with the highest bound, then those others whose bound is at least 0.90.
    reach : float
        The highest lower bound that a feature without an error could have; 1 for a quantity.
    families : tuple of tuple of str
        Features with a high bound that are copies or recodings of each other; each such feature is in one family.
    """

    COST: ClassVar[int] = 20

    target: str
    task: Task
    rows: int
    reach: float
    noted: tuple[Association, ...]
    families: tuple[tuple[str, ...], ...] = ()

    def family(self, column: str) -> tuple[str, ...]:
        """Return the columns that are copies of one, itself included."""
        return next((family for family in self.families if column in family), (column,))

    @classmethod
    def measure(
        cls, table: Table, roles: Roles, keys: Keys, profile: Profile, sample: Sample, target: Target
    ) -> "Associations":
        """Predict the target from each feature in turn."""
        fold = folds_of(sample.key[target.rows])
        told = {target.name, *roles.annotators, *keys.owners}
        columns = [column for column in table.columns if column.name not in told]
        facts = {known.name: known for known in profile.columns}
        best: list[Association] = []
        for column in columns:
            values = sample.columns[column.name][target.rows]
            serial = is_serial(facts[column.name], values, table.rows)
            if serial and target.task is Task.CLASSIFICATION:
                continue
            timely = column.kind is Kind.TIME or column.name == roles.time
            if target.task is Task.REGRESSION and timely:
                continue
            best += _best_views(_views(column.name, values, target, fold, monotone=serial))
        noted = _with_q(best)
        high = [found.column for found in noted if found.lower >= MIN_NOTED_BOUND]
        return cls(
            target=target.name,
            task=target.task,
            rows=len(target.rows),
            reach=_reach(target),
            noted=noted,
            families=_families({name: sample.columns[name][target.rows] for name in dict.fromkeys(high)}),
        )


def _reach(target: Target) -> float:
    if target.task is Task.REGRESSION:
        return 1.0
    rows = len(target.values)
    sizes = np.bincount(target.values)
    hardest = max(rows - int(sizes.max()), *(min(int(size), rows - int(size)) for size in sizes))
    return max(0.0, 1 - wilson_upper(0, rows) * rows / hardest)


def is_serial(facts: ColumnProfile, values: Array, rows: int) -> bool:
    """Whether a column counts the rows: unique whole numbers without wide gaps. In a sequence neighbours are alike."""
    if facts.kind is not Kind.INTEGER or len(values) < 2:
        return False
    if not isinstance(facts.minimum, int) or not isinstance(facts.maximum, int):
        return False
    return facts.maximum - facts.minimum < 1.2 * rows and len(np.unique(values)) == len(values)


def _views(name: str, values: Array, target: Target, fold: Array, *, monotone: bool) -> Iterator[Association]:
    for form, feature, numbers in forms_of(values, target, monotone=monotone):
        if feature is not None and feature.levels < 2:
            continue
        if target.task is Task.REGRESSION:
            if numbers is not None:
                predicted = predict_monotone(numbers, target.values, fold)
            else:
                assert feature is not None  # noqa: S101  # a form is one or the other
                predicted = predict_quantity(feature, target.values, fold)
            yield _of_quantity(name, form, target, predicted)
        elif feature is not None:
            predicted = predict_class(feature, target.values, fold, len(target.classes), target.class_count)
            yield from _of_classes(name, form, target, predicted, feature.levels)


def forms_of(values: Array, target: Target, *, monotone: bool) -> Iterator[tuple[str, Feature | None, Array | None]]:
    """Yield what a column may be read as: a feature, or ranks where only a monotone relation counts."""
    if monotone:
        yield "value", None, mid_ranks(values)
        return
    missing = np.array([value is None for value in values]) if values.dtype == object else np.isnan(values)
    if missing.any():
        yield "missing", Feature.of_levels(missing.astype(np.int64), target.class_count), None
    if values.dtype != object:
        yield "value", Feature.of_numbers(values), None
        return
    numbers = as_numbers(values)
    if numbers is not None and len(np.unique(numbers)) > MAX_FIRST_WORDS:
        yield "value", Feature.of_numbers(numbers), None
        return
    codes, levels = numbered(values)
    yield "value", Feature.of_levels(codes, target.class_count), None
    if len(levels) <= MAX_FIRST_WORDS:
        return
    lengths = np.array([len(level) for level in levels] + [np.nan])
    yield "length", Feature.of_numbers(lengths[codes]), None
    words: dict[str, int] = {}
    firsts = np.array(
        [words.setdefault(level.split(None, 1)[0] if level.strip() else "", len(words)) for level in levels]
    )
    if len(words) <= MAX_FIRST_WORDS:
        yield "first word", Feature.of_levels(np.append(firsts, -1)[codes], target.class_count), None


def _of_quantity(name: str, form: str, target: Target, predicted: Array) -> Association:
    truth = target.values
    rows = len(truth)
    squared = (truth - predicted) ** 2
    spread = (truth - truth.mean()) ** 2
    ratio = float(squared.sum() / spread.sum())
    deviation = float(np.sqrt(((squared - ratio * spread) ** 2).sum()) / spread.sum())
    correlation = float(np.corrcoef(truth, predicted)[0, 1]) if np.ptp(predicted) > 0 else 0.0
    z = math.atanh(min(correlation, 1 - 1e-15)) * math.sqrt(max(1, rows - 3))
    return Association(
        column=name,
        view=None,
        form=form,
        score=1 - ratio,
        lower=1 - ratio - ONE_SIDED_95 * deviation,
        baseline=0.0,
        errors=None,
        rows=rows,
        support=rows,
        p=0.5 * math.erfc(z / math.sqrt(2)),
    )


def _of_classes(name: str, form: str, target: Target, predicted: Array, levels: int) -> Iterator[Association]:
    count, rows = len(target.classes), len(predicted)
    confusion = np.bincount(target.values * count + predicted, minlength=count * count).reshape(count, count)
    sizes, hits = confusion.sum(axis=1), confusion.diagonal()
    wrong = sizes + confusion.sum(axis=0) - 2 * hits
    whole = rows - int(hits.sum())
    views: list[tuple[str | None, int, int]] = [(None, whole, rows - int(sizes.max()))]
    if count > 2:
        singles = range(count - 1 if target.lumped else count)
        views += [(target.classes[i], int(wrong[i]), int(min(sizes[i], rows - sizes[i]))) for i in singles]
    recoding = whole == 0 and levels == count and not target.lumped and int(sizes.min()) >= 10
    for view, errors, guessed_wrong in views:
        if guessed_wrong:
            baseline = 1 - guessed_wrong / rows
            yield Association(
                column=name,
                view=view,
                form=form,
                score=1 - errors / guessed_wrong,
                lower=1 - wilson_upper(errors, rows) * rows / guessed_wrong,
                baseline=baseline,
                errors=errors,
                rows=rows,
                support=guessed_wrong,
                p=binomial_upper_tail(rows - errors, rows, baseline),
                recoding=recoding and view is None,
                classes=count,
            )


def _best_views(views: Iterator[Association]) -> list[Association]:
    """Keep the best form of each view, and of the views the best one and all strong ones."""
    kept: dict[str | None, Association] = {}
    for found in views:
        # "missing" comes first, so that a value counts only where it tells more than that there is one.
        if found.view not in kept or found.lower > kept[found.view].lower + 1e-9:
            kept[found.view] = found
    ordered = sorted(kept.values(), key=lambda found: (-found.lower, found.view or ""))
    return [found for place, found in enumerate(ordered) if place == 0 or found.lower >= MIN_NOTED_BOUND]


def _with_q(found: Sequence[Association]) -> tuple[Association, ...]:
    """Add q-values after Benjamini and Hochberg (1995) over all that was looked at."""
    from msgspec.structs import replace

    p = np.array([item.p for item in found])
    return tuple(replace(item, q=q) for item, q in zip(found, false_discovery(p), strict=True))


def _families(columns: dict[str, Array]) -> tuple[tuple[str, ...], ...]:
    families: list[list[str]] = []
    for name, values in columns.items():
        home = next((family for family in families if same(columns[family[0]], values)), None)
        if home is None:
            families.append([name])
        else:
            home.append(name)
    return tuple(tuple(family) for family in families)


def same(one: Array, other: Array) -> bool:
    """Whether two features are copies or recodings of each other, but for a few rows."""
    if one.dtype != object and other.dtype != object:
        both = ~np.isnan(one) & ~np.isnan(other)
        if both.mean() >= SAME_SHARE and np.ptp(one[both]) > 0 and np.ptp(other[both]) > 0:
            ranks = np.corrcoef(mid_ranks(one[both]), mid_ranks(other[both]))
            if abs(float(ranks[0, 1])) >= SAME_RANK:
                return True
    first, second = _dense(one), _dense(other)
    if 10 * max(first.max(), second.max()) > len(first):
        return False
    pairs, counts = np.unique(first * (second.max() + 1) + second, return_counts=True)
    return all(
        _largest(pair, counts).sum() >= SAME_SHARE * len(first)
        for pair in (pairs // (second.max() + 1), pairs % (second.max() + 1))
    )


def _dense(values: Array) -> Array:
    if values.dtype == object:
        return numbered(values)[0] + 1
    codes: Array = np.unique(values, return_inverse=True)[1]
    return codes


def _largest(group: Array, counts: Array) -> Array:
    """Return the largest count of each group."""
    largest = np.zeros(int(group.max()) + 1, dtype=np.int64)
    np.maximum.at(largest, group, counts)
    return largest
