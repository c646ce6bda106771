"""Searches for a formula by which numbers follow from columns: sums by matching pursuit on values, products on logs.

A formula is fitted on some rows and counts only by what it gives on others, where it must meet every number to within
half of the step in which the number is written.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from doctor.evidence.decimals import quantum_of, simple, written
from doctor.evidence.profile import MAX_FINITE

MAX_TERMS = 12
MAX_FACTORS = 5
MAX_FITTED_ROWS = 3_000
MIN_TELLING = 30
"""Rows with another value than the commonest that must be met, both where a formula is fitted and where it is held."""
MAX_TOLERANCE = 0.05
"""Of the standard deviation: numbers written more coarsely must be met exactly, else a good guess would do."""
MIN_AGREEMENT = 0.995
FLOAT_NOISE = 3e-7
"""Relative error of a sum of single-precision numbers."""
EXPONENTS = (1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 3.0, -3.0)
EXPONENT_SLACK = 0.02
SNAPS = ((True, 0.0), (False, 1.5), (False, 0.3), (False, 0.0))
"""How weights are made simple, in turn: whether columns count as unrounded, and how many times the error that rounding
gives a weight it may be moved by."""
TRIMMED_SHARE = 0.9
TRIMMED_ROUNDS = 4

Array = np.ndarray[Any, Any]


class Formula(Struct, frozen=True, kw_only=True):
    """What a formula gives: `constant` + sum of coefficient times column, or `constant` times product of powers.

    Attributes
    ----------
    weights : dict of str to float
        Coefficients of a sum, exponents of a product.
    rows, telling_rows : int
        Rows held against it, and those of them that have another value than the commonest.
    exceptions : int
        Rows that miss by more than the tolerance.
    tolerance : float
        The median of what a number may be off by.
    """

    product: bool
    constant: float
    weights: dict[str, float]
    rows: int
    telling_rows: int
    exceptions: int
    tolerance: float

    def words(self, names: Mapping[str, str] | None = None) -> str:
        """Write the right-hand side."""
        shown = names or {}
        terms = {shown.get(name, name): weight for name, weight in self.weights.items()}
        return _product_words(self.constant, terms) if self.product else _sum_words(self.constant, terms)


class Numbers:
    """Columns of numbers beside the numbers that they may give.

    Parameters
    ----------
    truth : ndarray of float64
        Without missing values.
    columns : mapping of str to ndarray of float64
        NaN for missing.
    fitted : ndarray of bool
        The rows on which formulas are fitted; the others are held against them.
    """

    def __init__(self, truth: Array, columns: Mapping[str, Array], fitted: Array) -> None:
        self.truth = truth
        self.columns = dict(columns)
        levels, counts = np.unique(truth, return_counts=True)
        self.telling = truth != levels[counts.argmax()]
        self.held = ~fitted
        self.fitted = _balanced(fitted, self.telling)
        self.quantum = quantum_of(truth)
        self.spread = float(np.std(truth[self.telling])) if self.telling.any() else 0.0
        self.quanta = {name: quantum_of(values) for name, values in self.columns.items()}

    @property
    def enough(self) -> bool:
        """Whether there are rows enough to fit on and to hold against."""
        return bool(min(self.telling[self.fitted].sum(), self.telling[self.held].sum()) >= MIN_TELLING)

    def forget(self, names: Sequence[str]) -> None:
        """Leave columns out from now on."""
        for name in names:
            self.columns.pop(name, None)

    def line(self, name: str) -> Formula | None:
        """Return the straight line on one column, which all but a few rows must lie on."""
        values = self.columns[name]
        known = self.fitted[np.isfinite(values[self.fitted])]
        if len(known) < 2 * MIN_TELLING or np.ptp(values[known]) == 0:
            return None
        # The median of slopes between pairs does not mind a few rows that lie elsewhere.
        order = known[np.argsort(values[known], kind="stable")]
        half = len(order) // 2
        low, high = order[:half], order[len(order) - half :]
        apart = values[high] != values[low]
        if not apart.any():
            return None
        slope = float(np.median((self.truth[high] - self.truth[low])[apart] / (values[high] - values[low])[apart]))
        return self._judged_sum([name], np.array([slope])) if slope else None

    def total(self) -> Formula | None:
        """Return the sum that matching pursuit finds, at least two columns of it."""
        usable = self._usable(lambda values: np.isfinite(values))
        for names, weights in _pursuit(self.truth[self.fitted], usable, MAX_TERMS):
            if len(names) > 1 and (found := self._judged_sum(names, weights)) is not None:
                return found
        return None

    def product(self) -> Formula | None:
        """Return the product or ratio that matching pursuit finds on logarithms, at least two columns of it."""
        positive = self.truth[self.fitted] > 0
        if positive.mean() < TRIMMED_SHARE and positive.sum() < 2 * MIN_TELLING:
            return None
        usable = self._usable(lambda values: np.isfinite(values) & (values > 0), positive)
        logs = {name: np.log(values) for name, values in usable.items()}
        for names, exponents in _pursuit(np.log(self.truth[self.fitted][positive]), logs, MAX_FACTORS):
            if len(names) > 1 and (found := self._judged_product(names, exponents)) is not None:
                return found
        return None

    def _usable(self, allowed: Any, rows: Array | None = None) -> dict[str, Array]:
        """Return the columns that vary and mostly have allowed values on the fitted rows, filled by their median."""
        usable = {}
        for name, values in self.columns.items():
            here = values[self.fitted] if rows is None else values[self.fitted][rows]
            good = allowed(here)
            if (
                len(here)
                and good.mean() >= TRIMMED_SHARE
                and np.ptp(here[good]) > 0
                and abs(here[good]).max() < MAX_FINITE
            ):
                usable[name] = np.where(good, here, np.median(here[good]))
        return usable

    def _judged_sum(self, names: Sequence[str], weights: Array) -> Formula | None:
        matrix = np.column_stack([self.columns[name] for name in names])
        rows = self.fitted[np.isfinite(matrix[self.fitted]).all(axis=1)]
        if self.telling[rows].sum() < MIN_TELLING:
            return None
        weights = _trimmed(matrix[rows], self.truth[rows], weights)
        rounding = self.quantum + sum(
            abs(weight) * self.quanta[name] for name, weight in zip(names, weights, strict=True)
        )
        # What rounding alone does to a weight.
        blurs = [rounding / (float(np.std(values)) * np.sqrt(len(values)) or 1.0) for values in matrix[rows].T]
        for strict, blur_allowed in SNAPS:
            snapped = {}
            for name, weight, blur in zip(names, weights, blurs, strict=True):
                near = simple(float(weight), max(min(blur_allowed * blur, 0.01), 1e-6 * abs(weight)))
                snapped[name] = float(weight) if near is None else near
            found = self._with_constant({name: weight for name, weight in snapped.items() if weight}, rows, strict)
            if found is not None and len(found.weights) >= min(2, len(names)):
                return found
        return None

    def _with_constant(self, weights: dict[str, float], rows: Array, strict: bool) -> Formula | None:
        if not weights:
            return None
        rest = self.truth[rows] - sum(weight * self.columns[name][rows] for name, weight in weights.items())
        constant = float(np.median(rest))
        # A weight that is no whole number moves the constant by more than it may be off.
        whole = all(weight == round(weight) for weight in weights.values())
        near = simple(constant, max(self.quantum / 2 if whole else self.quantum / 50, 1e-6 * self.spread))
        constant = constant if near is None else near
        return self._held(product=False, constant=constant, weights=weights, strict=strict)

    def _judged_product(self, names: Sequence[str], exponents: Array) -> Formula | None:
        snapped = {}
        for name, exponent in zip(names, exponents, strict=True):
            near = min((0.0, *EXPONENTS), key=lambda simple: abs(simple - exponent))
            if abs(near - exponent) > EXPONENT_SLACK:
                return None
            if near:
                snapped[name] = near
        if len(snapped) < 2:
            return None
        power = _power({name: self.columns[name][self.fitted] for name in snapped}, snapped)
        ratio = self.truth[self.fitted] / np.where(power > 0, power, np.nan)
        if np.isfinite(ratio).sum() < MIN_TELLING:
            return None
        constant = float(np.nanmedian(ratio))
        for one in (simple(constant, 1e-3 * abs(constant)), constant):
            found = None if not one else self._held(product=True, constant=one, weights=snapped)
            if found is not None:
                return found
        return None

    def _held(
        self, *, product: bool, constant: float, weights: dict[str, float], strict: bool = False
    ) -> Formula | None:
        """Hold a formula against the rows that it was not fitted on."""
        columns = {name: self.columns[name][self.held] for name in weights}
        truth = self.truth[self.held]
        exact_columns = {name for name in weights if strict or self.quanta[name] >= 1}
        rounding = {name: 0.0 if name in exact_columns else self.quanta[name] / 2 for name in weights}
        with np.errstate(all="ignore"):
            if product:
                given = constant * _power(columns, weights)
                size = np.abs(given)
                slack = sum(abs(weights[name]) * rounding[name] / np.abs(columns[name]) for name in weights) * size
            else:
                terms = [weights[name] * columns[name] for name in weights]
                given = constant + np.sum(terms, axis=0)
                size = abs(constant) + np.sum(np.abs(terms), axis=0)
                slack = np.full(len(truth), sum(abs(weights[name]) * rounding[name] for name in weights))
        known = np.isfinite(given) & np.isfinite(slack)
        telling = self.telling[self.held] & known
        if telling.sum() < MIN_TELLING or known.sum() < len(truth) / 2:
            return None
        noise = FLOAT_NOISE * np.maximum(size, np.abs(truth))
        exact = known & (np.abs(given - truth) <= noise + 1e-6 * self.quantum)
        allowed = noise + self.quantum / 2 * (1 + 1e-6) + slack
        middle = float(np.median(allowed[telling]))
        met = known & (np.abs(given - truth) <= allowed) if middle <= MAX_TOLERANCE * self.spread else exact
        if met[known].mean() < MIN_AGREEMENT or met[telling].mean() < MIN_AGREEMENT:
            return None
        return Formula(
            product=product,
            constant=constant,
            weights=weights,
            rows=int(known.sum()),
            telling_rows=int(telling.sum()),
            exceptions=int(known.sum() - met.sum()),
            tolerance=middle,
        )


def _balanced(fitted: Array, telling: Array) -> Array:
    """Take rows to fit on, no more than as many of the commonest value as of all others together."""
    chosen, common = np.flatnonzero(fitted & telling), np.flatnonzero(fitted & ~telling)
    chosen = chosen[:MAX_FITTED_ROWS]
    return np.sort(np.concatenate((chosen, common[: max(len(chosen), 1)])))


def _pursuit(truth: Array, columns: Mapping[str, Array], most: int) -> Iterator[tuple[list[str], Array]]:
    """Orthogonal matching pursuit (Pati et al., 1993): yield the chosen columns and their weights, step by step."""
    names = list(columns)
    if not names or len(truth) < 2 * MIN_TELLING:
        return
    matrix = np.column_stack([columns[name] - columns[name].mean() for name in names])
    lengths = np.sqrt((matrix**2).sum(axis=0))
    matrix = matrix / np.where(lengths > 0, lengths, 1.0)
    centred = truth - truth.mean()
    residual = centred
    chosen: list[int] = []
    for _ in range(min(most, len(names), len(truth) // 4)):
        likeness = np.abs(residual @ matrix)
        likeness[chosen] = -1.0
        best = int(likeness.argmax())
        if likeness[best] <= 1e-12 * np.sqrt((centred**2).sum()):
            return
        chosen.append(best)
        weights = np.linalg.lstsq(matrix[:, chosen], centred, rcond=None)[0]
        residual = centred - matrix[:, chosen] @ weights
        yield [names[i] for i in chosen], weights / lengths[chosen]


def _trimmed(matrix: Array, truth: Array, weights: Array) -> Array:
    """Fit again and again without the rows that fit worst, so that a few wrong ones do not bend the weights."""
    for _ in range(TRIMMED_ROUNDS):
        rest = truth - matrix @ weights
        off = np.abs(rest - np.median(rest))
        kept = off <= np.quantile(off, TRIMMED_SHARE)
        centre = matrix[kept].mean(axis=0)
        fit, _, rank, _ = np.linalg.lstsq(matrix[kept] - centre, truth[kept] - truth[kept].mean(), rcond=None)
        if rank < matrix.shape[1]:
            return weights
        weights = fit
    return weights


def _power(columns: Mapping[str, Array], exponents: Mapping[str, float]) -> Array:
    with np.errstate(all="ignore"):
        parts = [np.power(columns[name], exponents[name]) for name in exponents]
    return np.asarray(np.prod(parts, axis=0))


def _sum_words(constant: float, terms: Mapping[str, float]) -> str:
    words = ""
    for name, weight in terms.items():
        size = written(abs(weight))
        term = name if size == "1" else f"{size} × {name}"
        sign = "−" if weight < 0 else "+"
        words += f" {sign} {term}" if words else (f"−{term}" if weight < 0 else term)
    if constant:
        words += f" {'−' if constant < 0 else '+'} {written(abs(constant))}"
    return words


def _product_words(constant: float, terms: Mapping[str, float]) -> str:
    above = [_raised(name, exponent) for name, exponent in terms.items() if exponent > 0]
    below = [_raised(name, -exponent) for name, exponent in terms.items() if exponent < 0]
    if written(constant) != "1" or not above:
        above.insert(0, written(constant))
    divisor = " × ".join(below)
    words = " × ".join(above)
    return words + (f" / ({divisor})" if len(below) > 1 else f" / {divisor}" if below else "")


def _raised(name: str, exponent: float) -> str:
    return name if exponent == 1 else f"√{name}" if exponent == 0.5 else f"{name}^{exponent:g}"
