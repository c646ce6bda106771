"""Reads YAML and keeps the place of everything. Nothing is constructed, so that no tag can have anything done."""

import re
from pathlib import Path
from typing import Any

from doctor.errors import CannotOpen
from doctor.subjects.config_nodes import MAX_DEPTH, MAX_VALUES, Entry, Node, Scalar

_STANDARD = "tag:yaml.org,2002:"
_WORDS: dict[str, Scalar] = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_LATE_NUMBER = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")
"""Numbers for YAML 1.2 and for people, which YAML 1.1 takes for text."""


def read_yaml_nodes(path: Path, text: str) -> Node | None:
    """Read the first document of a YAML file.

    Returns
    -------
    Node or None
        None where there is nothing in it.

    Raises
    ------
    CannotOpen
        With the line, where it is not YAML, nested too deeply, or grows beyond bounds by its aliases.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    if _deepest(text) > MAX_DEPTH:
        raise CannotOpen(path, f"its values are nested more than {MAX_DEPTH} deep")
    try:
        if not loader.check_node():
            return None
        root = loader.get_node()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        where = f", at character {mark.column + 1}" if mark else ""
        raise CannotOpen(path, f"not valid YAML: {reason}{where}", line=mark.line + 1 if mark else None) from error
    except RecursionError as error:
        raise CannotOpen(path, "its values are nested too deeply") from error
    finally:
        loader.dispose()
    return _Converter(path).node(root, 0)


def _deepest(text: str) -> int:
    """Count brackets and indents: a bound of the nesting, had before anything recurs."""
    depth = most = 0
    for sign in re.findall(r"[\[\]{}]", text):
        depth += 1 if sign in "[{" else -1
        most = max(most, depth)
    indents: list[int] = []
    levels = 0
    for line in re.finditer(r"^[ ]*(?:- +)*(?=\S)|(?:- )+", text, re.MULTILINE):
        width = len(line[0])
        while indents and indents[-1] >= width:
            indents.pop()
        indents.append(width)
        levels = max(levels, len(indents), line[0].count("-"))
    return max(most, levels)


class _Converter:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.made: dict[int, tuple[Node, int]] = {}
        self.open: set[int] = set()

    def node(self, given: Any, depth: int) -> Node:
        node, size = self._converted(given, depth)
        if size > MAX_VALUES:
            raise self._too_many(node.line)
        return node

    def _too_many(self, line: int) -> CannotOpen:
        return CannotOpen(self.path, f"its aliases come to more than {MAX_VALUES:,} values", line=line)

    def _converted(self, given: Any, depth: int) -> tuple[Node, int]:
        """Convert a node once, however often aliases name it; return it with the values that it stands for."""
        key = id(given)
        if key in self.made:
            return self.made[key]
        if key in self.open or depth > MAX_DEPTH:  # an anchor inside itself
            return _node(given, known=False), 1
        self.open.add(key)
        made = self._made(given, depth)
        self.open.discard(key)
        if made[1] > MAX_VALUES:
            raise self._too_many(made[0].line)
        self.made[key] = made
        return made

    def _made(self, given: Any, depth: int) -> tuple[Node, int]:
        import yaml

        if isinstance(given, yaml.ScalarNode):
            value, known, text = _scalar(given.tag, given.value)
            return _node(given, value=value, known=known, text=text), 1
        if isinstance(given, yaml.SequenceNode):
            parts = [self._converted(item, depth + 1) for item in given.value]
            items = tuple(node for node, _ in parts)
            return _node(given, items=items, known=_standard(given)), 1 + sum(size for _, size in parts)
        entries: list[Entry] = []
        merged: list[Entry] = []
        total = 1
        for key, value in given.value:
            node, size = self._converted(value, depth + 1)
            total += size
            if key.tag == f"{_STANDARD}merge":
                for source in node.items if node.items is not None else (node,):
                    merged += [_as_merged(entry) for entry in source.entries or ()]
            elif isinstance(key, yaml.ScalarNode):
                mark, last = key.start_mark, key.end_mark
                entries.append(
                    Entry(
                        key=str(key.value),
                        line=mark.line + 1,
                        column=mark.column + 1,
                        start=mark.index,
                        end=last.index,
                        node=node,
                    )
                )
        own = {entry.key for entry in entries}
        entries = [*(entry for entry in merged if entry.key not in own), *entries]
        return _node(given, entries=tuple(entries), known=_standard(given)), total


def _node(
    given: Any,
    *,
    value: Scalar = None,
    entries: tuple[Entry, ...] | None = None,
    items: tuple[Node, ...] | None = None,
    known: bool = True,
    text: bool = False,
) -> Node:
    """Give a node of PyYAML's the place that its marks tell."""
    start, end = given.start_mark, given.end_mark
    return Node(
        line=start.line + 1,
        column=start.column + 1,
        start=start.index,
        end=end.index,
        value=value,
        entries=entries,
        items=items,
        known=known,
        flow=bool(getattr(given, "flow_style", True)),
        text=text,
    )


def _standard(given: Any) -> bool:
    """Whether a mapping or list is one of YAML's own, not of a tag."""
    return str(given.tag) in (f"{_STANDARD}map", f"{_STANDARD}seq")


def _as_merged(entry: Entry) -> Entry:
    return Entry(
        key=entry.key,
        line=entry.line,
        column=entry.column,
        start=entry.start,
        end=entry.end,
        node=entry.node,
        merged=True,
    )


def _scalar(tag: str, text: str) -> tuple[Scalar, bool, bool]:
    """Return the value of a scalar, whether it is known, and whether it is a text."""
    kind = tag.removeprefix(_STANDARD)
    try:
        if kind == "str":
            return (float(text), True, True) if _LATE_NUMBER.fullmatch(text) else (text, True, True)
        if kind == "null":
            return None, True, False
        if kind == "bool":
            return _WORDS[text.lower()], True, False
        if kind == "int":
            return (
                int(text.replace("_", ""), 0 if text.lower().lstrip("-+").startswith(("0x", "0b")) else 10),
                True,
                False,
            )
        if kind == "float":
            return float(text.replace("_", "").replace(".inf", "inf").replace(".nan", "nan")), True, False
    except (ValueError, KeyError):
        pass
    return None, False, False
