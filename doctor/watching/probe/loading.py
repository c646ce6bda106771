"""Hears of batches: how long they were waited for, how many rows they have, and whether they are the same again."""

from __future__ import annotations

import ctypes
import hashlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import dataloader

from .entry import around, entry
from .models import Models
from .session import Listener
from .steps import Steps

if TYPE_CHECKING:
    from .session import Session

MAX_PENDING = 64
MAX_TENSORS = 4
MAX_VALUES = 512
"""Of each tensor, spread over it evenly."""
HASH_BYTES = 6
"""48 bits: a float64 holds them exactly."""


class Loading(Listener):
    """The batches that DataLoaders of this process hand out, except those that a model in evaluation mode gets.

    Trainers fetch several batches before the first backward pass of a step: it counts all of them.
    """

    def __init__(self, session: Session, steps: Steps, models: Models) -> None:
        self.session, self.steps, self.models = session, steps, models
        self._pending: list[tuple[float, int | None, bytes | None]] = []
        """Of batches that no backward pass was about yet: seconds waited, rows and hash."""
        self._hashes = b""

    def install(self) -> None:
        """Wrap what every DataLoader's iterator goes through."""
        around(dataloader._BaseDataLoaderIter, "__next__", self.before_batch, self.after_batch)
        self.session.listeners.append(self)

    @entry
    def before_batch(self, *args: Any) -> tuple[float, str]:
        return time.monotonic(), self.session.enter("data")

    @entry
    def after_batch(self, token: tuple[float, str] | None, batch: Any, *args: Any) -> None:
        if token is None:
            return
        began, phase = token
        usual = "forward" if torch.is_grad_enabled() else "evaluation"
        self.session.enter(phase if phase in ("optimizer", "backward") else usual)
        if batch is not None:
            waited = time.monotonic() - began
            tensors = list(tensors_in(batch))
            rows = tensors[0].shape[0] if tensors and tensors[0].dim() else None
            sampled = self.session.governor.samples(self.session.step)
            if torch.is_grad_enabled() and not self.models.evaluating():
                del self._pending[: -MAX_PENDING + 1]
                self._pending.append((waited, rows, content_hash(tensors) if sampled else None))
            self.session.tell("batch_arrived", batch)

    def backward_begins(self, loss: Any) -> None:
        """Take the facts of the batch that is trained on."""
        pending, self._pending = self._pending, []
        values = self.steps.facts.values
        for waited, rows, mark in pending:
            values["data_seconds"] = values.get("data_seconds", 0.0) + waited
            if rows is not None:
                values["samples"] = values.get("samples", 0.0) + rows
            if mark is not None:
                before = self._hashes if "batch_hash" in values else b""
                self._hashes = mark if not before else hashlib.blake2b(before + mark, digest_size=HASH_BYTES).digest()
                values["batch_hash"] = float(int.from_bytes(self._hashes, "big"))

    def evaluated(self) -> None:
        """Hear that a criterion was computed without gradients: what arrived meanwhile was for that."""
        self._pending.clear()


def tensors_in(batch: Any, depth: int = 4) -> Iterator[torch.Tensor]:
    """Yield the tensors of a nested batch, in its order."""
    if isinstance(batch, torch.Tensor):
        yield batch
    elif depth and isinstance(batch, (list, tuple)):
        for one in batch[:64]:
            yield from tensors_in(one, depth - 1)
    elif depth and hasattr(batch, "values") and hasattr(batch, "keys"):
        for one in batch.values():
            yield from tensors_in(one, depth - 1)


def content_hash(tensors: list[torch.Tensor]) -> bytes | None:
    """Return a hash of values spread over the first tensors; None where they do not lie on the host."""
    digest = hashlib.blake2b(digest_size=HASH_BYTES)
    seen = False
    for tensor in tensors[:MAX_TENSORS]:
        plain = type(tensor) is torch.Tensor and tensor.device.type == "cpu" and tensor.layout == torch.strided
        if not plain or not tensor.numel() or not tensor.is_contiguous():
            continue
        flat = tensor.detach().view(-1)
        values = flat[:: max(1, flat.numel() // MAX_VALUES)][:MAX_VALUES].contiguous()
        digest.update(str(tuple(tensor.shape)).encode())
        digest.update(ctypes.string_at(values.data_ptr(), values.numel() * values.element_size()))
        seen = True
    return digest.digest() if seen else None
