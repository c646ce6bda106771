"""Coefficients of agreement, computed from items pooled by how often each category was given.

Every coefficient is written with a matrix of distances between categories: 0 and 1 for names, squared differences for
numbers. With `a` the agreement observed and `e` that expected by chance, each is (a - e) / (1 - e); they differ in `e`.
A coefficient whose denominator vanishes (only one category in use) is undefined: None, never 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

LEVELS = ("nominal", "ordinal", "interval", "ratio")
DRAWS = 1000
MAX_BLOCKS = 2000
CELLS_PER_CHUNK = 4_000_000


@dataclass(frozen=True, kw_only=True)
class Profiles:
    """Items with equal counts per category, pooled.

    Attributes
    ----------
    profile, category, count : ndarray of int64, shape (entries,)
        How often a category was given to an item of the profile; sorted by profile, counts above 0.
    items : ndarray of int64, shape (profiles,)
        How many items have the profile.
    categories : int
        How many categories there are.
    """

    profile: Array
    category: Array
    count: Array
    items: Array
    categories: int

    @classmethod
    def of(cls, counts: Array, items: Array | None = None) -> "Profiles":
        """Read a matrix of counts, shape (items, categories)."""
        profile, category = np.nonzero(counts)
        times = np.ones(len(counts), dtype=np.int64) if items is None else items
        return cls(
            profile=profile,
            category=category,
            count=counts[profile, category].astype(np.int64),
            items=times,
            categories=counts.shape[1],
        )

    @cached_property
    def raters(self) -> Array:
        """Ratings per item of each profile, shape (profiles,)."""
        return np.bincount(self.profile, self.count, len(self.items)).astype(np.int64)

    @cached_property
    def paired(self) -> Array:
        """Which profiles have at least two ratings and so can show agreement, shape (profiles,)."""
        return self.raters >= 2

    @cached_property
    def matrix(self) -> Any:
        """Counts as a sparse matrix, shape (profiles, categories)."""
        from scipy.sparse import csr_array

        return csr_array((self.count, (self.profile, self.category)), shape=(len(self.items), self.categories))

    @cached_property
    def marginals(self) -> Array:
        """Ratings per category over the items with at least two, shape (categories,)."""
        weight = self.count * (self.items * self.paired)[self.profile]
        return np.bincount(self.category, weight, self.categories)

    def pull(self, distance: Array) -> Array:
        """Sum the distances from each entry's category to all ratings of its item, shape (entries,)."""
        pulled = np.zeros(len(self.profile))
        step = max(1, CELLS_PER_CHUNK // self.categories)
        for start in range(0, len(self.items), step):
            low, high = np.searchsorted(self.profile, (start, start + step))
            sums = self.matrix[start : start + step] @ distance
            pulled[low:high] = sums[self.profile[low:high] - start, self.category[low:high]]
        return pulled

    def disagreement(self, distance: Array) -> Array:
        """Mean distance between two ratings of the same item, shape (profiles,); 0 where there are no two."""
        total = np.bincount(self.profile, self.count * self.pull(distance), len(self.items))
        return np.asarray(total / np.maximum(1, self.raters * (self.raters - 1)))


def distances(level: str, values: Array, marginals: Array) -> Array | None:
    """Return Krippendorff's squared differences between categories.

    Parameters
    ----------
    level : str
        One of `LEVELS`.
    values : ndarray, shape (categories,)
        The categories as numbers, ascending.
    marginals : ndarray, shape (categories,)
        Ratings per category, on which the ordinal difference rests.

    Returns
    -------
    ndarray, shape (categories, categories), or None
        None at the ratio level where a value is negative.

    References
    ----------
    Krippendorff (2011), Computing Krippendorff's Alpha-Reliability.
    """
    if level == "nominal":
        return 1.0 - np.eye(len(values))
    gap: Array
    if level == "ordinal":
        middle = np.cumsum(marginals) - marginals / 2
        gap = middle[:, None] - middle[None, :]
    elif level == "interval":
        gap = values[:, None] - values[None, :]
    else:
        if (values < 0).any():
            return None
        sums = values[:, None] + values[None, :]
        gap = np.divide(values[:, None] - values[None, :], sums, out=np.zeros_like(sums), where=sums > 0)
    return np.asarray(gap**2)


def weights(kind: str, values: Array) -> Array:
    """Return the distances of weighted kappa between categories, scaled to at most 1.

    Parameters
    ----------
    kind : str
        "nominal", "linear" or "quadratic".
    values : ndarray, shape (categories,)
        The categories as numbers; a level that nobody used keeps its distance.
    """
    if kind == "nominal":
        return 1.0 - np.eye(len(values))
    gap = np.abs(values[:, None] - values[None, :]) ** (1 if kind == "linear" else 2)
    return np.asarray(gap / gap.max()) if gap.max() > 0 else gap


def corrected(observed: float, expected: float) -> float | None:
    """Correct agreement for chance; undefined where chance alone would agree always."""
    return None if 1 - expected < 1e-12 else float((observed - expected) / (1 - expected))


def krippendorff(profiles: Profiles, distance: Array) -> float | None:
    """Krippendorff's alpha; items with fewer than two ratings do not count."""
    total = profiles.marginals.sum()
    expected = profiles.marginals @ distance @ profiles.marginals
    observed = (profiles.items * profiles.raters * profiles.disagreement(distance)).sum()
    return None if expected <= 0 else float(1 - (total - 1) * observed / expected)


def observed_agreement(profiles: Profiles, distance: Array) -> float | None:
    """Mean agreement of two ratings of an item, items weighing the same (Gwet 2008)."""
    items = profiles.items * profiles.paired
    return float(1 - (items * profiles.disagreement(distance)).sum() / items.sum()) if items.any() else None


def prevalence(profiles: Profiles) -> Array:
    """Mean share of each category in the ratings of an item, shape (categories,)."""
    share = profiles.count / profiles.raters[profiles.profile] * profiles.items[profiles.profile]
    return np.asarray(np.bincount(profiles.category, share, profiles.categories) / max(1, profiles.items.sum()))


def fleiss(profiles: Profiles, distance: Array) -> float | None:
    """Fleiss' kappa (1971), in Gwet's generalisation to unequal numbers of raters and to weights."""
    observed, shares = observed_agreement(profiles, distance), prevalence(profiles)
    return None if observed is None else corrected(observed, 1 - float(shares @ distance @ shares))


def gwet(profiles: Profiles, distance: Array) -> float | None:
    """Gwet's AC1 (names) or AC2 (weights), which is not misled by a prevalent category (Gwet 2008)."""
    observed, shares = observed_agreement(profiles, distance), prevalence(profiles)
    return None if observed is None else corrected(observed, float(_gwet_chance(shares[None, :], distance)[0]))


def brennan_prediger(profiles: Profiles, distance: Array) -> float | None:
    """Brennan and Prediger's coefficient: chance takes every category alike."""
    observed = observed_agreement(profiles, distance)
    return None if observed is None else corrected(observed, 1 - float(distance.mean()))


def conger(observed: float | None, shares: Array) -> float | None:
    """Conger's exact kappa.

    Parameters
    ----------
    observed : float or None
        Observed agreement.
    shares : ndarray, shape (annotators, categories)
        Each annotator's share of each category.
    """
    if observed is None or len(shares) < 2:
        return None
    expected = (shares.mean(axis=0) ** 2 - shares.var(axis=0, ddof=1) / len(shares)).sum()
    return corrected(observed, float(expected))


def cohen(table: Array, distance: Array) -> float | None:
    """Cohen's kappa, weighted by `distance`, from a contingency table of shape (categories, categories)."""
    total = table.sum()
    if total == 0:
        return None
    expected = (table.sum(axis=1) @ distance @ table.sum(axis=0)) / total
    return None if expected <= 0 else float(1 - (table * distance).sum() / expected)


def specific_agreement(profiles: Profiles) -> Array:
    """Chance that a rating says a category if another of its item does, shape (categories,); NaN where nobody does."""
    weight = profiles.items[profiles.profile] * profiles.paired[profiles.profile]
    others = np.maximum(1, profiles.raters[profiles.profile] - 1)
    same = np.bincount(profiles.category, weight * profiles.count * (profiles.count - 1) / others, profiles.categories)
    return np.asarray(np.divide(same, profiles.marginals, out=np.full(len(same), np.nan), where=profiles.marginals > 0))


def _gwet_chance(shares: Array, distance: Array) -> Array:
    size = distance.shape[0]
    if size < 2:
        return np.ones(len(shares))
    chance: Array = (1 - distance).sum() / (size * (size - 1)) * (shares * (1 - shares)).sum(axis=1)
    return chance


def bootstrap(
    profiles: Profiles, alpha_distance: Array, distance: Array, *, seed: int, draws: int = DRAWS
) -> dict[str, Array]:
    """Draw items with replacement and compute the coefficients anew.

    Many profiles are drawn in `MAX_BLOCKS` random blocks of items, whose sums vary as items do. The ordinal difference
    is held at that of the whole sample.

    Parameters
    ----------
    profiles : Profiles
        The items.
    alpha_distance, distance : ndarray, shape (categories, categories)
        Distances for alpha, and for the other coefficients.
    seed, draws : int
        Of the drawing.

    Returns
    -------
    dict of str to ndarray, shape (draws,)
        "percent", "fleiss", "gwet" and "alpha"; NaN where a draw leaves them undefined.
    """
    rng = np.random.default_rng(seed)
    blocks, times = _blocks(profiles, rng)
    paired, raters = profiles.paired.astype(float), profiles.raters
    sums = np.stack(
        [
            paired,
            paired * profiles.disagreement(distance),
            paired * raters * profiles.disagreement(alpha_distance),
            np.ones(len(raters)),
        ],
        axis=1,
    )
    counts = profiles.matrix.multiply(paired[:, None]).tocsr()
    shares = profiles.matrix.multiply(1 / np.maximum(1, raters)[:, None]).tocsr()
    chosen = rng.multinomial(times.sum(), times / times.sum(), size=draws).astype(float)
    pairs, apart, alpha_apart, items = (chosen @ (blocks @ sums)).T
    marginals, prevalences = (chosen @ (blocks @ matrix).toarray() for matrix in (counts, shares))
    prevalences = prevalences / items[:, None]
    expected = np.einsum("bc,bc->b", marginals @ alpha_distance, marginals)
    disagreement = np.divide(apart, pairs, out=np.full(draws, np.nan), where=pairs > 0)
    return {
        "percent": 1 - disagreement,
        "fleiss": _ratio(disagreement, np.einsum("bc,bc->b", prevalences @ distance, prevalences)),
        "gwet": _ratio(disagreement, 1 - _gwet_chance(prevalences, distance)),
        "alpha": _ratio((marginals.sum(axis=1) - 1) * alpha_apart, expected),
    }


def bootstrap_cohen(
    first: Array, second: Array, count: Array, distance: Array, *, seed: int, draws: int = DRAWS
) -> Array:
    """Draw Cohen's kappa anew from the filled cells of a contingency table.

    Parameters
    ----------
    first, second, count : ndarray of int64, shape (cells,)
        The two annotators' categories, and on how many items they met.

    Returns
    -------
    ndarray, shape (draws,)
        NaN where a draw leaves kappa undefined.
    """
    rng = np.random.default_rng(seed)
    total = count.sum()
    drawn = rng.multinomial(total, count / total, size=draws).astype(float)
    used, place = np.unique(np.concatenate([first, second]), return_inverse=True)
    near = distance[np.ix_(used, used)]
    identity = np.eye(len(used))
    rows, columns = drawn @ identity[place[: len(first)]], drawn @ identity[place[len(first) :]]
    expected = np.einsum("bc,bc->b", rows @ near, columns) / total
    return _ratio(drawn @ distance[first, second], expected)


def interval(draws: Array, level: float = 0.95) -> tuple[float, float] | None:
    """Return the percentile interval; None where more than one draw in twenty is undefined."""
    defined = draws[np.isfinite(draws)]
    if len(defined) < 0.95 * len(draws):
        return None
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def coefficients(profiles: Profiles, values: Array, distance: Array) -> Mapping[str, float | None]:
    """Compute all coefficients that do not need to know who gave a rating."""
    named = weights("nominal", values)
    equal = len(np.unique(profiles.raters)) == 1
    alphas = {}
    for level in LEVELS:
        metric = distances(level, values, profiles.marginals)
        alphas[f"alpha_{level}"] = None if metric is None else krippendorff(profiles, metric)
    general = fleiss(profiles, named)
    return {
        "percent_agreement": observed_agreement(profiles, named),
        "weighted_agreement": observed_agreement(profiles, distance),
        "fleiss": general if equal else None,
        "fleiss_generalised": general,
        "brennan_prediger": brennan_prediger(profiles, named),
        "gwet_ac1": gwet(profiles, named),
        "gwet_ac2": gwet(profiles, distance),
        **alphas,
    }


def _ratio(disagreement: Array, expected: Array) -> Array:
    ratio = np.divide(disagreement, expected, out=np.full(len(expected), np.nan), where=expected > 1e-12)
    return np.asarray(1 - ratio)


def _blocks(profiles: Profiles, rng: np.random.Generator) -> tuple[Any, Array]:
    """Return what is drawn: blocks as rows of a matrix of profiles, and how many of each there are."""
    from scipy.sparse import csr_array, eye_array

    if len(profiles.items) <= MAX_BLOCKS:
        return eye_array(len(profiles.items), format="csr"), profiles.items
    each = rng.permutation(np.repeat(np.arange(len(profiles.items)), profiles.items))
    block = np.arange(len(each)) % MAX_BLOCKS
    matrix = csr_array((np.ones(len(each)), (block, each)), shape=(MAX_BLOCKS, len(profiles.items)))
    return matrix, np.ones(MAX_BLOCKS, dtype=np.int64)
