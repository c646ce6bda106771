"""The processes of a watched run, sorted into what they are for, and what they take."""

import contextlib
import time
from pathlib import Path

import psutil

GROUPS = ("main", "ranks", "workers", "others")
"""The first rank, the other ranks, the worker processes that ranks started, and everything else (launchers, shells)."""
SAMPLES_BETWEEN_SCANS = 5
MAX_SHARE_OF_SECOND = 0.002
"""What looking at page tables may cost on average: the kernel walks all pages of a process, 5 ms per GB and more."""
WORKER_NAMES = ("pt_data_worker", "pt_data_pin")


class ProcessTree:
    """Finds and reads the processes below one.

    Parameters
    ----------
    pid : int
        The root.
    folder : Path
        Where ranks record: `<host>-<pid>.steps.ring`.
    """

    def __init__(self, pid: int, folder: Path) -> None:
        self._root, self._folder = pid, folder
        self._known: dict[int, psutil.Process] = {}
        self._ranks: list[int] = []
        self._group: dict[int, str] = {}
        self._cpu: dict[int, float] = {}
        self._written: dict[int, float] = {}
        self._open_files = 0.0
        self._samples = 0
        self._pages_due = 0.0

    @property
    def pids(self) -> frozenset[int]:
        """The processes found last."""
        return frozenset(self._known)

    def sample(self) -> dict[str, float]:
        """Return what each group takes; names as in `sampler.FIELDS`."""
        rare = self._samples % SAMPLES_BETWEEN_SCANS == 0 or self._root not in self._known
        self._samples += 1
        if rare:
            with contextlib.suppress(psutil.Error, OSError):
                self._find()
        values = {f"{group}_{name}": 0.0 for group in GROUPS for name in ("processes", "rss", "anonymous", "shared")}
        values["threads"] = 0.0
        for pid, process in list(self._known.items()):
            try:
                self._read(values, self._group[pid], process, rare)
            except (psutil.Error, OSError):
                del self._known[pid], self._group[pid]
        if rare:
            self._open_files = float(sum(filter(None, map(_open_files, self._known.values()))))
        if self._known and time.monotonic() >= self._pages_due:
            values |= self._pages()
        values["open_files"] = self._open_files
        values["cpu_seconds"] = sum(self._cpu.values())
        values["written_bytes"] = sum(self._written.values())
        return values

    def _find(self) -> None:
        found = [process for process in self._known.values() if process.is_running()]
        with contextlib.suppress(psutil.NoSuchProcess):
            root = psutil.Process(self._root)
            found = [root, *root.children(recursive=True), *found]  # known ones whose parent died are still ours
        self._known = {process.pid: process for process in found}
        ranks = sorted(
            {int(path.name.split(".")[0].rpartition("-")[2]) for path in self._folder.glob("*-*.steps.ring")}
        )
        ranks = [pid for pid in ranks if pid in self._known] or [self._root]
        if ranks != self._ranks:
            self._ranks, self._group = ranks, {}
        for pid, process in self._known.items():
            if pid not in self._group:
                self._group[pid] = self._role(process, ranks)

    def _role(self, process: psutil.Process, ranks: list[int]) -> str:
        if process.pid in ranks:
            return "main" if process.pid == ranks[0] else "ranks"
        try:
            command, parents = process.cmdline(), process.parents()
            started_by = next((parent for parent in parents if parent.pid in ranks), None)
            if started_by is None:
                return "others"
            forked = bool(command) and command == started_by.cmdline()
            # Set by torch on its loader's processes; by multiprocessing in the command line of spawned ones.
            known = process.name() in WORKER_NAMES or any("multiprocessing" in word for word in command)
        except (psutil.Error, OSError):
            return "others"
        return "workers" if forked or known else "others"

    def _read(self, values: dict[str, float], group: str, process: psutil.Process, rare: bool) -> None:
        with process.oneshot():
            memory = process.memory_info()
            times = process.cpu_times()
            threads = process.num_threads()
        if not memory.rss:  # dead, and its parent has not asked for its status yet
            return
        shared = float(getattr(memory, "shared", 0))
        values[f"{group}_processes"] += 1
        values[f"{group}_rss"] += memory.rss
        values[f"{group}_shared"] += shared
        values[f"{group}_anonymous"] += max(0.0, memory.rss - shared)
        values["threads"] += threads
        self._cpu[process.pid] = times.user + times.system
        if rare and hasattr(process, "io_counters"):
            with contextlib.suppress(psutil.AccessDenied):
                self._written[process.pid] = float(process.io_counters().write_bytes)

    def _pages(self) -> dict[str, float]:
        """Return proportional and private sizes of all groups, and put off the next look by what this one cost."""
        begin = time.monotonic()
        values = {f"{group}_{name}": 0.0 for group in GROUPS for name in ("pss", "uss")}
        for pid, process in self._known.items():
            try:
                full = process.memory_full_info()
            except (psutil.Error, OSError):
                continue
            values[f"{self._group[pid]}_pss"] += getattr(full, "pss", 0)
            values[f"{self._group[pid]}_uss"] += full.uss
        now = time.monotonic()
        self._pages_due = now + max(5.0, (now - begin) / MAX_SHARE_OF_SECOND)
        return values


def _open_files(process: psutil.Process) -> int | None:
    try:
        return int(process.num_fds()) if hasattr(process, "num_fds") else None
    except (psutil.Error, OSError):
        return None
