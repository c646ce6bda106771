"""Ways in which the target is nothing but columns in another form."""

import math
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from msgspec import Struct

from doctor.evidence.decimals import quantum_of, written
from doctor.evidence.formulas import MIN_TELLING, Formula, Numbers
from doctor.evidence.keys import Keys
from doctor.evidence.one_feature import folds_of
from doctor.evidence.profile import MAX_FINITE
from doctor.evidence.roles import Roles
from doctor.evidence.sample import Sample, codes_of, numbered
from doctor.evidence.targets import MIN_NUMBER_SHARE, Target, Task, mid_ranks, number_in
from doctor.subjects.table import Kind, Table

MAX_COLUMNS = 200
FITTED_FOLDS = 2
"""Of the five folds; the other three are held against what is found."""
MAX_SUMS = 4
RANK_CORRELATION = 0.999
MIN_LEVELS = 20
"""A quantity with fewer values has no ranks to speak of."""
MAX_CUT_CLASSES = 10
NEIGHBOURS = 20
MAX_GAP_SPACINGS = 5.0
"""The gap at a threshold, in mean distances between its neighbours: a wider one also lies between honest clusters."""
MAX_KEY_LEVELS = 50
MIN_CLASS_ROWS = 5
PROBED_LEVELS = 100
"""Where none of so many is a number, most are none."""
MAX_LEAD = 3
MIN_LEAD_AGREEMENT = 0.95
"""Where several series stand one above the other, a shift fails at their borders."""

Array = np.ndarray[Any, Any]


class Identity(Struct, frozen=True, kw_only=True):
    """One way in which the target follows from columns.

    Attributes
    ----------
    form : str
        "line", "rank", "sum", "product", "threshold", "joint key" or "lead".
    formula : str
        As a person would write it.
    rows : int
        Rows held against it; of a formula of numbers only those that it was not fitted on.
    exceptions : int
        Those of them that do not follow it.
    tolerance : float or None
        What a number may be off by; None where nothing is rounded.
    correlation : float or None
        Of ranks.
    """

    form: str
    columns: tuple[str, ...]
    formula: str
    rows: int
    exceptions: int = 0
    tolerance: float | None = None
    correlation: float | None = None


class Identities(Struct, frozen=True, kw_only=True):
    """All of them; a column that is part of one is not looked at for the next.

    Attributes
    ----------
    rows : int
        Rows with a target.
    enough : bool
        Whether they suffice to find a formula on some and hold it against others.
    """

    COST: ClassVar[int] = 10

    target: str
    rows: int
    enough: bool
    identities: tuple[Identity, ...]

    @classmethod
    def measure(cls, table: Table, roles: Roles, keys: Keys, sample: Sample, target: Target) -> "Identities":
        """Look for a formula of numbers, then for one of classes."""
        told = {target.name, *roles.annotators}
        columns = [column for column in table.columns if column.name not in told]
        raw = {column.name: sample.columns[column.name][target.rows] for column in columns}
        timely = {column.name for column in columns if column.kind is Kind.TIME} | {roles.time}
        numbers = _numbers({name: values for name, values in raw.items() if name not in timely})
        truth = sample.columns[target.name][target.rows]
        fitted = folds_of(sample.key[target.rows]) < FITTED_FOLDS
        parsed = _read(truth)
        found: list[Identity] = []
        enough = True
        if parsed is not None and len(np.unique(parsed[np.isfinite(parsed)])) > 2:
            known = np.isfinite(parsed)
            part = {name: values[known] for name, values in numbers.items()}
            board = Numbers(parsed[known], _most_alike(parsed[known], part), fitted[known])
            enough = board.enough
            if enough:
                found += _of_numbers(target.name, board, ranks=target.task is Task.REGRESSION)
                left = {name: numbers[name] for name in board.columns}
                found += _leads(table, roles, sample, target, parsed, left)
        if target.task is Task.CLASSIFICATION:
            enough = enough and len(truth) >= 2 * MIN_TELLING
            used = {name for one in found for name in one.columns}
            found += _thresholds(target, {name: values for name, values in numbers.items() if name not in used})
            used = {name for one in found for name in one.columns}
            left = {name: values for name, values in raw.items() if name not in used and name not in keys.row_ids}
            found += _joint_key(target.name, truth, left)
        return cls(target=target.name, rows=len(truth), enough=enough, identities=tuple(found))


