"""Passes signals on to the command: what came from the terminal it has already, what came from a process it has not."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from types import TracebackType

PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_POLL_SECONDS = 0.5


class Forwarder:
    """Between entering and leaving, signals sent to this process by other processes go to the command as well.

    The kernel sends what a terminal causes (Ctrl-C, hanging up) to the whole foreground group, so the command gets that
    by itself; passing it on would make it two. Signals that were ignored when we started, as under nohup, stay so.

    Parameters
    ----------
    heard : callable, optional
        Told of every signal.
    """

    def __init__(self, heard: Callable[[int], object] = lambda number: None) -> None:
        self._pid: int | None = None
        self.heard = heard
        self._numbers = {number for number in PASSED_ON if signal.getsignal(number) != signal.SIG_IGN}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._wait, name="signals", daemon=True)

    def __enter__(self) -> "Forwarder":
        signal.pthread_sigmask(signal.SIG_BLOCK, self._numbers)
        return self

    def unblock(self) -> None:
        """Let the signals through again; for the child, between fork and exec."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self._numbers)

    def pass_to(self, pid: int) -> None:
        """Pass on what comes, and what came since entering."""
        self._pid = pid
        self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        self.unblock()

    def _wait(self) -> None:
        while not self._stopping.is_set():
            info = signal.sigtimedwait(self._numbers, _POLL_SECONDS)
            if info is None:
                continue
            from_process = info.si_code <= 0  # SI_USER, SI_QUEUE, SI_TKILL; the kernel's own are positive
            if from_process and self._pid is not None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(self._pid, info.si_signo)
            self.heard(info.si_signo)
