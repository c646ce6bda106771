"""How the training's own functions are entered: guarded, timed, and left alone while they are compiled."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import torch

from . import guard

if TYPE_CHECKING:
    from .session import Session

T = TypeVar("T")
_is_compiling: Callable[[], bool] = getattr(getattr(torch, "compiler", None), "is_compiling", lambda: False)


class Part(Protocol):
    """Something that takes facts for a session."""

    session: Session


def entry(method: Callable[..., T]) -> Callable[..., T | None]:
    """Make a part's method safe to call from the training; the time it takes is charged to the probe.

    What is called from another entry must not be one itself, else its time is charged twice.
    """
    where = "%s.%s" % (method.__module__, method.__qualname__)

    @functools.wraps(method)
    def safe(self: Part, *args: Any, **kwargs: Any) -> T | None:
        session = self.session
        if not session.active or _is_compiling() or guard.given_up(where):
            return None
        begin = time.perf_counter()
        try:
            return method(self, *args, **kwargs)
        except Exception as error:
            guard.failed(where, error)
            return None
        finally:
            session.spent += time.perf_counter() - begin

    return safe


def around(
    owner: Any,
    name: str,
    before: Callable[..., Any] | None = None,
    after: Callable[..., object] | None = None,
) -> None:
    """Have `before(*args, **kwargs)` called before a function, `after(token, result, *args, **kwargs)` after it.

    Both must be guarded. `token` is what `before` returned, `result` None where the function raised. Nothing happens
    where `owner` has no such function; where it was wrapped before, the new hooks take the place of the old ones.
    """
    original = getattr(owner, name, None)
    if original is None:
        return
    hooks = [before, after]
    known = vars(owner).get(name)
    if hasattr(known, "_doctor_hooks"):  # an earlier session's, which has ended
        known._doctor_hooks[:] = hooks
        return

    @functools.wraps(original)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if _is_compiling():
            return original(*args, **kwargs)
        begin, end = hooks
        token = begin(*args, **kwargs) if begin is not None else None
        result = None
        try:
            result = original(*args, **kwargs)
        finally:
            if end is not None:
                end(token, result, *args, **kwargs)
        return result

    # torch.jit.script compiles the source of what it finds: these two names, its own, lead it to the original.
    marks = {"_doctor_hooks": hooks, "__original_fn": original, "__script_if_tracing_wrapper": True}
    vars(wrapper).update(marks)
    with contextlib.suppress(AttributeError, TypeError):  # a class that cannot be changed stays as it is
        setattr(owner, name, wrapper)
