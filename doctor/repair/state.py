"""What edits make of a table: which rows stay, in which split, which cells and columns change."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from msgspec import Struct

from doctor.subjects import sql
from doctor.subjects.table import Table

Array = np.ndarray[Any, Any]

MAX_EXAMPLES = 5


class Refused(Exception):
    """An edit that cannot be made on this table; its text says why."""


class Effect(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an edit changes.

    Attributes
    ----------
    rows : dict of str to int
        Rows that go, by split.
    files : dict of str to int
        Files that go, by split.
    moved : dict of str to int
        Rows that change their split, by "from → to".
    cells : dict of str to int
        Cells that get a value, by column.
    dropped, added : tuple of str
        Columns that go, and that come at the end.
    weights : dict of str to float
        What each class should weigh, where that is the alternative.
    examples : tuple of str
        The first rows that go or move, as `file:row`.
    note : str
        What else is to be known.
    joint : bool
        Whether it is done by an edit before, which tells the numbers.
    """

    rows: dict[str, int] = {}
    files: dict[str, int] = {}
    moved: dict[str, int] = {}
    cells: dict[str, int] = {}
    dropped: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    weights: dict[str, float] = {}
    examples: tuple[str, ...] = ()
    note: str = ""
    joint: bool = False

    @property
    def empty(self) -> bool:
        """Whether nothing changes."""
        return not (self.rows or self.files or self.moved or self.cells or self.dropped or self.added or self.joint)


@dataclass(frozen=True, kw_only=True)
class Donors:
    """Cells of one column that take the value that another row has there; `rows` ascend."""

    rows: Array
    donors: Array

    def by_row(self) -> dict[int, int]:
        """Return the donor of each row."""
        return dict(zip(self.rows.tolist(), self.donors.tolist(), strict=True))


@dataclass(frozen=True, kw_only=True)
class Written:
    """Cells of one column that take a new text, empty for "missing"; `rows` ascend, `codes` count into `texts`."""

    rows: Array
    codes: Array
    texts: tuple[str, ...]

    @classmethod
    def of(cls, texts: Mapping[int, str]) -> "Written":
        """Put the texts of rows in order."""
        rows = np.array(sorted(texts), dtype=np.int64)
        different = {text: code for code, text in enumerate(dict.fromkeys(texts.values()))}
        codes = np.array([different[texts[row]] for row in rows.tolist()], dtype=np.int64)
        return cls(rows=rows, codes=codes, texts=tuple(different))

    @property
    def emptied(self) -> Array:
        """The rows whose cells become empty."""
        blank = np.array([not text for text in self.texts], dtype=bool)
        return np.asarray(self.rows[blank[self.codes]])

    def chosen(self, which: Array | slice) -> "Written":
        """Return some of the cells."""
        return Written(rows=self.rows[which], codes=self.codes[which], texts=self.texts)

    def by_row(self) -> dict[int, str]:
        """Return the text of each row."""
        return {row: self.texts[code] for row, code in zip(self.rows.tolist(), self.codes.tolist(), strict=True)}


@dataclass(frozen=True, kw_only=True)
class Added:
    """A new column: for each row of the table the number of its label, -1 for none."""

    name: str
    codes: Array
    labels: tuple[str, ...]
    numeric: bool


