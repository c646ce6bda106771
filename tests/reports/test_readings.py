"""Several quantities that belong together are read as one picture."""

from typing import Any

import pytest

from doctor_reports.pictures import pictures
from doctor_reports.shapes import Heat, Parts, Rows, Shift, Stacks

RECEIPT = {
    "activations_mb": 600.0,
    "parameters_mb": 250.0,
    "gradients_mb": 150.0,
    "buffers_mb": 0.0,
    "peak_mb": 1000.0,
    "requested_mb": 500.0,
    "limit_mb": 1200.0,
}
SPANS = {
    "earlier": "train",
    "later": "test",
    "earlier_first": "2024-01-01 00:00:00",
    "earlier_last": "2024-01-31 00:00:00",
    "later_first": "2024-01-21 00:00:00",
    "later_last": "2024-02-10 12:30:00",
}


def pair(first: str, second: str, cohen: float) -> dict[str, Any]:
    return {"first": first, "second": second, "cohen": cohen, "interval": [cohen - 0.1, cohen + 0.1]}


def test_parts_that_add_up_to_a_peak_are_one_bar_with_what_found_no_room() -> None:
    (picture,) = pictures(RECEIPT)
    assert isinstance(picture, Parts)
    assert [(part.label, part.begin, part.width) for part in picture.parts] == [
        ("activations", 0, 40),
        ("parameters", 40, 16.67),
        ("gradients", 56.67, 10),
        ("asked for besides", 66.67, 33.33),
    ]
    assert [part.asked for part in picture.parts] == [False, False, False, True]
    assert [(mark.at, mark.text) for mark in picture.marks] == [(80, "limit 1.2 GB")]
    assert picture.sentence == (
        "Peak 1 GB, by what takes it: activations 600 MB, parameters 250 MB, gradients 150 MB,"
        " asked for besides 500 MB, limit 1.2 GB"
    )


@pytest.mark.parametrize("change", [{"peak_mb": 2000.0}, {"peak_mb": 0.0}, {"activations_mb": float("nan")}])
def test_parts_that_do_not_add_up_are_no_receipt(change: dict[str, float]) -> None:
    assert not any(isinstance(picture, Parts) for picture in pictures(RECEIPT | change))


def test_splits_with_a_first_and_a_last_time_are_stretches_with_what_they_share() -> None:
    picture = pictures(SPANS)[0]
    assert isinstance(picture, Rows)
    assert [(row.label, row.begin, row.text) for row in picture.rows] == [
        ("train", 0, "2024-01-01 to 2024-01-31"),
        ("test", pytest.approx(49.35, abs=0.01), "2024-01-21 to 2024-02-10 12:30:00"),
    ]
    assert picture.band is not None
    assert picture.band.text == "shared: 2024-01-21 to 2024-01-31"
    assert (picture.band.begin, picture.band.end) == (picture.rows[1].begin, picture.rows[0].end)


def test_where_rows_are_counted_over_time_their_density_is_drawn() -> None:
    rows = {"train": [4, 2, 0, 0], "test": [0, 0, 5, 10]}
    course = {"first": "2024-01-01 00:00:00", "last": "2024-02-10 12:30:00", "rows": rows}
    picture = pictures(SPANS | {"course": course})[0]
    assert isinstance(picture, Rows)
    assert [list(row.heights) for row in picture.rows] == [[100, 50, 0, 0], [0, 0, 50, 100]]
    assert picture.caption == "Rows of each over time"


@pytest.mark.parametrize("rows", [None, {}, {"train": "many", "test": [1]}, {"train": [-1], "test": [float("nan")]}])
def test_what_counts_no_rows_leaves_the_stretches(rows: object) -> None:
    course = {"first": "2024-01-01", "last": "2024-02-10", "rows": rows}
    picture = pictures(SPANS | {"course": course})[0]
    assert isinstance(picture, Rows)
    assert picture.rows[0].heights == []


def test_splits_one_after_the_other_share_nothing() -> None:
    picture = pictures(SPANS | {"later_first": "2024-02-01 00:00:00"})[0]
    assert isinstance(picture, Rows)
    assert picture.band is None


@pytest.mark.parametrize("wrong", ["soon", None, "2025-01-01"])
def test_what_is_no_stretch_of_time_is_not_drawn_as_one(wrong: str | None) -> None:
    assert pictures(SPANS | {"earlier_first": wrong}) == []


def test_shares_before_and_after_stand_on_one_scale_with_the_splits_names() -> None:
    bins = {"a": [0.5, 0.1], "b": (0.3, 0.3), "c": [0.2, 0.6]}
    evidence = {
        "earlier": "train",
        "later": "test",
        "level": "c",
        "before_share": 0.2,
        "after_share": 0.6,
        "bins": bins,
    }
    (picture,) = pictures(evidence)
    assert isinstance(picture, Shift)
    assert (picture.before, picture.after, picture.scale) == ("train", "test", "0% to 60%")
    assert [(row.label, row.before, row.after, row.told) for row in picture.rows] == [
        ("a", 83.33, 16.67, False),
        ("b", 50, 50, False),
        ("c", 33.33, 100, True),
    ]
    assert picture.rows[0].text == "50% → 10%"


