"""Turns the signals that end a process into an interruption, so that the scratch folder goes with it."""

import signal
from types import FrameType

STOPPING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
STATUS_OF_SIGNALS = 128

_received: list[int] = [signal.SIGINT]


def listen() -> None:
    """Be interrupted by SIGTERM and SIGHUP as by Ctrl-C; one that is ignored already, as under nohup, stays so."""
    for number in STOPPING:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _interrupt)


def exit_status() -> int:
    """Return the status of a command that a signal ended, as shells count."""
    return STATUS_OF_SIGNALS + _received[-1]


def _interrupt(number: int, _: FrameType | None) -> None:
    _received.append(number)
    raise KeyboardInterrupt
