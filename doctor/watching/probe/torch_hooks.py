"""Takes the facts of a step from torch: backward passes, and the steps of optimizers, of scalers and of none."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from .entry import around, entry
from .governor import evenly
from .staleness import Staleness
from .steps import Steps, first_rate, key_of

if TYPE_CHECKING:
    from .gradients import Gradients
    from .models import Models
    from .session import Session

FIRST = 8
"""Steps at which everything is looked at."""
MODE_EVERY = 16
"""Steps between two looks at the modules' modes."""
MANUAL = "manual"
"""The track of updates that no optimizer made."""
UNSTEPPED = 64
"""Backward passes after which optimizers that never stepped count as none."""


class TorchHooks:
    """Hears of backward passes and of updates, with or without an optimizer."""

    def __init__(self, session: Session, steps: Steps, gradients: Gradients, models: Models) -> None:
        self.session, self.steps, self.gradients, self.models = session, steps, gradients, models
        self.staleness = Staleness(steps)
        self.unstepped = 0

    def install(self) -> None:
        """Put the hooks in place, once per process."""
        around(torch.autograd, "backward", self.before_backward, self.after_backward)
        for handle in (
            register_optimizer_step_pre_hook(self.before_step),
            register_optimizer_step_post_hook(self.after_step),
        ):
            self.session.closers.append(handle.remove)
        around(torch.amp.GradScaler, "scale", None, self.scaled)
        around(torch.amp.GradScaler, "step", self.before_scaler_step, self.after_scaler_step)

    @entry
    def before_backward(self, tensors: Any, *args: Any, **kwargs: Any) -> None:
        facts = self.steps.facts
        self.session.enter("backward")
        tensor = tensors[0] if isinstance(tensors, (tuple, list)) else tensors
        self.staleness.backward_begins()
        if tensor.numel() == 1 and tensor.is_floating_point():
            loss = next((given for result, given in facts.unscaled if result is tensor), tensor)
            loss = loss if facts.given_loss is None else facts.given_loss
            facts.losses.append(loss.detach() if loss.device.type != "cpu" else loss.detach().clone())
        facts.unscaled = []
        facts.backwards += 1
        self.session.backwards = facts.backwards
        self.session.tell("backward_begins", tensor)
        facts.backward_began = time.monotonic()

    @entry
    def after_backward(self, token: Any, result: Any, *args: Any, **kwargs: Any) -> None:
        facts = self.steps.facts
        if facts.backward_began is not None:
            facts.backward_seconds += time.monotonic() - facts.backward_began
            facts.backward_began = None
        self.session.enter("optimizer" if facts.stepping else "forward")
        self.staleness.backward_ended()
        if self.steps.engine or facts.stepping:
            return
        self.unstepped += 1
        if not self.steps.tracks.keys() - {MANUAL} or self.unstepped > UNSTEPPED:
            self._without_optimizer()

    def _without_optimizer(self) -> None:
        if self.unstepped <= UNSTEPPED and self.models.optimizers_exist():
            return
        parameters = self.models.parameters()
        self.gradients.take(parameters)
        self.gradients.sum_up(parameters, self.steps.facts.values)
        self.steps.finish(MANUAL)

    @entry
    def before_step(self, optimizer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        facts = self.steps.facts
        if id(optimizer) in facts.stepping:  # the step before ended with an exception
            del facts.stepping[facts.stepping.index(id(optimizer)) :]
        facts.stepping.append(id(optimizer))
        facts.stepped = True
        if len(facts.stepping) > 1 or self.steps.engine:
            return None
        facts.optimizer_began = time.monotonic()
        self.session.enter("optimizer")
        closure = kwargs.get("closure", args[1] if len(args) > 1 else None)
        if not callable(closure):
            self.update_begins(optimizer)
            return None
        fresh = _Closure(self, optimizer, closure)
        if "closure" in kwargs:
            return args, {**kwargs, "closure": fresh}
        return (args[0], fresh, *args[2:]), kwargs

    def update_begins(self, optimizer: Any) -> None:
        """Take the gradients, which are all there now."""
        self.unstepped = 0
        self.models.stepping(optimizer)
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        values = self.steps.facts.values
        self.steps.losses_known()
        self.staleness.update_begins(optimizer, values)
        self.gradients.take_missing(parameters)
        self.gradients.sum_up(parameters, values, getattr(optimizer, "grad_scale", None))
        values.update(first_rate(optimizer))
        if self.session.step <= FIRST or evenly(self.session.step, MODE_EVERY):
            share = self.models.training_share()
            if share is not None:
                values["training_mode"] = share
        self.session.tell("update_begins", optimizer, values)

    @entry
    def closure_ended(self, optimizer: Any) -> None:
        self.update_begins(optimizer)

    @entry
    def after_step(self, optimizer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        facts = self.steps.facts
        if id(optimizer) not in facts.stepping:
            return
        del facts.stepping[facts.stepping.index(id(optimizer)) :]
        if facts.stepping or self.steps.engine:
            return
        facts.values["optimizer_seconds"] = time.monotonic() - facts.optimizer_began
        facts.values.setdefault("skipped", 0.0)
        self.staleness.update_ended(optimizer)
        self.steps.finish(key_of(optimizer))

    @entry
    def scaled(self, token: Any, result: Any, scaler: Any, outputs: Any, *args: Any, **kwargs: Any) -> None:
        if isinstance(result, torch.Tensor) and isinstance(outputs, torch.Tensor):
            self.steps.facts.unscaled.append((result, outputs.detach()))

    @entry
    def before_scaler_step(self, scaler: Any, optimizer: Any, *args: Any, **kwargs: Any) -> None:
        facts = self.steps.facts
        facts.stepped = False
        scale = getattr(scaler, "_scale", None)
        if not scaler.is_enabled() or scale is None:
            return
        number, values = self.session.step, facts.values

        def known(scales: list[float]) -> None:
            values["loss_scale"] = scales[0]
            if number < self.session.step:
                self.session.record({"loss_scale": scales[0]}, number)

        self.steps.deferred.fetch([scale], known)

    @entry
    def after_scaler_step(
        self, token: Any, result: Any, scaler: Any, optimizer: Any, *args: Any, **kwargs: Any
    ) -> None:
        facts = self.steps.facts
        if facts.stepped or not scaler.is_enabled():
            return
        if self.steps.engine:
            facts.values["skipped"] = 1.0
            return
        self.unstepped = 0
        self.models.stepping(optimizer)
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self.gradients.take_missing(parameters)
        self.gradients.sum_up(parameters, facts.values)
        facts.values.update(first_rate(optimizer), skipped=1.0)
        self.staleness.update_ended(optimizer)
        self.steps.finish(key_of(optimizer))


class _Closure:
    """What an optimizer is given instead of a closure: the closure, and word to the probe when it first returns."""

    def __init__(self, hooks: TorchHooks, optimizer: Any, closure: Any) -> None:
        self._hooks, self._optimizer, self._closure = hooks, optimizer, closure
        self._told = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        result = self._closure(*args, **kwargs)
        if not self._told:
            self._told = True
            self._hooks.closure_ended(self._optimizer)
        return result
