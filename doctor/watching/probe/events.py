"""Things that happen once, appended as lines of JSON; a line that is cut short by a death is ignored by readers.

What this package writes, with the facts that matter; of several of a kind the latest says most:

- `process` rank, world, pid, host, python, arguments, `stacks_signal` (makes it write all stacks);
- `model` per trained model: parameters, trainable, tensors (name, shape, dtype, requires_grad, in_optimizer), modules,
  not_in_optimizer, frozen_in_optimizer; `optimizer_known` is false under engines that hide what they optimize;
- `optimizer` per track: class, groups with their hyperparameters;
- `gradients_missing` names of trainable parameters that had no gradient in the first steps;
- `optimizer_without_gradients` an optimizer of which no parameter had one at any of its first steps;
- `criterion` the loss function first called with gradients: name, classes, `uniform_loss` (of equal probabilities),
  `prior_loss` (of a model that knows only the targets' frequencies or mean), after 1, 32 and 256 calls;
- `scheduler` class, steps, optimizer_steps, length, the rate's first, latest, lowest and highest value;
- `activations` per module at a few steps: mean, std, absmax, shares of zeros, dead units, saturated values, values
  outside float16's range;
- `engine`, `masked_norm` of DeepSpeed; `metrics` what the user logged;
- `paused`, `resumed`, `stopped`, `checkpoint`, `checkpoint_failed`; `exception`; `probe_fault`; `governor`; `exit`.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import traceback
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .guard import guarded

if TYPE_CHECKING:
    from .session import Session

MAX_BYTES = 8_000_000
MAX_LINE = 200_000


class Events:
    """Appends to one file; what was written survives the death of the process.

    Parameters
    ----------
    path : str
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._handle: int | None = None
        self._written = 0
        self._lock = threading.Lock()

    def write(self, kind: str, step: int | None = None, **facts: Any) -> None:
        """Append one event; beyond `MAX_BYTES` only exceptions and ends are still written."""
        line = json.dumps(
            {"kind": kind, "step": step, "time": time.time(), "monotonic": time.monotonic(), "facts": facts},
            default=str,
        )
        data = line.encode("utf-8", "backslashreplace") + b"\n"
        with self._lock:
            if len(data) > MAX_LINE or (self._written > MAX_BYTES and kind not in ("exception", "exit")):
                return
            if self._handle is None:
                self._handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.write(self._handle, data)
            self._written += len(data)


def watch_exceptions(session: Session) -> None:
    """Write down an exception that ends the program or a thread, then let the usual hook have it."""
    before, before_thread = sys.excepthook, threading.excepthook
    fresh_note = guarded(note)

    def excepthook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        fresh_note(session, error, "main")
        before(kind, error, trace)

    def thread_excepthook(arguments: threading.ExceptHookArgs) -> None:
        fresh_note(session, arguments.exc_value, getattr(arguments.thread, "name", "?"))
        before_thread(arguments)

    sys.excepthook, threading.excepthook = excepthook, thread_excepthook

    def undo() -> None:
        if sys.excepthook is excepthook:
            sys.excepthook = before
        if threading.excepthook is thread_excepthook:
            threading.excepthook = before_thread

    session.closers.append(undo)


def note(session: Session, error: BaseException | None, thread: str) -> None:
    """Write down an exception, unless it is a way of ending that somebody wanted."""
    if error is None or isinstance(error, (KeyboardInterrupt, SystemExit)):
        return
    session.event(
        "exception", thread=thread, phase=session.phase, rank=session.rank, pid=session.pid, **described(error)
    )
    if thread == "main":
        session.tell("failed", error)


def described(error: BaseException) -> dict[str, Any]:
    """Return an exception as plain data: type, message and frames, innermost last, with its causes."""
    frames = traceback.extract_tb(error.__traceback__)[-40:]
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return {
        "type": type(error).__name__,
        "bases": [base.__name__ for base in type(error).__mro__[1:-1]],
        "message": str(error)[:4000],
        "frames": [
            {"path": frame.filename, "line": frame.lineno, "function": frame.name, "code": frame.line}
            for frame in frames
        ],
        "cause": described(cause) if cause is not None and cause is not error else None,
    }
