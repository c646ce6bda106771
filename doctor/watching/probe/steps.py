"""The facts of the step in progress, and how it ends: the same way for every kind of optimizer and engine."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import torch

from .deferred import Deferred

if TYPE_CHECKING:
    from .session import Session

MAX_TRACKS = 16
"""More optimizers than this share the last track."""


class Facts(threading.local):
    """What is known of the step in progress; each thread has its own."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}
        self.losses: list[torch.Tensor] = []
        self.unscaled: list[tuple[torch.Tensor, torch.Tensor]] = []
        """What a scaler returned, and what it was given."""
        self.given_loss: torch.Tensor | None = None
        """What an engine was given, before it scales it and calls backward."""
        self.backwards = 0
        self.backward_seconds = 0.0
        self.backward_began: float | None = None
        self.optimizer_began = 0.0
        self.stepping: list[int] = []
        """Optimizers in whose `step` this thread is, outermost first, by id."""
        self.stepped = False
        """Whether an optimizer's own step ran since a scaler was asked for it."""

    def clear(self) -> None:
        """Begin a new step."""
        self.values = {}
        self.losses = []
        self.unscaled = []
        self.backwards = 0
        self.backward_seconds = 0.0


class Steps:
    """Ends steps.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.facts = Facts()
        self.deferred = Deferred()
        self.tracks: dict[object, int] = {}
        self.began = time.monotonic()
        self.last = 0
        """Number of the step that ended last."""
        self.engine = False
        """Whether an engine (DeepSpeed) counts the steps; then the optimizers below it do not."""
        self._lock = threading.Lock()

    def track(self, key: object) -> int:
        """Return the track of an optimizer; one made again for the same weights is the same."""
        known = self.tracks.get(key)
        if known is None:
            known = self.tracks[key] = min(len(self.tracks), MAX_TRACKS - 1)
        return known

    def losses_known(self) -> None:
        """Have the losses of the step in progress recorded: at once, or when they arrive from the device."""
        facts, number = self.facts, self.session.step
        losses, facts.losses = facts.losses, []
        if not losses:
            return
        given = facts.values

        def known(values: list[float]) -> None:
            loss = sum(values) / len(values)
            given["loss"] = loss
            if number < self.session.step:
                self.session.record({"loss": loss}, number)

        self.deferred.fetch(losses, known)

    def finish(self, key: object, **more: float) -> None:
        """End the step in progress."""
        session, facts = self.session, self.facts
        self.losses_known()
        with self._lock:
            now = time.monotonic()
            values = facts.values
            values.update(more)
            values["step_seconds"] = now - self.began
            values["backwards"] = facts.backwards
            if facts.backward_seconds:
                values["backward_seconds"] = facts.backward_seconds
            self.began = now
            track = self.track(key)
            facts.clear()
            session.tell("step_ending", track, values)
            self.last = session.step
            session.finish_step(track, values)
        session.tell("step_ended", self.last, values)
        self.deferred.poll()


def first_rate(optimizer: Any) -> dict[str, float]:
    """Return the learning rate of the first group, unless it lies on a device."""
    rate = optimizer.param_groups[0].get("lr")
    if isinstance(rate, torch.Tensor):
        return {"learning_rate": float(rate)} if rate.device.type == "cpu" else {}
    return {} if rate is None else {"learning_rate": float(rate)}


def key_of(optimizer: Any) -> object:
    """Return what makes an optimizer the same one: its class and its first weight."""
    parameters = optimizer.param_groups[0]["params"] if optimizer.param_groups else ()
    return type(optimizer).__name__, id(parameters[0]) if parameters else id(optimizer)
