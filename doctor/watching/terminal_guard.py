"""Gives a terminal back when the process that had taken its lines was killed before it could do so itself."""

import contextlib
import subprocess

_SCRIPT = """
read -r released || {
    printf %s "$2" > "$1"
    stty icanon echo < "$1"
}
"""
_WAIT_SECONDS = 1.0


class TerminalGuard:
    """A shell that waits for word of this process; where a pipe's end comes instead, this process is dead.

    It is in a session of its own, so that neither Ctrl-C nor the terminal's job control reaches it.

    Parameters
    ----------
    terminal : str
        Path of the terminal.
    text : str
        What is then written to it.
    """

    def __init__(self, terminal: str, text: str) -> None:
        self._shell: subprocess.Popen[bytes] | None = None
        with contextlib.suppress(OSError):  # without it a kill leaves the terminal as it was
            self._shell = subprocess.Popen(  # noqa: S603  # our own script
                ["/bin/sh", "-c", _SCRIPT, "doctor", terminal, text],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    def dismiss(self) -> None:
        """Say that the terminal was given back."""
        if self._shell is None:
            return
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            self._shell.communicate(b"\n", timeout=_WAIT_SECONDS)
        self._shell = None
