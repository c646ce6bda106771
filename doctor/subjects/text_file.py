"""Looks over the bytes of a text file: encoding, line ends, zero bytes; and rewrites it where the engine needs that."""

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import AnyStr, BinaryIO, cast

from doctor.errors import CannotOpen, UsageError

BLOCK_BYTES = 1 << 20
HEAD_BYTES = 1 << 17
LINES_NAMED = 5
MAX_LINES_NOTED = 1000
MAX_NULL_SHARE = 0.3

_BYTE_ORDER_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_NOT_IN_CP1252 = bytes((0x81, 0x8D, 0x8F, 0x90, 0x9D))


@dataclass(frozen=True, kw_only=True)
class TextFile:
    """A text file in a form that the engine can read.

    Attributes
    ----------
    readable : Path
        The file itself, or its UTF-8 copy in the scratch folder.
    encoding, because : str
        What its bytes are, and how that was found.
    head : str
        Its first whole lines, at most 128 KiB.
    lines : int
        Lines, blank ones included.
    quotes, backslash_quotes : int
        Double quotes, and those of them behind a backslash.
    null_lines, undecodable_lines : tuple of int
        Lines with zero bytes and lines with bytes that do not fit the encoding, counted from 1; at most 1000.
    """

    path: Path
    readable: Path
    encoding: str
    because: str
    head: str
    lines: int
    quotes: int
    backslash_quotes: int
    null_lines: tuple[int, ...]
    undecodable_lines: tuple[int, ...]

    def lines_of_text(self) -> Iterator[str]:
        """Read it line by line."""
        with (
            opened(self.readable) as stream,
            io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace", newline="\n") as lines,
        ):
            yield from lines


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a plain, gzip or zstd file for reading its content.

    Raises
    ------
    CannotOpen
        When it cannot be opened or its compression is broken.
    """
    try:
        if path.suffix.lower() == ".gz":
            with gzip.open(path, "rb") as stream:
                yield cast(BinaryIO, stream)
        elif path.suffix.lower() == ".zst":
            import pyarrow as pa

            with pa.input_stream(str(path), compression="zstd") as stream:
                yield stream
        else:
            with path.open("rb") as stream:
                yield stream
    except EOFError as error:
        raise CannotOpen(path, "the compressed file is cut off") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise CannotOpen(path, f"the compressed file is broken: {error}") from error
    except OSError as error:
        raise CannotOpen(path, error.strerror or str(error)) from error


def blocks(path: Path) -> Iterator[bytes]:
    """Read a file's content piece by piece."""
    with opened(path) as stream:
        while block := stream.read(BLOCK_BYTES):
            yield block


def look_over(path: Path, scratch: Path, encoding: str | None = None) -> TextFile:
    """Read a text file once, and rewrite it as UTF-8 with plain line ends where it is something else.

    Parameters
    ----------
    path : Path
        The file, plain or compressed.
    scratch : Path
        Where a copy goes.
    encoding : str, optional
        Declared; otherwise found out over all bytes, so that the answer does not depend on the order of rows.

    Raises
    ------
    CannotOpen
        When it is empty, cut off or not text.
    UsageError
        When there is no such encoding.
    """
    tally = _Tally(path)
    try:
        found, because = (codecs.lookup(encoding).name, "it was given") if encoding else tally.encoding()
    except LookupError as error:
        raise UsageError(f"--encoding: there is no encoding {encoding!r}") from error
    readable = path
    undecodable: tuple[int, ...] = ()
    if found not in ("utf-8", "utf-8-sig", "ascii") or tally.invalid_utf8 or tally.mixed_ends:
        readable = _rewritten(path, found, scratch)
        undecodable = tuple(tally.undecodable_lines)
        tally = _Tally(readable)
    head = tally.head.decode("utf-8-sig", "ignore")
    if not head.strip():
        raise CannotOpen(path, "there is nothing but blank space in it")
    return TextFile(
        path=path,
        readable=readable,
        encoding=found,
        because=because,
        head=head,
        lines=tally.lines,
        quotes=tally.quotes,
        backslash_quotes=tally.backslash_quotes,
        null_lines=tuple(tally.null_lines),
        undecodable_lines=undecodable,
    )


