"""Postpones an interruption to the end of an update, so that a whole checkpoint can be written."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Whether somebody has asked to stop; who asks twice is not kept waiting."""

    asked = False

    def ask(self, number: int, _: FrameType | None) -> None:
        """Take a signal."""
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


@contextmanager
def postponed() -> Iterator[Interruption]:
    """Collect interruptions while the block lasts; one that nobody acted on comes at its end."""
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    # With several ranks each would stop at another update, and those that go on would wait for ever.
    before = {number: signal.signal(number, interruption.ask) for number in SIGNALS}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if interruption.asked:
        raise KeyboardInterrupt
