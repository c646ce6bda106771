"""Plain text logs: DeepSpeed, Megatron, Hugging Face, tqdm, Lightning, Keras style and hand-written lines."""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from doctor.errors import CannotOpen
from doctor.subjects.logs.curves import Curves
from doctor.subjects.logs.tracebacks import Tracebacks
from doctor.subjects.run import Event, Process, Run
from doctor.watching.probe.metric_names import canonical

MAX_LINE = 20_000
SNIFFED_BYTES = 4096

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_RANK = re.compile(r"^\s*\[(?:rank|default)\s?(\d+)\]:\s?", re.IGNORECASE)
_RANK_INSIDE = re.compile(r"\[Rank (\d+)\]")
_NUMBER = r"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|nan|inf(?:inity)?)(?![\w])"
_ASSIGNED = re.compile(rf"[:=]\s*[\[('\"]?\s*({_NUMBER})\s*(%?)", re.IGNORECASE)
_SPOKEN = re.compile(
    rf"((?:\b(?:train|training|val|valid|validation|test|eval)[\s_])?\b(?:loss|acc(?:uracy)?|acc@1))\s+({_NUMBER})\s*(%?)",
    re.IGNORECASE,
)
_NAME = re.compile(r"[\w@./()-]+(?: [\w@./()-]+){0,4}\s*$")
_STEP = re.compile(r"\b(?:global[_ ]?step|steps?|iteration|iter|update|it)\s*[:=#]?\s*\[?\s*(\d+)\b", re.IGNORECASE)
_BATCH = re.compile(r"\bepoch\b[^0-9\n]{0,4}(\d+)\D{1,4}?\[\s*(\d+)\s*/\s*(\d+)", re.IGNORECASE)
_BAR = re.compile(r"(\d+)/(\d+) \[\d+:\d+")
_EPOCH = re.compile(r"\bepoch\b\s*[:=\[#]?\s*(\d+)", re.IGNORECASE)
_OVERFLOW = re.compile(r"OVERFLOW!.*Attempted loss scale:\s*([\d.e+]+), (?:reducing to|but hysteresis)\D*([\d.e+]+)?")
_DEATHS = {
    "segmentation fault": 11,
    "bus error": 7,
    "aborted (core dumped)": 6,
    "fatal python error: segmentation fault": 11,
    "fatal python error: aborted": 6,
}
_RETURN = re.compile(r"(?:exits with return code = |exitcode\s*:\s*|exited with code )(-?\d+)")


def read_text_log(path: Path) -> Run:
    """Read a log of any size, line by line.

    Raises
    ------
    CannotOpen
        When it is not text.
    """
    log = _Log()
    try:
        with path.open("rb") as file:
            if b"\0" in file.read(SNIFFED_BYTES):
                raise CannotOpen(path, "not a text")
            file.seek(0)
            for raw in file:
                for line in raw[:MAX_LINE].decode("utf-8", "replace").split("\r"):
                    log.read(line)
    except OSError as error:
        raise CannotOpen(path, error.strerror or str(error)) from error
    return Run(path=path, shown=str(path), origin="text log", processes=tuple(log.processes()), end=log.end)


class _Log:
    """What was read so far."""

    def __init__(self) -> None:
        self.curves = Curves()
        self.tracebacks: defaultdict[int, Tracebacks] = defaultdict(Tracebacks)
        self.end: dict[str, Any] = {}
        self._bar: tuple[int, int] = (0, 0)

    def read(self, line: str) -> None:
        """Take a line, without its end."""
        line = _ANSI.sub("", line).rstrip("\n")
        rank = 0
        if match := _RANK.match(line):
            rank, line = int(match[1]), line[match.end() :]
        elif match := _RANK_INSIDE.search(line):
            rank = int(match[1])
        if self.tracebacks[rank].read(line):
            return
        self._note_death(line)
        if rank == 0 and len(line) > 3:
            self._read_metrics(line)

    def _read_metrics(self, line: str) -> None:
        bar = None
        for bar in _BAR.finditer(line):
            if int(bar[2]) >= self._bar[1]:
                self._bar = int(bar[1]), int(bar[2])
        found = dict(_metrics(line))
        if overflow := _OVERFLOW.search(line):
            found |= {"skipped": 1.0, "loss_scale": float(overflow[2] or overflow[1])}
        if not found:
            return
        if (step := self._step(line, bar)) is not None:
            self.curves.advance(step)
        elif "loss" in found and self.curves.last("loss") >= self.curves.step:
            self.curves.advance(self.curves.step + 1)
        for name, value in found.items():
            self.curves.add(name, value)

    def _step(self, line: str, bar: "re.Match[str] | None") -> int | None:
        if match := _BATCH.search(line):
            return int(match[2])
        if match := _STEP.search(line):
            return int(match[1])
        if bar is not None:
            return int(bar[1])
        if self._bar[1]:
            return self._bar[0]
        if match := _EPOCH.search(line):
            return int(match[1])
        return None

    def _note_death(self, line: str) -> None:
        low = line.strip().lower()
        signal = next((number for text, number in _DEATHS.items() if low.startswith(text)), None)
        if low == "killed" or low.endswith(": killed"):
            signal = 9
        if signal is not None:
            self.end = {"status": 128 + signal, "signal": signal}
        elif (match := _RETURN.search(line)) and int(match[1]):
            code = int(match[1])
            self.end.setdefault("status", 128 - code if code < 0 else code)
            self.end.setdefault("signal", -code if code < 0 else None)

    def processes(self) -> Iterator[Process]:
        """Return one process per rank that spoke; the curves are rank 0's."""
        series = self.curves.series()
        for rank in sorted({0, *(rank for rank, found in self.tracebacks.items() if found.finished())}):
            events = tuple(
                Event(kind="exception", step=self.curves.step if series else None, facts={"thread": "main"} | facts)
                for facts in self.tracebacks[rank].finished()
            )
            if events:
                self.end.setdefault("status", 1)
            state = {"step": float(self.curves.step)} if series else {}
            yield Process(rank=rank, series=series if rank == 0 else {}, events=events, state=state)


def _metrics(line: str) -> Iterator[tuple[str, float]]:
    """Find `name: number`, `name=number` and "loss number" in a line."""
    taken = 0
    for match in _ASSIGNED.finditer(line):
        before = _NAME.search(line[max(taken, match.start() - 60) : match.start()].rstrip("'\" "))
        taken = match.end()
        if before and (name := _known(before[0])):
            yield name, _value(name, match[1], match[2])
    for match in _SPOKEN.finditer(line):
        if name := canonical(match[1]):
            yield name, _value(name, match[2], match[3])


def _known(words: str) -> str | None:
    """Return the quantity that the last words before a number name, the longest name first."""
    parts = words.split()
    for first in range(len(parts)):
        if name := canonical(" ".join(parts[first:])):
            return name
    return None


def _value(name: str, number: str, percent: str) -> float:
    value = float(number)
    return value / 100 if percent and "accuracy" in name else value
