"""Measures images batch by batch: a pure function from files to facts that runs wherever the work is dealt out."""

import math
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash
from PIL import Image, ImageOps

from doctor.evidence.image_facts import MAX_BLANK_EXTENT
from doctor.evidence.image_measures import (
    PICTURE,
    SMALL,
    descriptors_of,
    eight_bits,
    hashes_of,
    is_grey,
    pictured,
    sharpness,
    tones,
)
from doctor.evidence.image_opening import (
    MAKE,
    MAX_BYTES,
    MODEL,
    ORIENTATION,
    SOFTWARE,
    Fault,
    length_of,
    load,
    opened,
    quiet,
)
from doctor.subjects.images import ImageFile

TONES = ("brightness", "contrast", "lowest", "dark", "bright", "highest", "extent", "entropy")
WANTED = pa.schema(
    [
        ("index", pa.int64()),
        ("path", pa.binary()),
        ("offset", pa.int64()),
        ("length", pa.int64()),
        ("row", pa.int64()),
        ("column", pa.string()),
    ]
)
FACTS = pa.schema(
    [
        ("index", pa.int64()),
        ("content", pa.string()),
        ("bytes", pa.int64()),
        ("fault", pa.string()),
        ("reason", pa.string()),
        ("format", pa.string()),
        ("mode", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("orientation", pa.int32()),
        ("frames", pa.int32()),
        ("grey", pa.bool_()),
        ("quality", pa.int32()),
        ("camera", pa.string()),
        *((name, pa.float32()) for name in (*TONES, "sharpness")),
        ("hashes", pa.binary()),
        ("descriptor", pa.binary()),
        ("small", pa.binary()),
    ]
)
Row = dict[str, Any]
MAX_NOISE_EXTENT = 0.2
"""Range of tones, about 50 of 256, that the noise of a camera makes of one colour in full size."""
PICTURES_AT_ONCE = 32
"""Pictures that are held until they are hashed together."""
_STANDARD_TABLE_SUM = 3688
"""Of the quantisation table of luminance in annex K of the JPEG standard, which quality 50 stands for."""
_MANY_FRAMES = frozenset({"GIF", "WEBP", "PNG", "TIFF", "AVIF"})


def batch_of(files: Sequence[ImageFile], indices: Sequence[int]) -> pa.RecordBatch:
    """Name files so that they can be sent to whoever measures them."""
    chosen = [files[index] for index in indices]
    columns = [
        pa.array(indices, pa.int64()),
        pa.array([os.fsencode(file.path) for file in chosen], pa.binary()),
        pa.array([file.offset for file in chosen], pa.int64()),
        pa.array([file.length for file in chosen], pa.int64()),
        pa.array([file.row for file in chosen], pa.int64()),
        pa.array([file.column for file in chosen], pa.string()),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=WANTED)


def facts_of(batch: pa.RecordBatch, known: Callable[[str], Row | None] | None = None) -> pa.RecordBatch:
    """Read, decode and measure the images of a batch, each once.

    Parameters
    ----------
    batch : pyarrow.RecordBatch
        Of the schema `WANTED`.
    known : callable, optional
        Gives the facts of a content that was measured before, by its hash.

    Returns
    -------
    pyarrow.RecordBatch
        Of the schema `FACTS`, in the same order. What is wrong with an image stands in it; nothing is raised.
    """
    rows: list[Row] = []
    with quiet():
        for begin in range(0, batch.num_rows, PICTURES_AT_ONCE):
            rows += _rows(batch.slice(begin, PICTURES_AT_ONCE), known)
    return pa.RecordBatch.from_pylist(rows, schema=FACTS)


def _rows(batch: pa.RecordBatch, known: Callable[[str], Row | None] | None) -> list[Row]:
    rows: list[Row] = []
    fresh: list[tuple[Row, Image.Image]] = []
    for one in batch.to_pylist():
        index, path = one.pop("index"), Path(os.fsdecode(one.pop("path")))
        row, picture = _row(ImageFile(path=path, name="", **one), known)
        row["index"] = index
        rows.append(row)
        if picture is not None:
            fresh.append((row, picture))
    if fresh:
        _add_pictures(fresh)
    return rows


def _row(file: ImageFile, known: Callable[[str], Row | None] | None) -> tuple[Row, Image.Image | None]:
    """Measure one image, except for what is measured on many at once; a picture comes back where there is one."""
    try:
        content = _read(file)
    except Fault as fault:
        return {"fault": fault.kind, "reason": fault.reason}, None
    mark = xxhash.xxh3_128_hexdigest(content)
    seen = known(mark) if known else None
    if seen is not None:
        return dict(seen), None
    row: Row = {"content": mark, "bytes": len(content)}
    try:
        return row, _decoded(content, row)
    except Fault as fault:
        return row | {"fault": fault.kind, "reason": fault.reason}, None


def _read(file: ImageFile) -> bytes:
    try:
        if (length := length_of(file)) > MAX_BYTES:
            raise Fault("too large", f"{length:,} bytes are more than is read of one image")
        return file.read()
    except OSError as error:
        raise Fault("unopenable", error.strerror or str(error) or type(error).__name__) from None


def _decoded(content: bytes, row: Row) -> Image.Image:
    """Decode an image and note what it is.

    JPEGs are decoded at the smallest of 1/1, 1/2, 1/4 and 1/8 that is no smaller than the picture: all their bytes are
    read all the same.
    """
    image = opened(content)
    row |= {"format": image.format, "mode": image.mode, "width": image.width, "height": image.height}
    row["quality"] = _quality(image)
    before = _orientation(image) if image.format != "PNG" else 1  # Pillow would decode a PNG to look for it
    drafted = image.format in ("JPEG", "MPO")
    row["frames"] = _frames(image)
    if drafted:
        image.draft(None, _fitting(image.size))
    load(image)
    now = _orientation(image)
    if not drafted:
        row |= {"width": image.width, "height": image.height}  # Pillow turns TIFFs itself
    if now >= 5:
        row["width"], row["height"] = row["height"], row["width"]
    row |= {"orientation": max(before, now), "camera": _camera(image)}
    try:
        picture = pictured(image)
    except (ValueError, OSError, MemoryError) as error:
        raise Fault("damaged", str(error)) from None
    if now > 1:
        picture.getexif()[ORIENTATION] = now
        picture = ImageOps.exif_transpose(picture)
    row |= tones(picture)
    if row["extent"] <= MAX_BLANK_EXTENT < (grain := _grain(content, picture.size)):
        row["extent"] = grain
    row |= {"grey": is_grey(picture), "sharpness": sharpness(picture)}
    return picture


def _grain(content: bytes, shown: tuple[int, int]) -> float:
    """Return the extent of the tones of an image that shows one colour when it is small.

    What is fine throughout, as sand or cloth, is even when it is made small. 0 where all that the image has is the
    noise of a camera, or nothing more than the small one.
    """
    image = opened(content)
    if max(image.size) == max(shown):
        return 0.0
    load(image)
    with suppress(ValueError, MemoryError):
        extent = tones(eight_bits(image))["extent"]
        return extent if extent > MAX_NOISE_EXTENT else 0.0
    return 0.0


def _fitting(size: tuple[int, int]) -> tuple[int, int]:
    """Return the size whose longer side is that of the picture, which a draft may not fall below."""
    longer = max(size)
    return max(1, size[0] * PICTURE // longer), max(1, size[1] * PICTURE // longer)


def _orientation(image: Image.Image) -> int:
    with suppress(Exception):  # damaged EXIF is no fault of the pixels
        value = image.getexif().get(ORIENTATION, 1)
        return value if isinstance(value, int) and 1 <= value <= 8 else 1
    return 1


def _camera(image: Image.Image) -> str:
    """Return what made the file, as its EXIF has it."""
    with suppress(Exception):
        exif = image.getexif()
        words = (str(exif.get(tag, "")).strip("\x00 ") for tag in (MAKE, MODEL, SOFTWARE))
        return " ".join(word for word in words if word)[:80].encode("utf-8", "replace").decode("utf-8")
    return ""


def _frames(image: Image.Image) -> int:
    """Count frames or pages; the second picture that a camera keeps in a JPEG for itself is none."""
    if image.format not in _MANY_FRAMES:
        return 1
    with suppress(Exception):  # what is damaged behind the first frame is told by its decoding, if at all
        return int(getattr(image, "n_frames", 1))
    return 1


def _quality(image: Image.Image) -> int:
    """Estimate the quality with which a JPEG was written, as its quantisation table tells; 0 for other formats."""
    tables: dict[int, list[int]] | None = getattr(image, "quantization", None)
    if not tables or 0 not in tables:
        return 0
    scale = 100 * sum(tables[0]) / _STANDARD_TABLE_SUM
    return max(1, min(100, round(100 - scale / 2 if scale <= 100 else 5000 / scale)))


def _add_pictures(fresh: Sequence[tuple[Row, Image.Image]]) -> None:
    """Measure on all pictures of a batch at once what is quicker so."""
    squares = [picture.resize((SMALL, SMALL), Image.Resampling.LANCZOS) for _, picture in fresh]
    small = np.stack([np.asarray(one.convert("L")) for one in squares])
    colours = np.stack([np.asarray(one.convert("RGB")) for one in squares])
    hashes, descriptors = hashes_of(small), descriptors_of(colours)
    for place, (row, _) in enumerate(fresh):
        row["hashes"] = hashes[place].astype("<u8").tobytes()
        row["descriptor"] = descriptors[place].astype("<f4").tobytes()
        row["small"] = small[place].tobytes()
        row |= {name: None for name in (*TONES, "sharpness") if math.isnan(row[name])}
