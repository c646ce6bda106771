"""A training run as it was recorded: the folder that `doctor watch` keeps, while it grows or after its death."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec import json as msgspec_json
from numpy.typing import NDArray

from doctor.errors import CannotOpen
from doctor.model import Problem, SubjectSummary
from doctor.subjects.ring_file import RingFile, read_ring

MAX_EVENTS_BYTES = 64_000_000
MAX_STACKS_BYTES = 1_000_000
WARM_UP_STEPS = 20
"""In the first steps the probe, as everything else, does what it does once."""


@dataclass(frozen=True, eq=False)
class Series:
    """One quantity over the steps at which it was recorded.

    Attributes
    ----------
    steps : ndarray of int64, shape (n,)
        Rising, counted from 1.
    values : ndarray of float64, shape (n,)
        NaN means that NaN was recorded; what was not recorded is not here.
    """

    steps: NDArray[np.int64]
    values: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.steps)

    def at(self, steps: NDArray[np.int64]) -> "Series":
        """Return the part recorded at some of `steps`."""
        chosen = np.isin(self.steps, steps)
        return Series(self.steps[chosen], self.values[chosen])

    @property
    def finite(self) -> "Series":
        """Without NaN and infinities."""
        chosen = np.isfinite(self.values)
        return Series(self.steps[chosen], self.values[chosen])


NOTHING = Series(np.empty(0, np.int64), np.empty(0))


@dataclass(frozen=True, kw_only=True, eq=False)
class Layers:
    """One quantity per parameter tensor or module, over steps.

    Attributes
    ----------
    names : tuple of str, k of them
    steps : ndarray of int64, shape (n,)
    values : ndarray of float64, shape (n, k)
        NaN where the quantity was NaN; see `given`.
    given : ndarray of bool, shape (n, k)
    """

    names: tuple[str, ...]
    steps: NDArray[np.int64]
    values: NDArray[np.float64]
    given: NDArray[np.bool_]


class Event(Struct, frozen=True, kw_only=True):
    """Something that happened once in one process; `kind` says which facts there are."""

    kind: str
    step: int | None = None
    time: float = 0.0
    monotonic: float = 0.0
    facts: dict[str, Any] = {}


_EVENTS = msgspec_json.Decoder(Event)


@dataclass(frozen=True, kw_only=True, eq=False)
class Process:
    """One training process, as its probe saw it.

    Attributes
    ----------
    rank : int
        0 where there is one process.
    series : mapping of str to Series
        By field of `doctor.watching.probe.session.FIELDS`; logs give a part of them.
    layers : mapping of str to Layers
        By quantity, such as "gradients".
    state : mapping of str to float
        The latest of what only counts now, by field of `STATE_FIELDS`.
    phase : str
        What it was doing last; empty where nobody knows.
    stacks : str
        What faulthandler wrote.
    """

    rank: int = 0
    pid: int = 0
    host: str = ""
    series: Mapping[str, Series] = field(default_factory=dict)
    layers: Mapping[str, Layers] = field(default_factory=dict)
    state: Mapping[str, float] = field(default_factory=dict)
    phase: str = ""
    events: tuple[Event, ...] = ()
    stacks: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """A run, from a run folder, a log or a tracker's files.

    Attributes
    ----------
    origin : str
        "recorder", or the kind of log it was read from.
    processes : tuple of Process
        Sorted by rank, the latest last where a rank was started again.
    machines : mapping of str to (mapping of str to Series)
        By host, then by field of `doctor.watching.sampler.FIELDS`; "steps" count the monitor's samples.
    events : tuple of Event
        What the monitors saw.
    unrecorded : mapping of int to str
        By process id, the stacks of processes that have recorded nothing.
    about : mapping
        `run.json`: command, start.
    end : mapping
        `end.json`: how it ended; empty while it runs or where nobody saw the end. Of several machines it is that of the
        first that failed, else of the last that ended.
    """

    path: Path
    shown: str
    origin: str = "recorder"
    processes: tuple[Process, ...] = ()
    machines: Mapping[str, Mapping[str, Series]] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    unrecorded: Mapping[int, str] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    end: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def summary(self) -> SubjectSummary:
        """Say what was opened.

        Returns
        -------
        SubjectSummary
            Its facts: `steps` and `processes` that recorded some, `running`, `status`, `signal`, `seconds`,
            `loss_first` and `loss_last` (medians of the first and the last losses), `overhead_share` (of the time spent
            in the probe), and `unwatched`: why there may be no record, in words. What is not known is left out.
        """
        trained = [process for process in self.processes if process.series]
        steps = max((int(one.steps[-1]) for p in trained for one in p.series.values() if len(one)), default=0)
        facts: dict[str, Any] = {"steps": steps, "processes": len(trained)}
        if self.origin == "recorder":
            facts["running"] = not self.end
        facts |= {name: self.end[name] for name in ("status", "signal") if self.end.get(name) is not None}
        if self.end.get("ended") and self.about.get("started"):
            facts["seconds"] = round(self.end["ended"] - self.about["started"], 1)
        if trained:
            facts |= _losses(trained[0]) | _overhead(trained)
        elif reasons := [event.facts["why"] for event in self.events if "why" in event.facts]:
            facts["unwatched"] = "; ".join(dict.fromkeys(map(str, reasons)))
        return SubjectSummary(kind="run", path=self.shown, facts=facts)


def _losses(process: Process) -> dict[str, float]:
    """Return the loss at the start and at the end; where several optimizers take turns there is no such thing."""
    loss = process.series.get("loss", NOTHING).finite.values
    if len(loss) < 2 or len(np.unique(process.series.get("track", NOTHING).values)) > 1:
        return {}
    some = min(10, len(loss) // 2)
    return {"loss_first": float(np.median(loss[:some])), "loss_last": float(np.median(loss[-some:]))}


def _overhead(processes: Sequence[Process]) -> dict[str, float]:
    """Return the share of the time that the probe took, where there are steps enough to leave out the first ones."""
    spent = total = 0.0
    for process in processes:
        probe, steps = (process.series.get(name, NOTHING).values for name in ("probe_seconds", "step_seconds"))
        if len(probe) == len(steps) >= 2 * WARM_UP_STEPS:
            spent += float(probe[WARM_UP_STEPS:].sum())
            total += float(steps[WARM_UP_STEPS:].sum())
    return {"overhead_share": spent / total} if total > 0 else {}


def is_run_folder(folder: Path) -> bool:
    """Whether `doctor watch` kept a run there."""
    return folder.is_dir() and ((folder / "run.json").is_file() or any(folder.glob("*.steps.ring")))


def open_run(folder: Path, shown: str | None = None) -> Run:
    """Open a run folder, also while it is being written; what is damaged becomes a problem, the rest is read.

    Raises
    ------
    CannotOpen
        When the folder is not one that `doctor watch` made.
    """
    if not is_run_folder(folder):
        raise CannotOpen(folder, "not the folder of a watched run (it has neither run.json nor a recording)")
    problems: list[Problem] = []
    rings: dict[str, RingFile] = {}
    for path in sorted(folder.glob("*.ring")):
        try:
            rings[path.name] = read_ring(path)
        except CannotOpen as error:
            problems.append(Problem(path=str(path), reason=error.reason))
    names = [path.name for path in folder.glob("*-*.*") if path.suffix in (".ring", ".jsonl")]
    stems = sorted({name.partition(".")[0] for name in names if "@" not in name})
    processes = [_process(folder, stem, rings, problems) for stem in stems]
    return Run(
        path=folder,
        shown=shown or str(folder),
        processes=tuple(sorted(processes, key=lambda process: (process.rank, process.state.get("time", 0.0)))),
        machines=_machines(rings),
        events=tuple(
            event for path in sorted(folder.glob("machine*.events.jsonl")) for event in _events(path, problems)
        ),
        unrecorded=_unrecorded(folder, stems),
        about=_json(folder / "run.json", problems),
        end=_end(folder, problems),
        problems=tuple(problems),
    )


def _machines(rings: Mapping[str, RingFile]) -> dict[str, dict[str, Series]]:
    """Return the samples by host; those of a later monitor of the same host follow those of the one before."""
    machines: dict[str, dict[str, Series]] = {}
    for name, ring in rings.items():
        if not name.endswith(".samples.ring"):
            continue
        host = str(ring.about.get("host", name))
        before = machines.get(host, {})
        taken = max((int(one.steps[-1]) for one in before.values()), default=0)
        later = {field: Series(one.steps + taken, one.values) for field, one in _series(ring).items()}
        machines[host] = {field: _joined(before.get(field), later.get(field)) for field in before | later}
    return machines


def _joined(first: Series | None, second: Series | None) -> Series:
    parts = [part for part in (first, second) if part is not None]
    return Series(np.concatenate([part.steps for part in parts]), np.concatenate([part.values for part in parts]))


def _end(folder: Path, problems: list[Problem]) -> dict[str, Any]:
    """Read how the command ended on every machine; nothing while one still goes on."""
    starts = [folder / "run.json", *sorted(folder.glob("run@*.json"))]
    ends = [_json(path.with_name(path.name.replace("run", "end", 1)), problems) for path in starts]
    if not all(ends):
        return {}
    failed = [end for end in ends if end.get("status")]
    return min(failed, key=_ended_at) if failed else max(ends, key=_ended_at)


def _ended_at(end: Mapping[str, Any]) -> float:
    return float(end.get("ended") or 0.0)


def _process(folder: Path, stem: str, rings: Mapping[str, RingFile], problems: list[Problem]) -> Process:
    events = _events(folder / f"{stem}.events.jsonl", problems)
    steps = rings.get(f"{stem}.steps.ring")
    about = steps.about if steps else _introduced(events)
    phases = about.get("phases", ())
    place = int(steps.state.get("phase", 0)) if steps else -1
    return Process(
        rank=int(about.get("rank", 0)),
        pid=int(about.get("pid") or _pid(stem)),
        host=str(about.get("host", "")),
        series=_series(steps) if steps else {},
        layers={
            name.removeprefix(f"{stem}.").removesuffix(".ring"): _layers(ring)
            for name, ring in rings.items()
            if name.startswith(f"{stem}.") and ring is not steps
        },
        state=steps.state if steps else {},
        phase=phases[place] if 0 <= place < len(phases) else "",
        events=events,
        stacks=_stacks(folder / f"{stem}.stacks.txt"),
    )


def _unrecorded(folder: Path, stems: Sequence[str]) -> dict[int, str]:
    """Return the stacks of processes that have left nothing else."""
    paths = {path.name.partition(".")[0]: path for path in sorted(folder.glob("*-*.stacks.txt"))}
    texts = {stem: _stacks(path) for stem, path in paths.items() if stem not in stems}
    return {_pid(stem): text for stem, text in texts.items() if text}


def _stacks(path: Path) -> str:
    return path.read_text("utf-8", "replace")[-MAX_STACKS_BYTES:] if path.is_file() else ""


def _introduced(events: tuple[Event, ...]) -> Mapping[str, Any]:
    """Return what a process that recorded no step said of itself."""
    return next((event.facts for event in events if event.kind in ("process", "exception", "exit")), {})


def _pid(stem: str) -> int:
    number = stem.rpartition("-")[2]
    return int(number) if number.isdigit() else 0


def _series(ring: RingFile) -> dict[str, Series]:
    return {
        name: Series(ring.numbers[ring.given[:, place]], ring.values[ring.given[:, place], place])
        for place, name in enumerate(ring.fields)
        if ring.given[:, place].any()
    }


def _layers(ring: RingFile) -> Layers:
    names = tuple(ring.about.get("names", ring.fields))
    return Layers(names=names, steps=ring.numbers, values=ring.values, given=ring.given)


def _events(path: Path, problems: list[Problem]) -> tuple[Event, ...]:
    if not path.is_file():
        return ()
    events = []
    with path.open("rb") as lines:
        for number, line in enumerate(lines.read(MAX_EVENTS_BYTES).split(b"\n"), 1):
            if not line:
                continue
            try:
                events.append(_EVENTS.decode(line))
            except ValueError:
                problems.append(Problem(path=str(path), reason="a line that is no event", line=number))
    return tuple(events)


def _json(path: Path, problems: list[Problem]) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        known = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        problems.append(Problem(path=str(path), reason=f"not JSON: {error}"))
        return {}
    return known if isinstance(known, dict) else {}
