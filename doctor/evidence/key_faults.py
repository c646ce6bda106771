"""What is wrong with the keys of DeepSpeed configurations: unknown, misspelt, given up, doubled, or of another type."""

import re
from collections import Counter
from collections.abc import Iterator
from enum import StrEnum

from msgspec import Struct

from doctor.evidence.deepspeed_keys import KeyTable, KnownKey, key_table
from doctor.subjects.config import ConfigFile, Configs
from doctor.subjects.config_kinds import Sort, is_deepspeed
from doctor.subjects.config_nodes import Entry, KeyPath, Node
from doctor.subjects.source import Place

COMMENTS = ("_", "//", "#", "comment")
"""How keys begin that hold a remark, since JSON knows none."""
BY_OTHERS = {"": ("deepspeed", "distributed_backend", "local_rank")}
AUTO = "auto"
"""Stands for a value that a trainer fills in."""


class Fault(StrEnum):
    """What is wrong with a key."""

    UNKNOWN = "unknown"
    MISSPELT = "misspelt"
    ELSEWHERE = "elsewhere"
    """Known in another block."""
    DEPRECATED = "deprecated"
    REMOVED = "removed"
    TWICE = "twice"
    TYPE = "type"


class KeyFault(Struct, frozen=True, kw_only=True):
    """One key with a fault.

    Attributes
    ----------
    block, key : str
        The dotted path of the block that it stands in, empty for the top, and its name.
    path : KeyPath
        Where it stands in its file, for a repair.
    meant : str
        The path of the key that was meant, or has replaced it.
    refused : bool
        Whether DeepSpeed stops at it, in every release that is known; else it reads over it.
    because : str
        More of it, in words.
    free : bool
        Whether the name that was meant is not there yet.
    """

    fault: Fault
    file: str
    place: Place
    block: str
    key: str
    path: KeyPath
    meant: str = ""
    refused: bool = False
    because: str = ""
    free: bool = True

    @property
    def name(self) -> str:
        """Its dotted path."""
        return f"{self.block}.{self.key}" if self.block else self.key


class KeyFaults(Struct, frozen=True, kw_only=True):
    """All such keys, in the order of the files.

    Attributes
    ----------
    configurations : int
        DeepSpeed configurations that were looked at.
    releases : tuple of str
        The releases whose keys are known.
    """

    faults: tuple[KeyFault, ...]
    configurations: int
    releases: tuple[str, ...]

    @classmethod
    def measure(cls, configs: Configs) -> "KeyFaults":
        """Hold every DeepSpeed configuration against the keys of all known releases."""
        table = key_table()
        found: list[KeyFault] = []
        count = 0
        for file in configs.files:
            for path, node in deepspeed_nodes(file):
                count += 1
                found += _Judge(table, file).block(node, path, "")
            found += _doubled(file)
        return cls(faults=tuple(found), configurations=count, releases=table.releases)


def deepspeed_nodes(file: ConfigFile) -> Iterator[tuple[KeyPath, Node]]:
    """Yield the DeepSpeed configurations in a file: itself, or what a trainer's file holds under `deepspeed`."""
    if file.sort is Sort.DEEPSPEED:
        yield (), file.root
    else:
        inner = file.root.child("deepspeed")
        if inner is not None and inner.entries is not None and is_deepspeed(inner):
            yield ("deepspeed",), inner


def _doubled(file: ConfigFile) -> Iterator[KeyFault]:
    """Yield keys that stand twice in one block; DeepSpeed stops at them, YAML and JSON take the last."""
    yield from _doubled_in(file, file.root, ())


def _doubled_in(file: ConfigFile, node: Node, path: KeyPath) -> Iterator[KeyFault]:
    counts = Counter(entry.key for entry in node.entries or () if not entry.merged)
    seen: set[str] = set()
    for entry in node.entries or ():
        if counts[entry.key] > 1 and entry.key in seen:
            yield KeyFault(
                fault=Fault.TWICE,
                file=file.shown,
                place=Place(path=file.shown, line=entry.line, column=entry.column),
                block=".".join(map(str, path)),
                key=entry.key,
                path=(*path, entry.key),
                refused=file.sort is Sort.DEEPSPEED,
            )
        seen.add(entry.key)
        if not entry.merged:
            yield from _doubled_in(file, entry.node, (*path, entry.key))
    for number, item in enumerate(node.items or ()):
        yield from _doubled_in(file, item, (*path, number))


