"""Two sides beside each other, and what keeps their rows from being independent: entities, stretches of time."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from doctor.evidence.binning import Bins, binned
from doctor.evidence.chronology import Chronology, sampled_times
from doctor.evidence.divergences import design_effect
from doctor.evidence.keys import Key, Keys
from doctor.evidence.sample import numbered
from doctor.evidence.sides import Side, both
from doctor.subjects.table import Table

Array = np.ndarray[Any, Any]

STRETCHES = 10
"""Stretches of time into which rows are cut, where splits are cut in time."""
MAX_ASTRAY = 0.05
"""Share of each side's rows that may be on the wrong side of a cut in time."""
MAX_SHARED_ENTITIES = 0.5
"""Splits that share more entities than this are not cut by entity, and then rows may be taken as drawn one by one."""
MIN_REPEATED = 1.1
MAX_KEYS = 2


class Setting(Struct, frozen=True, kw_only=True):
    """Two sides as arrays, the earlier first, with what keeps their rows from being independent."""

    pair: tuple[Side, Side]
    late: Array
    clusters: tuple[Array, ...] = ()
    cut_in_time: str | None = None
    cut_by_entity: str | None = None
    entity_pattern: str = ""
    when: Array | None = None
    unit: float = 1.0
    """Rows per entity, where splits are cut by entity."""

    def binned(self, name: str) -> Bins:
        """Put a column of both sides into bins."""
        return binned(both(self.pair, name), self.late, self.unit)

    def effect(self, bins: Bins) -> float:
        """Return how many rows tell as much of a column as one independent row, at least 1."""
        known = bins.codes >= 0
        side = self.late[known].astype(int)
        found = (design_effect(bins.codes[known], units[known], side, len(bins.names)) for units in self.clusters)
        return max(found, default=1.0)

    @classmethod
    def plain(cls, pair: tuple[Side, Side]) -> "Setting":
        """Take the rows of two sides for independent."""
        return cls(pair=pair, late=np.repeat([False, True], [side.drawn for side in pair]))


def setting_of(table: Table, pair: tuple[Side, Side], keys: Keys, chronology: Chronology | None) -> Setting:
    """Find out along what two splits are cut."""
    cut, when = _times(table, pair, chronology)
    return arranged(pair, keys.entities, cut, when)


def arranged(
    pair: tuple[Side, Side], entities: Sequence[Key] = (), cut: str | None = None, when: Array | None = None
) -> Setting:
    """Set two sides beside each other, with the entities and stretches of time to which their rows belong.

    Parameters
    ----------
    pair : tuple of Side
        The earlier and the later one.
    entities : sequence of Key
        Ways to tell to which entity a row belongs; the first along which the sides are cut counts.
    cut : str, optional
        The time column along which they are cut.
    when : ndarray of float64, shape (n,), optional
        Its values.
    """
    late = np.repeat([False, True], [side.drawn for side in pair])
    key, groups = _entities(pair, late, entities)
    stretches = _cut(when, late) if when is not None else None
    clusters = tuple(found for found in (stretches, groups) if found is not None)
    return Setting(
        pair=pair,
        late=late,
        clusters=clusters,
        cut_in_time=cut,
        cut_by_entity=key.column if key else None,
        entity_pattern=key.pattern if key else "",
        when=when,
        unit=len(late) / len(np.unique(groups)) if groups is not None else 1.0,
    )


def _times(table: Table, pair: tuple[Side, Side], chronology: Chronology | None) -> tuple[str | None, Array | None]:
    """Return the column along which splits follow each other in time, and its values."""
    for axis in chronology.axes if chronology else ():
        when = np.concatenate([sampled_times(table, axis.column, axis.form, side.columns) for side in pair])
        first, second = when[: pair[0].drawn], when[pair[0].drawn :]
        if np.isnan(first).all() or np.isnan(second).all():
            continue
        if _follows(first, second) or _follows(second, first):
            return axis.column, when
    return None, None


def _follows(one: Array, other: Array) -> bool:
    """Whether nearly all times of the other side are later than nearly all of the one."""
    last, first = np.nanquantile(one, 1 - MAX_ASTRAY), np.nanquantile(other, MAX_ASTRAY)
    return bool(last <= first)


def _cut(when: Array, late: Array) -> Array:
    """Number stretches of time of equal rows, none on both sides, at most as long as the shorter side is."""
    length = max(1, min(-(-len(when) // STRETCHES), int(late.sum()), int((~late).sum())))
    stretch = np.zeros(len(when), dtype=np.int64)
    first = 0
    for side in (~late, late):
        rows = np.flatnonzero(side)
        order = rows[np.argsort(when[rows], kind="stable")]
        stretch[order] = first + np.arange(len(order)) // length
        first = int(stretch[order].max()) + 1
    return stretch


def _entities(pair: tuple[Side, Side], late: Array, entities: Sequence[Key]) -> tuple[Key | None, Array | None]:
    """Number the entities of splits of which each has its own, each on each side by itself."""
    for key in entities[:MAX_KEYS]:
        values = _owner(pair, key)
        if values is None:
            continue
        owner = numbered(values)[0]
        owner = np.where(owner < 0, owner.max() + 1 + np.arange(len(owner)), owner)
        first, second = np.unique(owner[~late]), np.unique(owner[late])
        shared = len(np.intersect1d(first, second))
        apart = shared <= MAX_SHARED_ENTITIES * min(len(first), len(second))
        if apart and len(owner) >= MIN_REPEATED * (len(first) + len(second)):
            return key, np.unique(2 * owner + late, return_inverse=True)[1]
    return None, None


def _owner(pair: tuple[Side, Side], key: Key) -> Array | None:
    """Return the name of each row's entity."""
    if any(key.column not in side.columns for side in pair):
        return None
    values = both(pair, key.column)
    if values.dtype != object:
        return np.array([None if value != value else value for value in values.tolist()], dtype=object)
    if not key.pattern:
        return values
    form = re.compile(key.pattern)
    found = (form.search(value) if value is not None else None for value in values)
    return np.array([match.group(1) if match else None for match in found], dtype=object)
