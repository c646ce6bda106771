"""Watches a process that runs already: what can be seen from outside, and all of it where the probe gets in."""

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doctor.errors import UsageError
from doctor.model import Report
from doctor.registry import load_renderer
from doctor.settings import Settings
from doctor.watching import triage
from doctor.watching.folder import RunFolder
from doctor.watching.inject import inject
from doctor.watching.monitor import Monitor, sampler_for
from doctor.watching.outlook import Outlook
from doctor.watching.stalls import alive, run_folder_of
from doctor.watching.telling import shorter, tell
from doctor.watching.unwatched import command_of, descendants
from doctor.watching.watch import Watched, Wishes, live_panel, metrics_on, step_back

MIN_IDLE_SECONDS = 60.0
MAX_IDLE_SHARE = 0.005
"""Of one processor: a process tree that takes less waits for something."""
MAX_GPU_SHARE = 0.01
STACKS_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where an attached run is recorded.

    Attributes
    ----------
    folder : RunFolder or None
        None where another monitor writes it.
    """

    path: Path
    folder: RunFolder | None


def attach(pid: int, wishes: Wishes, settings: Settings, *, wants_probe: bool) -> Watched:
    """Watch a process until it ends or the user interrupts.

    Parameters
    ----------
    pid : int
    wants_probe : bool
        Whether to bring the probe into the process, where it is not yet.

    Raises
    ------
    UsageError
        When there is no such process, or the run folder is taken or cannot be written.
    """
    if not alive(pid):
        raise UsageError(f"--pid {pid}: there is no such process")
    place = _place(pid, wishes.run_dir)
    noted = triage.before(place.path, pid)
    if place.folder is not None:
        _probe_or_stacks(pid, place.folder, wants_probe)
    step_back()
    outlook = Outlook(place.path, settings, _keeper(place))
    monitor = _monitor(pid, place, noted, outlook, wishes)
    try:
        monitor.watch(lambda: not alive(pid))
    except KeyboardInterrupt:
        tell(f"let go of process {pid}, which goes on")
    else:
        _record_end(place, noted, pid)
    return Watched(returncode=0, folder=place.path, report=_last_look(place, outlook))


def _monitor(pid: int, place: Place, noted: triage.Noted, outlook: Outlook, wishes: Wishes) -> Monitor:
    metrics = metrics_on(wishes.metrics_port)
    idle = Idle(pid, place.folder)

    def each_second(sample: Mapping[str, float]) -> None:
        noted.look()
        idle.look(sample, time.monotonic())

    folder = place.folder or _reader(place.path)
    return Monitor(
        pid,
        folder,
        lambda: outlook,
        sampler_for(pid, place.path),
        views=[metrics] if metrics else [],
        panel=live_panel(pid, folder, wishes.live),
        each_second=each_second,
        explains=False,
    )


def _place(pid: int, wanted: Path | None) -> Place:
    known = run_folder_of(pid)
    if wanted is None and known is not None and (known / "run.json").is_file():
        if alive(_monitor_of(known)):
            tell(f"process {pid} is watched already; looking on in {shorter(known)}")
            return Place(path=known, folder=None)
        tell(f"process {pid} was watched by a doctor that is gone; going on in {shorter(known)}")
        return Place(path=known, folder=RunFolder.taken_over(known, {"attached": pid, "command": command_of(pid)}))
    try:
        folder = RunFolder(wanted, {"attached": pid, "command": command_of(pid)})
    except OSError as error:
        raise UsageError(f"{wanted or '.doctor/runs'}: {error.strerror or error}") from error
    return Place(path=folder.path, folder=folder)


def _monitor_of(folder: Path) -> int:
    """Return the process that writes a run folder; 0 where it is not of this machine or not known."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        about = json.loads((folder / "run.json").read_text("utf-8"))
        if about.get("host") == socket.gethostname():
            return int(about["monitor"])
    return 0