class _Judge:
    def __init__(self, table: KeyTable, file: ConfigFile) -> None:
        self.table = table
        self.file = file

    def block(self, node: Node, path: KeyPath, block: str) -> Iterator[KeyFault]:
        """Judge the keys of a block, and those of the blocks in it."""
        if node.entries is None or not self.table.judged(block):
            return
        beside = self.table.beside(block)
        for entry in node.entries:
            if entry.key.lower().startswith(COMMENTS) or entry.key in BY_OTHERS.get(block, ()):
                continue
            if node.entry(entry.key) is not entry:  # a later one of that name counts
                continue
            name = f"{block}.{entry.key}" if block else entry.key
            known = self.table.keys.get(beside.get(entry.key, ""))
            here = (*path, entry.key)
            if known is None:
                yield from self._unknown(node, entry, here, block)
                continue
            if fault := self._known(node, entry, here, block, known):
                yield fault
            yield from self.block(entry.node, here, name)

    def _fault(self, fault: Fault, entry: Entry, path: KeyPath, block: str, **facts: object) -> KeyFault:
        place = Place(path=self.file.shown, line=entry.line, column=entry.column)
        told: dict[str, object] = {"fault": fault, "file": self.file.shown, "place": place, "block": block}
        return KeyFault(**told, key=entry.key, path=path, **facts)  # type: ignore[arg-type]  # by name, as above

    def _unknown(self, node: Node, entry: Entry, path: KeyPath, block: str) -> Iterator[KeyFault]:
        if block == "optimizer.params" or (block == "scheduler.params" and not self._own_schedule()):
            return
        closed = self.table.closed.get(block, ())
        refused = set(closed) == {at for at in range(len(self.table.releases)) if block in self._blocks(at)}
        name = f"{block}.{entry.key}" if block else entry.key
        if name in self.table.removed:
            yield self._fault(Fault.REMOVED, entry, path, block, because=self.table.removed[name])
            return
        meant = self.table.nearest(block, entry.key) or ""
        inside = meant.rpartition(".")[0] == block
        fault = Fault.MISSPELT if meant and inside else Fault.ELSEWHERE if meant else Fault.UNKNOWN
        free = node.entry(meant.rpartition(".")[2]) is None
        yield self._fault(fault, entry, path, block, meant=meant, refused=refused and bool(closed), free=free)

    def _own_schedule(self) -> bool:
        """Whether the schedule is one of DeepSpeed's, whose parameters are known."""
        kind = self.file.root.at(("scheduler", "type"))
        names = {known.scheduler for known in self.table.keys.values() if known.scheduler}
        return kind is not None and (kind.value in names or kind.value in ("WarmupLR", "WarmupDecayLR", "OneCycle"))

    def _blocks(self, release: int) -> set[str]:
        return {path.rpartition(".")[0] for path, known in self.table.keys.items() if release in known.releases}

    def _known(self, node: Node, entry: Entry, path: KeyPath, block: str, known: KnownKey) -> KeyFault | None:
        name = f"{block}.{entry.key}" if block else entry.key
        if known.new:
            meant = f"{block}.{known.new}" if block else known.new
            free = node.entry(known.new) is None
            return self._fault(Fault.DEPRECATED, entry, path, block, meant=meant, free=free)
        if name in self.table.removed:
            return self._fault(Fault.REMOVED, entry, path, block, because=self.table.removed[name])
        if wrong := _wrong_type(entry.node, known, closed=block in self.table.closed):
            return self._fault(Fault.TYPE, entry, path, block, because=wrong, refused=True)
        return None


def _wrong_type(node: Node, known: KnownKey, *, closed: bool) -> str:
    """Say what a value must be where pydantic, which reads closed blocks, would refuse it; empty where it would not."""
    if not closed or not node.known or node.value == AUTO or (known.optional and _is_null(node)):
        return ""
    many = node.entries is not None or node.items is not None
    value = node.value
    if known.type == "enum" and known.values:
        fits = not many and any(str(value) == str(allowed) for allowed in known.values)
        return "" if fits else f"one of {', '.join(map(str, known.values))}"
    if known.type == "dict":
        return "" if node.entries is not None else "a block of keys"
    if known.type == "bool":
        words = ("true", "false", "1", "0", "on", "off", "yes", "no", "y", "n", "t", "f")
        fits = value in (0, 1) if isinstance(value, int | float) else str(value).lower() in words
        return "" if fits and not many else "true or false"
    if known.type in ("int", "float"):
        return (
            ""
            if not many and _is_number(value, whole=known.type == "int")
            else "a number"
            if known.type == "float"
            else "a whole number"
        )
    return ""


def _is_null(node: Node) -> bool:
    return node.value is None and node.entries is None and node.items is None


def _is_number(value: object, *, whole: bool) -> bool:
    if isinstance(value, bool):
        return True
    if whole and isinstance(value, str):
        return re.fullmatch(r"\s*[-+]?\d+(\.0*)?\s*", value) is not None
    try:
        number = float(value)  # type: ignore[arg-type]  # what is no number raises
    except (TypeError, ValueError):
        return False
    return not whole or number.is_integer()
