"""Rows that nearly equal each other and have different labels, among the drawn ones."""

import math
from typing import Any

import numpy as np

from doctor.evidence.repeated_rows import SPARE_BITS
from doctor.evidence.sample import Sample
from doctor.evidence.surprisal import Surprisal

Array = np.ndarray[Any, Any]

COPY_DISTANCE = 0.01
"""Of the usual distance to the nearest row; so near is a copy."""
RING = 4.0
MAX_NEAR = 20
"""A row with more near copies lies in a heap of rows that are alike by nature."""
MAX_VERIFIED = 500


def near_pairs(matrix: Array, labels: Array) -> tuple[list[tuple[int, int]], int]:
    """Return pairs of rows with different labels that are nearly equal, and how many are a few times as far apart.

    Equal rows are another check's.
    """
    exact = matrix.astype(np.float64)
    squares = (exact * exact).sum(axis=1)
    apart = np.maximum(squares[:, None] + squares[None] - 2 * (exact @ exact.T), 0)
    np.fill_diagonal(apart, np.inf)
    nearest = apart.min(axis=1)
    distinct = nearest[nearest > squares.max() * 1e-12]
    usual = float(np.median(distinct)) if len(distinct) else 0.0
    first, second = np.nonzero(np.triu(apart <= (RING * COPY_DISTANCE) ** 2 * usual, 1))
    differ = (labels[first] != labels[second]) & (matrix[first] != matrix[second]).any(axis=1)
    first, second = first[differ], second[differ]
    distance = np.linalg.norm(exact[first] - exact[second], axis=1)
    copies = distance <= COPY_DISTANCE * np.sqrt(usual)
    crowd = np.bincount(np.concatenate([first, second]), minlength=len(labels)) > MAX_NEAR
    ring = int(np.count_nonzero(~copies))
    copies &= ~crowd[first] & ~crowd[second]
    return list(zip(first[copies].tolist(), second[copies].tolist(), strict=True)), ring


def verified(
    pairs: list[tuple[int, int]], sample: Sample, surprisal: Surprisal, compared: list[str], rows: int
) -> list[tuple[int, int]]:
    """Return the pairs that agree in every column, also in those that no model reads, by no coincidence.

    Parameters
    ----------
    pairs : list of (int, int)
        Positions in the sample.
    compared : list of str
        The columns that are features.
    rows : int
        How many rows were compared with each other.
    """
    bound = math.log2(max(1, rows * (rows - 1) / 2)) + SPARE_BITS
    kept = []
    for first, second in pairs[:MAX_VERIFIED]:
        within = _differences(sample, compared, first, second)
        if within is None or not any(within.values()):
            continue
        values = {name: sample.columns[name][[first]] for name in surprisal.columns}
        if float(surprisal.bits(values, within)[0]) > bound:
            kept.append((first, second))
    return kept


def _differences(sample: Sample, compared: list[str], first: int, second: int) -> dict[str, float] | None:
    """Return by how much two rows differ in each column of numbers; None where they differ in text or in a hole."""
    within = {}
    for name in compared:
        one, other = sample.columns[name][first], sample.columns[name][second]
        if sample.columns[name].dtype == object:
            if one != other:
                return None
        elif np.isnan(one) != np.isnan(other):
            return None
        elif not np.isnan(one):
            within[name] = abs(float(one) - float(other))
    return within
