"""Says why the probe may not have started: what the processes of a command are, seen from outside."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from doctor.watching.stalls import run_folder_of

MAX_PROCESSES = 256
_PYTHON = re.compile(r"(python|pypy)[0-9.]*$")
_TAKES_VALUE = frozenset("WXQ")
_ENDS_OPTIONS = frozenset("cm")
_ISOLATING = frozenset("SIE")


def isolating_option(command: Sequence[str]) -> str | None:
    """Return the option by which a Python is told not to look for `sitecustomize` on PYTHONPATH, or None.

    Parameters
    ----------
    command : sequence of str
        `python [options] program …`; any other program has no such options.
    """
    if not command or not _PYTHON.search(os.path.basename(command[0])):  # noqa: PTH119  # a string, maybe no path
        return None
    words = iter(command[1:])
    for word in words:
        if not word.startswith("-") or word in ("-", "--") or word.startswith("--"):
            return None
        for place, letter in enumerate(word[1:], 1):
            if letter in _ISOLATING:
                return f"-{letter}"
            if letter in _ENDS_OPTIONS:
                return None
            if letter in _TAKES_VALUE:
                if place == len(word) - 1:
                    next(words, None)
                break
    return None


def reason_not_watched(pid: int, folder: Path) -> str | None:
    """Return what keeps the probe out of one process, or None where nothing is known to.

    Parameters
    ----------
    pid : int
    folder : Path
        The run folder that it should record in.
    """
    command = command_of(pid)
    name = os.path.basename(command[0]) if command else ""  # noqa: PTH119
    if not _PYTHON.search(name):
        return None
    option = isolating_option(command)
    if option:
        return f"{name} {option} hides it"
    taken = run_folder_of(pid)
    if taken is None and _readable(pid):
        return f"{name} was started without this environment"
    if taken is not None and taken != folder.resolve():
        return f"another doctor watch took it, into {taken}"
    return None


def descendants(pid: int) -> list[int]:
    """Return a process and all that it started, directly or through others, as far as they live."""
    found = [pid]
    for parent in found:
        if len(found) > MAX_PROCESSES:
            break
        try:
            threads = [entry.name for entry in Path(f"/proc/{parent}/task").iterdir()]
            children = [Path(f"/proc/{parent}/task/{thread}/children").read_text("ascii") for thread in threads]
        except OSError:
            continue
        found += [int(child) for line in children for child in line.split()]
    return found


def command_of(pid: int) -> list[str]:
    """Return the words by which a process was started; none where it is gone."""
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return []
    return [os.fsdecode(word) for word in line.split(b"\0")[:-1]]


def _readable(pid: int) -> bool:
    return os.access(f"/proc/{pid}/environ", os.R_OK)
