"""Pictures are chosen by the shape and the names of evidence."""

import pytest

from doctor_reports.pictures import pictures
from doctor_reports.quantities import brief, facts, shown
from doctor_reports.shapes import Heat, Rows


def only(evidence: dict[str, object]) -> Rows | Heat:
    (picture,) = pictures(evidence)
    return picture


def test_a_share_is_drawn_against_its_bound() -> None:
    picture = only({"missing_share": 0.6, "max_share": 0.3, "rows": 1309})
    assert isinstance(picture, Rows)
    (row,) = picture.rows
    assert (row.begin, row.end, row.text, row.beyond) == (0, 60, "60%", True)
    assert [(mark.at, mark.text) for mark in picture.marks] == [(30, "at most 30% allowed")]


def test_a_lower_bound_is_beyond_below() -> None:
    picture = only({"rarest_share": 0.02, "min_share": 0.05})
    assert isinstance(picture, Rows)
    assert picture.rows[0].beyond
    assert picture.marks[0].text == "at least 5% wanted"


def test_a_bound_speaks_of_the_quantity_that_bears_its_name() -> None:
    assert only({"score": 0.999, "other_score": 0.5, "max_score": 0.995})


def test_counts_by_name_are_bars_largest_first() -> None:
    picture = only({"class_rows": {"a": 5, "b": 20}})
    assert isinstance(picture, Rows)
    assert [(row.label, row.end) for row in picture.rows] == [("b", 100), ("a", 25)]


def test_of_many_bars_the_largest_and_the_smallest_stay_and_the_rest_is_counted() -> None:
    picture = only({"class_rows": {f"c{number}": number for number in range(100)}})
    assert isinstance(picture, Rows)
    assert (len(picture.rows), picture.more) == (14, 86)
    assert picture.rows[-1].label == "c0"


@pytest.mark.parametrize(
    "evidence",
    [
        {"kappa": 0.4, "kappa_low": 0.3, "kappa_high": 0.5, "min_kappa": 0.6},
        {"kappa": 0.4, "kappa_interval": [0.3, 0.5], "min_kappa": 0.6},
        {"kappa": [0.3, 0.4, 0.5], "min_kappa": 0.6},
        {"kappa_interval": [0.3, 0.4, 0.5], "min_kappa": 0.6},
        {"value": 0.4, "low": 0.3, "high": 0.5, "min_kappa": 0.6},
    ],
)
def test_an_estimate_with_its_interval_is_a_whisker(evidence: dict[str, object]) -> None:
    picture = only(evidence)
    assert isinstance(picture, Rows)
    (row,) = picture.rows
    assert (row.begin, row.middle, row.end, row.beyond) == (30, 40, 50, True)


def test_quantities_of_one_kind_stand_side_by_side() -> None:
    picture = only({"score": 1.0, "rival_score": 0.355, "errors": 0, "rows": 1500})
    assert isinstance(picture, Rows)
    assert [(row.label, row.end) for row in picture.rows] == [("score", 100), ("all others together", 35.5)]


def test_an_interval_without_an_estimate_has_no_dot() -> None:
    picture = only({"intervals": {"fleiss": [0.34, 0.42], "gwet": [0.36, 0.44]}})
    assert isinstance(picture, Rows)
    assert [(row.begin, row.middle, row.end) for row in picture.rows] == [(34, None, 42), (36, None, 44)]


def test_the_picture_with_a_bound_comes_first() -> None:
    first, second = pictures({"class_rows": {"a": 5, "b": 20}, "rarest_share": 0.2, "min_share": 0.3})
    assert isinstance(first, Rows)
    assert first.marks
    assert isinstance(second, Rows)
    assert not second.marks


def test_below_zero_the_scale_reaches_down() -> None:
    picture = only({"kappa": [-0.5, 0.0, 0.5]})
    assert isinstance(picture, Rows)
    assert picture.scale == "-0.5 to 1"
    assert picture.rows[0].begin == 0


