"""How much memory a training takes beyond that at its start, and a limit on it."""

import ctypes
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ARENA_MAX, MMAP_THRESHOLD, TRIM_THRESHOLD = -8, -3, -1
"""Parameters of glibc's mallopt."""
OWN_MAPPING_BYTES = 65_536
LARGEST_HOLE_BYTES = 1 << 26


@contextmanager
def limited(device_bytes: int | None, device: str) -> Iterator[None]:
    """Let what happens inside have so much memory beyond what is in use now; None is no limit.

    On a GPU it is the device's memory, else the address space.
    """
    if device_bytes is None:
        yield
        return
    if device.startswith("cuda"):
        import torch

        whole = torch.cuda.get_device_properties(device).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, device_bytes / whole), device)
        try:
            yield
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0, device)
        return
    _give_back()
    filling = _holes_filled()
    import torch

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_status("VmSize") + device_bytes, hard))
    try:
        # Where oneDNN gets no memory it speaks of a primitive that it could not create.
        with torch.backends.mkldnn.flags(enabled=False):
            yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        filling.clear()


def show_what_is_used() -> None:
    """Have each tensor in a mapping of its own, so that the address space shows what is used.

    To be called before there are threads: each would reserve an arena of its own, into which allocations go when the
    address space is at its limit.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(ARENA_MAX, 1)
        libc.mallopt(MMAP_THRESHOLD, OWN_MAPPING_BYTES)
        libc.mallopt(TRIM_THRESHOLD, OWN_MAPPING_BYTES)


def _holes_filled() -> list[NDArray[np.uint8]]:
    """Take, without touching it, the memory that was freed inside mappings: it would be used without showing."""
    filling: list[NDArray[np.uint8]] = []
    size = LARGEST_HOLE_BYTES
    while size >= OWN_MAPPING_BYTES:
        before = _status("VmSize")
        piece = np.empty(size, np.uint8)
        if _status("VmSize") == before:
            filling.append(piece)
        else:
            size //= 2
        del piece  # now, lest its mapping is given back in the middle of the next measurement
    return filling


def _give_back() -> None:
    """Return to the system what was freed: it would be used again without showing."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)


class Peak:
    """The most memory in use since this was made, beyond what was in use then."""

    def __init__(self, device: str) -> None:
        self._device = device
        if device.startswith("cuda"):
            import torch

            torch.cuda.reset_peak_memory_stats(device)
            self._begin = torch.cuda.memory_allocated(device)
            return
        _give_back()
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")  # begins the high-water mark anew
        self._begin = _status("VmRSS") - _status("RssFile")

    def bytes(self) -> int:
        """Return it."""
        if self._device.startswith("cuda"):
            import torch

            return int(torch.cuda.max_memory_allocated(self._device)) - self._begin
        # Without the pages of files: what is read of the code of libraries is no memory of the training's.
        return max(0, _status("VmHWM") - _status("RssFile") - self._begin)


def _status(name: str) -> int:
    """Read a size of this process, in bytes; 0 where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), 0)
