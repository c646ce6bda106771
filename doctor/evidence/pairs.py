"""Two annotators at a time: contingency tables counted in the engine, and the coefficients of each pair."""

import itertools
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from msgspec import Struct

from doctor.evidence import agreement
from doctor.evidence.scales import Scale
from doctor.evidence.votes import Stored

Array = np.ndarray[Any, Any]

MAX_PAIRS = 150


class PairAgreement(Struct, frozen=True, kw_only=True):
    """Two annotators on the items that both labelled; None where a coefficient is undefined.

    Attributes
    ----------
    shared : int
        Items that both labelled.
    percent : float
        Share of them with the same label.
    cohen, linear, quadratic : float or None
        Cohen's kappa unweighted, and weighted by the distance of the labels' numbers. A level that these two never
        used keeps its distance.
    linear_reduced, quadratic_reduced : float or None
        The same with the levels that neither used removed and the rest one step apart, as R's `irr::kappa2` has it.
    gwet_ac1 : float or None
        Gwet's AC1.
    interval, quadratic_interval : pair of float or None
        95 % bootstrap intervals of `cohen` and `quadratic`.
    error, quadratic_error : float or None
        Their bootstrap standard errors.
    """

    first: str
    second: str
    shared: int
    percent: float
    cohen: float | None = None
    linear: float | None = None
    quadratic: float | None = None
    linear_reduced: float | None = None
    quadratic_reduced: float | None = None
    gwet_ac1: float | None = None
    interval: tuple[float, float] | None = None
    quadratic_interval: tuple[float, float] | None = None
    error: float | None = None
    quadratic_error: float | None = None

    def upper(self, scale: Scale, deviations: float) -> tuple[float, float] | None:
        """Return an upper limit of kappa, so many standard errors up, and kappa; of two weightings the larger."""
        plain = scale.guessed or scale.level == "nominal"
        options = [(self.cohen, self.error)] if plain else []
        options += [(self.quadratic, self.quadratic_error)] if scale.level != "nominal" else []
        limits = [(k + deviations * e, k) for k, e in options if k is not None and e is not None]
        return max(limits, default=None)


def compare(stored: Stored, scale: Scale, seed: int) -> tuple[tuple[PairAgreement, ...], int, float | None]:
    """Compare the pairs that share most items.

    Returns
    -------
    tuple of PairAgreement
        Lowest kappa first, at most `MAX_PAIRS`.
    int
        How many pairs share items beyond those.
    float or None
        Light's kappa, the mean of Cohen's over all pairs; None where a pair's is undefined or there are too many.
    """
    engine = stored.table.engine
    counted = engine.keep("contingency", _contingency(stored))
    total = int(engine.rows(f'SELECT count(*) FROM (SELECT DISTINCT first, second FROM "{counted}")')[0][0])
    chosen = (
        f'SELECT first, second FROM "{counted}" GROUP BY first, second ORDER BY sum(n) DESC, first, second '
        f"LIMIT {MAX_PAIRS}"
    )
    cells = engine.arrays(
        f'SELECT first, second, x, y, n FROM "{counted}" JOIN ({chosen}) USING (first, second) '
        "ORDER BY first, second, x, y"
    )
    first, second, x, y, n = (np.asarray(cells[name]).astype(np.int64) for name in ("first", "second", "x", "y", "n"))
    changes = np.flatnonzero((np.diff(first) != 0) | (np.diff(second) != 0)) + 1
    bounds = [0, *changes.tolist(), len(first)]
    compared = []
    for begin, end in itertools.pairwise(bounds) if len(first) else ():
        names = stored.names[first[begin]], stored.names[second[begin]]
        compared.append(_pair(names, x[begin:end], y[begin:end], n[begin:end], scale, seed))
    kappas = [pair.cohen for pair in compared]
    defined = [kappa for kappa in kappas if kappa is not None]
    light = float(np.mean(defined)) if defined and len(defined) == total else None
    compared.sort(key=lambda pair: (np.inf if pair.cohen is None else pair.cohen, pair.first, pair.second))
    return tuple(compared), total - len(compared), light


