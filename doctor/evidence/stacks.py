"""Stacks as faulthandler writes them: at a fatal signal, or when they were asked for."""

import re

from doctor.evidence.tracebacks import Frame, frames_in

_THREAD = re.compile(r"^(Current t|T)hread 0x", re.MULTILINE)
_WITHOUT_COMMA = re.compile(r'(File ".+?", line \d+) in')


def current_stack(text: str) -> tuple[Frame, ...]:
    """Return the stack of the thread that was current in the last dump, innermost last; empty where there is none.

    A signal from outside is taken by the main thread, so that is the one where the dump was asked for.
    """
    _, found, block = text.rpartition("Current thread 0x")
    if not found:
        return ()
    following = _THREAD.search(block)
    block = block[: following.start()] if following else block
    block = block.partition("\n\n")[0].partition("\nExtension modules")[0]
    return tuple(reversed(frames_in(_WITHOUT_COMMA.sub(r"\1, in", block))))
