"""The memory of the GPU that is here."""

import contextlib
from collections.abc import Iterator
from typing import NamedTuple


class Device(NamedTuple):
    """A device, and who says so."""

    memory: int
    name: str


def smallest_gpu() -> Device | None:
    """Return the GPU with the least memory; None where there is none, or nothing that could tell."""
    try:
        import pynvml
    except ImportError:
        return None
    with _driver(pynvml) as there:
        if not there:
            return None
        found = []
        for number in range(pynvml.nvmlDeviceGetCount()):
            handle = pynvml.nvmlDeviceGetHandleByIndex(number)
            name = pynvml.nvmlDeviceGetName(handle)
            found.append(Device(int(pynvml.nvmlDeviceGetMemoryInfo(handle).total), str(name)))
        return min(found, default=None)


@contextlib.contextmanager
def _driver(pynvml: object) -> Iterator[bool]:
    try:
        pynvml.nvmlInit()  # type: ignore[attr-defined]  # a module
    except pynvml.NVMLError:  # type: ignore[attr-defined]  # a module
        yield False
        return
    try:
        yield True
    finally:
        pynvml.nvmlShutdown()  # type: ignore[attr-defined]  # a module
