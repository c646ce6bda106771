"""Coefficients against published figures, against their definitions, and under changes that must not matter."""

from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from doctor.evidence.agreement import (
    LEVELS,
    Profiles,
    bootstrap,
    bootstrap_cohen,
    coefficients,
    cohen,
    conger,
    distances,
    fleiss,
    gwet,
    interval,
    krippendorff,
    observed_agreement,
    specific_agreement,
    weights,
)
from doctor.evidence.raters import Votes, alpha_without, come_sorted, independence

# Krippendorff (1980), four observers, twelve units, gaps; unit 12 has one value. As in irrCAC's cac.raw4raters.
KRIPPENDORFF = "11.1 2232 3333 3333 2222 1234 4444 1121 2222 .555 ..11 ..3."
# Fleiss (1971), six psychiatrists, 30 patients: depression, personality disorder, schizophrenia, neurosis, other.
DIAGNOSES = (
    "444444 222555 233335 555555 222444 113333 333355 113334 114444 555555 144444 124444 222333 144444 224445 "
    "333335 111455 111112 224444 133555 555555 244444 224555 114444 144445 222224 111155 224444 133333 555555"
)
# R's irr: anxiety (three raters) and video (four raters), twenty subjects each.
ANXIETY = "332 361 344 464 523 542 221 346 531 231 221 632 133 533 221 221 113 233 432 342"
VIDEO = "4434 4445 4455 4444 4324 4434 4325 4434 4334 4334 4434 4334 4444 4444 4434 4444 4444 4444 4444 4554"
# The example in Wikipedia's article on Fleiss' kappa: fourteen raters, ten items, five categories.
WIKIPEDIA = [
    [0, 0, 0, 0, 14],
    [0, 2, 6, 4, 2],
    [0, 0, 3, 5, 6],
    [0, 3, 9, 2, 0],
    [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0],
    [3, 2, 6, 3, 0],
    [2, 5, 3, 2, 2],
    [6, 5, 2, 1, 0],
    [0, 2, 2, 3, 7],
]
# Gwet's four by four diagnoses (irrCAC cont4x4diagnosis).
GWET = [[25, 1, 5, 4], [2, 21, 9, 4], [13, 12, 45, 17], [6, 4, 15, 40]]

matrices = arrays(np.int64, st.tuples(st.integers(2, 12), st.integers(2, 5)), elements=st.integers(-1, 3))
"""Labels by item and annotator; -1 is a gap."""


def read(text: str) -> np.ndarray:
    return np.array([[-1 if cell == "." else int(cell) - 1 for cell in item] for item in text.split()])


def votes_of(labels: np.ndarray, categories: int | None = None) -> Votes:
    labels = labels[(labels >= 0).any(axis=1)]
    item, annotator = np.nonzero(labels >= 0)
    return Votes(
        pattern=item,
        annotator=annotator,
        category=labels[item, annotator],
        items=np.ones(len(labels), dtype=np.int64),
        annotators=labels.shape[1],
        categories=categories or int(labels.max(initial=0)) + 1,
    )


def alpha(labels: np.ndarray, level: str, values: np.ndarray | None = None) -> float | None:
    profiles = votes_of(labels).profiles
    values = np.arange(1.0, profiles.categories + 1) if values is None else values
    distance = distances(level, values, profiles.marginals)
    assert distance is not None
    return krippendorff(profiles, distance)


def table(first: np.ndarray, second: np.ndarray, categories: int) -> np.ndarray:
    counts = np.zeros((categories, categories))
    np.add.at(counts, (first, second), 1)
    return counts


@pytest.mark.parametrize(("level", "published"), [*zip(LEVELS, (0.743, 0.815, 0.849, 0.797), strict=True)])
def test_alpha_of_krippendorffs_example_with_gaps(level: str, published: float) -> None:
    assert alpha(read(KRIPPENDORFF), level) == pytest.approx(published, abs=5e-4)


def test_a_unit_with_one_value_does_not_change_alpha() -> None:
    labels = read(KRIPPENDORFF)
    assert alpha(labels, "nominal") == pytest.approx(0.743421052632, abs=1e-12)
    assert alpha(labels[:-1], "nominal") == pytest.approx(0.743421052632, abs=1e-12)


