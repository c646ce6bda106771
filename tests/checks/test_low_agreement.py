"""What `labels/low-agreement` says, and when it says nothing."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from doctor.case import open_case
from doctor.engine import examine
from doctor.model import Consensus, DropAnnotators, DropColumns, Outcome, Report, ReviewRows, Severity
from doctor.settings import Settings

Scan = Callable[..., Report]


@pytest.fixture
def judge(tmp_path: Path) -> Scan:
    def run(labels: np.ndarray, *, long: bool = False, **options: object) -> Report:
        names = [f"rater{i + 1}" for i in range(labels.shape[1])]
        rows: list[list[object]] = [["item", "annotator", "label"]] if long else [list(names)]
        for i, row in enumerate(labels.tolist()):
            rows += [[f"i{i}", name, label] for name, label in zip(names, row, strict=True)] if long else [row]
        path = tmp_path / "labels.csv"
        with path.open("w", newline="") as file:
            csv.writer(file).writerows(rows)
        settings = Settings(select=("labels/low-agreement",), **options)  # type: ignore[arg-type]  # options by name
        with open_case([path], settings) as case:
            return examine(case, settings)

    return run


def readers(accuracies: list[float], items: int = 300, names: str = "abcd", seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, len(names), items)
    knows = rng.random((items, len(accuracies))) < np.array(accuracies)
    labels = np.where(knows, truth[:, None], rng.integers(0, len(names), knows.shape))
    return np.array(list(names))[labels]


def kinds(report: Report) -> list[object]:
    return [finding.evidence["kind"] for finding in report.findings]


def test_annotators_who_agree_are_healthy(judge: Scan) -> None:
    report = judge(readers([0.9, 0.9, 0.9]))
    assert [each.outcome for each in report.examinations] == [Outcome.HEALTHY]


def test_low_agreement_comes_with_all_figures_and_the_items_to_review(judge: Scan) -> None:
    (finding,) = judge(readers([0.6, 0.6, 0.6])).findings
    assert finding.severity is Severity.WARNING
    assert finding.evidence["coefficient"] == "Fleiss' κ"
    assert finding.evidence["low"] < finding.evidence["value"] < finding.evidence["high"] < 0.6
    assert set(finding.evidence["coefficients"]) >= {"alpha_nominal", "gwet_ac1", "light", "conger"}
    assert isinstance(finding.repair, ReviewRows)
    assert len(set(finding.repair.rows)) > 50


def test_too_few_items_give_no_verdict(judge: Scan) -> None:
    for items in (5, 12):
        report = judge(readers([0.7, 0.7], items=items), annotators=("rater1", "rater2"))
        assert [each.outcome for each in report.examinations] == [Outcome.UNAVAILABLE]
        assert f"{items} items" in report.examinations[0].reason


def test_an_interval_that_holds_the_bound_gives_no_verdict(judge: Scan) -> None:
    report = judge(readers([0.775, 0.775], items=100, seed=1))
    assert [each.outcome for each in report.examinations] == [Outcome.UNAVAILABLE]
    assert "cannot be told from 0.6" in report.examinations[0].reason


def test_one_label_only_is_undefined_and_not_zero(judge: Scan) -> None:
    report = judge(np.full((100, 3), "a"), annotators=("rater1", "rater2", "rater3"))
    assert [each.outcome for each in report.examinations] == [Outcome.UNAVAILABLE]
    assert "undefined" in report.examinations[0].reason


@pytest.mark.parametrize("long", [False, True])
def test_who_guesses_is_named_alone(judge: Scan, long: bool) -> None:
    (finding,) = judge(readers([0.9, 0.9, 0.9, 0.0]), long=long).findings
    assert finding.evidence["kind"] == "guessing"
    assert finding.message.startswith("rater4:")
    if long:
        assert isinstance(finding.repair, DropAnnotators)
        assert (finding.repair.annotators, finding.repair.column) == (("rater4",), "annotator")
        assert finding.at.columns == ("annotator", "label")
    else:
        assert isinstance(finding.repair, DropColumns)
        assert finding.at.columns == finding.repair.columns == ("rater4",)


def test_who_always_says_the_same_is_named(judge: Scan) -> None:
    labels = readers([0.9, 0.9, 0.9, 0.9])
    labels[:, 3] = "b"
    assert kinds(judge(labels)) == ["constant"]


def test_who_has_labels_the_wrong_way_round_is_named(judge: Scan) -> None:
    labels = readers([0.95, 0.95, 0.95, 0.95], names="ab")
    labels[:, 3] = np.where(labels[:, 3] == "a", "b", "a")
    report = judge(labels)
    assert kinds(report) == ["contrary"]
    assert report.findings[0].evidence["annotators"][3]["says"] in "ab"


def test_who_is_worse_but_does_not_guess_is_the_one_without_whom_it_would_do(judge: Scan) -> None:
    (finding,) = judge(readers([0.95, 0.95, 0.35], items=400)).findings
    assert finding.evidence["kind"] == "low but for one"
    assert finding.evidence["annotator"] == "rater3"
    assert finding.evidence["without"] > 0.8


def test_a_poor_pair_among_good_ones_is_found(judge: Scan) -> None:
    report = judge(readers([0.99, 0.99, 0.99, 0.99, 0.65, 0.65], items=500))
    (finding,) = report.findings
    assert finding.evidence["kind"] == "pairs"
    assert finding.at.columns == ("rater5", "rater6")
    assert isinstance(finding.repair, Consensus)


def test_a_prevalent_class_is_named_as_such(judge: Scan) -> None:
    rng = np.random.default_rng(0)
    (finding,) = judge(np.where(rng.random((400, 2)) < 0.02, "b", "a")).findings
    assert finding.evidence["kind"] == "paradox"
    assert finding.severity is Severity.INFO
    assert "prevalence paradox" in finding.message


def test_a_rare_class_with_items_enough_is_a_warning_all_the_same(judge: Scan) -> None:
    rng = np.random.default_rng(0)
    (finding,) = judge(np.where(rng.random((3000, 2)) < 0.02, "b", "a")).findings
    assert finding.evidence["kind"] == "paradox"
    assert finding.severity is Severity.WARNING


def test_small_differences_on_an_ordered_scale_are_no_disagreement(judge: Scan) -> None:
    rng = np.random.default_rng(0)
    scores = rng.integers(1, 20, 300)[:, None] + rng.integers(-1, 2, (300, 3))
    assert kinds(judge(scores)) == []
    assert kinds(judge(scores, scale="nominal")) == ["low"]


def test_the_bound_can_be_set(judge: Scan) -> None:
    labels = readers([0.6, 0.6, 0.6])
    assert kinds(judge(labels, thresholds={"labels/low-agreement": {"min_kappa": "0.2"}})) == []
    assert kinds(judge(labels, thresholds={"labels/low-agreement": {"min_kappa": "0.5"}})) == ["low"]
