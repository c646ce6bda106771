"""Vectors that the user computed for images: how they are read and laid beside the images, and what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import doctor
from doctor.errors import UsageError
from doctor.subjects.embeddings import Embeddings, carried, with_embeddings
from doctor.subjects.image_sets import open_images
from doctor.subjects.images import Images
from tests.subjects.test_image_layouts import put

NAMES = ("cat/1.jpg", "cat/2.jpg", "dog/1.jpg", "dog/2.jpg")
VECTORS = np.arange(12, dtype=np.float32).reshape(4, 3)
SHUFFLED = [2, 0, 3, 1]


@pytest.fixture
def images(tmp_path: Path) -> Images:
    put(tmp_path / "pets", *NAMES)
    (found,) = open_images([tmp_path / "pets"]).images
    return found


def given(images: Images, file: Path) -> Embeddings:
    (found,) = with_embeddings([images], str(file))
    assert found.embeddings is not None
    return found.embeddings


def written(path: Path) -> Path:
    """Write the vectors in another order than that of the names, as the suffix says."""
    names = [NAMES[place] for place in SHUFFLED]
    if path.suffix == ".npz":
        np.savez(path, names=np.array(names), embeddings=VECTORS[SHUFFLED])
    elif path.stem == "columns":
        pq.write_table(pa.table({"file": names, **{f"v{n}": VECTORS[SHUFFLED, n] for n in range(3)}}), path)
    else:
        pq.write_table(pa.table({"file": names, "vector": list(VECTORS[SHUFFLED])}), path)
    return path


def test_rows_are_those_of_the_sorted_names_and_stay_on_the_disk(tmp_path: Path, images: Images) -> None:
    np.save(tmp_path / "v.npy", VECTORS.astype(np.float16))
    found = given(images, tmp_path / "v.npy")
    assert isinstance(found.vectors, np.memmap)
    assert found.of(np.array([3, 0])).tolist() == VECTORS[[3, 0]].tolist()


@pytest.mark.parametrize("name", ["v.npz", "v.parquet", "columns.parquet"])
def test_vectors_that_name_their_images_may_come_in_any_order(tmp_path: Path, images: Images, name: str) -> None:
    found = given(images, written(tmp_path / name))
    assert found.of(np.arange(4)).tolist() == VECTORS.tolist()


def test_vectors_of_other_images_are_left_aside(tmp_path: Path, images: Images) -> None:
    names = np.array(["ape/1.jpg", *NAMES])
    np.savez(tmp_path / "v.npz", name=names, x=np.vstack([np.full(3, np.nan), VECTORS]))
    assert given(images, tmp_path / "v.npz").of(np.arange(4)).tolist() == VECTORS.tolist()


def test_another_number_of_rows_is_refused_with_both_counts(tmp_path: Path, images: Images) -> None:
    np.save(tmp_path / "v.npy", VECTORS[:3])
    with pytest.raises(UsageError, match=r"v\.npy: 3 rows, but .*pets holds 4 images; .* sorted names") as refused:
        given(images, tmp_path / "v.npy")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"names": np.array(NAMES[:3]), "x": VECTORS[:3]}, "3 rows, and none for 1 of 4 images, such as 'dog/2.jpg'"),
        ({"names": np.array(NAMES[:1] * 4), "x": VECTORS}, "'cat/1.jpg' is named more than once"),
        ({"names": np.array(NAMES), "x": VECTORS[:3]}, "3 rows and 4 names"),
        ({"names": np.array(NAMES, dtype=object), "x": VECTORS}, "allow_pickle=False"),
        ({"one": VECTORS, "two": VECTORS}, "holds one, two, of which none is plainly the vectors"),
        ({"x": VECTORS[0]}, "not a row of numbers per image, but 3 of float32"),
        ({"x": VECTORS.astype("U3")}, "not a row of numbers per image, but 4 × 3 of <U3"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, images: Images, arrays: dict[str, np.ndarray], said: str) -> None:
    np.savez(tmp_path / "v.npz", **arrays)
    with pytest.raises(UsageError, match=said):
        given(images, tmp_path / "v.npz")


def test_pickled_objects_are_not_opened(tmp_path: Path, images: Images) -> None:
    np.save(tmp_path / "v.npy", np.array([{}] * 4, dtype=object))
    with pytest.raises(UsageError, match=r"v\.npy: cannot be read"):
        given(images, tmp_path / "v.npy")


@pytest.mark.parametrize("name", ["v.npy", "v.npz", "v.parquet"])
@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01", b"PK\x03\x04 nothing", b"PAR1 nothing PAR1"])
def test_damaged_files_are_told_in_one_line(tmp_path: Path, images: Images, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match="cannot be read") as refused:
        given(images, tmp_path / name)
    assert "\n" not in str(refused.value)


def test_a_value_that_is_no_number_is_told_by_its_row(tmp_path: Path, images: Images) -> None:
    vectors = VECTORS.copy()
    vectors[2, 1] = np.inf
    np.save(tmp_path / "v.npy", vectors)
    with pytest.raises(UsageError, match=r"v\.npy: row 3 holds a value that is no number"):
        given(images, tmp_path / "v.npy").of(np.arange(4))


def test_a_copy_with_fewer_images_keeps_their_vectors(tmp_path: Path, images: Images) -> None:
    np.save(tmp_path / "v.npy", VECTORS)
    originals = with_embeddings([images], str(tmp_path / "v.npy"))
    (fewer,) = carried([replace(images, files=images.files[1::2])], originals)
    assert fewer.embeddings is not None
    assert fewer.embeddings.of(np.arange(2)).tolist() == VECTORS[1::2].tolist()
    assert carried([images], [images]) == (images,)


def test_vectors_need_one_collection_of_images(tmp_path: Path, images: Images) -> None:
    np.save(tmp_path / "v.npy", VECTORS)
    for collections, said in (([], "no images"), ([images, images], "2 collections of images")):
        with pytest.raises(UsageError, match=said):
            with_embeddings(collections, str(tmp_path / "v.npy"))
    with pytest.raises(UsageError, match="there is no such file"):
        given(images, tmp_path / "w.npy")
    (tmp_path / "v.csv").write_text("1,2\n")
    with pytest.raises(UsageError, match=r"known are \.npy"):
        given(images, tmp_path / "v.csv")
    with pytest.raises(UsageError, match="vectors are of images"):
        doctor.scan({"a": [1, 2]}, embeddings=str(tmp_path / "v.npy"))


def test_a_file_of_vectors_among_the_images_is_no_table(tmp_path: Path) -> None:
    put(tmp_path, *NAMES)
    written(tmp_path / "v.parquet")
    report = doctor.scan(tmp_path, embeddings=tmp_path / "v.parquet", select=["images"])
    assert [subject.kind for subject in report.case.subjects] == ["images"]
