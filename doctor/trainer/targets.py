"""What is to be predicted: class numbers or standardised values, by what train holds. Loads no torch."""

from dataclasses import dataclass

import numpy as np

from doctor.errors import UsageError
from doctor.evidence.targets import as_numbers, is_quantity
from doctor.subjects.table import Kind
from doctor.trainer.data import Array
from doctor.wording import printable

MAX_CLASSES = 10_000
MAX_CLASS_SHARE = 0.5
"""A text with more different values than this share of the rows names no classes."""
FEW_CLASSES = 20
"""So many may be classes however few the rows are, unless each row has a value of its own."""


@dataclass(frozen=True, kw_only=True)
class Targets:
    """The target of every row.

    Attributes
    ----------
    values : ndarray, shape (rows,)
        Class numbers, or standardised float32.
    known : ndarray of bool, shape (rows,)
        Which rows have one that can be learnt or judged.
    """

    task: str
    values: Array
    known: Array
    classes: tuple[str, ...] = ()
    centre: float = 0.0
    spread: float = 1.0
    notes: tuple[str, ...] = ()


def read_targets(name: str, raw: Array, kind: Kind, train: Array, task: str) -> Targets:
    """Code a column as targets.

    Parameters
    ----------
    raw : ndarray, shape (rows,)
        As `doctor.evidence.sample.coded` gives it.
    train : ndarray of bool
        The rows to be trained on.
    task : str
        classification, regression, or auto.

    Raises
    ------
    UsageError
        When there is nothing to learn, or not so.
    """
    present = np.array([value is not None for value in raw]) if raw.dtype == object else ~np.isnan(raw)
    if not present[train].any():
        raise UsageError(f"{printable(name)}: no row of train has a value of the target")
    numbers = as_numbers(raw[present]) if raw.dtype == object else raw[present].astype(np.float64)
    if task == "regression" or (task == "auto" and numbers is not None and is_quantity(numbers, kind)):
        return _quantity(name, raw, present, numbers, train)
    return _classes(name, raw, present, train)


def _quantity(name: str, raw: Array, present: Array, numbers: Array | None, train: Array) -> Targets:
    if numbers is None:
        word = next(value for value in raw[present] if as_numbers(np.array([value], dtype=object)) is None)
        raise UsageError(f"{printable(name)}: {printable(str(word), limit=40)!r} is no number, so there is no quantity")
    values = np.full(len(raw), np.nan)
    values[present] = numbers
    known = np.isfinite(values)
    learnt = values[known & train]
    if len(learnt) == 0 or learnt.min() == learnt.max():
        raise UsageError(f"{printable(name)}: a single value in train; there is nothing to learn")
    centre, spread = float(learnt.mean()), float(learnt.std())
    odd = int(present.sum() - known.sum())
    return Targets(
        task="regression",
        values=np.where(known, (values - centre) / spread, 0.0).astype(np.float32),
        known=known,
        centre=centre,
        spread=spread,
        notes=(f"{printable(name)}: {odd} rows left out, their value is no number",) if odd else (),
    )


def _classes(name: str, raw: Array, present: Array, train: Array) -> Targets:
    levels, codes = np.unique(
        raw[present & train].astype(str) if raw.dtype == object else raw[present & train], return_inverse=True
    )
    shown = tuple(_spelt(level) for level in levels)
    if len(levels) == 1:
        raise UsageError(f"{printable(name)}: a single class, {printable(shown[0])!r}, in train; nothing to learn")
    many = max(FEW_CLASSES, MAX_CLASS_SHARE * len(codes))
    if len(levels) == len(codes) or len(levels) > min(MAX_CLASSES, many):
        raise UsageError(
            f"{printable(name)}: {len(levels)} different values in {len(codes)} rows of train are no classes"
        )
    place = {level: number for number, level in enumerate(levels.tolist())}
    values = np.full(len(raw), -1, dtype=np.int64)
    spelt = raw.astype(object)
    for row in np.flatnonzero(present):
        values[row] = place.get(str(spelt[row]) if raw.dtype == object else spelt[row], -1)
    foreign = int((values[present] < 0).sum())
    said = (f"{printable(name)}: {foreign} rows left out, their class is not in train",) if foreign else ()
    return Targets(task="classification", values=values, known=values >= 0, classes=shown, notes=said)


def _spelt(level: object) -> str:
    return f"{level:g}" if isinstance(level, float) else str(level)
