"""Who hears how far a training has come. Loads no torch."""

from typing import Protocol


class Observer(Protocol):
    """Who wants to know how far a training has come."""

    def begun(self, steps: int, done: int) -> None:
        """Hear how many updates there will be, and how many an earlier run made."""

    def stepped(self, step: int, loss: float) -> None:
        """Hear that an update was made."""


class Silent:
    """An observer that shows nothing."""

    def begun(self, steps: int, done: int) -> None:
        """Ignore it."""

    def stepped(self, step: int, loss: float) -> None:
        """Ignore it."""
