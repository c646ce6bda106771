"""Where the loss breaks as the learning rate is raised, and in which shape."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doctor.subjects.sweep import Suspect, Sweep, Trial

__all__ = ["Break", "Level", "RateSweep", "Suspect", "break_of"]

MIN_BREAK_RATIO = 10.0
"""A loss above so many times what an untrained model has is broken; so is one that is not finite."""
LASTING_UPDATES = 9
"""Most of so many losses must be broken: a batch of odd rows has a loss of its own, which passes with it."""
MIN_LASTING_UPDATES = 3
LEVEL_UPDATES = 20
"""Updates before a break whose median is the level that it left."""
LEFT_RATIO = 2.0
"""Times the level, or the first loss, from which on the loss is on its way out."""
AT_ONCE_UPDATES = 3
SUDDEN_UPDATES = 2
"""A way out of at most so many updates is a jump."""
MIN_FALL_SHARE = 0.1
"""Of the best fall of all trials, from which on a trial has learned."""
LAST_SHARE = 0.2


@dataclass(frozen=True, kw_only=True)
class Break:
    """How one training broke.

    Attributes
    ----------
    update : int
        The first, from 1, whose loss was broken.
    began : int
        The last whose loss was still where it had been; its update, or the next batch, is to blame.
    """

    update: int
    began: int

    @property
    def at_once(self) -> bool:
        """Whether the first updates did it."""
        return self.update <= 1 + AT_ONCE_UPDATES

    @property
    def sudden(self) -> bool:
        """Whether it was a jump from a level held until then."""
        return not self.at_once and self.update - self.began <= SUDDEN_UPDATES


@dataclass(frozen=True, kw_only=True)
class Level:
    """All trials at one rate.

    Attributes
    ----------
    breaks : tuple of (Break or None)
        One per trial.
    fall : float
        By how much the loss fell, median over trials; negative where it rose.
    """

    rate: float
    breaks: tuple[Break | None, ...]
    fall: float

    @property
    def broken_share(self) -> float:
        """Share of its trials that broke."""
        return sum(one is not None for one in self.breaks) / len(self.breaks)


@dataclass(frozen=True, kw_only=True)
class RateSweep:
    """A sweep of learning rates, rate by rate.

    Attributes
    ----------
    levels, without : tuple of Level
        Rates in rising order, of the stage that raises them; `without` those of trials without the suspected rows.
    breaks_at : float or None
        The lowest rate above which nothing holds: there at least half of the trials broke.
    holds_to : float or None
        The highest rate below that at which none did.
    learns_from : float or None
        The lowest rate that learned a tenth of what the best one did.
    best : float or None
        The rate whose loss fell most, of those that hold.
    first_loss : float
        Of the untrained model, median over trials; NaN where it was never a number.
    """

    unit: str
    own: float | None
    split: str | None
    levels: tuple[Level, ...]
    without: tuple[Level, ...]
    breaks_at: float | None
    holds_to: float | None
    learns_from: float | None
    best: float | None
    first_loss: float
    suspects: tuple[Suspect, ...]
    breaks: int
    breaks_with_suspects: int
    chance_share: float | None

    @property
    def shape(self) -> str:
        """Return "at once" (at the user's rate, or at all), "sudden" or "gradual" (at the edge); "" if none broke."""
        if self.breaks_at is None:
            return ""
        usual = [level for level in self.levels if self.own is None or level is self.nearest(self.own)]
        if all(one is not None and one.at_once for level in usual for one in level.breaks):
            return "at once"
        edge = [one for one in self.nearest(self.breaks_at).breaks if one is not None]
        return "sudden" if 2 * sum(one.sudden for one in edge) > len(edge) else "gradual"

    def nearest(self, rate: float) -> Level:
        """Return the level whose rate is nearest, in orders of magnitude."""
        return min(self.levels, key=lambda level: abs(np.log(level.rate / rate)))

    @classmethod
    def measure(cls, sweep: Sweep) -> "RateSweep":
        """Sort the trials by their rate."""
        stressed = [trial for trial in sweep.trials if trial.stage == "stress"]
        searching = [trial for trial in sweep.trials if trial.stage in ("coarse", "fine")]
        # The trials of a search are too short to be asked whether a rate holds, unless there are no others.
        levels = _levels(stressed or searching)
        broken = [level.rate for level in levels if level.broken_share >= 0.5]
        # Above the first rate that breaks some chance run may hold: that is not the usable range.
        breaks_at = min(broken, default=None)
        whole = [level for level in levels if not level.broken_share and level.rate < (breaks_at or np.inf)]
        learning = [*whole, *(level for level in _levels(searching) if not level.broken_share)]
        learning = [level for level in learning if level.rate < (breaks_at or np.inf)]
        most = max((level.fall for level in learning), default=0.0)
        learned = [level.rate for level in learning if most > 0 and level.fall >= MIN_FALL_SHARE * most]
        best = max(learning, key=lambda level: level.fall) if most > 0 else None
        return cls(
            unit=sweep.unit,
            own=sweep.own,
            split=sweep.split,
            levels=levels,
            without=_levels(trial for trial in sweep.trials if trial.stage == "without"),
            breaks_at=breaks_at,
            holds_to=max((level.rate for level in whole), default=None),
            learns_from=min(learned, default=None),
            best=best.rate if best else None,
            first_loss=_first_loss(sweep.trials),
            suspects=sweep.suspects,
            breaks=sweep.breaks,
            breaks_with_suspects=sweep.breaks_with_suspects,
            chance_share=sweep.chance_share,
        )


def break_of(losses: Sequence[float | None]) -> Break | None:
    """Return how a training broke, from its losses, one per update; None where it did not."""
    values = np.array([np.nan if one is None else one for one in losses], float)
    if not len(values):
        return None
    # Of the first two one may be that of an odd batch, or what the first update has done.
    untrained = values[:2][np.isfinite(values[:2])]
    first = float(np.abs(untrained).min()) if len(untrained) else 0.0
    high = ~np.isfinite(values) | (values > MIN_BREAK_RATIO * first)
    update = next((int(place) for place in np.flatnonzero(high) if _lasts(values, high, int(place))), None)
    if update is None:
        return None
    level = float(np.median(values[max(0, update - LEVEL_UPDATES) : update])) if update else first
    held = np.flatnonzero(values[:update] <= LEFT_RATIO * max(level, min(first, level)))
    return Break(update=update + 1, began=int(held[-1]) + 1 if len(held) else 1)


def _lasts(values: NDArray[np.float64], high: NDArray[np.bool_], place: int) -> bool:
    after = high[place : place + LASTING_UPDATES]
    if not np.isfinite(values[place : place + LASTING_UPDATES]).all():
        return True
    return len(after) >= MIN_LASTING_UPDATES and 2 * int(after.sum()) > len(after)


def _first_loss(trials: Iterable[Trial]) -> float:
    first = [trial.losses[0] for trial in trials if trial.losses and trial.losses[0] is not None]
    return float(np.median(np.array(first, float))) if first else float("nan")


def _levels(trials: Iterable[Trial]) -> tuple[Level, ...]:
    by_rate: dict[float, list[Trial]] = {}
    for trial in trials:
        if trial.losses:
            by_rate.setdefault(trial.rate, []).append(trial)
    return tuple(
        Level(
            rate=rate,
            breaks=tuple(break_of(trial.losses) for trial in group),
            fall=float(np.median([_fall(trial.losses) for trial in group])),
        )
        for rate, group in sorted(by_rate.items())
    )


def _fall(losses: Sequence[float | None]) -> float:
    """Return by how much the loss fell, as a share of the first; minus infinity where it is not a number."""
    values = np.array([np.inf if one is None else one for one in losses], float)
    some = max(1, round(LAST_SHARE * len(values)))
    first, last = float(values[0]), float(np.median(values[-some:]))
    return (first - last) / abs(first) if np.isfinite([first, last]).all() and first else -np.inf
