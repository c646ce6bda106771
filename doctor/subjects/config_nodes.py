"""What is written in a configuration file, with the place of every key and every value."""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

Scalar = str | int | float | bool | None
KeyPath = tuple[str | int, ...]
MAX_DEPTH = 100
MAX_VALUES = 100_000
"""A file with more values, aliases of YAML followed, was not written by a person."""


class Node(Struct, frozen=True, kw_only=True):
    """A value as it stands in a file.

    Attributes
    ----------
    value : str, int, float, bool or None
        Of a scalar.
    line, column : int
        Where it begins, from 1.
    start, end : int
        The letters of the text that it takes, from 0.
    entries : tuple of Entry or None
        The keys of a mapping, as written, doubles included.
    items : tuple of Node or None
        The values of a list.
    known : bool
        Whether `value` is what a reader would make of it; not so for a YAML tag of somebody's own.
    flow : bool
        Whether a mapping or list is written in brackets, as in JSON.
    text : bool
        Whether it is a text; `2e-5` is one in YAML 1.1.
    """

    line: int
    column: int
    start: int
    end: int
    value: Scalar = None
    entries: "tuple[Entry, ...] | None" = None
    items: "tuple[Node, ...] | None" = None
    known: bool = True
    flow: bool = True
    text: bool = False

    def entry(self, key: str) -> "Entry | None":
        """Return the entry that counts for a key: the last one, as readers take it."""
        return next((entry for entry in reversed(self.entries or ()) if entry.key == key), None)

    def child(self, key: str) -> "Node | None":
        """Return the value of a key."""
        found = self.entry(key)
        return found.node if found else None

    def at(self, path: KeyPath) -> "Node | None":
        """Return the value at a path of keys and numbers of items."""
        node: Node | None = self
        for step in path:
            if node is None:
                return None
            if isinstance(step, int):
                node = node.items[step] if node.items is not None and step < len(node.items) else None
            else:
                node = node.child(step)
        return node

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of a mapping, in their order."""
        return tuple(entry.key for entry in self.entries or ())

    def walk(self, path: KeyPath = ()) -> "Iterator[tuple[KeyPath, Entry]]":
        """Yield all keys below it, with their paths, in the order of the file."""
        for entry in self.entries or ():
            yield (*path, entry.key), entry
            yield from entry.node.walk((*path, entry.key))
        for number, item in enumerate(self.items or ()):
            yield from item.walk((*path, number))

    def plain(self) -> Any:
        """Return it as Python would hold it."""
        if self.entries is not None:
            return {entry.key: entry.node.plain() for entry in self.entries}
        return [item.plain() for item in self.items] if self.items is not None else self.value


class Entry(Struct, frozen=True, kw_only=True):
    """A key of a mapping and its value; places as in `Node`, of the key."""

    key: str
    line: int
    column: int
    start: int
    end: int
    node: Node
    merged: bool = False
    """Whether it came from another mapping by YAML's `<<`."""
