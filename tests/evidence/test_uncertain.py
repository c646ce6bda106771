"""Rows near one half are counted over all rows and listed the nearest first, where somebody wants to know."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from doctor.errors import UsageError
from doctor.evidence.uncertain import Uncertain
from doctor.model import Undecided
from doctor_checks.labels.uncertain_samples import examine

Measure = Callable[..., Any]


def scored(chances: list[Any], name: str = "probability") -> tuple[list[str], dict[str, list[list[Any]]]]:
    return ["size", name, "label"], {"table": [[n % 7, chance, "ab"[n % 2]] for n, chance in enumerate(chances)]}


def test_the_band_is_closed_and_the_nearest_row_comes_first(measure: Measure) -> None:
    chances = [0.4, 0.6, 0.39, 0.61, 0.52, "", 0.99, *[0.05] * 93]
    uncertain = measure(Uncertain, *scored(chances), target="label")
    assert (uncertain.column, uncertain.rows) == ("probability", 99)
    (finding,) = examine(uncertain)
    assert finding.evidence["uncertain"] == 3
    assert finding.repair.rows == (5, 1, 2)
    (narrow,) = examine(uncertain, max_distance=0.02)
    assert narrow.evidence["uncertain"] == 1


def test_a_declared_column_needs_no_name(measure: Measure) -> None:
    uncertain = measure(Uncertain, *scored([0.5, *[0.9] * 40], "how_sure"), predictions="how_sure")
    assert [finding.at.columns for finding in examine(uncertain)] == [("how_sure",)]


def test_numbers_beyond_one_are_no_probabilities(measure: Measure) -> None:
    header, rows = scored([0.5, 1.5, *[0.9] * 40])
    with pytest.raises(UsageError, match="no probabilities"):
        measure(Uncertain, header, rows, predictions="probability", target="label")


def test_numbers_beyond_one_are_not_taken_for_probabilities(measure: Measure) -> None:
    uncertain = measure(Uncertain, *scored([0.5, 1.5, *[0.9] * 98]), target="label")
    assert uncertain.column is None


def test_the_reference_models_speak_only_when_asked(measure: Measure) -> None:
    random = np.random.default_rng(2)
    kind = random.integers(0, 2, 400)
    features = (2.2 * np.eye(2, 3)[kind] + random.normal(size=(400, 3))).round(3)
    rows = [[*row, "ab"[k]] for row, k in zip(features.tolist(), kind.tolist(), strict=True)]
    uncertain = measure(Uncertain, ["x", "y", "z", "label"], {"table": rows}, target="label")
    (word,) = examine(uncertain)
    assert isinstance(word, Undecided)
    (finding,) = examine(uncertain, reference=True)
    boundary = np.abs(features[:, 0] - features[:, 1])
    listed = np.array(finding.repair.rows) - 1
    assert np.median(boundary[listed]) < 0.35 * np.median(boundary)
    assert finding.evidence["covered"] > finding.evidence["share"]
