"""Wrong labels are found where the models have shown that they can, and overlap is not taken for them."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import FIXTURES
from sklearn.datasets import load_wine

from doctor.case import open_case
from doctor.engine import examine as examine_case
from doctor.errors import NotApplicable, Unavailable
from doctor.evidence.error_floor import ErrorFloor
from doctor.evidence.label_doubts import halved
from doctor.evidence.label_models import LabelModels
from doctor.evidence.label_noise import LabelNoise
from doctor.evidence.split_exchange import SplitExchanges
from doctor.model import Relabel, ReviewRows, Safety
from doctor.repair import papers
from doctor.repair.cells import relabel
from doctor.repair.plan import make_plan
from doctor.repair.state import Refused, State
from doctor.settings import Settings
from doctor_checks.labels.label_noise import examine

Measure = Callable[..., Any]
Table = tuple[list[str], list[list[Any]]]


def table(features: np.ndarray, labels: np.ndarray) -> Table:
    names = [f"x{place}" for place in range(features.shape[1])]
    return [*names, "label"], [[*row, f"c{name}"] for row, name in zip(features.tolist(), labels.tolist(), strict=True)]


def clusters(rows: int, apart: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    kind = random.integers(0, 3, rows)
    return (apart * np.eye(3, 4)[kind] + random.normal(size=(rows, 4))).round(4), kind


def told(measure: Measure, given: Table) -> list[Any]:
    header, rows = given
    return list(examine(measure(LabelNoise, header, {"table": rows}, target="label"), SplitExchanges()))


def test_flipped_labels_are_listed_with_the_right_ones(measure: Measure) -> None:
    features, kind = clusters(500, 4.5)
    wrong = np.arange(0, 500, 20)
    given = kind.copy()
    given[wrong] = (kind[wrong] + 1) % 3
    (finding,) = told(measure, table(features, given))
    assert finding.evidence["kind"] == "noise"
    assert finding.evidence["lower"] <= 0.05 <= finding.evidence["upper"]
    assert isinstance(finding.repair, ReviewRows)
    assert set((wrong + 1).tolist()) == set(finding.repair.rows[: len(wrong)])
    assert 0.05 * 500 <= len(finding.repair.rows) <= 0.1 * 500
    right = {int(place) + 1: f"c{kind[place]}" for place in wrong}
    proposed = dict(zip(finding.repair.rows, finding.repair.suggested, strict=True))
    assert all(proposed[row] == name for row, name in right.items())


def test_wine_as_it_is_is_healthy(measure: Measure) -> None:
    assert told(measure, table(*load_wine(return_X_y=True))) == []


def test_classes_that_overlap_are_not_called_wrong(measure: Measure) -> None:
    assert told(measure, table(*clusters(800, 2.5))) == []


def test_models_that_find_no_known_flip_say_nothing(measure: Measure) -> None:
    (word,) = told(measure, table(*clusters(300, 0.3)))
    assert "known flips" in word.reason


def test_a_rare_class_that_nothing_tells_is_no_competence(measure: Measure) -> None:
    random = np.random.default_rng(3)
    (word,) = told(measure, table(random.normal(size=(600, 4)), (random.random(600) < 0.05).astype(int)))
    assert "known flips" in word.reason


def test_a_label_that_one_column_tells_in_part_is_not_called_wrong(measure: Measure) -> None:
    random = np.random.default_rng(4)
    told_by = random.integers(0, 2, 800)
    features = np.column_stack([6 * told_by + random.normal(size=800), random.normal(size=(800, 3))]).round(3)
    (word,) = told(measure, table(features, np.where(random.random(800) < 0.93, told_by, 1 - told_by)))
    assert "few columns" in word.reason


def test_two_classes_that_are_exchanged_are_named_and_given_back(measure: Measure) -> None:
    features, kind = clusters(600, 4.5)
    that_day = np.arange(600) < 120
    given = np.where(that_day & (kind == 0), 2, np.where(that_day & (kind == 2), 0, kind))
    (finding,) = told(measure, table(features, given))
    assert finding.evidence["kind"] == "exchanged"
    assert {finding.evidence["first"], finding.evidence["second"]} == {"c0", "c2"}
    assert isinstance(finding.repair, Relabel)
    assert finding.repair.safety is Safety.UNSAFE
    assert all(f"c{kind[row]}" == name for row, name in zip(*map(list, _relabelled(finding.repair)), strict=True))


def _relabelled(repair: Relabel) -> tuple[tuple[int, ...], tuple[str, ...]]:
    return repair.numbers, repair.suggested


def test_near_copies_with_other_labels_are_paired_and_equal_rows_are_not(measure: Measure) -> None:
    features, kind = clusters(400, 4.5)
    # In few columns of few rows so near a pair may be a coincidence.
    features = np.hstack([features, np.random.default_rng(1).normal(size=(400, 3)).round(4)])
    again, equal = np.arange(0, 400, 40), np.arange(5, 400, 40)
    both = np.vstack([features, features[again] + 0.0004, features[equal]])
    labels = np.concatenate([kind, (kind[again] + 1) % 3, (kind[equal] + 1) % 3])
    header, rows = table(both, labels)
    noise = measure(LabelNoise, header, {"table": rows}, target="label")
    assert [(int(row), 400 + place) for place, row in enumerate(again)] == [
        (first.number, second.number) for first, second in noise.copies
    ]
    found = [
        finding
        for finding in examine(noise, SplitExchanges())
        if getattr(finding, "evidence", {}).get("kind") == "near copies"
    ]
    assert [finding.evidence["pairs"] for finding in found] == [10]


def test_a_quantity_has_no_flipped_labels(measure: Measure) -> None:
    features, _ = clusters(200, 1.0)
    rows = [[*row, round(sum(row), 3)] for row in features.tolist()]
    with pytest.raises(NotApplicable, match="quantity"):
        measure(LabelNoise, ["a", "b", "c", "d", "price"], {"table": rows}, target="price")


def test_few_rows_give_no_verdict(measure: Measure) -> None:
    header, rows = table(*clusters(80, 4.0))
    with pytest.raises(Unavailable, match="too few"):
        measure(LabelNoise, header, {"table": rows}, target="label")


def test_no_row_is_predicted_from_labels_of_its_fold() -> None:
    random = np.random.default_rng(5)
    matrix, fold = random.normal(size=(120, 3)).astype(np.float32), np.arange(120) % 5
    labels = random.integers(0, 2, 120)
    other = labels.copy()
    other[7] = 1 - other[7]
    models = LabelModels(matrix, fold)
    same_fold = fold == fold[7]
    for before, after in zip(models.predict(labels, 2), models.predict(other, 2), strict=True):
        np.testing.assert_allclose(before[same_fold], after[same_fold], atol=1e-5)
        assert np.abs(before - after)[~same_fold].max() > 1e-3


def test_the_surface_is_the_one_fitted_to_the_other_folds() -> None:
    random = np.random.default_rng(6)
    matrix, fold = random.normal(size=(60, 3)).astype(np.float32), np.arange(60) % 5
    labels = random.integers(0, 3, 60)
    surface, _ = LabelModels(matrix, fold).scores(labels, 3)
    apart = ((matrix[:, None] - matrix[None]) ** 2).sum(axis=2)
    likeness = np.exp(-2 * apart / np.median(apart[::10]))
    wanted = np.eye(3)[labels]
    test, train = fold == 2, fold != 2
    mean = wanted[train].mean(axis=0)
    pull = np.linalg.solve(likeness[np.ix_(train, train)] + 0.3 * np.eye(train.sum()), wanted[train] - mean)
    np.testing.assert_allclose(likeness[np.ix_(test, train)] @ pull + mean, surface[test], atol=1e-4)


def errors(rows: int, floor: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    margins = np.abs(random.normal(size=(1, rows))) * 3
    chance = floor + (1 - floor) / (1 + np.exp(1.5 * margins[0]))
    return margins, random.random(rows) < chance


def test_a_floor_of_errors_is_told_from_errors_that_fade() -> None:
    without = [ErrorFloor.of(*errors(800, 0.0, seed)) for seed in range(30)]
    assert sum(floor.chance < 0.05 for floor in without) <= 6
    assert sum(floor.lower > 0 for floor in without) <= 2
    with_floor = [ErrorFloor.of(*errors(800, 0.08, seed)) for seed in range(10)]
    assert sum(floor.chance < 0.005 for floor in with_floor) >= 9
    assert sum(floor.lower <= 0.08 <= floor.upper for floor in with_floor) >= 9


def test_no_errors_are_no_floor() -> None:
    floor = ErrorFloor.of(np.abs(np.random.default_rng(0).normal(size=(2, 300))), np.zeros(300, dtype=bool))
    assert (floor.share, floor.lower, floor.ratio) == (0.0, 0.0, 0.0)
    assert floor.upper <= 0.02


def test_halves_of_the_features_know_nothing_of_each_other() -> None:
    random = np.random.default_rng(8)
    labels = random.integers(0, 2, 400)
    strong, weak = labels + 0.3 * random.normal(size=400), labels + random.normal(size=400)
    matrix = np.column_stack([strong, strong * 2 + 1e-3, weak, random.normal(size=400)])
    first, second = halved(matrix, np.array([0, 1, 2, 3]), labels, 2)
    assert first.tolist() == [True, True, False, False]
    assert second.tolist() == [False, False, True, True]


@pytest.mark.parametrize("patient", ["sick", "sick_exchanged"])
def test_the_review_list_carries_the_proposed_labels(patient: str, tmp_path: Path) -> None:
    sick = FIXTURES / "labels" / "label_noise" / patient
    settings = Settings(target="kind", select=("labels/label-noise",))
    with open_case([sick], settings) as case:
        written = papers.write(tmp_path, make_plan(examine_case(case, settings), case), case, {})
    (found,) = (tmp_path / name for name in written if name.endswith("label-noise.csv"))
    with found.open(encoding="utf-8", newline="") as file:
        listed = list(csv.DictReader(file))
    assert len(listed) >= 20
    assert all(row["suggested"] != row["kind"] for row in listed[:15])


def test_labels_that_cannot_be_written_are_refused() -> None:
    with open_case([FIXTURES / "labels" / "label_noise" / "sick"], Settings()) as case:
        state = State.of(case.tables[0])
        edit = Relabel(column="kind", numbers=(3, 1), like=(0, 2), suggested=("a", "b"))
        assert relabel(state, edit).cells == {"kind": 2}
        assert state.filled["kind"].rows.tolist() == [1, 3]
        assert state.filled["kind"].donors.tolist() == [2, 0]
        with pytest.raises(Refused, match="another edit"):
            relabel(state, edit)
        far = Relabel(column="kind", numbers=(10_000,), like=(0,), suggested=("a",))
        with pytest.raises(Refused, match="so many rows"):
            relabel(State.of(case.tables[0]), far)


def halves(features: np.ndarray, labels: np.ndarray) -> tuple[list[str], dict[str, list[list[Any]]]]:
    header, rows = table(features, labels)
    return header, {"train": rows[: len(rows) * 2 // 3], "test": rows[len(rows) * 2 // 3 :]}


def test_two_classes_that_are_exchanged_in_the_test_split_are_certain(measure: Measure) -> None:
    features, kind = clusters(450, 4.5)
    given = kind.copy()
    given[300:] = np.array([2, 1, 0])[kind[300:]]
    (found,) = measure(SplitExchanges, *halves(features, given), target="label").found
    assert (found.split, {found.first, found.second}) == ("test", {"c0", "c2"})
    assert min(found.first_share, found.second_share, found.known_share) > 0.9
    assert {f"c{given[number]}" for number in found.numbers} == {"c0", "c2"}
    assert all(f"c{kind[number]}" == name for number, name in zip(found.numbers, found.suggested, strict=True))


def test_splits_that_agree_have_nothing_exchanged(measure: Measure) -> None:
    assert measure(SplitExchanges, *halves(*clusters(450, 2.5)), target="label").found == ()
