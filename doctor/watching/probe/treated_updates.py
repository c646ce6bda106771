"""Treatments of updates: clipping, the rate and its warm-up, decay, clearing of gradients, stopping early."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from .session import Listener

if TYPE_CHECKING:
    from .torch_parts import Parts
    from .treatment import Log

PATIENCE = 2
"""Evaluations in a row that are no better than the best, after which a training is stopped early."""


class TreatedUpdates(Listener):
    """Changes what an optimizer is given, for the time of its step, and clears gradients after it.

    An optimizer's own settings are put back after each step, so that schedulers and the program see what they set.
    """

    CHANGES = frozenset(
        ("max_grad_norm", "learning_rate_ratio", "warmup_steps", "weight_decay", "zero_grad", "early_stopping")
    )

    def __init__(self, parts: Parts, changes: Mapping[str, Any], log: Log) -> None:
        self._parts, self._changes, self._log = parts, changes, log
        self._lent: list[tuple[dict[str, Any], str, Any]] = []
        """What was replaced for the time of a step: group, name, former value."""
        self._updates: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self._of_track: dict[int, weakref.ref[Any]] = {}
        self._stepping: weakref.ref[Any] | None = None
        self._best = float("inf")
        self._worse = 0

    def install(self) -> None:
        """Listen, after those who record."""
        session = self._parts.session
        session.listeners.append(self)
        if self._changes.get("early_stopping"):
            record = session.record

            def overheard(values: Mapping[str, float], step: int | None = None) -> None:
                record(values, step)
                self._evaluated(values)

            session.record = overheard  # type: ignore[method-assign]  # every evaluation is recorded there

    def update_begins(self, optimizer: Any, values: dict[str, float]) -> None:
        """Change the update that is about to be made."""
        self._put_back()
        self._stepping = weakref.ref(optimizer)
        count = self._updates[optimizer] = self._updates.get(optimizer, 0) + 1
        self._change_groups(optimizer, count, values)
        if "max_grad_norm" in self._changes and not self._parts.steps.engine:
            self._clip(optimizer, values)

    def _change_groups(self, optimizer: Any, count: int, values: dict[str, float]) -> None:
        ratio = float(self._changes.get("learning_rate_ratio", 1.0))
        warmup = int(self._changes.get("warmup_steps", 0))
        if warmup > 0:
            ratio *= min(1.0, count / warmup)
        for group in optimizer.param_groups:
            if "learning_rate_ratio" in self._changes or warmup > 0:
                self._lend(group, "lr", group["lr"] * ratio)
            if "weight_decay" in self._changes and "weight_decay" in group:
                self._lend(group, "weight_decay", float(self._changes["weight_decay"]))
                self._log.done("weight_decay")
        if "learning_rate" in values:
            values["learning_rate"] *= ratio
        for change in ("learning_rate_ratio", "warmup_steps"):
            if change in self._changes:
                self._log.done(change)

    def _lend(self, group: dict[str, Any], name: str, value: Any) -> None:
        self._lent.append((group, name, group[name]))
        group[name] = value

    def _put_back(self) -> None:
        while self._lent:
            group, name, value = self._lent.pop()
            group[name] = value

    def _clip(self, optimizer: Any, values: dict[str, float]) -> None:
        """Clip as torch does; a fused optimizer's gradients still carry the loss scale."""
        bound = float(self._changes["max_grad_norm"])
        weights = [one for group in optimizer.param_groups for one in group["params"] if one.grad is not None]
        scale = getattr(optimizer, "grad_scale", None)
        clip = torch.nn.utils.clip_grad_norm_
        clip = getattr(clip, "__wrapped__", clip)  # what the probe records is from before
        clip(weights, bound * float(scale) if isinstance(scale, torch.Tensor) else bound)
        values["max_norm"] = min(bound, values.get("max_norm", bound))
        self._log.done("max_grad_norm")

    def step_ending(self, track: int, values: dict[str, float]) -> None:
        """Leave the optimizer as it was, and its gradients cleared."""
        self._put_back()
        if self._stepping is not None:
            self._of_track[track], self._stepping = self._stepping, None
        known = self._of_track.get(track)
        optimizer = known() if known is not None else None
        if self._changes.get("zero_grad") and optimizer is not None:
            optimizer.zero_grad()
            self._log.done("zero_grad")

    def _evaluated(self, values: Mapping[str, float]) -> None:
        loss = values.get("evaluation_loss")
        if loss is None:
            return
        self._log.done("early_stopping")
        self._worse = 0 if loss < self._best else self._worse + 1
        self._best = min(self._best, loss)
        if self._worse >= PATIENCE:
            self._parts.session.event("stopped", reason="the evaluation loss rose above its best, %.4g" % self._best)
            raise SystemExit(0)