def _numbers(raw: Mapping[str, Array]) -> dict[str, Array]:
    """Read columns as numbers where most of their values are."""
    numbers = {}
    for name, values in raw.items():
        read = _read(values)
        if read is not None and np.isfinite(read).sum() >= 2 * MIN_TELLING:
            numbers[name] = np.where(np.isfinite(read), read, np.nan)
    return numbers


def _read(values: Array) -> Array | None:
    """Read numbers, also out of a text that only a few rows of words ("ERROR") have made of a column."""
    if values.dtype != object:
        return np.where(np.abs(values) < MAX_FINITE, values, np.nan)
    codes, levels = numbered(values)
    if all(map(math.isnan, map(number_in, levels[:PROBED_LEVELS]))):
        return None
    numbers = np.array([*map(number_in, levels), np.nan])[codes]
    known = np.isfinite(numbers).sum()
    return numbers if known >= MIN_NUMBER_SHARE * max(1, (codes >= 0).sum()) else None


def _most_alike(truth: Array, numbers: dict[str, Array]) -> dict[str, Array]:
    """Keep the columns that say most of the target where a table is very wide."""
    if len(numbers) <= MAX_COLUMNS:
        return numbers
    ranks = mid_ranks(truth)

    def likeness(name: str) -> float:
        known = np.isfinite(numbers[name])
        other = mid_ranks(numbers[name][known])
        return abs(float(np.corrcoef(ranks[known], other)[0, 1])) if np.ptp(other) > 0 else 0.0

    kept = sorted(sorted(numbers), key=lambda name: -likeness(name))[:MAX_COLUMNS]
    return {name: values for name, values in numbers.items() if name in kept}


def _of_numbers(target: str, board: Numbers, *, ranks: bool) -> Iterator[Identity]:
    for name in list(board.columns):
        line = board.line(name)
        if line is not None:
            yield _stated(target, "line", line)
        elif ranks and (found := _rank(target, name, board)) is not None:
            yield found
        else:
            continue
        board.forget([name])
    for search, form in ((board.total, "sum"), (board.product, "product")):
        for _ in range(MAX_SUMS):
            formula = search()
            if formula is None:
                break
            yield _stated(target, form, formula)
            board.forget(list(formula.weights))


def _stated(target: str, form: str, formula: Formula) -> Identity:
    return Identity(
        form=form,
        columns=tuple(formula.weights),
        formula=f"{target} = {formula.words()}",
        rows=formula.rows,
        exceptions=formula.exceptions,
        tolerance=formula.tolerance,
    )


def _rank(target: str, name: str, board: Numbers) -> Identity | None:
    """Say whether a column orders the rows as the target does."""
    known = board.held & np.isfinite(board.columns[name])
    if known.sum() < board.held.sum() / 2 or (known & board.telling).sum() < 2 * MIN_TELLING:
        return None
    one, other = board.columns[name][known], board.truth[known]
    if min(len(np.unique(one)), len(np.unique(other))) < MIN_LEVELS:
        return None
    correlation = float(np.corrcoef(mid_ranks(one), mid_ranks(other))[0, 1])
    if abs(correlation) < RANK_CORRELATION:
        return None
    words = f"{name} orders the rows {'as' if correlation > 0 else 'against'} {target}"
    return Identity(form="rank", columns=(name,), formula=words, rows=int(known.sum()), correlation=correlation)


def _thresholds(target: Target, numbers: dict[str, Array]) -> Iterator[Identity]:
    count = target.class_count
    if not 2 <= count <= min(MAX_CUT_CLASSES, len(target.classes)) or np.bincount(target.values).min() < 2 * NEIGHBOURS:
        return
    for name, values in numbers.items():
        known = np.isfinite(values)
        if known.mean() < 0.5 or len(np.unique(values[known])) <= count:
            continue
        cuts = _cuts(values[known], target.values[known], count)
        if cuts is not None:
            order, bounds = cuts
            yield Identity(
                form="threshold",
                columns=(name,),
                formula=_cut_words(target, name, order, bounds),
                rows=int(known.sum()),
            )


