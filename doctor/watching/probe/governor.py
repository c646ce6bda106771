"""Keeps the probe cheap: it measures what the probe costs and has it sample less where that is too much."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .session import Session

HALVE_SHARE = 0.005
"""Of the step time, above which sampling is halved."""
DISABLE_SHARE = 0.01
"""Above which what is sampled is left out."""
GRACE_SECONDS = 1.0
"""What the probe may cost in all before it saves: short runs of tiny models are recorded in full."""
SMOOTHING = 0.05
PATIENCE = 50
"""Steps between two changes."""
GOLDEN = (5**0.5 - 1) / 2
"""Multiples of it spread evenly, so that optimizers which take turns are all sampled, and all ranks at one step."""
MAX_LEVEL = 8
"""At this level one step in 256 is sampled."""


class Governor:
    """Decides at which steps the costly facts are taken.

    Attributes
    ----------
    level : int
        On average one step in 2**level is sampled.
    overhead : float
        Smoothed share of the step time that the probe takes.
    saves : bool
        False where the record matters more than the time, as in runs that try a repair: those must see alike.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.saves = True
        self.level = 0
        self.overhead = 0.0
        self.total_seconds = 0.0
        self.total_spent = 0.0
        self._changed = 0

    def samples(self, step: int, every: int = 1) -> bool:
        """Whether what is normally taken at one step in `every` is taken at this one."""
        return evenly(step, every << self.level)

    def step_took(self, step: int, seconds: float, spent: float) -> None:
        """Hear what a step took in all, and how much of it was the probe."""
        self.total_seconds += seconds
        self.total_spent += spent
        if seconds <= 0:
            return
        share = spent / seconds
        self.overhead += (share - self.overhead) * (SMOOTHING if step > 1 / SMOOTHING else 1 / step)
        if not self.saves or self.total_spent < GRACE_SECONDS or step - self._changed < PATIENCE:
            return
        if self.overhead > HALVE_SHARE and self.level < MAX_LEVEL:
            self._change(step, MAX_LEVEL if self.overhead > DISABLE_SHARE and self.level else self.level + 1)
        elif self.overhead < HALVE_SHARE / 4 and self.level > 0:
            self._change(step, self.level - 1)

    def _change(self, step: int, level: int) -> None:
        self.level, self._changed = level, step
        self.say()

    def say(self) -> None:
        """Write down what the probe costs."""
        share = self.total_spent / self.total_seconds if self.total_seconds else 0.0
        self._session.event(
            "governor", level=self.level, overhead=round(self.overhead, 6), overhead_overall=round(share, 6)
        )


def evenly(step: int, every: int) -> bool:
    """Whether a step is one of those that are spread evenly, one in `every`; for what costs next to nothing."""
    return step * GOLDEN % 1.0 < 1.0 / every
