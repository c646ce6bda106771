"""Stacks as faulthandler writes them: at a fatal signal, or when they were asked for."""

import re
from collections.abc import Iterable
from typing import Any

from doctor.evidence.tracebacks import Frame, frames_in

_THREAD = re.compile(r"^(Current t|T)hread 0x", re.MULTILINE)
_WITHOUT_COMMA = re.compile(r'(File ".+?", line \d+) in')


def current_stack(text: str) -> tuple[Frame, ...]:
    """Return the stack of the thread that was current in the last dump, innermost last; empty where there is none.

    A signal from outside is taken by the main thread, so that is the one where the dump was asked for. Where a thread
    without any line of Python had a fault, it is the main thread's, which faulthandler writes last.
    """
    _, _, dump = text.rpartition("Fatal Python error: ")
    dump = dump.partition("\nExtension modules")[0]
    starts = [found.start() for found in _THREAD.finditer(dump)]
    threads = [dump[begin:end] for begin, end in zip(starts, [*starts, len(dump)][1:], strict=True)]
    current = [thread for thread in threads if thread.startswith("Current")]
    for thread in [*current[-1:], *threads[-1:]]:
        if frames := frames_in(_WITHOUT_COMMA.sub(r"\1, in", thread.partition("\n\n")[0])):
            return tuple(reversed(frames))
    return ()


def grouped_stacks(
    ranks: Iterable[tuple[int, str, tuple[Frame, ...]]], *, max_frames: int = 12
) -> list[dict[str, Any]]:
    """Put ranks that stand at the same lines together, the smallest group first; innermost frames last.

    Parameters
    ----------
    ranks : iterable of (rank, what it does, its stack)
    """
    groups: dict[tuple[str, ...], list[tuple[int, str]]] = {}
    for rank, doing, stack in ranks:
        lines = tuple(f"{frame.place} ({frame.function})" for frame in stack[-max_frames:])
        if lines:
            groups.setdefault(lines, []).append((rank, doing))
    return [
        {"who": f"rank {', '.join(str(rank) for rank, _ in alike)}", "doing": alike[0][1], "frames": list(lines)}
        for lines, alike in sorted(groups.items(), key=lambda group: len(group[1]))
    ]