class _Tally:
    """What one pass over the bytes counts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.head = b""
        self.size = self.nulls = self.feeds = self.returns = self.pairs = self.quotes = self.backslash_quotes = 0
        self.null_lines: list[int] = []
        self.undecodable_lines: list[int] = []
        self.invalid_utf8 = False
        self._last = b""
        decoder = codecs.getincrementaldecoder("utf-8")()
        for block in blocks(path):
            self._count(block)
            if not self.invalid_utf8:
                try:
                    decoder.decode(block)
                except UnicodeDecodeError:
                    self.invalid_utf8 = True
        if not self.size:
            raise CannotOpen(path, "the file is empty")
        if decoder.getstate()[0]:
            self.invalid_utf8 = True
        if self.size > len(self.head):
            self.head = self.head[: self.head.rfind(b"\n") + 1] or self.head

    def _count(self, block: bytes) -> None:
        if len(self.head) < HEAD_BYTES:
            self.head += block[:HEAD_BYTES]
        if b"\0" in block:
            self.nulls += block.count(b"\0")
            _note(self.null_lines, block.split(b"\n"), b"\0", self.feeds)
        self.size += len(block)
        self.feeds += block.count(b"\n")
        self.returns += block.count(b"\r")
        self.pairs += block.count(b"\r\n") + (self._last == b"\r" and block[:1] == b"\n")
        self.quotes += block.count(b'"')
        self.backslash_quotes += block.count(b'\\"')
        self._last = block[-1:]

    @property
    def lines(self) -> int:
        return self.feeds + (self._last != b"\n")

    @property
    def mixed_ends(self) -> bool:
        """Whether a line ends in a bare carriage return, or lines end in more than one way."""
        return self.returns > self.pairs or 0 < self.pairs < self.feeds

    def encoding(self) -> tuple[str, str]:
        for mark, name in _BYTE_ORDER_MARKS:
            if self.head.startswith(mark):
                return name, "it begins with a byte order mark"
        half = len(self.head) / 2
        for name, high, low in (("utf-16-le", 1, 0), ("utf-16-be", 0, 1)):
            if self.head[high::2].count(0) > MAX_NULL_SHARE * half > 10 * self.head[low::2].count(0):
                return name, "every second byte is zero"
        if self.nulls > MAX_NULL_SHARE * self.size:
            raise CannotOpen(self.path, "it holds binary data, not text")
        return self._single_byte() if self.invalid_utf8 else ("utf-8", "all bytes fit")

    def _single_byte(self) -> tuple[str, str]:
        fitting = unfit = lines = 0
        outside = False
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        for block in blocks(self.path):
            text = decoder.decode(block)
            bad = text.count("\ufffd")
            if bad:
                _note(self.undecodable_lines, text.split("\n"), "\ufffd", lines)
            lines += text.count("\n")
            unfit += bad
            fitting += len(text) - len(text.encode("ascii", "ignore")) - bad
            outside = outside or any(byte in block for byte in _NOT_IN_CP1252)
        if fitting > unfit:
            # Some bytes are broken, the rest is sound.
            return "utf-8", f"{fitting:,} characters beyond ASCII fit and {unfit:,} bytes do not"
        self.undecodable_lines.clear()
        if outside:
            return "latin-1", "its bytes are neither UTF-8 nor Windows-1252"
        return "cp1252", "its bytes are not UTF-8"


def _note(numbers: list[int], rows: Sequence[AnyStr], sign: AnyStr, before: int) -> None:
    """Add the numbers of the rows that hold a sign, as long as there are not too many."""
    found = [number for number, row in enumerate(rows, start=before + 1) if sign in row and number not in numbers[-1:]]
    numbers += found[: MAX_LINES_NOTED - len(numbers)]


def _rewritten(path: Path, encoding: str, scratch: Path) -> Path:
    copies = scratch / "text"
    copies.mkdir(exist_ok=True)
    target = copies / f"{sum(1 for _ in copies.iterdir())}.txt"
    decoder = codecs.getincrementaldecoder(encoding)("replace" if encoding == "utf-8" else "strict")
    held = ""
    try:
        with target.open("w", encoding="utf-8", newline="") as out:
            for block in blocks(path):
                text = held + decoder.decode(block)
                held = "\r" if text.endswith("\r") else ""
                out.write(text[: len(text) - len(held)].replace("\r\n", "\n").replace("\r", "\n"))
            out.write((held + decoder.decode(b"", final=True)).replace("\r", "\n"))
    except UnicodeError as error:
        raise CannotOpen(path, f"it cannot be decoded as {encoding}: {error}") from error
    return target
