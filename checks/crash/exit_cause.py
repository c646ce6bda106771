"""Why a run ended before its time.

What it finds
    The first process that died, what ended it (an exception, a fatal signal, the kernel, its own exit), the user's line
    where that was, and the step and phase in which it was. What another process's death brought about is not reported
    here. Where nobody recorded the reason, it says so, with what is known.

Why it matters
    The last lines of a log are most often those of a victim: one rank dies, the others complain of a lost connection
    and the launcher prints a summary of itself.

What to do
    Begin at the line that is named. After a crash in native code look at the extension that was called there. After a
    SIGKILL ask who sends one: the kernel when memory runs out (`dmesg -T`), or the scheduler (`sacct`,
    `kubectl describe pod`).

Thresholds
    None: a run ended well or it did not.

Calibration
    Exact where the end was seen; silent where the command ended with status 0.

Limits
    A process that is killed with SIGKILL or leaves by `os._exit` can leave no word; its exit code is known where its
    parent tells it or where the kernel does (Linux 6.15 or later).

Source
    wait(2), signal(7); faulthandler of Python; the summary that torchrun prints of its children.
"""

import signal
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from doctor.evidence.ending import Ending, How, ProcessEnd, signal_name
from doctor.model import Advise, Check, Finding, Location, Safety, Severity

CHECK = Check(
    "crash/exit-cause",
    Severity.ERROR,
    {
        "exception": "{who} ended with {type} at {place}, {then}: {text:long}",
        "worker": "{who} ended with {type} in {elsewhere} at {place}, {then}: {text:long}",
        "lost-peer": "{who} ended at {place}, {then}, because another rank did not answer: {text}",
        "crash": "{who} crashed with {signal} ({fatal}) at {place}, {then}: native code failed there, not Python",
        "out-of-memory": "{who} was killed with SIGKILL, {then}; the kernel killed {oom_kills} of the run's processes"
        " for want of memory",
        "killed": "{who} was killed with SIGKILL, {then}; who did it, and why, was not recorded{memory}",
        "asked": "the run was asked to end with {signal} and did so, {then}; that is no fault of the training",
        "exit": "{who} ended itself with status {status}, {then}, without an exception ({way})",
        "vanished": "{who} ended, {then}, and nobody saw how: no exception, no exit and no status was recorded, so it"
        " was SIGKILL, os._exit or the machine",
        "command": "the command ended with {status}, and no training process in it recorded why",
    },
)
ADVICE = {
    "crash": "update or reinstall the library that is called on that line; a core dump shows its native stack",
    "out-of-memory": "give the run more memory, or let it hold less at once",
    "killed": "look for that time in `dmesg -T` and in the records of the scheduler",
    "exit": "search the code for the call that ends it, and have it raise instead",
    "vanished": "look for that time in `dmesg -T` and in the records of the scheduler",
}


def examine(ending: Ending) -> Iterator[Finding]:
    """Judge the end of the run."""
    if ending.good:
        return
    first = ending.first
    if ending.asked and not (first and first.certain):
        yield _finding("asked", ending, first, signal=signal_name(ending.asked))
    elif first is None and ending.signal == signal.SIGKILL:
        yield _killed(ending, first)
    elif first is None:
        ended = signal_name(ending.signal) if ending.signal else f"status {ending.status}"
        yield _finding("command", ending, first, status=ended)
    elif first.failure:
        yield _of_exception(ending, first)
    else:
        yield _of_process(ending, first)


def _of_exception(ending: Ending, first: ProcessEnd) -> Finding:
    failure = first.failure
    assert failure  # noqa: S101  # for the type checker; the caller looked
    kind = "lost-peer" if failure.lost_peer else "worker" if failure.elsewhere else "exception"
    cause = f"{failure.cause.type}: {failure.cause.message}" if failure.cause else None
    text = failure.message.strip() or "no message"
    return _finding(kind, ending, first, type=failure.type, text=text, elsewhere=failure.elsewhere, cause=cause)


def _of_process(ending: Ending, first: ProcessEnd) -> Finding:
    if first.how is How.EXIT:
        way = "its exit handlers ran, as after sys.exit" if first.orderly else "os._exit, or the exit of a C library"
        return _finding("exit", ending, first, status=first.status, way=way)
    if first.signal == signal.SIGKILL:
        return _killed(ending, first)
    if first.signal:
        name = signal_name(first.signal)
        return _finding("crash", ending, first, signal=name, fatal=first.fatal or "no stack was written")
    return _finding("vanished", ending, first)


def _killed(ending: Ending, first: ProcessEnd | None) -> Finding:
    if ending.oom_kills:
        return _finding("out-of-memory", ending, first, oom_kills=ending.oom_kills, kernel=ending.kernel)
    none = "; the kernel counted no kill for want of memory" if ending.oom_kills == 0 else ""
    return _finding("killed", ending, first, memory=none, kernel=ending.kernel)


def _finding(kind: str, ending: Ending, first: ProcessEnd | None, **evidence: Any) -> Finding:
    frame = first.frame if first else None
    return CHECK.finding(
        kind,
        at=Location(
            path=frame.path if frame else None,
            line=frame.line if frame else None,
            step=first.step or None if first else None,
            rank=first.rank if first else None,
        ),
        severity=Severity.INFO if kind == "asked" else None,
        repair=Advise(summary=ADVICE[kind], safety=Safety.MANUAL) if kind in ADVICE else None,
        who=_who(ending, first),
        place=f"{PurePath(frame.path).name}:{frame.line} ({frame.function})" if frame else "a place that is not known",
        then=_then(first),
        phase=first.phase if first else None,
        code=frame.code if frame else None,
        **evidence,
    )


def _who(ending: Ending, first: ProcessEnd | None) -> str:
    ranks = len(ending.processes)
    if first is None or ranks < 2:
        return "the run"
    alike = [one for one in ending.processes if one.reason == first.reason and one.frame == first.frame]
    if first.certain and len(alike) == ranks:
        return f"each of {ranks} ranks"
    return f"rank {first.rank} was the first that failed: it"


def _then(first: ProcessEnd | None) -> str:
    if first is None or not first.trained or first.phase in ("starting", "joining"):
        return "before the first step"
    if first.phase == "finished":
        return f"after step {first.step - 1}"
    return f"in step {first.step}" + (f" ({first.phase})" if first.phase else "")
