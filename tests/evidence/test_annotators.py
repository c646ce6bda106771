"""Which columns are taken for annotators, and above all which are not."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from doctor.case import open_case
from doctor.errors import UsageError
from doctor.evidence.annotators import AnnotatorRoles, infer_annotators
from doctor.evidence.profile import Profile
from doctor.model import Sampling
from doctor.settings import Settings

Infer = Callable[..., AnnotatorRoles]
RNG = np.random.default_rng(0)
TRUTH = RNG.choice(["cat", "dog", "emu"], 60)


@pytest.fixture
def infer(tmp_path: Path) -> Iterator[Infer]:
    def run(columns: dict[str, list[object]], **options: object) -> AnnotatorRoles:
        path = tmp_path / "table.csv"
        rows = zip(*columns.values(), strict=True)
        path.write_text("\n".join(",".join(map(str, row)) for row in [tuple(columns), *rows]) + "\n")
        with open_case([path], Settings(**options)) as case:  # type: ignore[arg-type]  # options by name
            table = case.tables[0]
            return infer_annotators(table, Profile.measure(table, Sampling()))

    return run


def noisy(share: float = 0.2) -> list[object]:
    return [t if RNG.random() > share else RNG.choice(["cat", "dog", "emu"]) for t in TRUTH]


@pytest.mark.parametrize(
    "names",
    [
        ("rater1", "rater2", "rater3"),
        ("Annotator_1", "Annotator_2"),
        ("coder_a", "coder_b"),
        ("label_by_ann", "label_by_bo"),
        ("label_rater1", "label_rater2"),
        ("expert1", "expert2"),
        ("grader A", "grader B"),
    ],
)
def test_columns_named_for_people_who_judge_are_annotators(infer: Infer, names: tuple[str, ...]) -> None:
    found = infer({"size": list(range(60)), **{name: noisy() for name in names}})
    assert found.annotators == names
    assert found.layout == "wide"
    assert found.guess
    assert found.guess.override.startswith("--annotators")


@pytest.mark.parametrize("stem", ["x", "q", "feature_", "pixel_0_", "r", "label_", "score", "sensor", "V", "answer"])
def test_numbered_features_are_no_annotators(infer: Infer, stem: str) -> None:
    assert infer({f"{stem}{i}": list(RNG.integers(1, 6, 60)) for i in range(1, 6)}) == AnnotatorRoles()


def test_numbers_measured_by_raters_are_no_labels(infer: Infer) -> None:
    assert not infer({f"rater{i}": list(RNG.normal(size=60).round(6)) for i in (1, 2)}).annotators


def test_columns_that_say_who_annotated_are_no_labels(infer: Infer) -> None:
    people = [RNG.permutation(["ann", "bo", "cy", "di"])[:2] for _ in range(60)]
    assert not infer({f"annotator_{i + 1}": [pair[i] for pair in people] for i in range(2)}).annotators


def test_columns_with_nothing_in_common_are_no_annotators(infer: Infer) -> None:
    columns = {"judge1": noisy(), "judge2": list(RNG.choice(["north", "south"], 60))}
    assert not infer(columns).annotators


def test_one_row_per_annotation_is_seen(infer: Infer) -> None:
    columns = {
        "item_id": [i for i in range(20) for _ in range(3)],
        "worker": ["ann", "bo", "cy"] * 20,
        "label": [str(t) for t in TRUTH],
    }
    found = infer(columns)
    assert (found.annotators, found.item, found.label, found.layout) == (("worker",), "item_id", "label", "long")


def test_product_reviews_are_no_annotations(infer: Infer) -> None:
    columns = {
        "user": [f"u{i % 20}" for i in range(60)],
        "product": [i % 15 for i in range(60)],
        "rating": list(RNG.integers(1, 6, 60)),
    }
    assert not infer(columns).annotators


def test_counts_that_add_up_alike_are_seen(infer: Infer) -> None:
    counts = RNG.multinomial(5, [0.6, 0.3, 0.1], size=30)
    found = infer(
        {"item": list(range(30)), **{name: list(counts[:, i]) for i, name in enumerate(("cat", "dog", "emu"))}}
    )
    assert found.layout == "counts"
    assert found.annotators == ("cat", "dog", "emu")


@pytest.mark.parametrize("raters", [1, 1000])
def test_dummy_columns_and_compositions_are_no_counts(infer: Infer, raters: int) -> None:
    counts = RNG.multinomial(raters, [0.6, 0.3, 0.1], size=30)
    assert not infer({"item": list(range(30)), **{f"c{i}": list(counts[:, i]) for i in range(3)}}).annotators


def test_what_is_declared_holds(infer: Infer) -> None:
    columns = {"r1": noisy(), "r2": noisy(), "rater3": noisy(), "rater4": noisy()}
    found = infer(columns, annotators=("r1", "r2"))
    assert found.annotators == ("r1", "r2")
    assert found.guess is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"annotators": ("r1", "nobody")}, "there is no column 'nobody'"),
        ({"annotators": ("r1", "r2"), "item": "nothing"}, "there is no column 'nothing'"),
        ({"annotators": ("r1", "r1")}, "names a column twice"),
        ({"annotators": ("r1",)}, "--item COLUMN"),
        ({"annotators": ("r1",), "item": "r2"}, "--target COLUMN"),
        ({"annotators": ("r1",), "item": "r2", "target": "nothing"}, "there is no column 'nothing'"),
    ],
)
def test_a_wrong_declaration_is_one_clear_line(infer: Infer, options: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said) as error:
        infer({"r1": noisy(), "r2": noisy()}, **options)
    assert "\n" not in str(error.value)
