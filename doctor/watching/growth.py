"""Notices that host memory grows, so that the probe is asked what grows while it does."""

import itertools
from collections import deque

MEMORY_FIELDS = ("main_anonymous", "ranks_anonymous", "workers_anonymous")
"""What makes up the growth of a training, of the sampler's fields."""
WINDOW_SECONDS = 20.0
MIN_GROWTH_BYTES = 16 << 20
MIN_GROWTH_SHARE = 0.005
FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 15.0, 600.0
PARTS = 4


class Growth:
    """Decides when a census of the living objects is worth its price (a tenth of a second for the training)."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float]] = deque()
        self._asked_at = float("-inf")
        self._pause = FIRST_PAUSE_SECONDS

    def wants_census(self, now: float, memory_bytes: float) -> bool:
        """Take a sample; whether memory grew in every part of the window, and the last census is long enough ago.

        Parameters
        ----------
        now : float
            Seconds on a monotonic clock.
        memory_bytes : float
            Of the whole process tree.
        """
        samples = self._samples
        samples.append((now, memory_bytes))
        if now - samples[0][0] < WINDOW_SECONDS:
            return False
        while now - samples[1][0] >= WINDOW_SECONDS:
            samples.popleft()
        marks = [samples[(len(samples) - 1) * part // PARTS][1] for part in range(PARTS + 1)]
        grown = marks[-1] - marks[0]
        if grown < max(MIN_GROWTH_BYTES, MIN_GROWTH_SHARE * marks[0]) or any(
            later <= earlier for earlier, later in itertools.pairwise(marks)
        ):
            return False
        if now - self._asked_at < self._pause:
            return False
        if self._asked_at != float("-inf"):
            self._pause = min(2 * self._pause, MAX_PAUSE_SECONDS)
        self._asked_at = now
        return True
