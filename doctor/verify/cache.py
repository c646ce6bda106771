"""Keeps the results of runs by what went into them, so that an interrupted verification goes on where it stopped.

A key is made of everything that decides a result: the bytes of the data, the recipe, the versions of `doctor` and of
the libraries that train. What is stored is checked on reading, so a torn or foreign file is only a result not yet had.
"""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

import msgspec

from doctor.version import VERSION

TRAINING_LIBRARIES = ("torch", "deepspeed")
_MARK = b"doctor-cache-1\n"
_DIGEST_BYTES = 16
_BLOCK_BYTES = 1 << 20


def default_folder() -> Path:
    """Return the folder of the user's caches, not one beside the data, so that data sets stay as they are."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "doctor" / "verify"


class Store(Protocol):
    """Keeps results by their key, as `Cache` does."""

    def get(self, key: str) -> bytes | None:
        """Return what was stored, or None."""

    def put(self, key: str, content: bytes) -> None:
        """Store it."""


class Cache:
    """Bytes by key in one folder.

    Parameters
    ----------
    folder : Path or None
        None keeps nothing.

    Attributes
    ----------
    trouble : str
        Why nothing could be kept, empty where all is well: a full disk costs time later, never the result in hand.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self.trouble = ""

    def get(self, key: str) -> bytes | None:
        """Return what was stored, or None where nothing whole is there."""
        if self._folder is None:
            return None
        try:
            stored = self._file(self._folder, key).read_bytes()
        except OSError:
            return None
        head = len(_MARK) + _DIGEST_BYTES
        content = stored[head:]
        return content if stored[:head] == _MARK + _digest(content) else None

    def put(self, key: str, content: bytes) -> None:
        """Store it whole or not at all; several processes may do so at once."""
        if self._folder is None or self.trouble:
            return
        place = self._file(self._folder, key)
        scratch: str | None = None
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            handle, scratch = tempfile.mkstemp(prefix=".part-", dir=place.parent)
            with os.fdopen(handle, "wb") as file:
                file.write(_MARK + _digest(content) + content)
            Path(scratch).replace(place)
        except OSError as error:
            self.trouble = f"{self._folder}: {error.strerror}; results are not kept"
        finally:
            if scratch is not None:
                with contextlib.suppress(OSError):
                    Path(scratch).unlink(missing_ok=True)

    @staticmethod
    def _file(folder: Path, key: str) -> Path:
        return folder / key[:2] / key


def key_of(parts: Mapping[str, Any]) -> str:
    """Name a result by what goes into it.

    Parameters
    ----------
    parts : mapping
        Anything that JSON can hold, msgspec structs included. Paths belong in it only where they decide the result;
        what lies there enters by `content_of`.
    """
    libraries = {name: _version(name) for name in TRAINING_LIBRARIES}
    text = msgspec.json.encode({"doctor": VERSION, "libraries": libraries, **parts}, order="sorted")
    return hashlib.blake2b(text, digest_size=20).hexdigest()


def content_of(path: Path) -> str:
    """Return a digest of a file, or of all files below a folder with their names relative to it.

    Raises
    ------
    OSError
        Where something cannot be read.
    """
    whole = hashlib.blake2b(digest_size=20)
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    for file in files:
        name = file.relative_to(path).as_posix() if path.is_dir() else ""
        one = hashlib.blake2b(digest_size=20)
        with file.open("rb") as stream:
            while block := stream.read(_BLOCK_BYTES):
                one.update(block)
        whole.update(len(name).to_bytes(4, "big") + name.encode("utf-8", "surrogateescape") + one.digest())
    return whole.hexdigest()


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