@dataclass(kw_only=True)
class State:
    """A table on its way to the copy.

    Attributes
    ----------
    kept : ndarray of bool, shape (rows,)
        Which rows stay.
    split : ndarray of int16, shape (rows,)
        The number of each row's split, among `splits`.
    retyped : dict of str to str
        Columns of text that become "integer" or "number", where files keep types.
    resplit_by : str
        The column along which splits were drawn anew.
    """

    table: Table
    splits: tuple[str, ...]
    kept: Array
    split: Array
    origin: Array
    dropped: list[str] = field(default_factory=list)
    filled: dict[str, Donors] = field(default_factory=dict)
    written: dict[str, Written] = field(default_factory=dict)
    retyped: dict[str, str] = field(default_factory=dict)
    added: dict[str, Added] = field(default_factory=dict)
    resplit_by: str = ""

    @classmethod
    def of(cls, table: Table) -> "State":
        """Begin with the table as it is."""
        splits = tuple(table.splits)
        if len(splits) == 1:
            split = np.zeros(table.rows, dtype=np.int16)
        else:
            split = np.full(table.rows, -1, dtype=np.int16)
            cases = " ".join(f"WHEN {sql.quoted(name)} THEN {number}" for number, name in enumerate(splits))
            found = table.engine.arrays(
                f"SELECT {sql.ROW} AS number, (CASE {sql.SPLIT} {cases} END)::SMALLINT AS split "
                f"FROM {sql.name(table.relation)}"
            )
            split[np.asarray(found["number"])] = np.asarray(found["split"])
        return cls(table=table, splits=splits, kept=np.ones(table.rows, dtype=bool), split=split, origin=split.copy())

    def numbers(self, query: str) -> Array:
        """Return the row numbers that a query gives in its column `number`, ascending."""
        return np.sort(np.asarray(self.table.engine.arrays(query)["number"]).astype(np.int64))

    def values(self, expression: str) -> Array:
        """Return a number for each row of the table, in order; NULL is -1."""
        found = self.table.engine.arrays(
            f"SELECT {sql.ROW} AS number, {expression} AS value FROM {sql.name(self.table.relation)}"
        )
        values = found["value"]
        numbers = np.asarray(found["number"])
        filled = np.ma.filled(values, -1) if np.ma.is_masked(values) else np.ma.getdata(values)
        ordered = np.empty_like(filled)
        ordered[numbers] = filled
        return ordered

    def drop(self, rows: Array) -> Effect:
        """Take rows out, unless that leaves a split without any.

        Raises
        ------
        Refused
            When it does.
        """
        going = rows[self.kept[rows]]
        remaining = self.kept.copy()
        remaining[going] = False
        before, after = (np.bincount(self.split[kept], minlength=len(self.splits)) for kept in (self.kept, remaining))
        for name, had, has in zip(self.splits, before, after, strict=True):
            if had and not has:
                raise Refused(f"no row of {name} would remain" if len(self.splits) > 1 else "no row would remain")
        self.kept = remaining
        return Effect(rows=self._by_split(before - after), examples=self.places(going))

    def _by_split(self, counts: Array) -> dict[str, int]:
        return {name: int(count) for name, count in zip(self.splits, counts, strict=True) if count}

    def places(self, rows: Array) -> tuple[str, ...]:
        """Name the first of some rows."""
        return tuple(self._place(int(row)) for row in rows[:MAX_EXAMPLES])

    def _place(self, row: int) -> str:
        path, number = self.table.place(row)
        return f"{path.name}:{number}"

    def move(self, split: Array) -> Effect:
        """Give rows other splits."""
        moving = np.flatnonzero(self.kept & (split != self.split))
        moved: dict[str, int] = {}
        for source, target in self._pairs():
            count = int(np.count_nonzero((self.split[moving] == source) & (split[moving] == target)))
            if count:
                moved[f"{self.splits[source]} → {self.splits[target]}"] = count
        for number, name in enumerate(self.splits):
            if np.any(self.split[self.kept] == number) and not np.any(split[self.kept] == number):
                raise Refused(f"no row of {name} would remain")
        self.split = np.where(self.kept, split, self.split)
        return Effect(moved=moved, examples=self.places(moving))

    def _pairs(self) -> Iterator[tuple[int, int]]:
        every = range(len(self.splits))
        return ((source, target) for source in every for target in every if source != target)

    @property
    def sizes(self) -> Array:
        """Rows that stay, per split."""
        return np.bincount(self.split[self.kept], minlength=len(self.splits))

    @property
    def training(self) -> Array:
        """Which rows stay and are trained on: those of train, or all where there is no such split."""
        if "train" not in self.splits:
            return self.kept
        return np.asarray(self.kept & (self.split == self.splits.index("train")))