def test_records_with_intervals_are_whiskers_named_by_their_words() -> None:
    picture = pictures(
        {"pairs": [{"one": "ann", "two": name, "kappa": 0.4, "kappa_low": 0.3, "kappa_high": 0.5} for name in "bc"]}
    )[-1]
    assert isinstance(picture, Rows)
    assert [row.label for row in picture.rows] == ["ann – b", "ann – c"]
    assert picture.rows[0].middle == 40


@pytest.mark.parametrize(
    "evidence",
    [{"kappa": {"a": {"a": 1.0, "b": 0.5}, "b": {"a": 0.5}}}, {"kappa": [[1.0, 0.5], [0.5, 1.0]], "names": ["a", "b"]}],
)
def test_numbers_by_two_names_are_a_heat_map(evidence: dict[str, object]) -> None:
    picture = only(evidence)
    assert isinstance(picture, Heat)
    assert picture.columns == ["a", "b"]
    assert [label for label, _ in picture.rows] == ["a", "b"]
    assert [cell.level for cell in picture.rows[0][1]] == [5, 3]


def test_collapsed_findings_are_bars_by_column() -> None:
    each = {f"c{number}": {"missing": number, "missing_share": number / 10, "max_share": 0.3} for number in range(4, 8)}
    picture = only({"columns": 4, "each": each})
    assert isinstance(picture, Rows)
    assert [row.label for row in picture.rows] == ["c7", "c6", "c5", "c4"]
    assert picture.marks[0].at == 30


@pytest.mark.parametrize(
    "evidence",
    [
        {},
        {"rows": [1, 2, 3]},
        {"call": "shuffle"},
        {"found": True, "max_share": 0.5},
        {"a": {}},
        {"a": {"b": None}},
        {"a": [[]]},
    ],
)
def test_what_cannot_be_drawn_is_not(evidence: dict[str, object]) -> None:
    assert pictures(evidence) == []


@pytest.mark.parametrize("nothing", [{"missing_share": None, "max_share": 0.3}, {"a": {"x": None, "y": 1}}])
def test_what_is_undefined_is_not_drawn_as_zero(nothing: dict[str, object]) -> None:
    assert pictures(nothing) == []


@pytest.mark.parametrize(("value", "text"), [(0.38268, "0.383"), (0.9996, "0.9996"), (1.0, "1"), (-0.01223, "-0.0122")])
def test_beside_a_picture_stand_three_digits_but_never_a_false_one(value: float, text: str) -> None:
    assert brief(value, "score") == text


def test_zeros_alone_do_not_break_the_scale() -> None:
    picture = only({"class_rows": {"a": 0, "b": 0}})
    assert isinstance(picture, Rows)
    assert [row.end for row in picture.rows] == [0, 0]


def test_facts_are_named_level_by_level_and_cut_with_a_word() -> None:
    evidence = {"kind": "feature", "by": {"a": 1}, "modules_bytes": {"head": 2000}, "empty_share": 0.5, "kappa": None}
    assert facts(evidence) == [
        ("by › a", "1"),
        ("modules › head", "2 kB"),
        ("empty share", "50%"),
        ("kappa", "undefined"),
    ]
    assert facts({"by": {str(number): number for number in range(100)}})[-1] == (
        "…",
        "40 more; the JSON report has them all",
    )


@pytest.mark.parametrize(
    ("value", "name", "text"),
    [
        (25_310_612_736, "needed_bytes", "25.3 GB"),
        (1610.6, "requested_mb", "1.61 GB"),
        (56.0, "seconds", "56 s"),
        (275.0, "wait_ms", "275 ms"),
        (3.0, "megabytes_per_second", "3"),
        (0.0122, "share", "1.2%"),
        (0.00002, "share", "2e-05"),
        (1_309, "rows", "1,309"),
        (2023, "year", "2023"),
        (0.41234, "", "0.4123"),
    ],
)
def test_values_are_written_as_people_read_them(value: float, name: str, text: str) -> None:
    assert shown(value, name) == text
