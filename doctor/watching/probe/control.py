"""One page shared by the monitor and all probes of a machine, by which the monitor asks for something.

Each request is a counter (unsigned 64-bit) at a fixed place: a probe compares it with the value that it saw last.
"""

from __future__ import annotations

import mmap
import os
import struct

REQUESTS = ("pause", "resume", "stop", "checkpoint", "census", "stacks", "inspect")
"""`census` counts live objects by type, `inspect` asks for one instrumented step."""
_COUNTER = struct.Struct("=Q")
PAGE = 4096


class Control:
    """The page; made by whoever comes first. Where that is impossible, nothing is ever asked.

    Parameters
    ----------
    path : str
    """

    def __init__(self, path: str) -> None:
        self._map: mmap.mmap | None = None
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                if os.fstat(handle).st_size < PAGE:
                    os.ftruncate(handle, PAGE)
                self._map = mmap.mmap(handle, PAGE)
            finally:
                os.close(handle)
        except OSError:
            pass
        self._page = self._map[: 8 * len(REQUESTS)] if self._map is not None else b""
        self._seen = {name: self.count(name) for name in REQUESTS}

    def count(self, name: str) -> int:
        """Return how often something was asked for."""
        if self._map is None:
            return 0
        count: int = _COUNTER.unpack_from(self._map, 8 * REQUESTS.index(name))[0]
        return count

    def ask(self, name: str) -> None:
        """Ask for something."""
        if self._map is not None:
            _COUNTER.pack_into(self._map, 8 * REQUESTS.index(name), self.count(name) + 1)

    def fresh(self) -> list[str]:
        """Return what was asked for since the last look; costs next to nothing where that is nothing."""
        if self._map is None:
            return []
        page = self._map[: 8 * len(REQUESTS)]
        if page == self._page:
            return []
        self._page = page
        return [name for name in REQUESTS if self.asked(name)]

    def asked(self, name: str) -> bool:
        """Return whether something was asked for since the last look."""
        count = self.count(name)
        fresh = count != self._seen[name]
        self._seen[name] = count
        return fresh
