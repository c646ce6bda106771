"""Which keys the configurations of DeepSpeed's releases know, as `scaffold/deepspeed_keys.py` read them off."""

import difflib
from functools import cache
from importlib.resources import files

import msgspec
from msgspec import Struct

MIN_ALIKE = 0.75
"""Keys less alike than this (difflib's ratio) are no misspellings of each other."""


class KnownKey(Struct, frozen=True, kw_only=True, rename={"releases": "in"}):
    """A key.

    Attributes
    ----------
    releases : tuple of int
        The releases that know it, by their number in `KeyTable.releases`.
    type : str or None
        "bool", "int", "float", "str", "enum" or "dict", where it is told.
    values : tuple
        The values of an enumeration.
    new : str or None
        What has replaced it, where it is deprecated.
    optional : bool
        Whether it may be null.
    """

    releases: tuple[int, ...]
    type: str | None = None
    values: tuple[str | int | float | bool | None, ...] = ()
    new: str | None = None
    optional: bool = False
    scheduler: str | None = None


class KeyTable(Struct, frozen=True, kw_only=True):
    """All of them.

    Attributes
    ----------
    releases : tuple of str
        Oldest first.
    keys : dict of str to KnownKey
        By their dotted path.
    closed : dict of str to tuple of int
        Blocks in which a release refuses keys that it does not know; elsewhere it ignores them without a word.
    open : tuple of str
        Blocks in which any key may stand.
    removed : dict of str to str
        Keys that the newest release refuses because it has dropped them, and its word on that.
    """

    releases: tuple[str, ...]
    keys: dict[str, KnownKey]
    closed: dict[str, tuple[int, ...]]
    open: tuple[str, ...]
    removed: dict[str, str]

    def beside(self, block: str) -> dict[str, str]:
        """Return the names that are known in a block, with their paths."""
        lead = f"{block}." if block else ""
        return {
            path.removeprefix(lead): path
            for path in self.keys
            if path.startswith(lead) and "." not in path.removeprefix(lead)
        }

    def judged(self, block: str) -> bool:
        """Whether it is known what may stand in a block."""
        free = any(block == name or block.startswith(f"{name}.") for name in self.open)
        return not free and bool(self.beside(block))

    def nearest(self, block: str, key: str) -> str | None:
        """Return the path of the known key that a misspelt one was meant for: in its block, else in another one.

        In another block only a key of exactly that name is meant.
        """
        here = self.beside(block)
        close = difflib.get_close_matches(_plain(key), {_plain(name): name for name in here}, n=1, cutoff=MIN_ALIKE)
        if close:
            return next(path for name, path in here.items() if _plain(name) == close[0])
        elsewhere = [path for path in self.keys if path.rpartition(".")[2] == key and path.rpartition(".")[0] != block]
        return elsewhere[0] if len(elsewhere) == 1 else None


def _plain(key: str) -> str:
    return key.lower().replace("-", "_")


@cache
def key_table() -> KeyTable:
    """Read the table that is shipped."""
    return msgspec.json.decode(files("doctor.evidence").joinpath("deepspeed_keys.json").read_bytes(), type=KeyTable)