def test_other_coefficients_of_krippendorffs_example() -> None:
    votes = votes_of(read(KRIPPENDORFF))
    found = coefficients(votes.profiles, np.arange(1.0, 6.0), weights("quadratic", np.arange(5.0)))
    assert found["fleiss"] is None
    assert found["fleiss_generalised"] == pytest.approx(0.7612, abs=5e-5)
    assert found["gwet_ac1"] == pytest.approx(0.7754, abs=5e-5)
    assert found["brennan_prediger"] == pytest.approx(0.7727, abs=5e-5)
    shares = votes.per_annotator_and_category(np.ones(len(votes.pattern)))
    exact = conger(found["percent_agreement"], shares / shares.sum(axis=1, keepdims=True))
    assert exact == pytest.approx(0.7628, abs=5e-5)


def test_fleiss_diagnoses() -> None:
    labels = read(DIAGNOSES)
    votes = votes_of(labels)
    found = coefficients(votes.profiles, np.arange(5.0), weights("quadratic", np.arange(5.0)))
    assert found["fleiss"] == pytest.approx(0.4302445, abs=5e-8)
    assert found["alpha_nominal"] == pytest.approx(0.4334, abs=5e-5)
    shares = votes.per_annotator_and_category(np.full(len(votes.pattern), 1 / len(labels)))
    assert conger(found["percent_agreement"], shares) == pytest.approx(0.4418, abs=5e-5)
    named = weights("nominal", np.arange(5.0))
    pairs = [cohen(table(labels[:, a], labels[:, b], 5), named) for a, b in combinations(range(6), 2)]
    assert np.mean(np.array(pairs, dtype=float)) == pytest.approx(0.4594, abs=5e-5)
    assert cohen(table(labels[:, 1], labels[:, 2], 5), named) == pytest.approx(0.6311, abs=5e-5)


def test_fleiss_example_of_wikipedia() -> None:
    assert fleiss(Profiles.of(np.array(WIKIPEDIA)), weights("nominal", np.arange(5.0))) == pytest.approx(
        0.210, abs=5e-4
    )


def test_gwets_diagnoses() -> None:
    counts, named = np.array(GWET), weights("nominal", np.arange(4.0))
    x, y = np.nonzero(counts)
    profiles = Profiles.of(np.eye(4, dtype=int)[x] + np.eye(4, dtype=int)[y], counts[x, y])
    assert cohen(counts, named) == pytest.approx(0.4315, abs=5e-5)
    assert gwet(profiles, named) == pytest.approx(0.4562, abs=5e-5)
    assert observed_agreement(profiles, named) == pytest.approx(0.5874, abs=5e-5)


def test_anxiety() -> None:
    labels = read(ANXIETY)
    found = coefficients(votes_of(labels).profiles, np.arange(1.0, 7.0), weights("quadratic", np.arange(6.0)))
    assert found["fleiss"] == pytest.approx(-0.0411, abs=5e-5)
    assert found["alpha_ordinal"] == pytest.approx(0.2284, abs=5e-5)
    assert found["alpha_interval"] == pytest.approx(0.1701, abs=5e-5)


def test_weighted_kappa_depends_on_whether_an_unused_level_keeps_its_distance() -> None:
    labels = read(ANXIETY)
    counts = table(labels[:, 1], labels[:, 2], 6)
    assert cohen(counts, weights("nominal", np.arange(6.0))) == pytest.approx(-0.0063, abs=5e-5)
    used = [0, 1, 2, 3, 5]
    reduced = counts[np.ix_(used, used)]
    assert cohen(reduced, weights("linear", np.arange(5.0))) == pytest.approx(0.1459, abs=5e-5)
    assert cohen(reduced, weights("quadratic", np.arange(5.0))) == pytest.approx(0.2520, abs=5e-5)
    for kind in ("linear", "quadratic"):
        kept = cohen(reduced, weights(kind, np.array([1.0, 2, 3, 4, 6])))
        assert kept == pytest.approx(cohen(counts, weights(kind, np.arange(1.0, 7.0))))
        assert kept != pytest.approx(cohen(reduced, weights(kind, np.arange(5.0))), abs=1e-3)


