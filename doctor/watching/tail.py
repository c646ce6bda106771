"""Reads the newest of a recording without reading all of it: its state and its last records."""

import json
import math
import mmap
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from doctor.subjects.ring_file import FORMAT, MAGIC, MAX_HEADER_BYTES

MAX_PROCESS_EVENT_BYTES = 65_536


class Tail:
    """The newest of one ring file, which may still be written.

    Parameters
    ----------
    path : Path

    Raises
    ------
    OSError
        When it cannot be opened.
    ValueError
        When it is no ring, or not ready yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if self._map[: len(MAGIC)] != MAGIC:
            raise ValueError("no recording")
        (length,) = struct.unpack_from("<I", self._map, len(MAGIC))
        if length > MAX_HEADER_BYTES:
            raise ValueError("a damaged recording")
        header = json.loads(self._map[len(MAGIC) + 4 : len(MAGIC) + 4 + length])
        if header["format"] > FORMAT:
            raise ValueError("written by a newer doctor")
        self.about: Mapping[str, Any] = header["about"]
        order = "<" if header["byteorder"] == "little" else ">"
        self._fields, self._masks, self._mask_bits = header["fields"], header["masks"], header["mask_bits"]
        self._states = header["state_fields"]
        self._state = struct.Struct(f"{order}{len(self._states)}d")
        self._row = struct.Struct(f"{order}{2 + self._masks + len(self._fields)}d")
        self._recent, self._at = header["recent"], header["data"]

    def state(self) -> dict[str, float]:
        """Return what counts now."""
        return dict(zip(self._states, self._state.unpack_from(self._map, self._at), strict=True))

    def record(self, number: int) -> dict[str, float]:
        """Return the fields given in record `number`; empty where it is not among the recent ones."""
        if number < 1:
            return {}
        row = self._row.unpack_from(self._map, self._at + self._state.size + self._row.size * (number % self._recent))
        if row[0] != number or row[-1] != number:
            return {}
        return {
            name: row[1 + self._masks + place]
            for place, name in enumerate(self._fields)
            if int(row[1 + place // self._mask_bits]) >> place % self._mask_bits & 1
        }

    def latest(self, count: int) -> list[dict[str, float]]:
        """Return the last records, oldest first."""
        now = self.state().get("step", 0.0)
        last = int(now) if math.isfinite(now) else 0
        records = (self.record(number) for number in range(max(1, last - count), last + 1))
        return [record for record in records if record]

    @property
    def phase(self) -> str:
        """What the process is doing; empty where nobody knows."""
        phases, place = self.about.get("phases", ()), int(self.state().get("phase", -1))
        return phases[place] if 0 <= place < len(phases) else ""

    def close(self) -> None:
        """Let go of the file."""
        self._map.close()

    def process_facts(self) -> dict[str, Any]:
        """Return what the process said of itself when it began."""
        path = self.path.with_name(self.path.name.removesuffix("steps.ring") + "events.jsonl")
        try:
            with path.open("rb") as file:
                lines = file.read(MAX_PROCESS_EVENT_BYTES).split(b"\n")
        except OSError:
            return {}
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict) and event.get("kind") == "process":
                facts: dict[str, Any] = event.get("facts") or {}
                return facts
        return {}


class Tails:
    """The recordings of all processes of this machine, found as they come.

    Parameters
    ----------
    folder : Path
    host : str or None
        Only processes of this host; all where it is None.
    """

    def __init__(self, folder: Path, host: str | None = None) -> None:
        self._folder, self._host = folder, host
        self._known: dict[str, Tail | None] = {}

    def find(self) -> list[Tail]:
        """Return those there are, by rank, then by process id."""
        for path in self._folder.glob("*.steps.ring"):
            if self._known.get(path.name) is None:
                try:
                    self._known[path.name] = Tail(path)
                except (OSError, ValueError, KeyError):
                    self._known[path.name] = None
        tails = [tail for tail in self._known.values() if tail is not None]
        ours = [tail for tail in tails if self._host in (None, tail.about.get("host"))]
        return sorted(ours, key=lambda tail: (int(tail.about.get("rank", 0)), int(tail.about.get("pid", 0))))
