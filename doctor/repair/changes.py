"""What is to be written where: the file of every row, the cells that change, the columns that go and come."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from doctor.errors import DoctorError
from doctor.repair.state import Added, Array, Donors, State, Written
from doctor.subjects import sql
from doctor.subjects.table import Column, Kind, Part, Table

ROWS_COMPARED = 200
COLUMNS_COMPARED = 12
GONE = -1
"""Stands for the file of a row that is not written."""


class Unsure(DoctorError):
    """The rows of a file are not found again as they were read, so it is not touched."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}; nothing was written")


@dataclass(frozen=True, kw_only=True)
class Changes:
    """The changes of one table.

    Attributes
    ----------
    home : ndarray of int32, shape (rows,)
        The number of the part to which a row goes, or `GONE`.
    filled : dict of str to Donors
        Cells that take another row's value, by column.
    written : dict of str to Written
        Cells that take a new text, by column; where one is filled too, that counts.
    retyped : dict of str to str
        Columns of text, in lower case, that become "integer" or "number" where files keep types.
    """

    table: Table
    home: Array
    dropped: frozenset[str]
    added: tuple[Added, ...]
    filled: Mapping[str, Donors]
    written: Mapping[str, Written]
    retyped: Mapping[str, str]

    @classmethod
    def of(cls, state: State) -> "Changes":
        """Work out the file of each row; a row that changes its split goes to the last file of its new one."""
        parts = state.table.parts
        home = np.empty(state.table.rows, dtype=np.int32)
        for number, part in enumerate(parts):
            home[part.first_row : part.first_row + part.rows] = number
        filled = dict(state.filled)
        moved = np.flatnonzero(state.kept & (state.split != state.origin))
        if len(moved) and state.table.split_column:
            filled[state.table.split_column] = _new_splits(state, moved)
        elif len(moved):
            last = {part.split: number for number, part in enumerate(parts)}
            homes = np.array([last[name] for name in state.splits], dtype=np.int32)
            home[moved] = homes[state.split[moved]]
        home[~state.kept] = GONE
        return cls(
            table=state.table,
            home=home,
            dropped=frozenset(name.lower() for name in state.dropped),
            added=tuple(added for name, added in state.added.items() if name not in state.dropped),
            filled={name: _kept(donors, state.kept) for name, donors in filled.items() if name not in state.dropped},
            written={
                name: written.chosen(state.kept[written.rows])
                for name, written in state.written.items()
                if name not in state.dropped
            },
            retyped={name.lower(): kind for name, kind in state.retyped.items() if name not in state.dropped},
        )

    @property
    def columns_change(self) -> bool:
        """Whether columns go or come."""
        return bool(self.dropped or self.added)

    @property
    def schema_changes(self) -> bool:
        """Whether columns go, come or change their type."""
        return self.columns_change or bool(self.retyped)

    @cached_property
    def touched(self) -> frozenset[int]:
        """The numbers of the parts that are not copied as they are."""
        parts = self.table.parts
        if self.schema_changes:
            return frozenset(range(len(parts)))
        touched = set()
        changed = [donors.rows for donors in self.filled.values()]
        changed += [written.rows for written in self.written.values()]
        for number, part in enumerate(parts):
            own = self.home[part.first_row : part.first_row + part.rows]
            begin, end = part.first_row, part.first_row + part.rows
            if np.any(own != number):
                touched.add(number)
            if any(np.searchsorted(rows, end) > np.searchsorted(rows, begin) for rows in changed):
                touched.add(number)
            touched.update(int(other) for other in np.unique(own) if other not in (number, GONE))
        return frozenset(touched)

    @cached_property
    def bundles(self) -> tuple[tuple[int, ...], ...]:
        """The touched parts, those together that exchange rows."""
        exchanging = set()
        for number in self.touched:
            part = self.table.parts[number]
            own = np.unique(self.home[part.first_row : part.first_row + part.rows])
            others = {int(other) for other in own if other not in (number, GONE)}
            exchanging |= others | ({number} if others else set())
        alone = [(number,) for number in sorted(self.touched - exchanging)]
        return (tuple(sorted(exchanging)), *alone) if exchanging else tuple(alone)

    def homes(self, part: Part) -> list[int]:
        """Return the part to which each row of a part goes."""
        found: list[int] = self.home[part.first_row : part.first_row + part.rows].tolist()
        return found

    def cells(self, part: Part) -> dict[str, Donors]:
        """Return the changed cells of a part, by column in lower case; rows are counted from 0 in the part."""
        begin, end = part.first_row, part.first_row + part.rows
        found = {}
        for name, donors in self.filled.items():
            first, last = np.searchsorted(donors.rows, (begin, end))
            if last > first:
                found[name.lower()] = Donors(rows=donors.rows[first:last] - begin, donors=donors.donors[first:last])
        return found

    def texts(self, part: Part) -> dict[str, dict[int, str]]:
        """Return the new texts of a part's cells, by column in lower case and by row from 0 in the part."""
        begin, end = part.first_row, part.first_row + part.rows
        found = {}
        for name, written in self.written.items():
            first, last = np.searchsorted(written.rows, (begin, end))
            if last > first:
                own = written.chosen(slice(first, last)).by_row()
                found[name.lower()] = {row - begin: text for row, text in own.items()}
        return found

    def donors(self, part: Part) -> dict[str, set[int]]:
        """Return the rows of a part, from 0 in it, whose cells are given to others, by column in lower case."""
        begin, end = part.first_row, part.first_row + part.rows
        found = {}
        for name, donors in self.filled.items():
            unique = np.unique(donors.donors)
            own = unique[(unique >= begin) & (unique < end)] - begin
            if len(own):
                found[name.lower()] = set(own.tolist())
        return found


def _kept(donors: Donors, kept: Array) -> Donors:
    chosen = kept[donors.rows]
    return Donors(rows=donors.rows[chosen], donors=donors.donors[chosen])


def _new_splits(state: State, moved: Array) -> Donors:
    """Take the word for a split from a row that has it."""
    first = np.array([int(np.flatnonzero(state.origin == number)[0]) for number in range(len(state.splits))])
    return Donors(rows=moved, donors=first[state.split[moved]])


@dataclass(frozen=True, kw_only=True)
class Known:
    """Some values of a part as the engine read them, to see that its rows are found again.

    Attributes
    ----------
    rows : dict of int to tuple
        The values of `columns` by row from 0 in the part.
    """

    columns: tuple[Column, ...]
    rows: Mapping[int, tuple[Any, ...]]

    @classmethod
    def of(cls, table: Table, part: Part) -> "Known":
        """Ask for rows spread over the part, its first and last among them."""
        columns = [column for column in table.columns if column.kind in (Kind.INTEGER, Kind.NUMBER, Kind.TEXT)]
        columns = columns[:COLUMNS_COMPARED]
        wanted = np.unique(np.linspace(0, max(0, part.rows - 1), ROWS_COMPARED).astype(int))
        if not columns or not part.rows:
            return cls(columns=(), rows={})
        listed = ", ".join(str(part.first_row + number) for number in wanted)
        names = ", ".join(sql.name(column.name) for column in columns)
        answer = table.engine.rows(
            f"SELECT {sql.ROW}, {names} FROM {sql.name(table.relation)} WHERE {sql.ROW} IN ({listed})"
        )
        return cls(columns=tuple(columns), rows={row - part.first_row: tuple(values) for row, *values in answer})
