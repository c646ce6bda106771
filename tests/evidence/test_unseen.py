"""Categories that one split lacks, and how many chance would give."""

import itertools

import numpy as np
import pyarrow as pa
import pytest

import doctor
from doctor.evidence.split_schemas import respelled
from doctor.evidence.unseen import chance_of_unseen
from doctor.model import Report


def exact(totals: list[int], later: int, seen: int) -> tuple[float, float]:
    """Try every cut of a few rows."""
    rows = [level for level, count in enumerate(totals) for _ in range(count)]
    found = []
    for chosen in itertools.combinations(range(len(rows)), later):
        early = {rows[i] for i in range(len(rows)) if i not in chosen}
        found.append(sum(rows[i] not in early for i in chosen))
    return float(np.mean([value >= seen for value in found])), float(np.mean(found))


@pytest.mark.parametrize(
    ("totals", "later", "seen"), [([4, 2, 2, 1], 3, 2), ([3, 3, 3], 4, 3), ([1, 1, 1, 5, 2], 4, 4)]
)
def test_the_bound_holds_and_the_expectation_is_exact(totals: list[int], later: int, seen: int) -> None:
    p, mean = exact(totals, later, seen)
    bound, expected = chance_of_unseen(np.array(totals), later, seen)
    assert expected == pytest.approx(mean)
    assert bound >= p - 1e-9


def test_spellings_are_alike_but_for_case_blanks_and_punctuation() -> None:
    assert respelled([" <=50K.", "ROME ", "Oslo"], [" <=50K", "Rome"]) == {" <=50K.": " <=50K", "ROME ": "Rome"}


def scanned(train: dict[str, list[object]], test: dict[str, list[object]], *checks: str) -> Report:
    return doctor.scan({"train": pa.table(train), "test": pa.table(test)}, target="label", select=checks)


def test_rare_values_of_a_long_tail_are_no_news() -> None:
    draw = np.random.default_rng(1)
    shops = [f"shop {i}" for i in draw.zipf(1.3, 1000)]
    labels = draw.choice(["a", "b"], 1000).tolist()
    split = [{"shop": shops[part], "label": labels[part]} for part in (slice(800), slice(800, None))]
    assert scanned(*split, "new-categories").findings == []  # type: ignore[arg-type]  # lists of words


def test_values_spelled_otherwise_are_told_once_and_are_no_drift() -> None:
    draw = np.random.default_rng(2)
    towns = draw.choice(["Rome", "Oslo", "Bern"], 600).tolist()
    labels = draw.choice(["a", "b"], 600).tolist()
    train = {"town": towns[:450], "label": labels[:450]}
    test = {"town": [f"{town.upper()} " for town in towns[450:]], "label": labels[450:]}
    (finding,) = scanned(train, test, "drift", "schema-mismatch").findings
    assert finding.check == "quality/schema-mismatch"
    assert finding.evidence["spellings"] == {"ROME ": "Rome", "OSLO ": "Oslo", "BERN ": "Bern"}


def test_a_class_of_one_row_is_a_remark_and_one_of_many_a_warning() -> None:
    draw = np.random.default_rng(3)
    x, labels = draw.normal(size=400).tolist(), draw.choice(["a", "b"], 400).tolist()
    few, many = [*labels[300:399], "c"], [*labels[300:380], *["c"] * 20]
    for test, severity in ((few, "info"), (many, "warning")):
        report = scanned({"x": x[:300], "label": labels[:300]}, {"x": x[300:], "label": test}, "unseen-labels")
        assert [severity] == [finding.severity.value for finding in report.findings]


def test_a_class_that_the_test_lacks_counts_only_where_it_should_be_there() -> None:
    train = {"x": [float(i) for i in range(400)], "label": ["a"] * 240 + ["b"] * 150 + ["c"] * 10}
    test = {"x": [float(i) for i in range(40)], "label": ["a"] * 25 + ["b"] * 15}
    assert scanned(train, test, "unseen-labels").findings == []  # type: ignore[arg-type]  # lists of words
    lacking = {"x": test["x"], "label": ["a"] * 40}
    (finding,) = scanned(train, lacking, "unseen-labels").findings  # type: ignore[arg-type]  # lists of words
    assert finding.evidence["kind"] == "untested"
    assert "b" in finding.evidence["labels"]
