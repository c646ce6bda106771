"""Whether gradients were cleared between an update and the next one by the same optimizer.

A gradient was not cleared when it is the same tensor in the same version as the update left it, and not zero, at the
next backward pass. Another optimizer's backward pass may add to it meanwhile (a GAN's generator does so to its
discriminator), hence it counts only when the same optimizer then uses it.
"""

from __future__ import annotations

import weakref
from typing import Any

import torch

from .steps import Steps

Mark = tuple[int, int]
"""Address and version of a gradient."""


class _Used:
    """The gradients that an optimizer's last update used."""

    def __init__(self, left: dict[int, Mark]) -> None:
        self.left = left
        self.total = len(left)
        self.checked = False


class Staleness:
    """Follows the gradients of every optimizer from one update to the next."""

    def __init__(self, steps: Steps) -> None:
        self.steps = steps
        self._used: weakref.WeakKeyDictionary[Any, _Used] = weakref.WeakKeyDictionary()

    def update_ended(self, optimizer: Any) -> None:
        """Remember which gradients an update used."""
        left = {id(parameter): _mark(parameter.grad) for parameter in _with_gradient(optimizer)}
        if left:
            self._used[optimizer] = _Used(left)

    def backward_begins(self) -> None:
        """See which gradients are still those that the last update used."""
        for optimizer, used in list(self._used.items()):
            if not used.left:
                continue
            same = [
                parameter
                for parameter in _with_gradient(optimizer)
                if used.left.get(id(parameter)) == _mark(parameter.grad)
            ]
            used.left = {id(parameter): used.left[id(parameter)] for parameter in same}
            if same and not used.checked:  # `grad.data.zero_()` leaves the version as it was
                used.checked = True
                self._drop_zeros(used, same)

    def _drop_zeros(self, used: _Used, same: list[torch.Tensor]) -> None:
        gradients = [parameter.grad.detach() for parameter in same if parameter.grad is not None]
        keys = [id(parameter) for parameter in same]
        if len({(one.device, one.dtype) for one in gradients}) > 1:
            return

        def known(norms: list[float]) -> None:
            for key, norm in zip(keys, norms):
                if norm == 0:
                    used.left.pop(key, None)

        with torch.no_grad():
            self.steps.deferred.fetch(torch._foreach_norm(gradients, 2), known)

    def backward_ended(self) -> None:
        """Follow gradients that were not cleared: backward has added to them."""
        for optimizer, used in self._used.items():
            if used.left:
                for parameter in _with_gradient(optimizer):
                    if id(parameter) in used.left:
                        used.left[id(parameter)] = _mark(parameter.grad)

    def update_begins(self, optimizer: Any, values: dict[str, float]) -> None:
        """Say which share of the gradients holds what the last update has used already."""
        used = self._used.pop(optimizer, None)
        if used is not None and used.total:
            self.steps.deferred.poll()
            values["stale_gradients"] = len(used.left) / used.total


def _with_gradient(optimizer: Any) -> list[torch.Tensor]:
    return [one for group in optimizer.param_groups for one in group["params"] if one.grad is not None]


def _mark(gradient: Any) -> Mark:
    return gradient.data_ptr(), gradient._version