def test_video_has_high_agreement_and_a_kappa_near_zero() -> None:
    found = coefficients(votes_of(read(VIDEO)).profiles, np.arange(5.0), weights("quadratic", np.arange(5.0)))
    assert found["fleiss"] == pytest.approx(0.0357, abs=5e-5)
    assert found["percent_agreement"] == pytest.approx(0.5917, abs=5e-5)
    assert found["weighted_agreement"] > 0.9


def test_cohens_own_example() -> None:
    # Cohen (1960), table 1: 200 cases, kappa .492.
    counts = np.array([[88, 14, 18], [10, 40, 10], [2, 6, 12]])
    assert cohen(counts, weights("nominal", np.arange(3.0))) == pytest.approx(0.492, abs=5e-4)


def test_one_category_leaves_every_coefficient_undefined() -> None:
    profiles = Profiles.of(np.array([[3], [3], [2]]))
    found = dict(coefficients(profiles, np.array([1.0]), np.zeros((1, 1))))
    assert found.pop("percent_agreement") == 1
    assert found.pop("weighted_agreement") == 1
    assert set(found.values()) == {None}
    draws = bootstrap(profiles, np.zeros((1, 1)), np.zeros((1, 1)), seed=0)
    assert interval(draws["alpha"]) is None
    assert interval(draws["fleiss"]) is None


def test_a_ratio_scale_has_no_negative_values() -> None:
    assert distances("ratio", np.array([-1.0, 1.0]), np.ones(2)) is None


def brute_alpha(labels: np.ndarray, level: str) -> float | None:
    """Krippendorff's definition, pair by pair."""
    rows = [row[row >= 0] for row in labels]
    rows = [row for row in rows if len(row) > 1]
    if not rows:
        return None
    every = np.concatenate(rows)
    marginals = np.bincount(every, minlength=4)

    def apart(a: int, b: int) -> float:
        if level == "nominal":
            return float(a != b)
        low, high = min(a, b), max(a, b)
        if level == "ordinal":
            return float((marginals[low : high + 1].sum() - (marginals[a] + marginals[b]) / 2) ** 2)
        return float((a - b) ** 2) if level == "interval" else ((a - b) / (a + b + 2)) ** 2

    observed = sum(sum(apart(a, b) for a, b in permutations(row, 2)) / (len(row) - 1) for row in rows)
    expected = sum(apart(a, b) for a, b in permutations(every, 2)) / (len(every) - 1)
    return None if expected == 0 else 1 - observed / expected


@given(matrices, st.sampled_from(LEVELS))
def test_alpha_is_what_its_definition_says(labels: np.ndarray, level: str) -> None:
    if (labels < 0).all():
        return
    wanted = brute_alpha(labels, level)
    found = alpha(labels, level, np.arange(1.0, votes_of(labels).categories + 1))
    assert (found is None) == (wanted is None)
    assert found is None or found == pytest.approx(wanted, abs=1e-9)


def figures(labels: np.ndarray) -> dict[str, float | None]:
    found = coefficients(votes_of(labels, 4).profiles, np.arange(1.0, 5.0), weights("quadratic", np.arange(4.0)))
    return {name: None if value is None else round(value, 9) + 0.0 for name, value in found.items()}


@given(matrices, st.integers(0, 999))
def test_the_order_of_items_and_annotators_does_not_matter(labels: np.ndarray, seed: int) -> None:
    rng = np.random.default_rng(seed)
    moved = labels[rng.permutation(len(labels))][:, rng.permutation(labels.shape[1])]
    if (labels >= 0).any():
        assert figures(labels) == figures(moved)


@given(matrices, st.permutations(range(4)))
def test_names_of_categories_do_not_matter_where_they_are_names(labels: np.ndarray, names: list[int]) -> None:
    renamed = np.where(labels >= 0, np.array(names)[labels], -1)
    if (labels >= 0).any():
        ours, theirs = figures(labels), figures(renamed)
        for name in ("percent_agreement", "fleiss_generalised", "brennan_prediger", "gwet_ac1", "alpha_nominal"):
            assert ours[name] == theirs[name]


