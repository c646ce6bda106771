"""What each repair does to the rows, the splits and the cells of a table."""

import random
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import write_csv
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from doctor.case import open_case
from doctor.model import (
    AnyRepair,
    Consensus,
    DropColumns,
    DropRows,
    FillMissing,
    Resplit,
    Reweight,
)
from doctor.repair.state import Effect
from doctor.repair.treatment import Treatment, treat
from doctor.settings import Settings

FEW = settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)

Splits = dict[str, Sequence[Sequence[object]]]


def treated(header: Sequence[str], splits: Splits, *repairs: AnyRepair, **options: Any) -> Treatment:
    with tempfile.TemporaryDirectory() as folder:
        for name, rows in splits.items():
            write_csv(Path(folder) / f"{name}.csv", header, rows)
        with open_case([Path(folder)], Settings(header="yes", **options)) as case:
            (table,) = case.tables
            return treat(table, repairs)


@FEW
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=30, max_size=80), st.booleans())
def test_no_group_stands_in_two_splits_and_splits_keep_their_sizes(keys: list[tuple[int, int]], both: bool) -> None:
    rows = [(f"a{one}", f"b{other}", number) for number, (one, other) in enumerate(keys)]
    cut = len(rows) * 2 // 3
    repairs = [Resplit(by="group", column="one")] + [Resplit(by="group", column="other")] * both
    done = treated(("one", "other", "n"), {"train": rows[:cut], "test": rows[cut:]}, *repairs)
    if any(isinstance(result, str) for result in done.results):
        assert done.results[0] in ("no row of train would remain", "no row of test would remain")
        return
    split = done.state.split
    for place in range(1 + both):
        homes: dict[object, set[int]] = {}
        for row, home in zip(rows, split, strict=True):
            homes.setdefault(row[place], set()).add(int(home))
        assert all(len(home) == 1 for home in homes.values())
    largest = max(np.unique([row[0] for row in rows], return_counts=True)[1])
    if not both:
        assert abs(int((split == 0).sum()) - cut) <= largest


@FEW
@given(st.lists(st.integers(0, 40), min_size=30, max_size=80))
def test_a_cut_in_time_falls_between_two_times(days: list[int]) -> None:
    rows = [(f"2021-{1 + day // 28:02d}-{1 + day % 28:02d}", n) for n, day in enumerate(days)]
    cut = len(rows) * 2 // 3
    done = treated(
        ("day", "n"), {"train": rows[:cut], "test": rows[cut:]}, Resplit(by="time", column="day"), time="day"
    )
    if isinstance(done.results[0], str):
        assert len(set(days)) < 2
        return
    train, test = ([day for day, home in zip(days, done.state.split, strict=True) if home == n] for n in (0, 1))
    assert max(train) < min(test)
    common = max(np.unique(days, return_counts=True)[1])
    assert abs(len(train) - cut) <= common


def test_a_stratified_split_gives_every_split_its_share() -> None:
    draw = random.Random(1)
    rows = [("rare" if n < 20 else "common", draw.random()) for n in range(200)]
    done = treated(("label", "x"), {"train": rows[:100], "test": rows[100:]}, Resplit(by="stratified", column="label"))
    assert effect(done).moved == {"train → test": 10, "test → train": 10}


def test_splits_drawn_at_random_keep_their_sizes_and_what_is_alike_together() -> None:
    draw = random.Random(2)
    rows = [(f"host {n // 4}", draw.randrange(60)) for n in range(400)]
    splits = {"train": rows[:300], "test": rows[300:]}
    for repair, of in ((Resplit(by="random", column="host"), lambda row: row[0]), (Resplit(by="random"), tuple)):
        done = treated(("host", "n"), splits, repair)
        assert effect(done).moved["train → test"] > 40
        homes: dict[object, set[int]] = {}
        for row, home in zip(rows, done.state.split.tolist(), strict=True):
            homes.setdefault(of(row), set()).add(home)
        assert {1} == {len(found) for found in homes.values()}
        assert abs(int((done.state.split == 1).sum()) - 100) <= 4


def effect(done: Treatment, number: int = 0) -> Effect:
    result = done.results[number]
    assert isinstance(result, Effect), result
    return result


