"""The rules by which drift is commonly called, as their libraries publish them."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import stats
from scipy.spatial.distance import jensenshannon


def _numeric(values: Any) -> bool:
    return np.asarray(values).dtype.kind in "if"


def _shares(before: Any, after: Any, bins: int) -> tuple[Any, Any]:
    """Put a column into quantile bins of the reference, or its categories; the shares of both sides."""
    if _numeric(before):
        first, second = (np.asarray(side, float)[~np.isnan(np.asarray(side, float))] for side in (before, after))
        edges = np.unique(np.quantile(first, np.linspace(0, 1, bins + 1)))
        edges[0], edges[-1] = -np.inf, np.inf
        counts = [np.histogram(side, edges)[0] for side in (first, second)]
    else:
        counts = list(_table(before, after))
    return tuple(np.maximum(count / max(1, count.sum()), 1e-4) for count in counts)  # type: ignore[return-value]


def _table(before: Any, after: Any) -> Any:
    """Count the categories of both sides."""
    codes = pa.array(np.concatenate([before, after])).dictionary_encode().indices.to_numpy()
    levels = int(codes.max()) + 1
    return np.array([np.bincount(side, minlength=levels) for side in (codes[: len(before)], codes[len(before) :])])


def psi(before: Any, after: Any) -> float:
    """Return the index as it is commonly computed: ten bins of the reference, empty ones as 0.0001."""
    p, q = _shares(before, after, 10)
    return float(((q - p) * np.log(q / p)).sum())


def p_value(before: Any, after: Any) -> float:
    """Return p of Kolmogorov and Smirnov's test, of the chi-square test where there are categories."""
    if _numeric(before):
        first, second = (np.asarray(side, float)[~np.isnan(np.asarray(side, float))] for side in (before, after))
        return float(stats.ks_2samp(first, second).pvalue)
    table = _table(before, after)
    return float(stats.chi2_contingency(table).pvalue) if table.shape[1] > 1 else 1.0


def evidently(before: Any, after: Any) -> bool:
    """Apply the defaults of evidently 0.7, by the size of the reference and the kind of column.

    To 1,000 rows: Kolmogorov and Smirnov's test (numbers), the z-test (two categories) and the chi-square test of the
    later counts against the earlier shares (more), at 0.05. Above: Wasserstein's distance over the standard deviation,
    Jensen and Shannon's distance, at 0.1. Whole numbers of few values are categories.
    """
    number = _numeric(before) and len(np.unique(before)) > (10 if np.asarray(before).dtype.kind == "i" else 5)
    small = (np.count_nonzero(~np.isnan(before)) if _numeric(before) else len(before)) <= 1000
    if number:
        known = [np.asarray(side, float)[~np.isnan(np.asarray(side, float))] for side in (before, after)]
        if small:
            return p_value(*known) < 0.05
        return float(stats.wasserstein_distance(*known)) / max(float(np.std(known[0])), 0.001) >= 0.1
    table = _table(before, after)
    if small and table.shape[1] > 2:
        with np.errstate(divide="ignore", invalid="ignore"):
            expected = table[0] * len(after) / len(before)
            value = float(np.sum(np.where(table.sum(axis=0) > 0, (table[1] - expected) ** 2 / expected, 0.0)))
        return float(stats.chi2.sf(value, table.shape[1] - 1)) < 0.05
    if small:
        return table.shape[1] > 1 and float(stats.chi2_contingency(table, correction=False).pvalue) < 0.05
    p, q = table / table.sum(axis=1, keepdims=True)
    return float(jensenshannon(p, q)) >= 0.1


RULES: Mapping[str, Callable[[Any, Any], bool]] = {
    "PSI > 0.1": lambda before, after: psi(before, after) > 0.1,
    "PSI > 0.2": lambda before, after: psi(before, after) > 0.2,
    "KS or χ², p < 0.05": lambda before, after: p_value(before, after) < 0.05,
    "evidently's defaults": evidently,
}
