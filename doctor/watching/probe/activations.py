"""At a few steps: what comes out of every module, by hooks that are there for one forward pass only."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from .entry import around, entry
from .layers import LayerRing
from .models import Models, plain
from .session import Listener

if TYPE_CHECKING:
    from .session import Session

FIRST = (2, 20, 100)
"""Steps that are looked at in any case."""
EVERY = 500
MAX_MODULES = 200
MAX_VALUES = 1_000_000
"""Of larger outputs, evenly spread rows are looked at."""
HALF_MAX = 65504.0
HALF_TINY = 2.0**-24
"""Largest and smallest positive number in float16."""
RECTIFIERS = ("ReLU", "ReLU6")
BOUNDED = {"Sigmoid": (0.0, 1.0), "Tanh": (-1.0, 1.0), "Hardsigmoid": (0.0, 1.0), "Hardtanh": (-1.0, 1.0)}
NEAR = 0.01
"""Share of a bounded function's range, at each end, in which it is saturated."""
QUANTITIES = (
    "mean",
    "std",
    "absmax",
    "zero",
    "dead",
    "saturated",
    "overflow",
    "underflow",
    "non_finite",
    "dead_inputs",
)


class Activations(Listener):
    """Writes an "activations" event per step looked at, and the standard deviations into a ring."""

    def __init__(self, session: Session, models: Models) -> None:
        self.session, self.models = session, models
        self._compiled = False
        self._asked = False
        self._handles: list[Any] = []
        self._seen: dict[str, tuple[str, str, list[Any]]] = {}
        self._names: dict[int, str] = {}
        self._ring = LayerRing(session, self._names, "activations")

    def install(self) -> None:
        """Listen; what is compiled is left alone, as hooks would have it compiled again."""
        around(torch, "compile", self.compiled, None)
        self.session.listeners.append(self)

    @entry
    def compiled(self, *args: Any, **kwargs: Any) -> None:
        self._compiled = True

    def asked(self, request: str) -> None:
        self._asked |= request == "inspect"

    def step_ended(self, step: int, values: dict[str, float]) -> None:
        """Take the hooks away, write what they saw, and put hooks in place where the next step is due."""
        self._remove()
        if self._seen:
            self._write(step)
        coming = step + 1
        due = self._asked or coming in FIRST or (coming > FIRST[-1] and self.session.governor.samples(coming, EVERY))
        if not due or self._compiled:
            return
        self._asked = False
        for root in self.models.roots:
            if type(root).__name__ not in ("DataParallel", "RecursiveScriptModule"):
                self._handles.append(root.register_forward_pre_hook(self.forward_begins))

    def exiting(self) -> None:
        """Forget what belongs to no step."""
        self._remove()

    def _remove(self) -> None:
        handles, self._handles = self._handles, []
        for handle in handles:
            handle.remove()

    @entry
    def forward_begins(self, root: Any, inputs: Any) -> None:
        if not torch.is_grad_enabled() or not root.training or self._seen:
            return
        named = [(plain(name), one) for name, one in root.named_modules() if not one._modules]
        for name, module in named[:MAX_MODULES]:
            self._names.setdefault(id(module), name)
            self._handles.append(module.register_forward_hook(self._hook(name)))
        if named:
            self._handles.append(root.register_forward_hook(self.forward_ended))

    @entry
    def forward_ended(self, root: Any, inputs: Any, output: Any) -> None:
        self._remove()

    def _hook(self, name: str) -> Callable[..., None]:
        def hook(module: Any, inputs: Any, output: Any) -> None:
            self.computed(name, module, inputs, output)

        return hook

    @entry
    def computed(self, name: str, module: Any, inputs: Any, output: Any) -> None:
        if name in self._seen or type(output) is not torch.Tensor or not output.is_floating_point():
            return
        if output.numel() == 0 or output.is_sparse:
            return
        given = inputs[0] if inputs and type(inputs[0]) is torch.Tensor else None
        with torch.no_grad(), torch.autocast(output.device.type, enabled=False):
            kind = type(module).__name__
            self._seen[name] = (kind, str(output.dtype).replace("torch.", ""), measured(kind, output.detach(), given))

    def _write(self, step: int) -> None:
        seen, self._seen = self._seen, {}
        modules = []
        for name, (kind, dtype, tensors) in seen.items():
            values = [None if one is None else float(one) for one in tensors]
            facts = {key: value for key, value in zip(QUANTITIES, values) if value is not None}
            modules.append({"name": name, "type": kind, "dtype": dtype, **{k: round_off(v) for k, v in facts.items()}})
        by_name = {name: float(tensors[1]) for name, (_, _, tensors) in seen.items() if tensors[1] is not None}
        keys = [key for key, name in self._names.items() if name in by_name]
        self._ring.write(step, keys, [by_name[self._names[key]] for key in keys])
        self.session.event("activations", of_step=step, modules=modules)


def round_off(value: float) -> float:
    """Return a value with the six digits that anybody needs."""
    return float("%.6g" % value) if math.isfinite(value) else value


def measured(kind: str, output: torch.Tensor, given: torch.Tensor | None) -> list[Any]:
    """Return the quantities of one output as scalar tensors, in the order of `QUANTITIES`."""
    wide = thinned(output).float()
    size = wide.abs()
    finite = torch.isfinite(wide)
    kept = wide[finite]
    saturated = None
    if kind in BOUNDED:
        low, high = BOUNDED[kind]
        edge = NEAR * (high - low)
        saturated = ((wide < low + edge) | (wide > high - edge)).float().mean()
    return [
        kept.mean() if kept.numel() else None,
        kept.std(correction=0) if kept.numel() else None,
        kept.abs().max() if kept.numel() else None,
        (wide == 0).float().mean(),
        silent_units(wide) if kind in RECTIFIERS else None,
        saturated,
        (size > HALF_MAX).float().mean(),
        ((size > 0) & (size < HALF_TINY)).float().mean(),
        (~finite).float().mean(),
        silent_units(thinned(given).float()) if kind == "Linear" and given is not None and given.dim() > 1 else None,
    ]


def thinned(tensor: torch.Tensor) -> torch.Tensor:
    """Return evenly spread rows of a large tensor."""
    every = math.ceil(tensor.numel() / MAX_VALUES)
    return tensor[::every] if every > 1 and tensor.dim() else tensor


def silent_units(tensor: torch.Tensor) -> torch.Tensor | None:
    """Return the share of units (channels of images, else the last dimension) that are 0 for the whole batch."""
    if tensor.dim() < 2:
        return None
    units = tensor.transpose(1, -1) if tensor.dim() in (4, 5) else tensor
    return (units.reshape(-1, units.shape[-1]).abs().amax(0) == 0).float().mean()
