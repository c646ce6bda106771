"""Does something in a forked copy of this process that can touch nothing outside itself."""

from __future__ import annotations

import contextlib
import fcntl
import gc
import json
import os
import resource
import select
import signal
import stat
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch

MAX_ANSWER_BYTES = 150_000
_FORBIDDEN = (
    "os.chmod",
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.kill",
    "os.killpg",
    "os.link",
    "os.mkdir",
    "os.posix_spawn",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.symlink",
    "os.system",
    "os.truncate",
    "shutil.rmtree",
    "signal.pthread_kill",
    "socket.__new__",
    "subprocess.Popen",
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Forbidden(BaseException):
    """What runs again wanted to change something outside the process."""


def in_child(work: Callable[[], dict[str, Any]], seconds: float, sealed: bool = True) -> dict[str, Any]:
    """Return what `work()` returns in a forked child of this process, which is as it was afterwards.

    Parameters
    ----------
    work : callable
        Returns plain data. In the child nothing is written, sent or started: descriptors lead nowhere.
    seconds : float
        The child is killed after that.
    sealed : bool
        False allows `work` to write files.

    Returns
    -------
    dict
        With "failed", a reason, where there is no answer.
    """
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads: the child starts none
        pid = os.fork()
    if pid == 0:
        os.close(reading)
        _be_child(work, writing, seconds, sealed)
    os.close(writing)
    try:
        data, late = _read(reading, seconds)
    finally:
        os.close(reading)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        status = _reap(pid)
    if late:
        return {"failed": "running the step again took longer than %d s" % seconds}
    try:
        answer = json.loads(data)
    except ValueError:
        return {"failed": "running the step again ended with status %s" % status}
    return answer if isinstance(answer, dict) else {"failed": "no answer"}


def _reap(pid: int) -> int:
    with contextlib.suppress(ChildProcessError):  # someone else waits for all children
        return os.waitpid(pid, 0)[1]
    return 0


def _read(handle: int, seconds: float) -> tuple[bytes, bool]:
    data = b""
    end = time.monotonic() + seconds
    while True:
        left = end - time.monotonic()
        if left <= 0 or not select.select([handle], [], [], left)[0]:
            return data, True
        part = os.read(handle, 65536)
        if not part:
            return data, False
        data += part


def _be_child(work: Callable[[], dict[str, Any]], writing: int, seconds: float, sealed: bool) -> None:
    try:
        gc.disable()  # what the parent owns is finalised by the parent
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.alarm(int(seconds) + 5)
        _close_ways_out(writing, sealed)
        torch.set_num_threads(1)
        answer = work()
        data = json.dumps(answer, default=str).encode()
        if len(data) > MAX_ANSWER_BYTES:
            data = json.dumps({"failed": "the answer is too long"}).encode()
        os.write(writing, data)
    except BaseException as error:
        with contextlib.suppress(BaseException):
            reason = "%s: %s" % (type(error).__name__, str(error)[:500])
            os.write(writing, json.dumps({"failed": reason}).encode())
    finally:
        os._exit(0)


def _close_ways_out(kept: int, sealed: bool) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for name in os.listdir("/proc/self/fd"):
        handle = int(name)
        if handle in (kept, nowhere):
            continue
        with contextlib.suppress(OSError):
            mode = os.fstat(handle).st_mode
            reads = fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
            if not (reads and (stat.S_ISREG(mode) or stat.S_ISDIR(mode))):
                os.dup2(nowhere, handle)
    if sealed:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # for what is opened below Python
        torch.save = _refuse
        sys.addaudithook(_audit)


def _refuse(*args: Any, **kwargs: Any) -> None:
    raise Forbidden("torch.save")


def _audit(event: str, args: Any) -> None:
    if event in _FORBIDDEN:
        raise Forbidden(event)
    if event == "open" and isinstance(args[2], int) and args[2] & _WRITING and args[0] != os.devnull:
        raise Forbidden("open %s" % (args[0],))
