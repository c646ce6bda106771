"""Runs a command to its end under watch, and says at the end what became of it."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doctor.errors import UsageError
from doctor.model import Report
from doctor.settings import Settings
from doctor.watching import launch, triage
from doctor.watching.closing import conclude, keep
from doctor.watching.folder import RunFolder, note_inner_watch
from doctor.watching.metrics import ADDRESS, Metrics
from doctor.watching.signals import Forwarder
from doctor.watching.survivors import end_survivors
from doctor.watching.telling import tell
from doctor.watching.unwatched import isolating_option

if TYPE_CHECKING:
    from doctor.watching.monitor import Panel
    from doctor.watching.outlook import Outlook

NICENESS = 10
LIBRARY_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """How the user wants a run to be watched.

    Attributes
    ----------
    probe : mapping
        Variables that the probe reads.
    live : bool
        Whether to draw at the bottom of the terminal, where standard error is one.
    metrics_port : int or None
    """

    run_dir: Path | None = None
    probe: Mapping[str, str] = field(default_factory=dict)
    live: bool = True
    metrics_port: int | None = None


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A command that has ended.

    Attributes
    ----------
    returncode : int
        Negative for the signal that killed it.
    report : Report or None
        None where nothing could be recorded or examined.
    """

    returncode: int
    folder: Path | None = None
    report: Report | None = None


def run(command: Sequence[str], wishes: Wishes, settings: Settings) -> Watched:
    """Run a command under watch; where its record cannot be kept, it runs all the same.

    Raises
    ------
    UsageError
        When there is no such command, or the run folder is taken.
    """
    try:
        folder = RunFolder(wishes.run_dir, {"command": list(command)})
    except OSError as error:
        place = wishes.run_dir or Path(".doctor", "runs")
        tell(f"{place}: {error.strerror or error}; the command runs, but is not watched")
        return _unwatched(command)
    with Forwarder() as forwarder:  # before any thread is started, which else would take the signals
        watch = _Watch(folder, settings, wishes)
        try:
            process = watch.launch(command, forwarder)
        except UsageError:
            folder.end({"status": launch.NOT_FOUND, "signal": None, "ended": time.time()})
            raise
        try:
            watch.to_the_end(process)
        except Exception as error:
            tell(f"a fault of doctor itself: {type(error).__name__}: {error}; the command goes on unwatched")
        returncode = process.wait()
        watch.leave_nobody()
        watch.record_end(returncode)
    return Watched(returncode=returncode, folder=folder.path, report=conclude(folder, settings))


def _unwatched(command: Sequence[str]) -> Watched:
    with Forwarder() as forwarder:
        process = launch.launch(command, before=forwarder.unblock)
        forwarder.pass_to(process.pid)
        return Watched(returncode=process.wait())


class _Watch:
    def __init__(self, folder: RunFolder, settings: Settings, wishes: Wishes) -> None:
        self._folder = folder
        self._settings = settings
        self._wishes = wishes
        self._metrics = metrics_on(wishes.metrics_port)
        self._noted: triage.Noted | None = None

    def launch(self, command: Sequence[str], forwarder: Forwarder) -> "subprocess.Popen[bytes]":
        """Start the command, and pass signals on to it from the first moment."""
        outer, option = launch.outer_folder(), isolating_option(command)
        if outer is not None:
            note_inner_watch(outer, self._folder.path)
        if option is not None:
            why = f"the probe did not start in this process: {Path(command[0]).name} {option} hides it"
            self._folder.event("unwatched", why=why)
        environment = launch.environment(self._folder.path, self._wishes.probe)
        process = launch.launch(command, environment, forwarder.unblock)
        forwarder.heard = self.heard
        forwarder.pass_to(process.pid)
        self._noted = _noted(self._folder.path, process.pid)
        return process

    def to_the_end(self, process: "subprocess.Popen[bytes]") -> None:
        """Watch until the command ends."""
        # Only now, so that the command does not wait for it.
        step_back()
        os.environ.update(dict.fromkeys(LIBRARY_THREADS, "1"))
        from doctor.watching.monitor import Monitor, sampler_for

        folder = self._folder
        sampler = sampler_for(process.pid, folder.path)
        monitor = Monitor(
            process.pid,
            folder,
            self._outlook,
            sampler,
            views=[self._metrics] if self._metrics else [],
            panel=live_panel(process.pid, folder, self._wishes.live),
            each_second=lambda sample: self._note_processes(),
        )
        monitor.watch(lambda: process.poll() is not None)

    def _outlook(self) -> "Outlook":
        from doctor.watching.outlook import Outlook

        return Outlook(self._folder.path, self._settings, partial(keep, self._folder))

    def _note_processes(self) -> None:
        if self._noted is not None:
            self._noted.look()

    def heard(self, number: int) -> None:
        """Remember that the end may have been asked for."""
        if self._noted is not None:
            self._noted.asked_to_end(number)

    def leave_nobody(self) -> None:
        """See to the ranks that the command may have left behind."""
        try:
            end_survivors(self._folder.path, self._noted.sent if self._noted is not None else ())
        except Exception as error:
            tell(f"who outlives the command is not known: {type(error).__name__}: {error}")

    def record_end(self, returncode: int) -> None:
        """Write how the command ended."""
        self._folder.end(_end_facts(self._noted, returncode))


def step_back() -> None:
    """Let every other process go first."""
    with contextlib.suppress(OSError):
        os.nice(NICENESS)


def metrics_on(port: int | None) -> Metrics | None:
    """Serve numbers where that is wanted, and say where.

    Raises
    ------
    UsageError
        When the port cannot be had.
    """
    if port is None:
        return None
    metrics = Metrics(port)
    tell(f"metrics at http://{ADDRESS}:{metrics.port}/metrics")
    return metrics


def live_panel(pid: int, folder: RunFolder, wanted: bool) -> "Panel | None":
    """Return the live view where it is wanted and standard error is a terminal that can show it."""
    if not wanted or os.environ.get("TERM", "dumb") == "dumb" or sys.stderr is None or not sys.stderr.isatty():
        return None
    from doctor.watching.live import Live
    from doctor.watching.probe.control import Control

    control = Control(str(folder.path / "control"))
    try:
        return Live(sys.stderr.fileno(), pid, control.ask)
    except OSError as error:
        tell(f"no live view: {error.strerror}")
        return None


def _noted(folder: Path, pid: int) -> triage.Noted | None:
    try:
        return triage.before(folder, pid)
    except Exception as error:
        tell(f"how the command ends is only told by its status: {type(error).__name__}: {error}")
        return None


def _end_facts(noted: triage.Noted | None, returncode: int) -> dict[str, Any]:
    plain = {
        "status": launch.exit_status(returncode),
        "signal": -returncode if returncode < 0 else None,
        "ended": time.time(),
        "monotonic": time.monotonic(),
    }
    if noted is None:
        return plain
    try:
        known = triage.facts(noted, returncode)
    except Exception as error:
        known = {"fault": f"{type(error).__name__}: {error}"}
    return plain | known
