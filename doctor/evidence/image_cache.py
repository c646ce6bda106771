"""Keeps what was measured of images in the user's cache folder, so that a second scan decodes only what is new.

Facts are kept by the hash of an image's bytes, and that hash by the place, size and times of its file, so that a file
that was not touched is not even read. Nothing is written beside the data; the cache is bounded, and where it cannot be
had, everything is measured anew.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import msgspec
import PIL

from doctor.subjects.images import ImageFile

FILE = "facts.sqlite"
LAYOUT = 3
"""Of the facts: a number to raise when they are measured in another way."""
MAX_BYTES = 1 << 30
"""Of the cache: about half a million images. The half that was used longest ago goes when it is full."""
MIN_FILES = 200
"""Fewer are measured in a moment, and not worth a trace in the user's home."""
_KEYS_AT_ONCE = 500
_AGE_SECONDS = 2
"""A file that was changed so shortly ago could be changed once more within one tick of its clock."""


def default_folder() -> Path:
    """Return the folder of the user's caches."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "doctor" / "images"


class ImageCache:
    """Rows of facts by the hash of the bytes, in one file; any number of processes and threads may use it.

    Parameters
    ----------
    kind : str
        Of the facts, where it is not the common ones.
    """

    def __init__(self, folder: Path, *, kind: str = "", max_bytes: int = MAX_BYTES) -> None:
        self._lock = threading.Lock()
        self._max_bytes = max_bytes
        self._kind = f"{LAYOUT}-{PIL.__version__}{kind}"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = folder / FILE
        self._base = sqlite3.connect(self._file, timeout=5, isolation_level=None, check_same_thread=False)
        self._base.execute("PRAGMA journal_mode = WAL")
        self._base.execute("PRAGMA synchronous = OFF")  # what is lost is measured again
        self._base.execute("CREATE TABLE IF NOT EXISTS facts (key TEXT PRIMARY KEY, row BLOB, used INTEGER)")
        self._base.execute("CREATE TABLE IF NOT EXISTS places (place TEXT PRIMARY KEY, key TEXT)")

    @classmethod
    def of(cls, files: int, folder: Path | None = None, *, kind: str = "") -> "ImageCache | None":
        """Open the cache, unless there are few files, or it cannot be had."""
        if files < MIN_FILES:
            return None
        place = folder or default_folder()
        for _ in range(2):
            try:
                return cls(place, kind=kind)
            except sqlite3.DatabaseError:  # torn, or somebody else's
                with suppress(OSError):
                    (place / FILE).unlink()
            except OSError:
                return None
        return None

    def close(self) -> None:
        """Make room where it is full, and let go of it."""
        with suppress(sqlite3.Error), closing(self._base):
            if self._file.stat().st_size > self._max_bytes:
                self._base.execute(
                    "DELETE FROM facts WHERE used <= (SELECT used FROM facts ORDER BY used LIMIT 1 "
                    "OFFSET (SELECT count(*) / 2 FROM facts))"
                )
                self._base.execute("DELETE FROM places WHERE key NOT IN (SELECT key FROM facts)")
                self._base.execute("VACUUM")

    def get(self, content: str) -> dict[str, Any] | None:
        """Return the row of a content, or None."""
        return self.known([content]).get(content)

    def known(self, contents: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return rows by content, of those that there are."""
        found: dict[str, dict[str, Any]] = {}
        with suppress(sqlite3.Error), self._lock:
            for some in _parts([self._key(content) for content in dict.fromkeys(contents)]):
                marks = ",".join("?" * len(some))
                for key, row in self._base.execute(f"SELECT key, row FROM facts WHERE key IN ({marks})", some):
                    with suppress(msgspec.DecodeError):
                        found[key.partition(" ")[0]] = msgspec.msgpack.decode(row, type=dict[str, Any])
        return found

    def untouched(self, places: Sequence[str]) -> list[dict[str, Any] | None]:
        """Return the row of each file that lies as it lay when it was measured."""
        keys: dict[str, str] = {}
        with suppress(sqlite3.Error), self._lock:
            for some in _parts([place for place in places if place]):
                marks = ",".join("?" * len(some))
                keys |= dict(self._base.execute(f"SELECT place, key FROM places WHERE place IN ({marks})", some))
        rows = self.known([key.partition(" ")[0] for key in keys.values() if key.endswith(self._kind)])
        self._touch(list(rows))
        return [rows.get(keys.get(place, "").partition(" ")[0]) for place in places]

    def put(self, rows: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Keep rows with the places of their files."""
        now = int(time.time())
        facts, places = [], []
        for place, row in rows:
            if row.get("content"):
                key = self._key(row["content"])
                facts.append((key, msgspec.msgpack.encode(dict(row)), now))
                places += [(place, key)] if place else []
        with suppress(sqlite3.Error), self._lock:
            self._base.execute("BEGIN")
            self._base.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?, ?)", facts)
            self._base.executemany("INSERT OR REPLACE INTO places VALUES (?, ?)", places)
            self._base.execute("COMMIT")

    def _touch(self, contents: Sequence[str]) -> None:
        now = int(time.time())
        with suppress(sqlite3.Error), self._lock:
            for some in _parts([self._key(content) for content in contents]):
                marks = ",".join("?" * len(some))
                self._base.execute(f"UPDATE facts SET used = ? WHERE key IN ({marks})", (now, *some))

    def _key(self, content: str) -> str:
        return f"{content} {self._kind}"


def places_of(files: Sequence[ImageFile]) -> list[str]:
    """Name each file by where it lies and how it lies there; empty where that is not certain to last."""
    now = time.time()
    stamps: dict[Path, str] = {}
    places = []
    for file in files:
        if file.path not in stamps:
            stamps[file.path] = _stamp(file.path, now)
        stamp = stamps[file.path]
        places.append(f"{stamp} {file.offset} {file.length} {file.row} {file.column}" if stamp else "")
    return places


def _stamp(path: Path, now: float) -> str:
    try:
        seen = path.stat()
        name = str(path.absolute()).encode("utf-8", "surrogateescape").hex()
    except (OSError, ValueError):
        return ""
    if now - max(seen.st_mtime, seen.st_ctime) < _AGE_SECONDS:
        return ""
    return f"{name} {seen.st_size} {seen.st_mtime_ns} {seen.st_ctime_ns} {seen.st_ino}"


def _parts(keys: Sequence[str]) -> Iterable[Sequence[str]]:
    return (keys[begin : begin + _KEYS_AT_ONCE] for begin in range(0, len(keys), _KEYS_AT_ONCE))
