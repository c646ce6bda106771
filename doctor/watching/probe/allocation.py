"""How many bytes this process has allocated, and how many it can still have."""

from __future__ import annotations

import ctypes
import mmap
import resource

import torch


def resident() -> int:
    """Return the bytes of this process in memory, without files and shared memory; 0 where nobody tells."""
    sizes = _pages()
    return (sizes[1] - sizes[2]) * mmap.PAGESIZE


def in_use() -> int | None:
    """Return the bytes that glibc's malloc has handed out and not got back; None where another allocator is used."""
    try:
        told = ctypes.CDLL(None).mallinfo2
    except (OSError, AttributeError):
        return None
    told.restype = _MallInfo
    facts = told()
    used: int = facts.uordblks + facts.hblkhd
    return used or None


def allocated(device: str) -> int:
    """Return the bytes in use on "cpu" or "cuda"."""
    if device == "cuda":
        return int(torch.cuda.memory_allocated())
    return in_use() or resident()


def given_back(device: str, since: int = 0) -> int:
    """Return by how many bytes less is in use than at the worst moment, as far as memory was given back since.

    Where memory runs out in the middle of an expression, what the expression held is gone before anybody is told. A
    worst moment no worse than `since`, which `worst` returned, was before that and does not count.
    """
    if device == "cuda":
        return int(torch.cuda.max_memory_allocated() - torch.cuda.memory_allocated())
    most, now = _sizes()
    return max(0, most - now) if most > since else 0


def worst() -> int:
    """Return the most that this process has held on the host so far."""
    return _sizes()[0]


def _sizes() -> tuple[int, int]:
    sizes = {}
    try:
        with open("/proc/self/status", "rb") as file:
            for line in file:
                name, _, rest = line.partition(b":")
                if name in (b"VmPeak", b"VmSize", b"VmHWM", b"VmRSS"):
                    sizes[name] = int(rest.split()[0]) * 1024
    except (OSError, ValueError):
        return 0, 0
    limited = resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY
    most, now = (b"VmPeak", b"VmSize") if limited else (b"VmHWM", b"VmRSS")
    return sizes.get(most, 0), sizes.get(now, 0)


def room(device: str) -> tuple[int, str]:
    """Return the bytes that can still be had, and what bounds them."""
    if device == "cuda":
        free = torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
        return int(free), "the device's memory"
    rooms = [(_available(), "the machine's memory")]
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY:
        rooms.append((limit - _pages()[0] * mmap.PAGESIZE, "the limit of address space (ulimit -v)"))
    return min(rooms)


def _available() -> int:
    try:
        with open("/proc/meminfo", "rb") as file:
            for line in file:
                if line.startswith(b"MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 1 << 62


def _pages() -> list[int]:
    try:
        with open("/proc/self/statm", "rb") as file:
            return [int(part) for part in file.read().split()]
    except OSError:
        return [0] * 7


class _MallInfo(ctypes.Structure):
    # malloc.h: struct mallinfo2
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        )
    ]
