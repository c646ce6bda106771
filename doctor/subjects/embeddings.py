"""Opens vectors that the user computed for images, one per image, and lays them beside the images that they are of.

Nothing in such a file is run: pickled objects are refused. Rows are read when they are asked for, where the format
allows it. In place of vectors a model may be given that makes them.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from doctor.errors import UsageError
from doctor.subjects.images import Images
from doctor.subjects.vision_models import VisionModel, is_model, open_vision_model

Array = np.ndarray[Any, Any]

NAMES = ("name", "names", "file", "files", "filename", "filenames", "path", "paths", "file_name", "image")
"""What an array or a column with the names of the images may be called."""
VECTORS = ("embeddings", "embedding", "vectors", "vector", "features", "x")
"""What is taken where a file holds several arrays or lists."""
ZIP = b"PK"
"""How an archive of arrays begins."""
KNOWN = (".npy", ".npz", ".parquet", ".pq")


@dataclass(frozen=True, kw_only=True, eq=False)
class Embeddings:
    """Vectors of the images of one collection.

    Attributes
    ----------
    shown : str
        The file, as the user named it.
    vectors : ndarray of numbers, shape (rows, d)
        As they lie in the file.
    row : ndarray of int64, shape (n,)
        The row of each image, in the order of `Images.files`.
    """

    shown: str
    vectors: Array
    row: Array

    def __str__(self) -> str:
        return self.shown

    def of(self, places: Array) -> Array:
        """Return the vectors of images, by their places in the collection.

        Returns
        -------
        float32[n, d]

        Raises
        ------
        UsageError
            Naming the file and the row, where a number is not finite.
        """
        rows = self.row[places]
        with np.errstate(over="ignore"):
            taken = np.asarray(self.vectors[rows], dtype=np.float32)
        lost = np.flatnonzero(~np.isfinite(taken).all(axis=1))
        if len(lost):
            raise UsageError(f"--embeddings {self.shown}: row {rows[lost].min() + 1:,} holds a value that is no number")
        return taken


def files_of_embeddings(file: str) -> tuple[Path, ...]:
    """Return the files that hold embeddings or their model, which are no data even where they lie among it."""
    path = Path(file).absolute()
    return (path, *sorted(path.iterdir())) if path.is_dir() else (path,)


def with_embeddings(images: Sequence[Images], file: str | None) -> tuple[Images, ...]:
    """Give a collection of images the vectors of a file, or all collections the model that makes them.

    Parameters
    ----------
    images : sequence of Images
        All of the visit: vectors belong to one collection.
    file : str, optional
        `.npy`, one row per image in the order of the sorted names; `.npz` and `.parquet` may name the images. A folder
        or a file with weights is a model.

    Raises
    ------
    UsageError
        Where the file cannot be read, or does not fit.
    """
    if file is None:
        return tuple(images)
    if is_model(file):
        if not images:
            raise UsageError(f"--embeddings {file}: a model sees images, and here are none")
        model = open_vision_model(file)
        return tuple(replace(collection, embeddings=model) for collection in images)
    if len(images) != 1:
        here = f"{len(images)} collections of images" if images else "no images"
        raise UsageError(f"--embeddings {file}: vectors belong to one collection of images, and here are {here}")
    (collection,) = images
    vectors, names = _read(file)
    known = [image.name for image in collection.files]
    row = _in_order(file, vectors, collection) if names is None else _by_name(file, names, known)
    return (replace(collection, embeddings=Embeddings(shown=file, vectors=vectors, row=row)),)


def carried(copies: Sequence[Images], originals: Sequence[Images]) -> tuple[Images, ...]:
    """Give images that were copied the vectors of the originals, by their names; new names have none to give."""
    given = next((one for one in originals if one.embeddings), None)
    if given is None or given.embeddings is None:
        return tuple(copies)
    if isinstance(given.embeddings, VisionModel):  # which sees new images too
        return tuple(replace(copy, embeddings=given.embeddings) for copy in copies)
    row = {file.name: int(place) for file, place in zip(given.files, given.embeddings.row, strict=True)}
    taken = []
    for copy in copies:
        if all(file.name in row for file in copy.files):
            rows = np.array([row[file.name] for file in copy.files], dtype=np.int64)
            copy = replace(copy, embeddings=replace(given.embeddings, row=rows))
        taken.append(copy)
    return tuple(taken)


def _in_order(file: str, vectors: Array, collection: Images) -> Array:
    count = len(collection.files)
    if len(vectors) != count:
        raise UsageError(
            f"--embeddings {file}: {len(vectors):,} rows, but {collection.shown} holds {count:,} images; give one row "
            "per image in the order of their sorted names, or a .npz or .parquet file that names them"
        )
    return np.arange(count)


def _by_name(file: str, names: Sequence[str], known: Sequence[str]) -> Array:
    """Return the row of each image; rows of other images are left aside."""
    place = {name: number for number, name in enumerate(names)}
    if len(place) < len(names):
        twice = Counter(names).most_common(1)[0][0]
        raise UsageError(f"--embeddings {file}: {twice!r} is named more than once")
    missing = [name for name in known if name not in place]
    if missing:
        raise UsageError(
            f"--embeddings {file}: {len(names):,} rows, and none for {len(missing):,} of {len(known):,} images, such "
            f"as {missing[0]!r}; images are named by their path below what is scanned"
        )
    return np.array([place[name] for name in known], dtype=np.int64)


def _read(file: str) -> tuple[Array, Sequence[str] | None]:
    """Return the vectors of a file, and the names of their images where it has them."""
    path = Path(file)
    if not path.exists() and not path.suffix:
        raise UsageError(f"--embeddings {file}: there is no such file or folder")
    if path.suffix.lower() not in KNOWN:
        raise UsageError(
            f"--embeddings {file}: not of a known kind; known are {', '.join(KNOWN)}, and folders of models"
        )
    if not path.is_file():
        raise UsageError(f"--embeddings {file}: there is no such file")
    try:
        vectors, names = (_from_parquet if path.suffix.lower() in (".parquet", ".pq") else _from_numpy)(path)
    except _NoVectors as why:
        raise UsageError(f"--embeddings {file}: {why}") from None
    except Exception as error:  # damaged files fail in the zip, the NumPy and the Arrow reader in many ways
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UsageError(f"--embeddings {file}: cannot be read: {reason}") from error
    if vectors.ndim != 2 or vectors.dtype.kind not in "fiu" or not vectors.size:
        shape = " × ".join(map(str, vectors.shape)) or "1"
        raise UsageError(f"--embeddings {file}: not a row of numbers per image, but {shape} of {vectors.dtype}")
    if names is not None and len(names) != len(vectors):
        raise UsageError(f"--embeddings {file}: {len(vectors):,} rows and {len(names):,} names")
    return vectors, names


class _NoVectors(Exception):
    """What in a file are the vectors is not plain."""


def _chosen(found: Iterable[str]) -> str:
    named = list(found)
    plain = named if len(named) == 1 else [name for name in named if name.lower() in VECTORS]
    if len(plain) != 1:
        what = ", ".join(sorted(named)) or "nothing"
        raise _NoVectors(f"holds {what}, of which none is plainly the vectors; call them 'embeddings'")
    return plain[0]


def _from_numpy(path: Path) -> tuple[Array, Sequence[str] | None]:
    with path.open("rb") as file:
        archive = file.read(2) == ZIP
    if not archive:
        return np.load(path, mmap_mode="r", allow_pickle=False), None
    # NumPy leaves a damaged archive open that it opened itself.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
        told = next((name for name in found.files if name.lower() in NAMES), None)
        vectors = found[_chosen(name for name in found.files if name != told)]
        names = None if told is None else [str(name) for name in found[told].ravel().astype(str)]
    return vectors, names


def _from_parquet(path: Path) -> tuple[Array, Sequence[str] | None]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pq.read_schema(path)
    text = [field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)]
    told = next((name for name in text if name.lower() in NAMES), None)
    kinds = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    lists = [field.name for field in schema if any(is_(field.type) for is_ in kinds)]
    single = [field.name for field in schema if pa.types.is_floating(field.type)]
    wanted = [_chosen(lists)] if lists or not single else single
    table = pq.read_table(path, columns=[*wanted, *([told] if told else [])])
    names = None if told is None else [str(name) for name in table.column(told).to_pylist()]
    if not lists:
        return np.column_stack([table.column(name).to_numpy() for name in wanted]), names
    column = table.column(wanted[0]).combine_chunks()
    lengths = set(pa.compute.list_value_length(column).to_pylist())
    if len(lengths) != 1 or None in lengths:
        raise _NoVectors(f"the lists of column {wanted[0]} differ in length")
    return column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1), names
