"""Hears of learning-rate schedulers: whether they step, and what they make of the rate."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from torch.optim import lr_scheduler

from .entry import around, entry
from .session import Listener
from .steps import Steps

if TYPE_CHECKING:
    from .session import Session

LENGTHS = ("total_steps", "T_max", "total_iters", "T_0")
"""Attributes in which schedulers keep how long they last."""


class _Schedule:
    """What is known of one scheduler."""

    def __init__(self, scheduler: Any, number: int) -> None:
        self.number = number
        self.kind = type(scheduler).__name__
        self.steps = 0
        self.rates: list[float] = []
        self.depth = 0
        self.first_before_optimizer = False
        self.said = -1


class Schedulers(Listener):
    """Writes a "scheduler" event for each scheduler at the optimizer steps 1, 2, 4, 8 … and at the end."""

    def __init__(self, session: Session, steps: Steps) -> None:
        self.session, self.steps = session, steps
        self._known: weakref.WeakKeyDictionary[Any, _Schedule] = weakref.WeakKeyDictionary()
        self._made = 0
        self._next = 1

    def install(self) -> None:
        """Wrap the classes that are there; those of users call theirs."""
        classes = [
            kind
            for kind in vars(lr_scheduler).values()
            if isinstance(kind, type) and hasattr(kind, "step") and "scheduler" in kind.__module__
        ]
        for kind in dict.fromkeys(classes):
            for name in ("__init__", "step"):
                if name in vars(kind):
                    around(kind, name, self.before, self.made if name == "__init__" else self.stepped)
        self.session.listeners.append(self)

    @entry
    def before(self, scheduler: Any, *args: Any, **kwargs: Any) -> None:
        schedule = self._known.get(scheduler)
        if schedule is None:
            schedule = self._known[scheduler] = _Schedule(scheduler, self._made)
            self._made += 1
        schedule.depth += 1

    @entry
    def made(self, token: Any, result: Any, scheduler: Any, *args: Any, **kwargs: Any) -> None:
        schedule = self._known.get(scheduler)
        if schedule is not None:
            schedule.depth -= 1
            if schedule.depth == 0:
                self._look(scheduler, schedule)

    @entry
    def stepped(self, token: Any, result: Any, scheduler: Any, *args: Any, **kwargs: Any) -> None:
        schedule = self._known.get(scheduler)
        if schedule is None:
            return
        schedule.depth -= 1
        if schedule.depth == 0:  # not within its construction or a subclass's step
            schedule.steps += 1
            if schedule.steps == 1:
                schedule.first_before_optimizer = self.steps.last == 0
            self._look(scheduler, schedule)

    def _look(self, scheduler: Any, schedule: _Schedule) -> None:
        optimizer = getattr(scheduler, "optimizer", None)
        groups = getattr(optimizer, "param_groups", None)
        rate = groups[0].get("lr") if groups else None
        if not isinstance(rate, (int, float)):
            return
        rates = schedule.rates
        schedule.rates = [rates[0], rate, min(rates[2], rate), max(rates[3], rate)] if rates else [float(rate)] * 4

    def step_ended(self, step: int, values: dict[str, float]) -> None:
        """Say what the schedulers do, ever more rarely."""
        if step >= self._next:
            self._next = 2 * step
            self._say()

    def exiting(self) -> None:
        """Say it for the last time."""
        self._say()

    def _say(self) -> None:
        for scheduler, schedule in list(self._known.items()):
            if schedule.said == self.steps.last:
                continue
            schedule.said = self.steps.last
            names = ("lr_first", "lr_now", "lr_min", "lr_max")
            length = next((getattr(scheduler, name) for name in LENGTHS if hasattr(scheduler, name)), None)
            self.session.event(
                "scheduler",
                number=schedule.number,
                **{"class": schedule.kind},
                steps=schedule.steps,
                optimizer_steps=self.steps.last,
                length=length if isinstance(length, (int, float)) else None,
                before_optimizer=schedule.first_before_optimizer,
                **dict(zip(names, schedule.rates)),
            )
