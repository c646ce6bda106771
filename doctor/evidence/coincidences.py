"""How often two different rows come close to being equal, and so how often two would be equal by nature.

A tree of columns sees pairs of columns only. Where many columns are functions of a few numbers, rows agree far more
often than it says. Two counts of pairs among different rows show it:

- Rows are made equal by force: every column is cut into 2, 4, 8 … cells of equal weight and the pairs that agree in all
  of them are counted. How fast that number falls as cells get smaller is the number of independent directions (the
  correlation dimension of Grassberger and Procaccia, 1983); carried on to the steps in which the coarsest columns are
  written it gives the pairs that agree by nature.
- Columns are added one by one. If far fewer pairs of different rows agree in some of them than chance gives, then those
  that agree there agree in all others too, and are not different rows.
"""

import math
from typing import Any

import numpy as np
from msgspec import Struct

Array = np.ndarray[Any, Any]

MIN_PAIRS = 30
"""Pairs from which a count is taken for a rate; its error is then below a fifth."""
MAX_HALVINGS = 14
MIN_EXPECTED = 12.0
MAX_FOUND_SHARE = 0.25
"""Pairs found, of those expected, up to which columns are taken to determine the others; P = .0005 at 12 expected."""


class Steps(Struct, frozen=True, kw_only=True):
    """One column of some rows.

    Attributes
    ----------
    code : ndarray of int64, shape (rows,)
        The value, numbered.
    height : ndarray of float64, shape (rows,)
        Where the value stands in the order of all, 0 to 1; the middle of equal ones.
    bits : float
        Minus the logarithm of the chance that two rows agree.
    resolution_bits : float
        What `bits` are at least; for columns in which hardly any value repeats.
    """

    code: Array
    height: Array
    bits: float
    resolution_bits: float

    @classmethod
    def of(cls, values: Array, resolution_bits: float = 0.0) -> "Steps":
        """Number the values in their order."""
        _, code, counts = np.unique(values, return_inverse=True, return_counts=True)
        rows = len(values)
        middle = (np.cumsum(counts) - counts / 2) / max(1, rows)
        pairs = float((counts * (counts - 1.0)).sum()) / 2
        bits = math.log2(rows * (rows - 1) / 2 / max(pairs, 0.5)) if rows > 1 else 0.0
        return cls(code=code, height=middle[code], bits=max(bits, resolution_bits), resolution_bits=resolution_bits)

    def at(self, rows: Array) -> "Steps":
        """Keep some rows, numbered anew."""
        return Steps.of(self.code[rows], self.resolution_bits)


def natural_bits(columns: list[Steps]) -> float:
    """Return the bits that an agreement of two rows has at most, on average; infinite where nothing limits them."""
    if not columns:
        return math.inf
    draw = np.random.default_rng(0)
    marks = draw.integers(0, 2**63, size=len(columns), dtype=np.uint64) | np.uint64(1)
    _, once = np.unique(_hashed([column.code for column in columns], marks), return_index=True)
    different = [column.at(np.sort(once)) for column in columns]
    return min(_by_halving(different, marks), _by_adding(different, marks))


def _hashed(codes: list[Array], marks: Array) -> Array:
    total = np.zeros(len(codes[0]), dtype=np.uint64)
    for code, mark in zip(codes, marks, strict=False):
        total += code.astype(np.uint64) * mark
    return total


def _pairs(hashes: Array) -> float:
    counts = np.unique(hashes, return_counts=True)[1].astype(float)
    return float((counts * (counts - 1)).sum()) / 2


def _by_halving(columns: list[Steps], marks: Array) -> float:
    rows = len(columns[0].code)
    found: list[float] = []
    for halvings in range(MAX_HALVINGS):
        cells = [np.floor(column.height * 2.0**halvings) for column in columns]
        found.append(_pairs(_hashed(cells, marks)))
        if found[-1] < MIN_PAIRS:
            found.pop()
            break
    if len(found) < 2:
        return math.inf
    last = len(found) - 1
    directions = math.log2(found[-2] / found[-1])
    bits = math.log2(rows * (rows - 1) / 2 / found[-1])
    for rest in sorted(column.bits - last for column in columns if column.bits > last):
        bits += rest * min(1.0, max(0.0, directions))
        directions -= 1
    return bits


def _by_adding(columns: list[Steps], marks: Array) -> float:
    rows = len(columns[0].code)
    every = before = rows * (rows - 1) / 2
    total = np.zeros(rows, dtype=np.uint64)
    order = sorted(range(len(columns)), key=lambda i: -columns[i].bits)
    for i in order:
        expected = before * 2.0 ** -columns[i].bits
        if expected < MIN_EXPECTED:
            continue
        total = total + columns[i].code.astype(np.uint64) * marks[i]
        now = _pairs(total)
        if now <= MAX_FOUND_SHARE * expected:
            return math.log2(every / expected)
        before = now
    return math.inf
