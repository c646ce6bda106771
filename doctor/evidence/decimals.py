"""To how many decimals numbers are written, and which simple fraction a fitted coefficient stands for."""

from fractions import Fraction
from typing import Any

import numpy as np

MAX_DECIMALS = 8
"""Numbers with more decimals are taken for computed ones, of full precision."""
MAX_DENOMINATOR = 12
MAX_SIMPLE_DECIMALS = 4
ROWS_TRIED = 2_000

Array = np.ndarray[Any, Any]


def quantum_of(values: Array) -> float:
    """Return the step in which numbers are written: 1 for whole ones, 0.01 for cents, 0 for those of full precision.

    Parameters
    ----------
    values : ndarray of float64
        NaN for missing.
    """
    known = values[np.isfinite(values)]
    known = known[:: max(1, len(known) // ROWS_TRIED)]
    if not len(known):
        return 0.0
    for decimals in range(MAX_DECIMALS + 1):
        scaled = known * 10.0**decimals
        # A double holds 15 digits; a decimal number is off its nearest whole one by no more than that.
        if np.all(np.abs(scaled - np.round(scaled)) <= 1e-9 + 4e-15 * np.abs(scaled)):
            return float(10.0**-decimals)
    return 0.0


def simple(value: float, slack: float) -> float | None:
    """Return the simplest fraction or short decimal within `slack` of a value, None where there is none."""
    for denominator in range(1, MAX_DENOMINATOR + 1):
        near = round(value * denominator) / denominator
        if abs(near - value) <= slack:
            return near
    for decimals in range(1, MAX_SIMPLE_DECIMALS + 1):
        near = round(value, decimals)
        if near and abs(near - value) <= slack:
            return near
    return None


def written(value: float) -> str:
    """Write a coefficient as a person would: 2, 1/3, 0.299."""
    fraction = Fraction(value).limit_denominator(MAX_DENOMINATOR)
    if abs(float(fraction) - value) <= 1e-12 * max(1.0, abs(value)):
        short = f"{value:.10g}"
        return str(fraction) if fraction.denominator != 1 and len(short) > len(str(fraction)) + 2 else short
    return f"{value:.6g}"
