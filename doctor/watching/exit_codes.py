"""Learns how the descendants of a process ended, although their own parents collect their exit codes.

Linux ≥ 6.15 tells it to who holds a descriptor of the process (`PIDFD_GET_INFO`); on older kernels a dead process shows
it in `/proc/PID/stat` for as long as its parent has not collected it, so that some ends are missed there.
"""

import array
import contextlib
import fcntl
import os
from pathlib import Path

import psutil

MAX_PROCESSES = 512
_GET_INFO = 0xC040FF0B  # _IOWR(0xFF, 11, struct pidfd_info of 64 bytes), linux/pidfd.h
_INFO_EXIT = 1 << 3
_EXIT_CODE_AT = 15  # in 32-bit words: mask (2), cgroup (2), pid, tgid, ppid, eight ids, exit code


class ExitCodes:
    """Follows the descendants of one process.

    Parameters
    ----------
    pid : int

    Attributes
    ----------
    seen : set of int
        Process ids of all descendants that there were at some look.
    """

    def __init__(self, pid: int) -> None:
        self._root = pid
        self._handles: dict[int, int] = {}
        self._codes: dict[int, int] = {}
        self.seen: set[int] = set()

    def look(self) -> None:
        """See which descendants there are, and which have ended."""
        with contextlib.suppress(psutil.Error, OSError):
            for child in psutil.Process(self._root).children(recursive=True):
                self._meet(child.pid)
        for pid, handle in list(self._handles.items()):
            code = _code_by_handle(handle)
            if code is None:
                code = _code_of_zombie(pid)
            if code is not None:
                self._codes[pid] = code
                os.close(self._handles.pop(pid))

    def codes(self) -> dict[int, int]:
        """Return the exit codes that became known, by process id; negative is a signal."""
        return dict(self._codes)

    def close(self) -> None:
        """Let go of all processes."""
        while self._handles:
            os.close(self._handles.popitem()[1])

    def _meet(self, pid: int) -> None:
        if pid in self.seen:
            return
        self.seen.add(pid)
        if len(self._handles) < MAX_PROCESSES and hasattr(os, "pidfd_open"):
            with contextlib.suppress(OSError):
                self._handles[pid] = os.pidfd_open(pid)


def _code_by_handle(handle: int) -> int | None:
    info = array.array("I", [0] * 16)
    info[0] = _INFO_EXIT
    try:
        fcntl.ioctl(handle, _GET_INFO, info, True)
    except OSError:
        return None
    return _decoded(info[_EXIT_CODE_AT]) if info[0] & _INFO_EXIT else None


def _code_of_zombie(pid: int) -> int | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        words = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        if words[0] == "Z":
            return _decoded(int(words[-1]))
    return None


def _decoded(status: int) -> int:
    """Turn what `wait` gives into what `subprocess` gives."""
    return -(status & 0x7F) if status & 0x7F else status >> 8 & 0xFF
