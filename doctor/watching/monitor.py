"""Stands beside a running command: samples the machine, looks at the record, tells what is new.

It runs in the process that the user started and costs about a hundredth of a processor. Whatever fails here is told
once and leaves the command alone.
"""

import os
import select
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from doctor.model import Finding
from doctor.watching.beginnings import Beginning, ask_novices, unsettled
from doctor.watching.folder import RunFolder
from doctor.watching.growth import MEMORY_FIELDS, Growth
from doctor.watching.left_behind import LeftBehind
from doctor.watching.probe.control import Control
from doctor.watching.stalls import Stall, Watchman, alive, ask_for_stacks
from doctor.watching.tail import Tail, Tails
from doctor.watching.telling import tell, tell_finding
from doctor.watching.unwatched import descendants, reason_not_watched

if TYPE_CHECKING:
    from doctor.watching.outlook import Outlook

SAMPLE_SECONDS = 1.0
LOOK_SECONDS = 5.0
MAX_SHARE = 0.01
"""Of one processor, for looking at the record; the rest between two looks is longer after a dear one."""


class MachineSampler(Protocol):
    """Measures the machine and the process tree."""

    fields: tuple[str, ...]

    def sample(self) -> dict[str, float]:
        """Return what can be known now."""


class View(Protocol):
    """Shows what happens."""

    def show(self, tails: Sequence[Tail], sample: Mapping[str, float], findings: Sequence[Finding]) -> None:
        """Show the newest."""

    def close(self) -> None:
        """Show no more."""


class Panel(View, Protocol):
    """A view with keys."""

    def inputs(self) -> Sequence[int]:
        """Return the descriptors that may have something for `heard`."""

    def heard(self, number: int) -> None:
        """Take what the descriptor has."""


