import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from doctor.subjects.ring_file import read_ring
from doctor.watching.probe.ring import Ring

ANY = st.floats(allow_nan=True, allow_infinity=True)
FIELDS = [f"f{number}" for number in range(60)]  # more than one mask word holds
RECORDS = st.lists(st.dictionaries(st.sampled_from(FIELDS), ANY, max_size=60), min_size=1, max_size=40)


def same(left: float, right: float) -> bool:
    return left == right or (math.isnan(left) and math.isnan(right))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(records=RECORDS)
def test_what_was_written_is_read_and_nothing_else(tmp_path: Path, records: list[dict[str, float]]) -> None:
    path = tmp_path / "a.ring"
    path.unlink(missing_ok=True)
    ring = Ring(path.as_posix(), FIELDS, ("phase",), recent=64, thinned=8, about={"rank": 3})
    for number, values in enumerate(records, 1):
        ring.write(number, values)
    found = read_ring(path)
    ring.close()
    assert found.numbers.tolist() == list(range(1, len(records) + 1))
    assert found.about == {"rank": 3}
    for row, values in enumerate(records):
        assert {FIELDS[place] for place in np.flatnonzero(found.given[row])} == set(values)
        assert all(same(found.values[row, FIELDS.index(name)], value) for name, value in values.items())


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(rows=st.lists(st.lists(st.none() | ANY, min_size=60, max_size=60), min_size=1, max_size=20))
def test_whole_records_are_read_as_written(tmp_path: Path, rows: list[list[float | None]]) -> None:
    path = tmp_path / "b.ring"
    path.unlink(missing_ok=True)
    ring = Ring(path.as_posix(), FIELDS, recent=32, thinned=8)
    for number, row in enumerate(rows, 1):
        ring.write_all(number, row)
    found = read_ring(path)
    ring.close()
    for row, values in enumerate(rows):
        assert found.given[row].tolist() == [value is not None for value in values]
        assert all(same(found.values[row, place], value) for place, value in enumerate(values) if value is not None)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(steps=st.integers(1, 3000), recent=st.sampled_from([4, 16, 64]), thinned=st.sampled_from([4, 16, 64]))
def test_thinning_keeps_the_newest_and_an_even_share_of_the_rest(
    tmp_path: Path, steps: int, recent: int, thinned: int
) -> None:
    path = tmp_path / "c.ring"
    path.unlink(missing_ok=True)
    ring = Ring(path.as_posix(), ["x"], recent=recent, thinned=thinned)
    for number in range(1, steps + 1):
        ring.write(number, {"x": number})
    found = read_ring(path)
    ring.close()
    assert found.values[:, 0].tolist() == found.numbers.tolist()
    assert set(range(max(1, steps - recent + 1), steps + 1)) <= set(found.numbers.tolist())
    old = found.numbers[found.numbers <= steps - recent]
    if steps > 2 * recent + 2 * thinned:
        assert len(set(np.diff(old))) <= 2  # some of a finer stride are left until they are written over
        assert len(found.numbers) >= thinned // 2


def test_a_late_value_is_added_to_its_record(tmp_path: Path) -> None:
    ring = Ring((tmp_path / "d.ring").as_posix(), ["loss", "norm"])
    ring.write(1, {"norm": 2.0})
    ring.write(2, {"norm": 3.0})
    ring.write(1, {"loss": 7.0})
    found = read_ring(tmp_path / "d.ring")
    assert found.values.tolist() == [[7.0, 2.0], [0.0, 3.0]]
    assert found.given.tolist() == [[True, True], [False, True]]
    ring.close()


@pytest.mark.slow
def test_a_million_records_take_no_more_room_than_one(tmp_path: Path) -> None:
    path = tmp_path / "e.ring"
    ring = Ring(path.as_posix(), ["loss", "norm"])
    ring.write(1, {"loss": 1.0})
    before = path.stat()
    for number in range(2, 1_000_001):
        ring.write_all(number, (number, -number))
    after = path.stat()
    found = read_ring(path)
    ring.close()
    assert (after.st_size, after.st_blocks) == (before.st_size, before.st_blocks)
    assert found.numbers[-1] == 1_000_000
    assert (found.values[1:, 0] == found.numbers[1:]).all()


def test_a_ring_that_is_cut_or_strange_is_refused(tmp_path: Path) -> None:
    from doctor.errors import CannotOpen

    path = tmp_path / "f.ring"
    ring = Ring(path.as_posix(), ["x"])
    ring.write(1, {"x": 1})
    ring.close()
    whole = path.read_bytes()
    for damaged in (b"", whole[:6], whole[:40], whole[: len(whole) // 2], b"X" * 100):
        path.write_bytes(damaged)
        with pytest.raises(CannotOpen):
            read_ring(path)
