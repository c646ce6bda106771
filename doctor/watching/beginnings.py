"""Notices that a training never gets to its first steps: what should train waits, and nothing else is done for it.

As long as few steps have ended there is no pace by which a standstill could be told from a slow beginning: compiling,
loading a model, filling a cache. Those use a processor, a disk or a connection; a process that waits for a batch that
never comes, or for a rank that never joins, uses none.
"""

import contextlib
import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doctor.watching.activity import Activity, sleeps
from doctor.watching.stalls import MIN_STALL_SECONDS, QUIET_PHASES, SETTLED_AFTER, Stall, catches, facts_of
from doctor.watching.tail import Tail
from doctor.watching.terminal import waits_for_input
from doctor.watching.unwatched import command_of, descendants

MAX_GAP_SECONDS = 10.0
BUSY_SECONDS_THAT_MOVE = 20.0
"""After a standstill was told: of so much activity one knows that it goes on; a timeout and its traceback take less."""
WAITING_PHASES = frozenset({"collective", "joining"})
"""In these a process may burn a processor while it waits for others."""
_LAUNCHERS = ("torchrun", "torch.distributed.run", "torch.distributed.launch", "deepspeed", "accelerate")


@dataclass(frozen=True, kw_only=True)
class Novice:
    """A process that should train and has recorded nothing.

    Attributes
    ----------
    rank : int
    world, local_world : int
        As its launcher told it; 1 where there is none.
    stacks : Path or None
        Where it writes its stacks, once it has imported torch.
    """

    pid: int
    rank: int = 0
    world: int = 1
    local_world: int = 1
    stacks: Path | None = None

    def facts(self) -> dict[str, Any]:
        """Return it as the facts of a stalled process."""
        place = {"rank": self.rank, "pid": self.pid, "phase": "starting", "step": 1}
        return {**place, "world": self.world, "local_world": self.local_world, "asleep": sleeps(self.pid)}


class Beginning:
    """Watches a run until its first steps are over.

    Parameters
    ----------
    root : int
        The command's process.
    folder : Path
        The run folder.
    """

    def __init__(self, root: int, folder: Path) -> None:
        self._root, self._folder = root, folder
        self._activity = Activity()
        self._variables: dict[int, dict[str, str]] = {}
        self._seen_at: float | None = None
        self._states: tuple[Any, ...] = ()
        self._still_seconds = 0.0
        self._busy_seconds = 0.0
        self._told = False

    def look(self, tails: Sequence[Tail], now: float) -> Stall | None:
        """Return the standstill where one has just become certain; once until something is done again.

        Parameters
        ----------
        tails : sequence of Tail
            The living processes that record.
        now : float
            Seconds on a monotonic clock.
        """
        gap = 0.0 if self._seen_at is None else min(now - self._seen_at, MAX_GAP_SECONDS)
        self._seen_at = now
        tree = descendants(self._root)
        waiting = {int(tail.about.get("pid", 0)) for tail in tails if tail.phase in WAITING_PHASES}
        busy = self._activity.busy([pid for pid in tree if pid not in waiting], now)
        states = tuple((tail.path.name, *tail.state().items()) for tail in tails)
        if busy or states != self._states or (tails and all(tail.phase in QUIET_PHASES for tail in tails)):
            self._states, self._still_seconds = states, 0.0
            self._busy_seconds += gap
            return None
        self._still_seconds += gap
        if self._told or self._still_seconds < MIN_STALL_SECONDS or any(map(waits_for_input, tree)):
            return None
        recorded = {int(tail.about.get("pid", 0)) for tail in tails}
        novices = list(self.novices(tree, recorded))
        if not novices and not tails:
            return None
        self._told, self._busy_seconds = True, 0.0
        processes = [facts_of(tail) | {"asleep": sleeps(int(tail.about.get("pid", 0)))} for tail in tails]
        return Stall(
            seconds=self._still_seconds,
            median_step_seconds=0.0,
            processes=(*processes, *(novice.facts() for novice in novices)),
            quiet=True,
            stack_files=tuple((novice.pid, novice.stacks) for novice in novices if novice.stacks),
        )

    def moved(self) -> bool:
        """Whether a standstill that was told is over, although no step has ended since; true once."""
        over = self._told and self._busy_seconds >= BUSY_SECONDS_THAT_MOVE
        if over:
            self._told, self._busy_seconds = False, 0.0
        return over

    def novices(self, tree: Sequence[int], recorded: set[int]) -> Iterator[Novice]:
        """Yield the processes that should train and have recorded nothing.

        Those are the ones that a launcher gave a rank, and others that have imported torch and started none such.
        """
        stacks = {int(path.name.split(".")[0].rpartition("-")[2]): path for path in self._folder.glob("*.stacks.txt")}
        ranks: set[int] = set()
        parents: list[int] = []
        for pid in tree:
            known = self._variables.get(pid)
            if known is None:
                known = self._variables[pid] = _variables(pid)
            # A rank's own children, such as its data workers, inherit its variables.
            if "RANK" in known and pid not in ranks:
                below = descendants(pid)[1:]
                ranks |= {pid, *below}
                if not recorded.intersection([pid, *below]):
                    yield _novice(pid, known, stacks.get(pid))
            elif "RANK" not in known and pid in stacks and pid not in recorded and not is_launcher(pid):
                parents.append(pid)
        for pid in parents:
            if not (ranks | recorded | set(parents)).intersection(descendants(pid)[1:]):
                yield Novice(pid=pid, stacks=stacks[pid])


def unsettled(tails: Sequence[Tail]) -> bool:
    """Whether no process has got beyond its first steps."""
    return max((tail.state().get("step", 1.0) - 1 for tail in tails), default=0.0) <= SETTLED_AFTER


def is_launcher(pid: int) -> bool:
    """Whether a process only starts others, and waits for them."""
    words = command_of(pid)[:4]
    names = [os.path.basename(word) for word in words]  # noqa: PTH119  # a string, maybe no path
    return any(name in _LAUNCHERS or name.startswith(("deepspeed.launcher", "accelerate.commands")) for name in names)


def ask_novices(stall: Stall) -> list[int]:
    """Have processes that have recorded nothing write their stacks; return those that were sent their signal.

    Only one that catches the probe's signal and has its file of stacks open is sent it.
    """
    number, asked = signal.SIGRTMAX - 3, []
    for pid, path in stall.stack_files:
        if catches(pid, number) and _has_open(pid, path):
            with contextlib.suppress(OSError):
                os.kill(pid, number)
                asked.append(pid)
    return asked


def _has_open(pid: int, path: Path) -> bool:
    with contextlib.suppress(OSError):
        return any(path.samefile(link) for link in Path(f"/proc/{pid}/fd").iterdir() if link.exists())
    return False


def _novice(pid: int, variables: dict[str, str], stacks: Path | None) -> Novice:
    def number(name: str, default: int) -> int:
        word = variables.get(name, "")
        return int(word) if word.isdigit() else default

    world = number("WORLD_SIZE", 1)
    return Novice(
        pid=pid,
        rank=number("RANK", 0),
        world=world,
        local_world=number("LOCAL_WORLD_SIZE", number("LOCAL_SIZE", world)),
        stacks=stacks,
    )


def _variables(pid: int) -> dict[str, str]:
    try:
        words = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return {}
    wanted = ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "LOCAL_SIZE")
    pairs = (os.fsdecode(word).partition("=") for word in words)
    return {name: value for name, _, value in pairs if name in wanted}
