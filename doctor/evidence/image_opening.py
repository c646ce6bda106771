"""Opens one image from its bytes, safely and quietly, or says what is wrong with it.

Only formats in which pictures are trained on are tried: some that Pillow knows start other programs. Sizes are read
before anything is decoded.
"""

import ctypes
import io
import logging
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from doctor.subjects.images import ImageFile

FORMATS = (
    "JPEG", "PNG", "GIF", "BMP", "DIB", "WEBP", "TIFF", "JPEG2000", "PPM", "ICO", "AVIF", "TGA",
)  # fmt: skip
MAX_BYTES = 1 << 30
"""Of one file: more is not read."""
MAX_PIXELS = 2 * 89_478_485
"""Beyond which Pillow refuses to open an image unless its limit is raised, so that a training dies of it."""
LARGE_PIXELS = 40_000_000
"""Images that are decoded to more pixels are decoded one at a time."""
ORIENTATION = 0x0112
MAKE, MODEL, SOFTWARE = 0x010F, 0x0110, 0x0131
FOREIGN = ("HEIF, which Pillow decodes with a plugin alone", "TIFF, of a kind that Pillow does not decode")
"""Images that other libraries decode."""
_TEXTS = (
    (rb"\s*version https://git-lfs", "a pointer of Git LFS, the image itself was never fetched"),
    (rb"(?i)\s*(<!doctype html|<html)", "a web page, perhaps what a server said instead of the image"),
    (rb"(?i)\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?(<!doctype svg[^>]*>\s*)?<svg", "an SVG drawing, which has no pixels"),
    (rb"\s*<\?xml", "an XML text, perhaps what a server said instead of the image"),
    (rb"\s*[{\[]\s*[\"{\[\]}]", "a JSON text, perhaps what a server said instead of the image"),
    (rb"%PDF-", "a PDF"),
    (rb"PK\x03\x04", "a ZIP archive"),
    (rb"\x1f\x8b", "compressed by gzip"),
    (rb"(?s)....ftyp(heic|heix|heif|mif1|msf1)", FOREIGN[0]),
    (rb"(?s)....ftyp", "a video"),
    (rb"(?s)RIFF....AVI ", "a video"),
    (rb"8BPS", "a Photoshop file"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "a PostScript file"),
    (rb"\x00+\Z", "nothing but zero bytes"),
    (rb"\xff\xd8\xff", "begins like a JPEG, but its head makes no sense"),
    (rb"\x89PNG", "begins like a PNG, but its head makes no sense"),
    (rb"II\*\x00|MM\x00\*", FOREIGN[1]),
)
_LARGE = threading.Lock()
_QUIET = threading.Lock()
_quiet_depth = 0
_quiet_undo: list[Any] = []


class Fault(Exception):
    """Why an image cannot be used.

    Parameters
    ----------
    kind : str
        "empty", "unopenable", "too large", "not an image", "foreign", "truncated", "damaged" or "bomb".
    reason : str
        In words, about this file.
    """

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason


def length_of(file: ImageFile) -> int:
    """Return how many bytes would be read of it at most, as far as that is known without reading.

    Raises
    ------
    OSError
        Where it is not there.
    """
    if file.length is not None:
        return file.length
    return 0 if file.row is not None else file.path.stat().st_size


def opened(content: bytes) -> Image.Image:
    """Read the head of an image.

    Raises
    ------
    Fault
        Where it is none, or claims more pixels than may be decoded.
    """
    if not content:
        raise Fault("empty", "0 bytes")
    try:
        image = Image.open(io.BytesIO(content), formats=_formats())
    except UnidentifiedImageError:
        what = _what(content)
        raise Fault("foreign" if what in FOREIGN else "not an image", what) from None
    except Image.DecompressionBombError:
        raise Fault("bomb", f"claims more pixels than Pillow opens ({MAX_PIXELS:,})") from None
    except Exception as error:  # plugins raise what they please on damaged heads
        raise Fault("damaged", _words(error)) from None
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise Fault("bomb", f"claims {width:,}×{height:,} pixels, more than Pillow opens ({MAX_PIXELS:,})")
    return image


