"""Pickles what a step computes with, and leaves out what belongs to the machinery around it."""

from __future__ import annotations

import io
import marshal
import pickle
import sys
import threading
import types
import weakref
from collections import OrderedDict
from typing import Any

import torch

MAX_BYTES = 512 * 1024 * 1024


class Absent:
    """Stands for what could not be packed: accepts every call, does nothing."""

    def __init__(self, name: str = "") -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Absent("%s.%s" % (self._name, name))

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        return None

    def __bool__(self) -> bool:
        return False

    def __enter__(self) -> Absent:
        return self

    def __exit__(self, *args: object) -> None:
        return None


class Engine(Absent):
    """Stands for an engine around a model: computes with the model, hands the loss on to backward."""

    def __init__(self, module: Any) -> None:
        super().__init__("engine")
        self.module = module

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def backward(self, loss: Any, *args: Any, **kwargs: Any) -> None:
        """Stand for the engine's own backward, which scales the loss first."""
        loss.backward()


_MODULE = torch.nn.Module


def _without_hooks(module: Any) -> Any:
    """Return a module's pickle without the hooks of engines, which hold what cannot be packed."""
    reduced = list(module.__reduce_ex__(4))
    if len(reduced) > 2 and isinstance(reduced[2], dict):
        reduced[2] = {
            name: type(value)((key, hook) for key, hook in value.items() if not _is_foreign(hook))
            if name.endswith("_hooks") and isinstance(value, dict)
            else value
            for name, value in reduced[2].items()
        }
    return tuple(reduced)


def _is_foreign(hook: Any) -> bool:
    return str(getattr(hook, "__module__", "")).startswith(("deepspeed", "torch.distributed", "doctor"))


def _itself(module: Any) -> Any:
    return module


class _Sink(io.RawIOBase):
    """Counts, and refuses more than its limit."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit, self.count = limit, 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        size = memoryview(data).nbytes
        self.count += size
        if self.count > self.limit:
            raise OverflowError("it is larger than %d MB" % (MAX_BYTES // 1024 // 1024))
        return size


_LEFT_OUT = (
    torch.optim.Optimizer,
    torch.optim.lr_scheduler.LRScheduler,
    torch.utils.data.DataLoader,
    weakref.ReferenceType,
    types.GeneratorType,
    io.IOBase,
    type(threading.Lock()),
    type(threading.RLock()),
    threading.Thread,
)
"""What no step computes with, or no pickle holds."""


class _Pickler(pickle.Pickler):
    """Packs functions that no import would find, such as closures, by their code."""

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, torch.nn.parallel.DistributedDataParallel):
            return _itself, (value.module,)
        if type(value).__module__.startswith("deepspeed.") and isinstance(getattr(value, "module", None), _MODULE):
            return Engine, (value.module,)
        if isinstance(value, _MODULE):
            return _without_hooks(value)
        if isinstance(value, torch.nn.Parameter) and vars(value):  # engines hang themselves on the weights
            return torch._utils._rebuild_parameter, (value.data, value.requires_grad, OrderedDict())
        if isinstance(value, _LEFT_OUT):
            return Absent, (type(value).__name__,)
        if isinstance(value, types.ModuleType):
            return __import__, (value.__name__, None, None, ["*"])
        if isinstance(value, types.FunctionType):
            home = sys.modules.get(value.__module__ or "")
            if home is None or getattr(home, value.__qualname__, None) is not value:
                cells = tuple(cell.cell_contents for cell in value.__closure__ or ())
                return _function, (
                    marshal.dumps(value.__code__),
                    value.__module__,
                    value.__name__,
                    value.__defaults__,
                    value.__kwdefaults__,
                    cells,
                )
        return NotImplemented


def _function(code: bytes, module: str, name: str, defaults: Any, named: Any, cells: tuple[Any, ...]) -> Any:
    home = vars(sys.modules.get(module) or sys.modules["__main__"])
    made = types.FunctionType(marshal.loads(code), home, name, defaults, tuple(map(types.CellType, cells)))  # noqa: S302
    made.__kwdefaults__ = named
    return made


_packing = types.ModuleType("packing")
vars(_packing).update(vars(pickle) | {"Pickler": _Pickler})


def save(value: Any, file: Any) -> None:
    """Write a value as `torch.load` reads it."""
    buffer = io.BytesIO()
    torch.save(value, buffer, pickle_module=_packing)
    file.write(buffer.getbuffer())


def size_of(value: Any, limit: int) -> int | str:
    """Return how many bytes a value takes, or why it cannot be packed."""
    sink = _Sink(limit)
    target: Any = sink
    try:
        torch.save(value, target, pickle_module=_packing)
    except Exception as error:
        return "%s: %s" % (type(error).__name__, str(error)[:200])
    return sink.count
