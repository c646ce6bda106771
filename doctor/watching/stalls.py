"""Notices that training stands still, and has the processes write down where they are."""

import contextlib
import os
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doctor.watching.tail import Tail

MIN_STALL_SECONDS = 30.0
STALL_STEPS = 20
"""A stall is told from a slow step by the median of the last steps."""
STEPS_FOR_MEDIAN = 64
SETTLED_AFTER = 3
"""Steps after which first-time costs, such as compilation, are over."""
QUIET_PHASES = frozenset({"paused", "finished"})
"""In these a process stands still on purpose."""


@dataclass(frozen=True, kw_only=True)
class Stall:
    """Nothing has changed in any process for longer than the run's own pace explains.

    Attributes
    ----------
    seconds : float
        Since the last change.
    median_step_seconds : float
        0 where no step has ended yet.
    quiet : bool
        Whether it was seen that no process of the run computed, read or wrote meanwhile.
    stack_files : tuple of (int, Path)
        Processes that have recorded nothing, and where they write their stacks.
    """

    seconds: float
    median_step_seconds: float
    processes: tuple[Mapping[str, Any], ...]
    quiet: bool = False
    stack_files: tuple[tuple[int, Path], ...] = ()

    def facts(self) -> dict[str, Any]:
        """Return it as the facts of an event."""
        return {
            "seconds": self.seconds,
            "median_step_seconds": self.median_step_seconds,
            "processes": [dict(process) for process in self.processes],
            "quiet": self.quiet,
        }


class Watchman:
    """Compares the states of all processes from look to look.

    Time is counted from look to look on the monotonic clock, so a clock that jumps changes nothing, and a machine that
    slept does not make a stall.
    """

    MAX_GAP_SECONDS = 10.0
    """A longer time between two looks was spent asleep or stopped and is counted as this much."""

    def __init__(self) -> None:
        self._states: dict[str, tuple[tuple[str, float], ...]] = {}
        self._seen_at: float | None = None
        self._still_seconds = 0.0
        self._told = False

    def look(self, tails: Sequence[Tail], now: float) -> Stall | None:
        """Return the stall where one has just become certain; once until something moves again.

        Parameters
        ----------
        tails : sequence of Tail
            The living processes of this machine.
        now : float
            Seconds on a monotonic clock.
        """
        gap = 0.0 if self._seen_at is None else min(now - self._seen_at, self.MAX_GAP_SECONDS)
        self._seen_at = now
        states = {tail.path.name: tuple(tail.state().items()) for tail in tails}
        if states != self._states or not states or all(tail.phase in QUIET_PHASES for tail in tails):
            self._states, self._still_seconds, self._told = states, 0.0, False
            return None
        self._still_seconds += gap
        pace = median_step_seconds(tails)
        if self._told or self._still_seconds < max(MIN_STALL_SECONDS, STALL_STEPS * pace):
            return None
        self._told = True
        processes = tuple(map(facts_of, tails))
        return Stall(seconds=self._still_seconds, median_step_seconds=pace, processes=processes)


def facts_of(tail: Tail) -> dict[str, Any]:
    """Return where a process is."""
    state = tail.state()
    return {
        "rank": int(tail.about.get("rank", 0)),
        "pid": int(tail.about.get("pid", 0)),
        "phase": tail.phase,
        "step": int(state.get("step", 0)),
        "collectives": state.get("collectives", 0.0),
        "collective": state.get("collective", 0.0),
    }


def median_step_seconds(tails: Sequence[Tail]) -> float:
    """Return the median length of the last steps of the slowest process; 0 where none has ended."""
    medians = []
    for tail in tails:
        seconds = [record["step_seconds"] for record in tail.latest(STEPS_FOR_MEDIAN) if "step_seconds" in record]
        if seconds:
            medians.append(statistics.median(seconds))
    return max(medians, default=0.0)


def ask_for_stacks(tails: Sequence[Tail]) -> list[int]:
    """Have processes write their stacks; return the process ids that were sent their signal.

    A signal goes only to a process that has a handler for it and takes part in this run: any other would die of it.
    """
    asked = []
    for tail in tails:
        facts = tail.process_facts()
        pid, number = int(tail.about.get("pid", 0)), facts.get("stacks_signal")
        if isinstance(number, int) and number > 0 and catches(pid, number) and records_in(pid, tail.path):
            with contextlib.suppress(OSError):
                os.kill(pid, number)
                asked.append(pid)
    return asked


def catches(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal."""
    try:
        status = Path(f"/proc/{pid}/status").read_text("ascii", "replace")
    except OSError:
        return False
    caught = next((line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")), "0")
    return bool(int(caught, 16) >> (number - 1) & 1)


def records_in(pid: int, path: Path) -> bool:
    """Whether a process has a file mapped: only the one that writes the recording, or looks at it, has."""
    try:
        return os.fsencode(path.resolve()) in Path(f"/proc/{pid}/maps").read_bytes()
    except OSError:
        return False


def run_folder_of(pid: int) -> Path | None:
    """Return the run folder that a living process was started with; None where there is none or it cannot be read."""
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return None
    for variable in variables:
        name, _, value = variable.partition(b"=")
        if name == b"DOCTOR_RUN_DIR":
            return Path(os.fsdecode(value)).resolve()
    return None


def alive(pid: int) -> bool:
    """Whether a process exists and is not a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")