class Monitor:
    """Watches one process tree and one run folder until the root of the tree ends.

    Parameters
    ----------
    pid : int
        The root: a child of this process, or any other.
    folder : RunFolder
    outlook : callable
        Makes what examines the record, when that is first looked at: its libraries take a second to load.
    sampler : MachineSampler or None
    views : sequence of View
    panel : Panel, optional
        The view that is asked for keys.
    each_second : callable, optional
        Called with every sample.
    explains : bool
        Whether to find out why no process records.
    """

    def __init__(
        self,
        pid: int,
        folder: RunFolder,
        outlook: "Callable[[], Outlook]",
        sampler: MachineSampler | None = None,
        views: Sequence[View] = (),
        panel: Panel | None = None,
        each_second: Callable[[Mapping[str, float]], object] = lambda sample: None,
        explains: bool = True,
    ) -> None:
        self._pid = pid
        self._explains = explains
        self._folder = folder
        self._make_outlook = outlook
        self._outlook: Outlook | None = None
        self._sampler = sampler
        self._views = [*views, *([panel] if panel else [])]
        self._panel = panel
        self._each_second = each_second
        self._control = Control(str(folder.path / "control"))
        self._tails = Tails(folder.path)
        self._watchman = Watchman()
        self._beginning = Beginning(pid, folder.path)
        self._left_behind = LeftBehind()
        self._growth = Growth()
        self._faults: set[str] = set()
        self._reasons: set[str] = set()
        self._findings: list[Finding] = []

    def watch(self, ended: Callable[[], bool]) -> None:
        """Watch until the process ends.

        Parameters
        ----------
        ended : callable
            Whether it has; asked when the kernel says so, and every second.
        """
        handle = _process_handle(self._pid)
        sample_at = time.monotonic()
        look_at = sample_at + LOOK_SECONDS
        try:
            while not ended():
                now = time.monotonic()
                if now >= sample_at:
                    self._guarded("sampling", self._second)
                    sample_at = max(sample_at + SAMPLE_SECONDS, now)
                if now >= look_at:
                    self._guarded("getting ready to look", self._get_ready)
                    spent = time.process_time()
                    self._guarded("looking at the record", self._look)
                    spent = time.process_time() - spent
                    look_at = time.monotonic() + max(LOOK_SECONDS, spent / MAX_SHARE)
                self._sleep(handle, min(sample_at, look_at))
        finally:
            for view in self._views:
                self._guarded("closing a view", view.close)
            if handle is not None:
                os.close(handle)

    def _sleep(self, handle: int | None, until: float) -> None:
        inputs = list(self._panel.inputs()) if self._panel else []
        wanted = inputs if handle is None else [handle, *inputs]
        longest = max(0.0, until - time.monotonic())
        ready, _, _ = select.select(wanted, [], [], longest)
        for number in ready:
            if number != handle and self._panel is not None:
                self._guarded("reading a key", partial(self._panel.heard, number))

    def _guarded(self, what: str, act: Callable[[], object]) -> None:
        """Do something that may fail; the first failure of its kind is told."""
        try:
            act()
        except Exception as error:
            reason = f"{what}: {type(error).__name__}: {error}"
            if what not in self._faults:
                self._faults.add(what)
                self._folder.event("monitor_fault", what=what, reason=reason)
                tell(f"a fault of the monitor, {reason}; the command goes on")

    def _second(self) -> None:
        now = time.monotonic()
        sample = self._sampler.sample() if self._sampler is not None else {}
        if self._sampler is not None:
            self._folder.sample(self._sampler.fields, sample)
        self._each_second(sample)
        tails = [tail for tail in self._tails.find() if alive(int(tail.about.get("pid", 0)))]
        if not tails and self._explains:
            self._note_unwatched()
        memory = sum(sample.get(name, 0.0) for name in MEMORY_FIELDS)
        if tails and memory and self._growth.wants_census(now, memory):
            self._control.ask("census")
            self._folder.event("census_asked", bytes=memory)
        stall = self._beginning.look(tails, now) if unsettled(tails) else self._watchman.look(tails, now)
        if stall is not None:
            self._stalled(stall, tails)
        if self._beginning.moved():
            self._folder.event("moved")
        for tail, facts in self._left_behind.look(tails, now):
            self._folder.event("left_behind", **facts, signalled=ask_for_stacks([tail]))
        for view in self._views:
            view.show(tails, sample, self._findings)

    def _note_unwatched(self) -> None:
        """Write down, while no process records, what keeps the probe out of those that there are."""
        for pid in descendants(self._pid):
            why = reason_not_watched(pid, self._folder.path)
            if why is not None and why not in self._reasons:
                self._reasons.add(why)
                self._folder.event("unwatched", pid=pid, why=f"the probe did not start in process {pid}: {why}")

    def _stalled(self, stall: Stall, tails: Sequence[Tail]) -> None:
        self._control.ask("stacks")
        signalled = ask_for_stacks(tails) + ask_novices(stall)
        self._folder.event("stalled", **stall.facts(), signalled=signalled)
        where = ", ".join(f"rank {p['rank']} in {p['phase']} of step {p['step']}" for p in stall.processes[:8])
        tell(f"no process has moved for {stall.seconds:.0f} s ({where}); asked for their stacks")

    def _get_ready(self) -> None:
        if self._outlook is None:
            self._outlook = self._make_outlook()

    def _look(self) -> None:
        if self._outlook is None:
            return
        for finding in self._outlook.look():
            self._findings.append(finding)
            tell_finding(finding)


def sampler_for(pid: int, folder: Path) -> MachineSampler | None:
    """Return what measures the machine, or None where that cannot be had, after a line that says so."""
    try:
        from doctor.watching.sampler import Sampler

        return Sampler(pid, folder)
    except Exception as error:
        tell(f"the machine is not sampled: {type(error).__name__}: {error}")
        return None


def _process_handle(pid: int) -> int | None:
    """Return a descriptor that becomes readable when the process ends, where the system has such a thing."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None
