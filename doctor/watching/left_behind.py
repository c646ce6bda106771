"""Notices that one rank stands still while others go on, as where each trains by itself and they meet but rarely."""

from collections.abc import Sequence
from typing import Any

from doctor.watching.activity import Activity
from doctor.watching.stalls import QUIET_PHASES, SETTLED_AFTER, STALL_STEPS, facts_of, median_step_seconds
from doctor.watching.tail import Tail
from doctor.watching.unwatched import descendants

MIN_SECONDS = 45.0
ON_PURPOSE = QUIET_PHASES | {"evaluation", "checkpoint"}
"""Phases in which a rank may for long do nothing that is recorded."""
SECONDS_AT_REST = 10.0
"""So long it must be seen that the rank and its workers do nothing at all, once it has stood still."""


class LeftBehind:
    """Follows each rank's last change."""

    def __init__(self) -> None:
        self._states: dict[int, tuple[Any, ...]] = {}
        self._since: dict[int, float] = {}
        self._steps_then: dict[int, float] = {}
        self._at_rest: dict[int, tuple[Activity, float]] = {}
        self._told: set[int] = set()

    def look(self, tails: Sequence[Tail], now: float) -> list[tuple[Tail, dict[str, Any]]]:
        """Return the ranks of which it has just become certain, with the facts; each once until it moves.

        Parameters
        ----------
        tails : sequence of Tail
            The living processes of this machine.
        now : float
            Seconds on a monotonic clock.
        """
        if len(tails) < 2:
            return []
        farthest = max(tail.state().get("step", 0.0) for tail in tails)
        return [(tail, facts) for tail in tails if (facts := self._look_at(tail, now, farthest, tails))]

    def _look_at(self, tail: Tail, now: float, farthest: float, tails: Sequence[Tail]) -> dict[str, Any] | None:
        pid, state = int(tail.about.get("pid", 0)), tuple(tail.state().values())
        if state != self._states.get(pid) or tail.phase in ON_PURPOSE:
            self._states[pid], self._since[pid], self._steps_then[pid] = state, now, farthest
            self._at_rest.pop(pid, None)
            self._told.discard(pid)
            return None
        seconds = now - self._since[pid]
        limit = max(MIN_SECONDS, STALL_STEPS * median_step_seconds(tails))
        others_moved = farthest - self._steps_then[pid] >= STALL_STEPS
        if pid in self._told or seconds < limit or not others_moved or tail.state().get("step", 0.0) <= SETTLED_AFTER:
            return None
        activity, began = self._at_rest.setdefault(pid, (Activity(), now))
        if activity.busy(descendants(pid), now):
            self._at_rest[pid] = (activity, now)
            return None
        if now - began < SECONDS_AT_REST:
            return None
        self._told.add(pid)
        facts = facts_of(tail)
        return {
            "rank": facts["rank"],
            "pid": pid,
            "phase": facts["phase"],
            "at_step": facts["step"],
            "seconds": seconds,
        }
