"""Finds out how a command ended: what must be noted while it lives, and what is said of its death.

Standard library and psutil; each fact is asked for by itself, so that one that cannot be had costs no other.
"""

import contextlib
import os
import re
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from doctor.watching.exit_codes import ExitCodes

CGROUPS = Path("/sys/fs/cgroup")
KERNEL_LOG = "/dev/kmsg"
MAX_KERNEL_LINES = 40
_TELLING = re.compile(
    r"oom|out of memory|killed process|segfault|general protection|trap |xid|i/o error", re.IGNORECASE
)
_ABOUT_A_DEVICE = re.compile(r"NVRM: Xid", re.IGNORECASE)
_UNLIMITED = 1 << 60  # version 1 of the cgroups writes a huge number where there is no limit


@dataclass(kw_only=True)
class Noted:
    """What was true when the command started, to be compared with what is true after its end.

    Attributes
    ----------
    groups : tuple of Path
        The command's memory cgroup and those above it, nearest first.
    oom_kills : int or None
        Of the nearest group that counts them.
    kernel_log : int or None
        Open on `/dev/kmsg`, behind the newest message.
    exits : ExitCodes
        Those of the command's descendants; `look()` must be called every second or so for them to be complete.
    sent : list of int
        Signals that the command was sent by doctor or, through it, by the user.
    """

    folder: Path
    pid: int
    monotonic: float
    boot: str
    groups: tuple[Path, ...]
    oom_kills: int | None
    memory_limit_bytes: int | None
    kernel_log: int | None
    free_bytes: int | None
    exits: ExitCodes
    sent: list[int] = field(default_factory=list)

    def asked_to_end(self, number: int) -> None:
        """Remember that the command was sent a signal on purpose: `SIGINT` at Ctrl-C, `SIGTERM` by a scheduler."""
        self.sent.append(int(number))

    def look(self) -> None:
        """See which descendants there are now."""
        self.exits.look()


def before(folder: Path, pid: int) -> Noted:
    """Note what must be compared later.

    Parameters
    ----------
    folder : Path
        The run folder.
    pid : int
        Of the command, which was just started.
    """
    groups = _memory_groups(pid)
    exits = ExitCodes(pid)
    exits.look()
    return Noted(
        folder=folder,
        pid=pid,
        monotonic=time.monotonic(),
        boot=_boot(),
        groups=groups,
        oom_kills=_oom_kills(groups),
        memory_limit_bytes=_memory_limit(groups),
        kernel_log=_kernel_log_end(),
        free_bytes=_free_bytes(folder),
        exits=exits,
    )


def facts(noted: Noted, returncode: int) -> dict[str, Any]:
    """Say how the command ended, for `end.json`.

    Parameters
    ----------
    noted : Noted
    returncode : int
        As `subprocess` gives it: negative is the signal that killed it.

    Returns
    -------
    dict
        `status` (as a shell gives it), `signal`, `signal_name`, `ended`, `monotonic`, `seconds`, `pid`; `sent`: signals
        that doctor passed on; `exits`: of each descendant whose end was seen, by process id, negative for a signal;
        `pids`: all processes that were seen; `oom_kills`: since the start, in the command's cgroup, None where none
        counts them; `memory_limit_bytes`; `kernel`: lines of the kernel's log that name one of the processes or a
        device's fault, None where the log cannot be read; `free_bytes` of the run folder's disk, and at the start;
        `rebooted`.
    """
    after = _oom_kills(noted.groups)
    kills = after - noted.oom_kills if after is not None and noted.oom_kills is not None else None
    noted.exits.look()
    noted.exits.close()
    pids = noted.exits.seen | _recorded_pids(noted.folder) | {noted.pid}
    return {
        "status": returncode if returncode >= 0 else 128 - returncode,
        "signal": -returncode if returncode < 0 else None,
        "signal_name": signal_name(-returncode) if returncode < 0 else None,
        "ended": time.time(),
        "monotonic": time.monotonic(),
        "seconds": time.monotonic() - noted.monotonic,
        "pid": noted.pid,
        "sent": list(noted.sent),
        "exits": {str(pid): code for pid, code in sorted((noted.exits.codes() | {noted.pid: returncode}).items())},
        "pids": sorted(pids),
        "oom_kills": kills,
        "memory_limit_bytes": noted.memory_limit_bytes,
        "kernel": _kernel_lines(noted.kernel_log, pids),
        "free_bytes": _free_bytes(noted.folder),
        "free_bytes_before": noted.free_bytes,
        "rebooted": _boot() != noted.boot,
    }