def _cuts(values: Array, classes: Array, count: int) -> tuple[list[int], list[float]] | None:
    """Return the classes by ascending value and the largest value of each but the last, where the rows are so cut."""
    members = [np.sort(values[classes == number]) for number in range(count)]
    if min(map(len, members)) < NEIGHBOURS:
        return None
    order = sorted(range(count), key=lambda number: float(members[number][0]))
    step = quantum_of(values)
    bounds = []
    for below, above in pairwise(order):
        low, high = members[below], members[above]
        gap = float(high[0] - low[-1])
        near = float(low[-1] - low[-NEIGHBOURS] + high[NEIGHBOURS - 1] - high[0])
        dense = gap <= MAX_GAP_SPACINGS * near / (2 * NEIGHBOURS)
        adjacent = step > 0 and gap <= step * 1.001 and near <= NEIGHBOURS * step
        if gap <= 0 or not (dense or adjacent):
            return None
        bounds.append(float(low[-1]))
    return order, bounds


def _cut_words(target: Target, name: str, order: list[int], bounds: list[float]) -> str:
    names = [target.classes[number] for number in order]
    if len(names) == 2:
        return f"{target.name} = {names[1]} where {name} > {written(bounds[0])}, else {names[0]}"
    parts = [f"{label} up to {written(bound)}" for label, bound in zip(names, bounds, strict=False)]
    return f"{target.name} = {name} cut: {', '.join(parts)}, {names[-1]} above"


def _joint_key(target: str, truth: Array, raw: Mapping[str, Array]) -> Iterator[Identity]:
    """Find columns that are each settled by the class and together settle it: the class is they written together."""
    labels = codes_of(truth)
    classes = int(labels.max()) + 1
    if classes < 3 or len(labels) < MIN_CLASS_ROWS * classes:
        return
    parts = {}
    for name, values in raw.items():
        codes = codes_of(values)
        levels = int(codes.max()) + 1
        if 2 <= levels < min(classes, MAX_KEY_LEVELS + 1) and _settles(labels, codes):
            parts[name] = codes
    chosen: list[str] = []
    joint = np.zeros(len(labels), dtype=np.int64)
    while _groups(joint) < classes:
        gains = {name: _groups(_joined(joint, codes)) for name, codes in parts.items() if name not in chosen}
        best = max(sorted(gains), key=lambda name: gains[name], default=None)
        if best is None or gains[best] == _groups(joint):
            return
        chosen.append(best)
        joint = _joined(joint, parts[best])
    if len(chosen) > 1:
        formula = f"{target} = {' with '.join(chosen)}, one for one ({classes} classes)"
        yield Identity(form="joint key", columns=tuple(chosen), formula=formula, rows=len(labels))


def _joined(one: Array, other: Array) -> Array:
    return codes_of(one * (int(other.max()) + 1) + other)


def _groups(codes: Array) -> int:
    return int(codes.max()) + 1


def _settles(one: Array, other: Array) -> bool:
    """Whether the rows of one value of `one` have one value of `other`."""
    return _groups(_joined(one, other)) == _groups(one)


def _leads(
    table: Table, roles: Roles, sample: Sample, target: Target, parsed: Array, numbers: Mapping[str, Array]
) -> Iterator[Identity]:
    """Find columns that hold the target of a later row; those that hold that of an earlier one are honest."""
    if roles.time is None or sample.columns[roles.time].dtype == object or sample.rows < table.rows:
        return
    when = sample.columns[roles.time][target.rows]
    order = np.lexsort((sample.row[target.rows], when))
    truth = parsed[order]
    for name, values in numbers.items():
        shifted = values[order]
        for lead in range(1, MAX_LEAD + 1):
            now, then, told = truth[:-lead], truth[lead:], shifted[:-lead]
            telling = np.isfinite(told) & (now != then)
            if telling.sum() < 2 * MIN_TELLING:
                continue
            agreed = np.isclose(told[telling], then[telling], rtol=1e-6, atol=0)
            if agreed.mean() >= MIN_LEAD_AGREEMENT:
                words = f"{name} = {target.name} of {'the next row' if lead == 1 else f'{lead} rows later'}"
                yield Identity(
                    form="lead",
                    columns=(name,),
                    formula=f"{words}, by {roles.time}",
                    rows=int(telling.sum()),
                    exceptions=int((~agreed).sum()),
                )
                break