class _Onlooker(RunFolder):
    """A run folder that another monitor writes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.host = ""

    def sample(self, fields: Any, values: Mapping[str, float]) -> None:
        """Leave that to the other."""

    def event(self, kind: str, **facts: Any) -> None:
        """Leave that to the other."""


def _reader(path: Path) -> RunFolder:
    return _Onlooker(path)


def _probe_or_stacks(pid: int, folder: RunFolder, wants_probe: bool) -> None:
    if wants_probe and run_folder_of(pid) != folder.path:
        failed = inject(pid, folder.path)
        if failed is None:
            folder.event("injected", pid=pid)
            tell(f"the probe is in process {pid}; recording in {shorter(folder.path)}")
            return
        folder.event("unwatched", why=f"the probe did not get into process {pid}: {failed}")
        tell(f"the probe did not get into process {pid}: {failed}; watching from outside")
    elif run_folder_of(pid) != folder.path:
        folder.event("unwatched", why="seen from outside only; --inject brings the probe in")
        tell(f"watching process {pid} from outside: memory, devices, standstill; --inject brings the probe in")
    keep_stacks(pid, folder)


def keep_stacks(pid: int, folder: RunFolder) -> Path | None:
    """Have py-spy, where it is installed, write where every thread of a process and its children is."""
    program = shutil.which("py-spy") or shutil.which("py-spy", path=str(Path(sys.executable).parent))
    if program is None:
        return None
    texts = []
    for one in descendants(pid):
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            done = subprocess.run(  # noqa: S603  # a program that the user installed
                [program, "dump", "--nonblocking", "--pid", str(one)],
                capture_output=True,
                text=True,
                timeout=STACKS_SECONDS,
                check=False,
            )
            if done.returncode == 0:
                texts.append(done.stdout)
    path = folder.path / f"stacks-{pid}-{int(time.time())}.txt"
    return path if texts and folder.write(path, "\n".join(texts)) else None


class Idle:
    """Notices that a process tree has stopped computing, for processes that say nothing of themselves.

    Parameters
    ----------
    pid : int
    folder : RunFolder or None
    stacks : callable, optional
        Writes the stacks down and returns where.
    """

    def __init__(
        self,
        pid: int,
        folder: RunFolder | None,
        stacks: Callable[[int, RunFolder], Path | None] = keep_stacks,
    ) -> None:
        self._pid = pid
        self._folder = folder
        self._stacks = stacks
        self._since: tuple[float, float] | None = None
        self._told = False

    def look(self, sample: Mapping[str, float], now: float) -> bool:
        """Take a sample; whether the tree has just been found idle."""
        used = sample.get("cpu_seconds")
        busy = any(value > MAX_GPU_SHARE for name, value in sample.items() if name.endswith("_busy_share"))
        if used is None:
            return False
        if self._since is None or busy or used - self._since[1] > MAX_IDLE_SHARE * max(now - self._since[0], 1.0):
            self._since, self._told = (now, used), False
            return False
        if self._told or now - self._since[0] < MIN_IDLE_SECONDS or self._folder is None:
            return False
        self._told = True
        path = self._stacks(self._pid, self._folder)
        self._folder.event("idle", seconds=now - self._since[0], stacks=str(path) if path else None)
        where = f"; stacks in {shorter(path)}" if path else "; py-spy, where installed, would show the stacks"
        tell(f"process {self._pid} has computed nothing for {now - self._since[0]:.0f} s{where}")
        return True


def _keeper(place: Place) -> Callable[[Report], object]:
    folder = place.folder
    if folder is None:
        return lambda report: None
    return lambda report: folder.write(place.path / "diagnosis.json", load_renderer("json")(report, color=False))


def _record_end(place: Place, noted: triage.Noted, pid: int) -> None:
    """Write the end; how it was is only known where the kernel tells others than the parent."""
    if place.folder is None:
        return
    noted.exits.look()
    code = noted.exits.codes().get(pid)
    if code is not None:
        place.folder.end(triage.facts(noted, code))
        return
    noted.exits.close()
    place.folder.end({"ended": time.time(), "monotonic": time.monotonic(), "pid": pid, "attached": True})


def _last_look(place: Place, outlook: Outlook) -> Report | None:
    try:
        report = outlook.examined()
        _keeper(place)(report)
        if place.folder is not None:
            place.folder.write(place.path / "report.html", load_renderer("html")(report, color=False))
    except Exception as error:
        tell(f"{place.path}: cannot be examined: {type(error).__name__}: {error}")
        return None
    return report
