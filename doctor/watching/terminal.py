"""Keeps the last lines of a terminal for ourselves, while a command goes on writing above them.

The lines are kept by a scroll region (DECSTBM, as apt does): the terminal itself scrolls what the command writes only
above them, so nothing the command writes passes through us.
"""

import contextlib
import os
import platform
import signal
import termios
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from doctor.watching.terminal_guard import TerminalGuard

MIN_ROWS_LEFT = 8
_SAVE, _RESTORE, _WHOLE = "\x1b7", "\x1b8", "\x1b[r"
_READS = {"x86_64": {0: "read", 23: "select", 270: "select"}, "aarch64": {63: "read", 72: "select"}}


class Terminal:
    """The terminal of a descriptor.

    Parameters
    ----------
    descriptor : int
        A terminal.
    lines : int
        How many lines are kept.
    """

    def __init__(self, descriptor: int, lines: int) -> None:
        self.handle = os.open(os.ttyname(descriptor), os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        self._lines = lines
        self._rows = 0
        self._before: list[Any] | None = None
        self._stopping: Any = None
        self._guard: TerminalGuard | None = None

    @property
    def size(self) -> os.terminal_size:
        """Columns and lines now."""
        return os.get_terminal_size(self.handle)

    @property
    def ours(self) -> bool:
        """Whether this process is in the terminal's foreground; from the background it must not be touched."""
        try:
            return os.tcgetpgrp(self.handle) == os.getpgrp()
        except OSError:
            return False

    def take(self) -> bool:
        """Keep the lines and hear single keys; whether there is room for it and the terminal is ours."""
        rows = self.size.lines
        if rows - self._lines < MIN_ROWS_LEFT or not self.ours:
            return False
        if self._rows and self._rows != rows:
            self.release()
        if not self._rows:
            self._rows = rows
            # The line breaks push what stands on the lines up; the cursor comes back above them.
            room = "\n" * self._lines + f"\x1b[{self._lines}A"
            self._write(f"{room}{_SAVE}\x1b[1;{rows - self._lines}r{_RESTORE}")
            self._guard = TerminalGuard(os.ttyname(self.handle), self._giving_back())
            self._hear_keys()
            self._catch_stop()
        return True

    def draw(self, lines: Sequence[str]) -> None:
        """Write the kept lines; each must fit the width."""
        if not self._rows:
            return
        top = self._rows - self._lines + 1
        texts = [*lines[: self._lines], *[""] * (self._lines - len(lines))]
        body = "".join(f"\x1b[{top + place};1H\x1b[0m\x1b[2K{text}" for place, text in enumerate(texts))
        self._write(f"{_SAVE}{body}{_RESTORE}")

    def release(self) -> None:
        """Give the lines and the keyboard back."""
        if not self._rows:
            return
        text, self._rows = self._giving_back(), 0
        self._write(text)
        if self._before is not None and self.ours:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self.handle, termios.TCSADRAIN, self._before)
        self._before = None
        if self._stopping is not None:
            signal.signal(signal.SIGTSTP, self._stopping)
            self._stopping = None
        if self._guard is not None:
            self._guard.dismiss()
            self._guard = None

    def _giving_back(self) -> str:
        """Return what makes the whole terminal scroll again, and empties the kept lines."""
        top = self._rows - self._lines + 1
        blank = "".join(f"\x1b[{top + place};1H\x1b[2K" for place in range(self._lines))
        return f"{_SAVE}{_WHOLE}{blank}{_RESTORE}"

    def close(self) -> None:
        """Release it for good."""
        self.release()
        os.close(self.handle)

    def key(self) -> str:
        """Return a key that was pressed."""
        return os.read(self.handle, 1).decode("ascii", "replace")

    def _hear_keys(self) -> None:
        """Have keys without waiting for the end of a line; Ctrl-C and its like stay signals."""
        with contextlib.suppress(termios.error):
            self._before = termios.tcgetattr(self.handle)
            mode = termios.tcgetattr(self.handle)
            mode[3] &= ~(termios.ICANON | termios.ECHO)
            termios.tcsetattr(self.handle, termios.TCSADRAIN, mode)

    def _catch_stop(self) -> None:
        """At Ctrl-Z give the terminal back first; it is taken again at the next drawing in the foreground."""
        self._stopping = signal.signal(signal.SIGTSTP, self._stop)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.release()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            os.write(self.handle, text.encode())


def waits_for_input(pid: int) -> bool:
    """Whether a process is waiting for its standard input, as a debugger or a question does."""
    try:
        words = Path(f"/proc/{pid}/syscall").read_text("ascii").split()
        call = _READS.get(platform.machine(), {}).get(int(words[0]))
        argument = int(words[1], 16)
    except (OSError, ValueError, IndexError):
        return False
    return (call == "read" and argument == 0) or (call == "select" and argument == 1)
