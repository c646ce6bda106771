"""Finds the images inside Arrow and Parquet files, as the Hugging Face library keeps them."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import structs

from doctor.errors import CannotOpen
from doctor.subjects.image_lists import LABELS
from doctor.subjects.images import WHOLE, ImageFile

if TYPE_CHECKING:
    import pyarrow as pa

ARROW = (".arrow", ".feather", ".ipc")
PARQUET = (".parquet", ".pq")
MARK = b"bytes"
MARKED_BYTES = 1 << 16


@dataclass(kw_only=True)
class Stored:
    """The images of one file.

    Attributes
    ----------
    others : tuple of str
        Columns that are neither images nor their classes.
    """

    path: Path
    files: list[ImageFile] = field(default_factory=list)
    others: tuple[str, ...] = ()
    label: str = ""


def may_hold_images(path: Path) -> bool:
    """Whether a file may have a column of images, by its name and a look at its beginning and end."""
    if path.suffix.lower() not in (*ARROW, *PARQUET):
        return False
    try:
        with path.open("rb") as file:
            if MARK in file.read(MARKED_BYTES):
                return True
            file.seek(max(0, path.stat().st_size - MARKED_BYTES))
            return MARK in file.read()
    except OSError:
        return False


def read_stored(path: Path, inner: str, split: str | None) -> Stored | None:
    """List the images of a file.

    Parameters
    ----------
    path : Path
        An Arrow or a Parquet file.
    inner : str
        What it is called below what was scanned.
    split : str or None
        To which its rows belong.

    Returns
    -------
    Stored or None
        None where it has no column of images, or where whoever reads tables will say that it is broken.

    Raises
    ------
    CannotOpen
        Where its images cannot be read in place.
    """
    import pyarrow as pa

    try:
        if path.suffix.lower() in PARQUET:
            return _parquet(path, inner, split or WHOLE)
        return _arrow(path, inner, split or WHOLE)
    except (pa.ArrowException, OSError):
        return None
    except ValueError as error:
        raise CannotOpen(path, str(error)) from error


def _image_column(schema: "pa.Schema") -> str | None:
    """Return the column that holds the bytes of images and their names."""
    import pyarrow as pa

    features = _features(schema)
    for column in schema:
        if not pa.types.is_struct(column.type):
            continue
        kinds = {
            column.type.field(number).name: column.type.field(number).type for number in range(column.type.num_fields)
        }
        told = features.get(column.name, {})
        held = kinds.get("bytes")
        if held is None or "path" not in kinds or (told and told.get("_type") != "Image"):
            continue
        if pa.types.is_binary(held) or pa.types.is_large_binary(held):
            return str(column.name)
    return None


def _features(schema: "pa.Schema") -> dict[str, Any]:
    """Return what the Hugging Face library remembers of the columns."""
    try:
        found = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = found["info"]["features"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return (
        {str(name): told for name, told in features.items() if isinstance(told, dict)}
        if isinstance(features, dict)
        else {}
    )


def _label_column(schema: "pa.Schema", image: str) -> tuple[str | None, list[str]]:
    """Return the column of classes and, where it holds numbers, the names of these."""
    features = _features(schema)
    for name in schema.names:
        told = features.get(name, {})
        if told.get("_type") == "ClassLabel":
            names = told.get("names")
            return name, list(map(str, names)) if isinstance(names, list) else []
    lowered = {name.lower(): name for name in schema.names if name != image}
    return next((lowered[known] for known in LABELS if known in lowered), None), []


def _others(schema: "pa.Schema", used: Sequence[str | None]) -> tuple[str, ...]:
    return tuple(name for name in schema.names if name not in used)


def _named(value: Any, names: Sequence[str]) -> str | None:
    if value is None or (isinstance(value, int) and names and not 0 <= value < len(names)):
        return None
    return names[value] if names and isinstance(value, int) else str(value)


def _arrow(path: Path, inner: str, split: str) -> Stored | None:
    """Look at the columns in place, and take down where each image begins and ends."""
    import pyarrow as pa

    with pa.memory_map(str(path)) as mapped:
        if mapped.size() == 0:
            return None
        start = mapped.read_buffer().address
        mapped.seek(0)
        schema, batches = _batches(mapped)
        column = _image_column(schema)
        if column is None:
            return None
        label, names = _label_column(schema, column)
        stored = Stored(path=path, others=_others(schema, (column, label)), label=label or "")
        for batch in batches:
            images = batch.column(column)
            images.validate(full=True)  # broken bounds would be followed out of the file
            labels = batch.column(label).to_pylist() if label else [None] * batch.num_rows
            for (own, place), told in zip(_places(images, start, mapped.size()), labels, strict=True):
                file = _file(path, inner, len(stored.files), own, place)
                stored.files.append(structs.replace(file, split=split, label=_named(told, names)))
    return stored


def _batches(mapped: "pa.MemoryMappedFile") -> "tuple[pa.Schema, Iterator[pa.RecordBatch]]":
    import pyarrow as pa

    try:
        reader = pa.ipc.open_file(mapped)
    except pa.ArrowInvalid:
        mapped.seek(0)
        stream = pa.ipc.open_stream(mapped)
        return stream.schema, iter(stream)
    return reader.schema, (reader.get_batch(number) for number in range(reader.num_record_batches))


def _places(images: "pa.StructArray", start: int, size: int) -> "Iterator[tuple[str | None, tuple[int, int] | None]]":
    """Yield the name of each image and the place of its bytes in the file, None where it holds none.

    Raises
    ------
    ValueError
        Where the bytes are compressed, and so lie nowhere in the file.
    """
    import numpy as np
    import pyarrow as pa

    content, names = images.field("bytes"), images.field("path").to_pylist()
    wide = pa.types.is_large_binary(content.type)
    valid = content.is_valid().to_pylist()
    _, offsets, data = content.buffers()
    if data is None or offsets is None:
        yield from ((name, None) for name in names)
        return
    bounds = np.frombuffer(offsets, dtype=np.int64 if wide else np.int32)
    bounds = bounds[content.offset : content.offset + len(content) + 1]
    base = data.address - start
    if not 0 <= base <= size:
        raise ValueError("its columns are compressed, so that no image can be read in place; save it uncompressed")
    for number, name in enumerate(names):
        first, last = int(bounds[number]), int(bounds[number + 1])
        yield name, (base + first, last - first) if valid[number] else None


def _told(inner: str, row: int, own: str | None) -> str:
    """Name an image by its row, so that the order of names is that of rows."""
    return f"{inner}/{row:07}" + (f"/{Path(own).name}" if own else "")


def _file(path: Path, inner: str, row: int, own: str | None, place: tuple[int, int] | None) -> ImageFile:
    name = _told(inner, row, own)
    if place is None:
        return ImageFile(path=Path(own) if own else path / str(row), name=name)
    return ImageFile(path=path, name=name, offset=place[0], length=place[1])


def _parquet(path: Path, inner: str, split: str) -> Stored | None:
    """Number the rows; what is compressed is read group by group when it is wanted."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as source:
        schema = source.schema_arrow
        column = _image_column(schema)
        if column is None:
            return None
        label, names = _label_column(schema, column)
        stored = Stored(path=path, others=_others(schema, (column, label)), label=label or "")
        wanted = [f"{column}.path", *([label] if label else [])]
        for batch in source.iter_batches(columns=wanted):
            own = batch.column(column).field("path").to_pylist()
            labels = batch.column(label).to_pylist() if label else [None] * batch.num_rows
            for name, told in zip(own, labels, strict=True):
                row = len(stored.files)
                lead = _told(inner, row, name)
                stored.files.append(
                    ImageFile(path=path, name=lead, split=split, label=_named(told, names), row=row, column=column)
                )
    return stored
