"""How the process ends: the exit is written down, and stacks are kept at fatal signals and on request."""

from __future__ import annotations

import atexit
import faulthandler
import functools
import os
import signal
import sys
from collections.abc import Callable
from typing import IO, TYPE_CHECKING

from .guard import guarded
from .session import Listener

if TYPE_CHECKING:
    from .session import Session


def watch_exit(session: Session) -> None:
    """Write down a regular end of the interpreter."""
    atexit.register(guarded(session.close))


def keep_stacks(session: Session) -> None:
    """Have all threads' stacks written at a fatal signal, and at the signal that the "process" event names.

    A process that another one spawned may be a data worker: it gets a file only once it trains.
    """
    stacks = _Stacks(session)
    session.listeners.append(stacks)
    parent = getattr(sys.modules.get("multiprocessing.process"), "parent_process", None)
    if parent is None or parent() is None:
        guarded(stacks.open)()


class _Stacks(Listener):
    """The file `<process>.stacks.txt`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._file: IO[str] | None = None
        self._undo: list[Callable[[], object]] = []

    def opened(self) -> None:
        self.open()

    def open(self) -> None:
        """Open the file and have faulthandler know it, unless the user has other plans with that."""
        if self._file is not None:
            return
        path = self._session.path("stacks.txt")
        self._file = open(path, "w")  # noqa: SIM115  # must stay open as long as the process lives
        if not faulthandler.is_enabled():
            faulthandler.enable(self._file, all_threads=True)
            self._undo.append(faulthandler.disable)
            if hasattr(os, "register_at_fork"):
                os.register_at_fork(after_in_child=faulthandler.disable)
        number = getattr(signal, "SIGRTMAX", 0) - 3
        if number > 0 and signal.getsignal(number) == signal.SIG_DFL:
            faulthandler.register(number, self._file, all_threads=True)
            self._undo.append(functools.partial(faulthandler.unregister, number))
            self._session.facts["stacks_signal"] = int(number)
        self._session.closers.append(self._close)

    def _close(self) -> None:
        if self._file is None:
            return
        for undo in self._undo:
            undo()
        path = self._file.name
        self._file.close()
        if os.path.getsize(path) == 0:
            os.unlink(path)

    def asked(self, request: str) -> None:
        if request == "stacks" and self._file is not None:
            faulthandler.dump_traceback(self._file, all_threads=True)
