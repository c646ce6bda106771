"""Images inside tar shards, Arrow and Parquet files are read where they lie."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import doctor
from doctor.subjects.image_sets import open_images
from tests.subjects.test_image_layouts import only


def tar(path: Path, members: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def test_the_images_of_tar_shards_are_read_in_place(tmp_path: Path) -> None:
    tar(tmp_path / "train-000000.tar", {"0001.jpg": b"first", "0001.cls": b"3\n", "a/0002.png": b"second"})
    tar(tmp_path / "train-000001.tar", {"0003.jpg": b"third", "0003.json": b'{"label": "cat"}', "0003.txt": b"a cat"})
    tar(tmp_path / "val-000000.tar", {"0001.jpg": b"fourth", "0001.json": b"7"})
    images = only(open_images([tmp_path]))
    assert images.splits == {"train": 3, "validation": 1}
    assert images.by_place == "archive"
    assert {file.name: (file.label, file.read()) for file in images.files} == {
        "train-000000.tar/0001.jpg": ("3", b"first"),
        "train-000000.tar/a/0002.png": (None, b"second"),
        "train-000001.tar/0003.jpg": ("cat", b"third"),
        "val-000000.tar/0001.jpg": ("7", b"fourth"),
    }


def test_what_stands_before_the_damage_of_a_tar_is_read(tmp_path: Path) -> None:
    whole = tar(tmp_path / "whole.tar", {"a.jpg": b"x" * 2000, "b.jpg": b"y" * 2000}).read_bytes()
    path = tmp_path / "shards" / "cut.tar"
    path.parent.mkdir()
    path.write_bytes(whole[:3500])
    opened = open_images([path])
    assert [file.read() for file in only(opened).files] == [b"x" * 2000]
    assert [problem.reason for problem in opened.problems] == ["it is cut off within b.jpg"]


def test_what_is_no_archive_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(b"nothing of the kind" * 100)
    assert "not a sound tar archive" in open_images([path]).problems[0].reason
    packed = tmp_path / "a.tar.gz"
    packed.write_bytes(b"")
    assert [str(problem) for problem in doctor.scan(packed).case.problems] == [
        f"{packed}: a packed archive is not looked into; unpack it"
    ]


def table(rows: int, **more: Any) -> pa.Table:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    images = [{"bytes": f"image {row}".encode(), "path": f"{row}.png"} for row in range(rows)]
    names = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["cat", "dog"]}}
    columns = {"image": pa.array(images, kind), "label": pa.array([row % 2 for row in range(rows)])} | more
    facts = {b"huggingface": json.dumps({"info": {"features": names}}).encode()}
    return pa.table(columns).replace_schema_metadata(facts)


def save(folder: Path, content: pa.Table) -> Path:
    """Write a folder as `save_to_disk` of the Hugging Face library does."""
    folder.mkdir(parents=True)
    name = "data-00000-of-00001.arrow"
    with pa.OSFile(str(folder / name), "wb") as sink, pa.ipc.new_stream(sink, content.schema) as writer:
        writer.write_table(content, max_chunksize=4)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name}]}))
    return folder / name


def test_a_saved_data_set_is_read_in_place(tmp_path: Path) -> None:
    train = save(tmp_path / "set" / "train", table(6, note=pa.array(["x"] * 6)))
    save(tmp_path / "set" / "test", table(3))
    (tmp_path / "set" / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "test"]}))
    opened = open_images([tmp_path / "set"])
    images = only(opened)
    assert images.splits == {"train": 6, "test": 3}
    own = [file for file in images.files if file.split == "train"]
    assert [file.label for file in own[:2]] == ["cat", "dog"]
    assert [file.read() for file in own] == [f"image {row}".encode() for row in range(6)]
    assert own[5].name == "train/data-00000-of-00001.arrow/0000005/5.png"
    assert [(guess.what, guess.value) for guess in opened.guesses] == [("columns left out", "note")]
    assert train in opened.taken
    assert [subject.kind for subject in doctor.scan(tmp_path / "set").case.subjects] == ["images"]


def test_parquet_is_read_group_by_group(tmp_path: Path) -> None:
    path = tmp_path / "train-00000-of-00001.parquet"
    pq.write_table(table(7), path, row_group_size=3)
    images = only(open_images([tmp_path]))
    assert [file.read() for file in images.files] == [f"image {row}".encode() for row in range(7)]
    assert {file.label for file in images.files} == {"cat", "dog"}


def test_an_image_without_bytes_lies_where_its_path_says(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"elsewhere")
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    images = pa.array([{"bytes": None, "path": str(tmp_path / "a.png")}, {"bytes": b"here", "path": None}], kind)
    path = save(tmp_path / "set", pa.table({"image": images}))
    assert [file.read() for file in only(open_images([path.parent])).files] == [b"elsewhere", b"here"]


def test_broken_bounds_in_a_file_are_not_followed(tmp_path: Path) -> None:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    images = pa.array([{"bytes": b"x" * 40, "path": "a.png"}] * 3, kind)
    path = save(tmp_path / "set", pa.table({"image": images}))
    content = path.read_bytes()
    bounds = np.array([0, 40, 80, 120], dtype=np.int32).tobytes()
    assert content.count(bounds) == 1
    path.write_bytes(content.replace(bounds, np.array([0, 40, 1 << 30, 120], dtype=np.int32).tobytes()))
    assert open_images([path]).images == []


def test_compressed_arrow_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    content = table(50)
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with (
        pa.OSFile(str(tmp_path / "a.arrow"), "wb") as sink,
        pa.ipc.new_file(sink, content.schema, options=options) as w,
    ):
        w.write_table(content)
    opened = open_images([tmp_path / "a.arrow"])
    assert opened.images == []
    assert "compressed" in opened.problems[0].reason


def test_other_tables_are_left_alone(tmp_path: Path) -> None:
    pq.write_table(pa.table({"bytes": [1, 2, 3], "y": [0, 1, 0]}), tmp_path / "a.parquet")
    opened = open_images([tmp_path])
    assert (opened.images, opened.problems, opened.taken) == ([], [], set())


@pytest.mark.parametrize("content", [b"", b"bytes of no table"], ids=["empty", "other"])
def test_broken_tables_are_left_to_who_reads_tables(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.parquet").write_bytes(content)
    report = doctor.scan(tmp_path)
    assert len(report.case.problems) == 1