def test_two_mappings_of_shares_are_one_picture_and_what_moved_least_is_left_out() -> None:
    before = {f"c{number}": number / 100 for number in range(20)}
    (picture,) = [one for one in pictures({"before": before, "after": {"c19": 1.0}}) if isinstance(one, Shift)]
    assert (len(picture.rows), picture.more) == (14, 6)
    assert picture.rows[-1].text == "19% → 100%"


@pytest.mark.parametrize(
    "bins", [{"a": [0.5, 2.0], "b": [0.1, 0.2]}, {"a": [0.5, 0.2]}, {"a": [0.5, None], "b": [0, 1]}]
)
def test_what_are_no_shares_have_not_moved(bins: dict[str, Any]) -> None:
    drawn = pictures({"before_share": 0.2, "after_share": 0.6, "bins": bins})
    assert not any(isinstance(one, Shift) for one in drawn)


def test_pairs_of_people_are_a_heat_map_and_whiskers() -> None:
    evidence = {"pairs": [pair("ann", "bo", 0.8), pair("ann", "cy", 0.2), pair("bo", "cy", -0.1)]}
    heat, whiskers = pictures(evidence)
    assert isinstance(heat, Heat)
    assert heat.columns == ["ann", "bo", "cy"]
    assert [cell.text for cell in heat.rows[0][1]] == ["", "0.8", "0.2"]
    assert [cell.level for cell in heat.rows[2][1]] == [1, 0, 0]
    assert [cell.own for cell in heat.rows[0][1]] == [True, False, False]
    assert isinstance(whiskers, Rows)
    assert whiskers.rows[0].middle is not None


def test_two_people_are_no_heat_map() -> None:
    assert not any(isinstance(one, Heat) for one in pictures({"pairs": [pair("ann", "bo", 0.8), pair("bo", "ann", 1)]}))


def test_a_table_of_confusion_is_coloured_line_by_line() -> None:
    confusion = {"rows": "ann", "columns": "the others", "labels": ["yes", "no"], "counts": [[90, 10], [4, 4]]}
    (picture,) = pictures({"confusion": confusion})
    assert isinstance(picture, Heat)
    assert [(label, [(cell.text, cell.level, cell.own) for cell in cells]) for label, cells in picture.rows] == [
        ("yes", [("90", 5, True), ("10", 0, False)]),
        ("no", [("4", 3, False), ("4", 3, True)]),
    ]
    assert picture.caption.startswith("Confusion: what ann says")


def test_ranges_of_any_size_fit_one_picture_and_what_is_not_finite_stands_out() -> None:
    way = [
        {"operation": "addmm", "module": "head", "min": -3.0, "max": 2.0},
        {"operation": "exp", "module": "", "min": 0.0, "max": 1e30},
        {"operation": "div", "module": "head", "min": None, "max": None},
    ]
    (picture,) = pictures({"way": way})
    assert isinstance(picture, Rows)
    assert [row.label for row in picture.rows] == ["addmm, head", "exp", "div, head"]
    assert [row.text for row in picture.rows] == ["-3 to 2", "0 to 1e+30", "not finite"]
    assert [row.beyond for row in picture.rows] == [False, False, True]
    assert picture.rows[0].begin == 0
    assert picture.rows[1].end == 100


def test_stacks_that_are_alike_stand_together() -> None:
    evidence = {"stacks": [{"who": "rank 1", "doing": "forward", "frames": ["train.py:70 (main)", "data.py:44 (get)"]}]}
    (picture,) = pictures(evidence)
    assert isinstance(picture, Stacks)
    assert picture.stacks[0].frames[-1] == "data.py:44 (get)"


def test_the_one_a_finding_is_about_stands_out_among_the_rest() -> None:
    picture = pictures({"rarest": "b", "commonest": "a", "counts": {"a": 90, "b": 3}})[0]
    assert isinstance(picture, Rows)
    assert [(row.label, row.told) for row in picture.rows] == [("a", False), ("b", True)]


def test_a_share_stands_beside_what_it_is_in_all_rows() -> None:
    (picture,) = pictures({"purity": 1.0, "base_share": 0.1})
    assert isinstance(picture, Rows)
    assert [(row.label, row.text) for row in picture.rows] == [("share there", "100%"), ("share in all rows", "10%")]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_has_no_place_on_a_scale(value: float) -> None:
    assert pictures({"missing_share": value, "max_share": 0.3}) == []
