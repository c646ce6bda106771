"""Annotations as they are measured from files of every layout."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from doctor.case import open_case
from doctor.errors import NotApplicable, Unavailable, UsageError
from doctor.evidence import votes
from doctor.evidence.annotations import Annotations
from doctor.evidence.dawid_skene import dawid_skene
from doctor.evidence.profile import Profile
from doctor.evidence.raters import Votes
from doctor.evidence.scales import read_scale
from doctor.model import Sampling
from doctor.settings import Settings

Measure = Callable[..., Annotations]
KRIPPENDORFF = ["11.1", "2232", "3333", "3333", "2222", "1234", "4444", "1121", "2222", ".555", "..11", "..3."]
NAMES = ("rater1", "rater2", "rater3", "rater4")


@pytest.fixture
def measure(tmp_path: Path) -> Measure:
    def run(rows: list[tuple[object, ...]], suffix: str = "csv", **options: object) -> Annotations:
        path = tmp_path / f"table.{suffix}"
        path.write_text("\n".join(",".join(map(str, row)) for row in rows) + "\n")
        with open_case([path], Settings(**options)) as case:  # type: ignore[arg-type]  # options by name
            table = case.tables[0]
            return Annotations.measure(table, Profile.measure(table, Sampling()), Sampling())

    return run


def wide(items: list[str] = KRIPPENDORFF) -> list[tuple[object, ...]]:
    return [("unit", *NAMES), *((f"u{i}", *(c.replace(".", "") for c in item)) for i, item in enumerate(items))]


def long(items: list[str] = KRIPPENDORFF) -> list[tuple[object, ...]]:
    cells = [(f"u{i}", name, c) for i, item in enumerate(items) for name, c in zip(NAMES, item, strict=True)]
    return [("item", "annotator", "label"), *(cell for cell in cells if cell[2] != ".")]


def items_of(items: list[str]) -> list[tuple[object, ...]]:
    return [tuple(item) for item in items]


def simulated(items: int, annotators: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(1, 5, items)
    labels = np.where(rng.random((items, annotators)) < 0.8, truth[:, None], rng.integers(1, 5, (items, annotators)))
    return ["".join(map(str, row)) for row in labels]


def comparable(found: Annotations) -> Annotations:
    return msgspec.structs.replace(found, layout="", columns=(), contested=())


def test_wide_and_long_hold_the_same(measure: Measure) -> None:
    one, other = measure(wide()), measure(long())
    assert (one.layout, other.layout) == ("wide", "long")
    assert one.columns == NAMES
    assert other.columns == ("annotator", "label")
    assert comparable(one) == comparable(other)
    assert one.coefficients["alpha_nominal"] == pytest.approx(0.7434, abs=5e-5)
    assert (one.items, one.ratings, one.paired_items, one.rating_pairs) == (12, 41, 11, 55)


def test_rows_and_columns_may_stand_in_any_order(measure: Measure) -> None:
    rng = np.random.default_rng(1)
    rows = wide(simulated(80, 4))
    head, *body = rows
    shuffled = [head, *(body[i] for i in rng.permutation(len(body)))]
    turned = [(row[0], *reversed(row[1:])) for row in shuffled]
    ours, theirs = measure(rows), measure(turned)
    assert comparable(ours) == comparable(theirs)
    assert sorted(item.labels for item in ours.contested) != []


def test_counts_give_what_single_labels_give(measure: Measure) -> None:
    items = list(simulated(50, 4))
    counts = [("item", "1", "2", "3", "4"), *((i, *(item.count(c) for c in "1234")) for i, item in enumerate(items))]
    one, other = measure(wide(items)), measure(counts)
    assert other.layout == "counts"
    for name in ("fleiss", "alpha_nominal", "alpha_ordinal", "gwet_ac1", "percent_agreement"):
        assert other.coefficients[name] == pytest.approx(one.coefficients[name])
    assert other.pairs == ()
    assert other.exchangeable


def test_gaps_may_turn_whole_numbers_into_broken_ones(measure: Measure) -> None:
    rows = [(unit, a, *(f"{c}.0" if c else "" for c in rest)) for unit, a, *rest in wide()[1:]]
    assert comparable(measure([("unit", *NAMES), *rows])) == comparable(measure(wide()))


def test_who_contradicts_himself_gave_no_label(measure: Measure) -> None:
    rows = [*long(), ("u1", "rater1", "2"), ("u2", "rater1", "5")]
    found = measure(rows)
    assert found.contradictions == 2
    assert found.ratings == 40


def test_two_annotators_have_no_others(measure: Measure) -> None:
    found = measure([row[:3] for row in wide(simulated(60, 4))])
    assert found.judged.coefficient.startswith("Cohen's")
    assert {person.alpha_without for person in found.annotators} == {None}
    assert {person.kappa for person in found.annotators} == {None}


def test_who_is_most_in_the_way_is_set_against_the_others_item_by_item(measure: Measure) -> None:
    items = ["aab", "aab", "bba", "bbb", "aa"]
    rows = [(*item, "") if len(item) < 3 else tuple(item) for item in items]
    found = measure([tuple("ABC"), *rows], annotators=("A", "B", "C"))
    assert found.confusion is not None
    assert (found.confusion.rows, found.confusion.columns) == ("C", "the others")
    assert found.confusion.labels == ("a", "b")
    assert found.confusion.counts == ((0, 2), (4, 2))  # by hand: C says a of b, b; b of a, a and a, a; b of b, b


def test_two_annotators_are_set_against_each_other(measure: Measure) -> None:
    found = measure([tuple("AB"), *map(tuple, ("ab", "aa", "bb", "ba"))], annotators=("A", "B"))
    assert found.confusion is not None
    assert (found.confusion.rows, found.confusion.columns, found.confusion.counts) == ("A", "B", ((1, 1), (1, 1)))


def test_pairs_are_counted_on_shared_items_only(measure: Measure) -> None:
    found = {(pair.first, pair.second): pair.shared for pair in measure(wide()).pairs}
    assert found[("rater1", "rater2")] == 9
    assert found[("rater3", "rater4")] == 10
    assert len(found) == 6


def test_the_most_contested_items_come_first(measure: Measure) -> None:
    found = measure(wide(), scale="nominal").contested
    assert next((item.row, item.disagreement) for item in found) == (6, 1.0)
    assert {item.row for item in found} == {2, 6, 8}
    assert measure(long()).contested[0].item == "u5"


def test_one_label_leaves_everything_undefined(measure: Measure) -> None:
    found = measure(wide(["1111"] * 40))
    assert found.judged.value is None
    assert found.judged.low is None
    assert {pair.cohen for pair in found.pairs} == {None}


def test_text_that_is_no_label_is_unavailable(measure: Measure) -> None:
    rows = [("a", "b"), *((f"text {i}", f"words {i}") for i in range(2000))]
    with pytest.raises(Unavailable, match="different labels"):
        measure(rows, annotators=("a", "b"))


def test_no_item_with_two_labels_is_unavailable(measure: Measure) -> None:
    with pytest.raises(Unavailable, match="no item was labelled by two"):
        measure(wide(["1...", ".2..", "..3."]), annotators=NAMES)


def test_hostile_names_and_labels_are_but_names(measure: Measure) -> None:
    strange = {"1": "it's", "2": 'sa"id', "3": "'; DROP TABLE x; --", "4": "näher ✓"}
    items = simulated(60, 3)
    names = ("rater' 1", 'rater" 2', "row")
    cells = ["|".join('"' + strange[c].replace('"', '""') + '"' for c in item).split("|") for item in items]
    plain = measure([("rater1", "rater2", "rater3"), *items_of(items)], scale="nominal")
    found = measure([tuple('"' + n.replace('"', '""') + '"' for n in names), *map(tuple, cells)], annotators=names)
    assert found.coefficients["fleiss"] == pytest.approx(plain.coefficients["fleiss"])
    assert set(found.scale.labels) == set(strange.values())


def test_csv_and_parquet_give_the_same(measure: Measure, tmp_path: Path) -> None:
    import duckdb

    ours = measure(wide(), scale="ordinal")
    path = tmp_path / "other" / "table.parquet"
    path.parent.mkdir()
    duckdb.sql(
        f"SELECT unit, rater1::FLOAT AS rater1, rater2::TINYINT AS rater2, rater3::VARCHAR AS rater3, rater4 "
        f"FROM read_csv('{tmp_path / 'table.csv'}')"
    ).write_parquet(str(path))
    with open_case([path], Settings(annotators=NAMES, scale="ordinal")) as case:
        table = case.tables[0]
        assert Annotations.measure(table, Profile.measure(table, Sampling()), Sampling()) == ours


def test_without_annotators_the_question_does_not_arise(measure: Measure) -> None:
    with pytest.raises(NotApplicable):
        measure([("x1", "x2"), *((i % 3, i % 4) for i in range(50))])


def test_beyond_the_limit_a_part_of_the_items_is_used(measure: Measure, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = wide(simulated(3000, 4))
    whole = measure(rows)
    monkeypatch.setattr(votes, "MAX_VOTES", 300)
    part = measure(rows)
    assert part.items == whole.items == 3000
    assert part.used_items < whole.used_items == 3000
    assert part.judged.value == pytest.approx(whole.judged.value, abs=0.15)
    assert part.contested


@pytest.mark.parametrize(
    ("labels", "declared", "level", "guessed"),
    [
        (("a", "b"), None, "nominal", True),
        (("1", "2", "10"), None, "ordinal", True),
        (("0", "1"), None, "nominal", True),
        (("0.5", "1", "2"), None, "interval", True),
        (("2. Often", "1. Never", "10. Always"), None, "ordinal", True),
        (("1", "2", "10"), "nominal", "nominal", False),
        (("1", "2", "10"), "ratio", "ratio", False),
        (("high", "low"), "low<medium<high", "ordinal", False),
    ],
)
def test_the_scale(labels: tuple[str, ...], declared: str | None, level: str, guessed: bool) -> None:
    scale = read_scale(labels, declared)
    assert (scale.level, scale.guessed) == (level, guessed)
    assert list(scale.values) == sorted(scale.values)


def test_numbered_labels_keep_their_order() -> None:
    assert read_scale(("10. Always", "2. Often", "1. Never"), None).labels == ("1. Never", "2. Often", "10. Always")
    assert read_scale(("high", "low"), "low < medium < high").labels == ("low", "medium", "high")


@pytest.mark.parametrize(
    ("declared", "said"), [("cardinal", "none of"), ("ordinal", "no numbers"), ("a<c", "place: b")]
)
def test_a_wrong_scale_is_one_clear_line(declared: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_scale(("a", "b"), declared)


def test_dawid_and_skene_find_the_labels_where_the_majority_does_not() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 1000)
    accuracy = (0.97, 0.95, 0.55, 0.55, 0.55)
    labels = np.stack([np.where(rng.random(1000) < a, truth, 1 - truth) for a in accuracy], axis=1)
    item, annotator = np.nonzero(labels >= 0)
    once = np.ones(1000, dtype=int)
    said = labels[item, annotator]
    found = dawid_skene(Votes(pattern=item, annotator=annotator, category=said, items=once, annotators=5, categories=2))
    right = (found.posterior.argmax(axis=1) == truth).mean()
    majority = ((labels.sum(axis=1) > 2) == truth).mean()
    assert right > majority + 0.05
    assert found.accuracy == pytest.approx(accuracy, abs=0.04)
    assert found.posterior.sum(axis=1) == pytest.approx(1)