def signal_name(number: int) -> str:
    """Return a signal's name, such as SIGKILL."""
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"


def _memory_groups(pid: int) -> tuple[Path, ...]:
    """Find the cgroup that limits a process's memory, and those above it; the kernel's versions 1 and 2."""
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text("ascii", "replace").splitlines()
    except OSError:
        return ()
    found: list[Path] = []
    for line in lines:
        _, controllers, place = [*line.split(":", 2), "", ""][:3]
        if controllers and "memory" not in controllers.split(","):
            continue
        root = CGROUPS / "memory" if controllers else CGROUPS
        below = [part for part in place.split("/") if part not in ("", "..")]
        # Inside a container the path may be the host's, of which only the last parts, or none, are mounted.
        for depth in range(len(below), -1, -1):
            folder = root.joinpath(*below[:depth])
            if (folder / "memory.events").is_file() or (folder / "memory.oom_control").is_file():
                found.append(folder)
    return tuple(found)


def _oom_kills(groups: tuple[Path, ...]) -> int | None:
    for group in groups:
        for name in ("memory.events", "memory.oom_control"):
            with contextlib.suppress(OSError, ValueError):
                for line in (group / name).read_text("ascii").splitlines():
                    if line.startswith("oom_kill "):
                        return int(line.split()[1])
    return None


def _memory_limit(groups: tuple[Path, ...]) -> int | None:
    limits = []
    for group in groups:
        for name in ("memory.max", "memory.limit_in_bytes"):
            with contextlib.suppress(OSError, ValueError):  # "max" is no number
                limits.append(int((group / name).read_text("ascii")))
    return min((limit for limit in limits if limit < _UNLIMITED), default=None)


def _kernel_log_end() -> int | None:
    try:
        log = os.open(KERNEL_LOG, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        os.lseek(log, 0, os.SEEK_END)
    except OSError:
        os.close(log)
        return None
    return log


def _kernel_lines(log: int | None, pids: set[int]) -> list[str] | None:
    """Read what the kernel said since the start, as far as it concerns us; closes the log."""
    if log is None:
        return None
    lines: list[str] = []
    try:
        while len(lines) < MAX_KERNEL_LINES:
            try:
                record = os.read(log, 16384)
            except BrokenPipeError:  # messages were overwritten before they were read; what follows is whole
                continue
            text = record.partition(b";")[2].split(b"\n")[0].decode("utf-8", "replace")
            if concerns(text, pids):
                lines.append(text[:500])
    except OSError:  # EAGAIN: nothing more
        pass
    os.close(log)
    return lines


def concerns(text: str, pids: set[int]) -> bool:
    """Tell whether a line of the kernel's log is about one of these processes, or about a GPU's fault."""
    if _ABOUT_A_DEVICE.search(text):
        return True
    return bool(_TELLING.search(text)) and any(int(word) in pids for word in re.findall(r"\d+", text)[:60])


def _recorded_pids(folder: Path) -> set[int]:
    names = (path.name.partition(".")[0].rpartition("-")[2] for path in folder.glob("*-*.*"))
    return {int(name) for name in names if name.isdigit()}


def _free_bytes(folder: Path) -> int | None:
    with contextlib.suppress(OSError):
        disk = os.statvfs(folder)
        return disk.f_bavail * disk.f_frsize
    return None


def _boot() -> str:
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return ""
