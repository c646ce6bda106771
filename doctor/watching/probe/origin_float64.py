"""Runs every operation a second time in float64, to tell what a wider range would have saved."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from .origin import guard_shared
from .origin_values import facts, is_finite, tensors

_NARROW = (torch.float32, torch.float16, torch.bfloat16)
_KEPT = 4
"""Nested arguments are followed this deep."""


class Float64(TorchDispatchMode):
    """Keeps a float64 twin of every tensor, made by the same operations from the same inputs.

    Parameters
    ----------
    number : int
        The call whose outcome is wanted, as counted by `Finder`.
    """

    def __init__(self, number: int) -> None:
        TorchDispatchMode.__init__(self)
        self.number = number
        self.calls = 0
        self.survived: bool | None = None
        """Whether the wanted call's result is finite in float64; None where it could not be computed."""
        self.output: dict[str, Any] = {}
        self._twins: dict[Any, tuple[Any, Any]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func._schema.is_mutable:
            guard_shared(func, args)
        random = torch.Tag.nondeterministic_seeded in func.tags
        twins = None
        if not random:
            try:
                twins = func(*self._wide(args), **_without_dtype(self._wide(kwargs)))
            except Exception:  # there is no such operation for float64
                twins = None
        result = func(*args, **kwargs)
        made, wide = tensors(result), tensors(twins)
        if len(made) != len(wide):
            wide = [t.double() if t.dtype in _NARROW else t for t in made]
            twins = None
        for tensor, twin in zip(made, wide, strict=True):
            if tensor.dtype in _NARROW:
                self._twins[_key(tensor)] = (twin.double(), tensor.untyped_storage())
        if self.calls == self.number and twins is not None:
            self.survived = all(is_finite(twin) for twin in wide)
            self.output = facts(wide[0]) if wide else {}
        self.calls += 1
        return result

    def _wide(self, value: Any, depth: int = 0) -> Any:
        if isinstance(value, torch.Tensor):
            return self._twin(value) if value.dtype in _NARROW and value.layout == torch.strided else value
        if depth < _KEPT and isinstance(value, (tuple, list)):
            return type(value)(self._wide(item, depth + 1) for item in value)
        if isinstance(value, dict):
            return {name: self._wide(item, depth + 1) for name, item in value.items()}
        return value

    def _twin(self, tensor: Any) -> Any:
        known = self._twins.get(_key(tensor))
        if known is None:
            known = (tensor.detach().double(), tensor.untyped_storage())
            self._twins[_key(tensor)] = known
        return known[0]


def _without_dtype(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Keep a cast from narrowing the twin again."""
    return {name: torch.float64 if name == "dtype" and value in _NARROW else value for name, value in kwargs.items()}


def _key(tensor: Any) -> Any:
    return (int(tensor.untyped_storage()._cdata), tensor.storage_offset(), tuple(tensor.shape), tensor.stride())
