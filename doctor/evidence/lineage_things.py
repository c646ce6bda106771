"""The kinds of thing that a value in a followed program can be."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from doctor.evidence.fitted_tools import Family
from doctor.evidence.project import Function, Module
from doctor.evidence.row_lineage import NOTHING, Role, Value


@dataclass(eq=False, kw_only=True)
class Frame:
    """Where names are looked up: a module, or one call of a function.

    Attributes
    ----------
    outer : Frame or None
        Where names that are unknown here are looked up.
    stack : tuple of Function
        The functions being called, outermost first.
    """

    module: Module
    outer: "Frame | None" = None
    stack: tuple[Function, ...] = ()


@dataclass(frozen=True)
class Known:
    """Something imported from a library, or built in, by its full name."""

    dotted: str


@dataclass(eq=False, frozen=True)
class Definition:
    """A function or class in view, with the object that it is a method of."""

    module: Module
    node: Function | ast.ClassDef
    outer: Frame | None = None
    instance: "Instance | None" = None


@dataclass(eq=False, frozen=True)
class Anonymous:
    """A lambda."""

    node: ast.Lambda
    frame: Frame


@dataclass(eq=False, frozen=True)
class Bound:
    """An attribute of a value, which may be a method; `expression` is that value as it stands in the code."""

    receiver: Value
    name: str
    expression: ast.expr


@dataclass(eq=False, frozen=True)
class Tool:
    """An object with `fit`, known by what it learns; a pipeline is one that may end in a model."""

    name: str
    family: Family
    ends_in_model: bool = False


@dataclass(eq=False, frozen=True)
class Instance:
    """An object of a class in view."""

    module: Module
    cls: ast.ClassDef


@dataclass(frozen=True)
class Splitter:
    """An object whose `split` gives folds."""


@dataclass(frozen=True)
class Search:
    """An object whose `fit` scores on folds."""

    name: str


@dataclass(eq=False, frozen=True)
class Folds:
    """What the `split` of a splitter gives, or pairs of a number and such."""


@dataclass(frozen=True)
class Fold:
    """The numbers of the rows on one side of a fold."""

    role: Role


@dataclass(eq=False, frozen=True)
class Counted:
    """What `enumerate` gives."""

    inner: Value


@dataclass(frozen=True)
class Grouped:
    """Rows in groups or windows: what is computed of them is not of all rows."""


@dataclass(eq=False, frozen=True)
class Items:
    """A tuple, list or dictionary written out; `keys` where it is a dictionary."""

    values: tuple[Value, ...]
    keys: tuple[object, ...] = ()


@dataclass(frozen=True)
class Text:
    """A constant, or a list of them: the name of a column and the like."""


@dataclass(kw_only=True)
class Arguments:
    """What a call is given."""

    values: list[Value] = field(default_factory=list)
    named: dict[str, Value] = field(default_factory=dict)

    def all(self) -> list[Value]:
        """Return all of it."""
        return [*self.values, *self.named.values()]

    def first(self, *names: str) -> Value:
        """Return the first argument, by its place or one of its names."""
        for name in names:
            if name in self.named:
                return self.named[name]
        return self.values[0] if self.values else Value()


Key = tuple[object, str]
"""A name in a frame, or an attribute of an object."""


class State:
    """What names and attributes stand for, with a way back for what happens in a branch."""

    def __init__(self, values: dict[Key, Value] | None = None) -> None:
        self._values = dict(values or {})
        self._before: list[dict[Key, Value | None]] = []

    def __getitem__(self, key: Key) -> Value:
        return self._values[key]

    def __contains__(self, key: Key) -> bool:
        return key in self._values

    def __setitem__(self, key: Key, value: Value) -> None:
        if self._before:
            self._before[-1].setdefault(key, self._values.get(key))
        self._values[key] = value

    def get(self, key: Key, default: Value = NOTHING) -> Value:
        """Return what a key stands for."""
        return self._values.get(key, default)

    def of(self, owner: object) -> Iterator[Value]:
        """Yield what the attributes of an object stand for."""
        yield from [value for (holder, _), value in self._values.items() if holder is owner]

    def copy(self) -> "State":
        """Return a state that goes its own way."""
        return State(self._values)

    def begin(self) -> None:
        """Enter a branch."""
        self._before.append({})

    def end(self) -> dict[Key, Value]:
        """Leave a branch: take back what it changed, and return it."""
        before = self._before.pop()
        changed = {key: self._values[key] for key in before}
        for key, old in before.items():
            if old is None:
                del self._values[key]
            else:
                self._values[key] = old
        return changed

    def merge(self, ends: list[dict[Key, Value]]) -> None:
        """Go on with what any of several branches may have left behind."""
        for key in dict.fromkeys(key for changed in ends for key in changed):
            old = self._values.get(key)
            left = [changed.get(key, old) for changed in ends]
            known = [value for value in left if value is not None]
            whole = known[0]
            for value in known[1:]:
                whole = whole.joined(value)
            self[key] = whole
