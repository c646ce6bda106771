"""Whether the features tell anything of the target, and when that cannot be told."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from doctor.errors import Unavailable
from doctor.evidence.signal import Signal
from doctor.evidence.significance import binomial_upper_tail, poisson_binomial_upper_tail, wilson_lower
from doctor_checks.labels.no_signal import examine

Measure = Callable[..., Any]
HEADER = ["a", "b", "c", "label"]


def table(rows: int, label: Callable[[np.ndarray, np.random.Generator], np.ndarray], seed: int = 0) -> list[list[Any]]:
    random = np.random.default_rng(seed)
    features = random.normal(size=(rows, 3)).round(4)
    return [[*row, name] for row, name in zip(features.tolist(), label(features, random).tolist(), strict=True)]


def blind(features: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return random.choice(["yes", "no"], len(features), p=[0.3, 0.7])


def exclusive(features: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Neither feature tells anything alone, nor does any plane."""
    told = (features[:, 0] > 0) ^ (features[:, 1] > 0)
    return np.where(told ^ (random.random(len(features)) < 0.2), "yes", "no")


def test_the_exact_tail_is_the_binomial_one_where_all_chances_are_equal() -> None:
    assert poisson_binomial_upper_tail(70, np.full(100, 0.5)) == pytest.approx(binomial_upper_tail(70, 100, 0.5))
    assert poisson_binomial_upper_tail(0, np.full(5, 0.5)) == 1.0
    assert poisson_binomial_upper_tail(2, np.array([0.5, 0.25])) == pytest.approx(0.125)


def test_the_lower_bound_mirrors_the_upper_one() -> None:
    assert 0.03 < wilson_lower(10, 150) < 10 / 150


def test_labels_drawn_blindly_have_no_signal(measure: Measure) -> None:
    signal = measure(Signal, HEADER, {"table": table(700, blind)}, target="label")
    assert signal.feature is None
    assert {guess.family for guess in signal.guesses} == {"neighbours", "plane", "trees"}
    (finding,) = examine(signal)
    assert finding.evidence["rows"] == 700
    assert finding.evidence["upper"] < 0.08


def test_what_only_two_features_together_tell_is_a_signal(measure: Measure) -> None:
    signal = measure(Signal, HEADER, {"table": table(700, exclusive)}, target="label")
    assert signal.feature is None
    assert not list(examine(signal))


def test_few_rows_give_no_verdict(measure: Measure) -> None:
    signal = measure(Signal, HEADER, {"table": table(80, blind, seed=3)}, target="label")
    (word,) = examine(signal)
    assert "too few" in word.reason


def test_a_handful_of_rows_is_not_looked_at(measure: Measure) -> None:
    with pytest.raises(Unavailable, match="too few"):
        measure(Signal, HEADER, {"table": table(40, blind)}, target="label")


def test_sentences_that_no_model_read_may_hold_the_signal(measure: Measure) -> None:
    random = np.random.default_rng(1)
    words = ["the", "old", "red", "barn", "stood", "near", "a", "wide", "green", "lake"]
    rows = [[" ".join(random.choice(words, 7)), *row] for row in table(700, blind)]
    signal = measure(Signal, ["text", *HEADER], {"table": rows}, target="label")
    (word,) = examine(signal)
    assert word.reason.startswith("text: not read")


def test_a_quantity_is_judged_by_its_quarters(measure: Measure) -> None:
    random = np.random.default_rng(2)
    rows = [[*row[:3], round(float(random.normal()), 4)] for row in table(900, blind)]
    signal = measure(Signal, HEADER, {"table": rows}, target="label")
    assert list(examine(signal))
    told = [[*row[:3], round(row[0] + float(random.normal()), 4)] for row in rows]
    assert not list(examine(measure(Signal, HEADER, {"table": told}, target="label")))
