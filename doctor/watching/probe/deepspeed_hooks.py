"""Takes the facts of a step from DeepSpeed engines.

Below ZeRO there is one flat partition instead of a model's tensors, and steps of its optimizers are no steps of the
training; hence steps are counted where the engine takes them. Its norm is from before clipping, and known after the
update only. Nothing here gathers anything from other ranks.
"""

from __future__ import annotations

import math
import sys
import time
from typing import TYPE_CHECKING, Any

import torch

from .entry import around, entry
from .governor import evenly
from .gradients import Gradients
from .models import Models, described
from .steps import Steps
from .torch_hooks import MODE_EVERY
from .updates import Updates

if TYPE_CHECKING:
    from .session import Session

MASKED_NORM = -1.0
"""What older releases report for a norm that is not finite."""


class DeepSpeedHooks:
    """Hears of engines, of their backward passes and of their steps."""

    def __init__(self, session: Session, steps: Steps, models: Models, gradients: Gradients, updates: Updates) -> None:
        self.session, self.steps, self.models, self.gradients = session, steps, models, gradients
        self.updates = updates
        self._described: set[int] = set()

    def install(self) -> None:
        """Wrap the engine; called once DeepSpeed is imported."""
        from deepspeed.runtime.engine import DeepSpeedEngine

        around(DeepSpeedEngine, "__init__", self.engine_comes, self.engine_came)
        around(DeepSpeedEngine, "backward", self.before_backward, self.after_backward)
        around(DeepSpeedEngine, "_take_model_step", self.before_step, self.after_step)
        around(DeepSpeedEngine, "save_checkpoint", self.saving, self.saved)

    @entry
    def engine_comes(self, engine: Any, *args: Any, **kwargs: Any) -> None:
        self.steps.engine = True

    @entry
    def engine_came(self, token: Any, result: Any, engine: Any, *args: Any, **kwargs: Any) -> None:
        if sys.exc_info()[0] is None:  # memory may run out before the first update, when no more is known
            self.session.event("engine_built", micro_batch=engine.train_micro_batch_size_per_gpu())

    @entry
    def before_backward(self, engine: Any, loss: Any = None, *args: Any, **kwargs: Any) -> None:
        self.steps.engine = True  # also where it was built before anybody watched
        if isinstance(loss, torch.Tensor):
            self.steps.facts.given_loss = loss.detach()

    @entry
    def after_backward(self, *args: Any, **kwargs: Any) -> None:
        self.steps.facts.given_loss = None

    @entry
    def saving(self, *args: Any, **kwargs: Any) -> str:
        return self.session.enter("checkpoint")

    @entry
    def saved(self, phase: str | None, *args: Any, **kwargs: Any) -> None:
        self.session.enter(phase or "forward")

    @entry
    def before_step(self, engine: Any, *args: Any, **kwargs: Any) -> None:
        facts = self.steps.facts
        self.session.enter("optimizer")
        facts.optimizer_began = time.monotonic()
        if id(engine) not in self._described:
            self._described.add(id(engine))
            self._describe(engine)
        values = facts.values
        self.steps.losses_known()
        rates = engine.get_lr()
        if rates and isinstance(rates[0], (int, float)):
            values["learning_rate"] = float(rates[0])
        share = self.models.training_share()
        if share is not None and (self.session.step < 8 or evenly(self.session.step, MODE_EVERY)):
            values["training_mode"] = share
        if engine.gradient_clipping() > 0:
            values["max_norm"] = float(engine.gradient_clipping())
        scaler = getattr(engine, "torch_autocast_z0_gradscaler", None)
        if engine.zero_optimization_stage() == 0 and not engine.fp16_enabled() and not engine.bfloat16_enabled():
            parameters = list(engine.module.parameters())
            self.gradients.take(parameters)
            self.gradients.sum_up(parameters, values, getattr(scaler, "_scale", None))
        scale = _scale(engine, scaler)
        if isinstance(scale, torch.Tensor):
            if scale.device.type == "cpu":
                values["loss_scale"] = float(scale)
        elif scale is not None:
            values["loss_scale"] = float(scale)
        self.session.tell("update_begins", engine.optimizer, values)
        if _in_float32(engine) and self.updates.due():
            self.updates.remember(list(engine.module.parameters()))

    @entry
    def after_step(self, token: Any, result: Any, engine: Any, *args: Any, **kwargs: Any) -> None:
        facts = self.steps.facts
        values = facts.values
        values["optimizer_seconds"] = time.monotonic() - facts.optimizer_began
        overflow = bool(getattr(engine.optimizer, "overflow", False))
        if sys.exc_info()[0] is not None:  # no update was made
            if overflow:  # and that is why: the scale can fall no further
                self.session.record({**values, "skipped": 1.0})
            return
        values["skipped"] = max(values.get("skipped", 0.0), float(overflow or not engine.was_step_applied()))
        norm = engine.get_global_grad_norm()
        if norm is not None:
            inner = getattr(engine.optimizer, "torch_autocast_gradscaler", None)
            scaled = inner is not None and getattr(engine.optimizer, "loss_scale", 1) == 1  # so in 0.19
            self._norm(norm / values.get("loss_scale", 1.0) if scaled else norm)
        if engine.zero_optimization_stage() < 3 and self.updates.due():
            self.updates.weigh(list(engine.module.parameters()), values, skipped=values["skipped"] > 0)
        self.steps.finish(("engine", id(engine)))

    def _norm(self, norm: Any) -> None:
        values, number = self.steps.facts.values, self.session.step

        def known(norms: list[float]) -> None:
            masked = norms[0] == MASKED_NORM
            found = math.inf if masked else norms[0]
            facts = {"grad_norm": found}
            if masked or not math.isfinite(found):
                facts["non_finite_gradients"] = 1.0
            if masked:
                self.session.event("masked_norm", of_step=number, reported=MASKED_NORM)
            values.update(facts)
            if number < self.session.step:
                self.session.record(facts, number)

        if isinstance(norm, torch.Tensor):
            self.steps.deferred.fetch([norm], known)
        else:
            known([float(norm)])

    def _describe(self, engine: Any) -> None:
        self.models.add_root(engine.module)
        self.session.event(
            "engine",
            **{"class": type(engine).__name__},
            zero_stage=engine.zero_optimization_stage(),
            fp16=bool(engine.fp16_enabled()),
            bf16=bool(engine.bfloat16_enabled()),
            accumulation=engine.gradient_accumulation_steps(),
            batch=engine.train_batch_size(),
            micro_batch=engine.train_micro_batch_size_per_gpu(),
            clipping=engine.gradient_clipping(),
            optimizer_class=type(engine.optimizer).__name__,
            world=engine.dp_world_size,
        )
        inner = getattr(engine, "basic_optimizer", None) or engine.optimizer
        self.session.event("optimizer", track=0, **described(inner))


def _in_float32(engine: Any) -> bool:
    """Whether all weights are whole here, and not rounded copies, so that they show how far an update went."""
    halved = engine.fp16_enabled() or engine.bfloat16_enabled()
    return not halved and engine.zero_optimization_stage() < 3


def _scale(engine: Any, scaler: Any) -> Any:
    """Return the live loss scale, where one is in use."""
    if scaler is not None:
        return getattr(scaler, "_scale", None)
    scale = getattr(engine.optimizer, "loss_scale", None)
    if callable(scale):
        return None
    return scale if engine.fp16_enabled() or scale not in (None, 1, 1.0) else None
