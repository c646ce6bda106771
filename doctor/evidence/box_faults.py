"""Which boxes on images cannot be what was meant: outside the frame, without area, of a class that there is not."""

import base64
import io
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from msgspec import Struct, structs

from doctor.errors import NotApplicable
from doctor.evidence.thumbnails import thumbnail_of
from doctor.model import Thumbnail
from doctor.subjects.boxes import Boxes
from doctor.subjects.images import ImageFile, Images

Array = np.ndarray[Any, Any]

ROUNDED_PIXELS = 1.0
ROUNDED_SHARE = 0.005
"""How far beyond the frame a box may reach that was rounded, in pixels or as a share."""
MAX_NAMED = 1000
MAX_EXAMPLES = 5
MAX_PICTURES = 8
MAX_DRAWN = 20
PEN = (255, 0, 80)
MAX_OPENED = 500
"""Images whose size is looked up in their files, spread over the collection: a wrong size is mostly wrong for many."""


class BoxFault(Struct, frozen=True, kw_only=True):
    """Boxes that have one fault.

    Attributes
    ----------
    boxes, of : int
        How many have it, and how many were looked at.
    files : tuple of str
        The images, the worst first.
    images : int
        How many there are in all.
    examples : tuple of str
        Where the worst stand, and what is wrong with them.
    pictures : tuple of Thumbnail
        The worst images with these boxes drawn on them.
    """

    kind: str
    boxes: int
    of: int
    images: int
    files: tuple[str, ...]
    examples: tuple[str, ...]
    pictures: tuple[Thumbnail, ...] = ()


class BoxFaults(Struct, frozen=True, kw_only=True):
    """All faults, by kind; `form` is that of the annotations, `boxes` how many there are."""

    form: str
    boxes: int
    faults: tuple[BoxFault, ...]

    @classmethod
    def measure(cls, images: Images) -> "BoxFaults":
        """Read the boxes and hold them against the frame and the declared classes.

        Raises
        ------
        NotApplicable
            Where no boxes are drawn on the images.
        """
        told = images.annotations
        if told is None:
            raise NotApplicable("no boxes are drawn on these images")
        boxes = told.read()
        if not len(boxes.image) and not boxes.bad:
            raise NotApplicable("no boxes are drawn on these images")
        found = [
            _outside(images, boxes),
            _flat(images, boxes),
            _of_no_class(images, boxes, dict(told.classes)),
            _unreadable(images, boxes),
            _missing(told.missing, len(images.files)),
            _resized(images, boxes),
        ]
        return cls(form=told.form, boxes=len(boxes.image), faults=tuple(fault for fault in found if fault is not None))


def _outside(images: Images, boxes: Boxes) -> BoxFault | None:
    """Find boxes that reach beyond the frame by more than rounding."""
    limits = np.ones((len(boxes.image), 2)) if boxes.relative else boxes.sizes[boxes.image].astype(float)
    known = (limits > 0).all(axis=1)
    low, high = -boxes.corners[:, :2].min(axis=1), (boxes.corners[:, 2:] - limits).max(axis=1)
    beyond = np.where(known, np.maximum(low, high), 0.0)
    bound = ROUNDED_SHARE if boxes.relative else ROUNDED_PIXELS
    with np.errstate(invalid="ignore"):
        which = np.flatnonzero(beyond > bound)
    worst = which[np.argsort(-beyond[which], kind="stable")]
    unit = "{:.1%} of the frame" if boxes.relative else "{:,.0f} px"
    return _fault(
        "outside", images, boxes, worst, [f"beyond by {unit.format(beyond[one])}" for one in worst[:MAX_EXAMPLES]]
    )


def _flat(images: Images, boxes: Boxes) -> BoxFault | None:
    """Find boxes without area, and those whose corners are not numbers."""
    spans = boxes.corners[:, 2:] - boxes.corners[:, :2]
    with np.errstate(invalid="ignore"):
        which = np.flatnonzero(~(spans > 0).all(axis=1))
    said = [f"width {spans[one, 0]:.6g}, height {spans[one, 1]:.6g}" for one in which[:MAX_EXAMPLES]]
    return _fault("flat", images, boxes, which, said)


def _of_no_class(images: Images, boxes: Boxes, classes: dict[int, str]) -> BoxFault | None:
    if not classes:
        return None
    which = np.flatnonzero(~np.isin(boxes.number, np.array(sorted(classes), dtype=np.int64)))
    said = [f"class {boxes.number[one]}" for one in which[:MAX_EXAMPLES]]
    return _fault("class", images, boxes, which, said)


def _fault(kind: str, images: Images, boxes: Boxes, which: Array, said: Sequence[str]) -> BoxFault | None:
    if not len(which):
        return None
    names = list(dict.fromkeys(images.files[number].name for number in boxes.image[which].tolist()))
    return BoxFault(
        kind=kind,
        boxes=len(which),
        of=len(boxes.image),
        images=len(names),
        files=tuple(names[:MAX_NAMED]),
        examples=tuple(f"{_place(boxes, int(one))}: {why}" for one, why in zip(which, said, strict=False)),
        pictures=tuple(_pictures(images, boxes, which)),
    )


