"""What one feature says of the target, measured on tables whose truth is known."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doctor.errors import NotApplicable, NoVerdict
from doctor.evidence.associations import Association, Associations, same
from doctor.evidence.keys import Keys
from doctor.evidence.one_feature import FOLDS, Feature, predict_class, predict_quantity
from doctor.evidence.profile import Profile
from doctor.evidence.roles import Roles
from doctor.evidence.sample import Sample
from doctor.evidence.significance import binomial_upper_tail, false_discovery, wilson_upper
from doctor.evidence.targets import Target, Task, as_numbers, mid_ranks
from doctor.model import Declared, Sampling
from doctor.subjects.layout import open_tables
from doctor.subjects.table import Engine

Measure = Callable[..., Associations]


@pytest.fixture
def measure(tmp_path: Path) -> Measure:
    """Measure the associations of columns, or of several splits of them, with a target."""

    def run(target: str, columns: dict[str, Any] | None = None, **splits: dict[str, Any]) -> Associations:
        for name, part in (splits or {"table": columns or {}}).items():
            pq.write_table(pa.table(part), tmp_path / f"{name}.parquet")
        engine = Engine()
        try:
            table = open_tables(engine, [tmp_path], Declared(target=target))[0][0]
            profile = Profile.measure(table, Sampling())
            roles = Roles.measure(table, profile)
            sample = Sample.measure(table, profile)
            keys = Keys.measure(table, profile, roles)
            return Associations.measure(table, roles, keys, profile, sample, Target.measure(table, roles, sample))
        finally:
            engine.close()

    return run


def best(associations: Associations, column: str) -> Association:
    return next(found for found in associations.noted if found.column == column)


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(5)


def test_a_copy_of_the_label_scores_one_and_noise_scores_nothing(measure: Measure, random: np.random.Generator) -> None:
    y = random.integers(0, 2, 1000)
    found = measure("y", {"y": y, "copy": np.where(y, "b", "a"), "noise": random.normal(size=1000)})
    assert best(found, "copy").score == 1
    assert best(found, "copy").recoding
    assert best(found, "noise").lower < 0.2


def test_a_threshold_blurs_a_few_rows_only(measure: Measure, random: np.random.Generator) -> None:
    days = random.exponential(30, 4000)
    found = measure("late", {"late": days > 31.7, "days": days})
    errors = best(found, "days").errors
    assert errors is not None
    assert errors <= 10


def test_a_column_that_settles_one_rare_class_is_seen(measure: Measure, random: np.random.Generator) -> None:
    kind = random.choice(3, 5000, p=[0.05, 0.75, 0.2])
    balance = np.where(kind == 0, 0.0, random.exponential(100, 5000) + 1)
    found = measure("kind", {"kind": np.array(["paid", "current", "late"])[kind], "balance": balance})
    assert (best(found, "balance").view, best(found, "balance").errors) == ("paid", 0)


def test_a_spike_of_a_very_rare_class_is_seen(measure: Measure, random: np.random.Generator) -> None:
    fraud = random.random(20_000) < 0.006
    amount = np.where(fraud, 999.0, np.round(np.exp(random.normal(6, 1, 20_000)), 1))
    found = measure("fraud", {"fraud": fraud, "amount": amount, "other": random.normal(size=20_000)})
    assert best(found, "amount").lower > 0.9


def test_a_spike_at_the_top_of_the_range_is_a_bin_of_its_own(measure: Measure, random: np.random.Generator) -> None:
    positive = random.random(5000) < 0.06
    cycles = np.where(positive, random.uniform(15, 44.9, 5000), 45.0)
    found = measure("positive", {"positive": positive, "cycles": cycles})
    assert best(found, "cycles").score > 0.99


def test_ranks_and_affine_copies_of_a_quantity_score_one(measure: Measure, random: np.random.Generator) -> None:
    sales = np.sort(np.exp(2 * random.normal(size=3000)))[::-1]
    found = measure("sales", {"sales": sales, "place": np.arange(1, 3001), "euros": 0.9 * sales + 1})
    assert best(found, "place").lower > 0.995
    assert best(found, "euros").lower > 0.995


def test_a_trend_over_a_serial_number_is_not_a_copy(measure: Measure, random: np.random.Generator) -> None:
    day = np.arange(2000)
    value = np.sin(day / 100) + 0.01 * random.normal(size=2000)
    found = measure("value", {"value": value, "instant": day, "day": day.astype("datetime64[D]")})
    assert all(item.lower < 0.9 for item in found.noted)


def test_the_name_of_an_entity_does_not_predict(measure: Measure, random: np.random.Generator) -> None:
    entity = random.permutation(np.repeat(np.arange(300), 15))
    sick = (random.random(300) < 0.5)[entity]
    text = np.array([f"P{number:04d}" for number in entity])
    visits = np.array([f"{name}_{visit}" for visit, name in enumerate(text)])
    found = measure("sick", {"sick": sick, "number": entity * 7919 % 10007, "text": text, "visit": visits})
    assert all(item.lower < 0.3 for item in found.noted)


def test_presence_is_told_from_value(measure: Measure, random: np.random.Generator) -> None:
    y = random.integers(0, 2, 1000)
    number = [None if hole else value for hole, value in zip(y == 0, random.normal(size=1000), strict=True)]
    found = measure("y", {"y": y, "number": number})
    assert (best(found, "number").form, best(found, "number").score) == ("missing", 1)


def test_texts_are_read_by_length_and_first_word(measure: Measure, random: np.random.Generator) -> None:
    y = random.integers(0, 2, 1000)
    tail = random.integers(10_000, 99_999, 1000)
    remark = [f"{'paid on' if item else 'due on'} {number}" for item, number in zip(y, tail, strict=True)]
    digits = [f"#{number}{'x' * (3 * item)}" for item, number in zip(y, tail, strict=True)]
    found = measure("y", {"y": y, "remark": remark, "digits": digits})
    assert best(found, "remark").score == 1
    assert (best(found, "digits").form, best(found, "digits").score) == ("length", 1)


def test_numbers_with_thousands_separators_are_numbers(measure: Measure, random: np.random.Generator) -> None:
    cost = np.exp(random.normal(8, 2, 1000)).astype(int)
    found = measure("cost", {"cost": [f"{value:,}" for value in cost], "twice": [f"{2 * value:,}" for value in cost]})
    assert found.task is Task.REGRESSION
    assert best(found, "twice").lower > 0.99


def test_labels_spelled_differently_in_the_test_split_do_not_hide_a_leak(
    measure: Measure, random: np.random.Generator
) -> None:
    def part(rows: int, dot: str) -> dict[str, Any]:
        y = random.integers(0, 2, rows)
        return {"y": [f"{'>' if item else '<='}50K{dot}" for item in y], "leak": y.tolist()}

    found = measure("y", train=part(1000, ""), test=part(1000, "."))
    assert (found.rows, best(found, "leak").score) == (1000, 1)


def test_copies_are_one_family(measure: Measure, random: np.random.Generator) -> None:
    y = random.integers(0, 2, 2000)
    columns = {"y": y, "a": np.where(y, "u", "v"), "b": 5 * y, "c": y + random.uniform(0, 0.5, 2000)}
    found = measure("y", columns)
    assert found.family("a") == ("a", "b")
    assert found.family("c") == ("c",)


def test_recodings_with_few_exceptions_are_the_same_column() -> None:
    number = np.arange(1000) % 7
    letters = np.array(list("abcdefg"), dtype=object)[number]
    letters[:3] = None
    assert same(number.astype(float), letters)
    assert not same(number.astype(float), (number // 2).astype(float))


@pytest.mark.parametrize("values", [["a"] * 60, [1.0] * 60, [f"free text {row}" for row in range(60)]])
def test_a_target_that_is_no_target_gives_no_verdict(measure: Measure, values: list[Any]) -> None:
    with pytest.raises(NotApplicable):
        measure("y", {"y": values, "x": list(range(60))})


def test_an_empty_target_gives_no_verdict(measure: Measure) -> None:
    with pytest.raises(NoVerdict):
        measure("y", {"y": pa.array([None] * 60, pa.float64()), "x": list(range(60))})


def test_features_without_values_are_survived(measure: Measure, random: np.random.Generator) -> None:
    columns = {"y": random.integers(0, 2, 200), "none": pa.array([None] * 200, pa.float64()), "same": ["a"] * 200}
    assert measure("y", columns).noted == ()


@given(seed=st.integers(0, 2**31), rows=st.integers(20, 300), distinct=st.integers(1, 300))
@settings(max_examples=60, deadline=None)
def test_predictions_do_not_use_the_rows_own_label(seed: int, rows: int, distinct: int) -> None:
    random = np.random.default_rng(seed)
    values = random.integers(0, distinct, rows).astype(float)
    values[random.random(rows) < 0.2] = np.nan
    fold, classes = random.integers(0, FOLDS, rows), random.integers(0, 3, rows)
    feature = Feature.of_numbers(values)
    place = np.empty(rows, dtype=int)
    place[feature.order] = np.arange(rows)
    held = feature.folds(fold, 3)[place] == 0
    other = np.where(held, (classes + 1) % 3, classes)
    np.testing.assert_array_equal(
        predict_class(feature, classes, fold, 3, 3)[held], predict_class(feature, other, fold, 3, 3)[held]
    )
    held = feature.folds(fold, 0)[place] == 0
    np.testing.assert_array_equal(
        predict_quantity(feature, classes.astype(float), fold)[held],
        predict_quantity(feature, np.where(held, 9.0, classes), fold)[held],
    )


@given(
    st.lists(
        st.floats(allow_nan=False, allow_infinity=False, width=32).map(lambda value: value + 0.0),
        min_size=1,
        max_size=50,
    )
)
def test_mid_ranks_keep_order_and_ties(values: list[float]) -> None:
    numbers = np.array(values)
    ranks = mid_ranks(numbers)
    assert ((ranks > 0) & (ranks < 1)).all()
    np.testing.assert_array_equal(
        np.sign(np.subtract.outer(numbers, numbers)), np.sign(np.subtract.outer(ranks, ranks))
    )


def test_texts_that_are_no_numbers_are_left_alone() -> None:
    assert as_numbers(np.array(["1", "two", "three", None], dtype=object)) is None
    numbers = as_numbers(np.array(["1,200", "7", None], dtype=object))
    assert numbers is not None
    np.testing.assert_array_equal(numbers, [1200, 7, np.nan])


def test_wilson_and_the_binomial_tail_give_published_values() -> None:
    assert wilson_upper(0, 10, 1.959964) == pytest.approx(0.2775, abs=1e-4)
    assert binomial_upper_tail(8, 10, 0.5) == pytest.approx(56 / 1024)
    assert binomial_upper_tail(121, 121, 0.618) == pytest.approx(0.618**121)


def test_false_discovery_follows_benjamini_and_hochberg() -> None:
    assert false_discovery([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.16 / 3, 0.16 / 3, 0.5])
    assert false_discovery([]) == []
