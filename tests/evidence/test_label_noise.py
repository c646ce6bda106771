"""Wrong labels are found where the models have shown that they can, and overlap is not taken for them."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_wine

from doctor.case import open_case
from doctor.engine import examine as examine_case
from doctor.errors import NotApplicable
from doctor.evidence.label_noise import LabelNoise
from doctor.evidence.two_families import TwoFamilies
from doctor.model import ReviewRows
from doctor.repair import papers
from doctor.repair.plan import make_plan
from doctor.settings import Settings
from doctor_checks.labels.label_noise import examine

Measure = Callable[..., Any]


def table(features: np.ndarray, labels: np.ndarray) -> tuple[list[str], list[list[Any]]]:
    names = [f"x{place}" for place in range(features.shape[1])]
    return [*names, "label"], [[*row, f"c{name}"] for row, name in zip(features.tolist(), labels.tolist(), strict=True)]


def clusters(rows: int, apart: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    kind = random.integers(0, 3, rows)
    return (apart * np.eye(3, 4)[kind] + random.normal(size=(rows, 4))).round(4), kind


def test_flipped_labels_are_listed_with_the_right_ones(measure: Measure) -> None:
    features, kind = clusters(500, 4.5)
    wrong = np.arange(0, 500, 20)
    given = kind.copy()
    given[wrong] = (kind[wrong] + 1) % 3
    header, rows = table(features, given)
    (finding,) = examine(measure(LabelNoise, header, {"table": rows}, target="label"))
    assert isinstance(finding.repair, ReviewRows)
    assert set((wrong + 1).tolist()) == set(finding.repair.rows[: len(wrong)])
    right = {int(place) + 1: f"c{kind[place]}" for place in wrong}
    proposed = dict(zip(finding.repair.rows, finding.repair.suggested, strict=True))
    assert all(proposed[row] == name for row, name in right.items())
    assert finding.evidence["kind"] == "noise"


def test_wine_as_it_is_gives_no_finding(measure: Measure) -> None:
    header, rows = table(*load_wine(return_X_y=True))
    noise = measure(LabelNoise, header, {"table": rows}, target="label")
    assert noise.competence >= 0.8
    assert list(examine(noise)) == []


def test_classes_that_overlap_are_not_called_wrong(measure: Measure) -> None:
    header, rows = table(*clusters(800, 2.0))
    assert list(examine(measure(LabelNoise, header, {"table": rows}, target="label"))) == []


def test_models_that_find_no_known_flip_say_nothing(measure: Measure) -> None:
    features, kind = clusters(500, 0.3)
    header, rows = table(features, kind)
    (word,) = examine(measure(LabelNoise, header, {"table": rows}, target="label"))
    assert "known flips" in word.reason


def test_two_classes_that_are_exchanged_are_named(measure: Measure) -> None:
    features, kind = clusters(600, 4.5)
    that_day = np.arange(600) < 120
    given = np.where(that_day & (kind == 0), 2, np.where(that_day & (kind == 2), 0, kind))
    header, rows = table(features, given)
    (finding,) = examine(measure(LabelNoise, header, {"table": rows}, target="label"))
    assert finding.evidence["kind"] == "exchanged"
    assert {finding.evidence["first"], finding.evidence["second"]} == {"c0", "c2"}


def test_near_copies_with_other_labels_are_certain(measure: Measure) -> None:
    features, kind = clusters(400, 1.0)
    again = np.arange(0, 400, 40)
    both = np.vstack([features, features[again] + 0.0004])
    header, rows = table(both, np.append(kind, (kind[again] + 1) % 3))
    noise = measure(LabelNoise, header, {"table": rows}, target="label")
    found = [finding for finding in examine(noise) if getattr(finding, "evidence", {}).get("kind") == "near copies"]
    assert found
    assert noise.ring <= noise.copies


def test_a_quantity_has_no_flipped_labels(measure: Measure) -> None:
    features, _ = clusters(200, 1.0)
    rows = [[*row, round(sum(row), 3)] for row in features.tolist()]
    with pytest.raises(NotApplicable, match="quantity"):
        measure(LabelNoise, ["a", "b", "c", "d", "price"], {"table": rows}, target="price")


def test_no_row_is_predicted_from_its_own_label() -> None:
    random = np.random.default_rng(5)
    matrix, fold = random.normal(size=(120, 3)).astype(np.float32), np.arange(120) % 5
    labels = random.integers(0, 2, 120)
    other = labels.copy()
    other[7] = 1 - other[7]
    models = TwoFamilies(matrix, fold)
    for before, after in zip(models.predict(labels, 2), models.predict(other, 2), strict=True):
        same_fold = fold == fold[7]
        np.testing.assert_array_equal(before[same_fold], after[same_fold])


def test_the_review_list_carries_the_proposed_labels(tmp_path: Path) -> None:
    sick = Path(__file__).resolve().parents[2] / "fixtures" / "labels" / "label_noise" / "sick"
    settings = Settings(target="kind", select=("labels/label-noise",))
    with open_case([sick], settings) as case:
        written = papers.write(tmp_path, make_plan(examine_case(case, settings), case), case, {})
    (found,) = (tmp_path / name for name in written if name.endswith("label-noise.csv"))
    with found.open(encoding="utf-8", newline="") as file:
        listed = list(csv.DictReader(file))
    assert len(listed) == 30
    assert listed[0]["suggested"] != listed[0]["kind"]