def _pictures(images: Images, boxes: Boxes, which: Array) -> Iterator[Thumbnail]:
    """Draw boxes on the images on which they stand."""
    numbers = list(dict.fromkeys(boxes.image[which].tolist()))[:MAX_PICTURES]
    for number in numbers:
        file = images.files[number]
        own = which[boxes.image[which] == number][:MAX_DRAWN]
        frame = np.ones(2) if boxes.relative else boxes.sizes[number].astype(float)
        caption = ", ".join(_place(boxes, int(one)) for one in own[:MAX_EXAMPLES])
        small = thumbnail_of(file, caption)
        if small is not None:
            shares = boxes.corners[own] / np.tile(np.where(frame > 0, frame, np.nan), 2)
            yield structs.replace(small, jpeg=_drawn(small.jpeg, shares))


def _drawn(jpeg: str, shares: Array) -> str:
    """Draw boxes, in shares of width and height, as far as they lie in the frame."""
    from PIL import Image, ImageDraw

    with Image.open(io.BytesIO(base64.b64decode(jpeg))) as small:
        picture = small.convert("RGB")
    pen = ImageDraw.Draw(picture)
    width, height = picture.size
    for left, top, right, bottom in shares[np.isfinite(shares).all(axis=1)].tolist():
        across = sorted(min(max(x, 0.0), 1.0) * (width - 1) for x in (left, right))
        down = sorted(min(max(y, 0.0), 1.0) * (height - 1) for y in (top, bottom))
        pen.rectangle((across[0], down[0], across[1], down[1]), outline=PEN, width=2)
    written = io.BytesIO()
    picture.save(written, "JPEG", quality=80)
    return base64.b64encode(written.getvalue()).decode("ascii")


def _place(boxes: Boxes, one: int) -> str:
    """Name a box as a person would look for it."""
    name = boxes.files[int(boxes.file[one])].name
    return f"{name}:{boxes.line[one]}" if boxes.relative else f"{name}, annotation {boxes.line[one]}"


def _unreadable(images: Images, boxes: Boxes) -> BoxFault | None:
    if not boxes.bad:
        return None
    names = list(dict.fromkeys(one.path.name for one in boxes.bad))
    mark = ":" if boxes.relative else ", annotation "
    return BoxFault(
        kind="unreadable",
        boxes=len(boxes.bad),
        of=len(boxes.bad) + len(boxes.image),
        images=len(names),
        files=tuple(names[:MAX_NAMED]),
        examples=tuple(f"{one.path.name}{mark}{one.line}: {one.reason}" for one in boxes.bad[:MAX_EXAMPLES]),
    )


def _missing(names: Sequence[str], images: int) -> BoxFault | None:
    if not names:
        return None
    return BoxFault(
        kind="missing",
        boxes=len(names),
        of=len(names) + images,
        images=len(names),
        files=tuple(names[:MAX_NAMED]),
        examples=tuple(names[:MAX_EXAMPLES]),
    )


def _resized(images: Images, boxes: Boxes) -> BoxFault | None:
    """Hold the sizes that annotations tell against those of the files."""
    told = np.flatnonzero((boxes.sizes > 0).all(axis=1))
    if not len(told):
        return None
    drawn = told[np.unique(np.linspace(0, len(told) - 1, MAX_OPENED).astype(int))]
    wrong: list[tuple[int, str]] = []
    opened = 0
    for number in drawn.tolist():
        file = images.files[number]
        sizes = _sizes(file)
        opened += bool(sizes)
        width, height = boxes.sizes[number].tolist()
        if sizes and (width, height) not in sizes:
            true = " × ".join(map(str, sizes[0]))
            wrong.append((number, f"{file.name}: told {width} × {height}, really {true}"))
    if not wrong:
        return None
    pictures = (thumbnail_of(images.files[number], said.partition(": ")[2]) for number, said in wrong[:MAX_PICTURES])
    return BoxFault(
        kind="resized",
        boxes=len(wrong),
        of=opened,
        images=len(wrong),
        files=tuple(images.files[number].name for number, _ in wrong[:MAX_NAMED]),
        examples=tuple(said for _, said in wrong[:MAX_EXAMPLES]),
        pictures=tuple(picture for picture in pictures if picture is not None),
    )


def _sizes(file: ImageFile) -> list[tuple[int, int]]:
    """Return width and height as stored, and as shown where a tag says that it is turned; nothing where unreadable."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(file.read())) as image:
                turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
                width, height = image.size
    except Exception:  # whatever is wrong with the file is told by images/unreadable
        return []
    return [(width, height), (height, width)] if turned else [(width, height)]
