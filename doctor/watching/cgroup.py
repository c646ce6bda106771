"""The memory limit that a container or job scheduler put around a process."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
UNLIMITED = 1 << 60
"""Version 1 writes "no limit" as the largest number of pages; no machine has an exabyte."""


@dataclass(frozen=True)
class MemoryGroup:
    """A control group: of a process's group and those around it, the one whose limit is the tightest.

    Attributes
    ----------
    folder : Path
        Where the kernel shows it.
    version : int
        1 or 2: the files are named differently.
    """

    folder: Path
    version: int

    @classmethod
    def of(cls, pid: int, processes: Path = Path("/proc"), root: Path = ROOT) -> "MemoryGroup | None":
        """Find the group of a process; None where memory is not accounted by groups."""
        groups = list(_around(pid, processes, root))
        return min(groups, key=lambda group: group.limit or UNLIMITED) if groups else None

    @property
    def limit(self) -> int | None:
        """The hard limit in bytes."""
        return self._read("memory.max" if self.version == 2 else "memory.limit_in_bytes")

    def sample(self) -> dict[str, float]:
        """Return use, limits and what the kernel killed in it; names as in `sampler.FIELDS`."""
        used = self._read("memory.current" if self.version == 2 else "memory.usage_in_bytes")
        facts = self._table("memory.stat")
        prefix = "" if self.version == 2 else "total_"
        cache = facts.get(f"{prefix}active_file", 0) + facts.get(f"{prefix}inactive_file", 0)
        events = self._table("memory.events" if self.version == 2 else "memory.oom_control")
        values = {
            "cgroup_bytes": used,
            "cgroup_unreclaimable_bytes": None if used is None else max(0, used - cache),
            "cgroup_limit_bytes": self.limit,
            "cgroup_high_bytes": self._read("memory.high") if self.version == 2 else None,
            "cgroup_ooms": events.get("oom"),
            "cgroup_oom_kills": events.get("oom_kill"),
        }
        return {name: float(value) for name, value in values.items() if value is not None}

    def _read(self, name: str) -> int | None:
        try:
            value = int((self.folder / name).read_text("ascii"))
        except (OSError, ValueError):  # "max" is no limit
            return None
        return value if value < UNLIMITED else None

    def _table(self, name: str) -> dict[str, int]:
        table = {}
        with contextlib.suppress(OSError, ValueError):
            for line in (self.folder / name).read_text("ascii").splitlines():
                key, _, value = line.partition(" ")
                table[key] = int(value)
        return table


def _around(pid: int, processes: Path, root: Path) -> Iterator[MemoryGroup]:
    try:
        lines = (processes / str(pid) / "cgroup").read_text("utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        number, controllers, place = line.split(":", 2)
        if number == "0" and not controllers:
            version, top, file = 2, root, "memory.current"
        elif "memory" in controllers.split(","):
            version, top, file = 1, root / "memory", "memory.usage_in_bytes"
        else:
            continue
        # Inside a container the path is often the host's and not to be seen: then the root is the container's group.
        parts = Path(place.lstrip("/")).parts if (top / place.lstrip("/")).is_dir() else ()
        for depth in range(len(parts), -1, -1):
            folder = top.joinpath(*parts[:depth])
            if (folder / file).is_file():
                yield MemoryGroup(folder, version)