def surely_below(pairs: Sequence[PairAgreement], scale: Scale, bound: float) -> list[tuple[float, PairAgreement]]:
    """Return the pairs whose kappa is below a bound, lowest first, with an error of 2.5 % shared out over all.

    A pair that says the same in four of five items, with Gwet's AC1 at the bound or above, is no such pair: its kappa
    is low because one label prevails.
    """
    deviations = NormalDist().inv_cdf(1 - 0.025 / max(1, len(pairs)))
    below = []
    for pair in pairs:
        limit = pair.upper(scale, deviations)
        prevalent = pair.percent >= 0.8 and (pair.gwet_ac1 or 0.0) >= bound
        if limit and limit[0] < bound and not prevalent:
            below.append((limit[1], pair))
    return sorted(below, key=lambda each: (each[0], each[1].first, each[1].second))


def worst_confusions(stored: Stored) -> dict[int, tuple[str, str, int]]:
    """Return, by annotator, what they say most often where another says something else, and how often."""
    labels = stored.scale.labels
    found = stored.table.ask(
        f"WITH counted AS ({_contingency(stored)}), "
        "both_ways AS (SELECT first AS who, x AS own, y AS other, n FROM counted "
        "UNION ALL SELECT second, y, x, n FROM counted), "
        "summed AS (SELECT who, own, other, sum(n)::BIGINT AS n FROM both_ways WHERE own <> other GROUP BY ALL) "
        "SELECT who, own, other, n FROM summed "
        "QUALIFY row_number() OVER (PARTITION BY who ORDER BY n DESC, own, other) = 1"
    )
    return {int(who): (labels[own], labels[other], int(n)) for who, own, other, n in found}


def _contingency(stored: Stored) -> str:
    votes = stored.relation
    return (
        "SELECT a.annotator AS first, b.annotator AS second, a.code AS x, b.code AS y, sum(a.items)::BIGINT AS n "
        f'FROM "{votes}" AS a JOIN "{votes}" AS b ON a.id = b.id AND a.annotator < b.annotator GROUP BY ALL'
    )


def _pair(names: tuple[str, str], x: Array, y: Array, n: Array, scale: Scale, seed: int) -> PairAgreement:
    used = np.unique(np.concatenate([x, y]))
    values = np.array(scale.values)[used]
    place_x, place_y = np.searchsorted(used, x), np.searchsorted(used, y)
    table = np.zeros((len(used), len(used)))
    table[place_x, place_y] = n
    named, linear, quadratic = (agreement.weights(kind, values) for kind in ("nominal", "linear", "quadratic"))
    steps = np.arange(len(used), dtype=float)
    profile = agreement.Profiles.of(
        np.eye(len(used), dtype=np.int64)[place_x] + np.eye(len(used), dtype=np.int64)[place_y], n
    )
    drawn = agreement.bootstrap_cohen(place_x, place_y, n, named, seed=seed)
    weighted = (
        drawn if scale.level == "nominal" else agreement.bootstrap_cohen(place_x, place_y, n, quadratic, seed=seed)
    )
    spans = agreement.interval(drawn), agreement.interval(weighted)
    return PairAgreement(
        first=names[0],
        second=names[1],
        shared=int(n.sum()),
        percent=float(np.trace(table) / n.sum()),
        cohen=agreement.cohen(table, named),
        linear=agreement.cohen(table, linear),
        quadratic=agreement.cohen(table, quadratic),
        linear_reduced=agreement.cohen(table, agreement.weights("linear", steps)),
        quadratic_reduced=agreement.cohen(table, agreement.weights("quadratic", steps)),
        gwet_ac1=agreement.gwet(profile, named),
        interval=spans[0],
        quadratic_interval=spans[1],
        error=float(np.nanstd(drawn)) if spans[0] else None,
        quadratic_error=float(np.nanstd(weighted)) if spans[1] else None,
    )
