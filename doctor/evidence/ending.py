"""How a run ended: each process by itself, and which of them was the first."""

import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from doctor.errors import NotApplicable
from doctor.evidence.stacks import current_stack
from doctor.evidence.tracebacks import Failure, Frame, failure, innermost
from doctor.subjects.run import Event, Process, Run

TEARDOWN = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
"""Signals by which somebody asks a process to end."""
_FATAL_WORDS = "Fatal Python error: "
_FATAL = re.compile(f"^{_FATAL_WORDS}(.+)$", re.MULTILINE)
_SIGNALS = {
    "Segmentation fault": signal.SIGSEGV,
    "Aborted": signal.SIGABRT,
    "Bus error": signal.SIGBUS,
    "Floating point exception": signal.SIGFPE,
    "Floating-point exception": signal.SIGFPE,
    "Illegal instruction": signal.SIGILL,
}
_BY_A_SHELL = frozenset({*TEARDOWN, *_SIGNALS.values(), signal.SIGKILL})
_CHILD = re.compile(r"rank\s*: (?P<rank>\d+).*?exitcode\s*: (?P<code>-?\d+) \(pid: (?P<pid>\d+)\)", re.DOTALL)
_FIRST_CHILD = "Root Cause"


class How(StrEnum):
    """The ways in which a process ends."""

    FINISHED = "finished"
    EXCEPTION = "exception"
    SIGNAL = "signal"
    EXIT = "exit"
    """With a status other than 0, of its own will and without an exception."""
    VANISHED = "vanished"
    """Nobody saw how: neither an exception nor an orderly exit nor a status."""