def test_copies_are_those_that_are_equal_in_the_columns_named_with_text_folded_where_it_says_so() -> None:
    rows = [("Ada ", 1), ("ada", 1), ("ada", 2), ("Bo", 1), ("Bo", 1)]
    header = ("name", "n")
    exact = treated(header, {"all": rows}, DropRows())
    assert exact.state.kept.tolist() == [True, True, True, True, False]
    folded = treated(header, {"all": rows}, DropRows(duplicates_of=("name", "n"), folded=("name",)))
    assert folded.state.kept.tolist() == [True, False, True, True, False]


def test_copies_of_the_later_split_go_from_the_earlier() -> None:
    train, test = [("a", 1), ("b", 2), ("c", 3)], [("b", 9), ("d", 4)]
    repair = DropRows(split="train", also_in="test", duplicates_of=("name",))
    done = treated(("name", "n"), {"train": train, "test": test}, repair)
    assert effect(done).rows == {"train": 1}
    assert effect(done).examples == ("train.csv:2",)


def test_a_split_without_any_label_is_kept() -> None:
    train, test = [("a", "x"), ("b", ""), ("c", "y")], [("d", ""), ("e", "")]
    done = treated(("name", "label"), {"train": train, "test": test}, DropRows(missing=("label",)))
    assert effect(done).rows == {"train": 1}
    assert effect(done).note == "test has no label at all and is kept"


def test_no_split_is_left_empty() -> None:
    train, test = [("a", 1), ("b", 2)], [("a", 5), ("b", 6), ("c", 7)]
    repair = DropRows(split="train", also_in="test", duplicates_of=("name",))
    done = treated(("name", "n"), {"train": train, "test": test}, repair)
    assert done.results == ("no row of train would remain",)
    assert done.state.kept.all()


def test_holes_are_filled_with_what_train_knows_and_flagged() -> None:
    train, test = [(1, "p"), ("", "q"), (3, "q"), (8, "")], [("", "z"), (100, "z")]
    done = treated(
        ("n", "word"), {"train": train, "test": test}, FillMissing(columns=("n",)), FillMissing(columns=("word",))
    )
    assert done.state.filled["n"].rows.tolist() == [1, 4]
    assert done.state.filled["n"].donors.tolist() == [2, 2]  # the median of 1, 3 and 8
    assert done.state.filled["word"].donors.tolist() == [1]  # q is the commonest in train
    assert done.state.added["n_missing"].codes.tolist() == [0, 1, 0, 0, 1, 0]


def test_without_a_flag_the_filling_tells_nothing_of_the_holes() -> None:
    rows = [(n if n % 3 else "", n) for n in range(1, 91)]
    done = treated(("n", "k"), {"all": rows}, FillMissing(columns=("n",), keep_flag=False))
    assert len(set(done.state.filled["n"].donors.tolist())) > 10
    assert done.state.added == {}


def test_a_column_that_goes_is_not_filled() -> None:
    rows = [("", n) for n in range(9)] + [(1, 9)]
    done = treated(("n", "k"), {"all": rows}, FillMissing(columns=("n",)), DropColumns(columns=("n",)))
    assert done.results[0] == "n is dropped instead"
    assert done.state.added == {}


def test_common_classes_are_drawn_down_in_train_alone() -> None:
    rows = [("rare" if n % 10 == 0 else "common", n) for n in range(600)]
    done = treated(
        ("label", "x"),
        {"train": rows[:400], "test": rows[400:]},
        Reweight(column="label", weights={"rare": 3.0}),
        target="label",
    )
    assert effect(done).rows == {"train": 240}  # 40 of the rare class and 120 others stay
    tiny = [("rare" if n < 3 else "common", n) for n in range(600)]
    refused = treated(("label", "x"), {"all": tiny}, Reweight(column="label"))
    assert (
        refused.results[0] == "drawing the common classes down would leave 12 of 600 rows; weight the classes instead"
    )


