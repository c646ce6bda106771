"""Treatments of models: their mode, rank 0's weights on all ranks, norms in float32, dropout, number formats."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from .entry import entry

if TYPE_CHECKING:
    from .torch_parts import Parts
    from .treatment import Log

FORMATS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
HALF = (torch.float16, torch.bfloat16)


class TreatedModels:
    """Acts where a model is called from outside any other module: at the root of a forward pass."""

    CHANGES = frozenset(
        ("evaluation_mode", "broadcast_parameters", "norm_in_fp32", "dropout", "precision", "loss_scale")
    )

    def __init__(self, parts: Parts, changes: Mapping[str, Any], log: Log) -> None:
        self.session = parts.session
        self._changes, self._log = changes, log
        self._depth = 0
        self._prepared: weakref.WeakSet[Any] = weakref.WeakSet()

    def install(self) -> None:
        """Hear of every forward pass."""
        if self._changes.keys() & {"precision", "loss_scale"}:
            self._change_formats()
        if self._changes.keys() - {"precision", "loss_scale"}:
            before = register_module_forward_pre_hook(self.forward_begins)
            after = register_module_forward_hook(self.forward_ended, always_call=True)
            self.session.closers += [before.remove, after.remove]

    @entry
    def forward_begins(self, module: Any, args: Any) -> None:
        self._depth += 1
        if self._depth > 1 or not any(one.requires_grad for one in module.parameters()):
            return
        if module not in self._prepared:
            self._prepared.add(module)
            self._prepare(module)
        if self._changes.get("evaluation_mode"):
            self._set_mode(module)

    @entry
    def forward_ended(self, module: Any, args: Any, output: Any) -> None:
        self._depth = max(0, self._depth - 1)

    def _set_mode(self, module: Any) -> None:
        """Put a whole model into the mode that its use asks for; one of mixed modes is meant to be so."""
        modes = {one.training for one in module.modules()}
        training = torch.is_grad_enabled()
        if modes == {not training}:
            module.train(training)
            self._log.done("evaluation_mode", training=training)

    def _prepare(self, module: Any) -> None:
        if self._changes.get("broadcast_parameters"):
            self._broadcast(module)
        if "dropout" in self._changes:
            for one in module.modules():
                if isinstance(one, torch.nn.modules.dropout._DropoutNd):
                    one.p = float(self._changes["dropout"])
                    self._log.done("dropout")
        if self._changes.get("norm_in_fp32"):
            for one in module.modules():
                if "norm" in type(one).__name__.lower() and not list(one.children()):
                    self._widen(one)

    def _broadcast(self, module: Any) -> None:
        distributed = torch.distributed
        if not (distributed.is_available() and distributed.is_initialized()) or distributed.get_world_size() < 2:
            return
        broadcast = getattr(distributed.broadcast, "__wrapped__", distributed.broadcast)  # not the program's own
        with torch.no_grad():
            for one in (*module.parameters(), *module.buffers()):
                broadcast(one.data, src=0)
        self._log.done("broadcast_parameters")

    def _widen(self, norm: Any) -> None:
        """Compute a norm in float32, and hand on what it returns in the format of its input."""
        if not any(one.dtype in HALF for one in norm.parameters()):
            return
        norm.float()
        narrow = norm.forward

        @functools.wraps(narrow)
        def forward(given: Any, *args: Any, **kwargs: Any) -> Any:
            return narrow(given.float(), *args, **kwargs).to(given.dtype)

        norm.forward = forward
        self._log.done("norm_in_fp32")

    def _change_formats(self) -> None:
        """Give autocast another format, and scalers another scale or nothing to do."""
        precision, scale = self._changes.get("precision"), self._changes.get("loss_scale")
        log = self._log
        autocast, scaler = torch.amp.autocast_mode.autocast, torch.amp.GradScaler
        enter, make = autocast.__init__, scaler.__init__

        @functools.wraps(enter)
        def entered(
            self: Any, device_type: str, dtype: Any = None, enabled: bool = True, *rest: Any, **more: Any
        ) -> Any:
            if enabled and precision in FORMATS:
                dtype = FORMATS[precision] if precision != "fp32" else dtype
                enabled = precision != "fp32"
                log.done("precision")
            return enter(self, device_type, dtype, enabled, *rest, **more)

        @functools.wraps(make)
        def made(self: Any, *args: Any, **more: Any) -> Any:
            make(self, *args, **more)
            if precision in ("fp32", "bf16"):
                self._enabled = False
            elif isinstance(scale, (int, float)) and not isinstance(scale, bool) and self._enabled:
                self._init_scale = float(scale)
                self._growth_interval = 2**31 - 1
                log.done("loss_scale")

        autocast.__init__ = entered  # type: ignore[method-assign]  # only where a format is to be tried
        scaler.__init__ = made  # type: ignore[method-assign]