@dataclass(frozen=True, kw_only=True)
class ProcessEnd:
    """How one process ended.

    Attributes
    ----------
    status : int or None
        Exit status where it is known and no signal ended it.
    signal : int or None
        The signal that ended it.
    orderly : bool
        Whether the interpreter ran its exit handlers; `os._exit` and signals leave them out.
    failure : Failure or None
        The exception that ended the main thread.
    fatal : str
        What faulthandler said, such as "Segmentation fault".
    stack : tuple of Frame
        Of the thread in which that was, innermost last.
    phase, step
        What it did last; 0 steps where it had not begun to train.
    when : float
        Seconds since the epoch: of its end where that is known, else of the last it did.
    trained : bool
        Whether it recorded steps.
    """

    rank: int
    pid: int
    host: str
    how: How
    status: int | None = None
    signal: int | None = None
    orderly: bool = False
    failure: Failure | None = None
    fatal: str = ""
    stack: tuple[Frame, ...] = ()
    phase: str = ""
    step: int = 0
    when: float = 0.0
    trained: bool = False

    @property
    def frame(self) -> Frame | None:
        """The user's innermost line, where an exception or a fatal signal showed it."""
        return self.failure.frame if self.failure else innermost(self.stack)

    @property
    def reason(self) -> str:
        """How it ended, in a few words."""
        if self.failure:
            return f"{self.failure.type}: {self.failure.message.strip()}"
        if self.signal:
            return signal_name(self.signal)
        return f"status {self.status}" if self.status else "no word of it"

    @property
    def certain(self) -> bool:
        """Whether it died for a reason of its own, which no other process's death can have brought about."""
        if self.how is How.EXCEPTION:
            return self.failure is not None and not self.failure.lost_peer
        return self.how is How.EXIT or (
            self.how is How.SIGNAL and self.signal not in TEARDOWN and self.signal != signal.SIGKILL
        )


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a run ended.

    Attributes
    ----------
    status, signal : int or None
        Of the command; None where nobody saw its end.
    pid : int or None
        Of the command itself, which may be a launcher.
    sent : tuple of int
        Signals by which the user or a scheduler asked the command to end, through doctor.
    oom_kills : int or None
        Processes of the command's cgroup that the kernel killed for want of memory; None where nobody counts them.
    kernel : tuple of str or None
        Lines of the kernel's log about its processes; None where the log could not be read.
    free_bytes : int or None
        Of the disk that holds the run folder, at the end.
    processes : tuple of ProcessEnd
        In the order of their ends; launchers are not among them.
    first : ProcessEnd or None
        The one whose end brought about the others'; None where all finished, or where nobody can know.
    """

    status: int | None
    signal: int | None
    pid: int | None = None
    sent: tuple[int, ...] = ()
    oom_kills: int | None = None
    kernel: tuple[str, ...] | None = None
    free_bytes: int | None = None
    processes: tuple[ProcessEnd, ...] = ()
    first: ProcessEnd | None = None

    @property
    def good(self) -> bool:
        """Whether the command ended with status 0."""
        return self.status == 0 and not self.signal

    @property
    def asked(self) -> int | None:
        """The signal by which somebody asked the command to end, where that is how it ended."""
        if self.sent:
            return self.sent[0]
        return self.signal if self.signal in TEARDOWN else None

    @classmethod
    def measure(cls, run: Run) -> "Ending":
        """Put together what the processes, their launcher and the kernel said.

        Raises
        ------
        NotApplicable
            When it is no recorded run, or one that goes on.
        """
        told = run.processes
        if run.origin != "recorder":
            if not run.end:
                raise NotApplicable(f"the {run.origin} does not say how the run ended")
            # A log shows the death of those that print; of the others it says nothing.
            told = tuple(one for one in told if _main_exception(one.events)) or told
        launched = _children(run.processes)
        if run.end.get("status") is None and not _all_ended(run.processes, {pid for pid, _, _ in launched}):
            raise NotApplicable("the run goes on, or nobody saw its end")
        end = run.end
        status, number = _status(end)
        codes = {pid: code for pid, code, _ in launched} | _exits(end, run.processes)
        ends = [_process_end(process, codes.get(process.pid), status) for process in told]
        ends = [one for one in ends if one.trained or (one.failure and not one.failure.of_launcher) or one.fatal]
        ends.sort(key=lambda one: one.when)
        if status is None and all(one.how is How.FINISHED for one in ends):
            raise NotApplicable("the processes are done, but nobody saw the command's end")
        kernel = end.get("kernel")
        return cls(
            status=status,
            signal=number,
            pid=end.get("pid"),
            sent=tuple(end.get("sent", ())),
            oom_kills=end.get("oom_kills"),
            kernel=tuple(map(str, kernel)) if kernel is not None else None,
            free_bytes=end.get("free_bytes"),
            processes=tuple(ends),
            first=_first(ends, next((pid for pid, _, root in launched if root), None)),
        )


def signal_name(number: int) -> str:
    """Return a signal's name, such as SIGKILL."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _status(end: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Return status and signal; a shell or a launcher tells of a signal by 128 more than its number."""
    status, number = end.get("status"), end.get("signal")
    if number is None and status is not None and status - 128 in _BY_A_SHELL:
        return status, status - 128
    return status, number


def _exits(end: Mapping[str, Any], processes: tuple[Process, ...]) -> dict[int, int]:
    """Return the exit codes that are known, by process id; negative is a signal."""
    codes = {int(pid): int(code) for pid, code in end.get("exits", {}).items()}
    launchers = [error for process in processes if (error := _main_failure(process)) and error.of_launcher]
    trained = [process for process in processes if process.series]
    if len(trained) != 1 or trained[0].pid in codes:
        return codes
    said = next((code for error in launchers if (code := _child_code(error.message)) is not None), None)
    if launchers and said is None:
        return codes
    if said is not None:
        codes[trained[0].pid] = said
    elif end.get("status") is not None:
        codes[trained[0].pid] = -number if (number := _status(end)[1]) else int(end["status"])
    return codes


def _child_code(message: str) -> int | None:
    """Read the exit code out of the message of a CalledProcessError."""
    if found := re.search(r"died with <Signals\.\w+: (\d+)>|non-zero exit status (\d+)", message):
        return -int(found[1]) if found[1] else int(found[2])
    return None


