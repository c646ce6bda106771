"""Collections of images: which files they are, and what their place says of each; nothing is decoded here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from msgspec import Struct

from doctor.model import Guess, SubjectSummary

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
    """

    path: Path
    name: str
    split: str = WHOLE
    label: str | None = None
    offset: int | None = None
    length: int | None = None

    def read(self) -> bytes:
        """Return its bytes.

        Raises
        ------
        OSError
            Where they cannot be read.
        """
        if self.offset is None or self.length is None:
            return self.path.read_bytes()
        with self.path.open("rb") as file:
            file.seek(self.offset)
            return file.read(self.length)


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
    guesses : tuple of Guess
        What was inferred of the layout.
    """

    shown: str
    label: str = ""
    files: tuple[ImageFile, ...]
    splits: Mapping[str, int] = field(default_factory=dict)
    by_place: str = ""
    guesses: tuple[Guess, ...] = ()

    def summary(self) -> SubjectSummary:
        """Describe it for the report."""
        classes = len({file.label for file in self.files if file.label is not None})
        facts = {"classes": classes} if classes else {}
        return SubjectSummary(
            kind="images", path=self.shown, files=len(self.files), splits=dict(self.splits), facts=facts
        )
