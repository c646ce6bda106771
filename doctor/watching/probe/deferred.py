"""Reads tensors without making the training wait: those on a device arrive a step or so later."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import torch

DEVICES = ("cuda", "xpu")
"""Where an asynchronous copy to pinned memory and an event tell when it has arrived."""
MAX_WAITING = 256


class Deferred:
    """Tensors on their way to the host."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Any, Any, Callable[[list[float]], object]]] = deque()

    def fetch(self, tensors: Sequence[torch.Tensor], then: Callable[[list[float]], object]) -> None:
        """Call `then` with the values of scalar tensors of one device: at once on the host, else once they are there.

        Devices on which that cannot be done without waiting are left alone, and so are tensors without content.
        """
        if not tensors:
            return
        device = tensors[0].device
        if device.type == "cpu":
            if len(tensors) == 1:
                then([float(tensors[0].item())])
            else:
                with torch.no_grad():
                    # Making a view of each costs more than all the rest.
                    flat = [one if one.dim() == 0 else one.reshape(()) for one in tensors]
                    then(torch.stack(flat).tolist())
            return
        if device.type not in DEVICES or len(self._waiting) >= MAX_WAITING:
            return
        module = getattr(torch, device.type)
        if device.type == "cuda" and torch.cuda.is_current_stream_capturing():
            return
        with torch.no_grad():
            together = torch.stack([one.detach().reshape(()).to(torch.float32) for one in tensors])
            host = torch.empty(together.shape, dtype=torch.float32, pin_memory=True)
            host.copy_(together, non_blocking=True)
            event = module.Event()
            event.record()
        self._waiting.append((event, host, then))

    def wait(self) -> None:
        """Wait for everything that is on its way: only where the user asked for a decision before the update."""
        for event, _, _ in self._waiting:
            event.synchronize()
        self.poll()

    def poll(self) -> None:
        """Hand on what has arrived."""
        while self._waiting and self._waiting[0][0].query():
            _, host, then = self._waiting.popleft()
            then(host.tolist())
