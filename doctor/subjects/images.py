"""Collections of images: which files they are, and what their place says of each; nothing is decoded here."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from doctor.model import Guess, SubjectSummary
from doctor.subjects.boxes import Annotations

if TYPE_CHECKING:
    from doctor.subjects.embeddings import Embeddings
    from doctor.subjects.vision_models import VisionModel

WHOLE = "all"
SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".gif", ".webp", ".tif", ".tiff", ".jp2", ".ppm", ".pgm",
    ".pbm", ".pnm", ".ico", ".avif", ".tga",
)  # fmt: skip
"""What Pillow decodes and people train on."""


class ImageFile(Struct, frozen=True, kw_only=True):
    """One image, in a file of its own or inside another.

    Attributes
    ----------
    path : Path
        The file that holds its bytes.
    name : str
        As it is told: its path below what was scanned, with `/`; inside an archive the archive's name goes before.
    split : str
        The split that it belongs to.
    label : str or None
        Its class, where it has one.
    offset, length : int or None
        Of its bytes, where they lie inside `path`; None where the whole file is the image.
    row : int or None
        Of a Parquet file, counted from 0, where the bytes lie compressed in its column `column`.
    """

    path: Path
    name: str
    split: str = WHOLE
    label: str | None = None
    offset: int | None = None
    length: int | None = None
    row: int | None = None
    column: str = ""

    def read(self) -> bytes:
        """Return its bytes.

        Raises
        ------
        OSError
            Where they cannot be read.
        """
        if self.row is not None:
            return _cell(self.path, self.column, self.row)
        if self.offset is None or self.length is None:
            return self.path.read_bytes()
        with self.path.open("rb") as file:
            file.seek(self.offset)
            return file.read(self.length)


def _cell(path: Path, column: str, row: int) -> bytes:
    """Read the bytes of one row of a Parquet file."""
    starts = _group_starts(path)
    group = bisect_right(starts, row) - 1
    found = _group(path, column, group)
    content = found[row - starts[group]] if 0 <= row - starts[group] < len(found) else None
    if content is None:
        raise OSError(f"row {row} of {path.name} holds no image")
    return bytes(content)


@lru_cache(maxsize=64)
def _group_starts(path: Path) -> list[int]:
    import pyarrow.parquet as pq

    facts = pq.read_metadata(path)
    return list(accumulate((facts.row_group(number).num_rows for number in range(facts.num_row_groups)), initial=0))[
        :-1
    ]


@lru_cache(maxsize=2)
def _group(path: Path, column: str, group: int) -> list[bytes | None]:
    """Read the images of one group of rows; those that follow each other are mostly of one group."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as source:
            table = source.read_row_group(group, columns=[f"{column}.bytes"])
        found: list[bytes | None] = pa.compute.struct_field(table.column(column), "bytes").to_pylist()
    except pa.ArrowException as error:
        raise OSError(str(error).splitlines()[0]) from error
    return found


@dataclass(frozen=True, kw_only=True, eq=False)
class Images:
    """One collection of images, examined as a whole.

    Attributes
    ----------
    shown : str
        Where it is, as the user named it.
    label : str
        Tells it from other collections and tables of the case, whatever their place; empty where it is alone.
    files : tuple of ImageFile
        Sorted by name.
    splits : mapping of str to int
        Images of each split, train before validation before test.
    by_place : str
        What tells the classes: "folders", "table", "annotations", "archive"; empty where there are none.
    table : str
        The table that tells the classes and is examined as one too; empty where there is none.
    tables : mapping of Path to str
        All that name the images, with the folder of each below what was scanned.
    annotations : Annotations or None
        Boxes on the images.
    empty : tuple of str
        Folders of classes without an image.
    guesses : tuple of Guess
        What was inferred of the layout.
    embeddings : Embeddings or VisionModel or None
        Vectors that the user gave for the images, or the model that makes them.
    """

    shown: str
    label: str = ""
    files: tuple[ImageFile, ...]
    splits: Mapping[str, int] = field(default_factory=dict)
    by_place: str = ""
    table: str = ""
    tables: Mapping[Path, str] = field(default_factory=dict)
    annotations: Annotations | None = None
    empty: tuple[str, ...] = ()
    guesses: tuple[Guess, ...] = ()
    embeddings: "Embeddings | VisionModel | None" = None

    def summary(self) -> SubjectSummary:
        """Describe it for the report."""
        classes = len({file.label for file in self.files if file.label is not None})
        facts = {"classes": classes} if classes else {}
        return SubjectSummary(
            kind="images", path=self.shown, files=len(self.files), splits=dict(self.splits), facts=facts
        )
