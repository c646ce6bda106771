"""Results kept by content: whole, found again, never trusted when damaged."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from doctor.verify.cache import Cache, content_of, default_folder, key_of

KEY = key_of({"steps": 3})


def stored(folder: Path) -> Path:
    return next(path for path in folder.rglob("*") if path.is_file())


def test_what_was_put_is_found_again_by_another_visit(tmp_path: Path) -> None:
    Cache(tmp_path).put(KEY, b"result")
    assert Cache(tmp_path).get(KEY) == b"result"
    assert Cache(tmp_path).get(key_of({"steps": 4})) is None


@pytest.mark.parametrize("damage", [b"", b"doctor-cache-1\n", None])
def test_a_torn_or_altered_file_counts_as_absent(tmp_path: Path, damage: bytes | None) -> None:
    Cache(tmp_path).put(KEY, b"result")
    file = stored(tmp_path)
    file.write_bytes(file.read_bytes()[:-1] + b"!" if damage is None else damage)
    assert Cache(tmp_path).get(KEY) is None
    Cache(tmp_path).put(KEY, b"result")
    assert Cache(tmp_path).get(KEY) == b"result"


def test_without_a_folder_nothing_is_kept() -> None:
    cache = Cache(None)
    cache.put(KEY, b"result")
    assert cache.get(KEY) is None


def test_where_nothing_can_be_written_the_reason_is_kept_and_nothing_is_raised(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("in the way")
    cache = Cache(file)
    cache.put(KEY, b"result")
    assert str(file) in cache.trouble
    assert cache.get(KEY) is None


def test_many_writers_leave_one_whole_file_and_no_scraps(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: Cache(tmp_path).put(KEY, bytes([number]) * 1000), range(40)))
    found = Cache(tmp_path).get(KEY)
    assert found is not None
    assert len(set(found)) == 1
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [KEY]


def test_a_key_depends_on_content_and_not_on_order() -> None:
    assert key_of({"a": 1, "b": {"c": 2, "d": 3}}) == key_of({"b": {"d": 3, "c": 2}, "a": 1})
    assert key_of({"a": 1}) != key_of({"a": 2})


def test_content_follows_names_and_bytes_but_not_the_place(tmp_path: Path) -> None:
    for name in ("one", "two", "three", "four"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "train.csv").write_text("a,b\n1,2\n")
    (tmp_path / "three" / "train.csv").write_text("a,b\n1,3\n")
    (tmp_path / "four" / "train.csv").rename(tmp_path / "four" / "test.csv")
    contents = [content_of(tmp_path / name) for name in ("one", "two", "three", "four")]
    assert contents[0] == contents[1]
    assert len(set(contents)) == 3


def test_the_default_folder_is_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", os.fspath(tmp_path))
    assert default_folder() == tmp_path / "doctor" / "verify"
