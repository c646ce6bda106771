"""Takes the facts of a step from torch: the loss at backward, gradient norms, the optimizer's step."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from .guard import guarded

if TYPE_CHECKING:
    from .session import Session


def install(session: Session) -> None:
    """Put the hooks in place, once per process."""
    hooks = _Hooks(session)
    original = torch.autograd.backward

    def backward(tensors: Any, *args: Any, **kwargs: Any) -> Any:
        hooks.before_backward(tensors)
        try:
            return original(tensors, *args, **kwargs)
        finally:
            hooks.after_backward()

    torch.autograd.backward = backward
    register_optimizer_step_pre_hook(hooks.before_step)
    register_optimizer_step_post_hook(hooks.after_step)


class _Hooks:
    """The facts of the step in progress."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.losses: list[float] = []
        self.tracks: dict[int, int] = {}
        self.norm: float | None = None
        self.began = time.monotonic()

    @guarded
    def before_backward(self, tensors: Any) -> None:
        if not self.session.active:
            return
        begin = time.perf_counter()
        self.session.enter("backward")
        tensor = tensors[0] if isinstance(tensors, (tuple, list)) else tensors
        if tensor.numel() == 1:
            self.losses.append(tensor.detach().float().item())
        self.session.tell("backward_begins", tensor)
        self.session.spent += time.perf_counter() - begin

    @guarded
    def after_backward(self) -> None:
        if self.session.active:
            self.session.enter("forward")

    @guarded
    def before_step(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        if not self.session.active:
            return
        begin = time.perf_counter()
        self.session.enter("optimizer")
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        if gradients:
            norms = torch._foreach_norm(gradients)
            self.norm = math.sqrt(sum(norm.item() ** 2 for norm in norms))
            self.session.tell("update_begins", optimizer, {"grad_norm": self.norm})
        self.session.spent += time.perf_counter() - begin

    @guarded
    def after_step(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        if not self.session.active:
            return
        now = time.monotonic()
        values = {"step_seconds": now - self.began, "learning_rate": float(optimizer.param_groups[0]["lr"])}
        if self.losses:
            values["loss"] = sum(self.losses) / len(self.losses)
            values["backwards"] = len(self.losses)
        if self.norm is not None:
            values["grad_norm"] = self.norm
        self.session.record(values)
        track = self.tracks.setdefault(id(optimizer), len(self.tracks))
        self.losses, self.norm, self.began = [], None, now
        self.session.tell("step_ended", self.session.step, values)
        self.session.finish_step(track)
