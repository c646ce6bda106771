"""Tracebacks as data, in which the user's own lines are told from those of libraries."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

_LIBRARY = re.compile(
    r"(^|/)(site-packages|dist-packages|lib(64)?/python\d(\.\d+)?)/|^<|/doctor/watching/|/bin/[^/.]+$"
)
_FRAME = re.compile(r'^\s*File "(?P<path>.+?)", line (?P<line>\d+),? in (?P<function>.+?)\s*$')
_NOT_PYTHON = re.compile(r"\((?P<path>[^()]+\.py), line (?P<line>\d+)\)$")  # the end of a SyntaxError's message
_LAST_LINE = re.compile(r"^(?P<type>[A-Za-z_][\w.]*)(: (?P<message>.*))?$")
_LOST_PEER = re.compile(
    r"connection (closed|reset|refused)|broken pipe|socket timeout|peer (is|was) gone|remote process exited"
    r"|timed out waiting|wait timeout|watchdog caught collective|ncclremoteerror|ncclcommaborted|failed to recv"
    r"|recvvalue failed|application timeout caused pair closure|monitoredbarrier",
    re.IGNORECASE,
)
_OF_A_LAUNCHER = frozenset({"ChildFailedError", "CalledProcessError", "SignalException", "RendezvousClosedError"})
MAX_MESSAGE = 2000


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One line of a traceback; `own` where it is the user's, not a library's."""

    path: str
    line: int
    function: str
    code: str = ""

    @property
    def own(self) -> bool:
        """Whether the line is in the user's own code."""
        return not _LIBRARY.search(self.path.replace("\\", "/"))

    @property
    def place(self) -> str:
        """The line as people name it, such as `train.py:31`."""
        return f"{PurePath(self.path).name}:{self.line}"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """An exception that ended a program or a thread.

    Attributes
    ----------
    type : str
        Name of the class.
    bases : tuple of str
        Names of its base classes.
    message : str
        Without a traceback of another process that it may carry.
    frames : tuple of Frame
        Innermost last; where it was raised anew in another process than it happened in, those of the latter.
    thread : str
        "main" where it ended the program.
    cause : Failure or None
    elsewhere : str
        In which other process it happened, as the message says ("DataLoader worker process 0"); else empty.
    """

    type: str
    message: str
    bases: tuple[str, ...] = ()
    frames: tuple[Frame, ...] = ()
    thread: str = "main"
    cause: "Failure | None" = None
    elsewhere: str = ""

    @property
    def frame(self) -> Frame | None:
        """The user's innermost line, else the innermost of all."""
        return innermost(self.frames)

    @property
    def lost_peer(self) -> bool:
        """Whether it says that another process was not there any more: a consequence, not a cause."""
        return self.type != "KeyError" and bool(_LOST_PEER.search(self.message))

    @property
    def of_launcher(self) -> bool:
        """Whether a launcher reports with it that a process it started has failed."""
        return self.type in _OF_A_LAUNCHER

    @property
    def out_of_memory(self) -> bool:
        """Whether a device or the host had no memory left to give."""
        return self.type in ("OutOfMemoryError", "MemoryError") or "can't allocate memory" in self.message


def failure(facts: Mapping[str, Any]) -> Failure:
    """Read the facts of an "exception" event (`doctor.watching.probe.events.described`)."""
    message = str(facts.get("message", ""))
    frames = tuple(
        Frame(
            path=str(frame.get("path", "")),
            line=int(frame.get("line") or 0),
            function=str(frame.get("function", "")),
            code=str(frame.get("code") or ""),
        )
        for frame in facts.get("frames", ())
    )
    name, elsewhere = str(facts.get("type", "")), ""
    inner = frames_in(message)
    if inner and "Traceback (most recent call last)" in message:
        frames, elsewhere = inner, _elsewhere(message)
        name, message = _last_line(message, name)
    elif not any(frame.own for frame in frames) and (found := _NOT_PYTHON.search(message)):
        frames = (*frames, Frame(path=found["path"], line=int(found["line"]), function="not valid Python"))
    cause = facts.get("cause")
    return Failure(
        type=name,
        message=message[:MAX_MESSAGE],
        bases=tuple(map(str, facts.get("bases", ()))),
        frames=frames,
        thread=str(facts.get("thread", "main")),
        cause=failure(cause) if isinstance(cause, Mapping) else None,
        elsewhere=elsewhere,
    )


def frames_in(text: str) -> tuple[Frame, ...]:
    """Read the frames of a traceback that was printed, in the order of the text."""
    lines = text.splitlines()
    frames = []
    for number, line in enumerate(lines):
        if found := _FRAME.match(line):
            follows = lines[number + 1] if number + 1 < len(lines) else ""
            code = "" if _FRAME.match(follows) or not follows.startswith("    ") else follows.strip()
            frames.append(Frame(path=found["path"], line=int(found["line"]), function=found["function"], code=code))
    return tuple(frames)


def innermost(frames: Iterable[Frame]) -> Frame | None:
    """Return the user's innermost line, else the innermost of all; `frames` have the innermost last."""
    known = tuple(frames)
    own = [frame for frame in known if frame.own]
    return own[-1] if own else known[-1] if known else None


def _elsewhere(message: str) -> str:
    for pattern in (r"Caught \w+ in (.+?)\.\s*$", r"-- (Process \d+) terminated"):
        if found := re.search(pattern, message, re.MULTILINE):
            return found[1]
    return "another process"


def _last_line(message: str, name: str) -> tuple[str, str]:
    """Return type and message of an exception whose traceback another one carries as text."""
    for line in reversed(message.strip().splitlines()):
        if (found := _LAST_LINE.match(line)) and not line.startswith(" "):
            return found["type"].rpartition(".")[2], found["message"] or ""
    return name, message
