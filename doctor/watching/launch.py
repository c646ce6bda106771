"""Starts a training command so that every Python process in it takes the probe along."""

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from doctor.errors import UsageError

SITE = Path(__file__).resolve().parent / "site"
NOT_FOUND = 127
"""The status that shells give for a command that there is not."""


def environment(folder: Path, options: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment, extended so that the probe starts in every Python that inherits it.

    Where this process is itself watched, the probe changes over to the inner watch.

    Parameters
    ----------
    folder : Path
        The run folder.
    options : mapping
        What else the probe shall know, by the name of its variable.
    """
    before = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    others = [entry for entry in before if entry and entry not in (str(SITE), os.environ.get("DOCTOR_SITE"))]
    path = os.pathsep.join([str(SITE), *others])
    own = {"PYTHONPATH": path, "DOCTOR_RUN_DIR": str(folder.resolve()), "DOCTOR_SITE": str(SITE)}
    return {**os.environ, **own, **options}


def outer_folder() -> Path | None:
    """Return the run folder of the watch in which this one was started, if any."""
    folder = os.environ.get("DOCTOR_RUN_DIR")
    return Path(folder) if folder and Path(folder).is_dir() else None


def launch(
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    before: Callable[[], object] = lambda: None,
) -> "subprocess.Popen[bytes]":
    """Start the command; its input and output stay the terminal's own, so it outlives whoever started it.

    Parameters
    ----------
    command : sequence of str
        The program and its arguments.
    environment : mapping, optional
        Else this process's own: the command then runs unwatched.
    before : callable, optional
        Called in the child before the command begins.

    Raises
    ------
    UsageError
        When there is no such command.
    """
    _keep_standard_streams()
    try:
        return subprocess.Popen(command, env=environment, preexec_fn=before)  # noqa: S603  # the user's own command
    except OSError as error:
        raise UsageError(f"{command[0]}: {error.strerror}") from error


def exit_status(returncode: int) -> int:
    """Return the status that a shell would give for a command that ended so."""
    return returncode if returncode >= 0 else 128 - returncode


def _keep_standard_streams() -> None:
    """Open /dev/null where a standard stream is closed; else the next file that is opened would take its place."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            handle = os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
            os.set_inheritable(handle, True)
