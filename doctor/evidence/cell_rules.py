"""Predicts classes by the cells that the values of a few columns form."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from doctor.evidence.one_feature import FOLDS
from doctor.evidence.sample import codes_of

MAX_LEVELS = 50
MIN_ROWS_PER_LEVEL = 20
"""On average: values that fewer rows share may be the names of entities."""
MIN_ROWS_PER_CELL = 20

Array = np.ndarray[Any, Any]


def coded_levels(columns: Mapping[str, Array], rows: int, limit: int) -> dict[str, Array]:
    """Number the values of columns that have few, at most so many columns."""
    coded = {}
    for name in sorted(columns):
        codes = codes_of(columns[name])
        if 2 <= int(codes.max()) + 1 <= min(MAX_LEVELS, rows / MIN_ROWS_PER_LEVEL):
            coded[name] = codes
        if len(coded) == limit:
            break
    return coded


def cell_errors(codes: Sequence[Array], truth: Array, half: Array, classes: int) -> int:
    """Return how many rows of each half the table of the other half has wrong, together."""
    cells = _cells(codes)
    if cells is None:
        return len(truth)
    wrong = 0
    for test in (half, ~half):
        guess = _guess(cells, truth, ~test, classes)
        wrong += int(np.count_nonzero(guess[cells[test]] != truth[test]))
    return wrong


def guess_by_cells(codes: Sequence[Array], truth: Array, fold: Array, classes: int) -> Array:
    """Predict each row by the commonest class of its cell in the other folds, the commonest of all for a new cell."""
    cells = _cells(codes)
    answer = np.full(len(truth), -1)
    if cells is None:
        return answer
    for number in range(FOLDS):
        test = fold == number
        answer[test] = _guess(cells, truth, ~test, classes)[cells[test]]
    return answer


def _cells(codes: Sequence[Array]) -> Array | None:
    """Number the cells; None where there are too many for the rows."""
    cells = codes[0]
    for other in codes[1:]:
        cells = cells * (int(other.max()) + 1) + other
    if len(codes) > 1 and np.count_nonzero(np.bincount(cells)) * MIN_ROWS_PER_CELL > len(cells):
        return None
    return cells


def _guess(cells: Array, truth: Array, train: Array, classes: int) -> Array:
    size = int(cells.max()) + 1
    counts = np.bincount(cells[train] * classes + truth[train], minlength=size * classes).reshape(size, classes)
    guess: Array = counts.argmax(axis=1)
    guess[counts.sum(axis=1) == 0] = int(np.bincount(truth[train], minlength=classes).argmax())
    return guess
