"""Samples what a watched process tree takes from its machine; the monitor calls it once a second.

A quantity that could not be read is left out of the sample. Shares are 0–1, sizes in bytes, `_ratio` of pressure the
share of the last ten seconds in which somebody waited.
"""

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

from doctor.watching.cgroup import MemoryGroup
from doctor.watching.devices import Devices
from doctor.watching.process_tree import GROUPS, ProcessTree

GROUP_FIELDS = (
    "processes",
    "rss",  # resident, each process by itself
    "anonymous",  # resident without files and shared memory: what a leak makes grow
    "shared",  # resident pages of files and shared memory
    "pss",  # resident, pages shared with others counted in part
    "uss",  # resident and private: what copy-on-write makes grow
)
FIELDS = (
    "time",
    "monotonic",
    *(f"{group}_{field}" for group in GROUPS for field in GROUP_FIELDS),
    "threads",
    "open_files",
    "cpu_seconds",  # of the whole tree, the dead included
    "written_bytes",
    "cgroup_bytes",
    "cgroup_unreclaimable_bytes",  # without the page cache
    "cgroup_limit_bytes",
    "cgroup_high_bytes",
    "cgroup_ooms",
    "cgroup_oom_kills",
    "host_total_bytes",
    "host_available_bytes",
    "swap_total_bytes",
    "swap_used_bytes",
    "swapped_in_bytes",  # since boot
    "swapped_out_bytes",
    "load",  # runnable processes, mean of a minute
    "processors",  # that the tree may use
    "memory_some_ratio",
    "memory_full_ratio",
    "cpu_some_ratio",
    "io_some_ratio",
    "io_full_ratio",
    "shm_used_bytes",  # /dev/shm
    "shm_free_bytes",
    "run_folder_free_bytes",
    "working_folder_free_bytes",
    "sample_seconds",  # what the sample itself took
)
"""What is sampled on a machine without accelerators; each of those adds `devices.FIELDS`."""
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # looked at, not written to


class Sampler:
    """Samples one process tree and the machine around it.

    Parameters
    ----------
    pid : int
        The root of the tree. It may be gone, and every other process may go at any time.
    folder : Path
        The run folder; processes that record steps there are the ranks.

    Attributes
    ----------
    fields : tuple of str
        What a sample may hold; fixed.
    """

    def __init__(self, pid: int, folder: Path) -> None:
        self._tree = ProcessTree(pid, folder)
        self._group = MemoryGroup.of(pid)
        self._devices = Devices()
        self._folders = {"run_folder": folder, "working_folder": _working_folder(pid)}
        self.fields = FIELDS + self._devices.fields

    def sample(self) -> dict[str, float]:
        """Take one sample.

        Returns
        -------
        dict of str to float
            A part of `fields`.
        """
        begin = time.perf_counter()
        values = {"time": time.time(), "monotonic": time.monotonic()}
        values |= self._tree.sample()
        if self._group is not None:
            values |= self._group.sample()
        for take in (_memory, _load, _pressure, self._space):
            with contextlib.suppress(OSError, ValueError, psutil.Error):
                values |= take()
        values |= self._devices.sample(self._tree.pids)
        values["sample_seconds"] = time.perf_counter() - begin
        return values

    def close(self) -> None:
        """Let go of the accelerators' driver."""
        self._devices.close()

    def _space(self) -> dict[str, float]:
        values = {}
        for name, folder in self._folders.items():
            if folder is not None:
                with contextlib.suppress(OSError):
                    space = os.statvfs(folder)
                    values[f"{name}_free_bytes"] = float(space.f_bavail * space.f_frsize)
        if SHARED_MEMORY.is_dir():
            space = os.statvfs(SHARED_MEMORY)
            values["shm_used_bytes"] = float((space.f_blocks - space.f_bfree) * space.f_frsize)
            values["shm_free_bytes"] = float(space.f_bavail * space.f_frsize)
        return values


def _working_folder(pid: int) -> Path | None:
    try:
        return Path(psutil.Process(pid).cwd())
    except (psutil.Error, OSError):
        return None


def _memory() -> dict[str, float]:
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    return {
        "host_total_bytes": float(memory.total),
        "host_available_bytes": float(memory.available),
        "swap_total_bytes": float(swap.total),
        "swap_used_bytes": float(swap.used),
        "swapped_in_bytes": float(swap.sin),
        "swapped_out_bytes": float(swap.sout),
    }


def _load() -> dict[str, float]:
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {"load": os.getloadavg()[0], "processors": float(processors)}


def _pressure() -> dict[str, float]:
    """Read the kernel's pressure stall information, where it keeps it."""
    values = {}
    for resource, kinds in (("memory", ("some", "full")), ("cpu", ("some",)), ("io", ("some", "full"))):
        for kind, share in _stalls(Path(f"/proc/pressure/{resource}")):
            if kind in kinds:
                values[f"{resource}_{kind}_ratio"] = share
    return values


def _stalls(path: Path) -> Iterable[tuple[str, float]]:
    if path.exists():
        for line in path.read_text("ascii").splitlines():
            kind, average = line.split()[:2]
            yield kind, float(average.removeprefix("avg10=")) / 100
