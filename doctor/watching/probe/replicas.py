"""Tells whether ranks hold the same weights, without asking another rank: a checksum now and then, compared later."""

from __future__ import annotations

import sys
import weakref
import zlib
from typing import TYPE_CHECKING, Any

import torch

from .entry import around, entry
from .session import Listener
from .steps import key_of

if TYPE_CHECKING:
    from .session import Session

MAX_DESCRIBED = 16
MAX_POINTERS = 8192
MAX_UNDESCRIBED = 8
"""Steps after which no further optimizer is expected to begin."""
MIN_COVERED = 0.9
"""Share of a DDP module's trainable weights that an optimizer must have: a part of them may be one rank's own."""
SHARDED = frozenset({"DTensor", "FlatParameter"})
"""Kinds of parameter of which each rank has a part."""


class Replicas(Listener):
    """The weights of each optimizer: whether they are a copy of other ranks', and their checksum.

    The checksum is the L2 norm of all weights in float64, before the update: at an optimizer's steps 1, 2, 4, 8 and so
    on, so that the reading of one number from a device is of no weight.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self._modules: weakref.WeakSet[Any] = weakref.WeakSet()
        self._counts: dict[object, int] = {}
        self._reduced: set[int] = set()
        """Addresses of tensors that were summed over ranks since the last update."""

    def install(self) -> None:
        """Watch for what makes weights a copy of other ranks'."""
        self.session.listeners.append(self)
        around(torch.nn.parallel.DistributedDataParallel, "__init__", None, self.wrapped)

    @entry
    def wrapped(self, token: Any, result: Any, module: Any, *args: Any, **kwargs: Any) -> None:
        """Hear that DDP has taken a model."""
        self._modules.add(module)

    def summing(self, tensor: Any, *args: Any, **kwargs: Any) -> None:
        """Hear that a tensor is about to be summed over ranks."""
        if len(self._reduced) < MAX_POINTERS and self._undescribed:
            self._reduced.add(tensor.data_ptr())

    @property
    def _undescribed(self) -> bool:
        return max(self._counts.values(), default=0) < MAX_UNDESCRIBED

    def update_begins(self, optimizer: Any, values: dict[str, float]) -> None:
        c10d = sys.modules.get("torch.distributed.distributed_c10d")
        if c10d is None or not c10d.is_initialized() or c10d.get_world_size() < 2:
            return
        key = key_of(optimizer)
        self._counts[key] = count = self._counts.get(key, 0) + 1
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        if count == 1 and len(self._counts) <= MAX_DESCRIBED:
            self._describe(optimizer, parameters)
        self._reduced.clear()
        if count & (count - 1) == 0:
            values["replica_norm"] = checksum(parameters)

    def _describe(self, optimizer: Any, parameters: list[Any]) -> None:
        module = next((one for one in self._modules if _covers(one, parameters)), None)
        mode = "none"
        ranks: list[int] = []
        if any(type(p).__name__ in SHARDED or hasattr(p, "ds_id") for p in parameters):
            mode = "sharded"
        elif module is not None:
            mode = "ddp"
            c10d = sys.modules["torch.distributed.distributed_c10d"]
            ranks = list(c10d.get_process_group_ranks(module.process_group))
        elif self._reduced and self._averaged(parameters):
            mode = "averaged"
        self.session.event(
            "replica",
            optimizer=type(optimizer).__name__,
            tensors=len(parameters),
            elements=sum(p.numel() for p in parameters),
            shapes=zlib.crc32(repr([tuple(p.shape) for p in parameters]).encode()),
            mode=mode,
            ranks=ranks[:1024],
        )

    def _averaged(self, parameters: list[Any]) -> bool:
        gradients = [p.grad for p in parameters if p.grad is not None]
        return bool(gradients) and all(gradient.data_ptr() in self._reduced for gradient in gradients)


def _covers(module: Any, parameters: list[Any]) -> bool:
    """Whether an optimizer has the weights of a DDP module, and no others."""
    inside = {id(p): p.numel() for p in module.parameters()}
    given = {id(p) for p in parameters}
    if not given or not given <= set(inside):
        return False
    trained = {id(p) for p in module.parameters() if p.requires_grad}
    covered = sum(inside[one] for one in trained & given)
    return bool(covered >= MIN_COVERED * sum(inside[one] for one in trained))


def checksum(parameters: list[Any]) -> float:
    """Return the L2 norm of all weights, in float64."""
    with torch.no_grad():
        floating = [p.detach() for p in parameters if p.is_floating_point()]
        norms = [torch.linalg.vector_norm(p, dtype=torch.float64) for p in floating]
        return float(torch.linalg.vector_norm(torch.stack([norm.to(norms[0].device) for norm in norms])))
