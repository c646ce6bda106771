"""Tells processes that do something from those that only wait: seen from outside, where nothing is recorded yet."""

import contextlib
import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

MAX_IDLE_SHARE = 0.03
"""Of a processor: what timers, polling and heartbeats of a process that waits may take."""
MAX_IDLE_BYTES = 65_536
"""Per second read or written: what a log may get meanwhile."""
_TICKS = os.sysconf("SC_CLK_TCK")
_AT_WORK = frozenset("RD")
"""Wants a processor, or waits for a disk."""
_SLEEPS = {"x86_64": ("35", "230"), "aarch64": ("101", "115")}
"""nanosleep and clock_nanosleep."""


@dataclass(frozen=True, kw_only=True)
class Use:
    """What a process has taken since its start."""

    cpu_seconds: float
    faults: int
    """Pages that had to be fetched from a disk."""
    bytes: int
    at_work: bool

    def since(self, before: "Use", seconds: float) -> bool:
        """Whether it did something in the seconds since."""
        return (
            self.at_work
            or self.faults > before.faults
            or self.cpu_seconds - before.cpu_seconds > max(MAX_IDLE_SHARE * seconds, 2 / _TICKS)
            or self.bytes - before.bytes > MAX_IDLE_BYTES * max(seconds, 1.0)
        )


class Activity:
    """Compares what processes have taken from look to look."""

    def __init__(self) -> None:
        self._before: dict[int, Use] = {}
        self._at: float | None = None

    def busy(self, pids: Iterable[int], now: float) -> frozenset[int]:
        """Return the processes that did something since the last look.

        Parameters
        ----------
        pids : iterable of int
            One that is seen for the first time was just started, which is something; as is that one has ended.
        now : float
            Seconds on a monotonic clock.
        """
        seconds = 0.0 if self._at is None else now - self._at
        before, self._at = self._before, now
        self._before = {pid: use for pid in pids if (use := use_of(pid))}
        fresh = {pid for pid, use in self._before.items() if pid not in before or use.since(before[pid], seconds)}
        return frozenset(fresh | (before.keys() - self._before.keys()))


def use_of(pid: int) -> Use | None:
    """Return what a process has taken; None where it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except OSError:
        return None
    words = stat.rpartition(")")[2].split()
    if words[0] in "ZX":
        return None
    return Use(
        cpu_seconds=(int(words[11]) + int(words[12])) / _TICKS,
        faults=int(words[9]),
        bytes=_bytes(pid),
        at_work=words[0] in _AT_WORK,
    )


def sleeps(pid: int) -> bool:
    """Whether the main thread sleeps for a time of its own choice."""
    with contextlib.suppress(OSError):
        call = Path(f"/proc/{pid}/syscall").read_text("ascii").partition(" ")[0]
        return call in _SLEEPS.get(platform.machine(), ())
    return False


def _bytes(pid: int) -> int:
    """Return how many bytes passed through its reads and writes, a page cache's and a pipe's included."""
    with contextlib.suppress(OSError, ValueError):
        lines = Path(f"/proc/{pid}/io").read_text("ascii").splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith(("rchar", "wchar")))
    return 0
