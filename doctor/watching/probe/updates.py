"""At some steps: how large the weights are, how far the update moved them, and a checksum to compare ranks by."""

from __future__ import annotations

import hashlib
import math
import struct
from typing import TYPE_CHECKING, Any, cast

import torch

from .gradients import HALF
from .layers import LayerRing
from .models import Models
from .session import Listener
from .steps import Steps

if TYPE_CHECKING:
    from .session import Session

FIRST = 8
"""Steps that are all looked at."""
EVERY = 32
SETTLED = 512
"""Steps after which it is looked at a quarter as often: weights are copied, which is dear."""
MAX_COPY_BYTES = 64_000_000
"""Weights up to this size are copied for one step; of larger ones the update is worked out from Adam's state."""


class Updates(Listener):
    """Norms of weights and updates, per tensor and in all."""

    def __init__(self, session: Session, steps: Steps, models: Models) -> None:
        self.session, self.steps = session, steps
        self._weights = LayerRing(session, models.names, "weights")
        self._updates = LayerRing(session, models.names, "updates")
        self._zeros = LayerRing(session, models.names, "zero_gradients")
        self._taken: tuple[Any, list[torch.Tensor], list[torch.Tensor]] | None = None
        self._remembered: list[torch.Tensor] = []

    def install(self) -> None:
        """Listen."""
        self.session.listeners.append(self)

    def due(self) -> bool:
        """Whether the step in progress is looked at."""
        step = self.session.step
        return step <= FIRST or self.session.governor.samples(step, EVERY if step <= SETTLED else 4 * EVERY)

    def remember(self, weights: list[torch.Tensor]) -> None:
        """Copy the weights before an update that an engine makes; large ones are left alone."""
        chosen = _weighable(weights)
        if sum(one.numel() * one.element_size() for one in chosen) <= MAX_COPY_BYTES:
            self._remembered = [one.detach().clone() for one in chosen]

    def weigh(self, weights: list[torch.Tensor], values: dict[str, float], *, skipped: bool = False) -> None:
        """Take the weights' norms and checksum, and how far they went since they were remembered."""
        before, self._remembered = self._remembered, []
        chosen = _weighable(weights)
        if not chosen or len({one.device for one in chosen}) > 1:
            return
        with torch.no_grad():
            number = self.session.step
            self._measure(number, "weight_norm", self._weights, chosen, chosen, values)
            if before and len(before) == len(chosen) and not skipped:
                moved = torch._foreach_sub(chosen, before)
                self._measure(number, "update_norm", self._updates, chosen, list(moved), values)

    def update_begins(self, optimizer: Any, values: dict[str, float]) -> None:
        """Copy the weights before the update, where that is due."""
        step = self.session.step
        self._taken = None
        if not self.due() or self.steps.engine:
            return
        weights = [one for group in optimizer.param_groups for one in group["params"] if one.grad is not None]
        weights = [one for one in weights if one.is_floating_point() and not hasattr(one, "_local_tensor")]
        if not weights or len({one.device for one in weights}) > 1:
            return
        small = sum(one.numel() * one.element_size() for one in weights) <= MAX_COPY_BYTES
        with torch.no_grad():
            self._taken = optimizer, weights, [one.detach().clone() for one in weights] if small else []
            self._count_zeros(step, weights)

    def _count_zeros(self, number: int, weights: list[torch.Tensor]) -> None:
        dense = [one for one in weights if one.grad is not None and not one.grad.is_sparse]
        counts = [torch.count_nonzero(cast("torch.Tensor", one.grad)) for one in dense]
        keys, sizes = [id(one) for one in dense], [one.numel() for one in dense]

        def known(values: list[float]) -> None:
            shares = [1 - value / max(size, 1) for value, size in zip(values, sizes)]
            self._zeros.write(number, keys, shares)

        self.steps.deferred.fetch(counts, known)

    def step_ending(self, track: int, values: dict[str, float]) -> None:
        """Measure how far the weights went."""
        if self._taken is None:
            return
        (optimizer, weights, before), self._taken = self._taken, None
        number = self.session.step
        with torch.no_grad():
            if before:
                torch._foreach_sub_(before, weights)  # in place, as new memory costs more than the difference
            moved = before or _worked_out(optimizer, weights)
            self._measure(number, "weight_norm", self._weights, weights, weights, values)
            if moved:
                self._measure(number, "update_norm", self._updates, weights, moved, values)

    def _measure(
        self, number: int, name: str, ring: LayerRing, weights: Any, tensors: Any, values: dict[str, float]
    ) -> None:
        keys = [id(one) for one in weights]
        norms = [one.norm(dtype=torch.float32) if one.dtype in HALF else one.norm() for one in tensors]

        def known(lengths: list[float]) -> None:
            facts = {name: math.hypot(*lengths)}
            if name == "weight_norm":
                facts["parameter_checksum"] = checksum(lengths)
            values.update(facts)
            if number < self.session.step:
                self.session.record(facts, number)
            ring.write(number, keys, lengths)

        self.steps.deferred.fetch(norms, known)


def _weighable(weights: list[torch.Tensor]) -> list[torch.Tensor]:
    return [one for one in weights if one.is_floating_point() and one.numel()]


def checksum(lengths: list[float]) -> float:
    """Return 48 bits that are the same on two ranks exactly when all norms are."""
    packed = struct.pack("<%dd" % len(lengths), *lengths)
    return float(int.from_bytes(hashlib.blake2b(packed, digest_size=6).digest(), "big"))


def _worked_out(optimizer: Any, weights: list[torch.Tensor]) -> list[torch.Tensor]:
    """Return the norms of Adam's updates from its state, or nothing (lr times mean over root of square, corrected)."""
    if "Adam" not in type(optimizer).__name__:
        return []
    groups = {id(one): group for group in optimizer.param_groups for one in group["params"]}
    moved = []
    for weight in weights:
        state, group = optimizer.state.get(weight, {}), groups[id(weight)]
        if not {"exp_avg", "exp_avg_sq", "step"} <= state.keys() or "betas" not in group:
            return []
        first, second = group["betas"]
        steps = state["step"]
        scale = (1 - second**steps) ** 0.5 / (1 - first**steps) * group["lr"]
        moved.append((state["exp_avg"] / (state["exp_avg_sq"].sqrt() + group.get("eps", 1e-8)) * scale).norm())
    return moved