def load(image: Image.Image) -> None:
    """Decode an opened image.

    Raises
    ------
    Fault
        Where its bytes end too early or make no sense.
    """
    width, height = image.size
    if width * height > LARGE_PIXELS:
        with _LARGE:
            _load(image)
    else:
        _load(image)


def _load(image: Image.Image) -> None:
    try:
        image.load()
    except MemoryError:
        raise Fault("bomb", f"{image.size[0]:,}×{image.size[1]:,} pixels do not fit into memory") from None
    except Exception as error:
        words = _words(error)
        truncated = isinstance(error, EOFError) or re.search(r"(?i)truncat|end of file|unexpected eof|cut off", words)
        raise Fault("truncated" if truncated else "damaged", words) from None


@cache
def _formats() -> tuple[str, ...]:
    """Return those of the formats that this Pillow was built with."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _words(error: Exception) -> str:
    """Say in one line what Pillow said, without the addresses of its objects."""
    words = re.sub(r"\s*<_io\.BytesIO object at 0x[0-9a-f]+>", "", str(error)).strip()
    return " ".join(words.split())[:200] or type(error).__name__


def _what(content: bytes) -> str:
    """Say what bytes are that are no image of a known format."""
    head = content[:1024]
    for pattern, words in _TEXTS:
        if re.match(pattern, head):
            return words
    printable = sum(32 <= byte < 127 or byte in b"\t\r\n" for byte in head) / len(head)
    return "a text" if printable > 0.97 else "of no format that is known"


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Pillow's words and what libtiff prints on file descriptor 2 from the user; several threads may enter.

    What is wrong with a file is told in a finding, with its name, which libtiff does not know.
    """
    global _quiet_depth
    with _QUIET:
        _quiet_depth += 1
        if _quiet_depth == 1:
            Image.init()
            caught = warnings.catch_warnings()
            caught.__enter__()
            warnings.simplefilter("ignore")
            _quiet_undo[:] = [caught, _silence_libtiff(), _silence_pillow()]
    try:
        yield
    finally:
        with _QUIET:
            _quiet_depth -= 1
            if _quiet_depth == 0:
                caught, *undos = _quiet_undo
                for undo in undos:
                    undo()
                caught.__exit__(None, None, None)


def _silence_pillow() -> Any:
    """Keep what Pillow logs to itself, and return how that is undone."""
    log, handler = logging.getLogger("PIL"), logging.NullHandler()
    before = log.propagate
    log.addHandler(handler)
    log.propagate = False

    def undo() -> None:
        log.removeHandler(handler)
        log.propagate = before

    return undo


def _silence_libtiff() -> Any:
    """Take libtiff's handlers of errors and warnings away, and return how they are put back."""
    library = _libtiff()
    if library is None:
        return lambda: None
    setters = [library.TIFFSetErrorHandler, library.TIFFSetWarningHandler]
    before = []
    for setter in setters:
        setter.restype = ctypes.c_void_p
        setter.argtypes = [ctypes.c_void_p]
        before.append(setter(None))

    def undo() -> None:
        for setter, handler in zip(setters, before, strict=True):
            setter(handler)

    return undo


def _libtiff() -> Any:
    """Return the libtiff that Pillow has loaded, where the system tells which that is."""
    with suppress(OSError, AttributeError):
        lines = Path("/proc/self/maps").read_text("utf-8", "replace").splitlines()
        paths = [line.split(maxsplit=5)[-1] for line in lines if "libtiff" in line]
        if paths:
            library = ctypes.CDLL(paths[0])
            library.TIFFSetErrorHandler  # noqa: B018  # raises where it is another library of that name
            return library
    return None