@given(arrays(np.int64, st.integers(2, 30), elements=st.integers(0, 3)), st.integers(2, 5), st.sampled_from(LEVELS))
def test_perfect_agreement_is_one(truth: np.ndarray, annotators: int, level: str) -> None:
    found = alpha(np.tile(truth[:, None], annotators), level)
    assert found == (None if len(np.unique(truth)) == 1 else pytest.approx(1.0))


@given(matrices)
def test_leaving_an_annotator_out_is_the_alpha_of_the_others(labels: np.ndarray) -> None:
    if (labels < 0).all() or labels.shape[1] < 3:
        return
    votes = votes_of(labels, 4)
    found = alpha_without(votes, weights("nominal", np.arange(4.0)))
    for annotator in range(labels.shape[1]):
        wanted = brute_alpha(np.delete(labels, annotator, axis=1), "nominal")
        assert np.isnan(found[annotator]) if wanted is None else found[annotator] == pytest.approx(wanted, abs=1e-9)


def test_the_null_of_independence_is_that_of_all_permutations() -> None:
    labels = np.random.default_rng(5).integers(0, 3, size=(6, 4))
    found = independence(votes_of(labels, 3))
    for annotator in range(4):
        others = np.delete(labels, annotator, axis=1)
        shares = [
            np.mean([(others[i] == label).mean() for i, label in enumerate(order)])
            for order in permutations(labels[:, annotator])
        ]
        actual = np.mean([(others[i] == labels[i, annotator]).mean() for i in range(6)])
        room = 1 - np.mean(shares)
        assert found.agreement[annotator] == pytest.approx(actual)
        assert found.kappa[annotator] == pytest.approx((actual - np.mean(shares)) / room)
        assert found.error[annotator] == pytest.approx(np.std(shares) / room)


def test_pooled_items_give_the_figures_of_single_ones() -> None:
    rng = np.random.default_rng(0)
    counts = rng.multinomial(3, [0.5, 0.3, 0.2], size=300)
    rows, times = np.unique(counts, axis=0, return_counts=True)
    near = weights("quadratic", np.arange(3.0))
    single = coefficients(Profiles.of(counts), np.arange(3.0), near)
    pooled = coefficients(Profiles.of(rows, times), np.arange(3.0), near)
    assert single == {name: pytest.approx(value) for name, value in pooled.items()}
    assert specific_agreement(Profiles.of(counts)) == pytest.approx(specific_agreement(Profiles.of(rows, times)))


def test_the_interval_of_many_patterns_drawn_in_blocks_is_that_of_items() -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 4, 9000)
    labels = np.where(rng.random((9000, 5)) < 0.7, truth[:, None], rng.integers(0, 4, (9000, 5)))
    named = weights("nominal", np.arange(4.0))
    each = votes_of(labels, 4).profiles
    rows, times = np.unique(each.matrix.toarray(), axis=0, return_counts=True)
    blocks = interval(bootstrap(each, named, named, seed=0)["alpha"])
    pooled = interval(bootstrap(Profiles.of(rows, times), named, named, seed=0)["alpha"])
    assert blocks
    assert pooled
    assert blocks == pytest.approx(pooled, abs=0.004)
    assert pooled[1] - pooled[0] > 0.01


def test_the_interval_of_cohens_kappa_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    named = weights("nominal", np.arange(2.0))
    shares = np.array([0.45, 0.1, 0.1, 0.35])
    truth = cohen(shares.reshape(2, 2) * 1e6, named)
    assert truth
    covered = 0
    for seed in range(200):
        n = rng.multinomial(200, shares)
        span = interval(bootstrap_cohen(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), n, named, seed=seed, draws=400))
        covered += bool(span and span[0] <= truth <= span[1])
    assert 180 <= covered <= 199


def test_columns_that_hold_sorted_answers_are_seen() -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 3, size=(40, 4))
    places = np.arange(4)
    assert come_sorted(votes_of(np.sort(labels, axis=1), 3), places)
    assert not come_sorted(votes_of(labels, 3), places)
    assert not come_sorted(votes_of(np.sort(labels, axis=1), 3), np.array([1, 0, 2, 3]))
    assert not come_sorted(votes_of(np.tile(labels[:, :1], 4), 3), places)
