"""The kinds of small pictures that evidence is drawn as: numbers, positions in per cent of the width, and words."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A bound, drawn as a line across; `at` in per cent."""

    at: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """A bar or a whisker: `begin` to `end`, and for a whisker the estimate at `middle`, all in per cent.

    `beyond` it lies where it should not; `told` it is the one that the finding is about. Where there are `heights`, in
    per cent, each is that of an equal part of the whole width.
    """

    label: str
    begin: float
    end: float
    text: str
    beyond: bool = False
    told: bool = False
    middle: float | None = None
    heights: Sequence[float] = ()


@dataclass(frozen=True, kw_only=True)
class Band:
    """A stretch of the scale that is shaded behind all rows, in per cent, and what it is."""

    begin: float
    end: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Bars, whiskers or stretches of time on one scale."""

    caption: str
    rows: Sequence[Row]
    marks: Sequence[Mark] = ()
    band: Band | None = None
    more: int = 0
    scale: str = ""
    kind: str = "rows"
    weight: int = 3
    """Pictures of less weight come first."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A number in a heat map; `level` from 0 (pale) to 5, `own` on the diagonal of what is compared with itself."""

    text: str
    level: int
    own: bool = False


@dataclass(frozen=True, kw_only=True)
class Heat:
    """Numbers by row and column."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell]]]
    more: int = 0
    kind: str = "heat"
    weight: int = 2


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a whole: where it lies in per cent of the width; `asked` where it found no room."""

    label: str
    begin: float
    width: float
    text: str
    asked: bool = False


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a whole is made of, in one bar, the largest part first."""

    caption: str
    parts: Sequence[Part]
    marks: Sequence[Mark] = ()
    sentence: str
    kind: str = "parts"
    weight: int = 0


@dataclass(frozen=True, kw_only=True)
class Moved:
    """A share before and after, in per cent of the width; `told` where it is the one that the finding names."""

    label: str
    before: float
    after: float
    text: str
    told: bool = False


@dataclass(frozen=True, kw_only=True)
class Shift:
    """Shares of one distribution beside those of another."""

    caption: str
    rows: Sequence[Moved]
    before: str
    after: str
    scale: str
    more: int = 0
    kind: str = "shift"
    weight: int = 0


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Where some stand: who, what they do, and the lines that led there, the innermost last."""

    who: str
    doing: str
    frames: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Stacks:
    """Stacks of calls, those that are alike as one."""

    caption: str
    stacks: Sequence[Stack]
    kind: str = "stacks"
    weight: int = 0


Picture = Rows | Heat | Parts | Shift | Stacks