def annotated(layout: str) -> tuple[Sequence[str], list[tuple[object, ...]], list[str]]:
    """Make labels by two good annotators and one that guesses, in a layout; and the truth."""
    draw = random.Random(3)
    truth = [draw.choice(("cat", "dog")) for _ in range(120)]

    def says(label: str, right: float) -> str:
        return label if draw.random() < right else ("dog" if label == "cat" else "cat")

    said = [(says(label, 0.95), says(label, 0.95), says(label, 0.55)) for label in truth]
    if layout == "wide":
        return ("item", "rater1", "rater2", "rater3"), [(n, *each) for n, each in enumerate(said)], truth
    rows = [(n, f"ann{who}", label) for n, each in enumerate(said) for who, label in enumerate(each)]
    return ("item", "annotator", "label"), rows, truth


def test_the_consensus_takes_the_place_of_the_annotators_columns() -> None:
    header, rows, truth = annotated("wide")
    repair = Consensus(annotators=("rater1", "rater2", "rater3"))
    done = treated(header, {"all": rows}, repair, annotators=("rater1", "rater2", "rater3"))
    assert effect(done).dropped == ("rater1", "rater2", "rater3")
    added = done.state.added["consensus"]
    said = [added.labels[code] for code in added.codes]
    assert np.mean([one == other for one, other in zip(said, truth, strict=True)]) > 0.9


def test_the_consensus_leaves_one_row_per_item() -> None:
    header, rows, truth = annotated("long")
    options = {"annotators": ("annotator",), "item": "item", "target": "label"}
    done = treated(header, {"all": rows}, Consensus(annotators=("ann0", "ann1", "ann2")), **options)
    assert effect(done).rows == {"all": 240}
    filled = done.state.filled["label"]
    assert list(range(0, 360, 3)) == filled.rows.tolist()
    said = [rows[donor][2] for donor in filled.donors]
    assert np.mean([one == other for one, other in zip(said, truth, strict=True)]) > 0.9


@pytest.mark.parametrize("split", ["train", "test"])
def test_rows_do_not_move_where_a_split_lacks_a_column(split: str, tmp_path: Path) -> None:
    other = {"train": "test", "test": "train"}[split]
    write_csv(tmp_path / f"{split}.csv", ("who", "x"), [(f"p{n % 9}", n) for n in range(40)])
    write_csv(tmp_path / f"{other}.csv", ("who", "x", "label"), [(f"p{n % 9}", n, "a") for n in range(40)])
    with open_case([tmp_path], Settings()) as case:
        done = treat(case.tables[0], [Resplit(by="group", column="who")])
    assert (f"{split} has no column label, so rows cannot move",) == done.results


def test_columns_may_bear_the_names_that_our_statements_use() -> None:
    header = ("number", "split_", "mark", "said", "value", "v", "code")
    draw = random.Random(5)
    rows: list[tuple[object, ...]] = [
        (n, draw.random(), "ab"[n % 5 == 0], n % 7, "" if n % 4 == 0 else n, n % 9, "x") for n in range(300)
    ]
    done = treated(
        header,
        {"train": [*rows[:200], rows[0]], "test": rows[200:]},
        DropRows(split="train"),
        DropRows(split="train", also_in="test", duplicates_of=("number",)),
        Resplit(by="group", column="v"),
        Reweight(column="mark"),
        FillMissing(columns=("value",)),
        DropColumns(columns=("number",)),
    )
    assert [effect(done, number).rows for number in range(2)] == [{"train": 1}, {}]
    assert sum(isinstance(result, Effect) for result in done.results) == 6
    assert "value_missing" in done.state.added


def test_rows_do_not_move_between_formats(tmp_path: Path) -> None:
    write_csv(tmp_path / "train.csv", ("who", "x"), [(f"p{n % 9}", n) for n in range(40)])
    (tmp_path / "test.jsonl").write_text("".join(f'{{"who": "p{n % 9}", "x": {n}}}\n' for n in range(40)))
    with open_case([tmp_path], Settings(split=("train=train.csv", "test=test.jsonl"))) as case:
        done = treat(case.tables[0], [Resplit(by="group", column="who"), DropColumns(columns=("x",))])
    assert done.results[0] == "its splits lie in different formats (JSON and text), so rows cannot move"
    assert effect(done, 1).dropped == ("x",)
