"""Holds the training where it was asked to: between two steps, or before an update that would do harm.

`DOCTOR_ON_CRITICAL` says what happens before an update whose loss or gradient norm is not finite, or whose norm before
clipping is above `DOCTOR_MAX_GRAD_NORM` (10 unless set): `warn` (nothing here, the monitor judges), `pause` or `stop`.
While the training is held, weights, gradients and graph stay as they are. In a distributed run the other ranks wait in
their next collective, whose time limit goes on.
"""

from __future__ import annotations

import math
import os
import sys
import time
from typing import TYPE_CHECKING, Any

import torch

from .entry import around, entry
from .models import Models
from .session import Listener
from .steps import Steps

if TYPE_CHECKING:
    from .session import Session

MAX_GRAD_NORM = 10.0
LOOK_SECONDS = 0.1
HANDLED = ("pause", "resume", "stop", "checkpoint")


class Stopped(KeyboardInterrupt):
    """The user had the training stopped: what `except KeyboardInterrupt` and `finally` do for Ctrl-C is done for it."""


class Holding(Listener):
    """Pauses, resumes, saves and stops."""

    def __init__(self, session: Session, steps: Steps, models: Models) -> None:
        self.session, self.steps, self.models = session, steps, models
        self.mode = os.environ.get("DOCTOR_ON_CRITICAL", "warn")
        self.bound = float(os.environ.get("DOCTOR_MAX_GRAD_NORM") or MAX_GRAD_NORM)

    def install(self) -> None:
        """Listen; and say so while the user's own code saves something."""
        around(torch, "save", self.saving, self.saved)
        self.session.listeners.append(self)

    @entry
    def saving(self, *args: Any, **kwargs: Any) -> str | None:
        return self.session.enter("checkpoint") if self.session.training else None

    @entry
    def saved(self, phase: str | None, *args: Any, **kwargs: Any) -> None:
        if phase is not None:
            self.session.enter(phase)

    def update_begins(self, optimizer: Any, values: dict[str, float]) -> None:
        """Hold an update that would do harm."""
        if self.mode not in ("pause", "stop"):
            return
        self.steps.deferred.wait()
        reason = self.reason(values)
        if reason is None:
            return
        if self.mode == "stop":
            self._stop(reason)
        self._hold(reason)
        self.session.enter("optimizer")

    def reason(self, values: dict[str, float]) -> str | None:
        """Return why an update with these facts must not happen, if so."""
        for name, words in (("loss", "the loss is %s"), ("grad_norm", "the gradient norm is %s")):
            if not math.isfinite(values.get(name, 0.0)):
                return words % values[name]
        if values.get("grad_norm", 0.0) > self.bound:
            return "the gradient norm is %.4g, above %.4g" % (values["grad_norm"], self.bound)
        return None

    def step_ended(self, step: int, values: dict[str, float]) -> None:
        """See what the monitor asks for."""
        asked = self.session.control.fresh()
        for request in asked:
            if request not in HANDLED:
                self.session.tell("asked", request)
        if "checkpoint" in asked:
            self._save()
        if "stop" in asked:
            self._stop("asked for")
        if "pause" in asked:
            self._hold("asked for")
            self.session.enter("forward")

    def _stop(self, reason: str) -> None:
        self.session.event("stopped", reason=reason)
        raise Stopped("doctor: stopped, " + reason)

    def _hold(self, reason: str) -> None:
        began = time.perf_counter()
        self.session.event("paused", reason=reason, pid=self.session.pid)
        sys.stderr.write("doctor: step %d is held: %s\n" % (self.session.step, reason))
        control = self.session.control
        try:
            while True:
                self.session.enter("paused")
                asked = control.fresh()
                if "checkpoint" in asked:
                    self._save()
                if "stop" in asked:
                    self._stop("asked for while held")
                if "resume" in asked:
                    break
                for request in asked:
                    if request not in HANDLED:
                        self.session.tell("asked", request)
                time.sleep(LOOK_SECONDS)
        finally:
            held = time.perf_counter() - began
            self.session.spent -= held  # the user's time, not the probe's cost
        self.session.event("resumed", seconds=held)

    def _save(self) -> None:
        step, rank = self.steps.last, self.session.rank
        name = "checkpoint-%d%s.pt" % (step, "-rank%d" % rank if rank else "")
        path = os.path.join(self.session.folder, name)
        try:
            torch.save(self._content(step), path + ".part")
            os.replace(path + ".part", path)
        except Exception as error:
            self.session.event("checkpoint_failed", path=name, message=str(error)[:1000])
            return
        self.session.event("checkpoint", path=name, of_step=step)

    def _content(self, step: int) -> dict[str, Any]:
        random: dict[str, Any] = {"torch": torch.get_rng_state()}
        if torch.cuda.is_available():
            random["cuda"] = torch.cuda.get_rng_state_all()
        for module, name in (("random", "getstate"), ("numpy.random", "get_state")):
            if module in sys.modules:
                random[module] = getattr(sys.modules[module], name)()
        return {
            "step": step,
            "models": [{"class": type(root).__name__, "state": root.state_dict()} for root in self.models.roots],
            "optimizers": [
                {"class": type(optimizer).__name__, "state": optimizer.state_dict()}
                for optimizer in self.models.optimizers
            ],
            "random": random,
        }
