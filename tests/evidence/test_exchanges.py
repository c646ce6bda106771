"""Two exchanged classes are told from classes that overlap, look the same, or are wrong in other ways."""

import numpy as np
import pytest
from conftest import FIXTURES

import doctor
from doctor.evidence.exchanges import Exchange, Settled, _upper_tail
from doctor.evidence.label_models import LabelModels

BOUNDS = (0.5, 0.03, 0.25, 0.01)
NAMES = ("first", "second", "third", "fourth")
ROWS = 480


def clouds(apart: float) -> tuple[np.ndarray, np.ndarray]:
    truth = np.arange(ROWS) % 4
    return (apart * np.eye(4, 6)[truth] + np.random.default_rng(3).normal(size=(ROWS, 6))).astype(np.float32), truth


def found(features: np.ndarray, labels: np.ndarray) -> Exchange | None:
    """Return the exchange that stands out."""
    models = LabelModels(features, np.random.default_rng(0).integers(0, 5, len(labels)))
    exchange = Exchange.of(Settled.of(models, labels, labels, 4), labels, NAMES)
    return exchange if exchange and exchange.stands_out(*BOUNDS) else None


def taken(labels: np.ndarray, own: int, other: int, rows: int) -> np.ndarray:
    """Label the first rows of a class as another."""
    given = labels.copy()
    given[np.flatnonzero(labels == own)[:rows]] = other
    return given


@pytest.mark.parametrize("rows", [6, 12, 24])
def test_classes_exchanged_in_a_twentieth_to_a_fifth_of_their_rows_are_named(rows: int) -> None:
    features, truth = clouds(4.5)
    given = np.where(truth == 1, taken(truth, 1, 3, rows), taken(truth, 3, 1, rows))
    exchange = found(features, given)
    assert exchange is not None
    assert (exchange.first, exchange.second) == ("second", "fourth")
    assert np.isin(exchange.rows, np.flatnonzero(given != truth)).mean() > 0.9
    assert exchange.lower <= rows / 120 <= exchange.upper


def test_a_class_that_is_taken_for_another_but_not_the_other_way_is_not_exchanged() -> None:
    features, truth = clouds(4.5)
    assert found(features, taken(truth, 1, 3, 24)) is None


def test_labels_that_are_wrong_in_any_way_are_not_exchanged() -> None:
    features, truth = clouds(4.5)
    random = np.random.default_rng(4)
    given = np.where(random.random(ROWS) < 0.2, (truth + random.integers(1, 4, ROWS)) % 4, truth)
    assert found(features, given) is None


def test_a_class_that_is_taken_for_any_and_any_for_it_is_not_exchanged_with_one() -> None:
    features, truth = clouds(4.5)
    given = truth
    for other in (1, 2, 3):
        given = np.where(truth == other, taken(truth, other, 0, 8), given)
    given = np.where(truth == 0, np.where(np.arange(ROWS) < 120, 1 + np.arange(ROWS) // 4 % 3, truth), given)
    assert found(features, given) is None


@pytest.mark.parametrize("apart", [0.0, 1.0, 2.0])
def test_classes_that_look_the_same_or_overlap_are_not_exchanged(apart: float) -> None:
    features, truth = clouds(5.0)
    features[truth == 3] += np.float32(5 - apart) * (np.eye(4, 6)[1] - np.eye(4, 6)[3]).astype(np.float32)
    assert found(features, truth) is None


def test_two_classes_are_never_called_exchanged() -> None:
    features, truth = clouds(4.5)
    rows = truth < 2
    given = np.where(np.arange(ROWS) < 80, 1 - truth, truth)[rows]
    models = LabelModels(features[rows], np.arange(rows.sum()) % 5)
    assert Exchange.of(Settled.of(models, given, given, 2), given, NAMES[:2]) is None


def test_the_tail_is_that_of_a_t_distribution() -> None:
    assert round(_upper_tail(2.015), 4) == 0.05
    assert round(_upper_tail(-2.015), 4) == 0.95
    assert round(_upper_tail(5.893), 4) == 0.001


def test_exchanged_rows_are_those_that_are_listed_and_given_back() -> None:
    report = doctor.scan(FIXTURES / "labels" / "label_noise" / "sick_exchanged", select=["label-noise"])
    (finding,) = report.findings
    first, second = finding.evidence["first"], finding.evidence["second"]
    assert finding.evidence["kind"] == "exchanged"
    assert set(finding.evidence["taken_for"]) == {f"{first} → {second}", f"{second} → {first}"}
    assert len(finding.repair.numbers) == finding.evidence["first_rows"] + finding.evidence["second_rows"]