def _all_ended(processes: tuple[Process, ...], reported: set[int]) -> bool:
    """Whether every process that trained is known to have ended; where none did, whether one failed before."""
    trained = [process for process in processes if process.series]
    if not trained:
        return any((error := _main_failure(process)) and not error.of_launcher for process in processes)
    return all(
        process.pid in reported
        or _main_exception(process.events)
        or _FATAL.search(process.stacks)
        or any(event.kind == "exit" for event in process.events)
        for process in trained
    )


def _main_exception(events: tuple[Event, ...]) -> Event | None:
    wanted = [one for one in events if one.kind == "exception" and one.facts.get("thread", "main") == "main"]
    return wanted[-1] if wanted else None


def _main_failure(process: Process) -> Failure | None:
    event = _main_exception(process.events)
    return failure(event.facts) if event else None


def _children(processes: tuple[Process, ...]) -> list[tuple[int, int, bool]]:
    """Return process id, exit code and whether it was the first, as torchrun says in its own exception."""
    found = []
    for process in processes:
        one = _main_failure(process)
        if one and one.type == "ChildFailedError":
            before, _, after = one.message.partition(_FIRST_CHILD)
            for text, first in ((before, False), (after, True)):
                found += [(int(child["pid"]), int(child["code"]), first) for child in _CHILD.finditer(text)]
    return found


def _process_end(process: Process, code: int | None, command: int | None) -> ProcessEnd:
    event = _main_exception(process.events)
    error = failure(event.facts) if event else None
    farewell = next((one for one in reversed(process.events) if one.kind == "exit"), None)
    fatal = found[-1].strip() if (found := _FATAL.findall(process.stacks)) else ""
    number = _signal(fatal, code)
    last = event or farewell
    return ProcessEnd(
        rank=process.rank,
        pid=process.pid,
        host=process.host,
        how=_how(error, number, code, bool(farewell), command),
        status=code if code is not None and code >= 0 else None,
        signal=number,
        orderly=farewell is not None,
        failure=error,
        fatal=fatal,
        stack=current_stack(process.stacks) if fatal else (),
        phase=_phase(process, event, farewell),
        step=int(process.state.get("step", 0)),
        when=last.time if last else process.state.get("time", 0.0),
        trained=bool(process.series) or bool(process.state.get("step")),
    )


def _signal(fatal: str, code: int | None) -> int | None:
    if code is not None and code < 0:
        return -code
    if fatal:
        return next((number for words, number in _SIGNALS.items() if fatal.startswith(words)), signal.SIGABRT)
    return None


def _how(error: Failure | None, number: int | None, code: int | None, orderly: bool, command: int | None) -> How:
    if error:
        return How.EXCEPTION
    if number is not None:
        return How.SIGNAL
    if code is not None:
        return How.EXIT if code else How.FINISHED
    return How.FINISHED if orderly or command == 0 else How.VANISHED


def _phase(process: Process, event: Event | None, farewell: Event | None) -> str:
    for one in (event, farewell):
        if one and one.facts.get("phase"):
            return str(one.facts["phase"])
    return process.phase


def _first(ends: list[ProcessEnd], named: int | None) -> ProcessEnd | None:
    """Find the process whose end brought about the others'; `named` is the one that the launcher saw end first."""
    dead = [one for one in ends if one.how is not How.FINISHED]
    killed = [one for one in dead if one.signal == signal.SIGKILL]
    if root := next((one for one in killed if one.pid == named and not one.failure), None):
        return root  # a launcher kills only after it has seen a death
    if certain := [one for one in dead if one.certain]:
        return certain[0]
    vanished = [one for one in dead if one.how is How.VANISHED]
    bereft = [one for one in dead if one.failure]
    return next(iter(killed or (vanished if bereft or len(dead) == len(vanished) == 1 else []) or bereft or dead), None)
