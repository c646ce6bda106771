"""The share of errors that does not fade where a model is sure: what wrong labels leave, and honest overlap does not.

Where classes overlap, the odds that a row is of the other class fall with its distance from the boundary, as they do in
any logistic or Gaussian model, beginning with one half at the boundary. A wrong label strikes rows wherever they are.
So errors are described by a logistic curve of the margins that falls from at least one half to a floor, and the floor
is compared with none.
"""

import math
from typing import Any

import numpy as np
from msgspec import Struct

Array = np.ndarray[Any, Any]

FLOORS = (0.0, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2, 0.25, 0.3)
"""Floors that are compared; between them the likelihood is flat."""
DROP_99 = 2.706
"""Half the one-sided 99 % point of the chi-squared distribution of one degree of freedom, 2.326² / 2."""
STEPS = 40
MAX_DAMPING = 1e6
SETTLED = 1e-4
PENALTY = 1e-3
"""On the squared slopes; without it they grow beyond all bounds where errors end at a certain margin."""


class ErrorFloor(Struct, frozen=True, kw_only=True):
    """A floor of errors.

    Attributes
    ----------
    share : float
        The likeliest floor.
    lower, upper : float
        The least and the largest of `FLOORS` within one-sided 99 % bounds of the likelihood.
    ratio : float
        Twice the logarithm by which the likeliest floor is likelier than none; 2.71 and 9.55 are exceeded with
        probability .05 and .001 where there is none.
    """

    share: float
    lower: float
    upper: float
    ratio: float

    @property
    def chance(self) -> float:
        """The probability of so plain a floor where there is none."""
        return 0.5 * math.erfc(math.sqrt(max(0.0, self.ratio) / 2))

    def stands_out(
        self, error_share: float, tries: int, min_share: float, max_chance: float, min_dominance: float
    ) -> bool:
        """Whether it is large enough, no chance, also as the plainest of so many, and most of the errors."""
        by_chance = tries * self.chance <= max_chance
        return self.lower >= min_share and by_chance and self.share >= min_dominance * error_share

    @classmethod
    def of(cls, margins: Array, errors: Array) -> "ErrorFloor":
        """Fit a curve with each floor.

        Parameters
        ----------
        margins : ndarray, shape (k, n)
            How sure each of k models is of the class that they hold likeliest.
        errors : ndarray of bool, shape (n,)
            Whether the label is another.
        """
        scaled = margins / np.maximum(margins.std(axis=1, keepdims=True), 1e-9)
        inputs = np.vstack([np.ones(scaled.shape[1]), scaled])
        wrong = errors.astype(np.float64)
        near, steep = (np.array([0.0, *[slope] * len(margins)]) for slope in (-1.0, -4.0))
        loss = []
        for floor in FLOORS:
            # Without a floor there is one best curve; with one there may be several, the usual rival a steep one.
            fits = [_fit(inputs, wrong, floor, start) for start in ((near, steep) if floor else (near,))]
            best, near = min(fits, key=lambda fit: fit[0])
            loss.append(best)
        losses = np.array(loss)
        likeliest = int(np.flatnonzero(losses <= losses.min() + SETTLED)[0])
        held = np.flatnonzero(losses <= losses[likeliest] + DROP_99)
        return cls(
            share=FLOORS[likeliest],
            lower=FLOORS[held[0]],
            upper=FLOORS[held[-1]],
            ratio=float(2 * (losses[0] - losses[likeliest])),
        )


def _fit(inputs: Array, wrong: Array, floor: float, start: Array) -> tuple[float, Array]:
    """Fit the curve above a floor by damped Fisher scoring; return its loss and its weights.

    The curve begins at one half or above and never rises.
    """
    side = np.array([1.0, *[-1.0] * (len(start) - 1)])
    weights, loss, damping = start, _loss(inputs, wrong, floor, start), 1e-3
    for _ in range(STEPS):
        curve = _curve(inputs, weights)
        chance = np.clip(floor + (1 - floor) * curve, 1e-9, 1 - 1e-9)
        rise = (1 - floor) * curve * (1 - curve)
        spread = chance * (1 - chance)
        slope = inputs @ ((wrong - chance) * rise / spread) - _penalty(weights)
        bend = (inputs * (rise * rise / spread)) @ inputs.T
        free = (weights * side > 0) | (slope * side > 0)
        if not free.any():
            break
        before = loss
        while damping < MAX_DAMPING:
            held = bend + np.diag(damping * bend.diagonal() + damping + PENALTY)
            step = np.zeros(len(weights))
            step[free] = np.linalg.solve(held[np.ix_(free, free)], slope[free])
            tried = weights + step
            tried = np.where(tried * side > 0, tried, 0.0)
            if (found := _loss(inputs, wrong, floor, tried)) < loss:
                weights, loss, damping = tried, found, damping / 10
                break
            damping *= 10
        if before - loss < SETTLED:
            break
    return loss, weights


def _curve(inputs: Array, weights: Array) -> Array:
    raised: Array = 1 / (1 + np.exp(-np.clip(weights @ inputs, -30, 30)))
    return raised


def _penalty(weights: Array) -> Array:
    return PENALTY * np.append(0.0, weights[1:])


def _loss(inputs: Array, wrong: Array, floor: float, weights: Array) -> float:
    chance = np.clip(floor + (1 - floor) * _curve(inputs, weights), 1e-9, 1 - 1e-9)
    likelihood = np.where(wrong > 0, np.log(chance), np.log1p(-chance)).sum()
    return float(-likelihood + 0.5 * PENALTY * (weights[1:] ** 2).sum())
