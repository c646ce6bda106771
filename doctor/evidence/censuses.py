"""What the probe counted of the objects in a training process, time after time."""

from dataclasses import dataclass
from typing import Any

from doctor.subjects.run import Event, Run

MIN_SHARE_EXPLAINED = 0.3
"""Of the memory that grew, what a holder's gain must come to before it is named for it."""
MIN_SHARE_FRAGMENTED = 0.15
"""The same where nearly all that the allocator handed out is the holder's: what stays in the gaps of a heap can make it
several times as large as what it holds."""
NATIVE_SHARE = 0.7
"""Of the memory that grew, what the allocator must have handed out (or kept) for that to be the explanation."""


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Who keeps what grows.

    Attributes
    ----------
    name : str
        As a user would write it: `train.history`, `self.cache`.
    kind : str
        "global", "attribute", "local", "closure", "cache" (of functools), or "unknown".
    path, line
        Where it is filled, else where it is made.
    of : str
        Type of what it holds; "graph" for a tensor whose graph of operations grows.
    length, grown : int
        Items now, and how many more than at the census before.
    bytes_per_second : float
    limit : int or None
        How many items it will hold at most, where it says so itself (`maxlen`, `maxsize`).
    evicts : str
        The line that takes something out of it, or how it may be bounded; empty where nothing says so.
    container : str
        Its own type, such as "list"; empty where that was not recorded.
    expression : str
        It, as it is written in `line`, which fills it by a call of its method; empty otherwise.
    """

    name: str
    kind: str
    path: str | None
    line: int | None
    of: str
    length: int
    grown: int
    bytes_per_second: float
    limit: int | None
    evicts: str
    container: str = ""
    expression: str = ""


@dataclass(frozen=True, kw_only=True)
class Census:
    """One count, compared with the one before.

    Attributes
    ----------
    seconds : float
        Since the one before.
    resident_rate, blocks_rate, in_use_rate : float
        Bytes per second by which grew: memory without files, Python's own small blocks, what malloc has handed out.
        `in_use_rate` is NaN where another allocator is at work.
    holders : tuple of Holder
        The fastest first.
    """

    monotonic: float
    seconds: float
    resident_rate: float
    blocks_rate: float
    in_use_rate: float
    holders: tuple[Holder, ...]


@dataclass(frozen=True, kw_only=True)
class Censuses:
    """The latest comparisons per process: (host, rank, whether it is the machine's first rank) to censuses."""

    processes: tuple[tuple[str, int, tuple[Census, ...]], ...]

    @classmethod
    def measure(cls, run: Run) -> "Censuses":
        """Read the events of kind "census"."""
        found = []
        for process in run.processes:
            censuses = [_census(event) for event in process.events if event.kind == "census"]
            known = tuple(census for census in censuses if census is not None)
            found.append((process.host, process.rank, known))
        return cls(processes=tuple(found))

    def of(self, host: str, group: str, since: float) -> tuple[int, Census] | None:
        """Return the latest comparison in a group of ranks that lies after `since`, and the rank.

        Parameters
        ----------
        host : str
        group : str
            "main" for the first rank of that machine, "ranks" for the others: of those the fastest grower.
        since : float
            On the machine's monotonic clock.
        """
        here = sorted((rank, known) for name, rank, known in self.processes if name == host)
        chosen = here[:1] if group == "main" else here[1:] if group == "ranks" else []
        latest = [(rank, known[-1]) for rank, known in chosen if known and known[-1].monotonic >= since]
        return max(latest, key=lambda one: one[1].resident_rate, default=None)


def _census(event: Event) -> Census | None:
    facts = event.facts
    seconds = _number(facts.get("interval"))
    if not seconds > 0:
        return None
    held = [_holder(entry, seconds) for entry in facts.get("growing", ()) if isinstance(entry, dict)]
    return Census(
        monotonic=event.monotonic,
        seconds=seconds,
        resident_rate=_number(facts.get("resident_grown")) / seconds,
        blocks_rate=_number(facts.get("blocks_grown")) / seconds,
        in_use_rate=_number(facts.get("in_use_grown")) / seconds,
        holders=tuple(sorted(held, key=lambda holder: -holder.bytes_per_second)),
    )


def _holder(entry: dict[str, Any], seconds: float) -> Holder:
    holder = entry.get("holder") or {}
    line = holder.get("line")
    return Holder(
        name=str(holder.get("name", "")),
        kind=str(holder.get("kind", "unknown")),
        path=str(holder["path"]) if holder.get("path") else None,
        line=int(line) if line else None,
        of=str(entry.get("type", "object")),
        length=int(_number(holder.get("length"), 0.0)),
        grown=int(_number(holder.get("grown"), 0.0)),
        bytes_per_second=_number(entry.get("bytes"), 0.0) / seconds,
        limit=int(_number(holder["limit"])) if holder.get("limit") else None,
        evicts=str(holder.get("evicts") or ""),
        container=str(holder.get("container") or ""),
        expression=str(holder.get("expression") or ""),
    )


def _number(value: object, otherwise: float = float("nan")) -> float:
    return float(value) if isinstance(value, (int, float)) else otherwise


def explanation(census: Census, rate: float) -> tuple[str, Holder | None]:
    """Say what makes a process grow by `rate` bytes per second.

    Returns
    -------
    kind : str
        "held", "graph", "python", "native", "fragmentation", or "unnamed" where the counts do not add up to any.
    holder : Holder or None
        For "held" and "graph".
    """
    named = [holder for holder in census.holders if holder.name]
    if named and named[0].of != "graph":
        gain = named[0].bytes_per_second
        all_handed_out = gain >= NATIVE_SHARE * census.in_use_rate  # never where that is NaN
        if gain >= (MIN_SHARE_FRAGMENTED if all_handed_out else MIN_SHARE_EXPLAINED) * rate:
            return "held", named[0]
    graph = next((holder for holder in named if holder.of == "graph"), None)
    if graph:  # nobody knows what its operations have saved
        return "graph", graph
    if census.blocks_rate >= NATIVE_SHARE * rate:
        return "python", None
    if census.in_use_rate >= NATIVE_SHARE * rate:
        return "native", None
    if census.resident_rate >= NATIVE_SHARE * rate and census.in_use_rate <= (1 - NATIVE_SHARE) * rate:
        return "fragmentation", None
    return "unnamed", None
