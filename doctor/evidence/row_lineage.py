"""Where rows come from, which fits shaped them, and which of these fits saw more rows than they may."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache
from itertools import groupby

from msgspec import Struct

from doctor.evidence.fitted_tools import Family
from doctor.subjects.source import Place


class Origin(StrEnum):
    """How a set of rows came about."""

    SOURCE = "source"
    PART = "part"
    """What a function that divides rows gave."""
    PIECE = "piece"
    """Some rows, chosen by a slice, a condition or numbers."""
    JOINED = "joined"


class Role(StrEnum):
    """Which side of a split rows are on."""

    TRAIN = "train"
    TEST = "test"


@dataclass(eq=False)
class Rows:
    """A set of rows, known by where it was taken from.

    Attributes
    ----------
    parents : frozenset of Rows
        What it was taken from, or joined of.
    selector : str
        Of a piece: how its rows were chosen, as it stands in the code.
    role : Role or None
        Told by the name it was given or by what is done with it.
    named : bool
        Whether it was given a name, after which no other name counts.
    """

    parents: frozenset["Rows"] = frozenset()
    origin: Origin = Origin.SOURCE
    selector: str = ""
    role: Role | None = None
    named: bool = False
    split: "Split | None" = None

    def lineage(self) -> Iterator["Rows"]:
        """Yield it and all that it was taken from; what it was joined of is not meant."""
        seen = {self}
        waiting = [self]
        while waiting:
            rows = waiting.pop()
            yield rows
            if rows.origin is not Origin.JOINED:
                waiting += [parent for parent in rows.parents if parent not in seen]
                seen |= rows.parents

    def members(self) -> Iterator["Rows"]:
        """Yield what it was joined of, itself where it was not."""
        if self.origin is not Origin.JOINED:
            yield self
        else:
            for parent in self.parents:
                yield from parent.members()


class Spot(Struct, frozen=True, kw_only=True):
    """A place in the code with the column of its first character, from 1."""

    at: Place
    character: int


@dataclass(eq=False, frozen=True)
class Fit:
    """A tool was fitted on rows.

    Attributes
    ----------
    tool : str
        As it is called in its library, or the formula as it stands in the code.
    """

    tool: str
    family: Family
    rows: frozenset[Rows]
    spot: Spot


@dataclass(eq=False, frozen=True)
class Split:
    """Rows were divided.

    Attributes
    ----------
    fits : frozenset of Fit
        What had shaped the rows before.
    """

    rows: frozenset[Rows]
    fits: frozenset[Fit]
    call: str
    spot: Spot


@dataclass(eq=False, frozen=True)
class Piece:
    """Some of the rows were taken, after `fits` had shaped them."""

    rows: Rows
    fits: frozenset[Fit]
    spot: Spot


@dataclass(eq=False, frozen=True)
class Summary:
    """A number made of all rows of a column, such as its mean."""

    word: str
    rows: frozenset[Rows]


@dataclass(frozen=True)
class Value:
    """What is known of a value: which rows it holds, what shaped them, and what kind of thing it is."""

    rows: frozenset[Rows] = frozenset()
    fits: frozenset[Fit] = frozenset()
    summaries: frozenset[Summary] = frozenset()
    thing: object = None

    def joined(self, other: "Value") -> "Value":
        """Return what is either of two values, or made of both."""
        if other is self or other == NOTHING:
            return self
        if self == NOTHING:
            return other
        return Value(
            rows=self.rows | other.rows,
            fits=self.fits | other.fits,
            summaries=self.summaries | other.summaries,
            thing=self.thing if self.thing is not None else other.thing,
        )

    def plain(self) -> "Value":
        """Return the data in it, without the kind of thing it is."""
        return replace(self, thing=None) if self.thing is not None else self


NOTHING = Value()


def union(values: Iterable[Value]) -> Value:
    """Join values."""
    whole = NOTHING
    for value in values:
        whole = whole.joined(value)
    return whole


@dataclass(kw_only=True)
class Ledger:
    """What happened in one flow of the program, in its order."""

    splits: list[Split] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    uses: list[tuple[Fit, frozenset[Rows]]] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Leak:
    """A fit that saw rows which a split sets apart afterwards.

    Attributes
    ----------
    nested : bool
        Whether the rows were themselves the training part of an earlier split.
    before : bool
        Whether the fit came first; else the rows had been divided already, and all were fitted on all the same.
    """

    fit: Fit
    split: Split
    nested: bool
    before: bool


_WORD = re.compile(r"[a-z]+|[A-Z]+(?![a-z])|[A-Z][a-z]+")
_TRAIN = {"train", "training", "trn", "tr", "trainset"}
_TEST = {"test", "testing", "tst", "te", "val", "valid", "validation", "dev", "eval", "holdout", "testset", "oos"}


@cache
def role_of(name: str) -> Role | None:
    """Tell the side of a split from a name."""
    found = {word.lower() for word in _WORD.findall(name)}
    train = bool(found & _TRAIN) or name.lower().endswith(("train", "train_x", "train_y"))
    test = bool(found & _TEST) or name.lower().endswith(("xtest", "ytest", "xval", "yval"))
    return None if train == test else Role.TRAIN if train else Role.TEST


def leaks(ledger: Ledger) -> Iterator[Leak]:
    """Yield each fit with the first split whose sides it saw both."""
    splits = [*ledger.splits, *_splits_by_name(ledger.pieces)]
    told: set[Fit] = set()
    for split in splits:
        for fit in sorted(split.fits, key=_order):
            if fit not in told and _saw(fit, split.rows):
                told.add(fit)
                yield Leak(fit=fit, split=split, nested=_nested(fit), before=True)
    for fit, rows in ledger.uses:
        if fit not in told and fit.family is not Family.COPIES and (found := _divided_since(fit, rows)):
            told.add(fit)
            yield Leak(fit=fit, split=found, nested=_nested(fit), before=_order(fit) < _place(found.spot))


def _order(fit: Fit) -> tuple[object, ...]:
    return _place(fit.spot)


def _place(spot: Spot) -> tuple[str, int, int, int]:
    return (spot.at.path, spot.at.cell or 0, spot.at.line, spot.character)


def _saw(fit: Fit, rows: Iterable[Rows]) -> bool:
    """Whether a fit saw all of these rows; copies are wherever they are put."""
    if fit.family is Family.COPIES:
        return True
    return any(older in fit.rows for one in rows for older in one.lineage())


def _nested(fit: Fit) -> bool:
    return any(
        older.origin is Origin.PART or (older.origin in (Origin.PIECE, Origin.SOURCE) and older.role is not None)
        for rows in fit.rows
        for older in rows.lineage()
    )


def _splits_by_name(pieces: Iterable[Piece]) -> Iterator[Split]:
    """Take two pieces of the same rows for a split where one is called or used as train, the other as test."""

    def parents(piece: Piece) -> tuple[int, ...]:
        return tuple(sorted(map(id, piece.rows.parents)))

    for _, found in groupby(sorted(pieces, key=parents), key=parents):
        group = list(found)
        for train in group:
            others = [
                piece for piece in group if piece.rows.role is Role.TEST and piece.rows.selector != train.rows.selector
            ]
            if train.rows.role is not Role.TRAIN or not others:
                continue
            split = Split(
                rows=train.rows.parents,
                fits=train.fits & others[0].fits,
                call=f"[{train.rows.selector}]",
                spot=min(train.spot, others[0].spot, key=_place),
            )
            train.rows.split = others[0].rows.split = split
            yield split


def _divided_since(fit: Fit, rows: Iterable[Rows]) -> Split | None:
    """Return the split that the rows went through between the fit's rows and where the fitted tool is used."""
    for one in rows:
        for part in one.lineage():
            if part.split is None or part.role is Role.TEST:
                continue
            if _saw(fit, part.parents):
                return part.split
            sides = {member for whole in fit.rows if whole.origin is Origin.JOINED for member in whole.members()}
            others = {side for side in sides if side is not part and side.split is part.split}
            if part in sides and any(side.role is Role.TEST for side in others):
                return part.split
    return None
