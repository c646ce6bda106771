"""Ranks that outlive the command that started them, as deepspeed's do when only its launcher is told to end."""

import contextlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

from doctor.watching.stalls import alive, records_in, run_folder_of
from doctor.watching.telling import tell
from doctor.watching.triage import signal_name

GRACE_SECONDS = 5.0
"""In which they may end by themselves."""
LONGEST_SECONDS = 30.0
"""So long their end is waited for, so that it is on record."""
_LOOK_SECONDS = 0.1


def survivors(folder: Path) -> list[int]:
    """Return the living processes that record in a run folder, and those below this process that started them.

    Parameters
    ----------
    folder : Path
        Resolved.
    """
    found: list[int] = []
    for path in folder.glob("*-*.steps.ring"):
        pid = int(path.name.split(".")[0].rpartition("-")[2])
        if not (alive(pid) and records_in(pid, path)):
            continue
        found.append(pid)
        while (pid := _parent_of(pid)) > 1 and pid not in found and run_folder_of(pid) == folder:
            found.append(pid)
    return found


def end_survivors(folder: Path, sent: Sequence[int]) -> None:
    """Pass a signal on to processes of the run that the command left behind, where the command was sent one.

    Without one nobody asked for their end: that they go on is told.

    Parameters
    ----------
    folder : Path
        Resolved.
    sent : sequence of int
        Signals that the command was sent through doctor.
    """
    left = _wait(folder, GRACE_SECONDS) if sent else survivors(folder)
    if not left:
        return
    names = ", ".join(map(str, sorted(left)))
    if not sent:
        tell(f"the command has ended, processes of the run have not: {names}")
        return
    tell(f"the command has ended, processes of the run have not; sent them {signal_name(sent[-1])} too: {names}")
    for pid in left:
        with contextlib.suppress(OSError):
            os.kill(pid, sent[-1])
    if left := _wait(folder, LONGEST_SECONDS):
        tell(f"they go on: {', '.join(map(str, sorted(left)))}")


def _wait(folder: Path, seconds: float) -> list[int]:
    end = time.monotonic() + seconds
    while (left := survivors(folder)) and time.monotonic() < end:
        time.sleep(_LOOK_SECONDS)
    return left


def _parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[1])
    except OSError:
        return 0
