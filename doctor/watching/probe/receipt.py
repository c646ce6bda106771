"""Says where the memory of a training step goes: by category and by module, early in the run and when it runs out."""

from __future__ import annotations

import functools
import gc
from typing import TYPE_CHECKING, Any

import torch

from . import allocation
from .guard import guarded
from .session import Listener

if TYPE_CHECKING:
    from .session import Session

TAKEN_AT = (2, 3, 10, 100)
"""Steps; in the first the optimizer has no state yet."""
TOP_MODULES = 8
MAX_BASELINES = 4
"""Optimizers at whose making the baseline is taken; each time costs a look at all objects."""


class Receipt(Listener):
    """Takes receipts at the steps `TAKEN_AT` and when memory runs out.

    What activations take is measured, not looked up: what is in use when backward begins beyond what was in use when
    the step began. No graph is walked and no saved tensor touched. What libraries hold for themselves is what is in use
    when an optimizer has just been made (by then they are loaded, and nothing was computed yet), beyond the model.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.rows = 0
        self._base = allocation.allocated("cpu")
        self._baselines = 0
        self._began: dict[str, int] = {}
        self._before_backward: dict[str, int] = {}

    def install(self) -> None:
        """Listen."""
        self.session.listeners.append(self)
        original = torch.optim.Optimizer.__init__
        made = guarded(self._optimizer_made)

        @functools.wraps(original)
        def initialise(optimizer: Any, *args: Any, **kwargs: Any) -> None:
            original(optimizer, *args, **kwargs)
            made()

        setattr(torch.optim.Optimizer, "__init__", initialise)  # noqa: B010  # its type would not allow it

    def _optimizer_made(self) -> None:
        if self._baselines < MAX_BASELINES and self.session.active:
            self._baselines += 1
            known = self._known("cpu")
            held = sum(known[name] for name in ("parameters", "gradients", "optimizer", "buffers"))
            self._base = max(0, allocation.allocated("cpu") - held)

    def batch_arrived(self, batch: Any) -> None:
        """Remember how many rows a batch has."""
        rows = _rows(batch)
        if rows:
            self.rows = rows

    def backward_begins(self, loss: Any) -> None:
        """Look at what the forward pass left in memory."""
        if self.session.step in TAKEN_AT:
            device = _device(loss)
            used = allocation.allocated(device)
            if used > self._before_backward.get(device, 0):
                self._before_backward = {device: used}

    def update_begins(self, optimizer: Any, values: dict[str, float]) -> None:
        """Write the receipt of this step."""
        if self.session.step not in TAKEN_AT or not self._before_backward:
            return
        ((device, used),) = self._before_backward.items()
        now = allocation.allocated(device)
        facts = self._known(device)
        activations = max(0, used - self._began.get(device, used))
        # Backward trades activations for gradients, so memory is fullest at its beginning or at its end.
        if used >= now:
            facts["gradients_at_peak"] = max(0, facts["gradients"] - (now - (used - activations)))
        base = self._base if device == "cpu" else 0
        self._write("step", device, facts, activations, max(used, now) - base, now)

    def step_ending(self, track: int, values: dict[str, float]) -> None:
        """Add what the device holds; begin to measure the next step."""
        if torch.cuda.is_initialized():
            values["device_allocated"] = torch.cuda.memory_allocated()
            values["device_reserved"] = torch.cuda.memory_reserved()
            values["device_peak"] = torch.cuda.max_memory_allocated()
        self._before_backward = {}
        if self.session.step + 1 in TAKEN_AT:
            self._began = {device: allocation.allocated(device) for device in _devices()}

    def failed(self, error: BaseException) -> None:
        """Write a receipt where memory ran out."""
        message = str(error)
        if not (
            isinstance(error, MemoryError)
            or type(error).__name__ == "OutOfMemoryError"
            or "can't allocate memory" in message
        ):
            return
        device = "cuda" if "CUDA" in message or "HIP" in message else "cpu"
        facts = self._known(device)
        used = allocation.allocated(device) + allocation.given_back(device)
        held = sum(facts[name] for name in ("parameters", "gradients", "optimizer", "buffers"))
        base = self._base if device == "cpu" else 0
        self._write("out of memory", device, facts, max(0, used - base - held), used - base, used)

    def _write(self, when: str, device: str, facts: dict[str, Any], activations: int, peak: int, used: int) -> None:
        free, bound = allocation.room(device)
        free += allocation.allocated(device) - used
        gradients = facts.pop("gradients_at_peak", facts["gradients"])
        known = facts["parameters"] + facts["optimizer"] + facts["buffers"] + gradients + activations
        base = self._base if device == "cpu" else 0
        self.session.event(
            "receipt",
            when=when,
            phase=self.session.phase,
            device=device,
            rows=self.rows,
            activations=activations,
            other=peak - known,
            peak=peak,
            limit=used - base + free,
            bound=bound,
            gradients_at_peak=gradients,
            **facts,
        )

    def _known(self, device: str) -> dict[str, Any]:
        parameters: dict[int, Any] = {}
        buffers: dict[int, int] = {}
        optimizers, modules = [], []
        for one in gc.get_objects():
            kind = type(one)
            if issubclass(kind, torch.nn.Module):
                modules.append(one)
                for tensor in one._parameters.values():
                    if tensor is not None and tensor.device.type == device:
                        parameters[id(tensor)] = tensor
                for tensor in one._buffers.values():
                    if tensor is not None and tensor.device.type == device:
                        buffers[id(tensor)] = _bytes(tensor)
            elif issubclass(kind, torch.optim.Optimizer):
                optimizers.append(one)
        trainable = [one for one in parameters.values() if one.requires_grad]
        return {
            "parameters": sum(map(_bytes, parameters.values())),
            "trainable": sum(map(_bytes, trainable)),
            "gradients": sum(_bytes(one.grad) for one in trainable if one.grad is not None),
            "optimizer": sum(_state_bytes(one, device) for one in optimizers),
            "buffers": sum(buffers.values()),
            "optimizers": [_described(one) for one in optimizers],
            "by_module": _largest_modules(modules),
            **_blocks(modules),
        }


def _bytes(tensor: Any) -> int:
    return int(tensor.numel() * tensor.element_size())


def _state_bytes(optimizer: Any, device: str) -> int:
    return sum(
        _bytes(value)
        for state in list(optimizer.state.values())
        if isinstance(state, dict)
        for value in state.values()
        if type(value) is torch.Tensor and value.device.type == device
    )


def _described(optimizer: Any) -> dict[str, Any]:
    group = optimizer.param_groups[0]
    return {"class": type(optimizer).__name__, "momentum": bool(group.get("momentum") or "betas" in group)}


def _largest_modules(modules: list[Any]) -> list[dict[str, Any]]:
    """Return the children of the largest module by what their parameters take."""
    sizes = {id(one): sum(map(_bytes, one.parameters())) for one in modules}
    root = max(modules, key=lambda one: sizes[id(one)], default=None)
    while root is not None and len(root._modules) == 1:
        (root,) = root._modules.values()
    children = list(root._modules.items()) if root is not None else []
    children = [(name, sizes[id(child)]) for name, child in children if id(child) in sizes]
    children.sort(key=lambda one: -one[1])
    return [{"name": name, "parameters": size} for name, size in children[:TOP_MODULES]]


def _blocks(modules: list[Any]) -> dict[str, int]:
    """Return of how many parts the model is a chain, which checkpointing can drop and compute again.

    With it, how many layers the largest of them has.
    """
    chain: list[Any] = []
    for one in modules:
        if isinstance(one, (torch.nn.Sequential, torch.nn.ModuleList)):
            parts = [part for part in one._modules.values() if part is not None]
            weighty = [part for part in parts if next(part.parameters(), None) is not None]
            chain = max(chain, weighty, key=len)
    layers = [sum(1 for leaf in part.modules() if any(True for _ in leaf.parameters(recurse=False))) for part in chain]
    return {"blocks": max(1, len(chain)), "block_layers": max(layers, default=0)}


def _rows(batch: Any) -> int:
    values = batch.values() if isinstance(batch, dict) else batch if isinstance(batch, (list, tuple)) else [batch]
    for value in values:
        if type(value) is torch.Tensor and value.dim():
            return int(value.shape[0])
    return 0


def _device(loss: Any) -> str:
    tensor = loss[0] if isinstance(loss, (tuple, list)) else loss
    return "cuda" if tensor.device.type == "cuda" else "cpu"


def _devices() -> tuple[str, ...]:
    return ("cpu", "cuda") if torch.cuda.is_initialized() else ("cpu",)
