"""Python tracebacks in the middle of a log, as the same facts that the probe writes of an exception."""

import re
from typing import Any

_BEGIN = "Traceback (most recent call last):"
_FRAME = re.compile(r'^\s*File "(?P<path>[^"]+)", line (?P<line>\d+)(?:, in (?P<function>.+))?$')
_ERROR = re.compile(r"^(?P<type>[A-Za-z_][\w.]*)(?:: (?P<message>.*))?$")
_LINKS = ("The above exception was the direct cause", "During handling of the above exception")
MAX_KEPT = 100


class Tracebacks:
    """Reads lines one by one; interleaved output of one process breaks a traceback off, nothing more."""

    def __init__(self) -> None:
        self._frames: list[dict[str, Any]] | None = None
        self._found: list[dict[str, Any]] = []
        self._linked = False

    def read(self, line: str) -> bool:
        """Take a line; true where it belongs to a traceback."""
        text = line.strip()
        if text == _BEGIN:
            self._frames = []
            return True
        if any(text.startswith(link) for link in _LINKS):
            self._linked = bool(self._found)
            return True
        if self._frames is None:
            return False
        if match := _FRAME.match(line):
            frame = {"path": match["path"], "line": int(match["line"]), "function": match["function"] or ""}
            self._frames.append(frame | {"code": ""})
            return True
        if self._frames and line[:1] in " \t":
            self._frames[-1]["code"] = self._frames[-1]["code"] or text
            return True
        if self._frames and (match := _ERROR.match(text)):
            self._finish(match["type"], match["message"] or "")
            return True
        self._frames = None
        return False

    def _finish(self, kind: str, message: str) -> None:
        cause = self._found.pop() if self._linked and self._found else None
        self._linked = False
        short = kind.rpartition(".")[2]
        facts = {"type": short, "bases": [], "message": message, "frames": self._frames, "cause": cause}
        self._frames = None
        if len(self._found) < MAX_KEPT:
            self._found.append(facts)

    def finished(self) -> list[dict[str, Any]]:
        """Return the exceptions read so far, each with its cause inside."""
        return list(self._found)
