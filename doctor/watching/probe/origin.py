"""Finds the operation from which NaN and infinity came, while a step is run again.

Every tensor that is not finite carries the set of its sources. An operation with finite inputs and an output that is
not finite is a source; what its result reaches inherits it; a finite result ends the matter. So an infinity that is
consumed without harm (`exp(-inf)`, a `where` that does not choose it) is not blamed.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from .origin_place import Place, here, know_models_on_stack
from .origin_values import facts, first_bad_row, has_nan, is_finite, only_negative_infinity, scalars, spread, tensors

UNINITIALISED = ("empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "resize_")
OVERWRITING = ("copy_", "fill_", "zero_", "normal_", "uniform_", "random_", "bernoulli_", "exponential_")
NOT_ON_THE_WAY = ("detach", "t", "view", "transpose", "permute", "ones_like", "zeros_like", "lift_fresh", "alias")
REDUCING = ("logsumexp", "max", "amax", "min", "amin", "sum", "mean", "nll_loss_forward", "nll_loss2d_forward")
"""Where such an operation leaves nothing but infinities that were meant, all that it had was masked."""
MAX_WAY = 400


class Source:
    """Where something that is not finite came from.

    Attributes
    ----------
    kind : str
        "operation", "fill" (infinity written on purpose, such as a mask), "external" (there before the first operation
        that used it).
    operation : str
        As torch names it, such as "log" or "addmm"; empty for an external one.
    backward_of : str
        The autograd node in whose backward it happened; empty in forward.
    number : int
        Of the call, counted from 0.
    masked : bool
        Whether every infinity that went in was written on purpose.
    """

    def __init__(self, kind: str, number: int, place: Place | None = None, operation: str = "") -> None:
        self.kind = kind
        self.number = number
        self.place = place
        self.operation = operation
        self.backward_of = ""
        self.masked = False
        self.tensor: Any = None
        """The one that was there before."""
        self.row: int | None = None
        self.inputs: list[dict[str, Any]] = []
        self.output: dict[str, Any] = {}
        self.way: list[dict[str, Any]] = []

    @property
    def harmless(self) -> bool:
        """Whether it is an infinity that was meant."""
        return self.kind == "fill"


class Finder(TorchDispatchMode):
    """Follows NaN and infinity through all operations that run under it."""

    def __init__(self, rows: Callable[[], int | None]) -> None:
        TorchDispatchMode.__init__(self)
        self.rows = rows
        """How many samples the batch has."""
        self.external_fills = False
        """Whether an infinity that was there before was taken for a mask."""
        self.sources: list[Source] = []
        self.calls = 0
        self._tainted: dict[int, tuple[Any, frozenset[int]]] = {}
        """Sources by storage; the storage is kept so that its address is not given to another."""
        self._unwritten: dict[int, Any] = {}
        self._made: dict[int, tuple[str, Place]] = {}
        """By sequence number of the autograd node: the forward operation and its place."""
        self._way: deque[tuple[str, Place, tuple[int, ...], tuple[float, float]]] = deque(maxlen=MAX_WAY)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = str(func._schema.name).split("::")[-1]
        inputs = tensors((args, kwargs))
        if func._schema.is_mutable:
            guard_shared(func, args)
        read = [t for t in inputs if not (name in OVERWRITING and t is args[0]) and self._written(t)]
        bad = [t for t in read if not is_finite(t)]
        node = torch._C._current_autograd_node()
        place = None
        if node is None and torch.is_grad_enabled():
            place = here()
            self._made.setdefault(torch._C._autograd._get_sequence_nr() - 1, (name, place))
        inherited = frozenset().union(*(self._sources_of(t) for t in bad)) if bad else frozenset()
        nan_in = any(has_nan(t) for t in bad)
        before = [facts(t) for t in read] if name.endswith("_") else None
        result = func(*args, **kwargs)
        outputs = tensors(result) + ([args[0]] if func._schema.is_mutable and isinstance(args[0], torch.Tensor) else [])
        if name in UNINITIALISED:
            for tensor in outputs:
                self._forget(tensor)
                self._unwritten[_key(tensor)] = tensor.untyped_storage()
            self.calls += 1
            return result
        aliased = {_key(t) for t in inputs}
        for tensor in outputs:
            self._unwritten.pop(_key(tensor), None)
            span = spread(tensor)
            if span is None or (math.isfinite(span[0]) and math.isfinite(span[1])):
                if _key(tensor) not in aliased:
                    self._forget(tensor)
                if span is not None and name not in NOT_ON_THE_WAY and node is None:
                    self._way.append((name, place or here(), tuple(tensor.shape), span))
                continue
            sources = inherited
            reduced = name in REDUCING or has_nan(tensor)
            if not bad or (self._only_fills(inherited) and not nan_in and reduced):
                source = self._new(func, name, node, place, (args, kwargs), read, before, tensor)
                source.masked = bool(bad)
                sources = frozenset((len(self.sources) - 1,))
            self._tainted[_key(tensor)] = (tensor.untyped_storage(), sources)
        self.calls += 1
        return result

    def sources_of(self, tensor: Any) -> list[Source]:
        """Return where a tensor's NaN or infinity came from, earliest first, meant infinities last."""
        if is_finite(tensor):
            return []
        found = [self.sources[number] for number in sorted(self._sources_of(tensor))]
        return [source for source in found if not source.harmless] + [source for source in found if source.harmless]

    def _sources_of(self, tensor: Any) -> frozenset[int]:
        known = self._tainted.get(_key(tensor))
        if known is None:
            source = Source("external", self.calls)
            if only_negative_infinity(tensor) and tensor.grad_fn is None and not tensor.requires_grad:
                source.kind = "fill"
                self.external_fills = True
            source.tensor = tensor
            source.output = facts(tensor)
            source.way = self._last_of_way()
            self.sources.append(source)
            known = (tensor.untyped_storage(), frozenset((len(self.sources) - 1,)))
            self._tainted[_key(tensor)] = known
        return known[1]

    def _only_fills(self, sources: frozenset[int]) -> bool:
        return all(self.sources[number].harmless for number in sources)

    def _new(
        self, func: Any, name: str, node: Any, place: Place | None, arguments: Any, read: Any, before: Any, tensor: Any
    ) -> Source:
        place = place or here()
        operation = name
        backward_of = ""
        if node is not None:
            backward_of = str(node.name())
            made = self._made.get(node._sequence_nr())
            if made is not None and not place.path:
                operation, place = made
        constants = scalars(arguments)
        meant = any(not math.isfinite(value) for value in constants) and (
            not has_nan(tensor) or any(math.isnan(value) for value in constants)
        )
        source = Source("fill" if meant else "operation", self.calls, place, operation)
        source.backward_of = backward_of
        source.inputs = before if before is not None else [facts(t) for t in read]
        source.output = facts(tensor)
        source.row = first_bad_row(tensor, self.rows())
        source.way = self._last_of_way()
        self.sources.append(source)
        know_models_on_stack()
        return source

    def _last_of_way(self, count: int = 6) -> list[dict[str, Any]]:
        last: list[dict[str, Any]] = []
        for name, place, shape, (low, high) in reversed(self._way):
            last.append(
                {
                    "operation": name,
                    "module": place.module,
                    "path": place.path,
                    "line": place.line,
                    "shape": shape,
                    "min": low,
                    "max": high,
                }
            )
            if len(last) == count:
                break
        return last[::-1]

    def _written(self, tensor: Any) -> bool:
        return _key(tensor) not in self._unwritten

    def _forget(self, tensor: Any) -> None:
        self._tainted.pop(_key(tensor), None)


class Touched(BaseException):
    """An operation would have written into memory that other processes see."""


def guard_shared(func: Any, args: Any) -> None:
    """Stop the replay before it writes into shared memory.

    Raises
    ------
    Touched
        When the operation would.
    """
    for argument, value in zip(func._schema.arguments, args, strict=False):
        if argument.alias_info is not None and argument.alias_info.is_write:
            for tensor in tensors(value):
                if tensor.is_shared():
                    raise Touched(str(func))


def _key(tensor: Any) -> int:
    return int(tensor.untyped_storage()._cdata)
