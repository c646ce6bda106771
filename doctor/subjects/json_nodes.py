"""Reads JSON and keeps the place of everything; the comments and last commas that Hjson allows are allowed."""

import json
import re
from bisect import bisect_right
from pathlib import Path

from doctor.errors import CannotOpen
from doctor.subjects.config_nodes import MAX_DEPTH, Entry, Node, Scalar

_BLANK = re.compile(r"(?:[ \t\r\n\ufeff]+|//[^\n]*|#[^\n]*|/\*.*?\*/)*", re.DOTALL)
_TEXT = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_WORD = re.compile(r"[-+.\w]+")
_WORDS: dict[str, Scalar] = {
    "true": True,
    "false": False,
    "null": None,
    "NaN": float("nan"),
    "Infinity": float("inf"),
    "-Infinity": float("-inf"),
}


class LineStarts:
    """Tells line and column of a letter."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def place(self, offset: int) -> tuple[int, int]:
        """Return line and column, from 1."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1


def read_json_nodes(path: Path, text: str) -> Node:
    """Read one JSON document.

    Parameters
    ----------
    path : Path
        For what is said of faults.
    text : str
        All of the file.

    Raises
    ------
    CannotOpen
        With the line, where it is not JSON or nested too deeply.
    """
    reader = _Reader(path, text)
    node, at = reader.value(reader.blank(0), 0)
    at = reader.blank(at)
    if at < len(text):
        raise reader.fault(at, "something stands after the end of the document")
    return node


class _Reader:
    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.text = text
        self.lines = LineStarts(text)

    def fault(self, at: int, reason: str) -> CannotOpen:
        line, column = self.lines.place(min(at, len(self.text)))
        return CannotOpen(self.path, f"not valid JSON: {reason}, at character {column}", line=line)

    def blank(self, at: int) -> int:
        match = _BLANK.match(self.text, at)
        return match.end() if match else at

    def value(self, at: int, depth: int) -> tuple[Node, int]:
        if depth > MAX_DEPTH:
            raise self.fault(at, f"its values are nested more than {MAX_DEPTH} deep")
        sign = self.text[at : at + 1]
        if sign == "{":
            return self.mapping(at, depth)
        if sign == "[":
            return self.sequence(at, depth)
        if sign == '"':
            text, end = self.string(at)
            return self.node(at, end, value=text, text=True), end
        return self.word(at)

    def node(
        self,
        start: int,
        end: int,
        *,
        value: Scalar = None,
        text: bool = False,
        entries: tuple[Entry, ...] | None = None,
        items: tuple[Node, ...] | None = None,
    ) -> Node:
        line, column = self.lines.place(start)
        return Node(
            line=line, column=column, start=start, end=end, value=value, text=text, entries=entries, items=items
        )

    def string(self, at: int) -> tuple[str, int]:
        match = _TEXT.match(self.text, at)
        if not match:
            what = "a key in double quotes is missing" if self.text[at : at + 1] != '"' else "a text has no end"
            raise self.fault(at, what)
        try:
            return str(json.loads(match[0], strict=False)), match.end()
        except ValueError as error:
            raise self.fault(at, "a text with an unknown escape") from error

    def word(self, at: int) -> tuple[Node, int]:
        match = _WORD.match(self.text, at)
        word = match[0] if match else ""
        if word in _WORDS:
            return self.node(at, at + len(word), value=_WORDS[word]), at + len(word)
        try:
            number: int | float = int(word) if re.fullmatch(r"-?\d{1,4000}", word) else float(word)
        except ValueError as error:
            raise self.fault(at, "a value is missing" if not word else f"{word[:30]!r} is no value") from error
        return self.node(at, at + len(word), value=number), at + len(word)

    def mapping(self, at: int, depth: int) -> tuple[Node, int]:
        entries = []
        here = self.blank(at + 1)
        while self.text[here : here + 1] != "}":
            key, end = self.string(here)
            colon = self.blank(end)
            if self.text[colon : colon + 1] != ":":
                raise self.fault(colon, f"a colon is missing after {key[:30]!r}")
            node, after = self.value(self.blank(colon + 1), depth + 1)
            line, column = self.lines.place(here)
            entries.append(Entry(key=key, line=line, column=column, start=here, end=end, node=node))
            here = self.next(after, "}")
        return self.node(at, here + 1, entries=tuple(entries)), here + 1

    def sequence(self, at: int, depth: int) -> tuple[Node, int]:
        items = []
        here = self.blank(at + 1)
        while self.text[here : here + 1] != "]":
            node, after = self.value(here, depth + 1)
            items.append(node)
            here = self.next(after, "]")
        return self.node(at, here + 1, items=tuple(items)), here + 1

    def next(self, at: int, closing: str) -> int:
        """Go on to the next member, or to the bracket that closes."""
        here = self.blank(at)
        sign = self.text[here : here + 1]
        if sign == ",":
            return self.blank(here + 1)
        if sign != closing:
            raise self.fault(here, "the file ends here" if not sign else "a comma is missing")
        return here
