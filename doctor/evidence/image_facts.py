"""What every image of a collection is: sizes, tones, sharpness, hashes, faults; decoded once, shared by all checks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from doctor.evidence.thumbnails import thumbnail_of
from doctor.model import Location, Thumbnail
from doctor.subjects.images import WHOLE, ImageFile, Images
from doctor.subjects.workers import Workers
from doctor.wording import printable

Array = np.ndarray[Any, Any]

FILES_PER_BATCH = 16
FILES_PER_TASK = 256
"""Of Spark, whose tasks cost more to begin."""
MAX_NAMES = 1000
MAX_THUMBNAILS = 8
MAX_TOLD = 3
MAX_BLANK_EXTENT = 0.04
"""Range of tones, about ten of 256, that the noise of a camera or of JPEG makes of one colour."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageFacts:
    """Facts by image, in the order of `files`; arrays have one entry per file.

    Attributes
    ----------
    files : tuple of ImageFile
    readable : bool[n]
        Whether it could be decoded to its end; where not, what needs pixels is 0 or NaN.
    faults : mapping of int to str
        The kind of fault of what is not readable: "empty", "unopenable", "too large", "not an image", "foreign",
        "truncated", "damaged" or "bomb".
    reasons : mapping of int to str
        The fault in words.
    width, height : int32[n]
        In pixels, as it is shown.
    mode, format : object[n]
        As Pillow calls them: "RGB", "L", "P", "CMYK", "I;16" …; "JPEG", "PNG" … by its bytes, whatever its name says.
    orientation : int32[n]
        As EXIF has it, 1 where it is stored upright.
    frames : int32[n]
        Frames or pages.
    bytes : int64[n]
    content : object[n]
        The 128-bit xxh3 hash of its bytes, in hex; empty where they could not be read.
    grey : bool[n]
        Without colour, however it is stored.
    quality : int32[n]
        Of a JPEG, estimated from its quantisation table; 0 for others.
    camera : object[n]
        Make, model and software from its EXIF.
    brightness, contrast, lowest, dark, bright, highest, extent, entropy : float32[n]
        Of its tones, see `doctor.evidence.image_measures.tones`.
    sharpness : float32[n]
        From 0 to 1, see `doctor.evidence.image_measures.sharpness`; NaN where there is nothing to be sharp.
    hashes : uint64[n, 8]
        Perceptual hashes as it is shown (first) and in the other seven ways to turn and mirror it.
    descriptor : float32[n, 240]
        See `doctor.evidence.image_measures.descriptors_of`.
    small : uint8[n, 32, 32]
        Its luminance.
    """

    files: tuple[ImageFile, ...]
    readable: Array
    faults: Mapping[int, str]
    reasons: Mapping[int, str]
    width: Array
    height: Array
    mode: Array
    format: Array
    orientation: Array
    frames: Array
    bytes: Array
    content: Array
    grey: Array
    quality: Array
    camera: Array
    brightness: Array
    contrast: Array
    lowest: Array
    dark: Array
    bright: Array
    highest: Array
    extent: Array
    entropy: Array
    sharpness: Array
    hashes: Array
    descriptor: Array
    small: Array

    COST = 40

    @classmethod
    def measure(cls, images: Images, workers: Workers) -> "ImageFacts":
        """Decode every image once, wherever the work is done; what was measured before is not decoded again."""
        from doctor.evidence.image_columns import Columns, measured

        columns = Columns(len(images.files))
        for batch in measured(images.files, workers):
            columns.fill(batch)
        faults = {int(n): str(columns.fault[n]) for n in np.flatnonzero(columns.fault != "")}
        return cls(
            files=images.files,
            readable=columns.fault == "",
            faults=faults,
            reasons={n: str(columns.reason[n]) for n in faults},
            **columns.arrays,
        )

    @property
    def splits(self) -> Array:
        """The split of each image, as object[n]."""
        return np.array([file.split for file in self.files], dtype=object)

    @property
    def labels(self) -> Array:
        """The class of each image or None, as object[n]."""
        return np.array([file.label for file in self.files], dtype=object)

    @property
    def shorter(self) -> Array:
        """The shorter side of each image, as int32[n]."""
        return np.minimum(self.width, self.height)

    @property
    def blank(self) -> Array:
        """Whether an image shows nothing, as bool[n]: what else is said of it then says nothing."""
        return self.readable & (self.extent <= MAX_BLANK_EXTENT)

    def names(self, indices: Iterable[int]) -> list[str]:
        """Return the names of images, as many as a finding holds."""
        return [self.files[int(index)].name for index, _ in zip(indices, range(MAX_NAMES), strict=False)]

    def first(self, indices: Sequence[int] | Array) -> str:
        """Return the names of the first images as they stand in a sentence."""
        named = [self.files[int(index)].name for index in indices[:MAX_TOLD]]
        more = len(indices) - len(named)
        return ", ".join(printable(name, limit=60) for name in named) + (f" and {more:,} more" if more else "")

    def place(self, indices: Sequence[int] | Array) -> Location:
        """Return where a finding about images is: the file of the first, and their split, where they have one."""
        splits = {self.files[int(index)].split for index in indices}
        split = splits.pop() if len(splits) == 1 else None
        return Location(file=self.files[int(indices[0])].name, split=None if split == WHOLE else split)

    def thumbnail(self, index: int, caption: str = "", group: int = 0) -> Thumbnail | None:
        """Make a thumbnail of one image."""
        return thumbnail_of(self.files[int(index)], caption, group)

    def thumbnails(self, indices: Iterable[int], captions: Iterable[str] = ()) -> list[Thumbnail]:
        """Make thumbnails of the first images, as many as a finding shows."""
        words = iter(captions)
        made: list[Thumbnail] = []
        for index in indices:
            one = thumbnail_of(self.files[int(index)], next(words, ""))
            made += [one] if one else []
            if len(made) == MAX_THUMBNAILS:
                break
        return made
