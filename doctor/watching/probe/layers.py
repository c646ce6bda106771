"""Writes one quantity per parameter tensor and step, or per module where there are very many tensors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from .ring import Ring

if TYPE_CHECKING:
    from .session import Session

MAX_LAYERS = 512
MAX_FILE_BYTES = 8_000_000
MAX_RECORDS = 4096


class LayerRing:
    """A ring with a field per layer, made when the first values come.

    Parameters
    ----------
    session : Session
    names : dict of int to str
        Of the parameters (or modules) by id; may grow until the first values come.
    quantity : str
        Makes the file's name: `<process>.<quantity>.ring`.
    """

    def __init__(self, session: Session, names: Mapping[int, str], quantity: str) -> None:
        self._session, self._names, self._quantity = session, names, quantity
        self._ring: Ring | None = None
        self._places: dict[str, int] = {}
        self._group = False

    def write(self, number: int, keys: Sequence[int], values: Sequence[float]) -> None:
        """Write the values of the parameters whose ids are `keys`."""
        if self._ring is None:
            self._open()
        names = self._names
        row: list[float | None] = [None] * len(self._places)
        for key, value in zip(keys, values):
            name = names.get(key)
            place = None if name is None else self._places.get(grouped(name) if self._group else name)
            if place is None:
                continue
            before = row[place] if self._group else None
            row[place] = value if before is None else math.hypot(before, value)
        if self._ring is not None:
            self._ring.write_all(number, row)

    def _open(self) -> None:
        names = list(dict.fromkeys(self._names.values()))
        self._group = len(names) > MAX_LAYERS
        if self._group:
            names = list(dict.fromkeys(map(grouped, names)))[:MAX_LAYERS]
        self._places = {name: place for place, name in enumerate(names)}
        rows = min(MAX_RECORDS, MAX_FILE_BYTES // (8 * (len(names) + 3)))
        self._ring = Ring(
            self._session.path(self._quantity + ".ring"),
            ["p%d" % place for place in range(len(names))],
            recent=rows // 2,
            thinned=rows // 4 * 2,
            about={"rank": self._session.rank, "names": names, "grouped": self._group},
        )


def grouped(name: str) -> str:
    """Return the module of a parameter."""
    return name.rpartition(".")[0] or name
